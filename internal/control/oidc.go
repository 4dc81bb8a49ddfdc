package control

import (
	"net/http"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/service"
)

// GetIssuer implements GET /sessions/oidc.
func (h *handler) GetIssuer(w http.ResponseWriter, r *http.Request) {
	h.public(w, r, http.StatusOK, func(from service.Origin) (any, error) {
		name, err := h.OIDC.IssuerName(r.Context(), from)
		return api.Issuer{Issuer: name}, err
	})
}

// CheckIssuer implements POST /sessions/oidc/check.
func (h *handler) CheckIssuer(w http.ResponseWriter, r *http.Request) {
	h.do(w, r, access.ListPersons, noApp, http.StatusOK, func(access.Caller) (any, error) {
		s, err := h.OIDC.CheckIssuer(r.Context())
		return api.IssuerState{Issuer: s.Issuer, ClientID: s.ClientID, Problem: s.Problem}, err
	})
}

// BeginOIDC implements POST /sessions/oidc/begin.
func (h *handler) BeginOIDC(w http.ResponseWriter, r *http.Request) {
	h.public(w, r, http.StatusOK, func(from service.Origin) (any, error) {
		c, err := h.OIDC.BeginOIDC(r.Context(), from)
		return api.OIDCCeremony{Ceremony: c.Ceremony, URL: c.URL, Expires: c.Expires.UTC()}, err
	})
}

// FinishOIDC implements POST /sessions/oidc/finish.
func (h *handler) FinishOIDC(w http.ResponseWriter, r *http.Request) {
	h.public(w, r, http.StatusCreated, func(from service.Origin) (any, error) {
		var body api.OIDCAnswer
		if err := readJSON(w, r, sealift.MaxAPIBody, &body); err != nil {
			return nil, err
		}
		if body.State == "" || body.Code == "" {
			return nil, sealift.Errorf(sealift.KindInvalid, "reading request", "state or code is empty").
				WithHint("the issuer sends the browser back with both")
		}
		in, err := h.OIDC.FinishOIDC(r.Context(), from, body.Ceremony, body.State, body.Code)
		if err != nil {
			return nil, err
		}
		return signedIn(w, in, body.Cookie), nil
	})
}

// ProveOIDC implements POST /sessions/oidc/prove.
func (h *handler) ProveOIDC(w http.ResponseWriter, r *http.Request) {
	h.public(w, r, http.StatusCreated, func(from service.Origin) (any, error) {
		var body api.OIDCProof
		if err := readJSON(w, r, sealift.MaxAPIBody, &body); err != nil {
			return nil, err
		}
		if err := access.CheckCode(body.Code); err != nil {
			return nil, err
		}
		in, err := h.OIDC.ProveOIDC(r.Context(), from, body.Ceremony, body.Code)
		if err != nil {
			return nil, err
		}
		return signedIn(w, in, body.Cookie), nil
	})
}
