package release

import (
	"context"
	"errors"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
)

// gate is one condition that a submitted draft must meet before the release CA
// certifies it. It returns nil where nothing is missing.
type gate func(ctx context.Context, tx store.Tx, d store.Draft, c candidate) (*service.Missing, error)

// gates are all of them. A draft is certified in the transaction after which
// the last one has nothing to say.
func (s *Service) gates() []gate { return []gate{cosignatures, s.approved} }

// ready lists what a submitted draft waits for; nothing means that it may be
// certified. It is asked after everything that may have changed the answer.
func (s *Service) ready(ctx context.Context, tx store.Tx, d store.Draft, c candidate) (missing []service.Missing, err error) {
	for _, gate := range s.gates() {
		m, err := gate(ctx, tx, d, c)
		if err != nil {
			return nil, err
		}
		if m != nil {
			missing = append(missing, *m)
		}
	}
	return missing, nil
}

// cosignatures is the gate of the co-signers that trust.json demands for the
// app. The vault cannot open it: the keys are people's, and devices look for
// themselves.
func cosignatures(ctx context.Context, tx store.Tx, _ store.Draft, c candidate) (*service.Missing, error) {
	rules, err := rulesOf(ctx, tx, c.release.App)
	if err != nil {
		return nil, err
	}
	count, err := rules.Cosigned(c.signed)
	if err != nil || count.Missing() == 0 {
		return nil, err
	}
	return &service.Missing{What: service.MissingCosignatures, Have: len(count.Signed), Need: count.Needed, By: count.Signed, From: count.Open}, nil
}

// Approvals asks people about releases where a policy says so; *approval.Board
// does.
type Approvals interface {
	// AskRelease asks about a draft that was just submitted.
	AskRelease(ctx context.Context, tx *vault.Tx, by access.Caller, d store.Draft, payload sealift.Digest) error
	// MissingForRelease says what is missing; nil for nothing.
	MissingForRelease(ctx context.Context, tx store.Tx, d store.Draft, payload sealift.Digest) (*service.Missing, error)
	// UseForRelease spends what people said, in the transaction that certifies.
	UseForRelease(ctx context.Context, tx *vault.Tx, actor audit.Actor, d store.Draft, payload sealift.Digest) error
	// EndForRelease voids what was asked about a draft that is given up.
	EndForRelease(ctx context.Context, tx *vault.Tx, actor audit.Actor, d store.Draft) error
}

// approved is the gate of the people whom a policy asks.
func (s *Service) approved(ctx context.Context, tx store.Tx, d store.Draft, c candidate) (*service.Missing, error) {
	return s.approvals.MissingForRelease(ctx, tx, d, sealift.DigestOf(c.signed.Payload))
}

// SettleDraft certifies and publishes one draft if nothing is missing any more.
func (s *Service) SettleDraft(ctx context.Context, app sealift.AppID, id string) error {
	err := s.vault.Update(ctx, func(tx *vault.Tx) error {
		d, err := s.findDraft(ctx, tx, app, id)
		if err != nil || d.State != store.DraftSubmitted || s.now().After(d.Expires) {
			return err
		}
		_, err = s.settle(ctx, tx, System("publisher"), d)
		return err
	})
	if err != nil {
		return err
	}
	return s.Flush(ctx)
}

// rulesOf returns what the devices of app go by now.
func rulesOf(ctx context.Context, tx store.DocumentTx, app sealift.AppID) (*trust.Rules, error) {
	anchors, err := trustOf(ctx, tx)
	if err != nil {
		return nil, err
	}
	deny, err := denyOf(ctx, tx)
	if err != nil {
		return nil, err
	}
	return trust.NewRules(anchors, deny, app)
}

// settle certifies and publishes a submitted draft if nothing is missing.
func (s *Service) settle(ctx context.Context, tx *vault.Tx, actor audit.Actor, d store.Draft) (service.DraftDetail, error) {
	c, err := s.readSubmission(d, service.Submission{Envelope: d.Envelope, CSR: d.CSR})
	if err != nil {
		return service.DraftDetail{}, err
	}
	missing, err := s.ready(ctx, tx, d, c)
	if err != nil {
		return service.DraftDetail{}, err
	}
	if len(missing) > 0 {
		out := detailOf(d, &c)
		out.Missing = missing
		_, out.Capgo, err = s.capgoDraft(ctx, tx, d)
		return out, err
	}
	if err := s.approvals.UseForRelease(ctx, tx, actor, d, sealift.DigestOf(c.signed.Payload)); err != nil {
		return service.DraftDetail{}, err
	}
	r, err := s.publish(ctx, tx, actor, &d, c)
	if err != nil {
		return service.DraftDetail{}, err
	}
	out := detailOf(d, &c)
	published := releaseOf(r)
	published.Capgo, err = s.capgoRelease(ctx, tx, r)
	out.Release = &published
	return out, err
}

// detailOf tells of a draft; c is what was submitted for it, nil if nothing was.
func detailOf(d store.Draft, c *candidate) service.DraftDetail {
	out := service.DraftDetail{
		Reservation: service.Reservation{App: d.App, Channel: d.Channel, Platform: d.Platform, Runtime: d.Runtime, Version: d.Version, Act: d.Act, Hold: d.Hold},
		ID:          d.ID, State: service.DraftState(d.State), Counter: d.Counter, Requester: d.Requester,
		Created: d.Created, Expires: d.Expires, Submitted: d.Submitted, Envelope: d.Envelope,
	}
	out.Plan, _ = planIn(d.Plan) // the vault wrote it, or the draft is refused whatever it says
	if c != nil {
		out.Payload, out.Urgent, out.Rollback = sealift.DigestOf(c.signed.Payload), c.release.Urgent, c.release.Rollback
		out.Archive = service.Content{Digest: c.release.Archive.Digest, Length: c.release.Archive.Length}
	}
	return out
}

// Drafts implements service.Drafts.
func (s *Service) Drafts(ctx context.Context, app sealift.AppID) ([]service.DraftDetail, error) {
	return view(ctx, s.store, func(tx store.Tx) ([]service.DraftDetail, error) {
		if _, err := s.findApp(ctx, tx, app); err != nil {
			return nil, err
		}
		rows, err := tx.SubmittedDrafts(ctx, app)
		if err != nil {
			return nil, err
		}
		out := make([]service.DraftDetail, len(rows))
		for i, d := range rows {
			if out[i], err = s.tell(ctx, tx, d); err != nil {
				return nil, err
			}
			out[i].Envelope = nil
		}
		return out, nil
	})
}

// Draft implements service.Drafts.
func (s *Service) Draft(ctx context.Context, app sealift.AppID, id string) (service.DraftDetail, error) {
	return view(ctx, s.store, func(tx store.Tx) (service.DraftDetail, error) {
		d, err := s.findDraft(ctx, tx, app, id)
		if err != nil {
			return service.DraftDetail{}, err
		}
		return s.tell(ctx, tx, d)
	})
}

// tell says of a draft what stands in its way.
func (s *Service) tell(ctx context.Context, tx store.Tx, d store.Draft) (service.DraftDetail, error) {
	if d.State == store.DraftPublished {
		out := detailOf(d, nil)
		r, err := tx.Release(ctx, d.App, d.Release)
		if err != nil {
			return out, err
		}
		published, err := s.tellRelease(ctx, tx, r)
		out.Release = &published
		return out, err
	}
	if d.State != store.DraftSubmitted {
		return detailOf(d, nil), nil
	}
	if err := s.vault.CheckRow(ctx, tx, d); err != nil {
		out := detailOf(d, nil)
		out.Problem = err.Error()
		return out, nil
	}
	c, err := s.readSubmission(d, service.Submission{Envelope: d.Envelope, CSR: d.CSR})
	if err == nil && s.now().After(d.Expires) {
		err = errors.New("it is too old: give it up, and publish again")
	}
	if err != nil {
		out := detailOf(d, nil)
		out.Problem = err.Error()
		return out, nil
	}
	out := detailOf(d, &c)
	if out.Missing, err = s.ready(ctx, tx, d, c); err != nil {
		return out, err
	}
	if _, out.Capgo, err = s.capgoDraft(ctx, tx, d); err != nil {
		return out, err
	}
	if err := s.check(ctx, tx, c); err != nil {
		out.Problem = err.Error()
	} else if err := s.checkPromoted(ctx, tx, d); err != nil {
		out.Problem = err.Error()
	} else if err := s.checkCapgo(ctx, tx, d); err != nil {
		out.Problem = err.Error()
	}
	return out, nil
}

const cosignOp = "co-signing the release"

// Cosign implements service.Drafts.
func (s *Service) Cosign(ctx context.Context, by access.Caller, app sealift.AppID, id string, envelope []byte) (service.DraftDetail, error) {
	brought, err := trust.ParseReleaseEnvelope(envelope)
	if err != nil {
		return service.DraftDetail{}, err
	}
	out, err := vault.Do(ctx, s.vault, func(tx *vault.Tx) (service.DraftDetail, error) {
		d, err := s.findDraft(ctx, tx, app, id)
		if err != nil {
			return service.DraftDetail{}, err
		}
		if d.State != store.DraftSubmitted || s.now().After(d.Expires) {
			return service.DraftDetail{}, sealift.Errorf(sealift.KindConflict, cosignOp, "the draft is %s, and waits for nobody", stateAt(d, s.now())).
				WithReason("draft").WithHint("see which wait: sealift release pending --app %s", app)
		}
		c, err := s.readSubmission(d, service.Submission{Envelope: d.Envelope, CSR: d.CSR})
		if err != nil {
			return service.DraftDetail{}, err
		}
		rules, err := rulesOf(ctx, tx, app)
		if err != nil {
			return service.DraftDetail{}, err
		}
		more, err := rules.Cosigned(brought)
		if err != nil {
			return service.DraftDetail{}, err
		}
		signed, err := rules.Cosign(c.signed, brought, c.leaf)
		if err != nil {
			return service.DraftDetail{}, err
		}
		if d.Envelope, err = signed.Encode(); err != nil {
			return service.DraftDetail{}, err
		}
		details := map[string]string{"draft": d.ID, "payload": "sha256:" + sealift.DigestOf(c.signed.Payload).String()}
		for i, key := range more.Signed {
			details[numbered("key", i)] = key
		}
		if err := s.setDraft(ctx, tx, &d, store.DraftSubmitted, details); err != nil {
			return service.DraftDetail{}, err
		}
		if err := record(ctx, tx, s.now(), by, "release.cosign", subjectOf(d.Coordinates), details); err != nil {
			return service.DraftDetail{}, err
		}
		return s.settle(ctx, tx, by.Actor(), d)
	})
	if err != nil {
		return service.DraftDetail{}, s.refuse(ctx, by, "release.cosign", string(app), map[string]string{"draft": id}, err)
	}
	return out, s.Flush(ctx)
}

// stateAt is a draft's state in a word; one that is too old counts as given up
// before anybody did.
func stateAt(d store.Draft, now time.Time) string {
	if d.State == store.DraftSubmitted && now.After(d.Expires) {
		return "too old"
	}
	return string(d.State)
}

// Settle looks at every draft that waits: one for which nothing is missing any
// more, as after a ceremony that asks for fewer co-signers, is certified and
// published, and one that is too old is given up. Then it takes roll-backs out of the
// offer whose time is over. What cannot be done for one draft does not keep the others;
// the error joins all of it.
func (s *Service) Settle(ctx context.Context) error {
	rows, err := view(ctx, s.store, func(tx store.Tx) ([]store.Draft, error) { return tx.SubmittedDrafts(ctx, "") })
	if err != nil {
		return err
	}
	actor := System("publisher")
	var failed []error
	for _, row := range rows {
		err := s.vault.Update(ctx, func(tx *vault.Tx) error {
			d, err := s.findDraft(ctx, tx, row.App, row.ID)
			if err != nil || d.State != store.DraftSubmitted {
				return err
			}
			if s.now().After(d.Expires) {
				return s.giveUp(ctx, tx, actor, d, "release.expire")
			}
			_, err = s.settle(ctx, tx, actor, d)
			return err
		})
		if err != nil {
			failed = append(failed, sealift.Errorf(sealift.KindOf(err), "looking at the draft of "+subjectOf(row.Coordinates), "%w", err))
		}
	}
	failed = append(failed, s.endRollbacks(ctx))
	return errors.Join(append(failed, s.Flush(ctx))...)
}
