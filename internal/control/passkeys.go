package control

import (
	"net/http"
	"strings"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/service"
)

// cookieName is that of a browser's session. Its prefix makes browsers insist on
// Secure, Path=/ and no Domain (RFC 6265bis section 4.1.3.2): no other host, and
// nobody on the way, sets it.
const cookieName = "__Host-sealift"

// signedIn is what a program is answered that has signed in: the session, and its
// token in the answer, or in a cookie that no script reads and no other site
// sends.
func signedIn(w http.ResponseWriter, in service.SignedIn, cookie bool) api.SignedIn {
	out := api.SignedIn{Secret: in.Secret.Reveal(), Session: sessionOut(in.Session), RecoveryCodesLeft: in.RecoveryCodesLeft}
	if cookie && out.Secret != "" {
		http.SetCookie(w, &http.Cookie{
			Name: cookieName, Value: out.Secret, Path: "/", MaxAge: int(sealift.SessionLife / time.Second),
			Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode,
		})
		out.Secret = ""
	}
	return out
}

// bearer is the token that r bears: in its header, else in a browser's cookie.
// CrossOriginProtection keeps other sites from using the latter.
func bearer(r *http.Request) string {
	if header := r.Header.Get("Authorization"); header != "" {
		token, _ := strings.CutPrefix(header, "Bearer ")
		return token
	}
	if cookie, err := r.Cookie(cookieName); err == nil {
		return cookie.Value
	}
	return ""
}

// BeginPasskeySignIn implements POST /sessions/passkey/begin.
func (h *handler) BeginPasskeySignIn(w http.ResponseWriter, r *http.Request) {
	h.public(w, r, http.StatusOK, func(from service.Origin) (any, error) {
		c, err := h.Passkeys.BeginPasskeySignIn(r.Context(), from)
		return passkeyCeremonyOut(c), err
	})
}

// FinishPasskeySignIn implements POST /sessions/passkey/finish.
func (h *handler) FinishPasskeySignIn(w http.ResponseWriter, r *http.Request) {
	h.public(w, r, http.StatusCreated, func(from service.Origin) (any, error) {
		var body api.PasskeySignIn
		if err := readJSON(w, r, sealift.MaxAPIBody, &body); err != nil {
			return nil, err
		}
		in, err := h.Passkeys.FinishPasskeySignIn(r.Context(), from, body.Ceremony, body.Credential)
		if err != nil {
			return nil, err
		}
		return signedIn(w, in, body.Cookie), nil
	})
}

// BeginSignInRequest implements POST /sign-in-requests.
func (h *handler) BeginSignInRequest(w http.ResponseWriter, r *http.Request) {
	h.public(w, r, http.StatusCreated, func(from service.Origin) (any, error) {
		q, err := h.Passkeys.BeginRequest(r.Context(), from)
		return api.SignInRequest{Secret: q.Secret, Code: q.Code, URL: q.URL, Expires: q.Expires.UTC()}, err
	})
}

// PollSignInRequest implements POST /sign-in-requests/poll.
func (h *handler) PollSignInRequest(w http.ResponseWriter, r *http.Request) {
	h.public(w, r, http.StatusCreated, func(from service.Origin) (any, error) {
		var body api.SignInPoll
		if err := readJSON(w, r, sealift.MaxAPIBody, &body); err != nil {
			return nil, err
		}
		in, err := h.Passkeys.PollRequest(r.Context(), from, body.Secret)
		return signedIn(w, in, false), err
	})
}

// GetSignInRequest implements GET /sign-in-requests/{code}.
func (h *handler) GetSignInRequest(w http.ResponseWriter, r *http.Request, code string) {
	h.do(w, r, access.UseAccount, noApp, http.StatusOK, func(by access.Caller) (any, error) {
		if err := checkUserCode(code); err != nil {
			return nil, err
		}
		asked, err := h.Passkeys.ShowRequest(r.Context(), by, code)
		return api.SignInOrigin{Address: asked.Address, Program: asked.Label, StepUp: asked.StepUp, For: asked.Doing}, err
	})
}

// ConfirmSignInRequest implements POST /sign-in-requests/{code}.
func (h *handler) ConfirmSignInRequest(w http.ResponseWriter, r *http.Request, code string) {
	h.do(w, r, access.UseAccount, noApp, http.StatusNoContent, func(by access.Caller) (any, error) {
		if err := checkUserCode(code); err != nil {
			return nil, err
		}
		return nil, h.Passkeys.ConfirmRequest(r.Context(), by, code)
	})
}

// BeginStepUp implements POST /account/step-up/requests.
func (h *handler) BeginStepUp(w http.ResponseWriter, r *http.Request) {
	h.do(w, r, access.UseAccount, noApp, http.StatusCreated, func(by access.Caller) (any, error) {
		var body api.StepUpReason
		if err := readJSON(w, r, sealift.MaxAPIBody, &body); err != nil {
			return nil, err
		}
		if err := checkLabel("checking what the proof is for", body.For); err != nil {
			return nil, err
		}
		q, err := h.Passkeys.BeginStepUp(r.Context(), by, programOf(r), body.For)
		return api.StepUpRequest{Code: q.Code, URL: q.URL, Expires: q.Expires.UTC()}, err
	})
}

func checkUserCode(code string) error {
	first, second, ok := strings.Cut(code, "-")
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	if !ok || len(first) != 4 || len(second) != 4 || strings.Trim(first+second, letters) != "" {
		return sealift.Errorf(sealift.KindInvalid, "reading request", "%q is no code of a sign-in", cut(code)).
			WithHint("a code looks like K3VX-M2PQ; sealift login shows it")
	}
	return nil
}

// ListPasskeys implements GET /passkeys.
func (h *handler) ListPasskeys(w http.ResponseWriter, r *http.Request) {
	h.do(w, r, access.UseAccount, noApp, http.StatusOK, func(by access.Caller) (any, error) {
		passkeys, err := h.Passkeys.Passkeys(r.Context(), by)
		return api.PasskeyList{Passkeys: each(passkeys, passkeyOut)}, err
	})
}

// BeginPasskey implements POST /passkeys/begin.
func (h *handler) BeginPasskey(w http.ResponseWriter, r *http.Request) {
	h.do(w, r, access.UseAccount, noApp, http.StatusOK, func(by access.Caller) (any, error) {
		c, err := h.Passkeys.BeginPasskey(r.Context(), by)
		return passkeyCeremonyOut(c), err
	})
}

// FinishPasskey implements POST /passkeys/finish.
func (h *handler) FinishPasskey(w http.ResponseWriter, r *http.Request) {
	h.do(w, r, access.UseAccount, noApp, http.StatusCreated, func(by access.Caller) (any, error) {
		var body api.NewPasskey
		if err := readJSON(w, r, sealift.MaxAPIBody, &body); err != nil {
			return nil, err
		}
		if err := checkLabel("checking a passkey", body.Label); err != nil {
			return nil, err
		}
		p, err := h.Passkeys.FinishPasskey(r.Context(), by, body.Ceremony, body.Label, body.Credential)
		return passkeyOut(p), err
	})
}

// RemovePasskey implements DELETE /passkeys/{passkey}.
func (h *handler) RemovePasskey(w http.ResponseWriter, r *http.Request, passkey string) {
	h.do(w, r, access.UseAccount, noApp, http.StatusNoContent, func(by access.Caller) (any, error) {
		if !isID(passkey) {
			return nil, sealift.Errorf(sealift.KindInvalid, "reading request", "%q is no id of a passkey", cut(passkey)).
				WithHint("an id has 16 lower-case hex digits; see sealift account passkey")
		}
		return nil, h.Passkeys.RemovePasskey(r.Context(), by, passkey)
	})
}

func passkeyCeremonyOut(c service.PasskeyCeremony) api.PasskeyCeremony {
	return api.PasskeyCeremony{Ceremony: c.Ceremony, Options: c.Options, Expires: c.Expires.UTC()}
}

func passkeyOut(p service.Passkey) api.Passkey {
	return api.Passkey{ID: p.ID, Label: p.Label, Created: p.Created.UTC(), Used: timeOut(p.Used)}
}
