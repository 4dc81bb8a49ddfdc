package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/apiclient"
	"github.com/sealift/sealift/rollout"
)

type rolloutPlanCmd struct {
	Show  rolloutPlanShowCmd  `cmd:"" help:"Show it, stage by stage; with --json as a file that set, publish --plan and simulate take."`
	Set   rolloutPlanSetCmd   `cmd:"" help:"Have every release of the channel begin with a plan from now on."`
	Clear rolloutPlanClearCmd `cmd:"" help:"Let everybody take the releases of the channel at once."`
}

// planWhich names a channel.
type planWhich struct {
	App     string     `required:"" placeholder:"ID" help:"The app."`
	Channel string     `required:"" placeholder:"NAME" help:"The channel."`
	API     APIOptions `embed:""`
}

func (w *planWhich) open(std *IO) (*apiclient.Client, sealift.AppID, sealift.Channel, error) {
	channel, err := sealift.ParseChannel(w.Channel)
	if err != nil {
		return nil, "", "", err
	}
	c, app, err := w.API.forApp(std, w.App)
	return c, app, channel, err
}

type rolloutPlanShowCmd struct{ planWhich }

// Run implements the command.
func (c *rolloutPlanShowCmd) Run(ctx context.Context, std *IO) error {
	client, app, channel, err := c.open(std)
	if err != nil {
		return err
	}
	p, err := client.Plan(ctx, app, channel)
	if err != nil {
		return err
	}
	return printPlan(std, p)
}

type rolloutPlanSetCmd struct {
	planWhich
	File string `placeholder:"FILE" help:"The plan, as JSON. Default: 1, 10, 50 and 100 percent, a day each."`
}

// Run implements the command.
func (c *rolloutPlanSetCmd) Run(ctx context.Context, std *IO) error {
	plan := rollout.DefaultPlan()
	if c.File != "" {
		var err error
		if plan, err = readPlan(c.File, "--file FILE"); err != nil {
			return err
		}
	}
	text, err := plan.Encode()
	if err != nil {
		return err
	}
	client, app, channel, err := c.open(std)
	if err != nil {
		return err
	}
	p, err := client.SetPlan(ctx, app, channel, text)
	if err != nil {
		return err
	}
	return printPlan(std, p)
}

type rolloutPlanClearCmd struct{ planWhich }

// Run implements the command.
func (c *rolloutPlanClearCmd) Run(ctx context.Context, std *IO) error {
	client, app, channel, err := c.open(std)
	if err != nil {
		return err
	}
	p, err := client.ClearPlan(ctx, app, channel)
	if err != nil {
		return err
	}
	return printPlan(std, p)
}

// printPlan says with which plan the roll-outs of a channel begin. As JSON it is the
// plan alone, which is a file to change and to set.
func printPlan(std *IO, p api.ChannelPlan) error {
	plan := rollout.AtOnce()
	if len(p.Plan) > 0 {
		var err error
		if plan, err = rollout.ParsePlan(p.Plan); err != nil {
			return sealift.Errorf(sealift.KindInternal, "reading the plan that the server sent", "%w", err)
		}
	}
	return std.Print(plan, func(w io.Writer) error {
		set := "no plan is set: everybody may take a release at once"
		if len(p.Plan) > 0 && p.Changed != nil {
			set = fmt.Sprintf("set by %s at %s", p.Creator, p.Changed.UTC().Format(time.RFC3339))
		}
		_, err := fmt.Fprintf(w, "%s %s: %s\n%s", p.App, p.Channel, set, planText(plan))
		return err
	})
}

// planText says a plan, a line each stage, and when it halts.
func planText(p rollout.Plan) string {
	text := ""
	for i, s := range p.Stages {
		text += fmt.Sprintf("  stage %d: %s\n", i+1, stageText(s.Share.String()+" %", time.Duration(s.Duration).String(), s.Confirmed, s.Gate == rollout.Approval))
	}
	for _, kind := range rollout.Kinds {
		text += fmt.Sprintf("  halts when more than %g %% are %s", 100*p.Halt.Limits[kind], kind)
		if kind == rollout.Silent {
			text += fmt.Sprintf(" for %s", time.Duration(p.Halt.Silence))
		}
		text += "\n"
	}
	return text + "  on a halt: " + thenText(p.Halt.Then) + "\n"
}

func thenText(then rollout.Then) string {
	if then == rollout.GoBack {
		return "nobody else takes it, and a roll-back is prepared where people are asked to approve it"
	}
	return "nobody else takes it until somebody resumes it"
}

// stageText says one stage.
func stageText(percent, duration string, confirmed int, gated bool) string {
	text := percent + " for " + duration
	if confirmed > 0 {
		text += fmt.Sprintf(", until %d devices have confirmed it", confirmed)
	}
	if gated {
		text += ", then somebody lets it go on"
	}
	return text
}
