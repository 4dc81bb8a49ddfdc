package storetest

import (
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
)

func aCapgoBundle() store.CapgoBundle {
	b := filled[store.CapgoBundle](0)
	b.App, b.Release = app, aRelease(1).Digest
	return b
}

func aCapgoDraft(draft string) store.CapgoDraft {
	d := filled[store.CapgoDraft](0)
	d.Draft = draft
	return d
}

func testCapgo(t *testing.T, s store.Store) {
	ctx := t.Context()
	bundle, again := aCapgoBundle(), store.CapgoBundle{App: app, Release: aRelease(1).Digest}
	draft, empty := aCapgoDraft("d1"), store.CapgoDraft{Draft: "d1"}
	update(t, s, func(tx store.Tx) {
		addApp(t, tx)
		isAbsent(t)(tx.PutCapgoBundle(ctx, bundle)) // no such release
		isAbsent(t)(tx.PutCapgoDraft(ctx, draft))   // no such draft
		do(t, tx.InsertRelease(ctx, aRelease(1)))
		do(t, tx.InsertDraft(ctx, aDraft("d1")))
		isAbsent(t)(tx.CapgoBundle(ctx, app, bundle.Release))
		isAbsent(t)(tx.CapgoDraft(ctx, "d1"))
		do(t, tx.DeleteCapgoDraft(ctx, "d1"))
		do(t, tx.PutCapgoBundle(ctx, bundle))
		do(t, tx.PutCapgoDraft(ctx, draft))
	})
	view(t, s, func(tx store.Tx) {
		gives(t, bundle)(tx.CapgoBundle(ctx, app, bundle.Release))
		gives(t, draft)(tx.CapgoDraft(ctx, "d1"))
		isAbsent(t)(tx.CapgoBundle(ctx, "com.acme.till", bundle.Release))
		gives(t, []sealift.Digest{bundle.Release})(tx.CapgoReleases(ctx, app))
		gives(t, []sealift.Digest{})(tx.CapgoReleases(ctx, "com.acme.till"))
	})
	update(t, s, func(tx store.Tx) {
		do(t, tx.PutCapgoBundle(ctx, again))
		do(t, tx.PutCapgoDraft(ctx, empty))
		gives(t, again)(tx.CapgoBundle(ctx, app, bundle.Release))
		gives(t, empty)(tx.CapgoDraft(ctx, "d1"))
		do(t, tx.DeleteCapgoDraft(ctx, "d1"))
		isAbsent(t)(tx.CapgoDraft(ctx, "d1"))
	})
}
