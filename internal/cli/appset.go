package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/term"
)

type appShowCmd struct {
	ID  string     `arg:"" name:"id" help:"Its id, such as com.acme.shop."`
	API APIOptions `embed:""`
}

// Run implements the command.
func (c *appShowCmd) Run(ctx context.Context, std *IO) error { return runAppShow(ctx, std, *c) }

func runAppShow(ctx context.Context, std *IO, opts appShowCmd) error {
	c, id, err := opts.API.forApp(std, opts.ID)
	if err != nil {
		return err
	}
	app, err := c.App(ctx, id)
	if err != nil {
		return err
	}
	return std.Print(app, appFields(app))
}

type appSetCmd struct {
	ID          string     `arg:"" name:"id" help:"Its id, such as com.acme.shop."`
	Patches     *int64     `placeholder:"N" help:"Against how many older releases a new one has patches, 0 to 8; 3 for a new app."`
	PatchLimit  *byteSize  `placeholder:"SIZE" help:"How long an archive may be that is patched, up to 128MiB: a device holds two such in memory. 64MiB for a new app."`
	BlastRadius *int64     `placeholder:"N" help:"How many devices a stage of a roll-out may reach; 0, as for a new app, for any number."`
	API         APIOptions `embed:""`
}

// Run implements the command.
func (c *appSetCmd) Run(ctx context.Context, std *IO) error { return runAppSet(ctx, std, *c) }

func runAppSet(ctx context.Context, std *IO, opts appSetCmd) error {
	if opts.Patches == nil && opts.PatchLimit == nil && opts.BlastRadius == nil {
		return usage("nothing to change: give --patches, --patch-limit or --blast-radius")
	}
	c, id, err := opts.API.forApp(std, opts.ID)
	if err != nil {
		return err
	}
	app, err := c.ChangeApp(ctx, id, api.AppChange{Patches: opts.Patches, PatchLimit: (*int64)(opts.PatchLimit), BlastRadius: opts.BlastRadius})
	if err != nil {
		return err
	}
	return std.Print(app, appFields(app))
}

func appFields(app api.App) func(io.Writer) error {
	return Table([]string{"FIELD", "VALUE"}, [][]string{
		{"app", app.ID}, {"kind", string(app.Kind)}, {"enrolment", enrolment(app)}, {"patches", patches(app)},
		{"blast radius", blastRadius(app)}, {"created", app.Created.UTC().Format(time.RFC3339)},
	})
}

func enrolment(app api.App) string {
	if app.OpenEnrolment {
		return "open"
	}
	return "by token"
}

func patches(app api.App) string {
	if app.Patches == 0 {
		return "none"
	}
	return fmt.Sprintf("%d up to %s", app.Patches, term.Bytes(app.PatchLimit))
}

func blastRadius(app api.App) string {
	if app.BlastRadius == 0 {
		return "any"
	}
	return strconv.FormatInt(app.BlastRadius, 10)
}
