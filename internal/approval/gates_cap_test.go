package approval_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/approval"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
)

type allApps = service.Apps

// capped keeps the cap that it is told.
type capped struct {
	allApps
	w *world
}

func (c capped) ChangeApp(_ context.Context, _ access.Caller, _ sealift.AppID, change service.AppChange) (service.App, error) {
	if change.BlastRadius != nil {
		c.w.cap(*change.BlastRadius)
	}
	return service.App{}, nil
}

func (w *world) cap(devices int64) {
	w.Helper()
	w.check(w.vault.Update(w.Context(), func(tx *vault.Tx) error {
		row, err := tx.App(w.Context(), app)
		w.check(err)
		old := row.MAC
		row.BlastRadius = devices
		row.MAC, err = tx.Authenticate(row)
		w.check(err)
		return tx.UpdateApp(w.Context(), row, old)
	}))
}

// TestCapGate: that more devices may have what none of them confirmed asks people, those
// of the strictest channel among them; that fewer may does not.
func TestCapGate(t *testing.T) {
	w, ann, bob, _ := trio(t)
	w.channels("production", "beta")
	apps := w.board.Apps(capped{w: w})
	set := func(change service.AppChange) error {
		_, err := apps.ChangeApp(t.Context(), ann.Caller, app, change)
		return err
	}
	to := func(devices int64) service.AppChange { return service.AppChange{BlastRadius: &devices} }
	w.check(set(to(50)))
	w.check(set(to(500))) // nobody is asked about anything
	w.check(set(to(50)))
	w.check(w.policyOn(founder(), approval.ActionRollout, "beta", 0))
	w.check(w.policyOn(founder(), approval.ActionRollout, "production", 1))
	w.check(set(to(20)))
	w.check(set(to(20)))
	patches := 3
	w.check(set(service.AppChange{Patches: &patches}))
	for _, devices := range []int64{21, 0} {
		w.refused(set(to(devices)), sealift.KindDenied, approval.ReasonApproval)
		r := w.only(store.ApprovalOpen)
		if got := r.Parameters; got["blast-radius"] != fmt.Sprint(devices) || got["blast-radius-now"] != "20" || got["channel"] != "production" {
			t.Errorf("asked about %v", got)
		}
		_, err := bob.approve(r.ID)
		w.check(err)
		w.check(set(to(devices)))
		w.check(set(to(20)))
	}
	// What SQL says of the cap of now asks nobody less.
	w.check(w.store.Update(t.Context(), func(tx store.Tx) error {
		row, err := tx.App(t.Context(), app)
		w.check(err)
		row.BlastRadius = 1000
		return tx.UpdateApp(t.Context(), row, row.MAC)
	}))
	w.refused(set(to(900)), sealift.KindDenied, vault.ReasonForged)
}
