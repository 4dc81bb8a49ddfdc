package client_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/client"
)

func TestHealthCheck(t *testing.T) {
	play(t, func(s *scene) {
		sick := errors.New("it does not start")
		var verdict error
		var looked []string
		s.config.HealthCheck = func(_ context.Context, dir string) error {
			looked = append(looked, dir)
			if diff := cmp.Diff(readTree(t, dir), s.files()); diff != "" {
				t.Errorf("current is not what is checked:\n%s", diff)
			}
			return verdict
		}
		s.reopen()

		verdict = sick
		first := s.publish("1.0.0")
		r, err := s.device.Update(s.Context())
		s.refused(err, sealift.KindRollback, "unhealthy")
		if !errors.Is(err, sick) || r.Outcome != client.OutcomeRolledBack || r.Available.Version != "1.0.0" {
			t.Errorf("%v, %+v", err, r)
		}
		s.wantInstalled("")
		verdict = nil
		s.must(s.update()) // never again
		s.wantInstalled("")

		s.publish("1.1.0")
		s.must(s.update())
		s.wantInstalled("1.1.0")
		verdict = sick
		s.publish("1.2.0")
		s.refused(s.update(), sealift.KindRollback, "unhealthy")
		s.wantInstalled("1.1.0")
		s.reopen()
		verdict = nil
		s.must(s.update())
		s.wantInstalled("1.1.0")
		// The counter of what failed was not confirmed: the same version may
		// come again as another release.
		s.publish("1.2.0")
		s.must(s.update())
		s.wantInstalled("1.2.0")
		if len(looked) != 4 {
			t.Errorf("checked %q", looked)
		}
		_ = first
	})
}

// A health check that never returns because the machine goes down with it.
func TestHealthCheckCrashes(t *testing.T) {
	play(t, func(s *scene) {
		s.publish("1.0.0")
		s.must(s.update())
		ctx, cancel := context.WithCancel(s.Context())
		runs := 0
		s.config.HealthCheck = func(context.Context, string) error { runs++; cancel(); return errors.New("interrupted") }
		s.publish("1.1.0")
		s.reopen()
		for range 3 {
			r, err := s.device.Update(ctx)
			if !errors.Is(err, context.Canceled) || r.Outcome != client.OutcomePending {
				t.Fatalf("%v, %+v", err, r)
			}
			s.reopen()
			if diff := cmp.Diff(treeOf(t, content("1.1.0")), s.files()); diff != "" {
				t.Fatalf("current is not what waits for its check:\n%s", diff)
			}
			ctx, cancel = context.WithCancel(s.Context())
		}
		_, err := s.device.Update(ctx)
		s.refused(err, sealift.KindRollback, "unhealthy")
		s.wantInstalled("1.0.0")
		if runs != 3 {
			t.Errorf("%d health checks", runs)
		}
		cancel()
	})
}

func TestConfirm(t *testing.T) {
	play(t, func(s *scene) {
		s.config.ConfirmWithin = time.Minute
		s.reopen()
		_, err := s.device.Confirm(s.Context())
		s.refused(err, sealift.KindNotFound, "not-pending")

		s.publish("1.0.0")
		r, err := s.device.Update(s.Context())
		s.must(err)
		if r.Outcome != client.OutcomePending || r.Pending == nil || r.Installed != nil {
			t.Fatalf("%+v", r)
		}
		s.reopen()
		r, err = s.device.Update(s.Context())
		s.must(err)
		if r.Outcome != client.OutcomePending {
			t.Fatalf("%+v", r)
		}
		r, err = client.ConfirmIn(s.host, s.config.Dir) // while it is open
		s.must(err)
		if r.Installed.Version != "1.0.0" {
			t.Fatalf("%+v", r)
		}
		s.wantInstalled("1.0.0")

		s.publish("1.1.0")
		s.must(s.update())
		time.Sleep(2 * time.Minute)
		r, err = s.device.Update(s.Context())
		s.refused(err, sealift.KindRollback, "unhealthy")
		if r.Outcome != client.OutcomeRolledBack {
			t.Errorf("%+v", r)
		}
		s.wantInstalled("1.0.0")

		s.publish("1.2.0")
		s.must(s.update())
		_, err = s.device.Revert(s.Context(), "the screen stays dark")
		s.refused(err, sealift.KindRollback, "unhealthy")
		s.wantInstalled("1.0.0")
		_, err = s.device.Revert(s.Context(), "again")
		s.refused(err, sealift.KindNotFound, "not-pending")
	})
}

func TestAwait(t *testing.T) {
	play(t, func(s *scene) {
		s.config.ConfirmWithin = time.Minute
		s.reopen()
		s.publish("1.0.0")
		s.must(s.update())
		go func() {
			time.Sleep(10 * time.Second)
			_, err := client.ConfirmIn(s.host, s.config.Dir)
			if err != nil {
				s.Error(err)
			}
		}()
		r, err := s.device.Await(s.Context())
		s.must(err)
		if r.Outcome != client.OutcomeUpdated || r.Installed.Version != "1.0.0" {
			t.Errorf("%+v", r)
		}
		s.publish("1.1.0")
		s.must(s.update())
		ctx, cancel := context.WithTimeout(s.Context(), 10*time.Second)
		defer cancel()
		r, err = s.device.Await(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || r.Outcome != client.OutcomePending {
			t.Errorf("%v, %+v", err, r)
		}
		begin := time.Now()
		world := s.world.Now()
		s.host.clock = func() time.Time { return world.Add(time.Since(begin)) }
		_, err = s.device.Await(s.Context())
		s.refused(err, sealift.KindRollback, "unhealthy")
		s.wantInstalled("1.0.0")
	})
}
