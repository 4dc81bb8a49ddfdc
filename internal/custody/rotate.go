package custody

import (
	"context"
	"crypto/x509"
	"errors"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
)

// RotateKey implements service.Keys.
func (c *Cabinet) RotateKey(ctx context.Context, by access.Caller, want service.KeyRotation) (service.Rotated, error) {
	return c.rotate(ctx, by.Actor(), want)
}

func (c *Cabinet) rotate(ctx context.Context, by audit.Actor, want service.KeyRotation) (service.Rotated, error) {
	material, err := c.nextMaterial(ctx, want.ID)
	if err != nil {
		return service.Rotated{}, err
	}
	standby, missing := c.prepare(ctx, want.ID, 0)
	replaced, err := vault.Do(ctx, c.vault, func(tx *vault.Tx) (replaced vault.Replaced, err error) {
		now := c.now().UTC()
		if err = missing; err == nil {
			replaced, err = c.replace(ctx, tx, by, want, nextKeys{material, standby}, now)
		}
		if err != nil && by.Kind != audit.System { // which will try again in an hour, and tells the log of the server
			err = tx.Refuse(ctx, vault.Refusal{Actor: by, Action: "key.rotate", Key: vault.Ref{ID: want.ID}, Now: now}, err)
		}
		return replaced, err
	})
	if err := errors.Join(err, c.settle(ctx, want.ID, standby, err), c.settle(ctx, want.ID, material, err)); err != nil {
		return service.Rotated{}, err
	}
	out := service.Rotated{Active: keyOf(replaced.Is), Before: keyOf(replaced.Was)}
	if replaced.Standby.Version != 0 {
		standby := keyOf(replaced.Standby)
		out.Standby = &standby
	}
	return out, c.online.Flush(ctx)
}

// nextKeys were made before the transaction of a rotation; either may be nil.
type nextKeys struct {
	version *vault.Material // the next version of a service's key
	standby *vault.Material // the next standby of one of the vault's own
}

// nextMaterial makes what takes long of the next version of a service's key: the
// primes of an RSA key, or a key in a token.
func (c *Cabinet) nextMaterial(ctx context.Context, id string) (m *vault.Material, err error) {
	var versions []vault.KeyInfo
	err = c.store.View(ctx, func(tx store.Tx) (err error) {
		versions, err = c.vault.List(ctx, tx, vault.Filter{ID: id})
		return err
	})
	if err != nil || id == "" || len(versions) == 0 {
		return nil, err
	}
	newest := versions[len(versions)-1]
	switch {
	case !newest.Purpose.ForServices():
		return nil, nil
	case newest.Provider == vault.ProviderSoftware:
		return generateRSA(ctx, newest.Algorithm)
	case newest.State == vault.Active || newest.State == vault.Suspended:
		return c.vault.GenerateNext(ctx, newest)
	}
	return nil, nil
}

func (c *Cabinet) replace(ctx context.Context, tx *vault.Tx, by audit.Actor, want service.KeyRotation, next nextKeys, now time.Time) (vault.Replaced, error) {
	versions, err := c.vault.List(ctx, tx, vault.Filter{ID: want.ID})
	if err != nil {
		return vault.Replaced{}, err
	}
	if len(versions) == 0 || want.ID == "" {
		return vault.Replaced{}, sealift.Errorf(sealift.KindNotFound, "rotating a key", "there is no key %.80s", want.ID).WithReason(vault.ReasonUnknownKey).
			WithHint("see the keys there are with: sealift key list")
	}
	newest := versions[len(versions)-1]
	if !newest.Purpose.ForServices() {
		return c.online.Replace(ctx, tx, want.ID, vault.Deactivated, by, want.Reason, next.standby)
	}
	if newest.State != vault.Active && newest.State != vault.Suspended {
		return vault.Replaced{}, sealift.Errorf(sealift.KindDenied, "rotating key "+want.ID, "%s is %s", newest.Ref, newest.State).WithReason(vault.ReasonState).
			WithHint("an active or suspended version is what is replaced: sealift key list --id %s", want.ID)
	}
	is, err := c.vault.Rotate(ctx, tx, want.ID, next.version, by, want.Reason, now)
	if err != nil {
		return vault.Replaced{}, err
	}
	return c.vault.Replace(ctx, tx, newest, is, vault.Deactivated, by, want.Reason, now)
}

// RetireKey implements service.Keys.
func (c *Cabinet) RetireKey(ctx context.Context, by access.Caller, want service.KeyRetirement) (service.Key, error) {
	if want.After == 0 {
		return c.SetKeyState(ctx, by, service.KeyChange{ID: want.ID, Version: want.Version, To: string(vault.Destroyed), Reason: want.Reason})
	}
	return c.changed(ctx, func(tx *vault.Tx, now time.Time) (vault.KeyInfo, error) {
		ref := vault.Ref{ID: want.ID, Version: want.Version}
		if want.SeenWithin > 0 {
			if err := c.mayAskFleet(ctx, tx, ref); err != nil {
				return vault.KeyInfo{}, tx.Refuse(ctx, vault.Refusal{Actor: by.Actor(), Action: "key.retire", Key: ref, Now: now}, err)
			}
		}
		return c.vault.Retire(ctx, tx, ref, vault.Retirement{At: now.Add(want.After), FleetWindow: want.SeenWithin}, by.Actor(), want.Reason, now)
	})
}

// keeper is the actor of what Keep does.
var keeper = audit.Actor{Kind: audit.System, ID: "keeper"}

// Keep does what is due: it rotates the vault's own keys of whose cryptoperiod
// less than a part in sealift.RotateShare is left, makes standbys where there
// are none, and destroys what is to be retired, by its date or by the fleet. It returns what was done, a line
// each, and an error with a hint for each thing that could not be.
func (c *Cabinet) Keep(ctx context.Context) (done []string, failed []error) {
	var all []vault.KeyInfo
	err := c.store.View(ctx, func(tx store.Tx) (err error) {
		all, err = c.vault.List(ctx, tx, vault.Filter{})
		return err
	})
	if err != nil {
		return nil, []error{err}
	}
	act := func(what string, err error) {
		if err == nil {
			done = append(done, what)
		} else {
			failed = append(failed, err)
		}
	}
	now, newest := c.now(), inUse(all)
	for _, k := range all {
		if k.Version != newest[k.ID].Version || k.Purpose.ForServices() {
			continue
		}
		if k.Purpose.HasStandby() && !hasStandby(all, k.ID) {
			act("made a standby of "+k.ID, c.standby(ctx, k))
		}
		if now.Before(rotateAt(k)) {
			continue
		}
		_, err := c.rotate(ctx, keeper, service.KeyRotation{ID: k.ID, Reason: "its cryptoperiod nears its end"})
		act("rotated "+k.ID, err)
	}
	for _, k := range all {
		if k.RetireAt.IsZero() {
			continue
		}
		if retired, err := c.retire(ctx, k); retired || err != nil {
			act("destroyed "+k.Ref.String(), err)
		}
	}
	return done, failed
}

// inUse returns, by id, the newest version that is active. One that somebody
// suspended is theirs to decide on.
func inUse(all []vault.KeyInfo) map[string]vault.KeyInfo {
	found := map[string]vault.KeyInfo{}
	for _, k := range all { // oldest version first
		if k.State == vault.Active {
			found[k.ID] = k
		}
	}
	return found
}

func hasStandby(all []vault.KeyInfo, id string) bool {
	for _, k := range all {
		if k.ID == id && k.State == vault.PreActive {
			return true
		}
	}
	return false
}

// rotateAt is when a version is rotated by itself: when a part in
// sealift.RotateShare of its cryptoperiod is left, or of the life of a CA's
// certificate where that ends first.
func rotateAt(k vault.KeyInfo) time.Time {
	ends := k.NotAfter
	if k.Purpose.HasStandby() && len(k.Certificate) > 0 {
		if certificate, err := x509.ParseCertificate(k.Certificate); err == nil && certificate.NotAfter.Before(ends) {
			ends = certificate.NotAfter
		}
	}
	return ends.Add(-k.NotAfter.Sub(k.NotBefore) / sealift.RotateShare)
}

func (c *Cabinet) standby(ctx context.Context, k vault.KeyInfo) error {
	next, err := c.prepare(ctx, k.ID, k.Version)
	if err != nil {
		return err
	}
	err = c.vault.Update(ctx, func(tx *vault.Tx) error {
		return c.online.Follow(ctx, tx, k, keeper, "it had no standby", next)
	})
	return errors.Join(err, c.settle(ctx, k.ID, next, err))
}
