package store

import (
	"time"

	"github.com/sealift/sealift"
)

// ChannelPlan is the plan with which the releases of a channel begin.
type ChannelPlan struct {
	App     sealift.AppID
	Channel sealift.Channel
	Plan    []byte // JSON of a rollout.Plan; empty where it was taken away
	Creator string // who set it, or took it away
	Changed time.Time
	MAC     []byte // see Authentic
}
