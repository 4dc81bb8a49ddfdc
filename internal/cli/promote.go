package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/apiclient"
)

type promoteCmd struct {
	App      string        `required:"" placeholder:"ID" help:"The app."`
	From     string        `required:"" placeholder:"NAME" help:"The channel in which the release is published."`
	To       string        `required:"" placeholder:"NAME" help:"The channel that it goes on to."`
	Version  string        `required:"" placeholder:"V" help:"The release's version."`
	Platform string        `placeholder:"P" help:"This platform alone. Without it: all that the version is on."`
	Plan     string        `placeholder:"FILE" help:"With which plan its roll-out begins, in place of that of --to: JSON, as sealift simulate takes it. For who may set the channel's."`
	Hold     bool          `help:"Begin the roll-out paused, before anybody may take it; let it begin with: sealift rollout start."`
	Wait     time.Duration `placeholder:"DURATION" help:"Where people have yet to approve or sign it, wait so long for them, such as 2h. Without it: say what it waits for, and end."`
	API      APIOptions    `embed:""`
}

// Run implements the command.
func (c *promoteCmd) Run(ctx context.Context, std *IO) error { return runPromote(ctx, std, *c) }

func runPromote(ctx context.Context, std *IO, opts promoteCmd) error {
	c, app, err := opts.API.forApp(std, opts.App)
	if err != nil {
		return err
	}
	want := api.NewPromotion{From: opts.From, To: opts.To, Version: opts.Version, Platform: opts.Platform, Hold: opts.Hold}
	if opts.Plan != "" {
		plan, err := readPlan(opts.Plan, "--plan FILE")
		if err != nil {
			return err
		}
		if want.Plan, err = plan.Encode(); err != nil {
			return err
		}
	}
	out, err := c.Promote(ctx, app, want)
	if err != nil {
		return err
	}
	for _, r := range out.Already {
		std.Note("%s for %s and runtime %s is in channel %s already, as counter %d", r.Version, r.Platform, r.Runtime, r.Channel, r.Counter)
	}
	if opts.Wait > 0 {
		if err := awaitAll(ctx, std, c, opts.Wait, out.Drafts); err != nil {
			return err
		}
	}
	return std.Print(out, func(w io.Writer) (err error) {
		for _, d := range out.Drafts {
			if r := d.Release; r != nil {
				_, err = fmt.Fprintf(w, "promoted %s %s from %s to %s/%s as counter %d\n  release %s\n  see how it is rolled out with: sealift rollout show %d --app %s\n",
					r.App, r.Version, opts.From, r.Channel, r.Platform, r.Counter, r.SHA256, r.Counter, r.App)
			} else {
				_, err = fmt.Fprintf(w, "submitted %s\n", waitingText(d))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// awaitAll waits until each of the drafts is published, for so long altogether; what
// became of them stands in drafts.
func awaitAll(ctx context.Context, std *IO, c *apiclient.Client, wait time.Duration, drafts []api.DraftDetail) error {
	until := std.Now().Add(wait)
	for i, d := range drafts {
		if d.Release != nil {
			continue
		}
		d, err := awaitRelease(ctx, std, c, max(until.Sub(std.Now()), 0), d)
		if err != nil {
			return err
		}
		d.Envelope = nil
		drafts[i] = d
	}
	return nil
}
