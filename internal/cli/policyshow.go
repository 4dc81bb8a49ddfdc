package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/api"
)

type policyShowCmd struct {
	App     string     `placeholder:"ID" help:"What each channel of this app goes by, and whose policy that is, in place of the policies that were set."`
	Channel string     `placeholder:"NAME" help:"With --app: this channel alone."`
	API     APIOptions `embed:""`
}

// Run implements the command.
func (c *policyShowCmd) Run(ctx context.Context, std *IO) error { return runPolicyShow(ctx, std, *c) }

func runPolicyShow(ctx context.Context, std *IO, opts policyShowCmd) error {
	switch {
	case opts.App != "":
		return runPolicyShowApp(ctx, std, opts)
	case opts.Channel != "":
		return usage("--channel goes with --app")
	}
	c, err := opts.API.client(std)
	if err != nil {
		return err
	}
	all, err := c.Policies(ctx)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, p := range all.Policies {
		if p.Forged {
			std.Warn("the policy of %s%s was not written by the vault: somebody changed the database, and what it is about is refused", p.Action, ofScope(p))
		}
		rows = append(rows, []string{
			string(p.Action), orDash(p.App), orDash(p.Channel), needed(p), strings.Join(roleNames(p.Roles), " "), fmt.Sprint(p.Version), p.Created.UTC().Format(time.DateOnly), p.Creator,
		})
	}
	if len(rows) == 0 {
		std.Note("%s", nobodyAsked(all.Approvers))
	} else {
		std.Note("a channel without one of its own goes by the strictest of its app; see what each goes by with: sealift policy show --app ID")
	}
	return std.Print(all, Table([]string{"ACTION", "APP", "CHANNEL", "APPROVALS", "OF", "VERSION", "SINCE", "BY"}, rows))
}

// runPolicyShowApp says what channels of an app go by, whose ever policy it is.
func runPolicyShowApp(ctx context.Context, std *IO, opts policyShowCmd) error {
	c, app, err := opts.API.forApp(std, opts.App)
	if err != nil {
		return err
	}
	var only sealift.Channel
	if opts.Channel != "" {
		if only, err = sealift.ParseChannel(opts.Channel); err != nil {
			return err
		}
	}
	all, err := c.AppPolicies(ctx, app)
	if err != nil {
		return err
	}
	if only != "" {
		all.Policies = slices.DeleteFunc(all.Policies, func(p api.ChannelPolicy) bool { return p.Channel != string(only) })
		all.Doors = slices.DeleteFunc(all.Doors, func(d api.PolicyDoor) bool { return d.Channel != string(only) })
		if len(all.Policies) == 0 {
			return sealift.Errorf(sealift.KindNotFound, "showing policies", "app %s has no channel %s", app, only).
				WithReason("channel").WithHint("see those there are with: sealift channel list --app %s", app)
		}
	}
	var rows [][]string
	for _, p := range all.Policies {
		approvals := fmt.Sprint(p.Needed)
		if p.Needed == 0 {
			approvals = "-"
		}
		rows = append(rows, []string{p.Channel, string(p.Action), approvals, orDash(strings.Join(roleNames(p.Roles), " ")), policySource(p)})
	}
	for _, d := range all.Doors {
		std.Warn("%s; see how to end that with: sealift doctor", doorText(d))
	}
	return std.Print(all, Table([]string{"CHANNEL", "ACTION", "APPROVALS", "OF", "BY"}, rows))
}

// policySource says in words whose policy a channel goes by.
func policySource(p api.ChannelPolicy) string {
	var source string
	switch p.From {
	case api.PolicySourceChannel:
		source = "its own policy"
	case api.PolicySourceStrictest:
		source = "the policy of channel " + p.Of + ", the strictest of the app"
	case api.PolicySourceApp:
		source = "the app's policy"
	case api.PolicySourceInstallation:
		source = "the installation's policy"
	case api.PolicySourceForged:
		return "refused: a policy was not written by the vault, or is gone"
	default:
		return "none: there is no policy"
	}
	if p.About != string(p.Action) {
		source += ", about " + p.About
	}
	return source
}

// asksText says which people stand behind what in a channel, a line for each action.
func asksText(policies []api.ChannelPolicy) string {
	var text strings.Builder
	lead := "asks"
	for _, p := range policies {
		who := "nobody"
		if p.Needed > 0 {
			who = fmt.Sprintf("%d of %s", p.Needed, strings.Join(roleNames(p.Roles), ", "))
		}
		switch line := fmt.Sprintf("  %-4s %s about %s", lead, who, p.Action); p.From {
		case api.PolicySourceForged:
			fmt.Fprintf(&text, "%s, which is %s\n", line, policySource(p))
		case api.PolicySourceNone:
			fmt.Fprintln(&text, line)
		default:
			fmt.Fprintf(&text, "%s, by %s\n", line, policySource(p))
		}
		lead = ""
	}
	return text.String()
}

// doorText says by what devices come unasked to a channel that asks less than another one.
func doorText(d api.PolicyDoor) string {
	text := ""
	switch d.By {
	case api.PolicyDoorByDefault:
		text = fmt.Sprintf("channel %s is the default", d.Channel)
	case api.PolicyDoorBySelfAssign:
		text = fmt.Sprintf("devices may put themselves on channel %s", d.Channel)
	default:
		text = fmt.Sprintf("the label %s put %d devices on channel %s", d.Label, d.Devices, d.Channel)
	}
	return text + ", which nobody approved: " + d.Because
}
