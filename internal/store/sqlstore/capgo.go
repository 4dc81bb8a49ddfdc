package sqlstore

import (
	"context"
	"fmt"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlstore/sqlcgen"
)

// PutCapgoBundle implements store.CapgoTx.
func (t *tx) PutCapgoBundle(ctx context.Context, b store.CapgoBundle) error {
	_, err := t.refusable(ctx, func() (int64, error) {
		return t.q.PutCapgoBundle(ctx, sqlcgen.PutCapgoBundleParams{
			App: string(b.App), Release: b.Release[:], Document: some(b.Document), Created: micros(b.Created), Mac: some(b.MAC),
		})
	})
	return t.fail(ctx, fmt.Sprintf("storing what Capgo's plugin is told of release %v of %s", b.Release, b.App), err)
}

// CapgoBundle implements store.CapgoTx.
func (t *tx) CapgoBundle(ctx context.Context, app sealift.AppID, release sealift.Digest) (store.CapgoBundle, error) {
	row, err := t.q.CapgoBundle(ctx, sqlcgen.CapgoBundleParams{App: string(app), Release: release[:]})
	if err != nil {
		return store.CapgoBundle{}, t.fail(ctx, fmt.Sprintf("reading what Capgo's plugin is told of release %v of %s", release, app), err)
	}
	return store.CapgoBundle{App: sealift.AppID(row.App), Release: digest(row.Release), Document: bare(row.Document), Created: moment(row.Created), MAC: bare(row.Mac)}, nil
}

// PutCapgoDraft implements store.CapgoTx.
func (t *tx) PutCapgoDraft(ctx context.Context, d store.CapgoDraft) error {
	_, err := t.refusable(ctx, func() (int64, error) {
		return t.q.PutCapgoDraft(ctx, sqlcgen.PutCapgoDraftParams{Draft: d.Draft, Document: some(d.Document), Source: d.Source[:], Created: micros(d.Created), Mac: some(d.MAC)})
	})
	return t.fail(ctx, "storing what Capgo's plugin is to be told of draft "+d.Draft, err)
}

// CapgoDraft implements store.CapgoTx.
func (t *tx) CapgoDraft(ctx context.Context, draft string) (store.CapgoDraft, error) {
	row, err := t.q.CapgoDraft(ctx, draft)
	if err != nil {
		return store.CapgoDraft{}, t.fail(ctx, "reading what Capgo's plugin is to be told of draft "+draft, err)
	}
	return store.CapgoDraft{Draft: row.Draft, Document: bare(row.Document), Source: digest(row.Source), Created: moment(row.Created), MAC: bare(row.Mac)}, nil
}

// DeleteCapgoDraft implements store.CapgoTx.
func (t *tx) DeleteCapgoDraft(ctx context.Context, draft string) error {
	_, err := t.q.DeleteCapgoDraft(ctx, draft)
	return t.fail(ctx, "removing what Capgo's plugin is to be told of draft "+draft, err)
}
