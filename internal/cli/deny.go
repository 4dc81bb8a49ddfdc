package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/apiclient"
)

type denyCmd struct {
	List  denyListCmd `cmd:"" help:"List what devices refuse at once."`
	Floor floorSetCmd `cmd:"" help:"The same as: sealift floor set."`
	CA    denyCACmd   `cmd:"" name:"ca" help:"Let devices refuse all that a release CA certified."`
	Lift  denyLiftCmd `cmd:"" help:"Take one back that people have not confirmed."`
}

type denyListCmd struct {
	All bool       `help:"Also those that people confirmed or somebody took back."`
	API APIOptions `embed:""`
}

// Run implements the command.
func (c *denyListCmd) Run(ctx context.Context, std *IO) error { return runDenyList(ctx, std, *c) }

func runDenyList(ctx context.Context, std *IO, opts denyListCmd) error {
	c, err := opts.API.client(std)
	if err != nil {
		return err
	}
	all, err := c.Denials(ctx)
	if err != nil {
		return err
	}
	shown := []api.Denial{}
	var rows [][]string
	for _, d := range all {
		if d.Forged {
			std.Warn("denial %s was not written by the vault: somebody changed the database", d.ID)
		}
		if d.State != api.DenialStateActive && !opts.All {
			continue
		}
		shown = append(shown, d)
		rows = append(rows, []string{d.ID, string(d.Kind), deniedBy(d), string(d.State), d.Created.UTC().Format(time.DateOnly), d.Creator, d.Reason})
	}
	return std.Print(map[string]any{"denials": shown}, Table([]string{"DENIAL", "KIND", "WHAT", "STATE", "SINCE", "BY", "REASON"}, rows))
}

// deniedBy says what a denial refuses.
func deniedBy(d api.Denial) string {
	switch d.Kind {
	case api.DenialKindRelease:
		return fmt.Sprintf("%s %s (counter %d)", d.App, d.Version, d.Counter)
	case api.DenialKindCa:
		return "CA " + d.Issuer[:min(12, len(d.Issuer))]
	}
	return d.App + " under " + floorOf(d.Counter, d.Version)
}

// floorOf writes a floor for people.
func floorOf(counter uint64, version string) string {
	var parts []string
	if version != "" {
		parts = append(parts, "version "+version)
	}
	if counter > 0 {
		parts = append(parts, fmt.Sprintf("counter %d", counter))
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, " and ")
}

type denyCACmd struct {
	CA     string     `arg:"" help:"The CA: its key and version, such as release-ca/1, or the SHA-256 of its public key."`
	Reason string     `required:"" placeholder:"TEXT" help:"Why, in your words, for the log."`
	API    APIOptions `embed:""`
}

// Run implements the command.
func (c *denyCACmd) Run(ctx context.Context, std *IO) error { return runDenyCA(ctx, std, *c) }

func runDenyCA(ctx context.Context, std *IO, opts denyCACmd) error {
	c, err := opts.API.client(std)
	if err != nil {
		return err
	}
	issuer, err := issuerNamed(ctx, c, opts.CA)
	if err != nil {
		return err
	}
	return runDeny(ctx, std, opts.API, api.NewDenial{Kind: api.DenialKindCa, Issuer: issuer, Reason: opts.Reason})
}

// issuerNamed finds the CA that a person names.
func issuerNamed(ctx context.Context, c *apiclient.Client, name string) (string, error) {
	if digest, err := sealift.ParseDigest(name); err == nil {
		return digest.String(), nil
	}
	id, text, _ := strings.Cut(name, "/")
	version, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return "", usage("%q is neither a key with its version nor a SHA-256", name).WithHint("see the CAs with: sealift key list --purpose release-ca")
	}
	keys, err := c.Keys(ctx, api.ListKeysParams{ID: id, Purpose: "release-ca"})
	if err != nil {
		return "", err
	}
	for _, k := range keys {
		if k.Version == version {
			return k.Public, nil
		}
	}
	return "", sealift.Errorf(sealift.KindNotFound, "finding the CA", "there is no release CA %s", name).WithReason("ca").
		WithHint("see the CAs with: sealift key list --purpose release-ca")
}

func runDeny(ctx context.Context, std *IO, options APIOptions, want api.NewDenial) error {
	c, err := options.client(std)
	if err != nil {
		return err
	}
	d, err := c.Deny(ctx, want)
	if err != nil {
		return err
	}
	return std.Print(d, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "devices refuse %s from their next check on (denial %s)\n  confirm it in the next ceremony: sealift trust propose --confirm-denials\n", deniedBy(d), d.ID)
		return err
	})
}

type denyLiftCmd struct {
	Denial string     `arg:"" help:"Its id, as sealift deny list shows it."`
	Reason string     `required:"" placeholder:"TEXT" help:"Why, in your words, for the log."`
	API    APIOptions `embed:""`
}

// Run implements the command.
func (c *denyLiftCmd) Run(ctx context.Context, std *IO) error { return runDenyLift(ctx, std, *c) }

func runDenyLift(ctx context.Context, std *IO, opts denyLiftCmd) error {
	c, err := opts.API.client(std)
	if err != nil {
		return err
	}
	d, err := c.LiftDenial(ctx, opts.Denial, opts.Reason)
	if err != nil {
		return err
	}
	return std.Print(d, Println("devices take %s again from their next check on", deniedBy(d)))
}

type releaseRevokeCmd struct {
	Release  string     `arg:"" help:"Its version, counter, or the SHA-256 of its release.json."`
	App      string     `required:"" placeholder:"ID" help:"The app."`
	Channel  string     `placeholder:"NAME" help:"The channel, where a version is in several."`
	Platform string     `placeholder:"P" help:"The platform, where a version is on several."`
	Reason   string     `required:"" placeholder:"TEXT" help:"Why, in your words, for the log."`
	API      APIOptions `embed:""`
}

// Run implements the command.
func (c *releaseRevokeCmd) Run(ctx context.Context, std *IO) error {
	return runReleaseRevoke(ctx, std, *c)
}

func runReleaseRevoke(ctx context.Context, std *IO, opts releaseRevokeCmd) error {
	c, app, err := opts.API.forApp(std, opts.App)
	if err != nil {
		return err
	}
	found, err := c.Release(ctx, app, opts.Release, api.GetReleaseParams{Channel: opts.Channel, Platform: opts.Platform})
	if err != nil {
		return err
	}
	return runDeny(ctx, std, opts.API, api.NewDenial{Kind: api.DenialKindRelease, App: opts.App, Release: found.Release.SHA256, Reason: opts.Reason})
}
