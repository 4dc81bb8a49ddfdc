package vault

import (
	"context"
	"slices"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
)

// row is an authentic row of a test's own.
type row struct {
	kind    string
	columns []string
	mac     []byte
}

func (r row) Columns() (string, []string) { return r.kind, r.columns }
func (r row) Tag() []byte                 { return r.mac }
func (r row) RowName() string             { return r.columns[0] }

func TestCheckRow(t *testing.T) {
	w := newWorld(t)
	good := row{kind: "token", columns: []string{"id", "developer", ""}}
	if err := w.vault.Update(t.Context(), func(tx *Tx) (err error) {
		if good.mac, err = tx.Authenticate(good); err != nil {
			return err
		}
		return tx.write("token", good.RowName(), good.mac, func() error { return nil })
	}); err != nil {
		t.Fatal(err)
	}
	check := func(r row) error {
		return w.store.View(t.Context(), func(tx store.Tx) error { return w.vault.CheckRow(t.Context(), tx, r) })
	}
	if err := check(good); err != nil {
		t.Errorf("as it was written: %v", err)
	}
	for what, bend := range map[string]func(*row){
		"another column":       func(r *row) { r.columns[1] = "owner" },
		"a column moved":       func(r *row) { r.columns[1], r.columns[2] = "", "developer" },
		"columns joined":       func(r *row) { r.columns = []string{"iddeveloper", ""} },
		"a column more":        func(r *row) { r.columns = append(r.columns, "") },
		"another kind":         func(r *row) { r.kind = "device" },
		"another MAC":          func(r *row) { r.mac[0] ^= 1 },
		"half a MAC":           func(r *row) { r.mac = r.mac[:16] },
		"no MAC":               func(r *row) { r.mac = nil },
		"the MAC of a key row": func(r *row) { r.mac, _ = w.vault.ring.Load().rowMAC(join("sealift/vault/key-row/v1", []byte("token"))) },
	} {
		bent := row{good.kind, slices.Clone(good.columns), slices.Clone(good.mac)}
		bend(&bent)
		if err := check(bent); sealift.KindOf(err) != sealift.KindDenied || sealift.ReasonOf(err) != ReasonForged || sealift.HintOf(err) == "" {
			t.Errorf("%s: %v", what, err)
		}
	}
	w.vault.Close()
	if err := check(good); sealift.KindOf(err) != sealift.KindSealed {
		t.Errorf("while it is sealed: %v", err)
	}
	err := w.vault.Update(context.Background(), func(tx *Tx) error {
		_, err := tx.Authenticate(good)
		return err
	})
	if sealift.KindOf(err) != sealift.KindSealed {
		t.Errorf("made while it is sealed: %v", err)
	}
}
