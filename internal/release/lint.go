package release

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/trust"
)

// candidate is a signed release that no CA has certified yet.
type candidate struct {
	release *trust.Release
	signed  *trust.SignedPayload
	leaf    *ecdsa.PublicKey // of the certificate request
}

// audience is whom a candidate is judged for: what devices have in signed
// documents, and what they run.
type audience struct {
	anchors trust.Trust
	deny    *trust.Deny
	devices []trust.Device
}

// audienceOf reads it. For a roll-back devices stand for all that run what it leads
// away from, and one that is new. Else two do: one that is new, and one
// that took the highest counter and version among what everybody is offered and
// not refused by now (a canary may be followed by a hotfix of what was before it), on this channel and platform, to any runtime that the
// candidate is for as well.
func audienceOf(ctx context.Context, tx store.Tx, r *trust.Release) (audience, error) {
	anchors, err := trustOf(ctx, tx)
	if err != nil {
		return audience{}, err
	}
	deny, err := denyOf(ctx, tx)
	if err != nil {
		return audience{}, err
	}
	runtime, ok := r.Runtime.Sample()
	if !ok {
		return audience{}, sealift.Errorf(sealift.KindInvalid, "checking the release", "no runtime is in the range %q", r.Runtime).
			WithReason("runtime").WithHint("correct --runtime; every comparator must hold at once")
	}
	fresh := trust.Device{App: r.App, Channel: r.Channel, Platform: r.Platform, Runtime: runtime}
	if r.Rollback != nil {
		ran, err := ranBefore(ctx, tx, r, fresh)
		return audience{*anchors, deny, append(ran, fresh)}, err
	}
	settled := fresh
	offered, err := offerOf(ctx, tx, r.App, r.Channel, r.Platform)
	if err != nil {
		return audience{}, err
	}
	rules, err := trust.NewRules(anchors, deny, r.App)
	if err != nil {
		return audience{}, err
	}
	for _, candidate := range offered {
		if candidate.Share < sealift.Everybody || !candidate.Runtime.Overlaps(r.Runtime) {
			continue
		}
		before, err := tx.Release(ctx, r.App, candidate.Release.Digest)
		if err != nil {
			return audience{}, err
		}
		// A device that runs what is revoked takes anything above the floor.
		if rules.Refuses(trust.Revocation{Issuer: before.Issuer, Serial: before.Serial}, before.Counter, before.Version) != "" {
			continue
		}
		settled.Confirmed = max(settled.Confirmed, before.Counter)
		if settled.Installed == nil || settled.Installed.Version.Compare(before.Version) < 0 {
			settled.Installed = &trust.Installed{Release: before.Digest, Version: before.Version, Sound: true}
		}
	}
	return audience{*anchors, deny, []trust.Device{fresh, settled}}, nil
}

// verify runs the device's own verifier for each device.
func (a audience) verify(app sealift.AppID, file *trust.ReleaseFile, proof []byte, now time.Time) error {
	rules, err := trust.NewRules(&a.anchors, a.deny, app)
	if err != nil {
		return err
	}
	for _, device := range a.devices {
		if _, err := rules.Verify(device, trust.Evidence{Release: file, Proof: proof}, now); err != nil {
			return foreseen(err)
		}
	}
	return nil
}

// foreseen says to a publisher what a device's refusal means.
func foreseen(err error) error {
	e := sealift.Errorf(sealift.KindOf(err), "judging the release as its devices will", "%w", err)
	switch sealift.KindOf(err) {
	case sealift.KindVersion:
		return e.WithHint("publish under a higher --version than all that is offered to these devices, and again if another publish came in between")
	case sealift.KindChain:
		return e.WithHint("set the publisher's clock and publish again; if that does not help, the release CA is suspended or new")
	}
	return e
}

// check judges a candidate before any real key signs it: a CA and a log that
// live for this one call certify it, and everything else, floors and
// revocations included, is as the devices have it. Co-signatures may come later
// yet; checkSigned looks for them.
func (s *Service) check(ctx context.Context, tx store.Tx, c candidate) error {
	of := store.Coordinates{App: c.release.App, Channel: c.release.Channel, Platform: c.release.Platform, Runtime: c.release.Runtime}
	if err := s.demandTakes(ctx, tx, of, c.release.Act); err != nil {
		return err
	}
	if err := s.checkEpoch(ctx, tx, c.release); err != nil {
		return err
	}
	a, err := audienceOf(ctx, tx, c.release)
	if err != nil {
		return err
	}
	switch c.release.Act {
	case sealift.ActRollback:
		err = s.checkSource(ctx, tx, c.release)
	case sealift.ActReissue:
		_, err = s.overtakenBy(ctx, tx, c.release)
	}
	if err != nil {
		return err
	}
	file, proof, err := a.standIn(c)
	if err != nil {
		return sealift.Errorf(sealift.KindInternal, "checking the release", "%w", err)
	}
	return a.verify(c.release.App, file, proof, s.now())
}

// checkSigned judges what the real keys signed, before it is published: that
// the CA is not suspended and was alive at signedAt, and that the log's key is
// the one that devices know.
func (s *Service) checkSigned(ctx context.Context, tx store.Tx, c candidate, file, proof []byte) error {
	a, err := audienceOf(ctx, tx, c.release)
	if err != nil {
		return err
	}
	parsed, err := trust.ParseReleaseFile(file)
	if err != nil {
		return err
	}
	return a.verify(c.release.App, parsed, proof, s.now())
}

// standIn certifies and logs a candidate by keys that it puts in the place of
// the real ones in a's anchors.
func (a *audience) standIn(c candidate) (*trust.ReleaseFile, []byte, error) {
	ca, key, err := throwawayCA(c.release.SignedAt.Time)
	if err != nil {
		return nil, nil, err
	}
	origin := trust.LogOrigin(a.anchors.Vault)
	private, public, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		return nil, nil, err
	}
	a.anchors.ReleaseCAs = []trust.CA{{Certificate: ca.Raw}}
	a.anchors.Log = trust.Log{Keys: []string{public}}
	own := a.anchors.Of(c.release.App)
	own.CosignersNeeded = 0
	a.anchors.Apps = map[sealift.AppID]trust.AppTrust{c.release.App: own}
	file, err := certify(c, ca, key)
	if err != nil {
		return nil, nil, err
	}
	proof, err := throwawayProof(c, origin, private)
	return file, proof, err
}

func throwawayCA(signedAt time.Time) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template, err := trust.CATemplate("throwaway", signedAt.Add(-time.Hour), signedAt.Add(time.Hour))
	if err != nil {
		return nil, nil, err
	}
	der, err := trust.Issue(template, template, key.Public(), key)
	if err != nil {
		return nil, nil, err
	}
	ca, err := trust.ParseCA(der)
	return ca, key, err
}

func certify(c candidate, ca *x509.Certificate, key *ecdsa.PrivateKey) (*trust.ReleaseFile, error) {
	template, err := trust.LeafTemplate(trust.BindingOf(c.release, c.signed.Payload), c.release.SignedAt.Time)
	if err != nil {
		return nil, err
	}
	der, err := trust.Issue(template, ca, c.leaf, key)
	if err != nil {
		return nil, err
	}
	data, err := trust.AssembleRelease(c.signed, der)
	if err != nil {
		return nil, err
	}
	return trust.ParseReleaseFile(data)
}

// throwawayProof is the proof of a log that holds the release and nothing else.
func throwawayProof(c candidate, origin, private string) ([]byte, error) {
	signer, err := note.NewSigner(private)
	if err != nil {
		return nil, err
	}
	record := trust.LogEntry(sealift.DigestOf(c.signed.Payload))
	checkpoint := trust.Checkpoint{Origin: origin, Tree: tlog.Tree{N: 1, Hash: tlog.RecordHash(record)}}
	signed, err := note.Sign(&note.Note{Text: checkpoint.Text()}, signer)
	if err != nil {
		return nil, err
	}
	proof := trust.Proof{Index: 0, Checkpoint: signed}
	return proof.Encode(), nil
}
