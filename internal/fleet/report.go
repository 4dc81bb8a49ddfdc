package fleet

import (
	"context"
	"encoding/json"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/stats"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/trust"
)

// seen notes of a device that is granted something that it is there.
func seen[T any](ctx context.Context, v *visit, grant func(context.Context) (T, error)) (T, error) {
	granted, err := grant(ctx)
	if err != nil {
		return granted, err
	}
	row, err := v.lastReport(ctx)
	if err != nil {
		return granted, err
	}
	row.Seen = v.now
	return granted, v.tx.PutDeviceReport(ctx, row)
}

// lastReport returns how the device was, or a row to begin with.
func (v *visit) lastReport(ctx context.Context) (store.DeviceReport, error) {
	row, err := v.tx.DeviceReport(ctx, v.req.App, v.req.Device)
	if sealift.KindOf(err) == sealift.KindNotFound {
		return store.DeviceReport{App: v.req.App, Device: v.req.Device}, nil
	}
	return row, err
}

// demandActive refuses what a revoked device asks for. It is told so, with the vault's
// signature: it is known by its key.
func (v *visit) demandActive(op string) error {
	if v.device.State == store.DeviceActive {
		return nil
	}
	return sealift.Errorf(sealift.KindDenied, op, "device %s was revoked", v.req.Device).WithReason("revoked")
}

// report keeps what a device says of itself.
func (v *visit) report(ctx context.Context) (trust.ReportKept, error) {
	const op = "keeping a report"
	if err := v.demandActive(op); err != nil {
		return trust.ReportKept{}, err
	}
	var r trust.Report
	if err := trust.DecodeBody(v.req.Body, &r); err != nil {
		return trust.ReportKept{}, err
	}
	if err := r.Check(); err != nil {
		return trust.ReportKept{}, sealift.Errorf(sealift.KindInvalid, op, "%w", err).WithReason("malformed")
	}
	row, err := v.lastReport(ctx)
	if err != nil {
		return trust.ReportKept{}, err
	}
	if err := v.keep(ctx, &row, r.Steps); err != nil {
		return trust.ReportKept{}, err
	}
	row.Seen, row.Reported, row.Lost = v.now, v.now, max(row.Lost, r.Lost)
	row.Root, row.Targets, row.Channel = r.State.Root, r.State.Targets, r.State.Channel
	row.Runtime, row.Build, row.Emulator = r.State.Runtime, string(r.State.Build), r.State.Emulator
	if err := v.moves(ctx, row, r.State.Installed); err != nil {
		return trust.ReportKept{}, err
	}
	row.Version, row.Counter = "", 0
	if r.State.Installed != nil {
		row.Version, row.Counter = r.State.Installed.Version, r.State.Installed.Counter
	}
	if row.State, err = json.Marshal(r.State); err != nil {
		return trust.ReportKept{}, sealift.Errorf(sealift.KindInternal, op, "%w", err)
	}
	return trust.ReportKept{Through: row.Through}, v.tx.PutDeviceReport(ctx, row)
}

// keep writes the steps that are new, and counts what they say of releases.
func (v *visit) keep(ctx context.Context, row *store.DeviceReport, steps []trust.ReportStep) error {
	sent := len(steps)
	for len(steps) > 0 && steps[0].Sequence <= row.Through { // sent again
		steps = steps[1:]
	}
	v.kept, v.repeated = len(steps), sent-len(steps)
	if len(steps) == 0 {
		return nil
	}
	before := row.Through
	for _, step := range steps {
		if err := v.tx.InsertDeviceStep(ctx, v.stepOf(step)); err != nil {
			return err
		}
		row.Through = step.Sequence
	}
	if before/sealift.StepsPruned != row.Through/sealift.StepsPruned && row.Through > sealift.MaxStepsKept {
		if err := v.tx.PruneDeviceSteps(ctx, v.req.App, v.req.Device, sealift.MaxStepsKept); err != nil {
			return err
		}
	}
	reporter := stats.Reporter{Device: v.device, Address: v.address, Now: v.now}
	return reporter.Count(ctx, v.tx, steps)
}

func (v *visit) stepOf(s trust.ReportStep) store.DeviceStep {
	return store.DeviceStep{
		App: v.req.App, Device: v.req.Device, Sequence: s.Sequence, Received: v.now, At: s.Time.Time, Step: string(s.Step),
		Release: s.Release, Version: s.Version, Counter: s.Counter, Channel: s.Channel, Kind: string(s.Kind), Reason: s.Reason, Took: s.Took, Patch: hexOf(s.Patch),
	}
}

// moves counts that the device runs something else than it did when it reported
// last.
func (v *visit) moves(ctx context.Context, was store.DeviceReport, now *trust.ReportRelease) error {
	var after sealift.Digest
	if now != nil {
		if was.Version == now.Version && was.Counter == now.Counter {
			return nil
		}
		after = now.Release
	}
	before, err := installedIn(was)
	if err != nil {
		return err
	}
	return stats.Move(ctx, v.tx, v.req.App, before, after, v.now)
}

// installedIn returns what a device said it had installed; zero for nothing.
func installedIn(r store.DeviceReport) (sealift.Digest, error) {
	if len(r.State) == 0 {
		return sealift.Digest{}, nil
	}
	var state trust.DeviceState
	if err := json.Unmarshal(r.State, &state); err != nil {
		return sealift.Digest{}, sealift.Errorf(sealift.KindInternal, "reading what device "+string(r.Device)+" reported", "%w", err)
	}
	if state.Installed == nil {
		return sealift.Digest{}, nil
	}
	return state.Installed.Release, nil
}

// patchOf reads what hexOf wrote.
func patchOf(s string) sealift.Digest {
	d, _ := sealift.ParseDigest(s) // zero for ""
	return d
}

// hexOf is a digest as rows keep it that is seldom there.
func hexOf(d sealift.Digest) string {
	if d.IsZero() {
		return ""
	}
	return d.String()
}
