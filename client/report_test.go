package client_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/client"
	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust"
)

// told is what the vault was told, "1 checked 1.0.0" each.
func (s *scene) told() (lines []string) {
	s.Helper()
	steps, _ := s.world.Reported(s.device.ID())
	for _, step := range steps {
		line := fmt.Sprintf("%d %s %s", step.Sequence, step.Step, step.Version)
		if step.Kind != "" {
			line += fmt.Sprintf(" %s/%s", step.Kind, step.Reason)
		}
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return lines
}

func (s *scene) wantTold(want ...string) {
	s.Helper()
	if diff := cmp.Diff(want, s.told()); diff != "" {
		s.Error(diff)
	}
}

// report reports, and wants nothing left to tell.
func (s *scene) report() {
	s.Helper()
	left, err := s.device.Report(s.Context())
	s.must(err)
	if left != 0 {
		s.Errorf("%d steps are left", left)
	}
}

func (s *scene) attacked(name string) {
	s.Helper()
	for _, a := range sealifttest.Attacks() {
		if a.Name == name {
			s.must(s.hostile.Mount(a))
			return
		}
	}
	s.Fatalf("there is no attack %s", name)
}

func TestReport(t *testing.T) {
	play(t, func(s *scene) {
		first := s.publish("1.0.0")
		s.must(s.update())
		s.report()
		story := []string{"1 checked 1.0.0", "2 downloading 1.0.0", "3 verified 1.0.0", "4 installed 1.0.0", "5 confirmed 1.0.0"}
		s.wantTold(story...)
		steps, state := s.world.Reported(s.device.ID())
		if steps[0].Release != sealift.DigestOf(first.ReleaseJSON) || steps[0].Counter != 1 || steps[0].Channel != sealifttest.Default.Channel || !steps[0].Time.Equal(s.world.Now().Truncate(time.Second)) {
			t.Errorf("%+v", steps[0])
		}
		if state.Root != 1 || state.Targets < 1 || state.Snapshot < 1 || state.Timestamp < 1 || state.Installed == nil || state.Installed.Version != "1.0.0" ||
			state.Previous != nil || state.Pending != nil || state.Client != "sealift" || state.Runtime != "2.0.0" || len(state.Epochs) != 1 {
			t.Errorf("%+v", state)
		}

		s.attacked("answer-failing") // to show that nothing is sent
		s.report()
		s.hostile.Unmount()

		s.publish("1.1.0")
		s.must(s.update())
		s.report()
		s.wantTold(append(story, "6 checked 1.1.0", "7 downloading 1.1.0", "8 verified 1.1.0", "9 installed 1.1.0", "10 confirmed 1.1.0")...)
		if _, state := s.world.Reported(s.device.ID()); state.Previous == nil || state.Previous.Version != "1.0.0" {
			t.Errorf("%+v", state)
		}
	})
}

// TestReportLater: who cannot be told is told later, in another process too, and
// what the vault keeps already is not kept twice.
func TestReportLater(t *testing.T) {
	play(t, func(s *scene) {
		s.publish("1.0.0")
		s.attacked("answer-failing")
		s.must(s.device.Close())
		s.open()
		if _, err := s.device.Check(s.Context()); err != nil {
			t.Fatal(err)
		}
		left, err := s.device.Report(s.Context())
		s.refused(err, sealift.KindNetwork, "server")
		if left != 1 {
			t.Errorf("%d steps are left", left)
		}
		s.hostile.Unmount()
		s.must(s.update())
		s.attacked("answer-garbled") // the vault keeps it, and the device cannot know
		if _, err = s.device.Report(s.Context()); err == nil {
			t.Error("a garbled answer was taken")
		}
		want := []string{"1 checked 1.0.0", "2 downloading 1.0.0", "3 verified 1.0.0", "4 installed 1.0.0", "5 confirmed 1.0.0"}
		s.wantTold(want...)
		s.hostile.Unmount()
		s.reopen()
		s.report() // asks first whom to trust
		s.wantTold(want...)
	})
}

// TestReportOnceADay: a device that finds nothing new says so, and not more often.
func TestReportOnceADay(t *testing.T) {
	play(t, func(s *scene) {
		s.publish("1.0.0")
		s.must(s.update())
		s.report()
		for range 9 {
			s.world.Advance(6 * time.Hour)
			s.must(s.world.Renew())
			s.must(s.update())
			s.report()
		}
		if got := s.told()[5:]; len(got) != 3 || slices.ContainsFunc(got, func(line string) bool { return !strings.HasSuffix(line, "checked") }) {
			t.Errorf("%q", got)
		}
		s.must(s.world.RotateRoot(func() {})) // and when it trusts another root
		s.must(s.update())
		s.report()
		if _, state := s.world.Reported(s.device.ID()); state.Root != 2 {
			t.Errorf("%+v", state)
		}
	})
}

func TestReportFailures(t *testing.T) {
	play(t, func(s *scene) {
		s.publish("1.0.0")
		sick := errors.New("the screen stays dark")
		s.config.HealthCheck = func(context.Context, string) error { return sick }
		s.reopen()
		s.refused(s.update(), sealift.KindRollback, "unhealthy")
		s.must(s.update()) // nothing else for it
		s.report()
		story := []string{"1 checked 1.0.0", "2 downloading 1.0.0", "3 verified 1.0.0", "4 installed 1.0.0", "5 rolled-back 1.0.0 rollback/unhealthy", "6 checked"}
		s.wantTold(story...)

		sick = nil
		s.publish("1.1.0")
		s.attacked("blob-tampered")
		for range 3 { // and says so once
			if err := s.update(); sealift.KindOf(err) != sealift.KindIntegrity {
				t.Fatal(err)
			}
		}
		s.hostile.Unmount()
		s.report()
		told := s.told()[len(story):]
		if len(told) != 3 || told[0] != "7 checked 1.1.0" || told[1] != "8 downloading 1.1.0" || !strings.HasPrefix(told[2], "9 refused 1.1.0 integrity/") {
			t.Errorf("%q", told)
		}
		s.world.Advance(sealift.TimestampLife + time.Hour) // and nobody signs it anew
		if err := s.update(); err == nil {
			t.Fatal("taken")
		}
		if _, err := s.device.Report(s.Context()); err != nil { // by whom it trusted before
			t.Error(err)
		}
		if last := s.told()[len(s.told())-1]; !strings.Contains(last, "refused metadata/expired") {
			t.Errorf("%q", last)
		}
	})
}

// TestReportOfAnother: what another process confirms is told, and a folder that
// was put back to an older one numbers on above what the vault has.
func TestReportOfAnother(t *testing.T) {
	play(t, func(s *scene) {
		s.config.ConfirmWithin = time.Minute
		s.reopen()
		s.publish("1.0.0")
		s.must(s.update())
		s.report()
		file := filepath.Join(s.config.Dir, "state.json")
		old, err := os.ReadFile(file)
		s.must(err)
		_, err = client.ConfirmIn(s.host, s.config.Dir)
		s.must(err)
		s.report()
		want := []string{"1 checked 1.0.0", "2 downloading 1.0.0", "3 verified 1.0.0", "4 installed 1.0.0", "5 confirmed 1.0.0"}
		s.wantTold(want...)
		s.must(os.WriteFile(file, old, 0o600))
		s.reopen()
		_, err = s.device.Revert(s.Context(), "dark")
		s.refused(err, sealift.KindRollback, "unhealthy") // 5 again, which the vault has already
		s.report()
		s.publish("1.1.0")
		s.must(s.update())
		s.report()
		s.wantTold(append(want, "6 checked 1.1.0", "7 downloading 1.1.0", "8 verified 1.1.0", "9 installed 1.1.0")...)
	})
}

func TestReportClient(t *testing.T) {
	play(t, func(s *scene) {
		s.config.Client = "acme\tupdater"
		_, err := client.Open(s.config)
		s.refused(err, sealift.KindInvalid, "")
		s.config.Client = "acme/3"
		s.reopen()
		s.publish("1.0.0")
		s.must(s.update())
		s.report()
		if _, state := s.world.Reported(s.device.ID()); state.Client != "acme/3" {
			t.Errorf("%+v", state)
		}
	})
}

// TestReportToAnOlderVault: a step that the vault cannot read is lost, and counted,
// alone; where it cannot read how the device is, nothing is lost, and the device asks
// no more often than it has to.
func TestReportToAnOlderVault(t *testing.T) {
	play(t, func(s *scene) {
		s.publish("1.0.0")
		s.must(s.update())
		for range 8 {
			s.world.Advance(sealift.ReportPeriod + time.Hour)
			s.must(s.world.Renew())
			s.must(s.update())
		}
		messages, lost := 0, uint64(0)
		outdate := func(strange func(*trust.Report) bool) {
			messages = 0
			s.world.Outdate(func(r *trust.Report) bool {
				messages, lost = messages+1, r.Lost
				return strange(r)
			})
		}
		outdate(func(*trust.Report) bool { return true })
		left, err := s.device.Report(s.Context())
		s.refused(err, sealift.KindInvalid, "malformed")
		if left != 13 || messages != 2 {
			t.Errorf("%d steps are left, %d messages", left, messages)
		}
		outdate(func(r *trust.Report) bool {
			return slices.ContainsFunc(r.Steps, func(step trust.ReportStep) bool {
				return step.Sequence == 3 || step.Sequence == 8 || step.Sequence == 13
			})
		})
		for range 9 {
			if left, err = s.device.Report(s.Context()); err != nil || messages > 9*sealift.MaxReportMessages {
				t.Fatal(err, messages)
			}
			if left == 0 {
				break
			}
		}
		var told []uint64
		steps, _ := s.world.Reported(s.device.ID())
		for _, step := range steps {
			told = append(told, step.Sequence)
		}
		if left != 0 || len(told) != 10 || slices.Contains(told, 3) || slices.Contains(told, 8) || slices.Contains(told, 13) {
			t.Errorf("%d steps are left, told are %v", left, told)
		}
		s.world.Advance(sealift.ReportPeriod + time.Hour)
		s.must(s.world.Renew())
		s.must(s.update())
		s.report()
		if lost != 3 {
			t.Errorf("%d steps are said to be lost", lost)
		}
	})
}
