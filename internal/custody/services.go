package custody

import (
	"context"
	"crypto"
	"crypto/rsa"
	"errors"
	"regexp"
	"strings"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/capgo"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
)

// serviceKeyID keeps ids of services' keys apart from "epoch:APP/CHANNEL", and
// fit for a path.
var serviceKeyID = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]{0,126}[a-z0-9])?$`)

// CreateKey implements service.Keys.
func (c *Cabinet) CreateKey(ctx context.Context, by access.Caller, want service.NewKey) (service.Key, error) {
	defer clear(want.PEM)
	req := vault.CreateRequest{
		ID: want.ID, Purpose: vault.Purpose(want.Purpose), Algorithm: vault.Algorithm(want.Algorithm), Owner: want.Owner, Label: want.Label,
		Cryptoperiod: want.Period, App: want.App, Exportable: want.Exportable,
	}
	material, missing := c.material(ctx, &req, want)
	req.Material = material
	key, err := c.changed(ctx, func(tx *vault.Tx, now time.Time) (vault.KeyInfo, error) {
		err := missing
		if err == nil {
			err = c.mayCreate(ctx, tx, req)
		}
		if err != nil {
			return vault.KeyInfo{}, tx.Refuse(ctx, vault.Refusal{Actor: by.Actor(), Action: "key.create", Key: vault.Ref{ID: want.ID}, Now: now}, err)
		}
		return c.vault.Create(ctx, tx, req, by.Actor(), now)
	})
	return key, errors.Join(err, c.settle(ctx, want.ID, material, err))
}

// material reads the key to import, or makes what takes a second or two, an RSA key
// or one in a token, before there is a transaction for it to hold up.
func (c *Cabinet) material(ctx context.Context, req *vault.CreateRequest, want service.NewKey) (*vault.Material, error) {
	if want.PEM != nil {
		m, err := vault.ReadMaterial(want.PEM)
		if err == nil && req.Algorithm == "" {
			req.Algorithm = m.Algorithm()
		}
		return m, err
	}
	if req.Purpose.ForServices() && req.Algorithm == "" {
		req.Algorithm = req.Purpose.Algorithms()[0]
	}
	if want.Token == "" {
		return generateRSA(ctx, req.Algorithm)
	}
	const doing = "making a key in a token"
	switch {
	case !req.Purpose.ForServices() || !serviceKeyID.MatchString(req.ID):
		return nil, nil // for the transaction to refuse; the token is not bothered
	case len(want.Token) > sealift.MaxTokenURI || !strings.Contains(want.Token, "object="):
		return nil, sealift.Errorf(sealift.KindInvalid, doing, "the URI names no label for the new key").WithReason(vault.ReasonToken).
			WithHint("name token and label, as in 'pkcs11:token=hsm;object=%s'", req.ID)
	case req.Exportable:
		return nil, sealift.Errorf(sealift.KindInvalid, doing, "no key leaves a token").WithReason(vault.ReasonToken).WithHint("make it without --exportable, or in software")
	}
	return c.vault.GenerateInToken(ctx, want.Token, req.Purpose, req.Algorithm)
}

func generateRSA(ctx context.Context, a vault.Algorithm) (*vault.Material, error) {
	if a != vault.RSA4096 && a != vault.RSA2048 {
		return nil, nil
	}
	return vault.Generate(ctx, a)
}

func (c *Cabinet) mayCreate(ctx context.Context, tx *vault.Tx, req vault.CreateRequest) error {
	const doing = "making a key"
	if _, err := vault.ParsePurpose(string(req.Purpose)); err != nil {
		return err
	}
	if !req.Purpose.ForServices() {
		return sealift.Errorf(sealift.KindDenied, doing, "keys for %s the vault makes for itself", req.Purpose).WithReason(vault.ReasonPurpose).
			WithHint("make one for a service: --purpose %s", vault.PurposeArtifactSigning)
	}
	if !serviceKeyID.MatchString(req.ID) {
		return sealift.Errorf(sealift.KindInvalid, doing, "%.80q is no id for a service's key", req.ID).
			WithHint("use lower-case letters, digits and inner . _ -, at most 128 bytes, such as shop-ci")
	}
	app, err := tx.App(ctx, req.App)
	if sealift.KindOf(err) == sealift.KindNotFound {
		return noSuchApp(doing, req.App)
	}
	if err != nil {
		return err
	}
	if err := c.vault.CheckRow(ctx, tx, app); err != nil || req.Purpose != vault.PurposeCapgoApp {
		return err
	}
	return c.onlyKey(ctx, tx, req.App)
}

// onlyKey refuses a second key for Capgo's plugin: devices know one.
func (c *Cabinet) onlyKey(ctx context.Context, tx *vault.Tx, app sealift.AppID) error {
	switch k, err := c.vault.CapgoKey(ctx, tx, app); {
	case sealift.KindOf(err) == sealift.KindNotFound:
		return nil
	case err != nil:
		return err
	default:
		return sealift.Errorf(sealift.KindConflict, "making a key", "%s has the key %s, and its devices know one", app, k.Ref).WithReason(vault.ReasonAppKeys).
			WithHint("for a new store build that is to know another key: sealift key rotate %s --reason TEXT; to bring one in its place: sealift key deactivate %s --reason TEXT", k.ID, k.ID)
	}
}

// CapgoKey implements service.Keys.
func (c *Cabinet) CapgoKey(ctx context.Context, app sealift.AppID) (out service.CapgoKey, err error) {
	err = c.store.View(ctx, func(tx store.Tx) error {
		row, err := tx.App(ctx, app)
		if sealift.KindOf(err) == sealift.KindNotFound {
			return noSuchApp("looking for the app's key for Capgo's plugin", app)
		}
		if err == nil {
			err = c.vault.CheckRow(ctx, tx, row)
		}
		if err != nil {
			return err
		}
		info, err := c.vault.CapgoKey(ctx, tx, app)
		if err != nil {
			return err
		}
		public, err := info.PublicKey()
		if err != nil {
			return err
		}
		key, ok := public.(*rsa.PublicKey)
		if !ok {
			return sealift.Errorf(sealift.KindInternal, "reading key "+info.Ref.String(), "it is not RSA")
		}
		out = service.CapgoKey{ID: info.ID, Version: info.Version, Name: capgo.KeyID(key), PublicKey: capgo.PublicPEM(key)}
		return nil
	})
	return out, err
}

func noSuchApp(doing string, app sealift.AppID) error {
	return sealift.Errorf(sealift.KindNotFound, doing, "there is no app %s", app).WithReason("app").WithHint("see the apps there are with: sealift app list")
}

// ExportKey implements service.Keys.
func (c *Cabinet) ExportKey(ctx context.Context, by access.Caller, want service.KeyExport) ([]byte, error) {
	return vault.Do(ctx, c.vault, func(tx *vault.Tx) ([]byte, error) {
		return c.vault.Export(ctx, tx, vault.Ref{ID: want.ID, Version: want.Version}, by.Actor(), want.Reason, c.now().UTC())
	})
}

// SignWithKey implements service.Keys.
func (c *Cabinet) SignWithKey(ctx context.Context, by access.Caller, want service.SigningRequest) (service.Signature, error) {
	return vault.Do(ctx, c.vault, func(tx *vault.Tx) (service.Signature, error) {
		now := c.now().UTC()
		info, err := c.serviceKey(ctx, tx, want)
		if err != nil {
			return service.Signature{}, tx.Refuse(ctx, vault.Refusal{Actor: by.Actor(), Action: "key.use", Key: vault.Ref{ID: want.Key}, Now: now}, err)
		}
		digest, opts := want.Digest, crypto.SignerOpts(want.Hash)
		switch {
		case info.Algorithm == vault.Ed25519:
			digest, opts = want.Message, crypto.Hash(0)
		case info.Algorithm == vault.RSA4096 && !want.PKCS1:
			opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: want.Hash}
		}
		signature, with, entry, err := c.vault.Sign(ctx, tx, vault.Use{
			Purpose: info.Purpose, Key: info.Ref, Actor: by.Actor(), Now: now, Why: vault.Why{Action: "service.sign", Details: map[string]string{"app": string(want.App)}},
		}, digest, opts)
		return service.Signature{Signature: signature, Version: with.Version, Algorithm: string(with.Algorithm), Entry: entry}, err
	})
}

// serviceKey returns the version that signs for want.App, and refuses what it
// does not sign. A key of another app is as if there were none.
func (c *Cabinet) serviceKey(ctx context.Context, tx vault.Rows, want service.SigningRequest) (vault.KeyInfo, error) {
	doing := "signing with key " + want.Key
	unknown := sealift.Errorf(sealift.KindNotFound, doing, "app %s has no such key", want.App).WithReason(vault.ReasonUnknownKey).
		WithHint("ask who makes the keys of this vault: sealift key list")
	info, err := c.vault.Lookup(ctx, tx, vault.Ref{ID: want.Key})
	switch {
	case sealift.KindOf(err) == sealift.KindNotFound:
		return info, unknown
	case err != nil:
		return info, err
	case !info.Purpose.ForServices() || info.App != want.App:
		return info, unknown
	case info.Purpose.Operation() != vault.OpSign:
		return info, sealift.Errorf(sealift.KindDenied, doing, "it encodes what is published for devices that run Capgo's plugin, and signs nothing else").WithReason(vault.ReasonPurpose).
			WithHint("publish with it: sealift publish DIR --app %s --channel NAME --version V --capgo", want.App)
	case info.Algorithm == vault.Ed25519 && want.Message == nil:
		return info, sealift.Errorf(sealift.KindInvalid, doing, "an Ed25519 key signs whole messages, not digests").WithReason("key-algorithm").
			WithHint("send the message itself, at most %d bytes", sealift.MaxSignedMessage)
	case info.Algorithm != vault.Ed25519 && want.Digest == nil:
		return info, sealift.Errorf(sealift.KindInvalid, doing, "a key on %s signs digests, not messages", info.Algorithm).WithReason("key-algorithm").
			WithHint("send the SHA-256, SHA-384 or SHA-512 digest of the message, with the name of the hash")
	case want.PKCS1 && info.Algorithm != vault.RSA4096:
		return info, sealift.Errorf(sealift.KindInvalid, doing, "a key on %s has no padding", info.Algorithm).WithReason("key-algorithm").
			WithHint("leave the padding out")
	}
	return info, nil
}
