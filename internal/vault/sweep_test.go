package vault

import (
	"context"
	"strings"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
)

// A sweep names every row that was put back or deleted, and the log has what it
// found.
func TestSweepRows(t *testing.T) {
	for name, kind := range statedKinds() {
		if name == "session" { // read by whoever brings its secret, and by nobody else
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newStated(t)
			sweep := func(what, reason string) {
				t.Helper()
				found, rows, err := w.vault.SweepRows(t.Context(), alice, start)
				if err != nil || rows == 0 {
					t.Fatalf("%s: %d rows, %v", what, rows, err)
				}
				all := w.entries(0)
				e := all[len(all)-1]
				switch {
				case e.Action != ActionCheckRows:
					t.Errorf("%s: %+v", what, e)
				case reason == "" && (len(found) != 0 || e.Result != audit.OK || e.Details[DetailAmiss] != "0"):
					t.Errorf("%s: %v, %+v", what, found, e)
				case reason == "":
				case len(found) != 1 || !strings.HasPrefix(found[0].Row, name+"/") || sealift.ReasonOf(found[0].Err) != reason:
					t.Errorf("%s: %v", what, found)
				case e.Result != audit.Refused || e.Details["reason"] != reason || e.Details[DetailAmiss] != "1" || !strings.HasPrefix(e.Details["row-1"], name+"/"):
					t.Errorf("%s: %+v", what, e)
				}
			}
			w.update(kind.first)
			sweep("as it was written", "")
			w.behind("CREATE TABLE was AS SELECT * FROM " + kind.table)
			w.update(kind.second)
			sweep("as it was changed", "")
			w.behind("CREATE TABLE is_now AS SELECT * FROM "+kind.table, "DELETE FROM "+kind.table, "INSERT INTO "+kind.table+" SELECT * FROM was")
			sweep("put back", ReasonPutBack)
			w.behind("DELETE FROM " + kind.table)
			if name == "person" { // the other one is gone as well
				w.behind("INSERT INTO persons SELECT * FROM is_now WHERE id = 'p0'")
			}
			sweep("deleted", ReasonDeleted)
		})
	}
}

func TestSweepOfBentStatements(t *testing.T) {
	w := newStated(t)
	w.behind("DELETE FROM rows_statement")
	found, _, err := w.vault.SweepRows(t.Context(), alice, start)
	if err != nil || len(found) == 0 {
		t.Fatalf("%v, %v", found, err)
	}
	later := New(w.store)
	defer later.Close()
	if err := later.Unseal(t.Context(), Passphrase(testPassphrase), alice, start); err != nil {
		t.Fatal(err)
	}
	found, _, err = later.SweepRows(t.Context(), alice, start)
	if err != nil || len(found) != 1 || sealift.ReasonOf(found[0].Err) != ReasonStatement {
		t.Errorf("%v, %v", found, err)
	}
	w.vault.Close()
	_, _, err = w.vault.SweepRows(context.Background(), alice, start)
	wantError(t, err, sealift.KindSealed, ReasonSealed)
}
