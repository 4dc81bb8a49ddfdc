package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sealift/sealift/internal/control/api"
)

type rollbackCmd struct {
	App      string        `required:"" placeholder:"ID" help:"The app."`
	Channel  string        `required:"" placeholder:"NAME" help:"The channel."`
	To       string        `required:"" placeholder:"V" help:"The version that devices go back to: one that is published there, and offered."`
	Reason   string        `required:"" placeholder:"TEXT" help:"Why; it is signed, and approvers read it."`
	Platform string        `placeholder:"P" help:"The platform, where the version is on several."`
	Runtime  string        `placeholder:"RANGE" help:"Its range of runtimes, where the version is for several."`
	From     []string      `placeholder:"V,…" help:"The versions that devices go back from; without it, every newer one."`
	For      time.Duration `default:"720h" placeholder:"DURATION" help:"How long devices may go back, from now on."`
	Wait     time.Duration `placeholder:"DURATION" help:"Where people have yet to approve it, wait so long for them, such as 2h. Without it: say what it waits for, and end."`
	API      APIOptions    `embed:""`
}

// Run implements the command.
func (c *rollbackCmd) Run(ctx context.Context, std *IO) error { return runRollback(ctx, std, *c) }

func runRollback(ctx context.Context, std *IO, opts rollbackCmd) error {
	c, app, err := opts.API.forApp(std, opts.App)
	if err != nil {
		return err
	}
	out, err := c.RollBack(ctx, app, api.NewRollback{
		Channel: opts.Channel, To: opts.To, Reason: opts.Reason, Platform: opts.Platform, Runtime: opts.Runtime, From: opts.From, Life: opts.For.String(),
	})
	if err != nil {
		return err
	}
	if out.Left > 0 {
		std.Warn("%d older releases are not named, since there is room for %d: devices that run one of them stay on it", out.Left, len(out.From))
	}
	if out.Draft.Release == nil && opts.Wait > 0 {
		if out.Draft, err = awaitRelease(ctx, std, c, opts.Wait, out.Draft); err != nil {
			return err
		}
		out.Draft.Envelope = nil
	}
	return std.Print(out, func(w io.Writer) error {
		_, err := io.WriteString(w, rollbackText(out))
		return err
	})
}

// rollbackText says what goes back to what, and what it waits for.
func rollbackText(out api.RolledBack) string {
	d := out.Draft
	from := make([]string, len(out.From))
	for i, r := range out.From {
		from[i] = fmt.Sprintf("%s (counter %d)", r.Version, r.Counter)
	}
	text := "submitted " + waitingText(d) + "\n"
	if r := d.Release; r != nil {
		text = fmt.Sprintf("rolled back %s to %s on %s/%s as counter %d\n  release %s\n", r.App, r.Version, r.Channel, r.Platform, r.Counter, r.SHA256)
	}
	back := d.Rollback
	if back == nil && d.Release != nil {
		back = d.Release.Rollback
	}
	if back != nil {
		text += fmt.Sprintf("  from    %s\n  ends    %s\n", strings.Join(from, ", "), back.NotAfter.UTC().Format("2006-01-02 15:04Z"))
	}
	return text
}

// rollbackOf says of a release from how many it takes devices back, until when and
// why.
func rollbackOf(b *api.Rollback) string {
	if b == nil {
		return "no"
	}
	return fmt.Sprintf("from %d releases until %s: %s", len(b.From), b.NotAfter.UTC().Format("2006-01-02 15:04Z"), b.Reason)
}
