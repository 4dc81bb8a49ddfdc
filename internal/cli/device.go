package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/api"
)

type deviceCmd struct {
	List deviceListCmd `cmd:"" help:"List the devices of an app, and what they say of themselves."`
	Show deviceShowCmd `cmd:"" help:"Show one device, and what it reported."`

	Assign   deviceAssignCmd   `cmd:"" help:"Put devices on a channel."`
	Unassign deviceUnassignCmd `cmd:"" help:"Take devices off the channels that they were put on."`
	Label    deviceLabelCmd    `cmd:"" help:"Give devices labels, which may put them on a channel."`

	Revoke deviceRevokeCmd `cmd:"" help:"End devices for good, and turn the epochs of the app's channels."`
	Erase  deviceEraseCmd  `cmd:"" help:"Forget what devices said and how they enrolled."`
}

type deviceListCmd struct {
	App        string        `required:"" placeholder:"ID" help:"The app."`
	Channel    string        `placeholder:"NAME" help:"Only devices that last reported to follow this channel."`
	Platform   string        `placeholder:"P" help:"Only devices of this platform."`
	Version    string        `placeholder:"V" help:"Only devices that last reported to have this version installed."`
	State      string        `placeholder:"STATE" help:"Only devices in this state: active, revoked or erased. Without it, all that were not erased."`
	Prefix     string        `placeholder:"HEX" help:"Only devices whose id begins so."`
	Label      string        `placeholder:"LABEL" help:"Only devices that carry this label."`
	Outdated   bool          `help:"Only devices that last reported to have something installed that is under the app's floor."`
	SeenWithin time.Duration `placeholder:"DURATION" help:"Only devices that were seen in this time, such as 24h."`
	SilentFor  time.Duration `placeholder:"DURATION" help:"Only devices that were not seen in this time, such as 720h."`
	Behind     string        `placeholder:"ID" help:"Only devices whose id comes behind this one: the next page."`
	Limit      int           `default:"50" placeholder:"N" help:"How many, up to 100."`
	API        APIOptions    `embed:""`
}

// Run implements the command.
func (c *deviceListCmd) Run(ctx context.Context, std *IO) error { return runDeviceList(ctx, std, *c) }

func runDeviceList(ctx context.Context, std *IO, opts deviceListCmd) error {
	if err := checkLimit(opts.Limit); err != nil {
		return err
	}
	c, app, err := opts.API.forApp(std, opts.App)
	if err != nil {
		return err
	}
	if opts.SeenWithin < 0 || opts.SilentFor < 0 {
		return usage("--seen-within and --silent-for are lengths of time, such as 24h")
	}
	page := api.ListDevicesParams{
		Limit: opts.Limit, Channel: opts.Channel, Behind: opts.Behind, Platform: opts.Platform, Version: opts.Version,
		State: api.DeviceState(opts.State), Prefix: opts.Prefix, Label: opts.Label, Outdated: opts.Outdated,
	}
	if opts.SeenWithin > 0 {
		page.SeenSince = std.Now().Add(-opts.SeenWithin).UTC()
	}
	if opts.SilentFor > 0 {
		page.SeenBefore = std.Now().Add(-opts.SilentFor).UTC()
	}
	list, err := c.Devices(ctx, app, page)
	if err != nil {
		return err
	}
	if list.Next != "" {
		std.Note("there are more: --behind %s", list.Next)
	}
	std.Note("%s has %d active devices, %d revoked, %d erased; %d of the active ones are outdated", app, list.Counts.Active, list.Counts.Revoked, list.Counts.Erased, list.Counts.Outdated)
	var rows [][]string
	for _, d := range list.Devices {
		version, root := "-", "-"
		if d.Installed != nil {
			version = d.Installed.Version
		}
		if d.Metadata != nil {
			root = fmt.Sprintf("%d/%d", d.Metadata.Root, d.Metadata.Targets)
		}
		rows = append(rows, []string{d.ID, deviceStateText(d), orDash(d.Channel), d.Platform, d.Runtime, version, root, agoText(d.Seen, std.Now()), reportedText(d, std.Now())})
	}
	return std.Print(list, Table([]string{"DEVICE", "STATE", "CHANNEL", "PLATFORM", "RUNTIME", "VERSION", "ROOT/TARGETS", "SEEN", "REPORTED"}, rows))
}

func deviceStateText(d api.Device) string {
	if d.Forged {
		return string(d.State) + " (forged row)"
	}
	return string(d.State)
}

// agoText says how long ago something was, in one unit.
func agoText(t, now time.Time) string {
	switch ago := now.Sub(t); {
	case ago < time.Minute:
		return "now"
	case ago < time.Hour:
		return fmt.Sprintf("%d min ago", ago/time.Minute)
	case ago < 48*time.Hour:
		return fmt.Sprintf("%d h ago", ago/time.Hour)
	default:
		return fmt.Sprintf("%d days ago", ago/(24*time.Hour))
	}
}

func reportedText(d api.Device, now time.Time) string {
	if d.Reported == nil {
		return "never"
	}
	return agoText(*d.Reported, now)
}

type deviceShowCmd struct {
	Device string     `arg:"" help:"The device's id, as sealift device list shows it."`
	App    string     `required:"" placeholder:"ID" help:"The app."`
	Before uint64     `placeholder:"N" help:"Only steps with a smaller number: the next page."`
	Limit  int        `default:"20" placeholder:"N" help:"How many steps, up to 100."`
	API    APIOptions `embed:""`
}

// Run implements the command.
func (c *deviceShowCmd) Run(ctx context.Context, std *IO) error { return runDeviceShow(ctx, std, *c) }

func runDeviceShow(ctx context.Context, std *IO, opts deviceShowCmd) error {
	if _, err := sealift.ParseDeviceID(opts.Device); err != nil {
		return err
	}
	if err := checkLimit(opts.Limit); err != nil {
		return err
	}
	c, app, err := opts.API.forApp(std, opts.App)
	if err != nil {
		return err
	}
	detail, err := c.Device(ctx, app, opts.Device, api.GetDeviceParams{Limit: opts.Limit, Before: opts.Before})
	if err != nil {
		return err
	}
	if detail.Next != 0 {
		std.Note("there are more steps: --before %d", detail.Next)
	}
	return std.Print(detail, func(w io.Writer) error {
		if err := Table([]string{"FIELD", "VALUE"}, deviceFields(detail.Device))(w); err != nil || len(detail.Steps) == 0 {
			return err
		}
		if _, err := fmt.Fprintln(w); err != nil {
			return err
		}
		var rows [][]string
		for _, s := range detail.Steps {
			rows = append(rows, stepRow(s))
		}
		return Table([]string{"STEP", "WHAT", "VERSION", "RELEASE", "RECEIVED", "BY ITS CLOCK", "TOOK", "WHY"}, rows)(w)
	})
}

func deviceFields(d api.Device) [][]string {
	if d.State == api.DeviceStateErased { // nothing else is left
		return [][]string{{"device", d.ID}, {"app", d.App}, {"state", deviceStateText(d)}}
	}
	at := func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }
	rows := [][]string{
		{"device", d.ID}, {"app", d.App}, {"state", deviceStateText(d)}, {"platform", d.Platform}, {"runtime", d.Runtime},
		{"enrolled", at(d.Enrolled) + enrolledBy(d)}, {"seen", at(d.Seen)}, {"assigned", assignedText(d.Assigned)}, {"labels", orDash(strings.Join(d.Labels, " "))},
	}
	if d.Reported == nil {
		return append(rows, []string{"reported", "never"})
	}
	rows = append(rows, []string{"reported", at(*d.Reported)}, []string{"channel", orDash(d.Channel) + excludedText(d)}, []string{"client", orDash(d.Client)})
	if d.Build != "" {
		rows = append(rows, []string{"build", buildText(d)})
	}
	for _, r := range []struct {
		name string
		is   *api.DeviceRelease
	}{{"installed", d.Installed}, {"previous", d.Previous}, {"pending", d.Pending}} {
		if r.is != nil {
			rows = append(rows, []string{r.name, fmt.Sprintf("%s (counter %d) %s", r.is.Version, r.is.Counter, r.is.Release[:12])})
		}
	}
	if m := d.Metadata; m != nil {
		rows = append(rows, []string{"metadata", fmt.Sprintf("root %d, targets %d, snapshot %d, timestamp %d", m.Root, m.Targets, m.Snapshot, m.Timestamp)})
	}
	for _, epoch := range d.Epochs {
		rows = append(rows, []string{"epoch key", epoch[:12]})
	}
	if d.Lost > 0 {
		rows = append(rows, []string{"lost", fmt.Sprintf("%d steps that it had no room to keep", d.Lost)})
	}
	return rows
}

// excludedText says why the channel is not for a device.
func excludedText(d api.Device) string {
	if d.Excluded == "" {
		return ""
	}
	return fmt.Sprintf(" (not for it: %s)", d.Excluded)
}

func buildText(d api.Device) string {
	if d.Emulator {
		return string(d.Build) + ", on an emulator"
	}
	return string(d.Build)
}

func enrolledBy(d api.Device) string {
	if d.Token == "" {
		return ", openly"
	}
	return ", with token " + d.Token
}

func stepRow(s api.DeviceStep) []string {
	own := toMinute(s.Time)
	if s.Time.Sub(s.Received) > time.Hour { // behind may be offline, ahead never is
		own += " (ahead)"
	} else if s.Received.Sub(s.Time) > 366*24*time.Hour {
		own += " (years behind)"
	}
	release, took, why := "-", "-", strings.Trim(s.Kind+": "+s.Reason, ": ")
	if s.Release != "" {
		release = s.Release[:12]
	}
	if s.Patch != "" {
		why = "from a patch"
	}
	if s.Took > 0 {
		took = (time.Duration(s.Took) * time.Millisecond).String()
	}
	return []string{fmt.Sprint(s.Sequence), string(s.Step), orDash(s.Version), release, toMinute(s.Received), own, took, orDash(why)}
}
