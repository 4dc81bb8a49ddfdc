package stats

import (
	"context"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
)

// Disown takes a device that is not active any more out of the evidence, in the
// transaction that says so: what is counted of it stays, as that of a device for
// which nobody vouches. Of one that was revoked that is all that it ever reported. Of
// one that was only erased it is what it took and said nothing of: it never will, and
// that is no silence to halt for; what it did say was said in good faith.
func Disown(ctx context.Context, tx store.StatsTx, device store.Device) error {
	rows, err := tx.DeviceOutcomes(ctx, device.App, device.ID)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if !row.Evidence || device.State != store.DeviceRevoked && row.Outcome != "" {
			continue
		}
		outcomes := []Outcome{Taken}
		if row.Outcome != "" {
			outcomes = append(outcomes, Outcome(row.Outcome))
		}
		for _, outcome := range outcomes {
			h := hour(row, outcome)
			h.Evidence, h.Unvouched = -1, 1
			if _, err := tx.AddReleaseHour(ctx, h); err != nil {
				return err
			}
		}
		row.Evidence = false
		if err := tx.PutDeviceOutcome(ctx, row); err != nil {
			return err
		}
	}
	return nil
}

// Move counts that a device of app runs another release than before; either is zero
// for none, and one that the app does not have counts as none.
func Move(ctx context.Context, tx Rows, app sealift.AppID, before, after sealift.Digest, now time.Time) error {
	if before == after {
		return nil
	}
	for _, move := range []struct {
		release sealift.Digest
		devices int64
	}{{before, -1}, {after, 1}} {
		if move.release.IsZero() {
			continue
		}
		_, err := tx.Release(ctx, app, move.release)
		if sealift.KindOf(err) == sealift.KindNotFound {
			continue
		}
		if err == nil {
			_, err = tx.AddReleaseHour(ctx, store.ReleaseHour{App: app, Release: move.release, Hour: hourOf(now), Outcome: string(running), Evidence: move.devices})
		}
		if err != nil {
			return err
		}
	}
	return nil
}
