package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
)

func testVersionFloors(t *testing.T, s store.Store) {
	ctx := t.Context()
	update(t, s, func(tx store.Tx) {
		gives(t, map[string]int64{})(tx.VersionFloors(ctx))
		do(t, tx.RaiseVersion(ctx, "timestamp", 7))
		do(t, tx.RaiseVersion(ctx, "bins-a4", 3))
		do(t, tx.RaiseVersion(ctx, "timestamp", 6)) // raises nothing
		do(t, tx.RaiseVersion(ctx, "bins-a4", 4))
	})
	view(t, s, func(tx store.Tx) { gives(t, map[string]int64{"timestamp": 7, "bins-a4": 4})(tx.VersionFloors(ctx)) })
}

func testBackups(t *testing.T, s store.Store) {
	ctx := t.Context()
	older := store.Backup{Created: someTime, File: "a", Length: 1 << 40, Digest: sealift.DigestOf([]byte("a"))}
	newer := store.Backup{Created: someTime.Add(time.Hour), File: "b", Problem: "no room"}
	update(t, s, func(tx store.Tx) {
		gives(t, []store.Backup{})(tx.Backups(ctx, 9))
		do(t, tx.InsertBackup(ctx, older))
		do(t, tx.InsertBackup(ctx, newer))
		isConflict(t)(tx.InsertBackup(ctx, older))
	})
	view(t, s, func(tx store.Tx) {
		gives(t, []store.Backup{newer, older})(tx.Backups(ctx, 9))
		gives(t, []store.Backup{newer})(tx.Backups(ctx, 1))
	})
}

func testRestores(t *testing.T, s store.Store) {
	ctx := t.Context()
	a, b := filled[store.Restore](1), filled[store.Restore](2)
	a.Restored, b.Restored = someTime, someTime.Add(time.Hour)
	update(t, s, func(tx store.Tx) {
		do(t, tx.PutRestore(ctx, a))
		do(t, tx.PutRestore(ctx, b))
		a.LogVersion, a.Known, a.Settled = 9, !a.Known, !a.Settled
		do(t, tx.PutRestore(ctx, a))
	})
	view(t, s, func(tx store.Tx) { gives(t, []store.Restore{b, a})(tx.Restores(ctx)) })
}

func testUnfinishedDrafts(t *testing.T, s store.Store) {
	ctx := t.Context()
	states := map[string]store.DraftState{"b": store.DraftReserved, "c": store.DraftPublished, "d": store.DraftAbandoned, "a": store.DraftSubmitted}
	draft := func(id string) store.Draft {
		d := aDraft(id)
		d.State = states[id]
		return d
	}
	update(t, s, func(tx store.Tx) {
		gives(t, []store.Draft{})(tx.UnfinishedDrafts(ctx))
		addApp(t, tx)
		for id := range states {
			do(t, tx.InsertDraft(ctx, draft(id)))
		}
		gives(t, []store.Draft{draft("a"), draft("b")})(tx.UnfinishedDrafts(ctx))
	})
}

func testSetProof(t *testing.T, s store.Store) {
	ctx := t.Context()
	r := aRelease(1)
	update(t, s, func(tx store.Tx) {
		addApp(t, tx)
		if err := tx.SetProof(ctx, app, r.Digest, []byte("x")); sealift.KindOf(err) != sealift.KindNotFound {
			t.Errorf("of none: %v", err)
		}
		do(t, tx.InsertRelease(ctx, r))
		r.Proof = []byte("another")
		do(t, tx.SetProof(ctx, app, r.Digest, r.Proof))
		gives(t, r)(tx.Release(ctx, app, r.Digest))
	})
}

// testCopy fills an empty store with what another one holds.
func testCopy(t *testing.T, open func(t *testing.T) (s store.Store, reopen func() store.Store)) {
	ctx := t.Context()
	from, _ := open(t)
	update(t, from, func(tx store.Tx) { perform(t, tx, populate) })
	update(t, from, func(tx store.Tx) { do(t, tx.TrimOutbox(ctx, 1<<40)) }) // which is not copied
	into, _ := open(t)
	update(t, into, func(to store.Tx) {
		view(t, from, func(tx store.Tx) {
			tables, err := tx.Tables(ctx)
			do(t, err)
			schema, err := tx.Schema(ctx)
			do(t, err)
			gives(t, schema)(to.Schema(ctx))
			for _, table := range tables {
				var rows [][]any
				do(t, tx.Rows(ctx, table, func(values []any) error { rows = append(rows, values); return nil }))
				if len(rows) == 0 {
					t.Errorf("table %s is empty: populate writes nothing into it", table.Name)
				}
				slices.Reverse(table.Columns) // the order is the caller's
				for _, row := range rows {
					slices.Reverse(row)
					do(t, to.FillRow(ctx, table, row))
				}
			}
		})
	})
	wantContents(t, into, contentsOf(t, from))

	stop := fmt.Errorf("stop")
	update(t, into, func(tx store.Tx) {
		seal := store.Table{Name: "vault_seal", Columns: []string{"id", "record"}}
		if err := tx.Rows(ctx, seal, func([]any) error { return stop }); err != stop {
			t.Errorf("Rows = %v", err)
		}
		for name, table := range map[string]store.Table{
			"another table":  {Name: "vault_seal; DROP TABLE apps", Columns: []string{"id"}},
			"another column": {Name: "vault_seal", Columns: []string{"id", "record) --"}},
			"a column less":  {Name: "vault_seal", Columns: []string{"id"}},
			"goose's":        {Name: "goose_db_version", Columns: []string{"id"}},
			"the outbox":     {Name: "outbox", Columns: []string{"seq", "place", "content"}},
		} {
			values := make([]any, len(table.Columns))
			if err := tx.FillRow(ctx, table, values); sealift.KindOf(err) != sealift.KindInvalid {
				t.Errorf("FillRow, %s: %v", name, err)
			}
			if err := tx.Rows(ctx, table, func([]any) error { return nil }); sealift.KindOf(err) != sealift.KindInvalid {
				t.Errorf("Rows, %s: %v", name, err)
			}
		}
		if err := tx.FillRow(ctx, seal, []any{int64(1)}); sealift.KindOf(err) != sealift.KindInvalid {
			t.Errorf("a value too few: %v", err)
		}
	})
	err := into.Update(ctx, func(tx store.Tx) error {
		isConflict(t)(tx.FillRow(ctx, store.Table{Name: "vault_seal", Columns: []string{"id", "record"}}, []any{int64(1), []byte("x")}))
		return nil
	})
	if sealift.KindOf(err) != sealift.KindConflict {
		t.Errorf("filled over a row: %v", err)
	}
}
