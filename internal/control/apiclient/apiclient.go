// Package apiclient speaks the people-facing API from the caller's side: one
// method an operation, typed and bounded.
//
// Every error is an *sealift.Error: the server's own, with the kind, reason and
// hint that it sent, or KindNetwork. Answers are read to a bound and decoded;
// fields that a newer server adds are read over. Calls end with their context,
// and after sealift.AnswerTimeout; an upload, which may take hours, ends when
// the server takes nothing for sealift.TransferTimeout.
//
// Connections, and the caller's token, are the Doer's.
package apiclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/problem"
)

// Doer sends a request with the caller's "Authorization: Bearer <token>". It
// follows no redirects, which would take the token elsewhere. *http.Client has
// this method.
type Doer interface {
	Do(*http.Request) (*http.Response, error)
}

// Client calls one server.
type Client struct {
	api *api.Client
}

// New returns a client of the server at base, such as
// "https://updates.example.com".
func New(base string, doer Doer) (*Client, error) {
	const op = "finding the server"
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, sealift.Errorf(sealift.KindInvalid, op, "its address is no base URL").WithHint("use a form such as https://updates.example.com")
	}
	c, err := api.NewClient(strings.TrimSuffix(base, "/")+"/api/v1", api.WithHTTPClient(doer))
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInvalid, op, "%w", err)
	}
	return &Client{api: c}, nil
}

// Status returns the vault's id and state; it needs no token.
func (c *Client) Status(ctx context.Context) (api.Status, error) {
	return decoded[api.Status](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.GetStatus(ctx) })
}

// Apps returns all apps, by id.
func (c *Client) Apps(ctx context.Context) ([]api.App, error) {
	list, err := decoded[api.AppList](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.ListApps(ctx) })
	return list.Apps, err
}

// App returns one app.
func (c *Client) App(ctx context.Context, app sealift.AppID) (api.App, error) {
	return decoded[api.App](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.GetApp(ctx, string(app)) })
}

// CreateApp makes an app.
func (c *Client) CreateApp(ctx context.Context, app api.NewApp) (api.App, error) {
	return decoded[api.App](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.CreateApp(ctx, app) })
}

// ChangeApp changes an app's settings; what is nil stays.
func (c *Client) ChangeApp(ctx context.Context, app sealift.AppID, change api.AppChange) (api.App, error) {
	return decoded[api.App](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.ChangeApp(ctx, string(app), change) })
}

// CreateEnrolmentToken makes an enrolment token, which is returned this once.
func (c *Client) CreateEnrolmentToken(ctx context.Context, app sealift.AppID, token api.NewEnrolmentToken) (sealift.EnrolmentToken, time.Time, error) {
	made, err := decoded[api.EnrolmentToken](ctx, func(ctx context.Context) (*http.Response, error) {
		return c.api.CreateEnrolmentToken(ctx, string(app), token)
	})
	if err != nil {
		return sealift.EnrolmentToken{}, time.Time{}, err
	}
	parsed, err := sealift.ParseEnrolmentToken(made.Token)
	if err != nil {
		return sealift.EnrolmentToken{}, time.Time{}, nonsense(err)
	}
	return parsed, made.Expires, nil
}

// PatchBases returns the older releases that the next one for a channel and a
// platform should have patches from; those with the archives in have come first.
func (c *Client) PatchBases(ctx context.Context, app sealift.AppID, channel sealift.Channel, platform sealift.Platform, have []sealift.Digest) ([]api.PatchBase, error) {
	params := api.ListPatchBasesParams{Platform: string(platform)}
	for _, archive := range have {
		params.Have = append(params.Have, archive.String())
	}
	list, err := decoded[api.PatchBases](ctx, func(ctx context.Context) (*http.Response, error) {
		return c.api.ListPatchBases(ctx, string(app), string(channel), &params)
	})
	return list.Bases, err
}

// Reserve reserves a counter for one release.
func (c *Client) Reserve(ctx context.Context, app sealift.AppID, channel sealift.Channel, draft api.NewDraft) (api.Draft, error) {
	return decoded[api.Draft](ctx, func(ctx context.Context) (*http.Response, error) {
		return c.api.ReserveDraft(ctx, string(app), string(channel), draft)
	})
}

// Abandon gives a draft up.
func (c *Client) Abandon(ctx context.Context, app sealift.AppID, draft string) error {
	_, err := body(ctx, func(ctx context.Context) (*http.Response, error) {
		return c.api.AbandonDraft(ctx, string(app), draft)
	})
	return err
}

// Releases returns a page of the releases of app, newest counter first.
func (c *Client) Releases(ctx context.Context, app sealift.AppID, page api.ListReleasesParams) (api.ReleaseList, error) {
	return decoded[api.ReleaseList](ctx, func(ctx context.Context) (*http.Response, error) {
		return c.api.ListReleases(ctx, string(app), &page)
	})
}

// Release returns the release that is named by its SHA-256, counter or version.
func (c *Client) Release(ctx context.Context, app sealift.AppID, release string, only api.GetReleaseParams) (api.ReleaseDetail, error) {
	return decoded[api.ReleaseDetail](ctx, func(ctx context.Context) (*http.Response, error) {
		return c.api.GetRelease(ctx, string(app), release, &only)
	})
}

// Root returns the bytes of the newest root.json, unverified.
func (c *Client) Root(ctx context.Context) ([]byte, error) {
	return body(ctx, func(ctx context.Context) (*http.Response, error) { return c.api.GetRoot(ctx) })
}

// Trust returns the signed documents that say whom devices trust, unverified.
func (c *Client) Trust(ctx context.Context) (api.TrustDocuments, error) {
	return decoded[api.TrustDocuments](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.GetTrust(ctx) })
}

// AcceptRoot brings the outcome of an offline ceremony.
func (c *Client) AcceptRoot(ctx context.Context, outcome api.Ceremony) (api.Root, error) {
	return decoded[api.Root](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.AcceptRoot(ctx, outcome) })
}

// Anchors returns the public keys that people should vouch for in the next
// ceremony.
func (c *Client) Anchors(ctx context.Context) (api.Anchors, error) {
	return decoded[api.Anchors](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.GetAnchors(ctx) })
}

// maxAnswer bounds an answer: the largest is a list of 10,000 apps, 2 MB.
const maxAnswer = 8 << 20

func decoded[T any](ctx context.Context, call func(context.Context) (*http.Response, error)) (T, error) {
	var v T
	data, err := body(ctx, call)
	if err != nil {
		return v, err
	}
	if err := json.Unmarshal(data, &v); err != nil {
		return v, nonsense(err)
	}
	return v, nil
}

func body(ctx context.Context, call func(context.Context) (*http.Response, error)) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, sealift.AnswerTimeout, errors.New("the server takes too long to answer"))
	defer cancel()
	resp, err := call(ctx)
	if err != nil {
		return nil, unreachable(ctx, err)
	}
	return read(ctx, resp)
}

// read returns the body of a success, and the error that anything else is.
func read(ctx context.Context, resp *http.Response) ([]byte, error) {
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, unreachable(ctx, err)
	}
	if len(data) > maxAnswer {
		return nil, nonsense(fmt.Errorf("it is larger than %d bytes", maxAnswer))
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, problem.Decode(resp.StatusCode, resp.Header.Get("Content-Type"), data)
	}
	return data, nil
}

// unreachable leaves what a Doer has already said, and that the caller gave up,
// as they are.
func unreachable(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	var said *sealift.Error
	if errors.As(err, &said) || errors.Is(cause, context.Canceled) {
		return err
	}
	if cause != nil {
		err = cause
	}
	return sealift.Errorf(sealift.KindNetwork, "asking the server", "%w", err).
		WithHint("check that the server is running, and its address")
}

func nonsense(err error) error {
	return sealift.Errorf(sealift.KindNetwork, "reading the server's answer", "%w", err).
		WithHint("check that the server's version is not older than yours")
}
