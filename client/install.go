package client

import (
	"context"
	"errors"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/trust"
)

// Update brings the device up to date: it checks, and if there is something
// newer, installs it and lets it prove itself as Config says. An error of
// KindRollback says that a release failed to, and that the last good one is
// back; after any other error what was installed still is. The Result is filled
// in beside an error, too.
//
// While a release waits for Confirm nothing newer is looked for. In quiet hours
// Update is a Check, unless the release is urgent.
func (d *Device) Update(ctx context.Context) (Result, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, err := d.store.load()
	if err != nil {
		return Result{}, err
	}
	// Nothing may point to the folder that is about to be written.
	if err := d.relink(); err != nil {
		return d.failed(Result{}, err)
	}
	if s.Pending != nil {
		return d.prove(ctx)
	}
	p, err := d.plan(ctx)
	if err != nil {
		return d.failed(Result{}, err)
	}
	if r, err := d.found(p); err != nil || p == nil || r.Waits != nil {
		return r, err
	}
	d.noted(p.step(trust.StepDownloading))
	came := &Delivery{}
	var r Result
	if err = d.install(ctx, p, came); errors.Is(err, errQuiet) {
		r, err = d.found(p)
	} else if err != nil {
		d.refused(ctx, p.step(trust.StepRefused), err)
		r, err = d.failed(Result{Available: d.available(&s, p)}, err)
	} else {
		r, err = d.prove(ctx)
	}
	if came.Blob != nil {
		r.Delivery = came
	}
	return r, err
}

// install puts a release into the idle folder and points "current" at it. It
// says in came how the bundle came.
func (d *Device) install(ctx context.Context, p *plan, came *Delivery) error {
	key, err := d.contentKey(ctx, p.rules, p.verified.Release)
	if err != nil {
		return err
	}
	s, err := d.store.load()
	if err != nil {
		return err
	}
	slot := s.idle()
	if err := d.bring(ctx, &s, p, key, slot, came); err != nil {
		return err
	}
	s, err = d.recheck(ctx, p)
	if err == nil && !d.quietFor(&s, p).IsZero() {
		err = errQuiet // they began meanwhile; the blob stays, for when they are over
	}
	if err != nil {
		_ = d.files.RemoveAll(path.Join(bundlesDir, slot))
		return err
	}
	if err := d.keepFiles(&s, p); err != nil {
		return diskError("storing the release", err)
	}
	if err := d.swap(p, slot, &s, came); err != nil {
		return err
	}
	// From here the release is in place; what follows is tidying up.
	_ = d.files.RemoveAll(stagingDir)
	return nil
}

// keepFiles keeps the release and its proof, to be able to tell later whether
// what is installed is still sound, and drops those of releases long replaced.
func (d *Device) keepFiles(s *state, p *plan) error {
	if err := d.files.MkdirAll(releasesDir); err != nil {
		return err
	}
	keep := []string{p.verified.Digest.String()}
	if s.Installed != nil {
		keep = append(keep, s.Installed.Release.String())
	}
	names, err := d.files.Names(releasesDir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if digest, _, _ := strings.Cut(name, "."); !slices.Contains(keep, digest) {
			if err := d.files.RemoveAll(path.Join(releasesDir, name)); err != nil {
				return err
			}
		}
	}
	if err := d.files.WriteFile(releaseFile(p.verified.Digest), p.release, 0o644); err != nil {
		return err
	}
	return d.files.WriteFile(proofFile(p.verified.Digest), p.proof, 0o644)
}

// swap is the moment at which the device changes over: first in the state,
// then in the link, which follows the state also after a crash. It is from the
// state that the release was judged by, and from no other.
func (d *Device) swap(p *plan, slot string, judged *state, came *Delivery) error {
	r := p.verified.Release
	next := &Pending{Installed: Installed{
		Release: p.verified.Digest, Payload: p.verified.Payload, Version: r.Version, Counter: r.Counter, Archive: r.Archive, Slot: slot,
	}}
	if d.cfg.HealthCheck == nil && d.cfg.ConfirmWithin > 0 {
		next.wait(d.cfg.Host.Now(), d.cfg.ConfirmWithin)
	}
	now := d.cfg.Host.Now()
	_, err := d.conclude(func(s *state) error {
		if s.Pending != nil || s.idle() != slot || s.Confirmed != judged.Confirmed || !same(s.Installed, judged.Installed) ||
			slices.Contains(s.Refused, p.verified.Digest) || s.failedOn(p.verified) {
			return changedMeanwhile("installing")
		}
		s.Pending = next
		verified := p.step(trust.StepVerified)
		if came.Base != nil {
			verified.Patch = came.Blob.Digest
		}
		s.note(now, verified)
		s.note(now, p.step(trust.StepInstalled))
		return nil
	})
	if err != nil {
		return err
	}
	d.watch = watch{next.Release, time.Now(), d.cfg.ConfirmWithin, true}
	return d.relink()
}

func same(a, b *Installed) bool { return a == b || a != nil && b != nil && *a == *b }

// maxTries is how often a release's health check may be begun without coming
// to an end.
const maxTries = 3

// prove lets the pending release show that it works, or sees whether its time
// is over.
func (d *Device) prove(ctx context.Context) (Result, error) {
	s, err := d.store.load()
	if err != nil {
		return Result{}, err
	}
	switch {
	case s.Pending == nil: // confirmed meanwhile
	case d.cfg.HealthCheck != nil:
		return d.checkHealth(ctx)
	case s.Pending.ConfirmBy != nil:
		return d.await(&s)
	default:
		s, err = confirmIn(d.store, d.cfg.Host, s.Pending.Release)
	}
	return s.result(OutcomeUpdated), err
}

func (d *Device) checkHealth(ctx context.Context) (Result, error) {
	s, err := d.store.change(func(s *state) error {
		if s.Pending != nil {
			next := *s.Pending
			next.Tries++
			s.Pending = &next
		}
		return nil
	})
	if err != nil || s.Pending == nil {
		return s.result(OutcomeUpdated), err
	}
	if s.Pending.Tries > maxTries {
		return d.takeBack(s.Pending.Release, errors.New("its health check never came to an end"), (*state).revert)
	}
	err = d.cfg.HealthCheck(ctx, filepath.Join(d.cfg.Dir, bundlesDir, s.Pending.Slot))
	switch {
	case ctx.Err() != nil: // interrupted: that says nothing about the release
		return s.result(OutcomePending), sealift.Errorf(sealift.KindInternal, "checking the new release's health", "%w", context.Cause(ctx)).WithReason("cancelled")
	case err != nil:
		return d.takeBack(s.Pending.Release, err, (*state).revert)
	}
	s, err = confirmIn(d.store, d.cfg.Host, s.Pending.Release)
	if sealift.ReasonOf(err) == reasonNotPending { // somebody else was faster
		s, err = d.store.load()
	}
	return s.result(OutcomeUpdated), err
}

// takeBack returns to the last good release, or to none. which is the one that must
// wait, zero for any, and how what becomes of it: revert or lapse.
func (d *Device) takeBack(which sealift.Digest, cause error, how func(*state)) (Result, error) {
	var bad Installed
	now, word := d.cfg.Host.Now(), reasonUnhealthy
	if errors.Is(cause, errUnconfirmed) {
		word = "unconfirmed"
	}
	s, err := d.store.change(func(s *state) error {
		if !s.waits(which) {
			return nothingPending("taking a release back")
		}
		bad = s.Pending.Installed
		how(s)
		step := bad.step(trust.StepRolledBack)
		step.Kind, step.Reason = sealift.KindRollback, word
		s.note(now, step)
		return nil
	})
	if err == nil {
		err = d.relink()
	}
	if err != nil {
		return d.failed(Result{}, err)
	}
	r := s.result(OutcomeRolledBack)
	r.Available = &Available{Release: bad.Release, Version: bad.Version, Counter: bad.Counter, Archive: bad.Archive}
	back := "nothing is installed"
	if s.Installed != nil {
		back = "version " + string(s.Installed.Version) + " is back"
	}
	again := "this release is never taken again; publish a new one"
	if !slices.Contains(s.Refused, bad.Release) {
		again = "this release is tried once more, as long as it is offered: confirm it in time, and look at this machine's clock"
	}
	return r, sealift.Errorf(sealift.KindRollback, "trying version "+string(bad.Version), "it was taken back: %w", cause).WithReason(reasonUnhealthy).
		WithHint("%s, and %s", back, again)
}

const (
	reasonNotPending = "not-pending"
	reasonUnhealthy  = "unhealthy"
)

func nothingPending(op string) error {
	return sealift.Errorf(sealift.KindNotFound, op, "no release waits to be confirmed").WithReason(reasonNotPending).
		WithHint("it was confirmed or taken back already")
}

// Confirm says that the pending release works: it is the last good one from
// now on, and the device takes none with a lower counter any more. With nothing
// pending it fails with KindNotFound.
func (d *Device) Confirm(context.Context) (Result, error) {
	s, err := confirmIn(d.store, d.cfg.Host, sealift.Digest{})
	return s.result(OutcomeUpdated), err
}

// ConfirmIn is Confirm for the device in the folder dir, from any process: the
// one that has the device open sees it.
func ConfirmIn(host Host, dir string) (Result, error) {
	files, err := host.Files(dir)
	if err != nil {
		return Result{}, err
	}
	defer files.Close()
	s, err := confirmIn(stateStore{files}, host, sealift.Digest{})
	return s.result(OutcomeUpdated), err
}

// confirmIn confirms the release which waits, zero for any.
func confirmIn(store stateStore, host Host, which sealift.Digest) (state, error) {
	now := host.Now()
	return store.change(func(s *state) error {
		if !s.waits(which) {
			return nothingPending("confirming a release")
		}
		s.note(now, s.Pending.step(trust.StepConfirmed))
		s.confirm()
		return nil
	})
}

// Revert takes the pending release back for the host's own reasons. Its error
// is of KindRollback, as Update's would be, or KindNotFound with nothing
// pending.
func (d *Device) Revert(_ context.Context, reason string) (Result, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.takeBack(sealift.Digest{}, errors.New(reason), (*state).revert)
}

// Await waits until the pending release is confirmed, by this process or
// another, or its time is over and it is taken back with KindRollback. If ctx
// ends first the release stays pending.
func (d *Device) Await(ctx context.Context) (Result, error) {
	const pause = 200 * time.Millisecond
	for {
		d.mu.Lock()
		r, err := d.prove(ctx)
		d.mu.Unlock()
		if err != nil || r.Pending == nil {
			return r, err
		}
		select {
		case <-ctx.Done():
			return r, sealift.Errorf(sealift.KindInternal, "waiting for a release to be confirmed", "%w", context.Cause(ctx)).WithReason("cancelled")
		case <-time.After(pause):
		}
	}
}
