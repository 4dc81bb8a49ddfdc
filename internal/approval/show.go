package approval

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
)

// Requests implements service.Approvals.
func (b *Board) Requests(ctx context.Context, by access.Caller, want service.ApprovalFilter) ([]service.ApprovalRequest, error) {
	return view(ctx, b, func(tx store.Tx) ([]service.ApprovalRequest, error) {
		rows, err := tx.ApprovalRequests(ctx, store.ApprovalFilter{State: want.State, Action: want.Action, Limit: want.Limit})
		if err != nil {
			return nil, err
		}
		var out []service.ApprovalRequest
		for _, r := range rows {
			if by.App != "" && r.App != by.App {
				continue
			}
			told, err := b.tell(ctx, tx, r)
			if err != nil {
				return nil, err
			}
			for j := range told.Approvals {
				told.Approvals[j].Evidence = nil
			}
			out = append(out, told)
		}
		return out, nil
	})
}

// tell says all of a request but what is asked of whom.
func (b *Board) tell(ctx context.Context, tx store.Tx, r store.ApprovalRequest) (service.ApprovalRequest, error) {
	p := proposalOf(r)
	name, err := store.NameOf(ctx, tx, r.Requester)
	if err != nil {
		return service.ApprovalRequest{}, err
	}
	login, err := store.LoginOf(ctx, tx, r.Person)
	if err != nil {
		return service.ApprovalRequest{}, err
	}
	out := service.ApprovalRequest{
		ID: r.ID, Action: r.Action, App: r.App, Subject: r.Subject, Parameters: p.Parameters, Payload: r.Payload,
		Requester: r.Requester, Name: name, Person: r.Person, Login: login, Needed: r.Needed, State: r.State, Outcome: r.Outcome,
		Created: r.Created, Expires: r.Expires, Changed: r.Changed,
	}
	switch err := b.vault.CheckRow(ctx, tx, r); {
	case sealift.KindOf(err) == sealift.KindDenied:
		out.State, out.Outcome = store.ApprovalVoid, "it was not written by the vault"
		return out, nil
	case err != nil:
		return out, err
	}
	policy, err := b.policyOf(ctx, tx, p)
	switch {
	case sealift.KindOf(err) == sealift.KindDenied:
		out.Outcome = "its policy was not written by the vault"
		return out, nil
	case err != nil:
		return out, err
	}
	for _, role := range strings.Fields(policy.Roles) {
		out.Roles = append(out.Roles, access.Role(role))
	}
	if stale := b.stale(r, policy); stale != "" && (r.State == store.ApprovalOpen || r.State == store.ApprovalGranted) {
		out.State, out.Outcome = store.ApprovalVoid, stale
	}
	counts := map[string]bool{}
	yes, err := b.counted(ctx, tx, r, policy)
	if err != nil {
		return out, err
	}
	for _, a := range yes {
		counts[a.Person] = true
	}
	rows, err := tx.Approvals(ctx, r.ID)
	if err != nil {
		return out, err
	}
	for _, a := range rows {
		login, err := store.LoginOf(ctx, tx, a.Person)
		if err != nil {
			return out, err
		}
		out.Approvals = append(out.Approvals, service.Approval{Person: a.Person, Login: login, Created: a.Created, Counts: counts[a.Person], Evidence: a.Evidence})
	}
	return out, nil
}

// reason is what is wrong, without what was being done: nothing has been yet.
func reason(err error) string {
	if e := (*sealift.Error)(nil); errors.As(err, &e) {
		return e.Err.Error()
	}
	return err.Error()
}

// Request implements service.Approvals.
func (b *Board) Request(ctx context.Context, by access.Caller, id string) (service.ApprovalRequest, error) {
	status, err := b.vault.Status(ctx)
	if err != nil {
		return service.ApprovalRequest{}, err
	}
	out, err := view(ctx, b, func(tx store.Tx) (out service.ApprovalRequest, err error) {
		r, err := b.request(ctx, tx, id)
		if err == nil && by.App != "" && r.App != by.App {
			err = errNoRequest(id) // it is not theirs to see
		}
		if err != nil {
			return out, err
		}
		if out, err = b.tell(ctx, tx, r); err != nil {
			return out, err
		}
		if out.Document, err = documentOf(status.Vault, r); err != nil {
			return out, err
		}
		r, policy, err := b.openRequest(ctx, tx, id)
		if err == nil {
			err = b.approver(ctx, tx, by, r, policy)
		}
		if err != nil {
			out.WhyNot = reason(err)
		}
		return out, nil
	})
	if err != nil || out.WhyNot != "" {
		return out, err
	}
	options, err := b.passkeys.AskPasskey(ctx, by.ID, Challenge(out.Document))
	if sealift.KindOf(err) == sealift.KindConflict {
		out.WhyNot = reason(err) // no passkey, or no origin to use one at
		return out, nil
	}
	out.Options = json.RawMessage(options)
	return out, err
}
