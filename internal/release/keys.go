package release

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
	"github.com/sealift/sealift/trust/tufrepo"
)

// owner answers for the keys that the vault makes for itself.
const owner = "vault"

// Each online key has its purpose for an id; its versions are its rotations.
func keyOf(purpose vault.Purpose) vault.Ref { return vault.Ref{ID: string(purpose)} }

const epochPrefix = "epoch:"

func epochKeyID(app sealift.AppID, channel sealift.Channel) string {
	return fmt.Sprintf("%s%s/%s", epochPrefix, app, channel)
}

// create makes the first version of an online key, in use from now on. material
// may be nil, as in vault.CreateRequest.
func (s *Service) create(ctx context.Context, tx *vault.Tx, actor audit.Actor, purpose vault.Purpose, material *vault.Material) (vault.KeyInfo, error) {
	request := vault.CreateRequest{ID: keyOf(purpose).ID, Purpose: purpose, Owner: owner, Material: material}
	if material != nil {
		request.Algorithm = material.Algorithm()
	}
	info, err := s.vault.Create(ctx, tx, request, actor, s.now())
	if err != nil {
		return info, err
	}
	return s.selfSign(ctx, tx, actor, info)
}

// makeStandby makes the next version of an online key, to take its place one
// day. material may be nil, as in vault.CreateRequest.
func (s *Service) makeStandby(ctx context.Context, tx *vault.Tx, actor audit.Actor, id string, material *vault.Material, reason string) (vault.KeyInfo, error) {
	info, err := s.vault.Rotate(ctx, tx, id, material, actor, reason, s.now())
	if err != nil {
		return info, err
	}
	return s.selfSign(ctx, tx, actor, info)
}

// createEpochKey makes one generation of a channel's key: a new version of one
// key, so that its history stays together.
func (s *Service) createEpochKey(ctx context.Context, tx *vault.Tx, actor audit.Actor, app sealift.AppID, channel sealift.Channel, number uint64) (vault.KeyInfo, error) {
	id := epochKeyID(app, channel)
	if number == 1 {
		return s.vault.Create(ctx, tx, vault.CreateRequest{ID: id, Purpose: vault.PurposeEpoch, Owner: owner, Label: string(app) + "/" + string(channel)}, actor, s.now())
	}
	info, err := s.vault.Rotate(ctx, tx, id, nil, actor, "the channel turns its epoch", s.now())
	if err != nil {
		return info, err
	}
	return s.vault.Transition(ctx, tx, info.Ref, vault.PreActive, vault.Active, actor, "the channel turns its epoch", s.now())
}

// caLives is how long the certificate of a CA lives, in cryptoperiods of its
// key: one for which it may wait as a standby, one for which it is in use, and
// one to be late in.
const caLives = 3

// selfSign gives a CA's key its self-signed certificate; other keys have none.
func (s *Service) selfSign(ctx context.Context, tx *vault.Tx, actor audit.Actor, info vault.KeyInfo) (vault.KeyInfo, error) {
	if !isCA(info.Purpose) {
		return info, nil
	}
	key, err := s.vault.Signer(ctx, tx, vault.Use{
		Purpose: info.Purpose, Key: info.Ref, Actor: actor, Now: s.now(), Why: vault.Why{Action: "ca.self-sign"}, Possession: true,
	})
	if err != nil {
		return info, err
	}
	// A publisher's clock may be behind: leaves from before today must chain.
	begins, ends := info.Created.AddDate(0, 0, -1), info.NotBefore.Add(caLives*info.NotAfter.Sub(info.NotBefore))
	template, err := trust.CATemplate(fmt.Sprintf("Sealift %s %d", info.ID, info.Version), begins, ends)
	if err != nil {
		return info, err
	}
	der, err := trust.Issue(template, template, key.Public(), key)
	if err != nil {
		return info, err
	}
	return s.vault.SetCertificate(ctx, tx, info.Ref, der, actor, s.now())
}

func isCA(p vault.Purpose) bool { return p == vault.PurposeReleaseCA || p == vault.PurposeDeviceCA }

// answerLife is how long a certificate of the answer key is good for; it is
// issued anew when half of it has passed.
const answerLife = 90 * 24 * time.Hour

// certifyAnswers issues the certificate under which devices believe the
// vault's answers.
func (s *Service) certifyAnswers(ctx context.Context, tx *vault.Tx, actor audit.Actor, id sealift.VaultID) error {
	answer, err := s.vault.Lookup(ctx, tx, keyOf(vault.PurposeAnswer))
	if err != nil {
		return err
	}
	pub, err := answer.PublicKey()
	if err != nil {
		return err
	}
	ca, key, err := s.ca(ctx, tx, vault.Use{Purpose: vault.PurposeDeviceCA, Actor: actor, Why: vault.Why{Action: "answer.certify"}})
	if err != nil {
		return err
	}
	template, err := trust.AnswerTemplate(id, s.now().AddDate(0, 0, -1), s.now().Add(answerLife))
	if err != nil {
		return err
	}
	der, err := trust.Issue(template, ca, pub, key)
	if err != nil {
		return err
	}
	_, err = s.vault.SetCertificate(ctx, tx, answer.Ref, der, actor, s.now())
	return err
}

// renewAnswers certifies the answer key anew when half of its certificate's
// life has passed, while devices believe the old one for long yet, and when
// another device CA has taken the place of its issuer. An answer key that is
// suspended is left as it is: without answers nobody enrols, but everybody
// updates.
func (s *Service) renewAnswers(ctx context.Context, tx *vault.Tx, actor audit.Actor) error {
	answer, err := s.inUse(ctx, tx, keyOf(vault.PurposeAnswer).ID)
	if err != nil || answer.State != vault.Active {
		return err
	}
	ca, err := s.inUse(ctx, tx, keyOf(vault.PurposeDeviceCA).ID)
	if err != nil {
		return err
	}
	if fresh, err := s.certified(answer, ca); err != nil || fresh {
		return err
	}
	status, err := s.vault.Status(ctx)
	if err != nil {
		return err
	}
	return s.certifyAnswers(ctx, tx, actor, status.Vault)
}

// certified reports whether the answer key has a certificate of ca with at least
// half of its life before it.
func (s *Service) certified(answer, ca vault.KeyInfo) (bool, error) {
	if len(answer.Certificate) == 0 {
		return false, nil
	}
	certificate, err := x509.ParseCertificate(answer.Certificate)
	if err != nil {
		return false, sealift.Errorf(sealift.KindInternal, "reading the certificate of "+answer.Ref.String(), "%w", err)
	}
	issuer, err := trust.ParseCA(ca.Certificate)
	if err != nil {
		return false, sealift.Errorf(sealift.KindInternal, "reading the certificate of "+ca.Ref.String(), "%w", err)
	}
	return certificate.NotAfter.Sub(s.now()) > answerLife/2 && certificate.CheckSignatureFrom(issuer) == nil, nil
}

// inUse returns the version of a key that does its work, or would if it were not
// suspended: the newest that is active or suspended.
func (s *Service) inUse(ctx context.Context, tx vault.Rows, id string) (vault.KeyInfo, error) {
	versions, err := s.vault.List(ctx, tx, vault.Filter{ID: id})
	if err != nil {
		return vault.KeyInfo{}, err
	}
	for _, info := range slices.Backward(versions) {
		if info.State == vault.Active || info.State == vault.Suspended {
			return info, nil
		}
	}
	kind, reason := sealift.KindConflict, vault.ReasonState
	if len(versions) == 0 {
		kind, reason = sealift.KindNotFound, vault.ReasonUnknownKey
	}
	return vault.KeyInfo{}, sealift.Errorf(kind, "looking up key "+id, "no version of it is in use").WithReason(reason).
		WithHint("see the keys there are with: sealift key list")
}

// ca returns a CA's certificate and its key for the use.
func (s *Service) ca(ctx context.Context, tx *vault.Tx, use vault.Use) (*x509.Certificate, crypto.Signer, error) {
	info, err := s.vault.Lookup(ctx, tx, keyOf(use.Purpose))
	if err != nil {
		return nil, nil, err
	}
	certificate, err := trust.ParseCA(info.Certificate)
	if err != nil {
		return nil, nil, sealift.Errorf(sealift.KindInternal, "reading the certificate of "+info.Ref.String(), "%w", err)
	}
	use.Key, use.Now = info.Ref, s.now()
	key, err := s.vault.Signer(ctx, tx, use)
	return certificate, key, err
}

// issued is a leaf that the release CA certified.
type issued struct {
	certificate *x509.Certificate
	issuer      sealift.Digest
}

// certify lets the release CA certify the publisher's leaf for exactly this
// payload, and assembles release.json.
func (s *Service) certify(ctx context.Context, tx *vault.Tx, actor audit.Actor, c candidate) ([]byte, issued, error) {
	ca, key, err := s.ca(ctx, tx, vault.Use{Purpose: vault.PurposeReleaseCA, Actor: actor, Why: vault.Why{
		Action:  "release.certify",
		Details: map[string]string{"payload": "sha256:" + sealift.DigestOf(c.signed.Payload).String(), "app": string(c.release.App), "counter": fmt.Sprint(c.release.Counter)},
	}})
	if err != nil {
		return nil, issued{}, err
	}
	template, err := trust.LeafTemplate(trust.BindingOf(c.release, c.signed.Payload), c.release.SignedAt.Time)
	if err != nil {
		return nil, issued{}, err
	}
	der, err := trust.Issue(template, ca, c.leaf, key)
	if err != nil {
		return nil, issued{}, sealift.Errorf(kindOr(err, sealift.KindInternal), "certifying the release", "%w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, issued{}, sealift.Errorf(sealift.KindInternal, "certifying the release", "%w", err)
	}
	file, err := trust.AssembleRelease(c.signed, der)
	return file, issued{leaf, trust.IssuerOf(ca)}, err
}

// withOnline hands the director's three keys to fn; each signature is a use
// with an entry of its own.
func (s *Service) withOnline(ctx context.Context, tx *vault.Tx, actor audit.Actor, fn func(tufrepo.Online) error) error {
	keys := tufrepo.Online{TimestampLife: s.timestampLife}
	for _, role := range []struct {
		purpose vault.Purpose
		into    *crypto.Signer
	}{
		{vault.PurposeDirector, &keys.Director}, {vault.PurposeSnapshot, &keys.Snapshot}, {vault.PurposeTimestamp, &keys.Timestamp},
	} {
		key, err := s.vault.Signer(ctx, tx, vault.Use{Purpose: role.purpose, Key: keyOf(role.purpose), Actor: actor, Now: s.now(), Why: vault.Why{Action: "metadata.sign"}})
		if err != nil {
			return err
		}
		*role.into = key
	}
	directors, err := s.vault.List(ctx, tx, vault.Filter{Purpose: vault.PurposeDirector})
	if err != nil {
		return err
	}
	for _, info := range directors {
		public, err := info.PublicKey()
		if err != nil {
			return err
		}
		keys.Earlier = append(keys.Earlier, public)
	}
	return fn(keys)
}

// withLog hands the log's key to fn, as a signer of notes.
func (s *Service) withLog(ctx context.Context, tx *vault.Tx, actor audit.Actor, fn func(origin string, key note.Signer) error) error {
	status, err := s.vault.Status(ctx)
	if err != nil {
		return err
	}
	use := vault.Use{Purpose: vault.PurposeLog, Key: keyOf(vault.PurposeLog), Actor: actor, Now: s.now(), Why: vault.Why{Action: "log.checkpoint"}}
	info, err := s.vault.Lookup(ctx, tx, use.Key)
	if err != nil {
		return err
	}
	signer, err := newNoteSigner(status.Vault, info)
	if err != nil {
		return sealift.Errorf(sealift.KindInternal, "signing a checkpoint", "%w", err)
	}
	if signer.key, err = s.vault.Signer(ctx, tx, use); err != nil {
		return err
	}
	return fn(signer.origin, signer)
}

// noteSigner fits a vault's key to golang.org/x/mod/sumdb/note.
type noteSigner struct {
	origin string
	hash   uint32
	key    crypto.Signer
}

func newNoteSigner(id sealift.VaultID, info vault.KeyInfo) (*noteSigner, error) {
	text, err := logVerifierKey(id, info)
	if err != nil {
		return nil, err
	}
	verifier, err := note.NewVerifier(text)
	if err != nil {
		return nil, err
	}
	return &noteSigner{origin: verifier.Name(), hash: verifier.KeyHash()}, nil
}

// Name implements note.Signer.
func (n *noteSigner) Name() string { return n.origin }

// KeyHash implements note.Signer.
func (n *noteSigner) KeyHash() uint32 { return n.hash }

// Sign implements note.Signer: an Ed25519 signature of the text.
func (n *noteSigner) Sign(text []byte) ([]byte, error) { return n.key.Sign(nil, text, crypto.Hash(0)) }

// logVerifierKey is the log's key in the form of golang.org/x/mod/sumdb/note.
func logVerifierKey(id sealift.VaultID, info vault.KeyInfo) (string, error) {
	pub, err := info.PublicKey()
	if err != nil {
		return "", err
	}
	key, ok := pub.(ed25519.PublicKey)
	if !ok {
		return "", fmt.Errorf("a log key on %s; Ed25519 is what checkpoints are signed with", info.Algorithm)
	}
	return note.NewEd25519VerifierKey(trust.LogOrigin(id), key)
}
