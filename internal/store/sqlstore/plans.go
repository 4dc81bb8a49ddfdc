package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlstore/sqlcgen"
)

// PutChannelPlan implements store.PlanTx.
func (t *tx) PutChannelPlan(ctx context.Context, p store.ChannelPlan) error {
	_, err := t.refusable(ctx, func() (int64, error) {
		return t.q.PutChannelPlan(ctx, sqlcgen.PutChannelPlanParams{
			App: string(p.App), Channel: string(p.Channel), Plan: some(p.Plan), Creator: p.Creator, Changed: micros(p.Changed), Mac: some(p.MAC),
		})
	})
	return t.fail(ctx, fmt.Sprintf("storing the plan of channel %s/%s", p.App, p.Channel), err)
}

// ChannelPlan implements store.PlanTx.
func (t *tx) ChannelPlan(ctx context.Context, app sealift.AppID, channel sealift.Channel) (store.ChannelPlan, error) {
	row, err := t.q.ChannelPlan(ctx, sqlcgen.ChannelPlanParams{App: string(app), Channel: string(channel)})
	if err != nil {
		return store.ChannelPlan{}, t.fail(ctx, fmt.Sprintf("reading the plan of channel %s/%s", app, channel), err)
	}
	return store.ChannelPlan{
		App: sealift.AppID(row.App), Channel: sealift.Channel(row.Channel), Plan: bare(row.Plan), Creator: row.Creator, Changed: moment(row.Changed), MAC: bare(row.Mac),
	}, nil
}

// CountFollowers implements store.PlanTx.
func (t *tx) CountFollowers(ctx context.Context, app sealift.AppID, channel sealift.Channel, platform sealift.Platform, since time.Time) (int64, error) {
	n, err := t.q.CountFollowers(ctx, sqlcgen.CountFollowersParams{App: string(app), Channel: string(channel), Platform: string(platform), Since: micros(since)})
	return n, t.fail(ctx, fmt.Sprintf("counting the devices of channel %s/%s", app, channel), err)
}
