package storetest

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
)

func testDrafts(t *testing.T, s store.Store) {
	ctx := t.Context()
	draft, other := aDraft("d"), aDraft("other")
	published := filled[store.Draft](40)
	published.ID, published.Coordinates, published.State = "d", coordinates(), store.DraftPublished
	empty := store.Draft{ID: "empty", Coordinates: store.Coordinates{App: app, Channel: channel}}
	update(t, s, func(tx store.Tx) {
		isAbsent(t)(tx.InsertDraft(ctx, draft))
		addApp(t, tx)
		isAbsent(t)(tx.Draft(ctx, "d"))
		isAbsent(t)(tx.UpdateDraft(ctx, draft, store.DraftReserved))
		for _, d := range []store.Draft{draft, other, empty} {
			do(t, tx.InsertDraft(ctx, d))
			isConflict(t)(tx.InsertDraft(ctx, d))
			gives(t, d)(tx.Draft(ctx, d.ID))
		}
		isConflict(t)(tx.UpdateDraft(ctx, published, store.DraftPublished))
		gives(t, draft)(tx.Draft(ctx, "d"))
		do(t, tx.UpdateDraft(ctx, published, store.DraftReserved))
		isConflict(t)(tx.UpdateDraft(ctx, draft, store.DraftReserved))
	})
	view(t, s, func(tx store.Tx) {
		gives(t, published)(tx.Draft(ctx, "d"))
		gives(t, other)(tx.Draft(ctx, "other"))
	})
}

func testOpenDrafts(t *testing.T, s store.Store) {
	ctx := t.Context()
	of := coordinates()
	drafts := map[string]store.Draft{}
	update(t, s, func(tx store.Tx) {
		addApp(t, tx)
		do(t, tx.InsertChannel(ctx, aChannel(app, "beta")))
		add := func(id string, counter sealift.Counter, change func(*store.Draft)) {
			d := aDraft(id)
			d.Counter = counter
			change(&d)
			drafts[id] = d
			do(t, tx.InsertDraft(ctx, d))
		}
		add("ten", 10, func(*store.Draft) {})
		add("nine", 9, func(*store.Draft) {})
		add("submitted", 11, func(d *store.Draft) { d.State = store.DraftSubmitted })
		add("abandoned", 8, func(d *store.Draft) { d.State = store.DraftAbandoned })
		add("published", 7, func(d *store.Draft) { d.State = store.DraftPublished })
		add("channel", 6, func(d *store.Draft) { d.Channel = "beta" })
		add("platform", 5, func(d *store.Draft) { d.Platform = "ios" })
		add("runtime", 4, func(d *store.Draft) { d.Runtime = ">=1.0.0" })
		add("version", 3, func(d *store.Draft) { d.Version = "1.0.1" })
	})
	view(t, s, func(tx store.Tx) {
		gives(t, []store.Draft{drafts["nine"], drafts["ten"], drafts["submitted"]})(tx.OpenDrafts(ctx, of))
		of.Runtime = ">=1.0.0"
		gives(t, []store.Draft{drafts["runtime"]})(tx.OpenDrafts(ctx, of))
		of.Runtime = "" // an empty field is no wildcard here
		gives(t, []store.Draft{})(tx.OpenDrafts(ctx, of))
	})
}

func testSubmittedDrafts(t *testing.T, s store.Store) {
	ctx := t.Context()
	drafts := map[string]store.Draft{}
	update(t, s, func(tx store.Tx) {
		addApp(t, tx)
		do(t, tx.InsertApp(ctx, anApp("com.acme.till")))
		do(t, tx.InsertChannel(ctx, aChannel("com.acme.till", channel)))
		gives(t, []store.Draft{})(tx.SubmittedDrafts(ctx, ""))
		add := func(id string, state store.DraftState, of sealift.AppID, after time.Duration) {
			d := aDraft(id)
			d.State, d.App, d.Submitted = state, of, someTime.Add(after)
			drafts[id] = d
			do(t, tx.InsertDraft(ctx, d))
		}
		add("late", store.DraftSubmitted, app, time.Hour)
		add("b", store.DraftSubmitted, app, 0)
		add("a", store.DraftSubmitted, app, 0)
		add("till", store.DraftSubmitted, "com.acme.till", time.Minute)
		add("reserved", store.DraftReserved, app, 0)
		add("published", store.DraftPublished, app, 0)
		add("abandoned", store.DraftAbandoned, app, 0)
	})
	view(t, s, func(tx store.Tx) {
		gives(t, []store.Draft{drafts["a"], drafts["b"], drafts["till"], drafts["late"]})(tx.SubmittedDrafts(ctx, ""))
		gives(t, []store.Draft{drafts["a"], drafts["b"], drafts["late"]})(tx.SubmittedDrafts(ctx, app))
		gives(t, []store.Draft{})(tx.SubmittedDrafts(ctx, absent))
	})
}

func testBlobs(t *testing.T, s store.Store) {
	ctx := t.Context()
	blob := aBlob("content")
	again := blob
	again.Length++
	update(t, s, func(tx store.Tx) {
		isAbsent(t)(tx.InsertBlob(ctx, blob))
		addApp(t, tx)
		isAbsent(t)(tx.Blob(ctx, app, blob.Digest))
		do(t, tx.InsertBlob(ctx, blob))
		do(t, tx.InsertBlob(ctx, again))
		gives(t, blob)(tx.Blob(ctx, app, blob.Digest)) // the first stays
		do(t, tx.InsertApp(ctx, anApp("com.acme.till")))
		isAbsent(t)(tx.Blob(ctx, "com.acme.till", blob.Digest))
		empty := store.Blob{App: "com.acme.till"}
		do(t, tx.InsertBlob(ctx, empty))
		gives(t, empty)(tx.Blob(ctx, "com.acme.till", sealift.Digest{}))
	})
}

func testReleases(t *testing.T, s store.Store) {
	ctx := t.Context()
	full := aRelease(1)
	empty := store.Release{Coordinates: store.Coordinates{App: app, Channel: channel}}
	update(t, s, func(tx store.Tx) {
		isAbsent(t)(tx.InsertRelease(ctx, full))
		addApp(t, tx)
		isAbsent(t)(tx.Release(ctx, app, full.Digest))
		gives(t, []store.Release{})(tx.Releases(ctx, app, store.ReleaseFilter{}))
		for _, r := range []store.Release{full, empty} {
			do(t, tx.InsertRelease(ctx, r))
			gives(t, r)(tx.Release(ctx, app, r.Digest))
		}
		isAbsent(t)(tx.Release(ctx, "com.acme.till", full.Digest))
		gives(t, empty)(tx.Release(ctx, app, sealift.Digest{}))
		isAbsent(t)(tx.InsertRelease(ctx, func() store.Release {
			r := aRelease(9)
			r.Channel = "absent"
			return r
		}()))
	})
}

func testReleaseConflicts(t *testing.T, s store.Store) {
	ctx := t.Context()
	like := func(act sealift.Act, counter sealift.Counter, change func(*store.Release)) store.Release {
		r := aRelease(counter)
		r.Act = act
		change(&r)
		return r
	}
	same := func(*store.Release) {}
	update(t, s, func(tx store.Tx) {
		addApp(t, tx)
		do(t, tx.InsertRelease(ctx, aRelease(1)))
		isConflict(t)(tx.InsertRelease(ctx, like(sealift.ActRollback, 2, func(r *store.Release) { r.Digest = aRelease(1).Digest })))
		isConflict(t)(tx.InsertRelease(ctx, like(sealift.ActRollback, 1, func(r *store.Release) { r.Digest = aRelease(2).Digest })))
		isConflict(t)(tx.InsertRelease(ctx, like(sealift.ActRelease, 2, same)))
		do(t, tx.InsertRelease(ctx, like(sealift.ActRollback, 2, same)))
		do(t, tx.InsertRelease(ctx, like(sealift.ActPromotion, 3, same)))
		do(t, tx.InsertRelease(ctx, like(sealift.ActReissue, 4, same)))
		do(t, tx.InsertRelease(ctx, like(sealift.ActReissue, 5, same)))
		isConflict(t)(tx.InsertRelease(ctx, like(sealift.ActRelease, 6, same)))
		do(t, tx.InsertRelease(ctx, like(sealift.ActRelease, 6, func(r *store.Release) { r.Runtime = ">=2.0.0" })))
		do(t, tx.InsertRelease(ctx, like(sealift.ActRelease, 7, func(r *store.Release) { r.Platform = "ios" })))
		do(t, tx.InsertRelease(ctx, like(sealift.ActRelease, 8, func(r *store.Release) { r.Version = "1.0.0-rc.1" })))
		// Another app has digests, counters and coordinates of its own.
		do(t, tx.InsertApp(ctx, anApp("com.acme.till")))
		do(t, tx.InsertChannel(ctx, aChannel("com.acme.till", channel)))
		do(t, tx.InsertRelease(ctx, like(sealift.ActRelease, 1, func(r *store.Release) { r.App = "com.acme.till" })))
	})
}

// testReleaseFilter compares filters with what they mean.
func testReleaseFilter(t *testing.T, s store.Store) {
	var newestFirst []store.Release
	update(t, s, func(tx store.Tx) {
		addApp(t, tx)
		do(t, tx.InsertChannel(t.Context(), aChannel(app, "beta")))
		for i := range 30 {
			n := (i*7)%30 + 1 // not in order
			r := store.Release{Counter: sealift.Counter(n), Digest: sealift.DigestOf([]byte{byte(n)}), Act: sealift.Act(pick(n, "reissue", "reissue", "rollback"))}
			r.App, r.Channel, r.Platform = app, sealift.Channel(pick(n, "production", "beta")), sealift.Platform(pick(n/2, "web", "ios", "android"))
			r.Runtime, r.Version = sealift.RuntimeRange(pick(n/5, "*", ">=1.0.0")), sealift.Version(fmt.Sprintf("1.%d.0", n%4))
			do(t, tx.InsertRelease(t.Context(), r))
		}
		for n := sealift.Counter(30); n > 0; n-- {
			r, err := tx.Release(t.Context(), app, sealift.DigestOf([]byte{byte(n)}))
			do(t, err)
			newestFirst = append(newestFirst, r)
		}
	})
	rapid.Check(t, func(r *rapid.T) {
		f := store.ReleaseFilter{
			Channel:  rapid.SampledFrom([]sealift.Channel{"", "production", "beta", "canary"}).Draw(r, "channel"),
			Platform: rapid.SampledFrom([]sealift.Platform{"", "", "web", "ios"}).Draw(r, "platform"),
			Runtime:  rapid.SampledFrom([]sealift.RuntimeRange{"", "", "*", ">=1.0.0"}).Draw(r, "runtime"),
			Version:  rapid.SampledFrom([]sealift.Version{"", "", "1.2.0"}).Draw(r, "version"),
			Counter:  rapid.SampledFrom([]sealift.Counter{0, 0, 0, 7, 31, math.MaxUint64}).Draw(r, "counter"),
			Act:      rapid.SampledFrom([]sealift.Act{"", "", sealift.ActRollback, sealift.ActRelease}).Draw(r, "act"),
			Before:   rapid.SampledFrom([]sealift.Counter{0, 0, 1, 2, 15, 31, math.MaxUint64}).Draw(r, "before"),
			Limit:    rapid.SampledFrom([]int{0, 0, 1, 5, 100}).Draw(r, "limit"),
		}
		want := []store.Release{}
		for _, x := range newestFirst {
			if matches(f.Channel, x.Channel) && matches(f.Platform, x.Platform) && matches(f.Runtime, x.Runtime) &&
				matches(f.Version, x.Version) && matches(f.Counter, x.Counter) && matches(f.Act, x.Act) &&
				(f.Before == 0 || x.Counter < f.Before) && (f.Limit == 0 || len(want) < f.Limit) {
				want = append(want, x)
			}
		}
		err := s.View(t.Context(), func(tx store.Tx) error {
			got, err := tx.Releases(t.Context(), app, f)
			if diff := cmp.Diff(want, got); diff != "" {
				r.Errorf("%+v: -want +got\n%s", f, diff)
			}
			return err
		})
		if err != nil {
			r.Fatal(err)
		}
	})
	view(t, s, func(tx store.Tx) {
		gives(t, []store.Release{})(tx.Releases(t.Context(), absent, store.ReleaseFilter{}))
	})
}
