package release

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/bundle"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
)

// derivable returns what source signs, for a new release to be made of. Rows of
// releases bear no MAC, so it is judged as a device judges it: a row that SQL wrote
// is certified and logged by nobody, and one that is revoked or under a floor is
// refused here as there.
func (s *Service) derivable(ctx context.Context, tx store.Tx, source store.Release) (*trust.Release, error) {
	file, r, err := fileIn(source)
	if err != nil {
		return nil, err
	}
	rules, err := rulesOf(ctx, tx, r.App)
	if err != nil {
		return nil, err
	}
	runtime, ok := r.Runtime.Sample()
	if !ok {
		return nil, sealift.Errorf(sealift.KindInvalid, "reading the release", "no runtime is in the range %q", r.Runtime).WithReason("runtime")
	}
	fresh := trust.Device{App: r.App, Channel: r.Channel, Platform: r.Platform, Runtime: runtime}
	if _, err := rules.Verify(fresh, trust.Evidence{Release: file, Proof: source.Proof}, s.now()); err != nil {
		return nil, sealift.Errorf(sealift.KindOf(err), "judging the release as its devices do", "%w", err).WithReason(sealift.ReasonOf(err)).
			WithHint("nothing is made of a release that devices refuse; see why with: sealift release show %s --app %s", r.Version, r.App)
	}
	return r, nil
}

// reseal moves r to a channel: the content key is opened with the epoch that it is
// sealed to and sealed to the channel's current one.
func (s *Service) reseal(ctx context.Context, tx *vault.Tx, by access.Caller, action string, r *trust.Release, to sealift.Channel) error {
	key, err := s.openContentKey(ctx, tx, by, action, r)
	if sealift.KindOf(err) == sealift.KindDenied {
		return sealift.Errorf(sealift.KindDenied, fmt.Sprintf("opening the content key with epoch %d of channel %s", r.Epoch.Number, r.Channel), "%w", err).
			WithReason(sealift.ReasonOf(err)).WithHint("the vault cannot open that bundle any more; publish its folder instead: sealift publish DIR --app %s --channel %s --version %s", r.App, to, r.Version)
	}
	if err != nil {
		return err
	}
	epoch, err := s.epochOf(ctx, tx, r.App, to, 0)
	if err != nil {
		return err
	}
	suite := bundle.Suite{KEM: epoch.KEM, KDF: epoch.KDF, AEAD: epoch.AEAD}
	public, err := bundle.ParsePublicKey(suite, epoch.PublicKey)
	if err != nil {
		return err
	}
	sealed, err := bundle.SealContentKey(public, key, bundle.ContentKeyInfo{App: r.App, Channel: to, Epoch: epoch.Number, Archive: r.Archive.Digest})
	if err != nil {
		return err
	}
	r.Channel = to
	r.Epoch = trust.EpochRef{Number: epoch.Number, PublicKey: public.Digest()}
	r.ContentKey = trust.SealedKey{KEM: suite.KEM, KDF: suite.KDF, AEAD: suite.AEAD, Sealed: sealed}
	return nil
}

// author signs what the vault makes of source, as a publisher would: the next
// counter, a leaf key that signs once and is forgotten, a draft that waits for
// whatever it must. The log says that the vault made the leaf.
func (s *Service) author(ctx context.Context, tx *vault.Tx, by access.Caller, of store.Coordinates, source store.Release, next *trust.Release) (service.DraftDetail, error) {
	return s.authorAs(ctx, tx, by, store.Draft{Coordinates: of}, source, next)
}

// authorAs is author for a draft that says how its roll-out begins.
func (s *Service) authorAs(ctx context.Context, tx *vault.Tx, by access.Caller, d store.Draft, source store.Release, next *trust.Release) (out service.DraftDetail, err error) {
	now, of := s.now().UTC(), d.Coordinates
	d.ID, d.Act, d.State, d.Requester = newDraftID(), next.Act, store.DraftReserved, by.ID
	d.Source = source.Digest
	d.Created, d.Expires = now, now.Add(sealift.MaxPublishAge)
	if d.Counter, err = nextCounter(ctx, tx, of.App); err != nil {
		return out, err
	}
	next.Counter, next.SignedAt = d.Counter, trust.At(now)
	what, err := signOnce(next)
	if err != nil {
		return out, err
	}
	c, err := s.readSubmission(d, what)
	if err != nil {
		return out, err
	}
	if err := s.check(ctx, tx, c); err != nil {
		return out, err
	}
	if d.MAC, err = tx.Authenticate(d); err != nil {
		return out, err
	}
	if err := tx.InsertDraft(ctx, d); err != nil {
		return out, err
	}
	leaf, err := x509.MarshalPKIXPublicKey(c.leaf)
	if err != nil {
		return out, sealift.Errorf(sealift.KindInternal, "signing the release", "%w", err)
	}
	err = record(ctx, tx, now, by, "release.author", subjectOf(of), map[string]string{
		"act": string(next.Act), "counter": fmt.Sprint(d.Counter), "draft": d.ID, "source": "sha256:" + source.Digest.String(),
		"leaf": "made by the vault", "leafKey": "sha256:" + sealift.DigestOf(leaf).String(), vault.RowDetail: vault.RowTag(d.MAC),
	})
	if err != nil {
		return out, err
	}
	if err := s.carryCapgo(ctx, tx, by, source, d); err != nil {
		return out, err
	}
	return s.submit(ctx, tx, by, d, c, what)
}

// signOnce makes the leaf key of one release, signs the payload and a certificate
// request, and forgets the key.
func signOnce(r *trust.Release) (what service.Submission, err error) {
	payload, err := r.Encode()
	if err != nil {
		return what, err
	}
	leaf, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return what, sealift.Errorf(sealift.KindInternal, "signing the release", "%w", err)
	}
	if what.Envelope, err = trust.Sign(trust.ReleasePayloadType, payload, leaf); err != nil {
		return what, err
	}
	what.CSR, err = x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, leaf)
	if err != nil {
		return what, sealift.Errorf(sealift.KindInternal, "signing the release", "%w", err)
	}
	return what, nil
}
