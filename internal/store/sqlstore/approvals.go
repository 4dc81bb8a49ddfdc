package sqlstore

import (
	"context"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlstore/sqlcgen"
)

// PutPolicy implements store.ApprovalTx.
func (t *tx) PutPolicy(ctx context.Context, p store.Policy) error {
	op := "storing the policy of " + p.Action
	rows, err := t.q.PutPolicy(ctx, sqlcgen.PutPolicyParams{
		App: string(p.App), Channel: string(p.Channel), Action: p.Action, Version: number(p.Version), Needed: p.Needed, Roles: p.Roles,
		Creator: p.Creator, Created: micros(p.Created), Mac: some(p.MAC),
	})
	return t.swapped(ctx, op, rows, err, func() error { return nil })
}

// Policies implements store.ApprovalTx.
func (t *tx) Policies(ctx context.Context) ([]store.Policy, error) {
	rows, err := t.q.Policies(ctx)
	return collect(rows, t.fail(ctx, "listing policies", err), func(r sqlcgen.Policy) store.Policy {
		return store.Policy{
			App: sealift.AppID(r.App), Channel: sealift.Channel(r.Channel), Action: r.Action, Version: uint64(r.Version), Needed: r.Needed, Roles: r.Roles,
			Creator: r.Creator, Created: moment(r.Created), MAC: bare(r.Mac),
		}
	})
}

// InsertApprovalRequest implements store.ApprovalTx.
func (t *tx) InsertApprovalRequest(ctx context.Context, r store.ApprovalRequest) error {
	rows, err := t.q.InsertApprovalRequest(ctx, sqlcgen.InsertApprovalRequestParams{
		ID: r.ID, Action: r.Action, App: string(r.App), Subject: r.Subject, Requester: r.Requester, Person: r.Person,
		PolicyVersion: number(r.PolicyVersion), KeyVersion: number(r.KeyVersion), Needed: r.Needed, State: string(r.State),
		Outcome: r.Outcome, Nonce: r.Nonce, Created: micros(r.Created), Expires: micros(r.Expires), Changed: micros(r.Changed),
		Payload: r.Payload[:], Parameters: some(r.Parameters), Mac: some(r.MAC),
	})
	return t.added(ctx, "storing approval request "+r.ID, rows, err)
}

// ApprovalRequest implements store.ApprovalTx.
func (t *tx) ApprovalRequest(ctx context.Context, id string) (store.ApprovalRequest, error) {
	row, err := t.q.ApprovalRequest(ctx, id)
	if err != nil {
		return store.ApprovalRequest{}, t.fail(ctx, "reading approval request "+id, err)
	}
	return requestOf(row), nil
}

// ApprovalRequests implements store.ApprovalTx.
func (t *tx) ApprovalRequests(ctx context.Context, f store.ApprovalFilter) ([]store.ApprovalRequest, error) {
	rows, err := t.q.ApprovalRequests(ctx, sqlcgen.ApprovalRequestsParams{State: string(f.State), Action: f.Action, Subject: f.Subject, Most: most(f.Limit)})
	return collect(rows, t.fail(ctx, "listing approval requests", err), requestOf)
}

func requestOf(r sqlcgen.ApprovalRequest) store.ApprovalRequest {
	return store.ApprovalRequest{
		ID: r.ID, Action: r.Action, App: sealift.AppID(r.App), Subject: r.Subject, Requester: r.Requester, Person: r.Person,
		PolicyVersion: uint64(r.PolicyVersion), KeyVersion: uint64(r.KeyVersion), Needed: r.Needed, State: store.ApprovalState(r.State),
		Outcome: r.Outcome, Nonce: r.Nonce, Created: moment(r.Created), Expires: moment(r.Expires), Changed: moment(r.Changed),
		Payload: digest(r.Payload), Parameters: bare(r.Parameters), MAC: bare(r.Mac),
	}
}

// UpdateApprovalRequest implements store.ApprovalTx.
func (t *tx) UpdateApprovalRequest(ctx context.Context, r store.ApprovalRequest, oldMAC []byte) error {
	rows, err := t.q.UpdateApprovalRequest(ctx, sqlcgen.UpdateApprovalRequestParams{
		ID: r.ID, Action: r.Action, App: string(r.App), Subject: r.Subject, Requester: r.Requester, Person: r.Person,
		PolicyVersion: number(r.PolicyVersion), KeyVersion: number(r.KeyVersion), Needed: r.Needed, State: string(r.State),
		Outcome: r.Outcome, Nonce: r.Nonce, Created: micros(r.Created), Expires: micros(r.Expires), Changed: micros(r.Changed),
		Payload: r.Payload[:], Parameters: some(r.Parameters), Mac: some(r.MAC), OldMac: some(oldMAC),
	})
	return t.swapped(ctx, "changing approval request "+r.ID, rows, err, func() error { _, err := t.ApprovalRequest(ctx, r.ID); return err })
}

// InsertApproval implements store.ApprovalTx.
func (t *tx) InsertApproval(ctx context.Context, a store.Approval) error {
	rows, err := t.refusable(ctx, func() (int64, error) {
		return t.q.InsertApproval(ctx, sqlcgen.InsertApprovalParams{
			Request: a.Request, Person: a.Person, Credential: a.Credential, Created: micros(a.Created), Evidence: some(a.Evidence), Mac: some(a.MAC),
		})
	})
	return t.added(ctx, "storing an approval of "+a.Request, rows, err)
}

// Approvals implements store.ApprovalTx.
func (t *tx) Approvals(ctx context.Context, request string) ([]store.Approval, error) {
	rows, err := t.q.Approvals(ctx, request)
	return collect(rows, t.fail(ctx, "listing approvals", err), func(r sqlcgen.Approval) store.Approval {
		return store.Approval{
			Request: r.Request, Person: r.Person, Credential: r.Credential, Created: moment(r.Created), Evidence: bare(r.Evidence), MAC: bare(r.Mac),
		}
	})
}
