package storetest

import (
	"testing"
	"time"

	"github.com/sealift/sealift/internal/store"
)

func testDenials(t *testing.T, s store.Store) {
	ctx := t.Context()
	full, empty := filled[store.Denial](0), store.Denial{ID: "empty"}
	early, late := aDenial("z"), aDenial("a")
	early.Created, late.Created = someTime, someTime.Add(time.Microsecond)
	twin := early
	twin.ID = "y"
	update(t, s, func(tx store.Tx) {
		gives(t, []store.Denial{})(tx.Denials(ctx))
		isAbsent(t)(tx.Denial(ctx, full.ID))
		isAbsent(t)(tx.UpdateDenial(ctx, full, full.MAC))
		for _, d := range []store.Denial{full, late, early, twin, empty} {
			do(t, tx.InsertDenial(ctx, d))
			isConflict(t)(tx.InsertDenial(ctx, d))
			gives(t, d)(tx.Denial(ctx, d.ID))
		}
	})
	update(t, s, func(tx store.Tx) {
		isConflict(t)(tx.UpdateDenial(ctx, full, empty.MAC))
		isConflict(t)(tx.UpdateDenial(ctx, early, []byte("other")))
		before := early
		early.State, early.MAC = store.DenialLifted, []byte("after")
		do(t, tx.UpdateDenial(ctx, early, before.MAC))
		isConflict(t)(tx.UpdateDenial(ctx, before, before.MAC))
		other := filled[store.Denial](1)
		other.ID, other.Created = full.ID, full.Created
		do(t, tx.UpdateDenial(ctx, other, full.MAC))
		gives(t, other)(tx.Denial(ctx, full.ID))
		gives(t, []store.Denial{empty, twin, early, late, other})(tx.Denials(ctx))
	})
}
