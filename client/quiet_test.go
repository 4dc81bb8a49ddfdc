package client_test

import (
	"testing"
	"time"
	_ "time/tzdata" // the machine may know no time zones

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/client"
	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust"
)

// spans reads quiet hours.
func spans(t *testing.T, texts ...string) (all []client.QuietHours) {
	t.Helper()
	for _, text := range texts {
		q, err := client.ParseQuietHours(text)
		if err != nil {
			t.Fatal(err)
		}
		if q.String() != text {
			t.Errorf("%s became %s", text, q)
		}
		all = append(all, q)
	}
	return all
}

// at sets the clock on the device's wall, as far as its hours go.
func (s *scene) at(hour, minute int) {
	now := s.world.Now().UTC()
	zone := time.FixedZone("here", ((hour-now.Hour())*60+minute-now.Minute())*60)
	begin := time.Now()
	s.host.clock = func() time.Time { return now.Add(time.Since(begin)).In(zone) }
}

// quiet brings the scene to ten in the morning, with 1.0.0 installed and quiet
// hours until eight in the evening.
func (s *scene) quiet() {
	s.Helper()
	s.publish("1.0.0")
	s.must(s.update())
	s.config.Quiet = spans(s.T, "08:00-20:00")
	s.reopen()
	s.at(10, 0)
}

func (s *scene) urgent(version sealift.Version, reason string) *sealifttest.Published {
	s.Helper()
	p, err := s.world.Publish(sealifttest.Spec{Version: version, Bundle: content(version), BendRelease: func(r *trust.Release) { r.Urgent = &trust.Urgent{Reason: reason} }})
	s.must(err)
	return p
}

// wantWait checks that version waits, for so long.
func (s *scene) wantWait(version sealift.Version, left time.Duration) {
	s.Helper()
	r, err := s.device.Update(s.Context())
	s.must(err)
	if r.Outcome != client.OutcomeAvailable || r.Available == nil || r.Available.Version != version || r.Waits == nil {
		s.Fatalf("%+v, want %s to wait", r, version)
	}
	if got := r.Waits.Sub(s.host.Now()).Round(time.Minute); got != left {
		s.Errorf("it waits for %s, want %s", got, left)
	}
}

func TestQuietHours(t *testing.T) {
	play(t, func(s *scene) {
		s.quiet()
		s.publish("1.1.0")
		s.wantWait("1.1.0", 10*time.Hour)
		s.wantInstalled("1.0.0")
		r, err := s.device.Check(s.Context())
		s.must(err)
		if r.Waits == nil {
			t.Errorf("a check says nothing of the wait: %+v", r)
		}
		time.Sleep(10*time.Hour - time.Minute)
		s.wantWait("1.1.0", time.Minute)
		time.Sleep(time.Minute)
		s.must(s.update())
		s.wantInstalled("1.1.0")
	})
}

// What is urgent does not wait, and says why; and what lies beside a release that
// waits does not either, though it is older.
func TestUrgentInQuietHours(t *testing.T) {
	play(t, func(s *scene) {
		s.quiet()
		s.urgent("1.1.0", "orders are lost")
		r, err := s.device.Check(s.Context())
		s.must(err)
		if r.Available == nil || r.Available.Urgent == nil || r.Available.Urgent.Reason != "orders are lost" || r.Waits != nil {
			t.Errorf("%+v", r)
		}
		s.must(s.update())
		s.wantInstalled("1.1.0")

		hotfix := s.urgent("1.1.1", "")
		canary := s.publish("1.2.0")
		s.offer(canary.Candidate, hotfix.Candidate)
		s.must(s.update())
		s.wantInstalled("1.1.1")
		s.wantWait("1.2.0", 10*time.Hour)
	})
}

// Whoever has nothing, or has lost it, is not disturbed by an install.
func TestQuietHoursWithNothingInstalled(t *testing.T) {
	play(t, func(s *scene) {
		s.config.Quiet = spans(t, "08:00-20:00")
		s.reopen()
		s.at(10, 0)
		s.publish("1.0.0")
		s.must(s.update())
		s.wantInstalled("1.0.0")
		s.forget("bundles")
		s.reopen()
		s.must(s.update())
		s.wantInstalled("1.0.0")
	})
}

// They may begin while a bundle is on its way: it is not swapped in, what was
// fetched is not fetched again, and it is no refusal.
func TestQuietHoursBeginMeanwhile(t *testing.T) {
	play(t, func(s *scene) {
		s.quiet()
		s.publish("1.1.0")
		s.at(7, 59)
		s.during(func() { s.at(8, 1) })
		s.wantWait("1.1.0", 12*time.Hour-time.Minute)
		s.wantInstalled("1.0.0")
		time.Sleep(12 * time.Hour)
		s.must(s.update())
		s.wantInstalled("1.1.0")
	})
}

// An hour that a day has twice is quiet twice, and one that it has not is not.
func TestQuietHoursAndTheClocks(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		spans []string
		now   time.Time
		left  time.Duration
	}{
		"in one":                 {[]string{"08:00-20:00"}, time.Date(2026, 1, 5, 9, 30, 0, 0, berlin), 10*time.Hour + 30*time.Minute},
		"its first instant":      {[]string{"08:00-20:00"}, time.Date(2026, 1, 5, 8, 0, 0, 0, berlin), 12 * time.Hour},
		"its last":               {[]string{"08:00-20:00"}, time.Date(2026, 1, 5, 19, 59, 59, 0, berlin), time.Second},
		"its end":                {[]string{"08:00-20:00"}, time.Date(2026, 1, 5, 20, 0, 0, 0, berlin), 0},
		"before it":              {[]string{"08:00-20:00"}, time.Date(2026, 1, 5, 7, 59, 59, 0, berlin), 0},
		"over midnight, before":  {[]string{"22:00-06:00"}, time.Date(2026, 1, 5, 23, 0, 0, 0, berlin), 7 * time.Hour},
		"over midnight, after":   {[]string{"22:00-06:00"}, time.Date(2026, 1, 5, 5, 0, 0, 0, berlin), time.Hour},
		"until midnight":         {[]string{"20:00-24:00"}, time.Date(2026, 1, 5, 23, 0, 0, 0, berlin), time.Hour},
		"one after the other":    {[]string{"12:00-14:00", "08:00-12:30"}, time.Date(2026, 1, 5, 9, 0, 0, 0, berlin), 5 * time.Hour},
		"an hour less":           {[]string{"01:00-04:00"}, time.Date(2026, 3, 29, 1, 0, 0, 0, berlin), 2 * time.Hour},
		"an end that is no time": {[]string{"01:00-02:30"}, time.Date(2026, 3, 29, 1, 0, 0, 0, berlin), time.Hour},
		"an hour twice":          {[]string{"01:00-04:00"}, time.Date(2026, 10, 25, 1, 0, 0, 0, berlin), 4 * time.Hour},
	} {
		end := client.QuietUntil(spans(t, test.spans...), test.now)
		if test.left == 0 && end.IsZero() {
			continue
		}
		if got := end.Sub(test.now); got != test.left {
			t.Errorf("%s: quiet for %s, want %s", name, got, test.left)
		}
	}
}

func TestBadQuietHours(t *testing.T) {
	for _, text := range []string{"", "8-20", "08:00", "08:00-20:0", "08:00-24:01", "24:00-08:00", "08:00-08:00", "08:60-09:00", "+8:00-09:00", "08:00–20:00", "08:00-20:00-21:00", "08:00:00-09:00"} {
		if _, err := client.ParseQuietHours(text); sealift.KindOf(err) != sealift.KindInvalid || sealift.ReasonOf(err) != "quiet-hours" {
			t.Errorf("%q: %v", text, err)
		}
	}
	play(t, func(s *scene) {
		config := s.config
		config.Dir += "-other"
		for name, all := range map[string][]client.QuietHours{
			"the whole day": spans(t, "08:00-20:00", "19:00-08:00"),
			"no time":       {{From: -1, To: 5}},
		} {
			config.Quiet = all
			if _, err := client.Open(config); sealift.ReasonOf(err) != "quiet-hours" {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
