package custody

import (
	"context"
	"slices"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
)

// prepare makes in its token what becomes the next standby of a key, before there
// is a transaction: a token may look for primes for minutes. gone is the standby
// that is about to leave its place, by being put into use or by its end; 0 stands
// for the one that devices know, which a rotation puts into use. It is nil where
// the key is in software, keeps a standby, or has none that could be put into use.
//
// Give what comes back to settle, whatever became of the transaction. If the
// process dies between, the key stays in its token, where no row names it; sealift
// doctor lists it.
func (c *Cabinet) prepare(ctx context.Context, id string, gone uint64) (*vault.Material, error) {
	var newest vault.KeyInfo
	var needed bool
	err := c.store.View(ctx, func(tx store.Tx) error {
		versions, err := c.vault.List(ctx, tx, vault.Filter{ID: id})
		if err != nil || id == "" || len(versions) == 0 {
			return err
		}
		known, err := c.online.Vouched(ctx, tx)
		if err != nil {
			return err
		}
		newest, needed = versions[len(versions)-1], needsStandby(versions, known, gone)
		return nil
	})
	if err != nil || !needed || newest.Provider != vault.ProviderPKCS11 || newest.Token == "" {
		return nil, err
	}
	return c.vault.GenerateNext(ctx, newest)
}

// needsStandby reports whether a key has no standby left once gone has left its
// place.
func needsStandby(versions []vault.KeyInfo, known map[sealift.Digest]string, gone uint64) bool {
	if !versions[0].Purpose.HasStandby() {
		return false
	}
	standbys := slices.DeleteFunc(slices.Clone(versions), func(k vault.KeyInfo) bool { return k.State != vault.PreActive })
	if gone == 0 {
		ready := slices.IndexFunc(standbys, func(k vault.KeyInfo) bool { return known[sealift.DigestOf(k.Public)] != "" })
		return ready >= 0 && len(standbys) == 1
	}
	return !slices.ContainsFunc(standbys, func(k vault.KeyInfo) bool { return k.Version != gone })
}

// settle destroys what prepare made if no row came to hold it. failed is what became
// of the transaction: where it does not say that nothing was written, the key is
// left, for one that a row names must never go.
func (c *Cabinet) settle(ctx context.Context, id string, m *vault.Material, failed error) error {
	if m == nil {
		return nil
	}
	if kind := sealift.KindOf(failed); kind == sealift.KindNetwork || kind == sealift.KindInternal {
		return nil
	}
	return c.vault.Discard(context.WithoutCancel(ctx), id, m)
}
