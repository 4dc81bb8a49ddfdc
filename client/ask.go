package client

import (
	"context"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/bundle"
	"github.com/sealift/sealift/trust"
)

// messageType is the media type of a device's request.
const messageType = "application/vnd.dsse+json"

// ask sends the vault a signed request and returns its verified answer. An edge
// passes both on and can neither read between the lines nor write any.
func (d *Device) ask(ctx context.Context, rules *trust.Rules, kind trust.RequestKind, body func(*trust.Request) any) (*trust.Answer, error) {
	op := "asking the vault for " + string(kind)
	// A clock that is off by years would make the vault refuse every request,
	// and what the vault takes for "now" is what its timestamp says.
	req := &trust.Request{
		Vault: rules.Vault(), App: d.cfg.App, Device: d.keys.id, Kind: kind,
		Nonce: newNonce(), Time: trust.At(d.meta.TrustedTime()),
	}
	var err error
	if req.Body, err = trust.EncodeBody(body(req)); err != nil {
		return nil, sealift.Errorf(sealift.KindInternal, op, "%w", err)
	}
	message, err := trust.SignRequest(req, d.keys.identity)
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInternal, op, "%w", err)
	}
	data, err := d.wire.post(ctx, d.cfg.Server+"v1/devices", messageType, message, sealift.MaxMessage)
	if err != nil {
		return nil, err
	}
	return rules.OpenAnswer(data, req, d.meta.Now())
}

// Enrol makes the device known to its vault. The zero token is for apps that
// enrol openly. A token is for the vault with one first root.json; if that is
// not where Config.Root begins, KindDenied says so before anything is sent.
// Enrolling twice does no harm, as far as the vault allows.
func (d *Device) Enrol(ctx context.Context, token sealift.EnrolmentToken) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.checkToken(token); err != nil {
		return err
	}
	rules, err := d.refresh(ctx)
	if err != nil {
		return err
	}
	answer, err := d.ask(ctx, rules, trust.RequestEnrol, func(req *trust.Request) any {
		hpke := d.keys.hpke.Public()
		e := &trust.Enrolment{
			Identity: d.keys.spki, Platform: d.cfg.Platform, Runtime: d.cfg.Runtime,
			HPKE: trust.HPKEKey{KEM: hpke.KEM, KDF: hpke.KDF, AEAD: hpke.AEAD, PublicKey: hpke.Bytes},
		}
		if token.ID() != "" {
			e.Token = &trust.TokenProof{ID: token.ID(), MAC: trust.EnrolmentMAC(token.Secret(), req, e)}
		}
		return e
	})
	if err != nil {
		return err
	}
	var enrolled trust.Enrolled
	if err := trust.DecodeBody(answer.Body, &enrolled); err != nil {
		return err
	}
	if enrolled.Device != d.keys.id {
		return sealift.Errorf(sealift.KindDenied, "enrolling", "the vault enrolled %s, this device is %s", enrolled.Device, d.keys.id)
	}
	_, err = d.store.change(func(s *state) error { s.Enrolled = true; return nil })
	return err
}

func (d *Device) checkToken(token sealift.EnrolmentToken) error {
	if token.ID() == "" {
		return nil
	}
	root, err := parseRoot(d.cfg.Root)
	if err != nil {
		return sealift.Errorf(sealift.KindInvalid, "enrolling", "%w", err)
	}
	// A later root cannot be compared: what it grew from is not at hand.
	if root.Signed.Version == 1 && sealift.DigestOf(d.cfg.Root) != token.Root() {
		return sealift.Errorf(sealift.KindDenied, "enrolling", "the token is for another vault than the root.json").WithReason("root").
			WithHint("use the root.json of the vault that issued the token")
	}
	return nil
}

// epochKey returns the private key of the epoch that a release is sealed to.
func (d *Device) epochKey(ctx context.Context, rules *trust.Rules, r *trust.Release) (*bundle.PrivateKey, error) {
	if key := heldEpoch(d.files, r.Epoch.PublicKey); key != nil {
		return key, nil
	}
	s, err := d.store.load()
	if err != nil {
		return nil, err
	}
	if !s.Enrolled {
		return nil, d.notEnrolled("asking the vault for the epoch's key")
	}
	answer, err := d.ask(ctx, rules, trust.RequestEpoch, func(*trust.Request) any {
		return trust.EpochRequest{Channel: r.Channel, Number: r.Epoch.Number}
	})
	if err != nil {
		return nil, err
	}
	var grant trust.EpochGrant
	if err := trust.DecodeBody(answer.Body, &grant); err != nil {
		return nil, err
	}
	key, err := bundle.OpenEpochKey(d.keys.hpke, grant.Sealed, bundle.EpochKeyInfo{
		Vault: rules.Vault(), App: d.cfg.App, Device: d.keys.id, Channel: r.Channel, Epoch: r.Epoch.Number,
	})
	if err != nil {
		return nil, err
	}
	// HPKE does not say who sealed. The release does: it names this key.
	if key.Public().Digest() != r.Epoch.PublicKey {
		return nil, sealift.Errorf(sealift.KindIntegrity, "taking the epoch's key", "it is not the one that the release names").WithReason("epoch_key")
	}
	return key, holdEpoch(d.files, key)
}

// contentKey opens the key of a release's blobs.
func (d *Device) contentKey(ctx context.Context, rules *trust.Rules, r *trust.Release) (bundle.ContentKey, error) {
	epoch, err := d.epochKey(ctx, rules, r)
	if err != nil {
		return bundle.ContentKey{}, err
	}
	return openContentKey(epoch, r)
}

// HeldContentKey opens the key of a release's blobs for the device in the folder
// dir, with an epoch key that it holds already: it asks nobody. KindNotFound
// says that it holds none for this release.
func HeldContentKey(host Host, dir string, r *trust.Release) (bundle.ContentKey, error) {
	files, err := host.Files(dir)
	if err != nil {
		return bundle.ContentKey{}, err
	}
	defer files.Close()
	epoch := heldEpoch(files, r.Epoch.PublicKey)
	if epoch == nil {
		return bundle.ContentKey{}, sealift.Errorf(sealift.KindNotFound, "opening the content key", "the device holds no key of epoch %d of %s/%s", r.Epoch.Number, r.App, r.Channel).
			WithReason("epoch").WithHint("let the device install a release of this channel first")
	}
	return openContentKey(epoch, r)
}

func openContentKey(epoch *bundle.PrivateKey, r *trust.Release) (bundle.ContentKey, error) {
	if have := epoch.Suite(); have != (bundle.Suite{KEM: r.ContentKey.KEM, KDF: r.ContentKey.KDF, AEAD: r.ContentKey.AEAD}) {
		return bundle.ContentKey{}, sealift.Errorf(sealift.KindIntegrity, "opening the content key", "it is sealed by another suite than its epoch's").WithReason("content_key")
	}
	return bundle.OpenContentKey(epoch, r.ContentKey.Sealed, bundle.ContentKeyInfo{
		App: r.App, Channel: r.Channel, Epoch: r.Epoch.Number, Archive: r.Archive.Digest,
	})
}
