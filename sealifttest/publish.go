package sealifttest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"io/fs"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/bundle"
	"github.com/sealift/sealift/trust"
	"github.com/sealift/sealift/trust/tufrepo"
)

// Spec says what to publish. Zero fields take the values of Default; the Bend
// functions are where a test plays the attacker who holds some of the keys.
type Spec struct {
	App      sealift.AppID
	Channel  sealift.Channel
	Platform sealift.Platform
	Runtime  sealift.RuntimeRange
	Version  sealift.Version
	Counter  sealift.Counter // 0: the next one
	Act      sealift.Act
	SignedAt time.Time // zero: now
	Rollback *trust.Rollback
	Bundle   fs.FS // nil: a page that names the version

	// Archive is sealed in the place of Bundle's, whatever it holds.
	Archive []byte
	// Identity is what the release says of the archive, whatever it is.
	Identity *bundle.Identity
	// Bases are older releases: to each of them a patch is made beside the full blob.
	Bases []*Published
	// BendPacked changes the compressed archive before it is encrypted.
	BendPacked func([]byte) []byte

	// CA issues the leaf; the zero CA is the World's.
	CA CA
	// Cosigners sign the payload beside the leaf.
	Cosigners []crypto.Signer
	// BendBlob changes the sealed bytes before they are signed for.
	BendBlob func(sealed []byte) []byte
	// bendPatch changes each patch before it is encrypted.
	bendPatch func(*patchDraft) error
	// BendRelease changes the payload before it is signed.
	BendRelease func(*trust.Release)
	// BendTemplate changes the leaf's template before it is issued.
	BendTemplate func(*x509.Certificate)
	// BendPayload changes the payload's bytes after the leaf bound the old ones
	// and before the leaf's key signs.
	BendPayload func([]byte) []byte
	// PayloadType replaces the DSSE payload type.
	PayloadType string
	// SkipLog leaves the release out of the log: its proof is of a stranger.
	SkipLog bool
}

// Default is what Publish fills in.
var Default = Spec{App: "com.acme.shop", Channel: "production", Platform: "web", Runtime: sealift.AnyRuntime, Act: sealift.ActRelease}

// Published is a release as the World published it.
type Published struct {
	Release     trust.Release
	Candidate   trust.Candidate
	ReleaseJSON []byte
	Proof       []byte
	Payload     []byte
	Leaf        crypto.Signer
	Certificate []byte // DER
	ContentKey  bundle.ContentKey
	Archive     []byte
}

// Publish seals, signs, logs and offers a release, at 100 percent and alone.
func (w *World) Publish(spec Spec) (*Published, error) {
	p, err := w.Prepare(spec)
	if err != nil {
		return nil, err
	}
	return p, w.Offer(p.Release.App, p.Release.Channel, p.Release.Platform, p.Candidate)
}

// Offer directs the devices of an app, channel and platform to candidates.
func (w *World) Offer(app sealift.AppID, channel sealift.Channel, platform sealift.Platform, candidates ...trust.Candidate) error {
	w.remember(candidates)
	offer := trust.Offer{App: app, Channel: channel, Platform: platform, Candidates: candidates}
	content, err := offer.Encode()
	if err != nil {
		return err
	}
	return w.Direct(tufrepo.Target{Path: trust.OfferPath(app, channel, platform), Content: content})
}

// remember keeps what was offered last.
func (w *World) remember(candidates []trust.Candidate) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.history {
		if len(candidates) > 0 && p.Candidate.Release == candidates[len(candidates)-1].Release {
			w.offered = p
		}
	}
}

// Prepare makes a release and publishes its files, without offering it.
func (w *World) Prepare(spec Spec) (*Published, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fill(&spec)
	path := trust.EpochPath(spec.App, spec.Channel)
	if len(w.epochs[path]) == 0 {
		if err := w.turnEpoch(spec.App, spec.Channel); err != nil {
			return nil, err
		}
	}
	p := &Published{}
	if err := w.seal(spec, w.epochs[path], p); err != nil {
		return nil, fmt.Errorf("sealing: %w", err)
	}
	if err := w.sign(spec, p); err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	w.files["releases/"+sealift.DigestOf(p.ReleaseJSON).String()] = p.ReleaseJSON
	w.files["proofs/"+sealift.DigestOf(p.Proof).String()] = p.Proof
	p.Candidate = p.Release.Candidate(p.ReleaseJSON, p.Proof, sealift.Everybody, fmt.Sprint(p.Release.Counter))
	w.history = append(w.history, p)
	return p, nil
}

// scoped fills in what a Spec does not say of whom it is for.
func (s *Spec) scoped() {
	for _, f := range []struct{ have, want *string }{
		{(*string)(&s.App), (*string)(&Default.App)},
		{(*string)(&s.Channel), (*string)(&Default.Channel)},
		{(*string)(&s.Platform), (*string)(&Default.Platform)},
		{(*string)(&s.Runtime), (*string)(&Default.Runtime)},
		{(*string)(&s.Act), (*string)(&Default.Act)},
	} {
		if *f.have == "" {
			*f.have = *f.want
		}
	}
}

func (w *World) fill(spec *Spec) {
	spec.scoped()
	if spec.Counter == 0 {
		spec.Counter = w.counter[spec.App] + 1
	}
	w.counter[spec.App] = max(w.counter[spec.App], spec.Counter)
	if spec.SignedAt.IsZero() {
		spec.SignedAt = w.now
	}
	if spec.CA.Key == nil {
		spec.CA = w.ReleaseCA
	}
	if spec.PayloadType == "" {
		spec.PayloadType = trust.ReleasePayloadType
	}
	if spec.Bundle == nil && spec.Archive == nil {
		spec.Archive = archiveOf(page("index.html", "<h1>"+string(spec.Version)+"</h1>\n"))
	}
}

// turnEpoch begins the next epoch of a channel and publishes its key.
func (w *World) turnEpoch(app sealift.AppID, channel sealift.Channel) error {
	path := trust.EpochPath(app, channel)
	key, err := bundle.GenerateKey(bundle.DefaultSuite)
	if err != nil {
		return err
	}
	w.epochs[path] = append(w.epochs[path], key)
	pub := key.Public()
	content, err := (&trust.Epoch{
		App: app, Channel: channel, Number: uint64(len(w.epochs[path])),
		KEM: pub.Suite.KEM, KDF: pub.Suite.KDF, AEAD: pub.Suite.AEAD, PublicKey: pub.Bytes,
	}).Encode()
	if err != nil {
		return err
	}
	return w.direct([]tufrepo.Target{{Path: path, Content: content}}, w.now.Add(24*time.Hour))
}

// EpochNumber returns the number of a channel's current epoch, 0 if it has
// none yet.
func (w *World) EpochNumber(app sealift.AppID, channel sealift.Channel) uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return uint64(len(w.epochs[trust.EpochPath(app, channel)]))
}

func (w *World) seal(spec Spec, epochs []*bundle.PrivateKey, p *Published) error {
	p.ContentKey = bundle.NewContentKey()
	s, err := sealBundle(spec, p.ContentKey)
	if err != nil {
		return err
	}
	if spec.BendBlob != nil {
		s.full = spec.BendBlob(s.full)
	}
	p.Archive = s.archive
	number := uint64(len(epochs))
	pub := epochs[number-1].Public()
	contentKey, err := bundle.SealContentKey(pub, p.ContentKey, bundle.ContentKeyInfo{App: spec.App, Channel: spec.Channel, Epoch: number, Archive: s.id.Digest})
	if err != nil {
		return err
	}
	p.Release = trust.Release{
		Vault: w.Vault, App: spec.App, Channel: spec.Channel, Platform: spec.Platform, Runtime: spec.Runtime,
		Version: spec.Version, Counter: spec.Counter, Act: spec.Act, SignedAt: trust.At(spec.SignedAt),
		Archive:    trust.Pointer{Digest: s.id.Digest, Length: s.id.Length},
		Blobs:      []trust.Blob{w.put(trust.BlobFull, nil, s.full)},
		Epoch:      trust.EpochRef{Number: number, PublicKey: sealift.DigestOf(pub.Bytes)},
		ContentKey: trust.SealedKey{KEM: pub.Suite.KEM, KDF: pub.Suite.KDF, AEAD: pub.Suite.AEAD, Sealed: contentKey},
		Rollback:   spec.Rollback,
	}
	for _, base := range spec.Bases {
		patch, err := sealPatch(spec, s, base)
		if err != nil {
			return err
		}
		digest := sealift.DigestOf(base.Archive)
		p.Release.Blobs = append(p.Release.Blobs, w.put(trust.BlobPatch, &digest, patch))
	}
	if spec.BendRelease != nil {
		spec.BendRelease(&p.Release)
	}
	return nil
}

// put publishes a blob and returns what a release says of it.
func (w *World) put(kind trust.BlobKind, base *sealift.Digest, blob []byte) trust.Blob {
	digest := sealift.DigestOf(blob)
	w.files["blobs/"+digest.String()] = blob
	return trust.Blob{Kind: kind, Base: base, Digest: digest, Length: int64(len(blob))}
}

func (w *World) sign(spec Spec, p *Published) error {
	payload, err := p.Release.Encode()
	if err != nil {
		return err
	}
	leaf, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template, err := trust.LeafTemplate(trust.BindingOf(&p.Release, payload), p.Release.SignedAt.Time)
	if err != nil {
		return err
	}
	if spec.BendTemplate != nil {
		spec.BendTemplate(template)
	}
	p.Leaf = leaf
	if p.Certificate, err = trust.Issue(template, spec.CA.Certificate, leaf.Public(), spec.CA.Key); err != nil {
		return err
	}
	if spec.BendPayload != nil {
		payload = spec.BendPayload(payload)
	}
	p.Payload = payload
	envelope, err := trust.Sign(spec.PayloadType, payload, append([]crypto.Signer{leaf}, spec.Cosigners...)...)
	if err != nil {
		return err
	}
	signed, err := trust.ParseReleaseEnvelope(envelope)
	if err != nil {
		return err
	}
	if p.ReleaseJSON, err = trust.AssembleRelease(signed, p.Certificate); err != nil {
		return err
	}
	record := trust.LogEntry(sealift.DigestOf(payload))
	if spec.SkipLog {
		record = []byte("another record\n")
	}
	p.Proof, err = w.proof(record)
	return err
}
