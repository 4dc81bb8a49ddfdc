// Package custody shows people the vault's keys, and lets those who own them
// rotate, suspend, restore, deactivate, retire and destroy them, and declare them
// compromised.
//
// The states and their changes are those of package vault. What a change means
// for devices is for whoever delivers to say (Online): one of the vault's own keys
// that is in use is only ever replaced, so that something always signs what
// devices read; and a version that devices or releases depend on is not
// destroyed. A suspended key does nothing until it is restored.
//
// A version is retired by destroying it: at once if nothing depends on it any
// more, or at a date, or before that when no device of the fleet believes it any
// more by what they report, when Keep does it. Keep also rotates what nears the end of
// its cryptoperiod.
//
// What takes long to make is made before the transaction that binds it: the primes
// of an RSA key, and the next standby of a key in a token. If that comes to nothing
// the key in the token is destroyed, unless it may be that a row names it.
//
// People make keys for services of their own, too: CI that signs what it built,
// say. Such a key signs for whoever has a token for its app, by SignWithKey, and
// each signature is an entry in the log before it leaves.
package custody

import (
	"context"
	"errors"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
)

// Online is who delivers with the vault's own keys.
type Online interface {
	// Vouched says which public keys devices know by the newest signed
	// documents: by SHA-256 of the SubjectPublicKeyInfo, the document.
	Vouched(ctx context.Context, tx store.DocumentTx) (map[sealift.Digest]string, error)
	// Replace puts the next version of a key in the place of the one in use,
	// which becomes to. KindConflict with reason "standby" where devices know no
	// next version. next becomes the new standby, if one is made; nil to make one
	// then.
	Replace(ctx context.Context, tx *vault.Tx, id string, to vault.State, by audit.Actor, reason string, next *vault.Material) (vault.Replaced, error)
	// Follow does what another change of state asks for. next is as in Replace.
	Follow(ctx context.Context, tx *vault.Tx, info vault.KeyInfo, by audit.Actor, reason string, next *vault.Material) error
	// Idle returns nil if a version may be destroyed, and else what depends on
	// it still.
	Idle(ctx context.Context, tx store.Tx, info vault.KeyInfo) error
	// Forgotten returns the versions of root.json and targets.json with which a
	// device believes none of the keys of a purpose that the newest ones leave out;
	// 0 for one that does not matter, KindInvalid where devices are not asked.
	Forgotten(ctx context.Context, tx store.DocumentTx, p vault.Purpose) (root, targets int64, err error)
	// Flush publishes what was signed.
	Flush(ctx context.Context) error
}

// Cabinet is a service.Keys over one vault.
type Cabinet struct {
	store  store.Store
	vault  *vault.Vault
	online Online
	now    func() time.Time
}

// New returns the cabinet of a vault and its store.
func New(s store.Store, v *vault.Vault, online Online, now func() time.Time) *Cabinet {
	return &Cabinet{s, v, online, now}
}

// Keys implements service.Keys.
func (c *Cabinet) Keys(ctx context.Context, want service.KeyFilter) (keys []service.Key, err error) {
	filter, err := filterOf(want)
	if err != nil {
		return nil, err
	}
	err = c.store.View(ctx, func(tx store.Tx) error {
		infos, err := c.vault.List(ctx, tx, filter)
		if err != nil {
			return err
		}
		known, err := c.online.Vouched(ctx, tx)
		for _, info := range infos {
			k := keyOf(info)
			k.Vouched = known[k.Public]
			if info.FleetWindow > 0 {
				f, err := c.fleet(ctx, tx, info, c.now().UTC())
				if err != nil {
					return err
				}
				k.Fleet = &f
			}
			keys = append(keys, k)
		}
		return err
	})
	return keys, err
}

// filterOf refuses a state or a purpose that no key can have: it would be an empty
// list, which looks as if all were well.
func filterOf(want service.KeyFilter) (f vault.Filter, err error) {
	f.ID = want.ID
	if want.State != "" {
		if f.State, err = vault.ParseState(want.State); err != nil {
			return f, err
		}
	}
	if want.Purpose != "" {
		f.Purpose, err = vault.ParsePurpose(want.Purpose)
	}
	return f, err
}

func keyOf(k vault.KeyInfo) service.Key {
	out := service.Key{
		ID: k.ID, Version: k.Version, Purpose: string(k.Purpose), Algorithm: string(k.Algorithm), Provider: k.Provider,
		Owner: k.Owner, Label: k.Label, State: string(k.State), Created: k.Created, Changed: k.Changed, NotBefore: k.NotBefore, NotAfter: k.NotAfter,
		Standby: k.Purpose.HasStandby(), RetireAt: k.RetireAt,
	}
	if len(k.Public) > 0 {
		out.Public = sealift.DigestOf(k.Public)
	}
	if k.Purpose.ForServices() {
		out.App, out.Imported, out.Exportable, out.SPKI = k.App, k.Imported, k.Exportable, k.Public
	}
	if k.Purpose == vault.PurposeReleaseCA || k.Purpose == vault.PurposeDeviceCA {
		out.Certificate = k.Certificate
	}
	return out
}

// SetKeyState implements service.Keys.
func (c *Cabinet) SetKeyState(ctx context.Context, by access.Caller, want service.KeyChange) (service.Key, error) {
	next, missing := c.nextStandby(ctx, want)
	key, err := c.changed(ctx, func(tx *vault.Tx, now time.Time) (vault.KeyInfo, error) {
		info, err := c.vault.Lookup(ctx, tx, vault.Ref{ID: want.ID, Version: want.Version})
		if err == nil {
			err = c.mayChange(ctx, tx, info, vault.State(want.To))
		}
		if err == nil {
			err = missing
		}
		if err != nil {
			return info, tx.Refuse(ctx, vault.Refusal{Actor: by.Actor(), Action: "key.transition", Key: vault.Ref{ID: want.ID, Version: want.Version}, Now: now}, err)
		}
		if want.To == string(vault.Compromised) && c.serves(ctx, tx, info) {
			replaced, err := c.online.Replace(ctx, tx, info.ID, vault.Compromised, by.Actor(), want.Reason, next)
			return replaced.Was, err
		}
		info, err = c.vault.Transition(ctx, tx, info.Ref, info.State, vault.State(want.To), by.Actor(), want.Reason, now)
		if err == nil && !info.Purpose.ForServices() {
			err = c.online.Follow(ctx, tx, info, by.Actor(), want.Reason, next)
		}
		return info, err
	})
	return key, errors.Join(err, c.settle(ctx, want.ID, next, err))
}

// nextStandby prepares what a change of state makes necessary: a standby that ends,
// or takes the place of a compromised version, wants another one.
func (c *Cabinet) nextStandby(ctx context.Context, want service.KeyChange) (*vault.Material, error) {
	if want.To != string(vault.Compromised) && want.To != string(vault.Destroyed) {
		return nil, nil
	}
	var is vault.KeyInfo
	err := c.store.View(ctx, func(tx store.Tx) (err error) {
		is, err = c.vault.Lookup(ctx, tx, vault.Ref{ID: want.ID, Version: want.Version})
		return err
	})
	switch {
	case err != nil: // for the transaction to refuse, and to record
		return nil, nil
	case is.State == vault.PreActive:
		return c.prepare(ctx, want.ID, is.Version)
	case is.State == vault.Active && want.To == string(vault.Compromised):
		return c.prepare(ctx, want.ID, 0)
	}
	return nil, nil
}

// changed runs fn in a transaction and publishes what it signed.
func (c *Cabinet) changed(ctx context.Context, fn func(tx *vault.Tx, now time.Time) (vault.KeyInfo, error)) (service.Key, error) {
	info, err := vault.Do(ctx, c.vault, func(tx *vault.Tx) (vault.KeyInfo, error) { return fn(tx, c.now().UTC()) })
	if err != nil {
		return service.Key{}, err
	}
	return keyOf(info), c.online.Flush(ctx)
}

// mayChange refuses what the table of states allows and the key's work does not.
func (c *Cabinet) mayChange(ctx context.Context, tx *vault.Tx, info vault.KeyInfo, to vault.State) error {
	doing := "changing the state of key " + info.Ref.String()
	own := !info.Purpose.ForServices()
	switch {
	case info.State == to:
		return sealift.Errorf(sealift.KindConflict, doing, "it is %s already", to).WithHint("see the keys there are with: sealift key list --id %s", info.ID)
	case own && info.State == vault.PreActive && to == vault.Active,
		own && to == vault.Deactivated && c.serves(ctx, tx, info):
		return sealift.Errorf(sealift.KindDenied, doing, "the vault works with this key: its versions take each other's place").WithReason(vault.ReasonState).
			WithHint("replace the version in use by its standby: sealift key rotate %s --reason TEXT", info.ID)
	case to == vault.Destroyed && vault.CanTransition(info.State, to):
		return c.online.Idle(ctx, tx, info)
	}
	return nil
}

// serves reports whether info is the version of one of the vault's own keys that
// does its work now.
func (c *Cabinet) serves(ctx context.Context, tx *vault.Tx, info vault.KeyInfo) bool {
	if info.Purpose.ForServices() || info.State != vault.Active && info.State != vault.Suspended {
		return false
	}
	versions, err := c.vault.List(ctx, tx, vault.Filter{ID: info.ID})
	for _, other := range versions {
		if other.Version > info.Version && (other.State == vault.Active || other.State == vault.Suspended) {
			return false
		}
	}
	return err == nil
}
