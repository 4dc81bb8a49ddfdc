package cli

import (
	"bytes"
	"io"
	"net/http"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
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
	code, err := term.Prompt(req.Context(), a.std.In, a.std.Err, "code of your authenticator app: ")
	if err != nil {
		return nil, err
	}
	defer code.Clear()
	// Without a terminal, or it would ask whom it asks for.
	c, err := apiclient.New(a.Base.String(), &API{Base: a.Base, client: a.client, token: a.token, agent: a.agent})
	if err != nil {
		return nil, err
	}
	if _, err := c.StepUp(req.Context(), string(code.Bytes())); err != nil {
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
