package client

import (
	"context"
	"slices"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/trust"
)

// reports is what the device has to tell its vault of what it did. It is part of
// the state, so that a step is written down in the very write that it is about:
// no crash parts the two.
type reports struct {
	Numbered uint64             `json:"numbered"` // the highest sequence that was used
	Queue    []trust.ReportStep `json:"queue,omitempty"`
	Lost     uint64             `json:"lost,omitempty"` // that had no room in Queue, or that the vault cannot read
	Channel  sealift.Channel    `json:"channel"`        // that the device follows
	// Recent are steps that are not told again for a while, oldest first.
	Recent []trust.ReportStep `json:"recent,omitempty"`
	// Last is the release that the last step was about, told again or not, and
	// LastAt when that was.
	Last   sealift.Digest `json:"last,omitzero"`
	LastAt time.Time      `json:"lastAt,omitzero"`
	// Told is when the vault last kept a report, and Root and Targets what it was
	// told to be trusted.
	Told    time.Time `json:"told,omitzero"`
	Root    int64     `json:"root,omitempty"`
	Targets int64     `json:"targets,omitempty"`
}

// maxRecent is how many steps are not told again.
const maxRecent = 16

// note writes a step down, to be told. One that was told within
// sealift.ReportPeriod is not told again, unless a release was put in place or
// taken back since: a device that finds nothing new, or refuses the same release at
// each check, has said so.
func (s *state) note(now time.Time, step trust.ReportStep) {
	r := &s.Reports
	if r.Channel == "" {
		return // a state of before there were reports, in a process that does not know it
	}
	step.Channel, step.Time = r.Channel, trust.At(now)
	if step.Check() != nil { // the word of somebody else's error
		step.Reason = ""
	}
	took := now.Sub(r.LastAt)
	if r.Last == step.Release && !step.Release.IsZero() && took >= 0 && took < sealift.MaxReportTook {
		step.Took = took.Milliseconds()
	}
	r.Last, r.LastAt = step.Release, now.Round(0)
	if slices.ContainsFunc(r.Recent, func(told trust.ReportStep) bool { return repeats(told, step) }) {
		return
	}
	r.Numbered++
	step.Sequence = r.Numbered
	queue := append(slices.Clone(r.Queue), step)
	if over := len(queue) - sealift.MaxReportQueue; over > 0 {
		queue = queue[over:]
		r.Lost += uint64(over)
	}
	r.Queue = queue
	switch step.Step {
	case trust.StepInstalled, trust.StepConfirmed, trust.StepRolledBack:
		r.Recent = nil
	default:
		recent := append(slices.Clone(r.Recent), step)
		r.Recent = recent[max(0, len(recent)-maxRecent):]
	}
}

func repeats(told, step trust.ReportStep) bool {
	since := step.Time.Sub(told.Time.Time)
	return told.Step == step.Step && told.Release == step.Release && told.Kind == step.Kind && told.Reason == step.Reason &&
		since >= 0 && since < sealift.ReportPeriod
}

// step is a step of an installed release.
func (i *Installed) step(what trust.Step) trust.ReportStep {
	return trust.ReportStep{Step: what, Release: i.Release, Version: i.Version, Counter: i.Counter}
}

// step is a step of a release that passed steps 1 and 2.
func (p *plan) step(what trust.Step) trust.ReportStep {
	r := p.verified.Release
	return trust.ReportStep{Step: what, Release: p.verified.Digest, Version: r.Version, Counter: r.Counter}
}

// failed is a step that ended in err.
func failed(step trust.ReportStep, err error) trust.ReportStep {
	step.Kind, step.Reason = sealift.KindOf(err), sealift.ReasonOf(err)
	return step
}

// reportable says whether an error is for the vault to hear of. That nobody could
// be reached, or that somebody broke off, says nothing about a release.
func reportable(ctx context.Context, err error) bool {
	if ctx.Err() != nil || sealift.ReasonOf(err) == "cancelled" {
		return false
	}
	switch sealift.KindOf(err) {
	case sealift.KindNetwork, sealift.KindSealed, sealift.KindConflict:
		return false
	}
	return true
}

// noted writes a step down by itself. An update never fails for it: what cannot
// be written here is soon found out elsewhere.
func (d *Device) noted(step trust.ReportStep) {
	now := d.cfg.Host.Now()
	_, _ = d.store.change(func(s *state) error {
		s.note(now, step)
		return nil
	})
}

// refused writes down that the device did not take what it was offered.
func (d *Device) refused(ctx context.Context, step trust.ReportStep, err error) {
	if reportable(ctx, err) {
		d.noted(failed(step, err))
	}
}

// Report tells the vault how the device is and what it did since the vault last
// kept a report, if there is anything to tell: once a day there is. Nothing is
// forgotten before the vault has said that it is kept, and nothing waits for it:
// a device that is offline tells later. left is how many steps are still to be
// told. A device that is not enrolled has nobody to tell, and one that
// never had a channel nothing. A step that the vault
// cannot read, being older than this library, is found among the others, dropped and
// counted as lost.
//
// It uses what the last Check or Update of this process learned of whom to trust,
// and asks for that first if there was none.
func (d *Device) Report(ctx context.Context) (left int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, sealift.ReportTimeout)
	defer cancel()
	s, err := d.store.load()
	if err != nil || !s.Enrolled || s.Reports.Channel == "" || !d.hasNews(&s) {
		return len(s.Reports.Queue), err
	}
	rules := d.rules
	if rules == nil {
		if rules, err = d.refresh(ctx); err != nil {
			return len(s.Reports.Queue), err
		}
	}
	s, err = d.tellAll(ctx, rules, s)
	return len(s.Reports.Queue), err
}

// tellAll sends what there is to tell. Where the vault cannot read it, and can read
// how the device is without any step, it sends ever fewer steps, until there is but
// one, which is dropped.
func (d *Device) tellAll(ctx context.Context, rules *trust.Rules, s state) (_ state, err error) {
	most, readable := sealift.MaxReportSteps, false
	for range sealift.MaxReportMessages {
		batch := s.Reports.Queue[:min(len(s.Reports.Queue), most)]
		s, err = d.tell(ctx, rules, s, batch)
		if unreadable(err) && len(batch) > 0 {
			if s, err = d.tellNothing(ctx, rules, s, &readable); err != nil {
				break
			}
			if most = len(batch) / 2; most == 0 {
				s, err = d.drop(batch[0])
				most = sealift.MaxReportSteps
			}
		}
		if err != nil || len(s.Reports.Queue) == 0 {
			break
		}
	}
	return s, err
}

// unreadable reports whether the vault itself said that it cannot read a report:
// no other error of asking it has this kind.
func unreadable(err error) bool {
	return sealift.KindOf(err) == sealift.KindInvalid && sealift.ReasonOf(err) == "malformed"
}

// tellNothing sends how the device is, unless the vault took that before.
func (d *Device) tellNothing(ctx context.Context, rules *trust.Rules, s state, taken *bool) (_ state, err error) {
	if !*taken {
		s, err = d.tell(ctx, rules, s, nil)
		*taken = err == nil
	}
	return s, err
}

// drop loses a step that the vault cannot read.
func (d *Device) drop(step trust.ReportStep) (state, error) {
	return d.store.change(func(s *state) error {
		r := &s.Reports
		if len(r.Queue) > 0 && r.Queue[0].Sequence == step.Sequence { // else another process made room
			r.Queue = r.Queue[1:]
			r.Lost++
		}
		return nil
	})
}

func (d *Device) hasNews(s *state) bool {
	r := &s.Reports
	since := d.cfg.Host.Now().Sub(r.Told)
	return len(r.Queue) > 0 || r.Root != s.Memory.Root || r.Targets != s.Memory.targets() || since < 0 || since >= sealift.ReportPeriod
}

// tell sends the oldest steps, which batch are, and drops what the vault keeps.
func (d *Device) tell(ctx context.Context, rules *trust.Rules, s state, batch []trust.ReportStep) (state, error) {
	const op = "asking the vault for report"
	report := trust.Report{Steps: batch, Lost: s.Reports.Lost, State: d.describe(&s)}
	answer, err := d.ask(ctx, rules, trust.RequestReport, func(*trust.Request) any { return report })
	if err != nil {
		return s, err
	}
	var kept trust.ReportKept
	if err := trust.DecodeBody(answer.Body, &kept); err != nil {
		return s, err
	}
	if len(batch) > 0 && kept.Through < batch[len(batch)-1].Sequence || kept.Through > sealift.MaxReportSequence {
		return s, sealift.Errorf(sealift.KindDenied, op, "the vault keeps steps through %d of %d that it was sent", kept.Through, len(batch)).WithReason("report")
	}
	now := d.cfg.Host.Now()
	return d.store.change(func(s *state) error {
		r := &s.Reports
		for len(r.Queue) > 0 && r.Queue[0].Sequence <= kept.Through {
			r.Queue = r.Queue[1:]
		}
		r.Numbered = max(r.Numbered, kept.Through) // this folder may be a copy of an older one
		r.Told, r.Root, r.Targets = now.Round(0), report.State.Root, report.State.Targets
		return nil
	})
}

// describe is how the device is.
func (d *Device) describe(s *state) trust.DeviceState {
	release := func(i *Installed) *trust.ReportRelease {
		if i == nil {
			return nil
		}
		return &trust.ReportRelease{Release: i.Release, Version: i.Version, Counter: i.Counter}
	}
	out := trust.DeviceState{
		Root: s.Memory.Root, Targets: s.Memory.targets(), Snapshot: s.Memory.Timestamp.Versions["snapshot"], Timestamp: s.Memory.Timestamp.Versions["timestamp"],
		Installed: release(s.Installed), Previous: release(s.Previous),
		Channel: s.Reports.Channel, Platform: d.cfg.Platform, Runtime: d.cfg.Runtime, Client: d.cfg.Client, Epochs: heldEpochs(d.files),
		Build: d.cfg.Build, Emulator: d.cfg.Emulator, Excluded: s.Excluded,
	}
	if s.Pending != nil {
		out.Pending = release(&s.Pending.Installed)
	}
	return out
}

// targets is the version of targets.json that was seen.
func (m *Memory) targets() int64 { return m.Snapshot.Versions["targets"] }
