package storetest

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
)

func testVaultSeal(t *testing.T, s store.Store) {
	ctx := t.Context()
	update(t, s, func(tx store.Tx) {
		isAbsent(t)(tx.VaultSeal(ctx))
		do(t, tx.SetVaultSeal(ctx, []byte("first")))
		do(t, tx.SetVaultSeal(ctx, []byte("second")))
		gives(t, []byte("second"))(tx.VaultSeal(ctx))
		do(t, tx.SetVaultSeal(ctx, nil))
		gives(t, []byte(nil))(tx.VaultSeal(ctx)) // there, and empty
	})
}

func testSecrets(t *testing.T, s store.Store) {
	ctx := t.Context()
	update(t, s, func(tx store.Tx) {
		isAbsent(t)(tx.Secret(ctx, "s"))
		do(t, tx.InsertSecret(ctx, "s", []byte{0, 1}))
		isConflict(t)(tx.InsertSecret(ctx, "s", []byte{2}))
		gives(t, []byte{0, 1})(tx.Secret(ctx, "s"))
		do(t, tx.InsertSecret(ctx, "empty", []byte{}))
		gives(t, []byte(nil))(tx.Secret(ctx, "empty"))
		isAbsent(t)(tx.Secret(ctx, "S"))
		do(t, tx.DeleteSecret(ctx, "s"))
		do(t, tx.DeleteSecret(ctx, "s"))
		isAbsent(t)(tx.Secret(ctx, "s"))
		do(t, tx.InsertSecret(ctx, "s", []byte{3}))
		gives(t, []byte{3})(tx.Secret(ctx, "s"))

		isAbsent(t)(tx.UpdateSecret(ctx, "S", []byte{4}, []byte{3}))
		isConflict(t)(tx.UpdateSecret(ctx, "s", []byte{4}, []byte{4}))
		gives(t, []byte{3})(tx.Secret(ctx, "s"))
		do(t, tx.UpdateSecret(ctx, "s", []byte{4}, []byte{3}))
		do(t, tx.UpdateSecret(ctx, "empty", []byte{5}, nil))
		one, two := store.Secret{Name: "empty", Wrapped: []byte{5}}, store.Secret{Name: "s", Wrapped: []byte{4}}
		gives(t, []store.Secret{one, two})(tx.Secrets(ctx, "", 3))
		gives(t, []store.Secret{one})(tx.Secrets(ctx, "", 1))
		gives(t, []store.Secret{two})(tx.Secrets(ctx, "empty", 3))
		gives(t, []store.Secret{two})(tx.Secrets(ctx, "emptz", 3))
		gives(t, []store.Secret{})(tx.Secrets(ctx, "s", 3))
		gives(t, []store.Secret{})(tx.Secrets(ctx, "", 0))
	})
}

func testKeysUnder(t *testing.T, s store.Store) {
	ctx := t.Context()
	under := func(id string, version uint64, kek string) store.Key {
		return store.Key{ID: id, Version: version, KEK: kek}
	}
	a1, a2, b1, z := under("a", 1, "old"), under("a", 2, "old"), under("b", 1, "old"), under("a", 3, "new")
	update(t, s, func(tx store.Tx) {
		for _, k := range []store.Key{b1, z, a2, a1} {
			do(t, tx.InsertKey(ctx, k))
		}
		gives(t, []store.Key{a1, a2, b1})(tx.KeysUnder(ctx, "old", "", 0, 10))
		gives(t, []store.Key{a1, a2})(tx.KeysUnder(ctx, "old", "", 0, 2))
		gives(t, []store.Key{b1})(tx.KeysUnder(ctx, "old", "a", 2, 2))
		gives(t, []store.Key{a2, b1})(tx.KeysUnder(ctx, "old", "a", 1, 2))
		gives(t, []store.Key{z})(tx.KeysUnder(ctx, "new", "", 0, 2))
		gives(t, []store.Key{})(tx.KeysUnder(ctx, "old", "b", 1, 2))
		gives(t, []store.Key{})(tx.KeysUnder(ctx, "", "", 0, 2))
		gives(t, []store.Key{})(tx.KeysUnder(ctx, "old", "", 0, 0))
	})
}

func testKeys(t *testing.T, s store.Store) {
	ctx := t.Context()
	full, other := filled[store.Key](0), aKey("other", 1)
	changed := filled[store.Key](40)
	changed.ID, changed.Version = full.ID, full.Version
	empty := store.Key{ID: "empty"}
	update(t, s, func(tx store.Tx) {
		isAbsent(t)(tx.Key(ctx, full.ID, full.Version))
		isAbsent(t)(tx.UpdateKey(ctx, full, full.MAC))
		for _, k := range []store.Key{full, other, empty} {
			do(t, tx.InsertKey(ctx, k))
			isConflict(t)(tx.InsertKey(ctx, k))
			gives(t, k)(tx.Key(ctx, k.ID, k.Version))
		}
		isAbsent(t)(tx.Key(ctx, full.ID, full.Version+1))
		isConflict(t)(tx.UpdateKey(ctx, changed, changed.MAC))
		isConflict(t)(tx.UpdateKey(ctx, changed, nil))
		gives(t, full)(tx.Key(ctx, full.ID, full.Version))
		do(t, tx.UpdateKey(ctx, changed, full.MAC))
		gives(t, changed)(tx.Key(ctx, full.ID, full.Version))
		gives(t, other)(tx.Key(ctx, "other", 1))
		isConflict(t)(tx.UpdateKey(ctx, full, full.MAC))
		do(t, tx.UpdateKey(ctx, store.Key{ID: "empty", MAC: []byte("mac")}, nil))
	})
	testTimes(t, s)
}

// testTimes stores times that lose something, or might.
func testTimes(t *testing.T, s store.Store) {
	ctx := t.Context()
	elsewhere := time.FixedZone("elsewhere", 3600)
	for i, c := range []struct{ given, want time.Time }{
		{time.Time{}, time.Time{}},
		{time.Unix(0, 0), time.Unix(0, 0).UTC()},
		{time.Date(2025, 1, 2, 3, 4, 5, 6789, elsewhere), time.Date(2025, 1, 2, 2, 4, 5, 6000, time.UTC)},
		{time.Date(1960, 1, 2, 3, 4, 5, 999_999_999, time.UTC), time.Date(1960, 1, 2, 3, 4, 5, 999_999_000, time.UTC)},
		{time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)},
	} {
		update(t, s, func(tx store.Tx) {
			do(t, tx.InsertKey(ctx, store.Key{ID: "times", Version: uint64(i), Created: c.given}))
		})
		view(t, s, func(tx store.Tx) {
			k, err := tx.Key(ctx, "times", uint64(i))
			gives(t, c.want)(k.Created, err)
			if k.Created.IsZero() != c.given.IsZero() || !k.NotAfter.IsZero() {
				t.Errorf("%v came back as %v, and the zero time as %v", c.given, k.Created, k.NotAfter)
			}
		})
	}
}

func testKeyVersions(t *testing.T, s store.Store) {
	ctx := t.Context()
	const last = math.MaxInt64 - 1
	update(t, s, func(tx store.Tx) {
		do(t, tx.InsertKey(ctx, store.Key{ID: "k", Version: last}))
		gives(t, store.Key{ID: "k", Version: last})(tx.Key(ctx, "k", last))
		for _, beyond := range []uint64{last + 1, last + 2, math.MaxUint64} {
			isAbsent(t)(tx.Key(ctx, "k", beyond))
		}
	})
	for _, beyond := range []uint64{last + 1, math.MaxUint64} {
		err := s.Update(ctx, func(tx store.Tx) error { return tx.InsertKey(ctx, store.Key{ID: "k", Version: beyond}) })
		if err == nil {
			t.Errorf("version %d was stored", beyond)
		}
	}
}

// testKeyFilter compares filters with what they mean.
func testKeyFilter(t *testing.T, s store.Store) {
	// In byte order, which puts capitals first and 10 after 2.
	var all []store.Key
	for _, id := range []string{"B", "a", "a-b", "ab", "ä"} {
		for _, version := range []uint64{1, 2, 10} {
			n := len(all)
			all = append(all, store.Key{ID: id, Version: version, Purpose: pick(n, "sign", "wrap"), State: pick(n/2, "active", "retired", "destroyed"), Label: pick(n/3, "", "x", "X")})
		}
	}
	update(t, s, func(tx store.Tx) {
		gives(t, []store.Key{})(tx.Keys(t.Context(), store.KeyFilter{}))
		for i := range all {
			do(t, tx.InsertKey(t.Context(), all[(i*7)%len(all)]))
		}
	})
	rapid.Check(t, func(r *rapid.T) {
		f := store.KeyFilter{
			ID:      rapid.SampledFrom([]string{"", "", "a", "ab", "B", "b"}).Draw(r, "id"),
			Purpose: rapid.SampledFrom([]string{"", "sign", "wrap"}).Draw(r, "purpose"),
			State:   rapid.SampledFrom([]string{"", "active", "retired", "lost"}).Draw(r, "state"),
			Label:   rapid.SampledFrom([]string{"", "x", "X", "%"}).Draw(r, "label"),
		}
		want := []store.Key{}
		for _, k := range all {
			if matches(f.ID, k.ID) && matches(f.Purpose, k.Purpose) && matches(f.State, k.State) && matches(f.Label, k.Label) {
				want = append(want, k)
			}
		}
		err := s.View(t.Context(), func(tx store.Tx) error {
			got, err := tx.Keys(t.Context(), f)
			if diff := cmp.Diff(want, got); diff != "" {
				r.Errorf("%+v: -want +got\n%s", f, diff)
			}
			return err
		})
		if err != nil {
			r.Fatal(err)
		}
	})
}

func pick(n int, of ...string) string { return of[n%len(of)] }

// matches says what an empty field of a filter means.
func matches[V comparable](filter, value V) bool {
	var all V
	return filter == all || filter == value
}

func isConflictNonce(t *testing.T, err error) {
	t.Helper()
	refuses(t, sealift.KindConflict, "nonce")(err)
}
