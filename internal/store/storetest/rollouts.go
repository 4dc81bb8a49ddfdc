package storetest

import (
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
)

func aRollout(counter sealift.Counter) store.Rollout {
	r := filled[store.Rollout](int(counter))
	r.Coordinates, r.Counter, r.Phase = coordinates(), counter, "running"
	return r
}

func testRollouts(t *testing.T, s store.Store) {
	ctx := t.Context()
	one, two, three, empty := aRollout(1), aRollout(2), aRollout(3), store.Rollout{Coordinates: coordinates(), Counter: 4}
	two.Phase, three.Phase = "waiting", "finished"
	three.Platform = "ios"
	update(t, s, func(tx store.Tx) {
		isAbsent(t)(tx.InsertRollout(ctx, one)) // no such channel
		addApp(t, tx)
		isAbsent(t)(tx.Rollout(ctx, app, 1))
		isAbsent(t)(tx.UpdateRollout(ctx, one, one.MAC))
		gives(t, []store.Rollout{})(tx.Rollouts(ctx, app, "", ""))
		for _, r := range []store.Rollout{two, one, three, empty} {
			do(t, tx.InsertRollout(ctx, r))
			isConflict(t)(tx.InsertRollout(ctx, r))
			gives(t, r)(tx.Rollout(ctx, app, r.Counter))
		}
		gives(t, []store.Rollout{empty, three, two, one})(tx.Rollouts(ctx, app, "", ""))
		gives(t, []store.Rollout{three})(tx.Rollouts(ctx, app, channel, "ios"))
		gives(t, []store.Rollout{})(tx.Rollouts(ctx, app, "beta", ""))
		gives(t, []store.Rollout{one, two})(tx.OpenRollouts(ctx))

		gives(t, []store.Rollout{})(tx.OfferedRollbacks(ctx))
		for counter, act := range []sealift.Act{1: sealift.ActRelease, 2: sealift.ActRollback, 3: sealift.ActRollback, 4: sealift.ActRollback} {
			if act != "" {
				r := aRelease(sealift.Counter(counter))
				r.Act = act
				do(t, tx.InsertRelease(ctx, r))
			}
		}
		gives(t, []store.Rollout{two, three})(tx.OfferedRollbacks(ctx)) // the fourth is not offered
	})
	update(t, s, func(tx store.Tx) {
		isConflict(t)(tx.UpdateRollout(ctx, one, []byte("other")))
		other := filled[store.Rollout](9)
		other.Coordinates, other.Counter = one.Coordinates, one.Counter
		do(t, tx.UpdateRollout(ctx, other, one.MAC))
		isConflict(t)(tx.UpdateRollout(ctx, one, one.MAC))
		gives(t, other)(tx.Rollout(ctx, app, 1))
		gives(t, []store.Rollout{two})(tx.OpenRollouts(ctx))
	})
}
