package approval

import (
	"context"
	"encoding/json"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
)

const approving = "approving"

// Approve implements service.Approvals.
func (b *Board) Approve(ctx context.Context, by access.Caller, id string, answer json.RawMessage) (out service.ApprovalRequest, err error) {
	e := audit.Entry{Time: b.now().UTC(), Actor: by.Actor(), Action: "approval.approve", Subject: printable(id)}
	var granted store.ApprovalRequest
	err = b.vault.Act(ctx, e, func(tx *vault.Tx, e *audit.Entry) error {
		granted = store.ApprovalRequest{}
		r, policy, err := b.openRequest(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := b.approver(ctx, tx, by, r, policy); err != nil {
			return err
		}
		document, err := documentOf(tx.VaultID(), r)
		if err != nil {
			return err
		}
		proof, err := b.passkeys.UsePasskey(ctx, tx, by.ID, Challenge(document), answer, e.Time)
		if err != nil {
			return err
		}
		evidence, err := evidenceOf(document, answer, proof)
		if err != nil {
			return err
		}
		a := store.Approval{Request: r.ID, Person: by.ID, Credential: proof.Credential, Created: e.Time, Evidence: evidence}
		if a.MAC, err = tx.Authenticate(a); err != nil {
			return err
		}
		if err := tx.InsertApproval(ctx, a); err != nil {
			return twice(err)
		}
		e.Details["for"], e.Details["on"] = r.Action, r.Subject
		e.Details["credential"], e.Details["challenge"] = a.Credential, sealift.DigestOf(Challenge(document)).String()
		e.Details[vault.RowDetail] = vault.RowTag(a.MAC)
		yes, err := b.counted(ctx, tx, r, policy)
		if err != nil || int64(len(yes)) < r.Needed {
			return err
		}
		granted = r
		return b.end(ctx, tx, &r, store.ApprovalGranted, "", System())
	})
	if err != nil {
		return out, err
	}
	if aboutReleases(granted.Action) {
		b.granted(ctx, granted.App, granted.Subject)
	}
	return b.Request(ctx, by, id)
}

// printable is an id as it may stand in an entry.
func printable(id string) string { return clip(string([]rune(id))) }

func twice(err error) error {
	if sealift.KindOf(err) != sealift.KindConflict {
		return err
	}
	return errTwice()
}

func errTwice() error {
	return sealift.Errorf(sealift.KindConflict, approving, "you have approved it before").WithReason(ReasonApproved).
		WithHint("each person counts once: somebody else is needed")
}

// openRequest returns a request that the vault wrote, that waits for people, and
// its policy.
func (b *Board) openRequest(ctx context.Context, tx store.Tx, id string) (r store.ApprovalRequest, policy store.Policy, err error) {
	if r, err = b.request(ctx, tx, id); err != nil {
		return r, policy, err
	}
	if err := b.vault.CheckRow(ctx, tx, r); err != nil {
		return r, policy, err
	}
	if policy, err = b.policyOf(ctx, tx, proposalOf(r)); err != nil {
		return r, policy, err
	}
	state := string(r.State)
	if stale := b.stale(r, policy); stale != "" && r.State == store.ApprovalOpen {
		state = "void: " + stale
	}
	if state != string(store.ApprovalOpen) {
		return r, policy, sealift.Errorf(sealift.KindConflict, approving, "request %s is %s", r.ID, state).WithReason(ReasonState).
			WithHint("see which wait with: sealift approval list")
	}
	return r, policy, nil
}

// proposalOf is as much of r's proposal as its policy is found by.
func proposalOf(r store.ApprovalRequest) Proposal {
	p := Proposal{Action: r.Action, App: r.App}
	_ = json.Unmarshal(r.Parameters, &p.Parameters) // the row has a MAC: it is what was written
	return p
}

func (b *Board) request(ctx context.Context, tx store.Tx, id string) (store.ApprovalRequest, error) {
	r, err := tx.ApprovalRequest(ctx, id)
	if sealift.KindOf(err) == sealift.KindNotFound {
		return r, errNoRequest(id)
	}
	return r, err
}

func errNoRequest(id string) error {
	return sealift.Errorf(sealift.KindNotFound, "looking up a request for approval", "there is no request %.64s", id).WithReason("request").
		WithHint("see those there are with: sealift approval list")
}

// approver refuses whom the policy does not let approve r: a token, somebody of
// another role or app, and whoever answers for having asked.
func (b *Board) approver(ctx context.Context, tx store.Tx, by access.Caller, r store.ApprovalRequest, policy store.Policy) error {
	deny := func(format string, args ...any) error {
		return sealift.Errorf(sealift.KindDenied, approving, format, args...).WithReason(ReasonApprover).
			WithHint("let somebody else look at it: sealift approval show %s", r.ID)
	}
	if by.Kind != access.CallerPerson || by.Session == "" {
		return deny("a token approves nothing: people do")
	}
	if by.ID == r.Requester || by.ID == r.Person {
		return deny("you asked for it, or made the token that did")
	}
	if excluded(r)[by.ID] {
		return deny("you made the invitation: whoever holds one could have accepted it themselves")
	}
	person, err := tx.Person(ctx, by.ID)
	if err != nil {
		return err
	}
	if !b.mayApprove(ctx, tx, policy, r.App, person) {
		return deny("the policy lets %s approve this, and you are %s", policy.Roles, person.Role)
	}
	rows, err := tx.Approvals(ctx, r.ID)
	for _, a := range rows {
		if a.Person == by.ID {
			return errTwice()
		}
	}
	return err
}

// Reject implements service.Approvals.
func (b *Board) Reject(ctx context.Context, by access.Caller, id, reason string) (out service.ApprovalRequest, err error) {
	e := audit.Entry{Time: b.now().UTC(), Actor: by.Actor(), Action: "approval.reject", Subject: printable(id), Details: map[string]string{"outcome": reason}}
	err = b.vault.Act(ctx, e, func(tx *vault.Tx, e *audit.Entry) error {
		r, err := b.request(ctx, tx, id)
		if err != nil {
			return err
		}
		if r.State != store.ApprovalOpen && r.State != store.ApprovalGranted {
			return sealift.Errorf(sealift.KindConflict, "rejecting", "request %s is %s", r.ID, r.State).WithReason(ReasonState)
		}
		policy, err := b.policyOf(ctx, tx, proposalOf(r))
		if err != nil {
			return err
		}
		to := store.ApprovalVoid
		if by.ID != r.Requester && by.ID != r.Person {
			to = store.ApprovalRejected
			if err := b.approver(ctx, tx, by, r, policy); err != nil && sealift.ReasonOf(err) != ReasonApproved {
				return err
			}
		}
		// Also one that something else wrote: it is harmless from then on.
		if err := b.set(ctx, tx, &r, to, reason); err != nil {
			return err
		}
		e.Details["for"], e.Details["on"], e.Details[vault.RowDetail] = r.Action, r.Subject, vault.RowTag(r.MAC)
		return nil
	})
	if err != nil {
		return out, err
	}
	return b.Request(ctx, by, id)
}
