// Package custody shows people the vault's keys, and lets those who own them
// suspend one and restore it.
//
// A suspended key does nothing until it is restored: a release CA certifies no
// release, a device CA no answer key. What would stop the fleet is never
// suspended (package vault says which purposes). No other change of state is
// offered here: a key that is deactivated or declared compromised needs another
// one in its place that devices trust, and so a ceremony.
package custody

import (
	"context"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
)

// Cabinet is a service.Keys over one vault.
type Cabinet struct {
	store store.Store
	vault *vault.Vault
	now   func() time.Time
}

// New returns the cabinet of a vault and its store.
func New(s store.Store, v *vault.Vault, now func() time.Time) *Cabinet {
	return &Cabinet{s, v, now}
}

// Keys implements service.Keys.
func (c *Cabinet) Keys(ctx context.Context, want service.KeyFilter) (keys []service.Key, err error) {
	err = c.store.View(ctx, func(tx store.Tx) error {
		infos, err := c.vault.List(ctx, tx, vault.Filter{ID: want.ID, Purpose: vault.Purpose(want.Purpose), State: vault.State(want.State)})
		for _, info := range infos {
			keys = append(keys, keyOf(info))
		}
		return err
	})
	return keys, err
}

func keyOf(k vault.KeyInfo) service.Key {
	out := service.Key{
		ID: k.ID, Version: k.Version, Purpose: string(k.Purpose), Algorithm: string(k.Algorithm), Provider: k.Provider,
		Owner: k.Owner, Label: k.Label, State: string(k.State), Created: k.Created, Changed: k.Changed, NotBefore: k.NotBefore, NotAfter: k.NotAfter,
	}
	if len(k.Public) > 0 {
		out.Public = sealift.DigestOf(k.Public)
	}
	return out
}

// SetKeyState implements service.Keys.
func (c *Cabinet) SetKeyState(ctx context.Context, by access.Caller, want service.KeyChange) (service.Key, error) {
	from, to := vault.Active, vault.Suspended
	if !want.Suspend {
		from, to = to, from
	}
	return vault.Do(ctx, c.vault, func(tx *vault.Tx) (service.Key, error) {
		info, err := c.vault.Transition(ctx, tx, vault.Ref{ID: want.ID, Version: want.Version}, from, to, by.Actor(), want.Reason, c.now().UTC())
		return keyOf(info), err
	})
}
