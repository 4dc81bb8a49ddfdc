package cli

import (
	"context"
	"fmt"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/apiclient"
	"github.com/sealift/sealift/internal/installation"
	"github.com/sealift/sealift/internal/term"
)

type vaultUnsealCmd struct {
	ShareFile   []string          `name:"share-file" placeholder:"FILE" help:"File with your share, readable by you only. Without it, or a passphrase: a prompt."`
	Reset       bool              `help:"Have the shares forgotten that were given so far, and show yours for it."`
	API         APIOptions        `embed:""`
	Passphrases PassphraseOptions `embed:""`
}

// Run implements the command.
func (c *vaultUnsealCmd) Run(ctx context.Context, std *IO) error { return runVaultUnseal(ctx, std, *c) }

func runVaultUnseal(ctx context.Context, std *IO, opts vaultUnsealCmd) error {
	if err := opts.Passphrases.Check(installation.VaultKey); err != nil {
		return err
	}
	client, err := opts.API.unsigned(std)
	if err != nil {
		return err
	}
	status, err := client.Status(ctx)
	if err != nil {
		return err
	}
	if opts.Reset {
		return opts.reset(ctx, std, client)
	}
	if !status.Sealed {
		return std.Print(map[string]any{"sealed": false}, Println("the vault is open; nothing was given"))
	}
	var so api.UnsealProgress
	for _, path := range opts.ShareFile {
		if so, err = opts.giveFile(ctx, client, path); err != nil {
			return err
		}
		if !so.Sealed {
			break
		}
	}
	if len(opts.ShareFile) == 0 {
		if so, err = opts.give(ctx, std, client, status.Unseal); err != nil {
			return err
		}
	}
	return std.Print(so, Println("%s", progressed(so)))
}

// giveFile gives the share in a file.
func (c vaultUnsealCmd) giveFile(ctx context.Context, client *apiclient.Client, path string) (api.UnsealProgress, error) {
	if _, err := readShare(path); err != nil { // a typing error need not travel
		return api.UnsealProgress{}, err
	}
	text, err := term.ReadSecretFile(path, "share")
	if err != nil {
		return api.UnsealProgress{}, err
	}
	defer text.Clear()
	return client.Unseal(ctx, string(text.Bytes()))
}

// give gives a passphrase, a recovery key or a share: the file that was named, or
// what a person types.
func (c vaultUnsealCmd) give(ctx context.Context, std *IO, client *apiclient.Client, way api.SealWay) (api.UnsealProgress, error) {
	secret, err := c.read(ctx, std, way)
	if err != nil {
		return api.UnsealProgress{}, err
	}
	defer secret.Clear()
	return client.Unseal(ctx, string(secret.Bytes()))
}

func (c vaultUnsealCmd) read(ctx context.Context, std *IO, way api.SealWay) (term.Secret, error) {
	_, named := c.Passphrases.PassphraseFile[installation.VaultKey]
	if named || way.Threshold == 0 {
		return c.Passphrases.Read(ctx, std, PassphraseUse{Key: installation.VaultKey, Shared: true})
	}
	if !term.IsTerminal(std.In) {
		return term.Secret{}, sealift.Errorf(sealift.KindInvalid, "reading your share", "none was given, and there is no terminal to ask on").
			WithHint("name its file: --share-file FILE")
	}
	return term.Prompt(ctx, std.In, std.Err, fmt.Sprintf("your share of set %s (%d of %d are given): ", way.Set, way.Given, way.Threshold))
}

func (c vaultUnsealCmd) reset(ctx context.Context, std *IO, client *apiclient.Client) error {
	if len(c.ShareFile) != 1 {
		return usage("a reset wants one share").WithHint("show yours: --reset --share-file FILE")
	}
	if _, err := readShare(c.ShareFile[0]); err != nil {
		return err
	}
	text, err := term.ReadSecretFile(c.ShareFile[0], "share")
	if err != nil {
		return err
	}
	defer text.Clear()
	if err := client.ResetUnseal(ctx, string(text.Bytes())); err != nil {
		return err
	}
	return std.Print(map[string]any{"reset": true}, Println("what was given is forgotten"))
}

// progressed says how far it has come.
func progressed(so api.UnsealProgress) string {
	if !so.Sealed {
		return "the vault is open"
	}
	return fmt.Sprintf("taken: %d of the %d shares that are needed are there; the others have %d minutes from now", so.Given, so.Threshold, int(sealift.ShareLife.Minutes()))
}

type vaultSealCmd struct {
	API APIOptions `embed:""`
}

// Run implements the command.
func (c *vaultSealCmd) Run(ctx context.Context, std *IO) error { return runVaultSeal(ctx, std, *c) }

func runVaultSeal(ctx context.Context, std *IO, opts vaultSealCmd) error {
	server, err := opts.API.Open(std)
	if err != nil {
		return err
	}
	client, err := apiclient.New(server.Base.String(), server)
	if err != nil {
		return err
	}
	if err := client.Seal(ctx); err != nil {
		return err
	}
	return std.Print(map[string]any{"sealed": true},
		Println("sealed: nothing is signed and nobody is signed in until it is unsealed with sealift vault unseal\n  devices go on until the timestamp ends; sealift doctor says when"))
}
