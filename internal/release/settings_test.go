package release_test

import (
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
)

func TestAppSettings(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	want := service.AppSettings{Patches: sealift.DefaultPatches, PatchLimit: sealift.DefaultPatchLimit}
	change := func(c service.AppChange) {
		t.Helper()
		got, err := b.ChangeApp(t.Context(), alice, b.app, c)
		b.check(err)
		again, err := b.App(t.Context(), b.app)
		b.check(err)
		if got != again || got.AppSettings != want {
			t.Errorf("changed to %+v, is %+v, want %+v", got, again, want)
		}
	}
	change(service.AppChange{})
	none, limit, cap := 0, int64(sealift.MaxPatchArchive), int64(500)
	want.Patches = 0
	change(service.AppChange{Patches: &none})
	want.PatchLimit, want.BlastRadius = limit, cap
	change(service.AppChange{PatchLimit: &limit, BlastRadius: &cap})
	change(service.AppChange{PatchLimit: &limit})
	many, zero := sealift.DefaultPatches, int64(0)
	shipped := int64(sealift.DefaultPatchLimit)
	want = service.AppSettings{Patches: many, PatchLimit: shipped}
	change(service.AppChange{Patches: &many, PatchLimit: &shipped, BlastRadius: &zero})

	_, err := b.ChangeApp(t.Context(), alice, "com.acme.none", service.AppChange{Patches: &none})
	wantRefusal(t, "an app that is not there", err, sealift.KindNotFound, "app")
}

// What an app is set to is the vault's word: not the database's.
func TestAppSettingsAreTheVaults(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.check(b.store.Update(t.Context(), func(tx store.Tx) error {
		row, err := tx.App(t.Context(), b.app)
		if err != nil {
			return err
		}
		row.BlastRadius = 1 << 20
		return tx.UpdateApp(t.Context(), row, row.MAC)
	}))
	_, err := b.App(t.Context(), b.app)
	wantRefusal(t, "a row that SQL changed", err, sealift.KindDenied, vault.ReasonForged)
	none := 0
	_, err = b.ChangeApp(t.Context(), alice, b.app, service.AppChange{Patches: &none})
	wantRefusal(t, "a change of a row that SQL changed", err, sealift.KindDenied, vault.ReasonForged)
}
