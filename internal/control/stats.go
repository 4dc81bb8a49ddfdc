package control

import (
	"net/http"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/stats"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/rollout"
)

// defaultStats is how many releases statistics tell of if nobody says.
const defaultStats = 10

// GetStats implements GET /apps/{app}/stats.
func (h *handler) GetStats(w http.ResponseWriter, r *http.Request, app api.InApp, params api.GetStatsParams) {
	h.do(w, r, access.ListDevices, app, http.StatusOK, func(access.Caller) (any, error) {
		id, err := sealift.ParseAppID(app)
		if err != nil {
			return nil, err
		}
		filter := service.StatsFilter{Since: params.Since, Limit: params.Limit}
		if filter.Channel, filter.Platform, err = filters(params.Channel, params.Platform); err != nil {
			return nil, err
		}
		if params.Version != "" {
			if filter.Version, err = sealift.ParseVersion(params.Version); err != nil {
				return nil, err
			}
		}
		if filter.Limit == 0 {
			filter.Limit = defaultStats
		}
		if filter.Limit < 1 || filter.Limit > sealift.MaxStatsReleases {
			return nil, sealift.Errorf(sealift.KindInvalid, "reading request", "statistics of %d releases are not allowed", filter.Limit).
				WithHint("use a limit of 1 to %d", sealift.MaxStatsReleases)
		}
		s, err := h.Devices.Stats(r.Context(), id, filter)
		if err != nil {
			return nil, err
		}
		return statsOut(s), nil
	})
}

func statsOut(s service.AppStats) api.Stats {
	out := api.Stats{
		Since: s.Since.UTC(), Span: api.StatsSpanDay, Releases: each(s.Releases, releaseStatsOut), Unknown: s.Unknown,
		Devices: api.DeviceStats{Active: s.Seen.Devices, Day: s.Seen.Day, Week: s.Seen.Week, Versions: each(s.Versions, versionOut)},
	}
	out.History = each(s.History, func(m stats.Moment) api.HistoryPoint {
		return api.HistoryPoint{At: m.At.UTC(), Versions: each(m.Versions, versionOut)}
	})
	if s.Span == time.Hour {
		out.Span = api.StatsSpanHour
	}
	return out
}

func versionOut(v store.DeviceVersion) api.VersionCount {
	return api.VersionCount{Version: string(v.Version), Counter: uint64(v.Counter), Devices: v.Devices}
}

func releaseStatsOut(r service.ReleaseStats) api.ReleaseStats {
	return api.ReleaseStats{
		Release: r.Release.String(), Channel: string(r.Channel), Platform: string(r.Platform), Version: string(r.Version), Counter: uint64(r.Counter),
		Withdrawn: r.Withdrawn, Counts: countsOut(r.Evidence), Unvouched: countsOut(r.Unvouched), Success: successOut(r.Evidence),
		Fetched: api.FetchCounts{Whole: r.Whole, Patched: r.Ways.Patched, Saved: r.Saved},
		Failures: each(r.Causes, func(c stats.Cause) api.FailureCount {
			return api.FailureCount{Outcome: api.FailureCountOutcome(c.Failure), Kind: c.Kind, Reason: c.Reason, Devices: c.Evidence, Unvouched: c.Unvouched}
		}),
		Course: each(r.Course, func(p stats.Point) api.CoursePoint {
			return api.CoursePoint{From: p.From.UTC(), Counts: countsOut(p.Counts)}
		}),
	}
}

// successOut is how many of the devices succeeded whose outcome is known; nil for
// none.
func successOut(c rollout.Counts) *api.SuccessRate {
	k, n := c.Confirmed, c.Confirmed+c.Failures()
	if n == 0 {
		return nil
	}
	return &api.SuccessRate{Rate: float64(k) / float64(n), Low: rollout.WilsonLower(k, n), High: rollout.WilsonUpper(k, n)}
}

func countsOut(c rollout.Counts) api.OutcomeCounts {
	failed := func(f rollout.Failure) int { return c.Failed[f.Kind()] }
	return api.OutcomeCounts{
		Taken: c.Taken, Confirmed: c.Confirmed, Refused: failed(rollout.Refused), NotStored: failed(rollout.NotStored), RolledBack: failed(rollout.RolledBack),
	}
}
