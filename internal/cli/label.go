package cli

import (
	"context"
	"strconv"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/api"
)

type deviceLabelCmd struct {
	Add    deviceLabelAddCmd    `cmd:"" help:"Give devices a label."`
	Remove deviceLabelRemoveCmd `cmd:"" help:"Take a label off devices."`
}

type deviceLabelAddCmd struct {
	deviceActing
	Label string `required:"" placeholder:"LABEL" help:"The label, such as beta."`
}

// Run implements the command.
func (c *deviceLabelAddCmd) Run(ctx context.Context, std *IO) error {
	return runDeviceLabel(ctx, std, c.deviceActing, c.Label, false)
}

type deviceLabelRemoveCmd struct {
	deviceActing
	Label string `required:"" placeholder:"LABEL" help:"The label."`
}

// Run implements the command.
func (c *deviceLabelRemoveCmd) Run(ctx context.Context, std *IO) error {
	return runDeviceLabel(ctx, std, c.deviceActing, c.Label, true)
}

func runDeviceLabel(ctx context.Context, std *IO, which deviceActing, text string, remove bool) error {
	label, err := sealift.ParseLabel(text)
	if err != nil {
		return err
	}
	c, app, act, err := which.ask(std)
	if err != nil {
		return err
	}
	done, err := c.LabelDevices(ctx, app, api.NewLabel{Devices: act.Devices, Reason: act.Reason, Label: string(label), Remove: remove})
	if err != nil {
		return err
	}
	did := "gave %d of %d devices the label %s; %d changed their channel by it"
	if remove {
		did = "took from %d of %d devices the label %s; %d changed their channel by it"
	}
	return std.Print(done, Println(did, len(done.Devices), len(act.Devices), label, len(done.Assignments)))
}

type channelLabelCmd struct {
	Add    channelLabelAddCmd    `cmd:"" help:"Have a label put devices that carry it on a channel."`
	Remove channelLabelRemoveCmd `cmd:"" help:"Have a label put devices nowhere any more."`
	List   channelLabelListCmd   `cmd:"" help:"List the labels that put devices on channels."`
}

type channelLabelAddCmd struct {
	App      string     `required:"" placeholder:"ID" help:"The app."`
	Label    string     `required:"" placeholder:"LABEL" help:"The label, such as beta."`
	Channel  string     `required:"" placeholder:"NAME" help:"The channel."`
	Priority int64      `placeholder:"N" help:"Of a device's labels the one of the highest counts. The default is 0."`
	API      APIOptions `embed:""`
}

// Run implements the command.
func (c *channelLabelAddCmd) Run(ctx context.Context, std *IO) error {
	return runChannelLabelAdd(ctx, std, *c)
}

func runChannelLabelAdd(ctx context.Context, std *IO, opts channelLabelAddCmd) error {
	label, err := sealift.ParseLabel(opts.Label)
	if err != nil {
		return err
	}
	c, app, channel, err := opts.API.forChannel(std, opts.App, opts.Channel)
	if err != nil {
		return err
	}
	set, err := c.SetChannelLabel(ctx, app, label, api.NewChannelLabel{Channel: string(channel), Priority: opts.Priority})
	if err != nil {
		return err
	}
	if set.Settling {
		std.Note("more devices carry it than are moved at once: the server goes on with them")
	}
	return std.Print(set, Println("devices with the label %s are on channel %s, by priority %d", set.Label, set.Channel, set.Priority))
}

type channelLabelRemoveCmd struct {
	App   string     `required:"" placeholder:"ID" help:"The app."`
	Label string     `required:"" placeholder:"LABEL" help:"The label."`
	API   APIOptions `embed:""`
}

// Run implements the command.
func (c *channelLabelRemoveCmd) Run(ctx context.Context, std *IO) error {
	return runChannelLabelRemove(ctx, std, *c)
}

func runChannelLabelRemove(ctx context.Context, std *IO, opts channelLabelRemoveCmd) error {
	label, err := sealift.ParseLabel(opts.Label)
	if err != nil {
		return err
	}
	c, app, err := opts.API.forApp(std, opts.App)
	if err != nil {
		return err
	}
	if err := c.RemoveChannelLabel(ctx, app, label); err != nil {
		return err
	}
	return std.Print(struct {
		Label sealift.Label `json:"label"`
	}{label}, Println("label %s puts devices on no channel any more; they keep it", label))
}

type channelLabelListCmd struct {
	App string     `required:"" placeholder:"ID" help:"The app."`
	API APIOptions `embed:""`
}

// Run implements the command.
func (c *channelLabelListCmd) Run(ctx context.Context, std *IO) error {
	return runChannelLabelList(ctx, std, *c)
}

func runChannelLabelList(ctx context.Context, std *IO, opts channelLabelListCmd) error {
	c, app, err := opts.API.forApp(std, opts.App)
	if err != nil {
		return err
	}
	labels, err := c.ChannelLabels(ctx, app)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, l := range labels {
		settled := "yes"
		if l.Settling {
			settled = "not yet"
		}
		rows = append(rows, []string{l.Label, l.Channel, strconv.FormatInt(l.Priority, 10), settled, toMinute(l.Changed)})
	}
	return std.Print(api.ChannelLabelList{Labels: labels}, Table([]string{"LABEL", "CHANNEL", "PRIORITY", "SETTLED", "CHANGED"}, rows))
}
