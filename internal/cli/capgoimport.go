package cli

import (
	"context"
	"crypto/rsa"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/capgo"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/apiclient"
	"github.com/sealift/sealift/internal/vault"
)

type capgoImportCmd struct {
	Dir     string     `arg:"" default:"." help:"The app's folder, with capacitor.config.json and .capgo_key_v2."`
	Owner   string     `required:"" placeholder:"NAME" help:"Who answers for the key."`
	Config  string     `xor:"config" placeholder:"FILE" help:"The configuration as JSON, where it is not in the folder, or a program there."`
	Key     string     `xor:"key" placeholder:"FILE" help:"The private key with which Capgo's own program encrypted until now. Without it: .capgo_key_v2 in the folder, if there is one."`
	NewKey  bool       `xor:"key" help:"The project has no key: have the vault make one, which the next store build then knows."`
	Channel []string   `placeholder:"NAME" help:"A channel to make beside the one that the configuration names, or in its place where that name cannot be one; may be repeated. Without any: production."`
	URL     string     `name:"url" placeholder:"URL" help:"How devices reach the server, such as https://updates.example.com. Without it: as this command does."`
	Write   bool       `xor:"config" help:"Change the configuration in place of printing what to change; the file as it was is kept beside it."`
	DryRun  bool       `help:"Look at all of it, and change nothing."`
	API     APIOptions `embed:""`
}

// Run implements the command.
func (c *capgoImportCmd) Run(ctx context.Context, std *IO) error {
	return runCapgoImport(ctx, std, *c)
}

func (c capgoImportCmd) keyFile() string {
	if c.Key != "" {
		return c.Key
	}
	return filepath.Join(c.Dir, ".capgo_key_v2")
}

// imported is what an import found and made.
type imported struct {
	App    sealift.AppID `json:"app"`
	Steps  []importStep  `json:"steps"`
	Config importConfig  `json:"config"`
	DryRun bool          `json:"dryRun"`
}

type importStep struct {
	What  string `json:"what"` // app, channel, default or key
	Name  string `json:"name"`
	State string `json:"state"`

	make func(context.Context) error // nil for what is there
}

// The states of a step.
const (
	stepFound = "found"
	stepMade  = "made"
	stepToDo  = "to-make"
)

type importConfig struct {
	File    string          `json:"file"`
	Changes []capgo.Setting `json:"changes"`
	Written bool            `json:"written"`
	Backup  string          `json:"backup,omitempty"`
}

func runCapgoImport(ctx context.Context, std *IO, opts capgoImportCmd) error {
	p, err := openCapgoProject(std, opts)
	if err != nil {
		return err
	}
	defer p.private.Clear()
	channels, err := p.channels(std, opts.Channel)
	if err != nil {
		return err
	}
	c, app, err := opts.API.forApp(std, string(p.App))
	if err != nil {
		return err
	}
	i := importer{c: c, p: p, opts: opts, result: imported{App: app, DryRun: opts.DryRun}}
	if err := i.plan(ctx, std, channels); err != nil {
		return err
	}
	base, err := opts.deviceURL(ctx, std)
	if err != nil {
		return err
	}
	if err := i.make(ctx, std); err != nil {
		return err
	}
	if err := i.configure(base); err != nil {
		return err
	}
	return std.Print(i.result, i.report)
}

// channels returns the channels to see to, that of devices without one of their own
// first.
func (p *capgoProject) channels(std *IO, named []string) (all []sealift.Channel, err error) {
	if own := p.Updater.DefaultChannel; own != "" {
		channel, err := sealift.ParseChannel(own)
		switch {
		case err == nil:
			all = append(all, channel)
		case len(named) == 0:
			return nil, sealift.Errorf(sealift.KindInvalid, readProject, "defaultChannel: %w", err).
				WithHint("name one for these devices, who then follow the app's default: sealift capgo import DIR --owner NAME --channel production")
		default:
			std.Warn("there can be no channel %q: devices that are configured with it follow the app's default", own)
		}
	}
	for _, name := range named {
		channel, err := sealift.ParseChannel(name)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(all, channel) {
			all = append(all, channel)
		}
	}
	if len(all) == 0 {
		all = []sealift.Channel{"production"}
	}
	return all, nil
}

// importer takes one project into one installation.
type importer struct {
	c      *apiclient.Client
	p      *capgoProject
	opts   capgoImportCmd
	key    *rsa.PublicKey // that devices are to know
	result imported
}

func (i *importer) step(what, name string, found bool, do func(context.Context) error) {
	s := importStep{What: what, Name: name, State: stepFound}
	if !found {
		s.State, s.make = stepToDo, do
	}
	i.result.Steps = append(i.result.Steps, s)
}

// plan looks at what is there already, and refuses what does not fit it before
// anything is made.
func (i *importer) plan(ctx context.Context, std *IO, channels []sealift.Channel) error {
	app := i.result.App
	_, err := i.c.App(ctx, app)
	there := err == nil
	if err != nil && sealift.KindOf(err) != sealift.KindNotFound {
		return err
	}
	var have []api.Channel
	if there {
		if have, err = i.c.Channels(ctx, app); err != nil {
			return err
		}
	}
	i.step("app", string(app), there, func(ctx context.Context) error {
		_, err := i.c.CreateApp(ctx, api.NewApp{ID: string(app), Kind: "web"})
		return err
	})
	if err := i.planKey(ctx, there); err != nil {
		return err
	}
	for _, name := range channels {
		n := slices.IndexFunc(have, func(c api.Channel) bool { return c.Name == string(name) })
		if n >= 0 && have[n].Settings != nil && have[n].Settings.Archived {
			std.Warn("channel %s is archived: devices that follow it get nothing new", name)
		}
		i.step("channel", string(name), n >= 0, func(ctx context.Context) error {
			_, err := i.c.CreateChannel(ctx, app, name)
			return err
		})
	}
	// One that somebody chose before stays.
	of := slices.IndexFunc(have, func(c api.Channel) bool { return c.Settings != nil && c.Settings.Default })
	name := channels[0]
	if of >= 0 {
		name = sealift.Channel(have[of].Name)
	}
	i.step("default", string(name), of >= 0, func(ctx context.Context) error {
		yes := true
		_, err := i.c.ChangeChannel(ctx, app, name, api.ChannelChange{Default: &yes})
		return err
	})
	return nil
}

// planKey compares the app's key in the vault with the project's.
func (i *importer) planKey(ctx context.Context, there bool) error {
	const op = "bringing the project's key"
	app := i.result.App
	i.key = i.p.public
	name := newCapgoKey{App: string(app)}.name()
	if there {
		k, err := i.c.CapgoKey(ctx, app)
		switch {
		case err == nil:
			public, err := capgo.ParsePublicKey(k.PublicKey)
			if err != nil {
				return err
			}
			if i.p.public != nil && !i.p.public.Equal(public) {
				return sealift.Errorf(sealift.KindConflict, op, "%s has another key already, %s/%d, which devices know as %s; the project's is %s", app, k.ID, k.Version, k.KeyID, capgo.KeyID(i.p.public)).
					WithReason(vault.ReasonAppKeys).
					WithHint("where devices in the field know the project's, end the other one first: sealift key deactivate %s --version %d --reason TEXT", k.ID, k.Version)
			}
			i.key = public
			i.step("key", string(k.ID), true, nil)
			return nil
		case sealift.ReasonOf(err) != vault.ReasonNoAppKey:
			return err
		}
	}
	switch {
	case i.opts.NewKey:
		i.step("key", name, false, i.createKey(name))
	case len(i.p.private.Bytes()) > 0:
		i.step("key", name, false, i.importKey(name))
	case i.p.public != nil:
		return sealift.Errorf(sealift.KindNotFound, op, "%s names a publicKey, and there is no %s", i.p.file, i.opts.keyFile()).WithReason("no-private-key").
			WithHint("name the file that has its private half: sealift capgo import %s --owner NAME --key FILE; where it is lost, only a new store build helps, with a key that sealift capgo import %s --owner NAME --new-key makes", i.opts.Dir, i.opts.Dir)
	default:
		return sealift.Errorf(sealift.KindNotFound, op, "the project has no key: neither %s nor a publicKey", i.opts.keyFile()).WithReason("no-private-key").
			WithHint("have the vault make one, which the next store build knows: sealift capgo import %s --owner NAME --new-key", i.opts.Dir)
	}
	return nil
}

func (i *importer) importKey(name string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := i.c.ImportKey(ctx, api.ImportedKey{ID: name, Purpose: capgoPurpose, App: string(i.result.App), Owner: i.opts.Owner, Pem: i.p.private.Bytes()})
		return err
	}
}

func (i *importer) createKey(name string) func(context.Context) error {
	return func(ctx context.Context) error {
		if _, err := i.c.CreateKey(ctx, api.NewKey{ID: name, Purpose: capgoPurpose, App: string(i.result.App), Owner: i.opts.Owner}); err != nil {
			return err
		}
		k, err := i.c.CapgoKey(ctx, i.result.App)
		if err == nil {
			i.key, err = capgo.ParsePublicKey(k.PublicKey)
		}
		return err
	}
}

// make does what is to do. What was made before something fails stays, and is found
// the next time.
func (i *importer) make(ctx context.Context, std *IO) error {
	if i.opts.DryRun {
		return nil
	}
	for n := range i.result.Steps {
		s := &i.result.Steps[n]
		if s.make == nil {
			continue
		}
		if err := s.make(ctx); err != nil {
			if made := i.made(); made != "" {
				std.Note("made before that, and kept: %s; the same command goes on from there", made)
			}
			return err
		}
		s.State = stepMade
	}
	return nil
}

// made lists what was made so far.
func (i *importer) made() string {
	var names []string
	for _, s := range i.result.Steps {
		if s.State == stepMade {
			names = append(names, s.What+" "+s.Name)
		}
	}
	return strings.Join(names, ", ")
}

// configure says what changes in the configuration, and changes it where it was
// asked to.
func (i *importer) configure(base string) (err error) {
	i.result.Config = importConfig{File: i.p.file, Changes: []capgo.Setting{}}
	public := ""
	if i.key != nil { // but for the one that a dry run did not make
		public = capgo.PublicPEM(i.key)
	}
	u := capacitorConfig(base, public).Plugins.CapacitorUpdater
	i.result.Config.Changes = i.p.Changes(capgo.Updater{UpdateURL: u.UpdateURL, StatsURL: u.StatsURL, ChannelURL: u.ChannelURL, PublicKey: u.PublicKey})
	if !i.opts.Write || i.opts.DryRun || len(i.result.Config.Changes) == 0 {
		return nil
	}
	text, err := i.p.With(i.result.Config.Changes)
	if err != nil {
		return err
	}
	i.result.Config.Backup, err = replaceKept(i.p.file, i.p.text, text)
	i.result.Config.Written = err == nil
	return err
}
