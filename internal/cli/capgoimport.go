package cli

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/capgo"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/apiclient"
	"github.com/sealift/sealift/internal/term"
)

type capgoImportCmd struct {
	Dir     string     `arg:"" help:"The project's folder, in which capacitor.config.json and .capgo_key_v2 are."`
	Owner   string     `required:"" placeholder:"NAME" help:"Who answers for the app's key."`
	URL     string     `name:"url" required:"" placeholder:"URL" help:"How devices will reach the server, such as https://updates.example.com."`
	Channel string     `placeholder:"NAME" help:"The channel that devices follow. Default: the project's defaultChannel; without one, production."`
	API     APIOptions `embed:""`
}

// Run implements the command.
func (c *capgoImportCmd) Run(ctx context.Context, std *IO) error {
	return runCapgoImport(ctx, std, *c)
}

// capgoProject is what a project says that has Capgo's plugin.
type capgoProject struct {
	app       sealift.AppID
	channel   sealift.Channel
	publicKey string      // as PublicPEM writes it; "" where there is none
	private   term.Secret // PEM; nothing where there is none
}

// imported is what an import came to.
type imported struct {
	App     string    `json:"app"`
	Channel string    `json:"channel"`
	KeyID   string    `json:"keyId,omitempty"`
	Made    []string  `json:"made"` // of app, channel, default and key, what was not there before
	Config  capacitor `json:"config"`
}

func runCapgoImport(ctx context.Context, std *IO, opts capgoImportCmd) error {
	base, err := reachedBy(opts.URL)
	if err != nil {
		return err
	}
	p, err := readCapgoProject(opts.Dir, opts.Channel)
	if err != nil {
		return err
	}
	defer p.private.Clear()
	c, err := opts.API.client(std)
	if err != nil {
		return err
	}
	out := imported{App: string(p.app), Channel: string(p.channel), Made: []string{}}
	if err := out.line(ctx, c, p); err != nil {
		return err
	}
	if p.publicKey == "" {
		std.Warn("the project has no key, and its devices cannot read what is published here: make one with sealift capgo key create --app %s --owner %s, and a store build that has it", p.app, opts.Owner)
	} else if err := out.key(ctx, c, p, opts.Owner); err != nil {
		return err
	}
	out.Config = capacitorConfig(base, p.publicKey)
	return std.Print(out, out.write)
}

// line makes the app and the channel, and the channel the default, where they are not.
func (o *imported) line(ctx context.Context, c *apiclient.Client, p capgoProject) error {
	_, err := c.App(ctx, p.app)
	if sealift.KindOf(err) == sealift.KindNotFound {
		_, err = c.CreateApp(ctx, api.NewApp{ID: string(p.app), Kind: "web"})
		o.Made = append(o.Made, "app")
	}
	if err != nil {
		return err
	}
	channels, err := c.Channels(ctx, p.app)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(channels, func(ch api.Channel) bool { return ch.Name == string(p.channel) })
	if i < 0 {
		if _, err := c.CreateChannel(ctx, p.app, p.channel); err != nil {
			return err
		}
		o.Made = append(o.Made, "channel")
	}
	if slices.ContainsFunc(channels, func(ch api.Channel) bool { return ch.Settings != nil && ch.Settings.Default }) {
		return nil // somebody decided already
	}
	yes := true
	_, err = c.ChangeChannel(ctx, p.app, p.channel, api.ChannelChange{Default: &yes})
	o.Made = append(o.Made, "default")
	return err
}

// key brings the project's key, unless it is there.
func (o *imported) key(ctx context.Context, c *apiclient.Client, p capgoProject, owner string) error {
	k, err := c.CapgoKey(ctx, p.app)
	if sealift.KindOf(err) == sealift.KindNotFound {
		want := newCapgoKey{App: string(p.app)}
		if _, err = c.ImportKey(ctx, api.ImportedKey{ID: want.name(), Purpose: capgoPurpose, App: string(p.app), Owner: owner, Pem: p.private.Bytes()}); err != nil {
			return err
		}
		o.Made = append(o.Made, "key")
		k, err = c.CapgoKey(ctx, p.app)
	}
	if err == nil && k.PublicKey != p.publicKey {
		err = sealift.Errorf(sealift.KindConflict, importOp, "the vault has another key of %s, which devices know as %s", p.app, k.KeyID).WithReason("capgo-keys").
			WithHint("deactivate it if no store build has it: sealift key deactivate %s --reason TEXT", k.ID)
	}
	o.KeyID = k.KeyID
	return err
}

const importOp = "reading the project"

// readCapgoProject reads and checks all of it, before anything is made.
func readCapgoProject(dir, channel string) (p capgoProject, err error) {
	hint := "name the project's folder; where its settings are in capacitor.config.ts, write what that exports as capacitor.config.json"
	text, err := readBounded(filepath.Join(dir, "capacitor.config.json"), "the project's settings", sealift.MaxAPIBody, hint)
	if err != nil {
		return p, err
	}
	var settings struct {
		AppID   string `json:"appId"`
		Plugins struct {
			CapacitorUpdater struct {
				DefaultChannel string `json:"defaultChannel"`
				PublicKey      string `json:"publicKey"`
			}
		} `json:"plugins"`
	}
	if err := json.Unmarshal(text, &settings); err != nil {
		return p, sealift.Errorf(sealift.KindInvalid, importOp, "capacitor.config.json: %w", err).WithHint("%s", hint)
	}
	if p.app, err = sealift.ParseAppID(settings.AppID); err != nil {
		return p, err
	}
	updater := settings.Plugins.CapacitorUpdater
	for _, name := range []string{"production", updater.DefaultChannel, channel} {
		if name != "" {
			channel = name
		}
	}
	if p.channel, err = sealift.ParseChannel(channel); err != nil {
		return p, err
	}
	if strings.TrimSpace(updater.PublicKey) == "" {
		return p, nil
	}
	return p, p.readKey(dir, updater.PublicKey)
}

// readKey reads the private key, which must be that of the project's public one.
func (p *capgoProject) readKey(dir, public string) error {
	name := filepath.Join(dir, ".capgo_key_v2")
	if _, err := os.Stat(name); errors.Is(err, os.ErrNotExist) {
		return sealift.Errorf(sealift.KindNotFound, importOp, "its devices know a key, and there is no %s", name).WithReason("capgo-key").
			WithHint("copy it there from whoever encrypts bundles until now: the devices take no other")
	}
	var err error
	if p.private, err = term.ReadLongSecretFile(name, "private key", sealift.MaxImport); err != nil {
		return err
	}
	key := publicOf(p.private.Bytes())
	if key == nil { // and no more, since the cause may quote it
		return sealift.Errorf(sealift.KindInvalid, importOp, "%s holds no private key", name).WithHint("it has one PEM block, BEGIN RSA PRIVATE KEY")
	}
	if err := capgo.CheckKey(key); err != nil {
		return err
	}
	if !samePublic(key, public) {
		return sealift.Errorf(sealift.KindInvalid, importOp, "%s is not the key that capacitor.config.json has the public half of", name).
			WithHint("bring the one that the devices in the field know")
	}
	p.publicKey = capgo.PublicPEM(key)
	return nil
}

// publicOf returns the public half of an RSA key in PEM, PKCS #1 or PKCS #8; nil for
// anything else.
func publicOf(text []byte) *rsa.PublicKey {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil
	}
	defer clear(block.Bytes)
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return &key.PublicKey
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if key, ok := key.(*rsa.PrivateKey); ok && err == nil {
		return &key.PublicKey
	}
	return nil
}

func samePublic(key *rsa.PublicKey, text string) bool {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return false
	}
	other, err := x509.ParsePKCS1PublicKey(block.Bytes)
	return err == nil && key.Equal(other)
}

// write says what was made, and what is to change.
func (o imported) write(w io.Writer) error {
	text := "nothing: all of it was there"
	if len(o.Made) > 0 {
		text = strings.Join(o.Made, ", ")
	}
	key := "none"
	if o.KeyID != "" {
		key = "devices know it as " + o.KeyID
	}
	if _, err := fmt.Fprintf(w, "app      %s\nchannel  %s\nkey      %s\nmade     %s\nnext, for the next store build, in capacitor.config.json:\n", o.App, o.Channel, key, text); err != nil {
		return err
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	if err := enc.Encode(o.Config); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "then: sealift publish DIR --app %s --channel %s --platform android --version V --capgo\n", o.App, o.Channel)
	return err
}
