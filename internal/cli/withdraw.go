package cli

import (
	"context"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/apiclient"
)

type withdrawCmd struct {
	rolloutAct
	Undo bool `help:"Offer it again: its roll-out goes on where it was. The policy of rollout says who approves."`
}

// Run implements the command.
func (c *withdrawCmd) Run(ctx context.Context, std *IO) error {
	if c.Undo {
		return c.steer(ctx, std, api.RolloutSteerDoReinstate)
	}
	return c.run(ctx, std, func(client *apiclient.Client, app sealift.AppID, counter uint64) (api.Rollout, error) {
		return client.WithdrawRelease(ctx, app, counter, c.Reason)
	})
}
