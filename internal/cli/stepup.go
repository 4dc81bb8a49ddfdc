package cli

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/apiclient"
	"github.com/sealift/sealift/internal/control/problem"
	"github.com/sealift/sealift/internal/term"
)

// proven sends a request again that was refused for want of a fresh proof, once
// the person at the terminal has given one. Any other answer, and any for which
// nobody can be asked, is returned as it is.
func (a *API) proven(req *http.Request, resp *http.Response) (*http.Response, error) {
	if resp.StatusCode != http.StatusForbidden || a.std == nil || !term.IsTerminal(a.std.In) || req.Body != nil && req.GetBody == nil {
		return resp, nil
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, sealift.MaxAPIBody))
	resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(data))
	if err != nil {
		return resp, nil // apiclient reads what there is, and says so
	}
	refused := problem.Decode(resp.StatusCode, resp.Header.Get("Content-Type"), data)
	if sealift.ReasonOf(refused) != access.ReasonStepUp {
		return resp, nil
	}
	a.std.Note("this wants a fresh proof that it is you")
	// Without a terminal, or it would ask whom it asks for.
	c, err := apiclient.New(a.Base.String(), &API{Base: a.Base, client: a.client, token: a.token, agent: a.agent})
	if err != nil {
		return nil, err
	}
	if err := a.prove(req.Context(), c, req.Method+" "+req.URL.Path); err != nil {
		return nil, err
	}
	again := req.Clone(req.Context())
	if req.GetBody != nil {
		if again.Body, err = req.GetBody(); err != nil {
			return nil, sealift.Errorf(sealift.KindInternal, "repeating the request", "%w", err)
		}
	}
	return a.send(again)
}

// prove asks the person at the terminal for a code; or, where they give none, for a
// proof in a browser.
func (a *API) prove(ctx context.Context, c *apiclient.Client, doing string) error {
	code, err := term.Prompt(ctx, a.std.In, a.std.Err, "code of your authenticator app (empty: in a browser): ")
	if sealift.ReasonOf(err) == term.ReasonNothing {
		_, err := proveInBrowser(ctx, a.std, c, doing)
		return err
	}
	if err != nil {
		return err
	}
	defer code.Clear()
	_, err = c.StepUp(ctx, string(code.Bytes()))
	return err
}

// proveInBrowser has the session of c proven in another one, in a browser, and waits
// until it is.
func proveInBrowser(ctx context.Context, std *IO, c *apiclient.Client, doing string) (api.Session, error) {
	before, err := c.Account(ctx)
	if err != nil {
		return api.Session{}, err
	}
	request, err := c.BeginStepUp(ctx, doing)
	if err != nil {
		return api.Session{}, err
	}
	tellOfPage(std, request.URL, request.Code)
	over := time.NewTimer(sealift.CeremonyLife) // by this machine's clock: the server's may be another
	defer over.Stop()
	for {
		select {
		case <-ctx.Done():
			return api.Session{}, ctx.Err()
		case <-over.C:
			return api.Session{}, sealift.Errorf(sealift.KindDenied, "proving who you are", "nobody confirmed it in time").WithReason(access.ReasonStepUp).
				WithHint("begin again with: sealift login --step-up --browser")
		case <-time.After(pollPause):
		}
		account, err := c.Account(ctx)
		if err != nil {
			return api.Session{}, err
		}
		if account.Session.Proven.After(before.Session.Proven) {
			return account.Session, nil
		}
	}
}

// tellOfPage says where a person goes to confirm a code.
func tellOfPage(std *IO, url, code string) {
	tell := std.Note
	if std.JSON {
		tell = std.Warn // without it nobody can go on
	}
	tell("open %s in a browser, and confirm there that it shows the code %s", url, code)
}
