package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/config"
	"github.com/sealift/sealift/internal/control/api"
	edgecapgo "github.com/sealift/sealift/internal/edge/capgo"
	"github.com/sealift/sealift/internal/term"
)

type capgoCmd struct {
	Import  capgoImportCmd  `cmd:"" help:"Take over a project that has the plugin: its app, channels and key."`
	Key     capgoKeyCmd     `cmd:"" help:"Make, bring and show the key that an app's devices know."`
	Devices capgoDevicesCmd `cmd:"" help:"List the devices of an app that have Capgo's plugin, by their own word."`
}

type capgoKeyCmd struct {
	Create capgoKeyCreateCmd `cmd:"" help:"Make the key of an app, in the vault."`
	Import capgoKeyImportCmd `cmd:"" help:"Bring the key whose public half is in the field already."`
	Public capgoKeyPublicCmd `cmd:"" help:"Print the public key, for the app's store build."`
}

// newCapgoKey are the flags of a command that makes or brings an app's key.
type newCapgoKey struct {
	App   string     `required:"" placeholder:"ID" help:"The app."`
	Owner string     `required:"" placeholder:"NAME" help:"Who answers for the key."`
	ID    string     `name:"id" placeholder:"ID" help:"What to call it in the vault. Default: capgo. and the app's id."`
	API   APIOptions `embed:""`
}

// name is what the key is called.
func (n newCapgoKey) name() string {
	if n.ID != "" {
		return n.ID
	}
	return "capgo." + strings.ToLower(n.App)
}

const capgoPurpose = "capgo-app"

type capgoKeyCreateCmd struct {
	New newCapgoKey `embed:""`
}

// Run implements the command.
func (c *capgoKeyCreateCmd) Run(ctx context.Context, std *IO) error {
	return runCapgoKeyCreate(ctx, std, *c)
}

func runCapgoKeyCreate(ctx context.Context, std *IO, opts capgoKeyCreateCmd) error {
	c, app, err := opts.New.API.forApp(std, opts.New.App)
	if err != nil {
		return err
	}
	made, err := c.CreateKey(ctx, api.NewKey{ID: opts.New.name(), Purpose: capgoPurpose, App: string(app), Owner: opts.New.Owner})
	if err != nil {
		return err
	}
	return printNewCapgoKey(ctx, std, c, app, made)
}

type capgoKeyImportCmd struct {
	New  newCapgoKey `embed:""`
	File string      `required:"" placeholder:"FILE" help:"The private key with which Capgo's own program encrypted until now, such as .capgo_key_v2: PEM, RSA-2048, readable by you alone; - for stdin."`
}

// Run implements the command.
func (c *capgoKeyImportCmd) Run(ctx context.Context, std *IO) error {
	return runCapgoKeyImport(ctx, std, *c)
}

func runCapgoKeyImport(ctx context.Context, std *IO, opts capgoKeyImportCmd) error {
	c, app, err := opts.New.API.forApp(std, opts.New.App)
	if err != nil {
		return err
	}
	text, err := readPrivateKey(std, opts.File)
	if err != nil {
		return err
	}
	defer text.Clear()
	made, err := c.ImportKey(ctx, api.ImportedKey{ID: opts.New.name(), Purpose: capgoPurpose, App: string(app), Owner: opts.New.Owner, Pem: text.Bytes()})
	if err != nil {
		return err
	}
	return printNewCapgoKey(ctx, std, c, app, made)
}

// readPrivateKey reads a file that nobody else may read, or stdin for "-".
func readPrivateKey(std *IO, file string) (term.Secret, error) {
	if file != "-" {
		return term.ReadLongSecretFile(file, "private key", sealift.MaxImport)
	}
	text, err := io.ReadAll(io.LimitReader(std.In, sealift.MaxImport+1))
	if err != nil || len(text) == 0 || len(text) > sealift.MaxImport {
		clear(text)
		return term.Secret{}, sealift.Errorf(sealift.KindInvalid, "reading private key", "stdin yields %d bytes; 1 to %d are allowed", len(text), sealift.MaxImport).
			WithHint("redirect the file: sealift capgo key import --app ID --owner NAME --file - < .capgo_key_v2")
	}
	return term.NewSecret(text), nil
}

// capgoKeys is what reads an app's public key.
type capgoKeys interface {
	CapgoKey(ctx context.Context, app sealift.AppID) (api.CapgoKey, error)
}

func printNewCapgoKey(ctx context.Context, std *IO, c capgoKeys, app sealift.AppID, made api.Key) error {
	k, err := c.CapgoKey(ctx, app)
	if err != nil {
		return err
	}
	return std.Print(k, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s/%d is %s until %s; devices know it as %s\nput it into the next store build: sealift capgo key public --app %s --config\n%s",
			made.ID, made.Version, made.State, made.NotAfter.UTC().Format(time.DateOnly), k.KeyID, app, k.PublicKey)
		return err
	})
}

type capgoKeyPublicCmd struct {
	App    string     `required:"" placeholder:"ID" help:"The app."`
	Config bool       `help:"Print the block for capacitor.config.json that holds it."`
	URL    string     `name:"url" placeholder:"URL" help:"With --config: how devices reach the server, such as https://updates.example.com; the block then says so, too."`
	API    APIOptions `embed:""`
}

// Run implements the command.
func (c *capgoKeyPublicCmd) Run(ctx context.Context, std *IO) error {
	return runCapgoKeyPublic(ctx, std, *c)
}

func runCapgoKeyPublic(ctx context.Context, std *IO, opts capgoKeyPublicCmd) error {
	if opts.URL != "" && !opts.Config {
		return usage("--url goes with --config")
	}
	base, err := reachedBy(opts.URL)
	if err != nil {
		return err
	}
	c, app, err := opts.API.forApp(std, opts.App)
	if err != nil {
		return err
	}
	k, err := c.CapgoKey(ctx, app)
	if err != nil {
		return err
	}
	if !opts.Config {
		return std.Print(k, func(w io.Writer) error { _, err := io.WriteString(w, k.PublicKey); return err })
	}
	block := capacitorConfig(base, k.PublicKey)
	return std.Print(block, func(w io.Writer) error {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(block)
	})
}

// reachedBy reads the --url by which devices reach a server.
func reachedBy(text string) (string, error) {
	base, err := config.ParseBase("--url", text)
	var wrong *sealift.Error
	if errors.As(err, &wrong) {
		said := *wrong
		said.Op = "reading the command line"
		return "", &said
	}
	return base, err
}

// capacitor is what capacitor.config.json says of Capgo's plugin.
type capacitor struct {
	Plugins struct {
		CapacitorUpdater struct {
			UpdateURL  string `json:"updateUrl,omitempty"`
			StatsURL   string `json:"statsUrl,omitempty"`
			ChannelURL string `json:"channelUrl,omitempty"`
			PublicKey  string `json:"publicKey,omitempty"`
		} `json:"CapacitorUpdater"`
	} `json:"plugins"`
}

// capacitorConfig is the block for a server, if base says which, and a key.
func capacitorConfig(base, publicKey string) (c capacitor) {
	u := &c.Plugins.CapacitorUpdater
	u.PublicKey = publicKey
	if base != "" {
		base += edgecapgo.Prefix
		u.UpdateURL, u.StatsURL, u.ChannelURL = base+"updates", base+"stats", base+"channel_self"
	}
	return c
}
