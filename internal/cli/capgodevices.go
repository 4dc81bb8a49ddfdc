package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/sealift/sealift/internal/control/api"
)

type capgoDevicesCmd struct {
	App      string     `required:"" placeholder:"ID" help:"The app."`
	Device   string     `placeholder:"UUID" help:"Only this one, with its newest events: the id that the plugin shows, or as much of its beginning as is known."`
	Channel  string     `placeholder:"NAME" help:"Only devices that were placed on this channel when they asked last."`
	Platform string     `placeholder:"P" help:"Only devices of this platform."`
	Version  string     `placeholder:"V" help:"Only devices that run the bundle of this version."`
	Behind   string     `placeholder:"ID" help:"Only devices whose id comes behind this one: the next page."`
	Limit    int        `default:"50" placeholder:"N" help:"How many, up to 100."`
	API      APIOptions `embed:""`
}

// Run implements the command.
func (c *capgoDevicesCmd) Run(ctx context.Context, std *IO) error {
	return runCapgoDevices(ctx, std, *c)
}

func runCapgoDevices(ctx context.Context, std *IO, opts capgoDevicesCmd) error {
	if err := checkLimit(opts.Limit); err != nil {
		return err
	}
	c, app, err := opts.API.forApp(std, opts.App)
	if err != nil {
		return err
	}
	list, err := c.CapgoDevices(ctx, app, api.ListCapgoDevicesParams{
		Limit: opts.Limit, Channel: opts.Channel, Platform: opts.Platform, Version: opts.Version, Behind: opts.Behind,
		Prefix: strings.ToLower(strings.ReplaceAll(opts.Device, "-", "")),
	})
	if err != nil {
		return err
	}
	if list.Next != "" {
		std.Note("there are more: --behind %s", list.Next)
	}
	std.Note("%s has %d devices with Capgo's plugin, %d seen in the last day, %d in the last week; nobody vouches for any", app, list.Counts.Known, list.Counts.Day, list.Counts.Week)
	if len(list.Devices) == 1 && len(list.Devices[0].Events) > 0 {
		return std.Print(list, Table([]string{"RECEIVED", "ACTION", "VERSION", "BEFORE", "DETAIL"}, capgoEventRows(list.Devices[0])))
	}
	var rows [][]string
	for _, d := range list.Devices {
		rows = append(rows, []string{d.ID, orDash(d.Channel), d.Platform, d.Build, capgoVersion(d), d.Plugin, agoText(d.Seen, std.Now())})
	}
	return std.Print(list, Table([]string{"DEVICE", "CHANNEL", "PLATFORM", "BUILD", "VERSION", "PLUGIN", "SEEN"}, rows))
}

// capgoVersion is the bundle that a device runs.
func capgoVersion(d api.CapgoDevice) string {
	if d.Version == "" {
		return "builtin"
	}
	return fmt.Sprintf("%.64s", d.Version)
}

func capgoEventRows(d api.CapgoDevice) (rows [][]string) {
	for _, e := range d.Events {
		rows = append(rows, []string{e.Received.Format(time.DateTime), e.Action, orDash(e.Version), orDash(e.Old), orDash(e.Detail)})
	}
	return rows
}
