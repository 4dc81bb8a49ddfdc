package cli

import (
	"context"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/apiclient"
)

// client opens the API with typed calls.
func (o APIOptions) client(std *IO) (*apiclient.Client, error) {
	server, err := o.Open(std)
	if err != nil {
		return nil, err
	}
	return apiclient.New(server.Base.String(), server)
}

// forApp opens the API for what is about one app, whose id is held to its form
// before anything is asked of anybody.
func (o APIOptions) forApp(std *IO, id string) (*apiclient.Client, sealift.AppID, error) {
	app, err := sealift.ParseAppID(id)
	if err != nil {
		return nil, "", err
	}
	c, err := o.client(std)
	return c, app, err
}

// checkLimit refuses a --limit that would show nothing, and look as if there were
// nothing.
func checkLimit(n int) error {
	if n < 1 {
		return usage("--limit %d lists nothing", n)
	}
	return nil
}

type appCmd struct {
	Create appCreateCmd `cmd:"" help:"Make an app."`
	List   appListCmd   `cmd:"" help:"List the apps."`
	Show   appShowCmd   `cmd:"" help:"Show an app and its settings."`
	Set    appSetCmd    `cmd:"" help:"Change an app's settings."`
}

type appCreateCmd struct {
	ID            string     `arg:"" name:"id" help:"Its id in reverse-DNS form, such as com.acme.shop."`
	Device        bool       `help:"Bundles are for devices of your own: they may hold native code and need no index.html. App stores forbid native code in updates."`
	OpenEnrolment bool       `help:"Let any installation enrol without a token. Then encryption hides bundles from networks and servers, not from somebody who installs the app."`
	API           APIOptions `embed:""`
}

// Run implements the command.
func (c *appCreateCmd) Run(ctx context.Context, std *IO) error { return runAppCreate(ctx, std, *c) }

func runAppCreate(ctx context.Context, std *IO, opts appCreateCmd) error {
	id, err := sealift.ParseAppID(opts.ID)
	if err != nil {
		return err
	}
	c, err := opts.API.client(std)
	if err != nil {
		return err
	}
	kind := api.AppKind("web")
	if opts.Device {
		kind = api.AppKind("device")
	}
	app, err := c.CreateApp(ctx, api.NewApp{ID: string(id), Kind: kind, OpenEnrolment: opts.OpenEnrolment})
	if err != nil {
		return err
	}
	if app.OpenEnrolment {
		std.Warn("anyone may enrol for %s: its bundles are hidden from networks and servers, not from somebody who installs the app", app.ID)
	}
	return std.Print(app, Println("created app %s (%s)", app.ID, app.Kind))
}

type appListCmd struct {
	API APIOptions `embed:""`
}

// Run implements the command.
func (c *appListCmd) Run(ctx context.Context, std *IO) error { return runAppList(ctx, std, *c) }

func runAppList(ctx context.Context, std *IO, opts appListCmd) error {
	c, err := opts.API.client(std)
	if err != nil {
		return err
	}
	apps, err := c.Apps(ctx)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, app := range apps {
		rows = append(rows, []string{app.ID, string(app.Kind), enrolment(app), patches(app), blastRadius(app), app.Created.Format(time.DateTime)})
	}
	return std.Print(api.AppList{Apps: apps}, Table([]string{"APP", "KIND", "ENROLMENT", "PATCHES", "BLAST RADIUS", "CREATED"}, rows))
}
