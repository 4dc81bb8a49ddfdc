package storetest

import (
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
)

func testTokens(t *testing.T, s store.Store) {
	ctx := t.Context()
	full, empty := filled[store.Token](0), store.Token{ID: "empty"}
	early, late := aToken("z"), aToken("a")
	early.Created, late.Created = someTime, someTime.Add(time.Microsecond)
	twin := early
	twin.ID = "y"
	update(t, s, func(tx store.Tx) {
		gives(t, []store.Token{})(tx.Tokens(ctx))
		isAbsent(t)(tx.Token(ctx, full.ID))
		isAbsent(t)(tx.UpdateToken(ctx, full, full.MAC))
		for _, token := range []store.Token{full, late, early, twin, empty} {
			do(t, tx.InsertToken(ctx, token))
			isConflict(t)(tx.InsertToken(ctx, token))
			gives(t, token)(tx.Token(ctx, token.ID))
		}
	})
	update(t, s, func(tx store.Tx) {
		isConflict(t)(tx.UpdateToken(ctx, full, empty.MAC))
		isConflict(t)(tx.UpdateToken(ctx, early, []byte("other")))
		changed := early
		early.Revoked, early.MAC = true, []byte("after")
		do(t, tx.UpdateToken(ctx, early, changed.MAC))
		isConflict(t)(tx.UpdateToken(ctx, changed, changed.MAC))
		other := filled[store.Token](1)
		other.ID = full.ID
		other.Created = full.Created
		do(t, tx.UpdateToken(ctx, other, full.MAC))
		gives(t, other)(tx.Token(ctx, full.ID))
		full = other
		gives(t, early)(tx.Token(ctx, "z"))
		gives(t, []store.Token{empty, twin, early, late, full})(tx.Tokens(ctx))
	})
}

func testEnrolmentTokens(t *testing.T, s store.Store) {
	ctx := t.Context()
	full := filled[store.EnrolmentToken](0)
	full.App = app
	update(t, s, func(tx store.Tx) {
		isAbsent(t)(tx.InsertEnrolmentToken(ctx, full))
		addApp(t, tx)
		isAbsent(t)(tx.EnrolmentToken(ctx, full.ID))
		isAbsent(t)(tx.UpdateEnrolmentToken(ctx, full, full.MAC))
		for _, token := range []store.EnrolmentToken{full, anEnrolmentToken("two", 2), anEnrolmentToken("any", 0)} {
			do(t, tx.InsertEnrolmentToken(ctx, token))
			isConflict(t)(tx.InsertEnrolmentToken(ctx, token))
			gives(t, token)(tx.EnrolmentToken(ctx, token.ID))
		}
	})
	used := filled[store.EnrolmentToken](20)
	used.ID, used.App = full.ID, app
	update(t, s, func(tx store.Tx) {
		isConflict(t)(tx.UpdateEnrolmentToken(ctx, used, used.MAC))
		lost := used
		lost.App = "com.acme.till"
		isAbsent(t)(tx.UpdateEnrolmentToken(ctx, lost, full.MAC))
		do(t, tx.UpdateEnrolmentToken(ctx, used, full.MAC))
		isConflict(t)(tx.UpdateEnrolmentToken(ctx, full, full.MAC))
	})
	view(t, s, func(tx store.Tx) {
		gives(t, used)(tx.EnrolmentToken(ctx, full.ID))
		gives(t, anEnrolmentToken("two", 2))(tx.EnrolmentToken(ctx, "two"))
	})
}

func testDevices(t *testing.T, s store.Store) {
	ctx := t.Context()
	device, other := aDevice("d1"), aDevice("d2")
	again := filled[store.Device](40)
	again.App, again.ID, again.State = app, "d1", store.DeviceRevoked
	type counts = map[store.DeviceState]int64
	update(t, s, func(tx store.Tx) {
		isAbsent(t)(tx.PutDevice(ctx, device))
		addApp(t, tx)
		do(t, tx.InsertApp(ctx, anApp("com.acme.till")))
		isAbsent(t)(tx.Device(ctx, app, "d1"))
		gives(t, counts{})(tx.CountDevices(ctx, app))
		gives(t, counts{})(tx.CountDevices(ctx, absent))
		do(t, tx.PutDevice(ctx, device))
		do(t, tx.PutDevice(ctx, other))
		do(t, tx.PutDevice(ctx, store.Device{App: "com.acme.till", ID: "d1"}))
		gives(t, counts{store.DeviceActive: 2})(tx.CountDevices(ctx, app))
		gives(t, device)(tx.Device(ctx, app, "d1"))
		do(t, tx.PutDevice(ctx, again))
	})
	view(t, s, func(tx store.Tx) {
		gives(t, again)(tx.Device(ctx, app, "d1"))
		gives(t, other)(tx.Device(ctx, app, "d2"))
		gives(t, store.Device{App: "com.acme.till", ID: "d1"})(tx.Device(ctx, "com.acme.till", "d1"))
		isAbsent(t)(tx.Device(ctx, "com.acme.till", "d2"))
		gives(t, counts{store.DeviceActive: 1, store.DeviceRevoked: 1})(tx.CountDevices(ctx, app))
		gives(t, counts{"": 1})(tx.CountDevices(ctx, "com.acme.till"))
	})
}

func testNonces(t *testing.T, s store.Store) {
	ctx := t.Context()
	nonce := func(device sealift.DeviceID, n string, after time.Duration) store.Nonce {
		return store.Nonce{Device: device, Nonce: n, Expires: someTime.Add(after)}
	}
	update(t, s, func(tx store.Tx) {
		gives(t, int64(0))(tx.PruneNonces(ctx, someTime))
		do(t, tx.UseNonce(ctx, nonce("d1", "a", 0)))
		isConflictNonce(t, tx.UseNonce(ctx, nonce("d1", "a", 0)))
		isConflictNonce(t, tx.UseNonce(ctx, nonce("d1", "a", time.Hour)))
		do(t, tx.UseNonce(ctx, nonce("d2", "a", time.Microsecond)))
		do(t, tx.UseNonce(ctx, nonce("d1", "A", time.Hour)))
	})
	update(t, s, func(tx store.Tx) {
		gives(t, int64(0))(tx.PruneNonces(ctx, someTime)) // expires now, not before
		gives(t, int64(1))(tx.PruneNonces(ctx, someTime.Add(time.Microsecond)))
		isConflictNonce(t, tx.UseNonce(ctx, nonce("d2", "a", 0)))
		gives(t, int64(1))(tx.PruneNonces(ctx, someTime.Add(time.Hour)))
		isConflictNonce(t, tx.UseNonce(ctx, nonce("d1", "A", 0)))
		do(t, tx.UseNonce(ctx, nonce("d1", "a", time.Hour)))
	})
}
