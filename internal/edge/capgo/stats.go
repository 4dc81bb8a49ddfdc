package capgo

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/stats"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/rollout"
	"github.com/sealift/sealift/trust"
)

// told is an event with what follows from it.
type told struct {
	device store.CapgoDevice // as it says that it is
	event  store.CapgoEvent
	step   trust.ReportStep // of the release that it is about; none without a release
	passed bool             // by as many of the same device as are kept: it is counted alone
}

// ok is the answer to what was done.
var ok = []byte(`{"status":"ok"}`)

// stats keeps what happened on devices, and answers once it is durable. What it has no
// room for now is to come again: 503, since 429 makes plugins fall silent.
func (e *Edge) stats(w http.ResponseWriter, r *http.Request) {
	if wait, admitted := e.reports.Admit(e.Address(r), e.Now()); !admitted {
		e.later(w, callStats, "rate", wait)
		return
	}
	body, f := readBody(w, r, sealift.MaxCapgoStats)
	var events []saidEvent
	left := 0
	if f == nil {
		events, left, f = eventsIn(body)
	}
	if f != nil {
		e.refuse(w, callStats, f)
		return
	}
	if e.catalog.Load() == nil { // which apps there are is not known yet
		e.later(w, callStats, "not-ready", time.Minute)
		return
	}
	all, lost := e.tell(events)
	if left += lost; left > 0 {
		e.tallies.add(callStats, "left-out", int64(left))
	}
	if len(all) == 0 && left > 0 {
		e.refuse(w, callStats, &fault{codeMissing, "no event names an app of this server, a device and an action"})
		return
	}
	if wait, admitted := e.admitEvents(len(all), e.Address(r)); !admitted {
		e.later(w, callStats, "rate", wait)
		return
	}
	if err := e.report(r.Context(), all, e.Address(r)); err != nil {
		if sealift.KindOf(err) == sealift.KindExhausted && sealift.ReasonOf(err) == reasonCrowded {
			e.later(w, callStats, reasonCrowded, time.Minute)
			return
		}
		e.complainTo(r, "keeping a report of Capgo's plugin", err)
		e.later(w, callStats, "failed", time.Minute)
		return
	}
	e.answer(w, callStats, "ok", ok)
}

// admitEvents reports whether events of a network are within its limit, which the last
// report that begins below it may pass.
func (e *Edge) admitEvents(n int, address string) (wait time.Duration, admitted bool) {
	network := stats.NetworkOf(address)
	wait, admitted = e.events.Admit(network, e.Now())
	for range n - 1 {
		if !admitted {
			break
		}
		_, _ = e.events.Admit(network, e.Now())
	}
	return wait, admitted
}

const reasonCrowded = "crowded"

// tell reads events one by one. It returns how many are of no app or no device.
func (e *Edge) tell(events []saidEvent) (all []told, left int) {
	now := e.Now().UTC()
	for i := range events {
		s := &events[i]
		path := s.splitPath()
		in, f := s.who()
		if f != nil || s.Action == "" {
			left++
			continue
		}
		app := e.app(in.App)
		if app == nil {
			left++
			continue
		}
		t := told{device: e.device(&in, &s.said, ""), event: s.event(&in, path, now)}
		if step, says := stepOf(string(s.Action)); says && in.Running != "" {
			if step.Release = app.released(&in, in.Running, e.memory.chosen(in.App, in.Device)); !step.Release.IsZero() {
				step.Version = in.Running
				t.step = step
			}
		}
		all = append(all, t)
	}
	behind := map[who]int{}
	for i := len(all) - 1; i >= 0; i-- {
		of := who{all[i].device.App, all[i].device.ID}
		all[i].passed = behind[of] >= sealift.CapgoEventsKept
		behind[of]++
	}
	return all, left
}

// report keeps events in one transaction, and notes which releases failed.
func (e *Edge) report(ctx context.Context, all []told, address string) error {
	turn := time.NewTimer(sealift.CapgoReportWait)
	defer turn.Stop()
	select {
	case e.reporting <- struct{}{}:
		defer func() { <-e.reporting }()
	case <-turn.C:
		return sealift.Errorf(sealift.KindExhausted, "keeping a report", "%d others wait for the disk", sealift.MaxCapgoReporting).WithReason(reasonCrowded)
	case <-ctx.Done():
		return ctx.Err()
	}
	var notes []func(*held)
	err := e.Store.Update(ctx, func(tx store.Tx) error {
		notes = nil
		for i := range all {
			failed, err := e.keepEvent(ctx, tx, &all[i], address)
			if err != nil {
				return err
			}
			if app := e.app(all[i].device.App); failed && app != nil && app.offers(all[i].step.Release) {
				notes = append(notes, fail(all[i].device.App, all[i].device.ID, []sealift.Digest{all[i].step.Release}))
			}
		}
		return e.prune(ctx, tx, all)
	})
	if err != nil {
		return err
	}
	for _, note := range notes {
		e.memory.note(note)
	}
	return nil
}

// keepEvent keeps one event and counts what it says of its release, once. It reports
// whether that has failed on the device.
func (e *Edge) keepEvent(ctx context.Context, tx store.Tx, t *told, address string) (failed bool, err error) {
	in := checkIn{device: t.device, address: address}
	if was, _, err := e.deviceBefore(ctx, tx, &in); err != nil {
		return false, err
	} else if was.ID == "" {
		return false, sealift.Errorf(sealift.KindExhausted, "keeping a report", "more than %d new devices an hour come from this network", sealift.CapgoNewPerHour).WithReason(reasonCrowded)
	}
	added := t.passed
	if !t.passed {
		added, err = tx.AddCapgoEvent(ctx, t.event)
	}
	if err != nil || !added || t.step.Release.IsZero() {
		return false, err
	}
	reporter := stats.Reporter{Device: store.Device{App: t.device.App, ID: t.device.ID}, Address: address, Now: t.event.Received}
	if err := reporter.Count(ctx, outcomes{tx}, []trust.ReportStep{t.step}); err != nil {
		return false, err
	}
	outcome, err := tx.CapgoOutcome(ctx, t.device.App, t.device.ID, t.step.Release)
	if sealift.KindOf(err) == sealift.KindNotFound {
		return false, nil
	}
	came := rollout.Failure(outcome.Outcome)
	return came == rollout.Refused || came == rollout.RolledBack, err
}

// prune keeps no more events of each device than it should.
func (e *Edge) prune(ctx context.Context, tx store.Tx, all []told) error {
	done := map[who]bool{}
	for i := range all {
		of := who{all[i].device.App, all[i].device.ID}
		if done[of] {
			continue
		}
		done[of] = true
		if err := tx.PruneCapgoEvents(ctx, of.app, of.device, sealift.CapgoEventsKept); err != nil {
			return err
		}
	}
	return nil
}

// later asks a device to come again.
func (e *Edge) later(w http.ResponseWriter, call, counted string, wait time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)+1))
	w.Header()["Content-Type"] = jsonType
	w.Header()["Cache-Control"] = noStore
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = w.Write([]byte(`{"error":"try_again_later","message":"the server cannot keep this now"}`))
	e.tallies.add(call, counted, 1)
}
