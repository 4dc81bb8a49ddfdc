package cli

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/bundle"
	"github.com/sealift/sealift/internal/ceremony"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/apiclient"
	"github.com/sealift/sealift/internal/term"
	"github.com/sealift/sealift/trust"
)

type cosignCmd struct {
	Keygen cosignKeygenCmd `cmd:"" help:"Make a co-signer's key, for trust.json to name."`
	Show   cosignShowCmd   `cmd:"" help:"Show what exactly a co-signature of a waiting release would sign."`
	Sign   cosignSignCmd   `cmd:"" help:"Co-sign a waiting release that you built, too."`
}

// cosignKey is the name of a co-signer's key in --passphrase-file.
const cosignKey = "cosign"

type cosignKeygenCmd struct {
	Out         string            `required:"" placeholder:"FILE" help:"Write the key there, under its passphrase, and its public half to FILE.pub. Neither may exist."`
	Algorithm   string            `default:"ed25519" enum:"ed25519,ecdsa-p256" placeholder:"A" help:"ed25519 or ecdsa-p256; in a token it is ecdsa-p256."`
	In          string            `name:"in" placeholder:"URI" help:"Make it in a PKCS#11 token, which it never leaves: 'pkcs11:token=NAME;object=LABEL'. Then only FILE.pub is written."`
	Reach       PKCS11Options     `embed:""`
	Passphrases PassphraseOptions `embed:""`
}

// Run implements the command.
func (c *cosignKeygenCmd) Run(ctx context.Context, std *IO) error {
	return runCosignKeygen(ctx, std, *c)
}

func runCosignKeygen(ctx context.Context, std *IO, opts cosignKeygenCmd) error {
	if err := opts.Passphrases.Check(cosignKey); err != nil {
		return err
	}
	pub, place, err := opts.make(ctx, std)
	if err != nil {
		return err
	}
	id, err := trust.KeyID(pub)
	if err != nil {
		return err
	}
	alg, err := trust.AlgorithmOf(pub)
	if err != nil {
		return err
	}
	return std.Print(map[string]any{"key": place, "public": opts.Out + ".pub", "id": id, "algorithm": alg}, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "co-signer %s\n  key     %s  (keep it away from the server, and from its passphrase or PIN)\n  public  %s.pub\n"+
			"\nNext, whoever holds the targets keys:\n  sealift trust propose --keys DIR --cosigner APP=%s.pub --cosigners-needed APP=1\n", id, place, opts.Out, opts.Out)
		return err
	})
}

// make makes the key where it is wanted, and says how --key names it.
func (c cosignKeygenCmd) make(ctx context.Context, std *IO) (pub crypto.PublicKey, place string, err error) {
	if c.In == "" {
		phrases := newPhrases(ctx, std, c.Passphrases, true)
		defer phrases.clear()
		passphrase, err := phrases.get(cosignKey, true)
		if err != nil {
			return nil, "", err
		}
		algorithm := trust.Ed25519
		if c.Algorithm == "ecdsa-p256" {
			algorithm = trust.ECDSAP256SHA256
		}
		pub, err = ceremony.NewKeyFile(c.Out, algorithm, passphrase)
		return pub, c.Out, err
	}
	if err := checkNewKey(c.In); err != nil {
		return nil, "", err
	}
	if err := ceremony.CheckNew(c.Out + ".pub"); err != nil { // before a key is made that nobody could name
		return nil, "", err
	}
	tokens, err := c.Reach.Tokens(std, c.In)
	if err != nil {
		return nil, "", err
	}
	defer func() { err = errors.Join(err, tokens.Close()) }()
	made, err := tokens.Generate(ctx, c.In, "ecdsa-p256")
	if err != nil {
		return nil, "", err
	}
	key, err := tokens.Signer(ctx, made.URI)
	if err != nil {
		return nil, "", err
	}
	return key.Public(), made.URI, ceremony.WritePublicKey(c.Out+".pub", key.Public())
}

// waitingDraft are the flags that name a release that waits.
type waitingDraft struct {
	Draft   string     `arg:"" help:"The draft, version or counter, as sealift release pending shows it."`
	App     string     `required:"" placeholder:"ID" help:"The app."`
	Bundle  string     `placeholder:"FOLDER" xor:"built" help:"What you built from the same sources: its archive must be the one that is signed."`
	Archive string     `placeholder:"SHA256" xor:"built" help:"The SHA-256 of the archive that you built elsewhere, as cosign show --bundle prints it there."`
	API     APIOptions `embed:""`
}

// draftPayload is a draft with what its envelope says, read and held to what the
// server says of it.
type draftPayload struct {
	draft   api.DraftDetail
	signed  *trust.SignedPayload
	release *trust.Release
}

const readingDraft = "reading what waits"

// fetch gets the draft. What is shown and signed is read from the payload; a
// server that says otherwise of it is refused.
func (w waitingDraft) fetch(ctx context.Context, c *apiclient.Client) (p draftPayload, err error) {
	app, err := sealift.ParseAppID(w.App)
	if err != nil {
		return p, err
	}
	id, err := w.find(ctx, c, app)
	if err != nil {
		return p, err
	}
	if p.draft, err = c.Draft(ctx, app, id); err != nil {
		return p, err
	}
	if p.draft.State != api.DraftStateSubmitted {
		return p, sealift.Errorf(sealift.KindConflict, readingDraft, "draft %s is %s, and waits for nobody", id, p.draft.State).WithReason("draft").
			WithHint("see which wait: sealift release pending --app %s", app)
	}
	if p.signed, err = trust.ParseReleaseEnvelope(p.draft.Envelope); err != nil {
		return p, err
	}
	if p.release, err = trust.ParseRelease(p.signed.Payload); err != nil {
		return p, sealift.Errorf(sealift.KindSignature, readingDraft, "%w", err).WithReason("payload")
	}
	d, r := p.draft, p.release
	said := fmt.Sprint(d.App, d.Channel, d.Platform, d.Runtime, d.Version, d.Counter, d.Act, d.Payload)
	is := fmt.Sprint(r.App, r.Channel, r.Platform, r.Runtime, r.Version, r.Counter, r.Act, sealift.DigestOf(p.signed.Payload))
	if said != is || r.App != app {
		return p, sealift.Errorf(sealift.KindSignature, readingDraft, "the payload is not what the server says of it: %s, not %s", is, said).WithReason("payload").
			WithHint("do not sign it; find out who changes the server's data")
	}
	return p, nil
}

// find returns the id of the draft that a person names.
func (w waitingDraft) find(ctx context.Context, c *apiclient.Client, app sealift.AppID) (string, error) {
	drafts, err := c.Drafts(ctx, app)
	if err != nil {
		return "", err
	}
	var found []string
	for _, d := range drafts {
		if w.Draft == d.ID || w.Draft == d.Version || w.Draft == fmt.Sprint(d.Counter) {
			found = append(found, d.ID)
		}
	}
	switch len(found) {
	case 0:
		if len(w.Draft) == 32 {
			return w.Draft, nil // of another state: the server says which
		}
		return "", sealift.Errorf(sealift.KindNotFound, readingDraft, "no draft of %s that waits is named %.80q", app, w.Draft).WithReason("draft").
			WithHint("see which wait: sealift release pending --app %s", app)
	case 1:
		return found[0], nil
	}
	return "", sealift.Errorf(sealift.KindConflict, readingDraft, "%d drafts of %s are named so", len(found), app).WithReason("ambiguous").
		WithHint("name it by its draft: %s", strings.Join(found, ", "))
}

// compare holds the payload to what the co-signer built. It reports whether there
// was anything to compare with.
func (w waitingDraft) compare(ctx context.Context, std *IO, p draftPayload) (bool, error) {
	const op = "comparing with what you built"
	want := p.release.Archive
	switch {
	case w.Archive != "":
		digest, err := sealift.ParseDigest(strings.TrimPrefix(w.Archive, "sha256:"))
		if err == nil && digest != want.Digest {
			err = errOtherArchive(op, want, digest)
		}
		return true, err
	case w.Bundle == "":
		return false, nil
	}
	folder, err := openBundle(w.Bundle)
	if err != nil {
		return false, err
	}
	defer folder.Close()
	source, err := bundle.OpenSource(folder.FS())
	if err != nil {
		return false, err
	}
	progress, done := std.stage("reading", source.Length())
	id, err := source.Digest(ctx, progress)
	done()
	if err == nil && (id.Digest != want.Digest || id.Length != want.Length) {
		err = errOtherArchive(op, want, id.Digest)
	}
	return true, err
}

func errOtherArchive(op string, want trust.Pointer, have sealift.Digest) error {
	return sealift.Errorf(sealift.KindIntegrity, op, "you built archive %s, the release has %s", have, want.Digest).WithReason("archive").
		WithHint("build from the same sources with the same tools; if it differs still, do not sign, and ask who published it")
}

// rows are what a co-signature signs, for people.
func (p draftPayload) rows() [][]string {
	r := p.release
	rows := [][]string{
		{"vault", string(r.Vault)}, {"app", string(r.App)}, {"channel", string(r.Channel)}, {"platform", string(r.Platform)}, {"runtime", string(r.Runtime)},
		{"version", string(r.Version)}, {"counter", fmt.Sprint(r.Counter)}, {"act", string(r.Act)},
		{"archive", r.Archive.Digest.String()}, {"archive size", term.Bytes(r.Archive.Length)},
		{"signed at", r.SignedAt.UTC().Format(time.DateTime + "Z")}, {"payload", p.draft.Payload},
		{"requested by", p.draft.Requester}, {"waits for", missingOf(p.draft)},
	}
	if p.draft.Problem != "" {
		rows = append(rows, []string{"problem", p.draft.Problem})
	}
	return rows
}

type cosignShowCmd struct {
	Waiting waitingDraft `embed:""`
}

// Run implements the command.
func (c *cosignShowCmd) Run(ctx context.Context, std *IO) error { return runCosignShow(ctx, std, *c) }

func runCosignShow(ctx context.Context, std *IO, opts cosignShowCmd) error {
	c, err := opts.Waiting.API.client(std)
	if err != nil {
		return err
	}
	p, err := opts.Waiting.fetch(ctx, c)
	if err != nil {
		return err
	}
	compared, err := opts.Waiting.compare(ctx, std, p)
	if err != nil {
		return err
	}
	if compared {
		std.Note("the archive is the one that you built")
	}
	return std.Print(map[string]any{"draft": p.draft.ID, "release": p.release, "payload": p.draft.Payload, "missing": p.draft.Missing, "compared": compared},
		Table([]string{"FIELD", "VALUE"}, p.rows()))
}

type cosignSignCmd struct {
	Waiting     waitingDraft      `embed:""`
	Key         string            `required:"" placeholder:"FILE" help:"Your key, as cosign keygen made it: its file, or its URI where it is in a PKCS#11 token."`
	Yes         bool              `help:"Do not ask. Without it: what you are about to sign is shown, and you confirm it."`
	Reach       PKCS11Options     `embed:""`
	Passphrases PassphraseOptions `embed:""`
}

// Run implements the command.
func (c *cosignSignCmd) Run(ctx context.Context, std *IO) error { return runCosignSign(ctx, std, *c) }

func runCosignSign(ctx context.Context, std *IO, opts cosignSignCmd) (err error) {
	if err := opts.Passphrases.Check(cosignKey); err != nil {
		return err
	}
	c, err := opts.Waiting.API.client(std)
	if err != nil {
		return err
	}
	p, err := opts.Waiting.fetch(ctx, c)
	if err != nil {
		return err
	}
	compared, err := opts.Waiting.compare(ctx, std, p)
	if err != nil {
		return err
	}
	if !compared {
		return usage("say what you built: --bundle FOLDER, or --archive SHA256").
			WithHint("a co-signature of what one was only told protects nobody; to see what it is: sealift cosign show %s --app %s", p.draft.ID, p.draft.App)
	}
	if err := confirmCosign(ctx, std, opts.Yes, p); err != nil {
		return err
	}
	key, done, err := opts.open(ctx, std)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	envelope, err := trust.Sign(trust.ReleasePayloadType, p.signed.Payload, key)
	if err != nil {
		return sealift.Errorf(sealift.KindInternal, "co-signing", "%w", err)
	}
	d, err := c.Cosign(ctx, sealift.AppID(p.draft.App), p.draft.ID, envelope)
	if err != nil {
		return err
	}
	d.Envelope = nil
	return std.Print(d, func(w io.Writer) error {
		if d.Release != nil {
			_, err := fmt.Fprintf(w, "co-signed %s %s: published as counter %d\n  release %s\n", d.App, d.Version, d.Counter, d.Release.SHA256)
			return err
		}
		_, err := fmt.Fprintf(w, "co-signed %s %s; it waits\n%s", d.App, d.Version, missingLines(d))
		return err
	})
}

// open opens the co-signer's key; call done when it has signed.
func (c cosignSignCmd) open(ctx context.Context, std *IO) (key crypto.Signer, done func() error, err error) {
	if strings.HasPrefix(c.Key, "pkcs11:") {
		tokens, err := c.Reach.Tokens(std, c.Key)
		if err != nil {
			return nil, nil, err
		}
		if key, err = tokens.Signer(ctx, c.Key); err != nil {
			return nil, nil, errors.Join(err, tokens.Close())
		}
		return key, tokens.Close, nil
	}
	phrases := newPhrases(ctx, std, c.Passphrases, true)
	defer phrases.clear()
	passphrase, err := phrases.get(cosignKey, false)
	if err != nil {
		return nil, nil, err
	}
	key, err = ceremony.OpenKeyFile(c.Key, cosignKey, passphrase)
	return key, func() error { return nil }, err
}

func confirmCosign(ctx context.Context, std *IO, yes bool, p draftPayload) error {
	for _, row := range p.rows() {
		std.Note("%-13s %s", row[0], row[1])
	}
	return askYes(ctx, std, yes, "co-sign this?")
}
