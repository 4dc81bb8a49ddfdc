package control

import (
	"net/http"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/service"
)

// UnsealVault implements POST /vault/unseal.
func (h *handler) UnsealVault(w http.ResponseWriter, r *http.Request) {
	h.unsigned(w, r, http.StatusOK, func(from string, secret []byte) (any, error) {
		so, err := h.Seal.Unseal(r.Context(), from, secret)
		return api.UnsealProgress{Sealed: !so.Open, Path: api.UnsealProgressPath(so.Path), Given: so.Given, Threshold: so.Threshold}, err
	})
}

// ResetUnseal implements POST /vault/unseal/reset.
func (h *handler) ResetUnseal(w http.ResponseWriter, r *http.Request) {
	h.unsigned(w, r, http.StatusNoContent, func(from string, secret []byte) (any, error) {
		return nil, h.Seal.ResetUnseal(r.Context(), from, secret)
	})
}

// unsigned is do for what a vault is unsealed with: nobody is signed in, and
// whoever gives the right secret is who may.
func (h *handler) unsigned(w http.ResponseWriter, r *http.Request, status int, work func(from string, secret []byte) (any, error)) {
	var body api.UnsealSecret
	err := readJSON(w, r, sealift.MaxUnsealBody, &body)
	if err == nil && (body.Secret == "" || len(body.Secret) > sealift.MaxPassphrase) {
		err = sealift.Errorf(sealift.KindInvalid, "reading request", "a secret of %d bytes; 1 to %d are allowed", len(body.Secret), sealift.MaxPassphrase).
			WithHint("give one passphrase, recovery key or share at a time")
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	secret := []byte(body.Secret)
	defer clear(secret)
	answer, err := work(h.address(r), secret)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.answer(w, r, status, answer)
}

// SealVault implements POST /vault/seal.
func (h *handler) SealVault(w http.ResponseWriter, r *http.Request) {
	h.do(w, r, access.SealVault, noApp, http.StatusNoContent, func(by access.Caller) (any, error) {
		return nil, h.Seal.Seal(r.Context(), by)
	})
}

// RotateKEK implements POST /vault/rotations.
func (h *handler) RotateKEK(w http.ResponseWriter, r *http.Request) {
	h.do(w, r, access.RotateKEK, noApp, http.StatusOK, func(by access.Caller) (any, error) {
		var body api.NewRotation
		if err := readJSON(w, r, sealift.MaxAPIBody, &body); err != nil {
			return nil, err
		}
		so, err := h.Seal.RotateKEK(r.Context(), by, body.Reason)
		return api.Rotation{Kek: so.KEK, Done: so.Done}, err
	})
}

// ContinueRotation implements POST /vault/rotations/{kek}.
func (h *handler) ContinueRotation(w http.ResponseWriter, r *http.Request, kek string) {
	h.do(w, r, access.AwaitRotation, noApp, http.StatusOK, func(by access.Caller) (any, error) {
		so, err := h.Seal.ContinueRotation(r.Context(), by, kek)
		return api.Rotation{Kek: so.KEK, Done: so.Done}, err
	})
}

func sealWayOut(s service.SealWay) api.SealWay {
	return api.SealWay{Sealer: s.Sealer, Threshold: s.Threshold, Shares: s.Shares, Set: s.Set, Given: s.Given}
}
