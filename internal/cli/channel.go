package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/apiclient"
)

type channelCmd struct {
	Create channelCreateCmd `cmd:"" help:"Make a channel of an app, with its first epoch key."`
	List   channelListCmd   `cmd:"" help:"List the channels of an app."`
	Show   channelShowCmd   `cmd:"" help:"Show one channel, which devices it is for, and whose approval it goes by."`

	Set       channelSetCmd       `cmd:"" help:"Say which devices a channel is for, or make it the default of its app."`
	Label     channelLabelCmd     `cmd:"" help:"Say on which channel labels put devices that carry them."`
	Archive   channelArchiveCmd   `cmd:"" help:"Let a channel take no release any more. Devices that follow it stay where they are."`
	Unarchive channelUnarchiveCmd `cmd:"" help:"Let an archived channel take releases again."`
}

type channelCreateCmd struct {
	Name string     `arg:"" help:"Its name, such as production."`
	App  string     `required:"" placeholder:"ID" help:"The app."`
	API  APIOptions `embed:""`
}

// Run implements the command.
func (c *channelCreateCmd) Run(ctx context.Context, std *IO) error {
	return runChannelCreate(ctx, std, *c)
}

func runChannelCreate(ctx context.Context, std *IO, opts channelCreateCmd) error {
	name, err := sealift.ParseChannel(opts.Name)
	if err != nil {
		return err
	}
	c, app, err := opts.API.forApp(std, opts.App)
	if err != nil {
		return err
	}
	channel, err := c.CreateChannel(ctx, app, name)
	if err != nil {
		return err
	}
	return std.Print(channel, Println("created channel %s of %s, epoch %d", channel.Name, channel.App, channel.Epoch))
}

type channelListCmd struct {
	App string     `required:"" placeholder:"ID" help:"The app."`
	API APIOptions `embed:""`
}

// Run implements the command.
func (c *channelListCmd) Run(ctx context.Context, std *IO) error { return runChannelList(ctx, std, *c) }

func runChannelList(ctx context.Context, std *IO, opts channelListCmd) error {
	c, app, err := opts.API.forApp(std, opts.App)
	if err != nil {
		return err
	}
	channels, err := c.Channels(ctx, app)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, ch := range channels {
		devices := "-"
		if ch.Devices != nil {
			devices = strconv.FormatInt(ch.Devices.Placed, 10)
		}
		rows = append(rows, []string{ch.Name, strconv.FormatUint(ch.Epoch, 10), devices, channelMarks(ch.Settings), channelRules(ch.Settings), ch.Created.Format(time.DateTime)})
	}
	return std.Print(api.ChannelList{Channels: channels}, Table([]string{"CHANNEL", "EPOCH", "DEVICES", "IS", "FOR", "CREATED"}, rows))
}

// channelMarks is what a channel is, in words.
func channelMarks(s *api.ChannelSettings) string {
	if s == nil {
		return "-"
	}
	var marks []string
	for _, mark := range []struct {
		set  bool
		word string
	}{{s.Default, "default"}, {s.Private, "private"}, {s.SelfAssign, "self-assign"}, {s.Archived, "archived"}} {
		if mark.set {
			marks = append(marks, mark.word)
		}
	}
	return orDash(strings.Join(marks, ","))
}

// channelRules is which devices may follow a channel, in words.
func channelRules(s *api.ChannelSettings) string {
	if s == nil {
		return "-"
	}
	var rules []string
	if len(s.Platforms) > 0 {
		rules = append(rules, "platforms "+strings.Join(s.Platforms, ","))
	}
	if s.Runtime != "*" {
		rules = append(rules, "runtime "+s.Runtime)
	}
	for _, b := range s.Builds {
		rules = append(rules, string(b)+" builds")
	}
	if !s.Emulators {
		rules = append(rules, "no emulators")
	}
	if n := s.CapgoRefuseNew; n != "" && n != api.RefuseNewNone {
		rules = append(rules, "Capgo devices: no new "+string(n))
	}
	if s.CapgoUnderNative {
		rules = append(rules, "Capgo devices: also under the store's build")
	}
	if len(rules) == 0 {
		return "all"
	}
	return strings.Join(rules, "; ")
}

type channelShowCmd struct {
	Name string     `arg:"" help:"The channel."`
	App  string     `required:"" placeholder:"ID" help:"The app."`
	API  APIOptions `embed:""`
}

// Run implements the command.
func (c *channelShowCmd) Run(ctx context.Context, std *IO) error { return runChannelShow(ctx, std, *c) }

func runChannelShow(ctx context.Context, std *IO, opts channelShowCmd) error {
	c, app, name, err := opts.API.forChannel(std, opts.App, opts.Name)
	if err != nil {
		return err
	}
	channel, err := c.Channel(ctx, app, name)
	if err != nil {
		return err
	}
	return std.Print(channel, channelText(channel))
}

// forChannel is forApp for what is about one channel of it.
func (o APIOptions) forChannel(std *IO, app, name string) (*apiclient.Client, sealift.AppID, sealift.Channel, error) {
	channel, err := sealift.ParseChannel(name)
	if err != nil {
		return nil, "", "", err
	}
	c, id, err := o.forApp(std, app)
	return c, id, channel, err
}

func channelText(c api.Channel) func(io.Writer) error {
	return func(w io.Writer) error {
		set := ""
		if c.Settings != nil && c.Settings.EpochDays > 0 {
			set = fmt.Sprintf("  its epoch turns after %d days\n", c.Settings.EpochDays)
		}
		if c.Settings != nil && c.Settings.Changed != nil {
			set += fmt.Sprintf("  set  %s\n", c.Settings.Changed.Format(time.DateTime))
		}
		_, err := fmt.Fprintf(w, "%s of %s, epoch %d, made %s\n  is   %s\n  for  %s\n%s%s%s",
			c.Name, c.App, c.Epoch, c.Created.Format(time.DateTime), channelMarks(c.Settings), channelRules(c.Settings), set, placedText(c.Devices), asksText(c.Policies))
		return err
	}
}

// placedText says which devices a channel has, and which of them get nothing.
func placedText(d *api.ChannelDevices) string {
	if d == nil {
		return ""
	}
	text := fmt.Sprintf("  has  %d devices, %d of which follow it by now\n", d.Placed, d.Following)
	if d.Placed > 0 {
		text += fmt.Sprintf("       %d put there by name, %d by a label, %d at their own request,\n       %d by their own configuration or as the default\n", d.Assigned, d.Labelled, d.Chosen, d.Own)
	}
	if n, why := excludedOf(d); n > 0 {
		text += fmt.Sprintf("       %d get nothing from it: %s\n", n, why)
	}
	return text
}

// excludedOf is how many devices a channel's rules keep from taking anything, and by
// which rules.
func excludedOf(d *api.ChannelDevices) (n int64, why string) {
	var parts []string
	for _, e := range d.Excluded {
		n += e.Devices
		parts = append(parts, fmt.Sprintf("%s (%d)", e.Reason, e.Devices))
	}
	return n, strings.Join(parts, ", ")
}

// warnExcluded says what a change of a channel means for the devices that are on it.
func warnExcluded(std *IO, c api.Channel, change api.ChannelChange) {
	if c.Devices == nil {
		return
	}
	if change.Archived != nil && *change.Archived && c.Devices.Placed > 0 {
		std.Warn("%d devices are on %s, and get nothing new from it any more", c.Devices.Placed, c.Name)
		return
	}
	if n, why := excludedOf(c.Devices); n > 0 {
		std.Warn("%d of the %d devices on %s get nothing from it any more: %s", n, c.Devices.Placed, c.Name, why)
	}
}

type channelSetCmd struct {
	Name        string     `arg:"" help:"The channel."`
	App         string     `required:"" placeholder:"ID" help:"The app."`
	Platforms   []string   `placeholder:"P,..." help:"Only devices of these platforms, separated by commas; all for every platform."`
	Runtime     *string    `placeholder:"RANGE" help:"Only devices whose native host is in this range, such as '>=2.0.0 <3.0.0'; '*' for every one."`
	Builds      []string   `placeholder:"B,..." help:"Only hosts that were built so: production, development, or all."`
	Emulators   string     `enum:",yes,no" default:"" placeholder:"yes|no" help:"Whether emulators may follow it."`
	Private     string     `enum:",yes,no" default:"" placeholder:"yes|no" help:"Whether it is only for devices that are assigned to it. To make a private one open again wants a fresh proof."`
	SelfAssign  string     `enum:",yes,no" default:"" placeholder:"yes|no" help:"Whether devices may ask to be put on it."`
	EpochDays   *int       `placeholder:"N" help:"After how many days its epoch turns, up to 365: from then on releases are sealed to a new key. 0 for when its key ends."`
	RefuseNew   string     `name:"capgo-refuse-new" enum:",none,major,minor,patch" default:"" placeholder:"PART" help:"Offer Capgo devices no version with a new major number over that of the store's build; minor: nor a new minor number; patch: nor a new patch number; none: any."`
	UnderNative string     `name:"capgo-under-native" enum:",yes,no" default:"" placeholder:"yes|no" help:"Whether Capgo devices are offered versions below that of the store's build."`
	Default     *bool      `negatable:"" help:"Make it the channel of devices that have none of their own, in place of the one before."`
	API         APIOptions `embed:""`
}

// Run implements the command.
func (c *channelSetCmd) Run(ctx context.Context, std *IO) error { return runChannelSet(ctx, std, *c) }

func runChannelSet(ctx context.Context, std *IO, opts channelSetCmd) error {
	change := api.ChannelChange{
		Default: opts.Default, Runtime: opts.Runtime, Emulators: yesNo(opts.Emulators), Private: yesNo(opts.Private), SelfAssign: yesNo(opts.SelfAssign),
		EpochDays: opts.EpochDays, CapgoUnderNative: yesNo(opts.UnderNative),
	}
	if refuse := api.RefuseNew(opts.RefuseNew); refuse != "" {
		change.CapgoRefuseNew = &refuse
	}
	if opts.Platforms != nil {
		list, err := allOr("--platforms", opts.Platforms)
		if err != nil {
			return err
		}
		change.Platforms = &list
	}
	if opts.Builds != nil {
		list, err := allOr("--builds", opts.Builds)
		if err != nil {
			return err
		}
		builds := make([]api.Build, len(list))
		for i, b := range list {
			builds[i] = api.Build(b)
		}
		change.Builds = &builds
	}
	if change == (api.ChannelChange{}) {
		return usage("nothing to set was named")
	}
	return changeChannel(ctx, std, opts.API, opts.App, opts.Name, change)
}

// yesNo is nil where nothing was said.
func yesNo(s string) *bool {
	if s == "" {
		return nil
	}
	yes := s == "yes"
	return &yes
}

// allOr is a list, where all alone is the empty one. One that is empty by itself
// would open what a script meant to close.
func allOr(flag string, list []string) ([]string, error) {
	if len(list) == 1 && list[0] == "all" {
		return []string{}, nil
	}
	if len(list) == 0 || slices.Contains(list, "all") || slices.Contains(list, "") {
		return nil, usage("%s is all, or a list without it, separated by commas", flag)
	}
	return list, nil
}

func changeChannel(ctx context.Context, std *IO, options APIOptions, app, name string, change api.ChannelChange) error {
	c, id, channel, err := options.forChannel(std, app, name)
	if err != nil {
		return err
	}
	out, err := c.ChangeChannel(ctx, id, channel, change)
	if err != nil {
		return err
	}
	warnExcluded(std, out, change)
	return std.Print(out, channelText(out))
}

type channelArchiveCmd struct {
	Name string     `arg:"" help:"The channel."`
	App  string     `required:"" placeholder:"ID" help:"The app."`
	API  APIOptions `embed:""`
}

// Run implements the command.
func (c *channelArchiveCmd) Run(ctx context.Context, std *IO) error {
	yes := true
	return changeChannel(ctx, std, c.API, c.App, c.Name, api.ChannelChange{Archived: &yes})
}

type channelUnarchiveCmd struct {
	Name string     `arg:"" help:"The channel."`
	App  string     `required:"" placeholder:"ID" help:"The app."`
	API  APIOptions `embed:""`
}

// Run implements the command.
func (c *channelUnarchiveCmd) Run(ctx context.Context, std *IO) error {
	no := false
	return changeChannel(ctx, std, c.API, c.App, c.Name, api.ChannelChange{Archived: &no})
}
