package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/sealift/sealift/internal/store"
)

// appendNamed appends an entry of that text where the log ends, after it has seen
// that the hashes before it are theirs.
func appendNamed(ctx context.Context, tx store.Tx, text string) error {
	size, err := tx.AuditSize(ctx)
	if err != nil {
		return err
	}
	var indexes []int64
	var want [][32]byte
	for i := max(size-3, 0); i < size; i++ {
		for j, hash := range hashes(i) {
			indexes, want = append(indexes, i+i/2+int64(j)), append(want, hash)
		}
	}
	got, err := tx.AuditHashes(ctx, indexes)
	if err != nil || !slices.Equal(got, want) {
		return errors.Join(err, fmt.Errorf("before %s, the hashes at %v are %x, want %x", text, indexes, got, want))
	}
	return tx.AppendAudit(ctx, size, []byte(text), size+size/2, hashes(size))
}

// texts returns what the log says, in order, as tx sees it.
func texts(ctx context.Context, tx store.Tx) (all []string, err error) {
	entries, err := tx.AuditEntries(ctx, 0, 10_000)
	for i, e := range entries {
		if e.Index != int64(i) {
			err = errors.Join(err, fmt.Errorf("entry %d stands at %d", i, e.Index))
		}
		all = append(all, string(e.Leaf))
	}
	return all, err
}

// testLogNeighbours has Updates append to the log beside others that do so and
// fail, in every way in which a store may have to take back what it had written or
// not yet written.
func testLogNeighbours(t *testing.T, s store.Store) {
	ctx := t.Context()
	var want []string
	const many = 150 // more than a store keeps waiting
	appends := func(tx store.Tx, name string, n int) error {
		for i := range n {
			if err := appendNamed(ctx, tx, fmt.Sprint(name, i)); err != nil {
				return err
			}
		}
		return nil
	}
	acts := []struct {
		name    string
		entries int
		fails   bool
		also    func(tx store.Tx, name string) error // before the last entry
	}{
		{"a", 2, false, nil},
		{"b-fails", 3, true, nil},
		{"c-fails", 2, true, func(tx store.Tx, name string) error { return put(ctx, tx, name) }},
		{"d", 1, false, func(tx store.Tx, name string) error { return put(ctx, tx, name) }},
		{"e-fails", 2, true, func(tx store.Tx, _ string) error { _, err := texts(ctx, tx); return err }},
		{"f", 2, false, func(tx store.Tx, _ string) error {
			got, err := texts(ctx, tx)
			if want := []string{"a0", "a1", "a-last", "d0", "d-last", "f0", "f1"}; !slices.Equal(got, want) {
				return errors.Join(err, fmt.Errorf("f sees %q, want %q", got, want))
			}
			return err
		}},
		{"g-fails", many, true, nil},
		{"h-fails", 1, true, func(tx store.Tx, _ string) error {
			ended, cancel := context.WithCancel(ctx)
			cancel()
			_, err := tx.AuditSize(ended)
			return err
		}},
		{"i", many, false, func(tx store.Tx, name string) error { return put(ctx, tx, name) }},
		{"j-fails", 1, true, func(tx store.Tx, _ string) error {
			isConflict(t)(tx.AppendAudit(ctx, 0, leaf(0), 0, hashes(0)))
			return nil
		}},
		{"k", 0, false, func(tx store.Tx, _ string) error {
			size, err := tx.AuditSize(ctx)
			for i := range int64(3) { // which j had appended
				isAbsent(t)(tx.AuditHashes(ctx, []int64{size + size/2 + i}))
			}
			isConflict(t)(tx.AppendAudit(ctx, 0, leaf(0), 0, hashes(0)))
			return err
		}},
	}
	var updates []inTurn
	for _, a := range acts {
		if !a.fails {
			for i := range a.entries {
				want = append(want, fmt.Sprint(a.name, i))
			}
			want = append(want, a.name+"-last")
		}
		updates = append(updates, func(seen func(context.Context) context.Context) {
			err := s.Update(seen(ctx), func(tx store.Tx) error {
				err := appends(tx, a.name, a.entries)
				if err == nil && a.also != nil {
					err = a.also(tx, a.name)
				}
				if err == nil {
					err = appendNamed(ctx, tx, a.name+"-last")
				}
				if err == nil && a.fails {
					err = errOwn
				}
				return err
			})
			if (err != nil) != a.fails || err != nil && !errors.Is(err, errOwn) && !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", a.name, err)
			}
		})
	}
	inLine(t, s, updates...)
	view(t, s, func(tx store.Tx) {
		got, err := texts(ctx, tx)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("the log is %q, %v, want %q", got, err, want)
		}
		for i := range int64(len(got)) {
			for j, hash := range hashes(i) {
				gives(t, [][32]byte{hash})(tx.AuditHashes(ctx, []int64{i + i/2 + int64(j)}))
			}
		}
		isAbsent(t)(tx.AuditHashes(ctx, []int64{int64(len(got)) * 3 / 2}))
	})
	if got := names(t, s); got != "d i" {
		t.Errorf("documents %q", got)
	}
}

// testKeyNeighbours has Updates read keys, and where the newest statement is, beside
// others that write some and fail,
// or not: each sees what it would see alone.
func testKeyNeighbours(t *testing.T, s store.Store) {
	ctx := t.Context()
	first, second := aKey("k", 1), aKey("k", 2)
	update(t, s, func(tx store.Tx) { do(t, tx.InsertKey(ctx, first)) })
	changed := first
	changed.State, changed.MAC = "changed", []byte("another")
	all := store.KeyFilter{ID: "k"}
	stated := int64(-1)
	sees := func(tx store.Tx, want ...store.Key) {
		t.Helper()
		gives(t, stated)(tx.Statement(ctx))
		for range 2 {
			got, err := tx.Keys(ctx, all)
			gives(t, want)(got, err)
			for _, k := range got {
				clear(k.MAC) // it is the caller's
			}
		}
	}
	act := func(fails error, run func(tx store.Tx)) inTurn {
		return func(seen func(context.Context) context.Context) {
			err := s.Update(seen(ctx), func(tx store.Tx) error { run(tx); return fails })
			if !errors.Is(err, fails) {
				t.Errorf("Update = %v, want %v", err, fails)
			}
		}
	}
	inLine(t, s,
		act(nil, func(tx store.Tx) { sees(tx, first) }),
		act(errOwn, func(tx store.Tx) {
			do(t, tx.UpdateKey(ctx, changed, first.MAC))
			sees(tx, changed)
			do(t, tx.SetStatement(ctx, 7))
			gives(t, int64(7))(tx.Statement(ctx))
		}),
		act(nil, func(tx store.Tx) { sees(tx, first) }),
		act(nil, func(tx store.Tx) {
			sees(tx, first)
			do(t, tx.UpdateKey(ctx, changed, first.MAC))
			do(t, tx.SetStatement(ctx, 5))
			stated = 5
			sees(tx, changed)
		}),
		act(errOwn, func(tx store.Tx) {
			do(t, tx.InsertKey(ctx, second))
			sees(tx, changed, second)
		}),
		act(nil, func(tx store.Tx) { sees(tx, changed) }),
		act(nil, func(tx store.Tx) {
			do(t, tx.InsertKey(ctx, second))
			sees(tx, changed, second)
		}),
		act(nil, func(tx store.Tx) { sees(tx, changed, second) }),
	)
}
