package service

import (
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/stats"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/rollout"
)

// StatsFilter picks what statistics tell of.
type StatsFilter struct {
	Channel  sealift.Channel  // "" for all
	Platform sealift.Platform // "" for all
	Version  sealift.Version  // "" for all
	Since    time.Time        // when devices took what is counted; zero for 14 days ago
	Limit    int              // of releases, newest first; 1 to sealift.MaxStatsReleases
}

// AppStats are sums of what devices claim.
type AppStats struct {
	Since    time.Time
	Span     time.Duration // of a point of a course
	Releases []ReleaseStats
	Seen     store.Seen            // in the last day and week
	Versions []store.DeviceVersion // of those devices
	History  []stats.Moment        // how many devices of the app ran these releases, since then until now
	Unknown  int64                 // steps that name a release which the app does not have
}

// ReleaseDetail is a release with what came of it, as far as it is counted.
type ReleaseDetail struct {
	Release
	File                []byte // release.json
	Evidence, Unvouched rollout.Counts
}

// ReleaseStats is what came of one release.
type ReleaseStats struct {
	store.Coordinates
	Release   sealift.Digest // of release.json
	Counter   sealift.Counter
	Withdrawn bool
	Saved     int64 // bytes that devices did not fetch since they took patches
	stats.Summary
}
