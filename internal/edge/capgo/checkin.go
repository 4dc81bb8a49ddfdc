package capgo

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/stats"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/trust"
)

// checkIn is that a device asked for updates.
type checkIn struct {
	device  store.CapgoDevice
	address string         // that it came from
	runs    sealift.Digest // the release on offer that it runs; zero for none
}

// newcomers are the devices of an app in a network that were never seen before.
type newcomers struct {
	app     sealift.AppID
	network string
}

// here has a check-in written soon. Where too many wait it is left out, and counted:
// the device comes again.
func (e *Edge) here(in checkIn) {
	select {
	case e.waiting <- in:
	default:
		e.tallies.add(callCheckIn, "crowded", 1)
	}
}

// Run keeps the edge's knowledge fresh and writes check-ins, until ctx ends; those that
// wait then are written first.
func (e *Edge) Run(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		e.write(ctx)
	}()
	defer func() { <-done }()
	tick := time.NewTicker(sealift.CapgoRefresh)
	defer tick.Stop()
	var said string // it stays so until people come
	for {
		now := ""
		if err := e.Refresh(ctx); err != nil && ctx.Err() == nil {
			if now = err.Error(); now != said {
				e.complain("looking what is offered to Capgo's plugin", err)
			}
		}
		said = now
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// write writes check-ins in batches until ctx ends.
func (e *Edge) write(ctx context.Context) {
	batch := make([]checkIn, 0, sealift.CapgoBatch)
	for ctx.Err() == nil {
		select {
		case first := <-e.waiting:
			batch = e.gather(ctx, append(batch[:0], first))
			e.keep(context.WithoutCancel(ctx), batch)
		case <-ctx.Done():
		}
	}
	for len(e.waiting) > 0 {
		e.keep(context.WithoutCancel(ctx), e.gather(ctx, batch[:0]))
	}
}

// gather adds check-ins to a batch until it is full, or sealift.CapgoLag is over.
func (e *Edge) gather(ctx context.Context, batch []checkIn) []checkIn {
	lag := time.NewTimer(sealift.CapgoLag)
	defer lag.Stop()
	for len(batch) < sealift.CapgoBatch {
		select {
		case in := <-e.waiting:
			batch = append(batch, in)
			continue
		default:
		}
		if ctx.Err() != nil {
			return batch
		}
		select {
		case in := <-e.waiting:
			batch = append(batch, in)
		case <-lag.C:
			return batch
		case <-ctx.Done():
		}
	}
	return batch
}

// keep writes a batch in one transaction. What cannot be written is counted, and
// comes again with the devices.
func (e *Edge) keep(ctx context.Context, batch []checkIn) {
	left := 0
	err := e.Store.Update(ctx, func(tx store.Tx) error {
		left = 0
		for app, devices := range byApp(batch) {
			n, err := e.keepAll(ctx, tx, app, devices)
			if err != nil {
				return err
			}
			left += n
		}
		return nil
	})
	if err != nil {
		e.tallies.add(callCheckIn, "failed", int64(len(batch)))
		e.complain("writing check-ins of Capgo devices", err)
		return
	}
	e.tallies.add(callCheckIn, "kept", int64(len(batch)-left))
	if left > 0 {
		e.tallies.add(callCheckIn, "left-out", int64(left))
	}
}

// byApp are the last check-ins of each device.
func byApp(batch []checkIn) map[sealift.AppID]map[sealift.DeviceID]*checkIn {
	out := map[sealift.AppID]map[sealift.DeviceID]*checkIn{}
	for i := range batch {
		of := batch[i].device.App
		if out[of] == nil {
			out[of] = make(map[sealift.DeviceID]*checkIn, len(batch))
		}
		out[of][batch[i].device.ID] = &batch[i]
	}
	return out
}

// keepAll writes how devices of an app are, where that is news, and which of them run
// what is on offer: whoever comes with it for the first time has confirmed it. It
// returns for how many there was no room.
func (e *Edge) keepAll(ctx context.Context, tx store.Tx, app sealift.AppID, devices map[sealift.DeviceID]*checkIn) (left int, err error) {
	ids := slices.Sorted(maps.Keys(devices)) // as they are in the table
	was, err := tx.CapgoDevicesOf(ctx, app, ids)
	if err != nil {
		return 0, err
	}
	var changed []store.CapgoDevice
	var came []*checkIn
	for _, id := range ids {
		in := devices[id]
		before, known := was[id]
		switch {
		case known && !news(&before, &in.device):
			continue
		case !known && !e.admit(in):
			left++
			continue
		}
		changed = append(changed, in.device)
		if !in.runs.IsZero() && (!known || before.Version != in.device.Version) {
			came = append(came, in)
		}
	}
	if err := tx.PutCapgoDevices(ctx, changed); err != nil {
		return left, err
	}
	for _, in := range came {
		step := trust.ReportStep{Step: trust.StepConfirmed, Release: in.runs, Version: sealift.Version(in.device.Version)}
		reporter := stats.Reporter{Device: store.Device{App: app, ID: in.device.ID}, Address: in.address, Now: in.device.Seen}
		if err := reporter.Count(ctx, outcomes{tx}, []trust.ReportStep{step}); err != nil {
			return left, err
		}
	}
	return left, nil
}

// admit reports whether there is room for a device that was never seen.
func (e *Edge) admit(in *checkIn) bool {
	_, ok := e.fresh.Admit(newcomers{in.device.App, stats.NetworkOf(in.address)}, in.device.Seen)
	return ok
}

// deviceBefore returns how a device was kept before. One that was never seen is written
// as it is now, if there is room for it; otherwise it is zero.
func (e *Edge) deviceBefore(ctx context.Context, tx store.Tx, in *checkIn) (was store.CapgoDevice, known bool, err error) {
	was, err = tx.CapgoDevice(ctx, in.device.App, in.device.ID)
	if sealift.KindOf(err) != sealift.KindNotFound {
		return was, err == nil, err
	}
	if !e.admit(in) {
		return store.CapgoDevice{}, false, nil
	}
	return in.device, false, tx.InsertCapgoDevice(ctx, in.device)
}

// news reports whether a device has changed, or was not seen for a while.
func news(was, is *store.CapgoDevice) bool {
	same := *is
	same.Chosen, same.Began, same.Seen = was.Chosen, was.Began, was.Seen
	return same != *was || is.Seen.Sub(was.Seen) >= sealift.CapgoStaleness
}

// outcomes are rows in which what came of releases on Capgo devices is counted: with
// what came of them on others, and under the same limits for a network.
type outcomes struct{ store.Tx }

// PutDeviceOutcome implements store.StatsTx.
func (o outcomes) PutDeviceOutcome(ctx context.Context, row store.DeviceOutcome) error {
	return o.PutCapgoOutcome(ctx, row)
}

// DeviceOutcome implements store.StatsTx.
func (o outcomes) DeviceOutcome(ctx context.Context, app sealift.AppID, device sealift.DeviceID, release sealift.Digest) (store.DeviceOutcome, error) {
	return o.CapgoOutcome(ctx, app, device, release)
}

// CountNetwork implements store.StatsTx.
func (o outcomes) CountNetwork(ctx context.Context, app sealift.AppID, release sealift.Digest, hour time.Time, network string) (int64, error) {
	native, err := o.Tx.CountNetwork(ctx, app, release, hour, network)
	if err != nil {
		return 0, err
	}
	own, err := o.CountCapgoNetwork(ctx, app, release, hour, network)
	return native + own, err
}

// complainTo is complain of a request, unless whoever sent it hung up.
func (e *Edge) complainTo(r *http.Request, what string, err error) {
	if r.Context().Err() == nil {
		e.complain(what, err)
	}
}

// complain logs what goes on without the caller.
func (e *Edge) complain(what string, err error) {
	e.Log.Error(what, "error", err, "hint", sealift.HintOf(err))
}
