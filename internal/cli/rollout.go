package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/apiclient"
	"github.com/sealift/sealift/rollout"
)

type rolloutCmd struct {
	List    rolloutListCmd    `cmd:"" help:"List how releases reach their devices."`
	Show    rolloutShowCmd    `cmd:"" help:"Show one, with its plan and what comes next."`
	Pause   rolloutPauseCmd   `cmd:"" help:"Stop it at once: nobody else takes the release until somebody resumes it."`
	Start   rolloutResumeCmd  `cmd:"" help:"Let one begin that was published with --hold. It is the same as resume."`
	Resume  rolloutResumeCmd  `cmd:"" help:"Let one go on that is paused or halted, in the stage in which it stopped."`
	Approve rolloutApproveCmd `cmd:"" help:"Let one that waits into its next stage."`
	Finish  rolloutFinishCmd  `cmd:"" help:"Let everybody take the release now."`
	Abort   rolloutAbortCmd   `cmd:"" help:"End it: nobody takes the release any more, and who has it keeps it."`
	Plan    rolloutPlanCmd    `cmd:"" help:"Say with which plan the roll-outs of a channel begin."`
}

type rolloutListCmd struct {
	App      string     `required:"" placeholder:"ID" help:"The app."`
	Channel  string     `placeholder:"NAME" help:"Only those of this channel."`
	Platform string     `placeholder:"P" help:"Only those of this platform."`
	All      bool       `help:"Also those that are over."`
	API      APIOptions `embed:""`
}

// Run implements the command.
func (c *rolloutListCmd) Run(ctx context.Context, std *IO) error { return runRolloutList(ctx, std, *c) }

func runRolloutList(ctx context.Context, std *IO, opts rolloutListCmd) error {
	c, app, err := opts.API.forApp(std, opts.App)
	if err != nil {
		return err
	}
	found, err := c.Rollouts(ctx, app, api.ListRolloutsParams{Channel: opts.Channel, Platform: opts.Platform, All: opts.All})
	if err != nil {
		return err
	}
	var rows [][]string
	for _, r := range found {
		rows = append(rows, []string{
			r.Version, fmt.Sprint(r.Counter), r.Channel, r.Platform, r.Runtime, string(r.Phase), fmt.Sprintf("%d/%d", r.Stage, len(r.Stages)),
			percentText(r.Percent), r.Since.UTC().Format(time.DateTime),
		})
	}
	return std.Print(map[string]any{"rollouts": append([]api.Rollout{}, found...)},
		Table([]string{"VERSION", "COUNTER", "CHANNEL", "PLATFORM", "RUNTIME", "PHASE", "STAGE", "PERCENT", "SINCE"}, rows))
}

func percentText(p float64) string { return strconv.FormatFloat(p, 'f', -1, 64) + " %" }

// rolloutWhich names one roll-out.
type rolloutWhich struct {
	Release  string     `arg:"" help:"The release: its version or its counter."`
	App      string     `required:"" placeholder:"ID" help:"The app."`
	Channel  string     `placeholder:"NAME" help:"The channel, where a version is in several."`
	Platform string     `placeholder:"P" help:"The platform, where a version is on several."`
	API      APIOptions `embed:""`
}

// find returns the one roll-out that is named. Those that are over are among them.
func (w *rolloutWhich) find(ctx context.Context, std *IO) (*apiclient.Client, sealift.AppID, api.Rollout, error) {
	c, app, err := w.API.forApp(std, w.App)
	if err != nil {
		return nil, "", api.Rollout{}, err
	}
	all, err := c.Rollouts(ctx, app, api.ListRolloutsParams{Channel: w.Channel, Platform: w.Platform, All: true})
	if err != nil {
		return nil, "", api.Rollout{}, err
	}
	var found []api.Rollout
	for _, r := range all {
		goesOn := r.Phase == api.RolloutPhaseReissued // under another counter
		if r.Version == w.Release && !goesOn || fmt.Sprint(r.Counter) == w.Release {
			found = append(found, r)
		}
	}
	switch len(found) {
	case 1:
		return c, app, found[0], nil
	case 0:
		return nil, "", api.Rollout{}, sealift.Errorf(sealift.KindNotFound, "finding the roll-out", "%s has none of %s", app, w.Release).
			WithReason("rollout").WithHint("see those there are with: sealift rollout list --app %s --all", app)
	}
	return nil, "", api.Rollout{}, sealift.Errorf(sealift.KindConflict, "finding the roll-out", "%s is %d releases of %s", w.Release, len(found), app).
		WithReason("ambiguous").WithHint("name it by its counter, or with --channel and --platform: sealift rollout list --app %s --all", app)
}

type rolloutShowCmd struct {
	rolloutWhich
}

// Run implements the command.
func (c *rolloutShowCmd) Run(ctx context.Context, std *IO) error {
	client, app, r, err := c.find(ctx, std)
	if err != nil {
		return err
	}
	if r, err = client.Rollout(ctx, app, r.Counter); err != nil {
		return err
	}
	return printRollout(std, r)
}

func printRollout(std *IO, r api.Rollout) error {
	return std.Print(r, func(w io.Writer) error {
		_, err := fmt.Fprint(w, rolloutText(r))
		return err
	})
}

// rolloutText says how a roll-out is, stage by stage, and what comes next.
func rolloutText(r api.Rollout) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s (counter %d) for %s on %s", r.App, r.Version, r.Counter, r.Channel, r.Platform)
	if r.Urgent {
		b.WriteString(", urgently")
	}
	fmt.Fprintf(&b, "\n  %s since %s, offered to %s of the devices\n",
		r.Phase, r.Since.UTC().Format(time.RFC3339), percentText(r.Percent))
	b.WriteString(whyText(r))
	for i, s := range r.Stages {
		mark := "  "
		if i+1 == r.Stage {
			mark = "> "
		}
		fmt.Fprintf(&b, "  %sstage %d: %s\n", mark, i+1, stageText(percentText(s.Percent), s.Duration, s.Confirmed, s.Gate == api.RolloutStageGateApproval))
	}
	fmt.Fprintf(&b, "  on a halt: %s\n", thenText(rollout.Then(r.Then)))
	fmt.Fprintf(&b, "  next: %s\n", nextOf(r))
	if r.Reissue != "" {
		fmt.Fprintf(&b, "  a hotfix has overtaken it: who took that takes it once draft %s is co-signed, see sealift release pending --app %s\n", r.Reissue, r.App)
	}
	return b.String()
}

// nextOf says what comes next, and who does it.
func nextOf(r api.Rollout) string {
	switch r.Phase {
	case api.RolloutPhasePaused:
		return fmt.Sprintf("nothing until somebody resumes it: sealift rollout resume %d --app %s --reason TEXT", r.Counter, r.App)
	case api.RolloutPhaseHalted:
		return fmt.Sprintf("nothing until somebody resumes it: sealift rollout resume %d --app %s --reason TEXT\n"+
			"        or takes the devices back that have it: sealift rollback --app %s --channel %s --to VERSION --reason TEXT", r.Counter, r.App, r.App, r.Channel)
	case api.RolloutPhaseWaiting:
		return fmt.Sprintf("somebody lets it go on: sealift rollout approve %d --app %s --reason TEXT", r.Counter, r.App)
	case api.RolloutPhaseFinished:
		return "nothing: everybody may take it"
	case api.RolloutPhaseAborted:
		return "nothing: nobody takes it any more"
	case api.RolloutPhaseWithdrawn:
		return fmt.Sprintf("nothing: nobody takes it until somebody takes the withdrawal back: sealift withdraw %d --app %s --undo --reason TEXT", r.Counter, r.App)
	case api.RolloutPhaseReissued:
		return "nothing: it goes on under another counter"
	}
	if r.Capped {
		return fmt.Sprintf("more devices take it as those that did confirm it (the app's blast radius); to give it to everybody: sealift rollout finish %d --app %s --reason TEXT", r.Counter, r.App)
	}
	return fmt.Sprintf("%s; to stop it: sealift rollout pause %d --app %s --reason TEXT", endOf(r), r.Counter, r.App)
}

// endOf says when the stage of a running roll-out ends, and what comes then.
func endOf(r api.Rollout) string {
	if r.Stage < 1 || r.Stage > len(r.Stages) {
		return "nothing is known of its stage"
	}
	stage, when := r.Stages[r.Stage-1], "now"
	if r.Next != nil {
		when = "at " + r.Next.UTC().Format(time.RFC3339)
	}
	if stage.Confirmed > 0 {
		when += fmt.Sprintf(", once %d devices have confirmed it,", stage.Confirmed)
	}
	switch {
	case stage.Gate == api.RolloutStageGateApproval:
		return when + " it waits for somebody to let it go on"
	case r.Stage == len(r.Stages):
		return when + " it is finished"
	}
	return when + " it goes on to " + percentText(r.Stages[r.Stage].Percent)
}

// rolloutAct is what the commands have that change a roll-out.
type rolloutAct struct {
	rolloutWhich
	Reason string `required:"" placeholder:"TEXT" help:"Why, in your words, for the log."`
}

// run finds the roll-out, does it, and shows what came of it.
func (c *rolloutAct) run(ctx context.Context, std *IO, do func(c *apiclient.Client, app sealift.AppID, counter uint64) (api.Rollout, error)) error {
	client, app, r, err := c.find(ctx, std)
	if err != nil {
		return err
	}
	if r, err = do(client, app, r.Counter); err != nil {
		return err
	}
	return printRollout(std, r)
}

func (c *rolloutAct) steer(ctx context.Context, std *IO, do api.RolloutSteerDo) error {
	return c.run(ctx, std, func(client *apiclient.Client, app sealift.AppID, counter uint64) (api.Rollout, error) {
		return client.SteerRollout(ctx, app, counter, api.RolloutSteer{Do: do, Reason: c.Reason})
	})
}

type rolloutPauseCmd struct{ rolloutAct }

// Run implements the command.
func (c *rolloutPauseCmd) Run(ctx context.Context, std *IO) error {
	return c.run(ctx, std, func(client *apiclient.Client, app sealift.AppID, counter uint64) (api.Rollout, error) {
		return client.PauseRollout(ctx, app, counter, c.Reason)
	})
}

type rolloutResumeCmd struct{ rolloutAct }

// Run implements the command.
func (c *rolloutResumeCmd) Run(ctx context.Context, std *IO) error {
	return c.steer(ctx, std, api.RolloutSteerDoResume)
}

type rolloutApproveCmd struct{ rolloutAct }

// Run implements the command.
func (c *rolloutApproveCmd) Run(ctx context.Context, std *IO) error {
	return c.steer(ctx, std, api.RolloutSteerDoApprove)
}

type rolloutFinishCmd struct{ rolloutAct }

// Run implements the command.
func (c *rolloutFinishCmd) Run(ctx context.Context, std *IO) error {
	return c.steer(ctx, std, api.RolloutSteerDoFinish)
}

type rolloutAbortCmd struct{ rolloutAct }

// Run implements the command.
func (c *rolloutAbortCmd) Run(ctx context.Context, std *IO) error {
	return c.steer(ctx, std, api.RolloutSteerDoAbort)
}
