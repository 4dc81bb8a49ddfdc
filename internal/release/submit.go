package release

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"fmt"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
	"github.com/sealift/sealift/trust/tufrepo"
)

const submitOp = "submitting the release"

// Submit takes a draft, or refuses it with the error that a device would refuse
// it with. It is certified and published at once if nothing is missing, else it
// waits. Submitting the same again answers the same.
func (s *Service) Submit(ctx context.Context, by access.Caller, app sealift.AppID, draftID string, what service.Submission) (service.DraftDetail, error) {
	d, err := view(ctx, s.store, func(tx store.Tx) (store.Draft, error) { return s.draftToSubmit(ctx, tx, app, draftID) })
	if err != nil {
		return service.DraftDetail{}, err
	}
	c, err := s.readSubmission(d, what)
	if err != nil {
		return service.DraftDetail{}, err
	}
	if d.State != store.DraftReserved {
		return s.submitted(ctx, d, c)
	}
	if err := checkUrgent(d, c.release.Urgent); err != nil {
		return service.DraftDetail{}, err
	}
	if err := s.store.View(ctx, func(tx store.Tx) error { return s.check(ctx, tx, c) }); err != nil {
		return service.DraftDetail{}, err
	}
	if err := s.inspect(ctx, by, c, what.Capgo); err != nil {
		return service.DraftDetail{}, err
	}
	out, err := vault.Do(ctx, s.vault, func(tx *vault.Tx) (service.DraftDetail, error) { return s.submit(ctx, tx, by, d, c, what) })
	if err != nil {
		return service.DraftDetail{}, err
	}
	return out, s.Flush(ctx)
}

// submit keeps what was submitted, and goes on as far as it may.
func (s *Service) submit(ctx context.Context, tx *vault.Tx, by access.Caller, d store.Draft, c candidate, what service.Submission) (service.DraftDetail, error) {
	rules, err := rulesOf(ctx, tx, d.App)
	if err != nil {
		return service.DraftDetail{}, err
	}
	signed, err := rules.OnlyCounting(c.signed, c.leaf)
	if err != nil {
		return service.DraftDetail{}, err
	}
	if d.Envelope, err = signed.Encode(); err != nil {
		return service.DraftDetail{}, err
	}
	// What people approve includes it, so it stays as it is from here on.
	if d.Plan, err = s.planOf(ctx, tx, d, c); err != nil {
		return service.DraftDetail{}, err
	}
	d.State, d.CSR, d.Submitted = store.DraftSubmitted, what.CSR, s.now().UTC()
	details := map[string]string{"draft": d.ID, "counter": fmt.Sprint(d.Counter), "payload": "sha256:" + sealift.DigestOf(c.signed.Payload).String()}
	if err := s.setDraft(ctx, tx, &d, store.DraftReserved, details); err != nil {
		return service.DraftDetail{}, err
	}
	if err := record(ctx, tx, d.Submitted, by, "release.submit", subjectOf(d.Coordinates), details); err != nil {
		return service.DraftDetail{}, err
	}
	if err := s.keepCapgo(ctx, tx, by, d, what.Capgo); err != nil {
		return service.DraftDetail{}, err
	}
	if err := s.approvals.AskRelease(ctx, tx, by, d, sealift.DigestOf(c.signed.Payload)); err != nil {
		return service.DraftDetail{}, err
	}
	return s.settle(ctx, tx, by.Actor(), d)
}

// submitted answers who submits once more what was taken already.
func (s *Service) submitted(ctx context.Context, d store.Draft, c candidate) (service.DraftDetail, error) {
	before, err := trust.ParseReleaseEnvelope(d.Envelope)
	if err != nil {
		return service.DraftDetail{}, err
	}
	if !bytes.Equal(before.Payload, c.signed.Payload) {
		return service.DraftDetail{}, errPublished(d.Coordinates, d.Counter)
	}
	out, err := view(ctx, s.store, func(tx store.Tx) (service.DraftDetail, error) { return s.tell(ctx, tx, d) })
	if err != nil {
		return service.DraftDetail{}, err
	}
	return out, s.Flush(ctx)
}

// draftToSubmit returns the draft, which may have been submitted already.
func (s *Service) draftToSubmit(ctx context.Context, tx store.Tx, app sealift.AppID, id string) (store.Draft, error) {
	d, err := s.findDraft(ctx, tx, app, id)
	if err != nil || d.State == store.DraftPublished {
		return d, err
	}
	if d.State == store.DraftAbandoned || s.now().After(d.Expires) {
		return d, sealift.Errorf(sealift.KindConflict, submitOp, "the draft was given up, or another publish took its place").
			WithReason("draft").WithHint("publish again")
	}
	return d, nil
}

// readSubmission reads what the publisher signed and holds it to the draft.
func (s *Service) readSubmission(d store.Draft, what service.Submission) (candidate, error) {
	signed, err := trust.ParseReleaseEnvelope(what.Envelope)
	if err != nil {
		return candidate{}, err
	}
	leaf, err := leafOf(what.CSR)
	if err != nil {
		return candidate{}, sealift.Errorf(sealift.KindInvalid, submitOp, "certificate request: %w", err).WithReason("csr")
	}
	if err := signed.VerifiedBy(leaf); err != nil {
		return candidate{}, sealift.Errorf(sealift.KindSignature, submitOp, "the key of the certificate request did not sign the release: %w", err).WithReason("signature")
	}
	r, err := trust.ParseRelease(signed.Payload)
	if err != nil {
		return candidate{}, sealift.Errorf(sealift.KindInvalid, submitOp, "%w", err).WithReason("malformed")
	}
	of := store.Coordinates{App: r.App, Channel: r.Channel, Platform: r.Platform, Runtime: r.Runtime, Version: r.Version}
	if of != d.Coordinates || r.Counter != d.Counter || r.Act != d.Act {
		return candidate{}, sealift.Errorf(sealift.KindInvalid, submitOp, "the signed release is not the one that was reserved").WithReason("draft")
	}
	if age := s.now().Sub(r.SignedAt.Time); age > sealift.MaxPublishAge || age < -sealift.MaxClockAhead {
		return candidate{}, sealift.Errorf(sealift.KindInvalid, submitOp, "signed at %s, which is %s from the vault's clock", r.SignedAt.Format(time.RFC3339), age.Round(time.Second)).
			WithReason("clock").WithHint("set the publisher's clock, then publish again")
	}
	return candidate{release: r, signed: signed, leaf: leaf}, nil
}

// leafOf returns the key that a PKCS #10 request (RFC 2986) proves possession
// of. Nothing else of the request counts: the vault decides what it certifies.
func leafOf(csr []byte) (*ecdsa.PublicKey, error) {
	request, err := x509.ParseCertificateRequest(csr)
	if err != nil {
		return nil, err
	}
	if err := request.CheckSignature(); err != nil {
		return nil, err
	}
	alg, err := trust.AlgorithmOf(request.PublicKey)
	if err != nil || alg != trust.ECDSAP256SHA256 {
		return nil, fmt.Errorf("a leaf key must be on P-256")
	}
	return request.PublicKey.(*ecdsa.PublicKey), nil
}

// checkEpoch refuses a content key that is sealed to another key than the
// channel's current one.
func (s *Service) checkEpoch(ctx context.Context, tx store.Tx, r *trust.Release) error {
	e, err := s.epochOf(ctx, tx, r.App, r.Channel, 0)
	if err != nil {
		return err
	}
	if r.Epoch.Number != e.Number || r.Epoch.PublicKey != sealift.DigestOf(e.PublicKey) {
		return sealift.Errorf(sealift.KindConflict, submitOp, "sealed to epoch %d, the channel is at epoch %d", r.Epoch.Number, e.Number).
			WithReason("epoch").WithHint("do it again: the channel turned its epoch meanwhile")
	}
	return nil
}

// publish does all that is signed for a release, in one transaction.
// d follows.
func (s *Service) publish(ctx context.Context, tx *vault.Tx, actor audit.Actor, d *store.Draft, c candidate) (store.Release, error) {
	if err := s.demandContinued(ctx, tx); err != nil {
		return store.Release{}, err
	}
	if d.Act == sealift.ActRelease || d.Act == sealift.ActPromotion { // the others repeat what is published
		if err := checkFree(ctx, tx, d.Coordinates); err != nil {
			return store.Release{}, err
		}
	}
	// Once more: inspecting took a while, and others publish too.
	if err := s.check(ctx, tx, c); err != nil {
		return store.Release{}, err
	}
	if err := s.checkPromoted(ctx, tx, *d); err != nil {
		return store.Release{}, err
	}
	file, leaf, err := s.certify(ctx, tx, actor, c)
	if err != nil {
		return store.Release{}, err
	}
	logged, err := s.logRelease(ctx, tx, actor, c)
	if err != nil {
		return store.Release{}, err
	}
	if err := s.checkSigned(ctx, tx, c, file, logged.proof); err != nil {
		return store.Release{}, err
	}
	r := rowOf(*d, c, file, logged, leaf)
	r.Created = s.now().UTC()
	if err := tx.InsertRelease(ctx, r); err != nil {
		return store.Release{}, err
	}
	if err := s.publishCapgo(ctx, tx, actor, *d, r); err != nil {
		return store.Release{}, err
	}
	if err := s.outRelease(ctx, tx, r, logged); err != nil {
		return store.Release{}, err
	}
	if err := s.rollOut(ctx, tx, actor, *d, c, r); err != nil {
		return store.Release{}, err
	}
	offer, err := s.compose(ctx, tx, r.App, r.Channel, r.Platform)
	if err != nil {
		return store.Release{}, err
	}
	if err := demandRoom(ctx, tx, r, offer); err != nil {
		return store.Release{}, err
	}
	if err := s.direct(ctx, tx, actor, []tufrepo.Target{offer}); err != nil {
		return store.Release{}, err
	}
	return r, s.recordPublished(ctx, tx, actor, d, c, r)
}

// recordPublished has the draft say what became of it, and the log with it. d follows.
func (s *Service) recordPublished(ctx context.Context, tx *vault.Tx, actor audit.Actor, d *store.Draft, c candidate, r store.Release) error {
	details := map[string]string{
		"counter": fmt.Sprint(r.Counter), "release": "sha256:" + r.Digest.String(), "payload": "sha256:" + r.Payload.String(),
		"archive": "sha256:" + r.Archive.String(), "serial": r.Serial, "requester": d.Requester,
	}
	if u := c.release.Urgent; u != nil {
		details["urgent"] = u.Reason
	}
	if back := c.release.Rollback; back != nil {
		details["not-after"], details["reason-given"] = back.NotAfter.UTC().Format(time.RFC3339), back.Reason
		for i, digest := range back.From {
			details[numbered("from", i)] = "sha256:" + digest.String()
		}
	}
	d.State, d.Release = store.DraftPublished, r.Digest
	if err := s.setDraft(ctx, tx, d, store.DraftSubmitted, details); err != nil {
		return err
	}
	return recordAs(ctx, tx, s.now(), actor, "release.publish", subjectOf(d.Coordinates), details)
}

// rollOut begins the roll-out of what was certified, with all that follows for those
// that are under way.
func (s *Service) rollOut(ctx context.Context, tx *vault.Tx, actor audit.Actor, d store.Draft, c candidate, r store.Release) error {
	if d.Act == sealift.ActReissue {
		return s.takeOver(ctx, tx, actor, r, c.release)
	}
	plan, err := s.planOf(ctx, tx, d, c)
	if err != nil {
		return err
	}
	if _, err := s.begin(ctx, tx, actor, r, beginning{salt: newDraftID(), plan: plan, hold: d.Hold, urgent: c.release.Urgent != nil}); err != nil {
		return err
	}
	if d.Act == sealift.ActRollback {
		return s.takeBack(ctx, tx, actor, c.release)
	}
	return s.reissueOvertaken(ctx, tx, r.Coordinates)
}

func rowOf(d store.Draft, c candidate, file []byte, logged logged, leaf issued) store.Release {
	full := c.release.Full()
	return store.Release{
		Coordinates: d.Coordinates,
		Digest:      sealift.DigestOf(file), Payload: sealift.DigestOf(c.signed.Payload),
		Counter: d.Counter, Act: d.Act, SignedAt: c.release.SignedAt.Time,
		Archive: c.release.Archive.Digest, ArchiveSize: c.release.Archive.Length,
		Blob: full.Digest, BlobSize: full.Length,
		File: file, Proof: logged.proof, LogIndex: logged.index,
		Serial: trust.SerialOf(leaf.certificate), Issuer: leaf.issuer,
	}
}

// logged is a release in the log.
type logged struct {
	index      int64
	checkpoint []byte
	proof      []byte
	tiles      []audit.Tile
}

// logRelease appends the release to the log and proves it under a checkpoint
// that covers it.
func (s *Service) logRelease(ctx context.Context, tx *vault.Tx, actor audit.Actor, c candidate) (logged, error) {
	index, err := audit.AppendLeaf(ctx, tx, trust.LogEntry(sealift.DigestOf(c.signed.Payload)))
	if err != nil {
		return logged{}, err
	}
	tree, checkpoint, tiles, err := s.checkpoint(ctx, tx, actor)
	if err != nil {
		return logged{}, err
	}
	proof, err := audit.Prove(ctx, tx, index, tree, checkpoint)
	return logged{index, checkpoint, proof, tiles}, err
}

// outRelease puts a release's files into the outbox, before anything that
// names them.
func (s *Service) outRelease(ctx context.Context, tx store.DocumentTx, r store.Release, l logged) error {
	if err := tx.AppendOutbox(ctx, "releases/"+r.Digest.String(), r.File); err != nil {
		return err
	}
	if err := tx.AppendOutbox(ctx, "proofs/"+sealift.DigestOf(r.Proof).String(), r.Proof); err != nil {
		return err
	}
	return outLog(ctx, tx, l.checkpoint, l.tiles)
}
