package control_test

import (
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/stats"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/rollout"
)

var stats1 = service.AppStats{
	Since: time.Unix(3600, 0), Span: time.Hour, Seen: store.Seen{Devices: 9, Day: 5, Week: 7}, Unknown: 2,
	Versions: []store.DeviceVersion{{Version: "1.4.0", Counter: 17, Devices: 8}},
	Releases: []service.ReleaseStats{{
		Coordinates: store.Coordinates{App: "com.acme.shop", Channel: "production", Platform: "web", Version: "1.4.0"}, Release: sealift.Digest{1}, Counter: 17, Withdrawn: true,
		Summary: stats.Summary{
			Evidence: rollout.Counts{Taken: 10, Confirmed: 3, Failed: [4]int{1, 2, 3, 0}}, Unvouched: rollout.Counts{Taken: 4},
			Causes: []stats.Cause{{Failure: rollout.RolledBack, Kind: "rollback", Reason: "crash", Evidence: 3, Unvouched: 1}},
			Course: []stats.Point{{From: time.Unix(7200, 0), Counts: rollout.Counts{Taken: 10}}}, Ways: stats.Ways{Whole: 5, Patched: 4},
		},
		Saved: 1000,
	}, {}},
	History: []stats.Moment{{At: time.Unix(3600, 0)}, {At: time.Unix(7200, 0), Versions: []store.DeviceVersion{{Version: "1.4.0", Counter: 17, Devices: 8}}}},
}

func TestStats(t *testing.T) {
	f := newFixture(t, roles{})
	c := f.client(access.RoleOperator)
	since := time.Date(2026, time.March, 1, 0, 0, 0, 0, time.UTC)
	got, err := c.Stats(t.Context(), "com.acme.shop", api.GetStatsParams{Channel: "production", Platform: "web", Version: "1.0.0", Since: since, Limit: 3})
	if err != nil {
		t.Fatal(err)
	}
	check(t, "asked", nil, f.services.last(), []any{sealift.AppID("com.acme.shop"), service.StatsFilter{Channel: "production", Platform: "web", Version: "1.0.0", Since: since, Limit: 3}})
	want := api.ReleaseStats{
		Release: sealift.Digest{1}.String(), Channel: "production", Platform: "web", Version: "1.4.0", Counter: 17, Withdrawn: true,
		Counts: api.OutcomeCounts{Taken: 10, Confirmed: 3, Refused: 1, NotStored: 2, RolledBack: 3}, Unvouched: api.OutcomeCounts{Taken: 4},
		Success:  &api.SuccessRate{Rate: 1. / 3, Low: rollout.WilsonLower(3, 9), High: rollout.WilsonUpper(3, 9)},
		Failures: []api.FailureCount{{Outcome: "rolled-back", Kind: "rollback", Reason: "crash", Devices: 3, Unvouched: 1}},
		Course:   []api.CoursePoint{{From: time.Unix(7200, 0).UTC(), Counts: api.OutcomeCounts{Taken: 10}}},
		Fetched:  api.FetchCounts{Whole: 5, Patched: 4, Saved: 1000},
	}
	check(t, "a release", nil, got.Releases[0], want)
	if got.Releases[1].Success != nil {
		t.Errorf("a rate of nothing: %+v", got.Releases[1].Success)
	}
	got.Releases = nil
	check(t, "the rest", nil, got, api.Stats{
		Since: time.Unix(3600, 0).UTC(), Span: "hour", Unknown: 2,
		Devices: api.DeviceStats{Active: 9, Day: 5, Week: 7, Versions: []api.VersionCount{{Version: "1.4.0", Counter: 17, Devices: 8}}},
		History: []api.HistoryPoint{{At: time.Unix(3600, 0).UTC(), Versions: []api.VersionCount{}}, {At: time.Unix(7200, 0).UTC(), Versions: []api.VersionCount{{Version: "1.4.0", Counter: 17, Devices: 8}}}},
	})
	_, err = c.Stats(t.Context(), "com.acme.shop", api.GetStatsParams{})
	check(t, "by default", err, f.services.last(), []any{sealift.AppID("com.acme.shop"), service.StatsFilter{Limit: 10}})
	for _, query := range []string{"limit=21", "limit=-1", "channel=X", "platform=X", "version=one", "since=yesterday"} {
		f.wantProblem(f.do("GET", acme+"/stats?"+query, "auditor", ""), 400, sealift.KindInvalid, "")
	}
	if asked := f.services.last(); asked != nil {
		t.Errorf("a service was asked %v", asked)
	}
}
