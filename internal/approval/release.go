package approval

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/rollout"
	"github.com/sealift/sealift/trust"
)

// releaseOf is what is asked about a draft: everything that tells it from another,
// and the SHA-256 of the payload that will be certified. Whether it is urgent, or
// takes devices back and from what, is read from the signed payload, the only place
// that says so.
func releaseOf(ctx context.Context, tx draftTx, d store.Draft, payload sealift.Digest) (Proposal, error) {
	p := Proposal{Action: ActionRelease, App: d.App, Subject: d.ID, Payload: payload, Parameters: map[string]string{
		"channel": string(d.Channel), "platform": string(d.Platform), "runtime": string(d.Runtime), "version": string(d.Version),
		"counter": fmt.Sprint(d.Counter), "act": string(d.Act),
	}}
	if d.Hold {
		p.Parameters["hold"] = "nobody takes it until somebody resumes its roll-out"
	}
	if err := p.addCapgo(ctx, tx, d); err != nil {
		return p, err
	}
	signed, err := signedIn(d)
	if signed != nil && signed.Act == sealift.ActPromotion { // to be held against what was tested
		p.Parameters["archive"] = signed.Archive.Digest.String()
	}
	switch {
	case err != nil:
		return p, err
	case signed != nil && signed.Act == sealift.ActReissue:
		p.Action = actionReissue
	case signed != nil && signed.Rollback != nil:
		p.Action = ActionRollback
		return p, p.addRollback(ctx, tx, signed.Rollback)
	case signed != nil && signed.Urgent != nil:
		p.Action, p.Parameters["urgent"] = ActionUrgent, "every device takes it at its next check: it skips stages and quiet hours"
		if signed.Urgent.Reason != "" {
			p.Parameters["reason"] = signed.Urgent.Reason
		}
	case len(d.Plan) > 0:
		return p, p.addPlan(d.Plan)
	}
	return p, nil
}

// draftTx reads all of a draft.
type draftTx interface {
	store.ReleaseTx
	store.CapgoTx
}

// addCapgo says that devices with Capgo's plugin take the release as well, which
// anybody can read who has the app, and by the digest what it is for them.
func (p Proposal) addCapgo(ctx context.Context, tx store.CapgoTx, d store.Draft) error {
	kept, err := tx.CapgoDraft(ctx, d.ID)
	if sealift.KindOf(err) == sealift.KindNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	p.Parameters["capgo"] = "devices with Capgo's plugin take it as well, and whoever has the app can read it"
	p.Parameters["capgo-sha256"] = sealift.DigestOf(kept.Document).String()
	if !kept.Source.IsZero() {
		p.Parameters["capgo-sha256"] = kept.Source.String()
	}
	return nil
}

// addPlan says with which plan a roll-out begins: in words for people, and by the
// digest of all of it.
func (p Proposal) addPlan(text []byte) error {
	plan, err := rollout.ParsePlan(text)
	if err != nil {
		return err
	}
	p.Parameters["plan"], p.Parameters["plan-sha256"] = plan.String(), sealift.DigestOf(text).String()
	return nil
}

// addRollback says from which releases devices go back, until when, and why.
func (p Proposal) addRollback(ctx context.Context, tx store.ReleaseTx, back *trust.Rollback) error {
	from := make([]string, len(back.From))
	for i, digest := range back.From {
		r, err := tx.Release(ctx, p.App, digest)
		if err != nil {
			return err
		}
		from[i] = fmt.Sprintf("%s (counter %d)", r.Version, r.Counter)
	}
	p.Parameters["from"] = strings.Join(from, ", ")
	p.Parameters["not-after"], p.Parameters["reason"] = back.NotAfter.UTC().Format(time.RFC3339), back.Reason
	return nil
}

// signedIn reads what was submitted for a draft; nil where nothing was, of which
// nothing can be certified.
func signedIn(d store.Draft) (*trust.Release, error) {
	if len(d.Envelope) == 0 {
		return nil, nil
	}
	signed, err := trust.ParseReleaseEnvelope(d.Envelope)
	if err != nil {
		return nil, err
	}
	return trust.ParseRelease(signed.Payload)
}

// AskRelease asks people about a draft that was just submitted, if its policy does.
// It implements release.Approvals.
func (b *Board) AskRelease(ctx context.Context, tx *vault.Tx, by access.Caller, d store.Draft, payload sealift.Digest) error {
	p, err := releaseOf(ctx, tx, d, payload)
	if err != nil {
		return err
	}
	policy, err := b.policyOf(ctx, tx, p)
	if err != nil || policy.Needed == 0 {
		return err
	}
	_, err = b.ask(ctx, tx, by, policy, p)
	return err
}

// MissingForRelease says what a draft lacks of what its policy asks for; nil for
// nothing. One that was submitted before there was such a policy, or under another
// version of it, lacks everything, and is to be published anew. It implements
// release.Approvals.
func (b *Board) MissingForRelease(ctx context.Context, tx store.Tx, d store.Draft, payload sealift.Digest) (*service.Missing, error) {
	policy, r, yes, err := b.release(ctx, tx, d, payload)
	if err != nil || policy.Needed == 0 || int64(len(yes)) >= r.Needed && r.State == store.ApprovalGranted {
		return nil, err
	}
	out := &service.Missing{What: service.MissingApprovals, Need: int(max(policy.Needed, r.Needed)), Have: len(yes), From: strings.Fields(policy.Roles)}
	for _, a := range yes {
		out.By = append(out.By, a.Person)
	}
	return out, nil
}

// release finds the request about a draft and the approvals of it that count.
func (b *Board) release(ctx context.Context, tx store.Tx, d store.Draft, payload sealift.Digest) (policy store.Policy, r store.ApprovalRequest, yes []store.Approval, err error) {
	p, err := releaseOf(ctx, tx, d, payload)
	if err != nil {
		return policy, r, nil, err
	}
	if policy, err = b.policyOf(ctx, tx, p); err != nil || policy.Needed == 0 {
		return policy, r, nil, err
	}
	parameters, err := canonical(p.Parameters)
	if err != nil {
		return policy, r, nil, err
	}
	rows, err := b.waiting(ctx, tx, p.Action, d.ID)
	if err != nil {
		return policy, r, nil, err
	}
	for _, row := range rows {
		if p.isOf(row, parameters) && b.vault.CheckRow(ctx, tx, row) == nil && b.stale(row, policy) == "" {
			yes, err = b.counted(ctx, tx, row, policy)
			return policy, row, yes, err
		}
	}
	return policy, r, nil, nil
}

// UseForRelease uses up the request about a draft in the transaction that certifies
// it. It implements release.Approvals.
func (b *Board) UseForRelease(ctx context.Context, tx *vault.Tx, actor audit.Actor, d store.Draft, payload sealift.Digest) error {
	policy, r, _, err := b.release(ctx, tx, d, payload)
	if err != nil || policy.Needed == 0 {
		return err
	}
	if r.State != store.ApprovalGranted {
		return sealift.Errorf(sealift.KindDenied, "certifying the release", "people have not approved it").WithReason(ReasonApproval)
	}
	return b.use(ctx, tx, &r, policy, audit.Entry{Time: b.now().UTC(), Actor: actor, Action: "approval.use"})
}

// EndForRelease voids what was asked about a draft that is given up. It implements
// release.Approvals.
func (b *Board) EndForRelease(ctx context.Context, tx *vault.Tx, actor audit.Actor, d store.Draft) error {
	for _, action := range []string{ActionRelease, ActionUrgent, ActionRollback} {
		rows, err := b.waiting(ctx, tx, action, d.ID)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if err := b.end(ctx, tx, &r, store.ApprovalVoid, "the draft was given up", actor); err != nil {
				return err
			}
		}
	}
	return nil
}
