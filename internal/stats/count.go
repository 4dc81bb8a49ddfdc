package stats

import (
	"cmp"
	"context"
	"net/netip"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/trust"
)

// Rows are what is counted in, and by.
type Rows interface {
	store.StatsTx
	Release(ctx context.Context, app sealift.AppID, digest sealift.Digest) (store.Release, error)
}

// Reporter is a device that reports.
type Reporter struct {
	Device  store.Device
	Address string    // that the edge saw
	Now     time.Time // by the vault's clock
}

// Count counts what a device says that it did, in the transaction that keeps it.
// A step that comes again changes nothing, but that of an unknown release, which
// is for the caller to send once.
func (r *Reporter) Count(ctx context.Context, tx Rows, steps []trust.ReportStep) error {
	var order []sealift.Digest // of first mention
	words := map[sealift.Digest]word{}
	mentions := map[sealift.Digest]int64{}
	for i := range steps {
		said, says := wordOf(&steps[i])
		release := steps[i].Release
		if !says || release.IsZero() {
			continue
		}
		before, known := words[release]
		if !known {
			order = append(order, release)
		}
		via := cmp.Or(before.via, said.via)
		if known && said.outcome.rank() <= before.outcome.rank() {
			said = before
		}
		said.via = via
		words[release] = said
		mentions[release]++
	}
	for _, release := range order {
		_, err := tx.Release(ctx, r.Device.App, release)
		switch {
		case sealift.KindOf(err) == sealift.KindNotFound:
			_, err = tx.AddReleaseHour(ctx, counted(store.ReleaseHour{
				App: r.Device.App, Hour: hourOf(r.Now), Outcome: string(Unknown),
			}, r.vouched(), mentions[release]))
		case err == nil:
			err = r.count(ctx, tx, release, words[release])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// count counts what a device says of one release.
func (r *Reporter) count(ctx context.Context, tx Rows, release sealift.Digest, said word) error {
	row, err := tx.DeviceOutcome(ctx, r.Device.App, r.Device.ID, release)
	taken := sealift.KindOf(err) == sealift.KindNotFound
	switch {
	case taken:
		if row, err = r.take(ctx, tx, release); err != nil {
			return err
		}
	case err != nil:
		return err
	}
	changed := taken
	if said.outcome.rank() > Outcome(row.Outcome).rank() {
		changed = true
		if row, err = r.conclude(ctx, tx, row, said); err != nil {
			return err
		}
	}
	if said.via != "" && row.Via == "" {
		changed = true
		if row, err = r.arrive(ctx, tx, row, said.via); err != nil {
			return err
		}
	}
	if !changed {
		return nil
	}
	return tx.PutDeviceOutcome(ctx, row)
}

// arrive counts how the bundle came to the device. The first word of it stays.
func (r *Reporter) arrive(ctx context.Context, tx Rows, row store.DeviceOutcome, via string) (store.DeviceOutcome, error) {
	h := store.ReleaseHour{App: row.App, Release: row.Release, Hour: row.Hour, Outcome: string(whole)}
	if row.Via = via; via != string(whole) {
		h.Outcome, h.Reason = string(patched), via
		if n, err := tx.CountOtherReasons(ctx, h); err != nil {
			return row, err
		} else if n >= sealift.MaxOutcomeReasons {
			h.Reason = other
		}
	}
	_, err := tx.AddReleaseHour(ctx, counted(h, row.Evidence, 1))
	return row, err
}

// take counts that the device took a release, in this hour.
func (r *Reporter) take(ctx context.Context, tx Rows, release sealift.Digest) (store.DeviceOutcome, error) {
	row := store.DeviceOutcome{App: r.Device.App, Device: r.Device.ID, Release: release, Hour: hourOf(r.Now), Evidence: true}
	if !r.vouched() {
		row.Network = NetworkOf(r.Address)
		n, err := tx.CountNetwork(ctx, row.App, release, row.Hour, row.Network)
		if err != nil {
			return row, err
		}
		row.Evidence = n < sealift.UnvouchedPerHour
	}
	total, err := tx.AddReleaseHour(ctx, counted(hour(row, Taken), row.Evidence, 1))
	if err == nil && total == 1 { // seldom enough
		err = tx.PruneStats(ctx, row.App, hourOf(r.Now.Add(-sealift.MaxStatsAge)))
	}
	return row, err
}

// conclude counts a device's outcome in place of the one before.
func (r *Reporter) conclude(ctx context.Context, tx Rows, row store.DeviceOutcome, said word) (store.DeviceOutcome, error) {
	if row.Outcome != "" {
		if _, err := tx.AddReleaseHour(ctx, counted(hour(row, Outcome(row.Outcome)), row.Evidence, -1)); err != nil {
			return row, err
		}
	}
	row.Outcome, row.Kind, row.Reason = string(said.outcome), said.kind, said.reason
	if n, err := tx.CountOtherReasons(ctx, hour(row, said.outcome)); err != nil {
		return row, err
	} else if n >= sealift.MaxOutcomeReasons {
		row.Reason = other
	}
	_, err := tx.AddReleaseHour(ctx, counted(hour(row, said.outcome), row.Evidence, 1))
	return row, err
}

// vouched is whether somebody gave the device a token to enrol with.
func (r *Reporter) vouched() bool { return r.Device.Token != "" }

// hour is where a device with an outcome is counted.
func hour(o store.DeviceOutcome, outcome Outcome) store.ReleaseHour {
	h := store.ReleaseHour{App: o.App, Release: o.Release, Hour: o.Hour, Outcome: string(outcome)}
	if outcome != Taken {
		h.Kind, h.Reason = o.Kind, o.Reason
	}
	return h
}

// counted is h with n devices in it.
func counted(h store.ReleaseHour, evidence bool, n int64) store.ReleaseHour {
	if evidence {
		h.Evidence = n
	} else {
		h.Unvouched = n
	}
	return h
}

func hourOf(t time.Time) time.Time { return t.UTC().Truncate(time.Hour) }

// NetworkOf returns the network of an address. What is no address is one network:
// whoever hides it gains nothing.
func NetworkOf(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return "unknown"
	}
	ip = ip.Unmap()
	bits := 48
	if ip.Is4() {
		bits = 24
	}
	network, err := ip.Prefix(bits)
	if err != nil {
		return "unknown"
	}
	return network.String()
}
