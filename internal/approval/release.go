package approval

import (
	"context"
	"fmt"
	"strings"

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
// and the SHA-256 of the payload that will be certified. Whether it is urgent is
// read from the signed payload, the only place that says so.
func releaseOf(d store.Draft, payload sealift.Digest) (Proposal, error) {
	p := Proposal{Action: ActionRelease, App: d.App, Subject: d.ID, Payload: payload, Parameters: map[string]string{
		"channel": string(d.Channel), "platform": string(d.Platform), "runtime": string(d.Runtime), "version": string(d.Version),
		"counter": fmt.Sprint(d.Counter), "act": string(d.Act),
	}}
	if d.Hold {
		p.Parameters["hold"] = "nobody takes it until somebody resumes its roll-out"
	}
	urgent, err := urgencyOf(d)
	if err == nil && urgent == nil && len(d.Plan) > 0 {
		err = p.addPlan(d.Plan)
	}
	if err != nil || urgent == nil {
		return p, err
	}
	p.Action, p.Parameters["urgent"] = ActionUrgent, "every device takes it at its next check: it skips stages and quiet hours"
	if urgent.Reason != "" {
		p.Parameters["reason"] = urgent.Reason
	}
	return p, nil
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

// urgencyOf reads from what was submitted for a draft whether it is urgent.
func urgencyOf(d store.Draft) (*trust.Urgent, error) {
	if len(d.Envelope) == 0 {
		return nil, nil // nothing was, and nothing of it can be certified
	}
	signed, err := trust.ParseReleaseEnvelope(d.Envelope)
	if err != nil {
		return nil, err
	}
	r, err := trust.ParseRelease(signed.Payload)
	if err != nil {
		return nil, err
	}
	return r.Urgent, nil
}

// AskRelease asks people about a draft that was just submitted, if its policy does.
// It implements release.Approvals.
func (b *Board) AskRelease(ctx context.Context, tx *vault.Tx, by access.Caller, d store.Draft, payload sealift.Digest) error {
	p, err := releaseOf(d, payload)
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
	p, err := releaseOf(d, payload)
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
	for _, action := range []string{ActionRelease, ActionUrgent} {
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
