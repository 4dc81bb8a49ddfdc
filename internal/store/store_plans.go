package store

import (
	"context"
	"encoding/hex"
	"time"

	"github.com/sealift/sealift"
)

// PlanTx keeps the plans of channels, none of which is ever removed, and counts whom
// they are for.
type PlanTx interface {
	// PutChannelPlan writes one, over the one before; KindNotFound if there is no
	// such channel.
	PutChannelPlan(ctx context.Context, p ChannelPlan) error
	// ChannelPlan returns a channel's, or KindNotFound where it never had one.
	ChannelPlan(ctx context.Context, app sealift.AppID, channel sealift.Channel) (ChannelPlan, error)
	// CountFollowers counts the active devices of app and platform that were seen
	// since, or enrolled, and last reported to follow channel, or none.
	CountFollowers(ctx context.Context, app sealift.AppID, channel sealift.Channel, platform sealift.Platform, since time.Time) (int64, error)
}

// Columns implements Authentic.
func (p ChannelPlan) Columns() (kind string, columns []string) {
	return "channel-plan", []string{string(p.Channel), string(p.App), hex.EncodeToString(p.Plan), p.Creator, column(p.Changed)}
}

// Tag implements Authentic.
func (p ChannelPlan) Tag() []byte { return p.MAC }

// RowName implements Authentic.
func (p ChannelPlan) RowName() string { return named(string(p.App), string(p.Channel)) }
