package apiclient

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/api"
)

// Submit submits a draft: it becomes a release, which stands in the answer then,
// or waits for what the answer says. It may be called again with the same
// arguments when it is not known whether it went through.
func (c *Client) Submit(ctx context.Context, app sealift.AppID, draft string, submission api.Submission) (api.DraftDetail, error) {
	status := 0
	data, err := body(ctx, func(ctx context.Context) (*http.Response, error) {
		resp, err := c.api.SubmitDraft(ctx, string(app), draft, submission)
		if err == nil {
			status = resp.StatusCode
		}
		return resp, err
	})
	if err != nil {
		return api.DraftDetail{}, err
	}
	if status == http.StatusAccepted {
		var d api.DraftDetail
		if err := json.Unmarshal(data, &d); err != nil {
			return api.DraftDetail{}, nonsense(err)
		}
		return d, nil
	}
	var r api.Release
	if err := json.Unmarshal(data, &r); err != nil {
		return api.DraftDetail{}, nonsense(err)
	}
	return api.DraftDetail{
		ID: draft, State: api.DraftStatePublished, App: r.App, Channel: r.Channel, Platform: r.Platform, Runtime: r.Runtime,
		Version: r.Version, Counter: r.Counter, Act: r.Act, Archive: &r.Archive, Release: &r,
	}, nil
}

// Drafts returns the drafts of app that were submitted and wait, the oldest
// first.
func (c *Client) Drafts(ctx context.Context, app sealift.AppID) ([]api.DraftDetail, error) {
	list, err := decoded[api.DraftList](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.ListDrafts(ctx, string(app)) })
	return list.Drafts, err
}

// Draft returns one draft, with its envelope.
func (c *Client) Draft(ctx context.Context, app sealift.AppID, draft string) (api.DraftDetail, error) {
	return decoded[api.DraftDetail](ctx, func(ctx context.Context) (*http.Response, error) {
		return c.api.GetDraft(ctx, string(app), draft)
	})
}

// Cosign brings a co-signature: an envelope over the draft's payload.
func (c *Client) Cosign(ctx context.Context, app sealift.AppID, draft string, envelope []byte) (api.DraftDetail, error) {
	return decoded[api.DraftDetail](ctx, func(ctx context.Context) (*http.Response, error) {
		return c.api.CosignDraft(ctx, string(app), draft, api.Cosignature{Envelope: envelope})
	})
}
