package vault

import (
	"context"
	"maps"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
)

// Use says which key is wanted, by whom and what for.
type Use struct {
	Purpose Purpose // must be that of the key
	Key     Ref     // Version 0 means the newest version that may do it
	Actor   audit.Actor
	Why     Why
	Now     time.Time
	// Possession says that the signature proves no more than that the key is
	// held: a self-signed certificate, or a PKCS #10 request. A CA's key may do
	// that before it is active (SP 800-57 part 1 rev. 5, section 7.1).
	Possession bool
}

// Why goes into the log with each use. Nothing in it is secret; all of it
// together has at most sealift.MaxReason bytes.
type Why struct {
	Action  string            // what for: "release.certify"; never empty
	Subject string            // what on: "sha256:…"
	Details map[string]string // more, by name
}

// Use is the one way to a private key. It checks that the vault is unsealed,
// that the key's row is as the vault wrote it, and that purpose, state and
// cryptoperiod allow the use; appends the entry to the log in tx; and only then
// calls fn with the key, which is dead when fn returns. No entry, no use.
//
// A refusal is recorded too, and an error of fn, which Use returns as it is,
// adds an entry that the use failed. Since both usually roll tx back, Update
// records them again (see Tx). For a signing key, each signature adds an entry
// that names its digest, unless that is Why.Subject: then the entry of the Use
// stands for the first signature of it.
//
// Errors are KindSealed, KindNotFound with reason "key-unknown", KindInvalid
// for a Why that says nothing, and KindDenied with one of the reasons of this
// package.
func (v *Vault) Use(ctx context.Context, tx *Tx, u Use, fn func(Key) error) error {
	e, err := u.event()
	if err != nil {
		return tx.refuse(ctx, e, err)
	}
	row, info, err := u.find(ctx, tx)
	if err != nil {
		return tx.refuse(ctx, e, err)
	}
	return v.use(ctx, tx, u.Now, e, row, info, fn)
}

// use is Use of a row that find has returned in the same transaction, with the
// entry e.
func (v *Vault) use(ctx context.Context, tx *Tx, now time.Time, e event, row store.Key, info KeyInfo, fn func(Key) error) error {
	e.key = info.Ref
	h, inToken, err := v.open(ctx, tx.ring, row, info)
	if err != nil {
		return tx.refuse(ctx, e, err)
	}
	defer h.close()
	key, err := h.key(now, inToken, recorder(ctx, tx, e))
	if err != nil {
		return tx.refuse(ctx, e, err)
	}
	tx.ring.keepSigner(row.MAC, key)
	if err := tx.append(ctx, e.with(audit.OK)); err != nil {
		return err
	}
	if err := fn(key); err != nil {
		return tx.refuse(ctx, e, err)
	}
	return nil
}

// open returns the handle of a checked row, and its key in a token if it is there.
func (v *Vault) open(ctx context.Context, ring *keyring, row store.Key, info KeyInfo) (*handle, *tokenKey, error) {
	signer, err := ring.keptSigner(row.MAC)
	if err != nil {
		return nil, nil, err
	}
	if signer != nil {
		return &handle{info: info, private: func() []byte { return nil }, signer: signer}, nil, nil
	}
	private, err := material(ring, row)
	if err != nil {
		return nil, nil, err
	}
	inToken, err := v.tokenKey(ctx, info)
	if err != nil {
		clear(private)
		return nil, nil, err
	}
	return newHandle(info, private), inToken, nil
}

// recorder returns what appends the entry of each signature. The entry of the
// Use has been appended when it is first called.
func recorder(ctx context.Context, tx *Tx, e event) func(subject string) error {
	covered := e.subject
	return func(subject string) error {
		if subject == covered {
			covered = ""
			return nil
		}
		e.subject = subject
		return tx.append(ctx, e.with(audit.OK))
	}
}

// event returns the entry of the use, and an error where Why will not do; the
// entry then lacks it.
func (u Use) event() (event, error) {
	e := event{at: u.Now, actor: u.Actor, action: actionUse, key: Ref{clip(u.Key.ID), u.Key.Version}}
	e = e.detail("purpose", clip(string(u.Purpose)))
	n := len(u.Why.Action) + len(u.Why.Subject)
	for name, value := range u.Why.Details {
		n += len(name) + len(value)
	}
	if u.Why.Action == "" || n > sealift.MaxReason {
		return e, sealift.Errorf(sealift.KindInvalid, "using key "+u.Key.String(), "why has no action or %d bytes; at most %d are allowed", n, sealift.MaxReason)
	}
	maps.Copy(e.details, u.Why.Details)
	e.details["for"] = u.Why.Action
	e.details["purpose"] = clip(string(u.Purpose))
	e.subject = u.Why.Subject
	return e, nil
}

// clip bounds what is recorded of an id that may be anything.
func clip(id string) string { return id[:min(len(id), sealift.MaxKeyLabel)] }

// find returns the version that the use asks for, if it may be used.
func (u Use) find(ctx context.Context, rows *Tx) (store.Key, KeyInfo, error) {
	if u.Key.Version != 0 {
		row, info, err := readRow(ctx, rows.ring, rows, u.Key)
		if err == nil {
			err = u.allowed(info)
		}
		return row, info, err
	}
	versions, err := versionsOf(ctx, rows.ring, rows, u.Key.ID)
	if err != nil {
		return store.Key{}, KeyInfo{}, err
	}
	var newest error // why the newest version will not do
	for i := len(versions) - 1; i >= 0; i-- {
		info, err := checkRow(ctx, rows.ring, rows, versions[i])
		if err != nil {
			return store.Key{}, KeyInfo{}, err
		}
		if err = u.allowed(info); err == nil {
			return versions[i], info, nil
		}
		if newest == nil {
			newest = err
		}
	}
	return store.Key{}, KeyInfo{}, newest
}

// allowed checks purpose, state and cryptoperiod.
func (u Use) allowed(k KeyInfo) error {
	op := k.Purpose.Operation()
	doing := "using key " + k.Ref.String()
	switch {
	case u.Purpose != k.Purpose:
		return sealift.Errorf(sealift.KindDenied, doing, "it is for %s, not for %.40q", k.Purpose, u.Purpose).WithReason(ReasonPurpose)
	case u.Possession && k.State == PreActive && policies[k.Purpose].certifies:
		return nil
	case !k.State.permits(op):
		return sealift.Errorf(sealift.KindDenied, doing, "it is %s, which does not allow to %s", k.State, op).WithReason(ReasonState).
			WithHint("use an active version of the key; where there is none, rotate it and activate the new version")
	case u.Now.Before(k.NotBefore):
		return sealift.Errorf(sealift.KindDenied, doing, "its cryptoperiod begins at %s", k.NotBefore.Format(time.RFC3339)).WithReason(ReasonPeriod).
			WithHint("check the server's clock")
	case !k.within(u.Now) && (op == OpSign || op == OpMAC || op == OpEncode):
		return sealift.Errorf(sealift.KindDenied, doing, "its cryptoperiod ended at %s", k.NotAfter.Format(time.RFC3339)).WithReason(ReasonPeriod).
			WithHint("rotate the key, or check the server's clock")
	}
	return nil
}
