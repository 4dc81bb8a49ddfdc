package cli

import (
	"context"
	"time"

	"github.com/sealift/sealift/internal/control/apiclient"
)

type vaultRotateCmd struct {
	Reason string     `required:"" placeholder:"TEXT" help:"Why, in your words, for the log."`
	API    APIOptions `embed:""`
}

// Run implements the command.
func (c *vaultRotateCmd) Run(ctx context.Context, std *IO) error { return runVaultRotate(ctx, std, *c) }

// rotatePause is between two questions whether a rotation is done.
const rotatePause = 200 * time.Millisecond

func runVaultRotate(ctx context.Context, std *IO, opts vaultRotateCmd) error {
	server, err := opts.API.Open(std)
	if err != nil {
		return err
	}
	client, err := apiclient.New(server.Base.String(), server)
	if err != nil {
		return err
	}
	so, err := client.RotateKEK(ctx, opts.Reason)
	for err == nil && !so.Done {
		std.Note("more is to be moved to key-encryption key %s; the server goes on with it, also without this command", so.Kek)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(rotatePause):
		}
		so, err = client.ContinueRotation(ctx, so.Kek)
	}
	if err != nil {
		return err
	}
	return std.Print(so, Println("done: everything is under key-encryption key %s, and the one before is gone", so.Kek))
}
