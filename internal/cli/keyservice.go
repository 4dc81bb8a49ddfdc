package cli

import (
	"context"
	"crypto"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/term"
	"github.com/sealift/sealift/internal/vault"
)

// newKey are the flags of a command that makes or brings a service's key.
type newKey struct {
	ID         string        `name:"id" required:"" placeholder:"ID" help:"What to call it, such as shop-ci."`
	App        string        `required:"" placeholder:"ID" help:"The app it signs for: whoever has a token for that app may have it sign."`
	Owner      string        `required:"" placeholder:"NAME" help:"Who answers for it."`
	Label      string        `placeholder:"TEXT" help:"What it is for, in your words."`
	Period     time.Duration `name:"cryptoperiod" placeholder:"DURATION" help:"How long it signs, such as 4380h. Default: what its purpose says."`
	Exportable bool          `help:"Its private half may be taken out later. This is never changed afterwards."`
	API        APIOptions    `embed:""`
}

type keyCreateCmd struct {
	New       newKey `embed:""`
	Purpose   string `required:"" enum:"artifact-signing,capgo-app" placeholder:"PURPOSE" help:"artifact-signing, or capgo-app."`
	Algorithm string `placeholder:"NAME" help:"ecdsa-p256, ecdsa-p384, ed25519 or rsa-4096. Default: ecdsa-p256; for capgo-app rsa-2048."`
	In        string `placeholder:"URI" help:"Make it in a PKCS#11 token that the server reaches, under the label that object names: 'pkcs11:token=NAME;object=LABEL'. It never leaves it, and its next versions are made there."`
}

// Run implements the command.
func (c *keyCreateCmd) Run(ctx context.Context, std *IO) error { return runKeyCreate(ctx, std, *c) }

func runKeyCreate(ctx context.Context, std *IO, opts keyCreateCmd) error {
	if opts.In != "" {
		if err := checkNewKey(opts.In); err != nil {
			return err
		}
	}
	c, err := opts.New.API.client(std)
	if err != nil {
		return err
	}
	k, err := c.CreateKey(ctx, api.NewKey{
		ID: opts.New.ID, Purpose: api.NewKeyPurpose(opts.Purpose), Algorithm: api.NewKeyAlgorithm(opts.Algorithm), App: opts.New.App,
		Owner: opts.New.Owner, Label: opts.New.Label, Cryptoperiod: int64(opts.New.Period / time.Second), Exportable: opts.New.Exportable,
		Token: opts.In,
	})
	if err != nil {
		return err
	}
	return printNewKey(std, k)
}

type keyImportCmd struct {
	New     newKey `embed:""`
	Purpose string `required:"" enum:"capgo-app" placeholder:"PURPOSE" help:"capgo-app: no other permits it."`
	File    string `required:"" placeholder:"FILE" help:"The private key: PEM, PKCS #8 or PKCS #1, not encrypted, readable by you alone."`
}

// Run implements the command.
func (c *keyImportCmd) Run(ctx context.Context, std *IO) error { return runKeyImport(ctx, std, *c) }

func runKeyImport(ctx context.Context, std *IO, opts keyImportCmd) error {
	c, err := opts.New.API.client(std)
	if err != nil {
		return err
	}
	text, err := term.ReadLongSecretFile(opts.File, "private key", sealift.MaxImport)
	if err != nil {
		return err
	}
	defer text.Clear()
	k, err := c.ImportKey(ctx, api.ImportedKey{
		ID: opts.New.ID, Purpose: api.ImportedKeyPurpose(opts.Purpose), App: opts.New.App, Owner: opts.New.Owner, Label: opts.New.Label,
		Cryptoperiod: int64(opts.New.Period / time.Second), Exportable: opts.New.Exportable, Pem: text.Bytes(),
	})
	if err != nil {
		return err
	}
	return printNewKey(std, k)
}

func printNewKey(std *IO, k api.Key) error {
	return std.Print(k, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s/%d is %s: %s on %s, for %s, until %s\n", k.ID, k.Version, k.State, k.Purpose, k.Algorithm, k.App, k.NotAfter.UTC().Format(time.DateOnly))
		if err == nil {
			err = pem.Encode(w, &pem.Block{Type: "PUBLIC KEY", Bytes: k.Spki})
		}
		return err
	})
}

type keyPublicCmd struct {
	Key     string     `arg:"" help:"The key's id."`
	Version uint64     `placeholder:"N" help:"Which version of it. Without it: the active one."`
	API     APIOptions `embed:""`
}

// Run implements the command.
func (c *keyPublicCmd) Run(ctx context.Context, std *IO) error { return runKeyPublic(ctx, std, *c) }

func runKeyPublic(ctx context.Context, std *IO, opts keyPublicCmd) error {
	c, err := opts.API.client(std)
	if err != nil {
		return err
	}
	keys, err := c.Keys(ctx, api.ListKeysParams{ID: opts.Key})
	if err != nil {
		return err
	}
	for _, k := range keys {
		if len(k.Spki) > 0 && (k.Version == opts.Version || opts.Version == 0 && k.State == "active") {
			return std.Print(k, func(w io.Writer) error { return pem.Encode(w, &pem.Block{Type: "PUBLIC KEY", Bytes: k.Spki}) })
		}
	}
	return sealift.Errorf(sealift.KindNotFound, "looking up a key", "there is no such version of a service's key %.80s", opts.Key).WithReason(vault.ReasonUnknownKey).
		WithHint("see the keys there are with: sealift key list")
}

type keyExportCmd struct {
	End keyEnd `embed:""`
	Out string `required:"" placeholder:"FILE" help:"Where to write the private key, readable by you alone. It must not exist yet."`
}

// Run implements the command.
func (c *keyExportCmd) Run(ctx context.Context, std *IO) error { return runKeyExport(ctx, std, *c) }

func runKeyExport(ctx context.Context, std *IO, opts keyExportCmd) (err error) {
	c, err := opts.End.API.client(std)
	if err != nil {
		return err
	}
	// The file first: a key that cannot be kept should not leave the vault.
	out, err := newSecretFile(opts.Out)
	if err != nil {
		return err
	}
	defer func() { err = closeSecretFile(out, err) }()
	key, err := c.ExportKey(ctx, api.KeyExport{ID: opts.End.Key, Version: opts.End.Version, Reason: opts.End.Reason})
	if err != nil {
		return err
	}
	defer clear(key.Pem)
	if _, err := out.Write(key.Pem); err != nil {
		return sealift.Errorf(sealift.KindExhausted, "writing the private key", "%w", err)
	}
	if err := out.Sync(); err != nil {
		return sealift.Errorf(sealift.KindExhausted, "writing the private key", "%w", err)
	}
	return std.Print(map[string]any{"file": opts.Out}, Println("%s/%d is in %s; whoever reads it can sign with it", opts.End.Key, opts.End.Version, opts.Out))
}

type keySignCmd struct {
	Key     string     `arg:"" help:"The key's id."`
	App     string     `required:"" placeholder:"ID" help:"The app that the key is for."`
	File    string     `required:"" placeholder:"FILE" help:"What to sign. It is hashed here, and its digest alone is sent, but to an Ed25519 key the whole of it."`
	Hash    string     `enum:"sha256,sha384,sha512,none" default:"sha256" placeholder:"NAME" help:"sha256, sha384 or sha512; none for an Ed25519 key, which signs the file itself."`
	Padding string     `enum:"pss,pkcs1v15" default:"pss" placeholder:"NAME" help:"Of an RSA key: pss or pkcs1v15."`
	Out     string     `placeholder:"FILE" help:"Where to write the signature's bytes. Without it: base64 to stdout."`
	API     APIOptions `embed:""`
}

// Run implements the command.
func (c *keySignCmd) Run(ctx context.Context, std *IO) error { return runKeySign(ctx, std, *c) }

func runKeySign(ctx context.Context, std *IO, opts keySignCmd) error {
	c, app, err := opts.API.forApp(std, opts.App)
	if err != nil {
		return err
	}
	var what api.SigningRequest
	if opts.Padding != "pss" {
		what.Padding = api.SigningRequestPadding(opts.Padding)
	}
	if opts.Hash == "none" {
		what.Message, err = readBounded(opts.File, "what to sign", sealift.MaxSignedMessage, "have it signed by its digest, with a key that is not Ed25519")
	} else {
		what.Hash = api.SigningRequestHash(opts.Hash)
		what.Digest, err = hashFile(opts.File, map[string]crypto.Hash{"sha256": crypto.SHA256, "sha384": crypto.SHA384, "sha512": crypto.SHA512}[opts.Hash])
	}
	if err != nil {
		return err
	}
	s, err := c.SignWithKey(ctx, app, opts.Key, what)
	if err != nil {
		return err
	}
	if opts.Out != "" {
		if err := os.WriteFile(opts.Out, s.Signature, 0o644); err != nil {
			return sealift.Errorf(sealift.KindInvalid, "writing the signature", "%w", err).WithHint("choose an --out that you may write to")
		}
		return std.Print(s, Println("signed by %s/%d, entry %d of the log: %s", opts.Key, s.Version, s.Entry, opts.Out))
	}
	return std.Print(s, Println("%s", base64.StdEncoding.EncodeToString(s.Signature)))
}

// hashFile hashes a file of any size.
func hashFile(name string, hash crypto.Hash) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInvalid, "reading what to sign", "%w", err).WithHint("name a file that you may read with --file")
	}
	defer f.Close()
	h := hash.New()
	if _, err := io.Copy(h, f); err != nil {
		return nil, sealift.Errorf(sealift.KindInvalid, "reading what to sign", "%w", err)
	}
	return h.Sum(nil), nil
}
