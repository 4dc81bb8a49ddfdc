package cli

import (
	"cmp"
	"context"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/api"
)

type deviceAssignCmd struct {
	deviceActing
	Channel string `required:"" placeholder:"NAME" help:"The channel that they are to follow, whatever their own configuration says."`
	Until   string `placeholder:"TIME" help:"When that is over, such as 2026-03-31, 2026-03-31T12:00:00Z, or 72h from now. Without it, never."`
}

// Run implements the command.
func (c *deviceAssignCmd) Run(ctx context.Context, std *IO) error {
	return runDeviceAssign(ctx, std, *c)
}

func runDeviceAssign(ctx context.Context, std *IO, opts deviceAssignCmd) error {
	channel, err := sealift.ParseChannel(opts.Channel)
	if err != nil {
		return err
	}
	until, err := parseUntil(opts.Until, std.Now())
	if err != nil {
		return err
	}
	done, ids, err := assignDevices(ctx, std, opts.deviceActing, api.NewAssignment{Channel: string(channel), Until: until})
	if err != nil {
		return err
	}
	return std.Print(done, Println("put %d of %d devices on channel %s, %s: they follow it from their next check on", len(done.Assignments), ids, channel, untilWords(until)))
}

type deviceUnassignCmd struct{ deviceActing }

// Run implements the command.
func (c *deviceUnassignCmd) Run(ctx context.Context, std *IO) error {
	return runDeviceUnassign(ctx, std, *c)
}

func runDeviceUnassign(ctx context.Context, std *IO, opts deviceUnassignCmd) error {
	done, ids, err := assignDevices(ctx, std, opts.deviceActing, api.NewAssignment{})
	if err != nil {
		return err
	}
	return std.Print(done, Println("took %d of %d devices off their channels: they follow their own configuration, and keep what they run until that has something newer", len(done.Assignments), ids))
}

func assignDevices(ctx context.Context, std *IO, which deviceActing, want api.NewAssignment) (api.AssignmentList, int, error) {
	c, app, act, err := which.ask(std)
	if err != nil {
		return api.AssignmentList{}, 0, err
	}
	want.Devices, want.Reason = act.Devices, act.Reason
	done, err := c.AssignDevices(ctx, app, want)
	return done, len(want.Devices), err
}

// parseUntil reads when something is over; nil for never.
func parseUntil(text string, now time.Time) (*time.Time, error) {
	if text == "" {
		return nil, nil
	}
	if in, err := time.ParseDuration(text); err == nil && in > 0 {
		at := now.Add(in).UTC()
		return &at, nil
	}
	for _, form := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(form, text); err == nil {
			at = at.UTC()
			return &at, nil
		}
	}
	return nil, sealift.Errorf(sealift.KindInvalid, "reading --until", "%.40q is no time", text).
		WithHint("use a form such as 2026-03-31, 2026-03-31T12:00:00Z, or 72h for three days from now")
}

// untilWords says until when a device is somewhere.
func untilWords(until *time.Time) string {
	if until == nil {
		return "without an end"
	}
	return "until " + until.UTC().Format(time.RFC3339)
}

// assignedText is where a device was put, and by whom.
func assignedText(a *api.Assignment) string {
	if a == nil {
		return "never"
	}
	words := map[api.AssignmentOrigin]string{
		api.AssignmentOriginPerson: "by a person", api.AssignmentOriginDevice: "at its own request", api.AssignmentOriginLabel: "by a label",
	}
	by := cmp.Or(words[a.Origin], string(a.Origin))
	if a.Channel == "" {
		return "taken off " + by + ", " + toMinute(a.Changed)
	}
	return "to " + a.Channel + " " + by + ", " + untilWords(a.Until)
}
