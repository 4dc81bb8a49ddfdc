package apiclient

import (
	"context"
	"net/http"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/api"
)

// Policies returns what wants the approval of how many people.
func (c *Client) Policies(ctx context.Context) (api.PolicyList, error) {
	return decoded[api.PolicyList](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.ListPolicies(ctx) })
}

// AppPolicies returns which policies the channels of an app go by.
func (c *Client) AppPolicies(ctx context.Context, app sealift.AppID) (api.AppPolicies, error) {
	return decoded[api.AppPolicies](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.ListAppPolicies(ctx, string(app)) })
}

// SetPolicy sets one, or turns it off.
func (c *Client) SetPolicy(ctx context.Context, want api.NewPolicy) (api.Policy, error) {
	return decoded[api.Policy](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.SetPolicy(ctx, want) })
}

// Approvals returns requests for approval, newest first.
func (c *Client) Approvals(ctx context.Context, want api.ListApprovalsParams) ([]api.Approval, error) {
	list, err := decoded[api.ApprovalList](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.ListApprovals(ctx, &want) })
	return list.Approvals, err
}

// Approval returns one request, with its evidence.
func (c *Client) Approval(ctx context.Context, id string) (api.Approval, error) {
	return decoded[api.Approval](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.GetApproval(ctx, id) })
}

// RejectApproval says no to a request, or takes it back.
func (c *Client) RejectApproval(ctx context.Context, id, reason string) (api.Approval, error) {
	return decoded[api.Approval](ctx, func(ctx context.Context) (*http.Response, error) {
		return c.api.RejectApproval(ctx, id, api.ApprovalRejection{Reason: reason})
	})
}
