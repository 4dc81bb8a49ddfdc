// Package sealing opens the vault for people, seals it, and turns its
// key-encryption key, over the API.
//
// Nobody can be signed in while the vault is sealed: whoever gives the right
// secret is who may. So anyone may try, within bounds:
//
//   - Each network (package throttle) has sealift.UnsealsPerMinute tries a minute.
//   - Passphrases and recovery keys cost an Argon2id each, of which one runs at a
//     time. From everywhere together sealift.PassphrasesPerMinute are taken; from
//     the server's own machine they are not counted with the others. So strangers
//     may keep people who are elsewhere waiting, for as long as they go on, but
//     never whoever is at the machine.
//   - Shares cost nothing to check and cannot be guessed, so that no stranger keeps
//     their holders from coming together. Those that are right are kept by the
//     vault until there are enough; see vault.Give.
//
// What does not open it is in the log, a flood of it in few entries: see
// vault.Settle.
package sealing

import (
	"context"
	"net/netip"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/throttle"
	"github.com/sealift/sealift/internal/vault"
)

// Door is a service.Seal over one vault.
type Door struct {
	vault    *vault.Vault
	now      func() time.Time
	each     *throttle.Throttle // of every network
	together *throttle.Throttle // of all of them, for what costs an Argon2id
}

// New returns the door of a vault.
func New(v *vault.Vault, now func() time.Time) *Door {
	return &Door{v, now, throttle.New(sealift.UnsealsPerMinute), throttle.New(sealift.PassphrasesPerMinute)}
}

// Unseal implements service.Seal.
func (d *Door) Unseal(ctx context.Context, from string, secret []byte) (service.Progress, error) {
	isShare := vault.IsShare(secret)
	if err := d.admit(ctx, from, isShare); err != nil {
		return service.Progress{}, err
	}
	if isShare {
		so, err := d.vault.Give(ctx, secret, anyone(from), d.now())
		return service.Progress{Open: so.Open, Path: so.Path.String(), Given: so.Given, Threshold: so.Threshold}, err
	}
	err := d.vault.Unseal(ctx, vault.SecretOf(secret), anyone(from), d.now())
	return service.Progress{Open: err == nil}, err
}

// ResetUnseal implements service.Seal.
func (d *Door) ResetUnseal(ctx context.Context, from string, share []byte) error {
	if err := d.admit(ctx, from, true); err != nil {
		return err
	}
	return d.vault.Reset(ctx, share, anyone(from), d.now())
}

// Seal implements service.Seal.
func (d *Door) Seal(ctx context.Context, by access.Caller) error {
	return d.vault.Seal(ctx, by.Actor(), d.now())
}

// RotateKEK implements service.Seal.
func (d *Door) RotateKEK(ctx context.Context, by access.Caller, reason string) (service.Rotation, error) {
	so, err := d.vault.RotateKEK(ctx, by.Actor(), reason, d.now())
	if err != nil {
		return service.Rotation{}, err
	}
	return d.ContinueRotation(ctx, by, so.KEK)
}

// ContinueRotation implements service.Seal.
func (d *Door) ContinueRotation(ctx context.Context, by access.Caller, kek string) (service.Rotation, error) {
	so, err := d.vault.Rewrap(ctx, by.Actor(), d.now)
	if err != nil {
		return service.Rotation{}, err
	}
	if so.KEK != kek {
		return service.Rotation{}, sealift.Errorf(sealift.KindNotFound, "going on with a rotation", "there is none to %.40q", kek).
			WithHint("the newest led to %s", so.KEK)
	}
	return service.Rotation{KEK: so.KEK, Done: so.Done}, nil
}

// reasonRate is problem.ReasonRate, which makes it a 429.
const reasonRate = "rate"

// admit turns away what comes too often, and what has nothing to open.
func (d *Door) admit(ctx context.Context, from string, cheap bool) error {
	status, err := d.vault.Status(ctx)
	if err != nil {
		return err
	}
	if !status.Sealed {
		return vault.ErrUnsealed()
	}
	now := d.now()
	wait, ok := d.each.Admit(from, now)
	if ok && !cheap && !local(from) {
		wait, ok = d.together.Admit("", now) // no address: one count for all
	}
	if ok {
		return nil
	}
	if err := d.vault.Unheard(ctx, now); err != nil {
		return err
	}
	return sealift.Errorf(sealift.KindExhausted, "unsealing vault", "too many attempts were made in this minute").WithReason(reasonRate).
		WithHint("try again in %d seconds; whoever is on the server's own machine does not wait for others", int(wait/time.Second)+1)
}

// local reports whether an address is of the server's own machine.
func local(address string) bool {
	ip, err := netip.ParseAddr(address)
	return err == nil && ip.Unmap().IsLoopback()
}

// anyone is who opens a vault: nobody is signed in yet.
func anyone(from string) audit.Actor {
	return audit.Actor{Kind: audit.Person, ID: "anyone", Address: from}
}
