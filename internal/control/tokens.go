package control

import (
	"net/http"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/service"
)

// ListTokens implements GET /tokens.
func (h *handler) ListTokens(w http.ResponseWriter, r *http.Request) {
	h.do(w, r, access.ListTokens, noApp, http.StatusOK, func(access.Caller) (any, error) {
		tokens, err := h.Tokens.Tokens(r.Context())
		return api.TokenList{Tokens: each(tokens, tokenOut)}, err
	})
}

// CreateToken implements POST /tokens.
func (h *handler) CreateToken(w http.ResponseWriter, r *http.Request) {
	h.do(w, r, access.ManageTokens, noApp, http.StatusCreated, func(by access.Caller) (any, error) {
		var body api.NewToken
		if err := readJSON(w, r, sealift.MaxAPIBody, &body); err != nil {
			return nil, err
		}
		want, err := newToken(body)
		if err != nil {
			return nil, err
		}
		made, err := h.Tokens.CreateToken(r.Context(), by, want)
		if err != nil {
			return nil, err
		}
		return api.MadeToken{Secret: made.Secret.Reveal(), Token: tokenOut(made.Token)}, nil
	})
}

func newToken(body api.NewToken) (want service.NewToken, err error) {
	const op = "checking access token"
	if want.Role, err = access.ParseRole(string(body.Role)); err != nil {
		return want, err
	}
	if want.Actions, err = access.ParseActions(want.Role, body.Actions); err != nil {
		return want, err
	}
	if body.App != "" {
		if want.App, err = sealift.ParseAppID(body.App); err != nil {
			return want, err
		}
	}
	if err := checkLabel(op, body.Label); err != nil {
		return want, err
	}
	want.Label = body.Label
	want.Life, err = tokenLife(op, body.ExpiresIn, defaultAccessLife)
	return want, err
}

// RevokeToken implements DELETE /tokens/{token}.
func (h *handler) RevokeToken(w http.ResponseWriter, r *http.Request, token string) {
	h.do(w, r, access.RevokeTokens, noApp, http.StatusNoContent, func(by access.Caller) (any, error) {
		if !isID(token) {
			return nil, sealift.Errorf(sealift.KindInvalid, "reading request", "%q is no id of a token", cut(token)).
				WithHint("an id has 16 lower-case hex digits; it is the third part of the token's text")
		}
		return nil, h.Tokens.RevokeToken(r.Context(), by, token)
	})
}

func tokenOut(t service.Token) api.Token {
	return api.Token{
		ID: t.ID, Kind: api.TokenKind(t.Kind), Role: api.Role(t.Role), App: string(t.App), Label: t.Label, Creator: t.Creator,
		Created: t.Created.UTC(), Revoked: t.Revoked, Forged: t.Forged, Actions: t.Actions.List(),
		Expires: timeOut(t.Expires),
	}
}
