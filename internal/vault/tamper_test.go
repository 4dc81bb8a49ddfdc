package vault

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
)

// sql runs statements on the database behind the store's back.
func (w *world) sql(statement string, args ...any) {
	w.t.Helper()
	db, err := sql.Open("sqlite", w.path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close()
	result, err := db.ExecContext(w.t.Context(), statement, args...)
	if err != nil {
		w.t.Fatalf("%s: %v", statement, err)
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		w.t.Fatalf("%s changed %d rows, %v", statement, n, err)
	}
}

// columns returns the names of a table's columns, so that one that is added
// later is bent as well.
func (w *world) columns(table string) (names []string) {
	w.t.Helper()
	db, err := sql.Open("sqlite", w.path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.QueryContext(w.t.Context(), "SELECT name FROM pragma_table_info(?)", table)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			w.t.Fatal(err)
		}
		names = append(names, name)
	}
	if err := rows.Err(); err != nil {
		w.t.Fatal(err)
	}
	return names
}

// everyLook is all that looks at one key.
func (w *world) everyLook(ref Ref) map[string]error {
	u := Use{Purpose: PurposeDirector, Key: ref, Actor: alice, Why: why, Now: start}
	newest := u
	newest.Key.Version = 0
	return map[string]error{
		"Use":           w.tryUse(u),
		"Use of newest": w.tryUse(newest),
		"List":          w.try(func(ctx context.Context, tx *Tx) error { _, err := w.vault.List(ctx, tx, Filter{}); return err }),
		"Lookup":        w.try(func(ctx context.Context, tx *Tx) error { _, err := w.vault.Lookup(ctx, tx, ref); return err }),
		"Lookup newest": w.try(func(ctx context.Context, tx *Tx) error {
			_, err := w.vault.Lookup(ctx, tx, Ref{ID: ref.ID})
			return err
		}),
		"Transition": w.try(func(ctx context.Context, tx *Tx) error {
			_, err := w.vault.Transition(ctx, tx, ref, Active, Deactivated, alice, "test", start)
			return err
		}),
		"Rotate": w.try(func(ctx context.Context, tx *Tx) error {
			_, err := w.vault.Rotate(ctx, tx, ref.ID, nil, alice, "test", start)
			return err
		}),
		"SetCertificate": w.try(func(ctx context.Context, tx *Tx) error {
			_, err := w.vault.SetCertificate(ctx, tx, ref, nil, alice, start)
			return err
		}),
	}
}

func TestEachBentColumn(t *testing.T) {
	columns := newWorld(t).columns("vault_keys")
	if len(columns) < 18 {
		t.Fatalf("columns %q", columns)
	}
	for _, column := range columns {
		t.Run(column, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.create(PurposeDirector, "director")
			ref := Ref{"director", 1}
			value, bent := bend(column)
			w.sql(fmt.Sprintf("UPDATE vault_keys SET %s = %s", column, value))
			if bent.ID != "" {
				ref = bent
			}
			for what, err := range w.everyLook(ref) {
				wantError(t, err, sealift.KindDenied, ReasonTampered)
				if err == nil || !strings.Contains(err.Error(), ref.String()) {
					t.Errorf("%s does not name %v: %v", what, ref, err)
				}
			}
		})
	}
}

// bend returns an SQL expression for another value of a column, and the name
// that the row then goes by if that changes.
func bend(column string) (value string, ref Ref) {
	switch column {
	case "id":
		return "'directory'", Ref{"directory", 1}
	case "version":
		return "2", Ref{"director", 2}
	case "state":
		return "'deactivated'", Ref{}
	}
	return fmt.Sprintf("CASE typeof(%[1]s) WHEN 'integer' THEN %[1]s + 1 WHEN 'text' THEN %[1]s || 'x' ELSE CAST(%[1]s || x'00' AS BLOB) END", column), Ref{}
}

// A row whose private half was exchanged for another key's does not open, even
// where the MAC is right: the associated data says whose it is.
func TestSwappedMaterial(t *testing.T) {
	for name, swap := range map[string]func(mine, other *store.Key){
		"id":      func(mine, other *store.Key) { other.ID = "other" },
		"version": func(mine, other *store.Key) { other.Version = 2 },
		"purpose": func(mine, other *store.Key) { other.Purpose = string(PurposeSnapshot) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			info := w.create(PurposeDirector, "director")
			w.update(func(ctx context.Context, tx *Tx) error {
				mine, err := tx.Key(ctx, "director", 1)
				if err != nil {
					return err
				}
				other := mine
				swap(&mine, &other)
				m, err := Generate(ctx, Ed25519)
				if err != nil {
					return err
				}
				s, err := tx.ring.seal(m.private(), keyBinding(other.ID, other.Version, Purpose(other.Purpose)), false)
				if err != nil {
					return err
				}
				mine.DataKey, mine.Private, mine.Public = s.dataKey, s.body, m.public
				_, err = updateRow(ctx, tx, mine, &event{})
				return err
			})
			before := w.logSize()
			wantError(t, w.tryUse(use(info)), sealift.KindDenied, ReasonTampered)
			w.wantEntries(before, "key.use refused")
		})
	}
}

// Public and private half of different keys are not used together either.
func TestMismatchedHalves(t *testing.T) {
	w := newWorld(t)
	for _, p := range []Purpose{PurposeDirector, PurposeEpoch} {
		info := w.create(p, "")
		w.update(func(ctx context.Context, tx *Tx) error {
			row, err := tx.Key(ctx, info.ID, 1)
			if err != nil {
				return err
			}
			m, err := Generate(ctx, info.Algorithm)
			if err != nil {
				return err
			}
			row.Public = m.public
			_, err = updateRow(ctx, tx, row, &event{})
			return err
		})
		wantError(t, w.tryUse(use(info)), sealift.KindDenied, ReasonTampered)
	}
}

// A newer version that was tampered with is not passed over in silence.
func TestTamperedNewerVersion(t *testing.T) {
	w := newWorld(t)
	info := w.create(PurposeDirector, "director")
	w.update(func(ctx context.Context, tx *Tx) error {
		next, err := w.vault.Rotate(ctx, tx, "director", nil, alice, "test", start)
		if err != nil {
			return err
		}
		_, err = w.vault.Transition(ctx, tx, next.Ref, PreActive, Active, alice, "test", start)
		return err
	})
	w.sql("UPDATE vault_keys SET state = 'compromised' WHERE version = 2")
	u := use(info)
	u.Key.Version = 0
	wantError(t, w.tryUse(u), sealift.KindDenied, ReasonTampered)
}
