package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/term"
)

type floorCmd struct {
	Set  floorSetCmd  `cmd:"" help:"Let devices refuse all of an app under a version or counter, and block what is installed."`
	List floorListCmd `cmd:"" help:"List the floors of apps, and how many devices are under them."`
}

type floorSetCmd struct {
	App     string     `required:"" placeholder:"ID" help:"The app."`
	Version string     `placeholder:"V" help:"Refuse versions under this one."`
	Counter uint64     `placeholder:"N" help:"Refuse counters under this one."`
	Reason  string     `placeholder:"TEXT" help:"Why, in your words, for the log."`
	DryRun  bool       `help:"Only show which devices would be under it, and where nothing that is offered would be left."`
	Force   bool       `help:"Raise it even if nothing that is offered on some channel and platform is at or above it, or nobody published that version."`
	API     APIOptions `embed:""`
}

// Run implements the command.
func (c *floorSetCmd) Run(ctx context.Context, std *IO) error { return runFloorSet(ctx, std, *c) }

func runFloorSet(ctx context.Context, std *IO, opts floorSetCmd) error {
	if opts.Version == "" && opts.Counter == 0 {
		return usage("--version or --counter is needed")
	}
	if opts.Reason == "" && !opts.DryRun {
		return usage("--reason is needed: it stands in the log")
	}
	c, app, err := opts.API.forApp(std, opts.App)
	if err != nil {
		return err
	}
	would, err := c.Floor(ctx, app, api.GetFloorParams{Version: opts.Version, Counter: opts.Counter})
	if err != nil {
		return err
	}
	if opts.DryRun {
		return std.Print(would, func(w io.Writer) error { return showFloors(w, []api.AppFloor{would}) })
	}
	std.Note("%d of %d active devices of %s run something under it%s", would.Under, would.Active, app, versionsText(would.Versions))
	for _, p := range would.Unserved {
		std.Warn("nothing that is offered on %s/%s would be left: %d devices that follow it would get nothing more", p.Channel, p.Platform, p.Devices)
	}
	return runDeny(ctx, std, opts.API, api.NewDenial{
		Kind: api.DenialKindFloor, App: opts.App, Version: opts.Version, Counter: opts.Counter, Force: opts.Force, Reason: opts.Reason,
	})
}

type floorListCmd struct {
	App string     `placeholder:"ID" help:"Only of this app."`
	API APIOptions `embed:""`
}

// Run implements the command.
func (c *floorListCmd) Run(ctx context.Context, std *IO) error { return runFloorList(ctx, std, *c) }

func runFloorList(ctx context.Context, std *IO, opts floorListCmd) error {
	c, err := opts.API.client(std)
	if err != nil {
		return err
	}
	names := []string{opts.App}
	if opts.App == "" {
		apps, err := c.Apps(ctx)
		if err != nil {
			return err
		}
		names = names[:0]
		for _, a := range apps {
			names = append(names, a.ID)
		}
	}
	floors := []api.AppFloor{}
	for _, name := range names {
		app, err := sealift.ParseAppID(name)
		if err != nil {
			return err
		}
		f, err := c.Floor(ctx, app, api.GetFloorParams{})
		if err != nil {
			return err
		}
		floors = append(floors, f)
	}
	return std.Print(map[string]any{"floors": floors}, func(w io.Writer) error { return showFloors(w, floors) })
}

func showFloors(w io.Writer, floors []api.AppFloor) error {
	var rows [][]string
	for _, f := range floors {
		var empty []string
		for _, p := range f.Unserved {
			empty = append(empty, fmt.Sprintf("%s/%s (%d)", p.Channel, p.Platform, p.Devices))
		}
		rows = append(rows, []string{
			f.App, floorOf(f.Floor.Counter, f.Floor.Version), floorOf(f.Trust.Counter, f.Trust.Version), fmt.Sprintf("%d of %d", f.Under, f.Active),
			orDash(strings.TrimPrefix(versionsText(f.Versions), ": ")), orDash(strings.Join(empty, ", ")),
		})
	}
	return term.Table(w, []string{"APP", "FLOOR", "FOR GOOD", "UNDER IT", "RUNNING", "NOTHING LEFT ON"}, rows)
}

// versionsText names the most frequent versions, with how many devices run each.
func versionsText(versions []api.VersionCount) string {
	const most = 5
	var names []string
	run := map[string]int64{} // a version that devices were taken back to has several counters
	for _, v := range versions {
		if run[v.Version] == 0 {
			names = append(names, v.Version)
		}
		run[v.Version] += v.Devices
	}
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(run[b], run[a]) })
	var parts []string
	for _, name := range names[:min(len(names), most)] {
		parts = append(parts, fmt.Sprintf("%s (%d)", name, run[name]))
	}
	if len(names) > most {
		parts = append(parts, "…")
	}
	if len(parts) == 0 {
		return ""
	}
	return ": " + strings.Join(parts, ", ")
}
