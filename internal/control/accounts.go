package control

import (
	"net/http"
	"strings"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/service"
)

// public answers r, whoever asks, with status and the JSON of what work returns.
func (h *handler) public(w http.ResponseWriter, r *http.Request, status int, work func(from service.Origin) (any, error)) {
	err := h.unsealed()
	if err != nil {
		h.fail(w, r, err)
		return
	}
	answer, err := work(service.Origin{Address: h.address(r), Label: programOf(r)})
	if err != nil {
		h.fail(w, r, err)
		return
	}
	h.answer(w, r, status, answer)
}

// programOf is what a program calls itself, in few printable characters.
func programOf(r *http.Request) string {
	name := strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return -1
		}
		return c
	}, r.UserAgent())
	return name[:min(len(name), sealift.MaxLabel)]
}

// BeginAcceptance implements POST /invitations/begin.
func (h *handler) BeginAcceptance(w http.ResponseWriter, r *http.Request) {
	h.public(w, r, http.StatusOK, func(from service.Origin) (any, error) {
		var body api.Invitation
		if err := readJSON(w, r, sealift.MaxAPIBody, &body); err != nil {
			return nil, err
		}
		a, err := h.Accounts.BeginAcceptance(r.Context(), from, body.Invitation)
		return api.Acceptance{Login: a.Login, Name: a.Name, Role: api.Role(a.Role), App: string(a.App), TOTP: totpOut(a.TOTP)}, err
	})
}

// AcceptInvitation implements POST /invitations/accept.
func (h *handler) AcceptInvitation(w http.ResponseWriter, r *http.Request) {
	h.public(w, r, http.StatusCreated, func(from service.Origin) (any, error) {
		var body api.AcceptInvitation
		if err := readJSON(w, r, sealift.MaxAPIBody, &body); err != nil {
			return nil, err
		}
		name := strings.TrimSpace(body.Name)
		if name == "" {
			return nil, sealift.Errorf(sealift.KindInvalid, "checking a name", "it is empty").WithHint("say what others are to call you")
		}
		if err := checkLabel("checking a name", name); err != nil {
			return nil, err
		}
		if err := access.CheckCode(body.Code); err != nil {
			return nil, err
		}
		done, err := h.Accounts.FinishAcceptance(r.Context(), from, service.AcceptanceEnd{
			Invitation: body.Invitation, Ceremony: body.Ceremony, Name: name, Password: body.Password, Code: body.Code,
		})
		return api.Accepted{Secret: done.Secret.Reveal(), Session: sessionOut(done.Session), RecoveryCodes: done.RecoveryCodes, State: api.PersonState(done.State)}, err
	})
}

// CreateSession implements POST /sessions.
func (h *handler) CreateSession(w http.ResponseWriter, r *http.Request) {
	h.public(w, r, http.StatusCreated, func(from service.Origin) (any, error) {
		var body api.SignIn
		if err := readJSON(w, r, sealift.MaxAPIBody, &body); err != nil {
			return nil, err
		}
		login, err := access.ParseLogin(body.Login)
		if err != nil {
			return nil, err
		}
		switch {
		case (body.Code == "") == (body.RecoveryCode == ""):
			return nil, sealift.Errorf(sealift.KindInvalid, "reading request", "a sign-in has a code or a recovery code, and not both")
		case body.Code != "":
			if err := access.CheckCode(body.Code); err != nil {
				return nil, err
			}
		}
		in, err := h.Accounts.SignIn(r.Context(), from, service.SignIn{
			Login: login, Password: body.Password, Code: body.Code, RecoveryCode: body.RecoveryCode,
		})
		if err != nil {
			return nil, err
		}
		return signedIn(w, in, body.Cookie), nil
	})
}

// GetAccount implements GET /account.
func (h *handler) GetAccount(w http.ResponseWriter, r *http.Request) {
	h.do(w, r, access.UseAccount, noApp, http.StatusOK, func(by access.Caller) (any, error) {
		a, err := h.Accounts.Account(r.Context(), by)
		return api.Account{Person: personOut(a.Person), Session: sessionOut(a.Session), RecoveryCodesLeft: a.RecoveryCodesLeft}, err
	})
}

// StepUp implements POST /account/step-up.
func (h *handler) StepUp(w http.ResponseWriter, r *http.Request) {
	h.do(w, r, access.UseAccount, noApp, http.StatusOK, func(by access.Caller) (any, error) {
		var body api.Code
		if err := readJSON(w, r, sealift.MaxAPIBody, &body); err != nil {
			return nil, err
		}
		if err := access.CheckCode(body.Code); err != nil {
			return nil, err
		}
		session, err := h.Accounts.StepUp(r.Context(), by, body.Code)
		return sessionOut(session), err
	})
}

// NewRecoveryCodes implements POST /account/recovery-codes.
func (h *handler) NewRecoveryCodes(w http.ResponseWriter, r *http.Request) {
	h.do(w, r, access.UseAccount, noApp, http.StatusOK, func(by access.Caller) (any, error) {
		codes, err := h.Accounts.NewRecoveryCodes(r.Context(), by)
		return api.RecoveryCodes{RecoveryCodes: codes}, err
	})
}

// SetPassword implements PUT /account/password.
func (h *handler) SetPassword(w http.ResponseWriter, r *http.Request) {
	h.do(w, r, access.UseAccount, noApp, http.StatusNoContent, func(by access.Caller) (any, error) {
		var body api.Password
		if err := readJSON(w, r, sealift.MaxAPIBody, &body); err != nil {
			return nil, err
		}
		return nil, h.Accounts.SetPassword(r.Context(), by, body.Password)
	})
}

// BeginTOTP implements POST /account/totp.
func (h *handler) BeginTOTP(w http.ResponseWriter, r *http.Request) {
	h.do(w, r, access.UseAccount, noApp, http.StatusOK, func(by access.Caller) (any, error) {
		t, err := h.Accounts.BeginTOTP(r.Context(), by)
		return totpOut(t), err
	})
}

// FinishTOTP implements PUT /account/totp.
func (h *handler) FinishTOTP(w http.ResponseWriter, r *http.Request) {
	h.do(w, r, access.UseAccount, noApp, http.StatusNoContent, func(by access.Caller) (any, error) {
		var body api.TOTPProof
		if err := readJSON(w, r, sealift.MaxAPIBody, &body); err != nil {
			return nil, err
		}
		if err := access.CheckCode(body.Code); err != nil {
			return nil, err
		}
		return nil, h.Accounts.FinishTOTP(r.Context(), by, body.Ceremony, body.Code)
	})
}

// ListSessions implements GET /sessions.
func (h *handler) ListSessions(w http.ResponseWriter, r *http.Request, params api.ListSessionsParams) {
	h.do(w, r, access.UseAccount, noApp, http.StatusOK, func(by access.Caller) (any, error) {
		if params.Person != "" && !isID(params.Person) {
			return nil, sealift.Errorf(sealift.KindInvalid, "reading request", "%q is no id of a person", cut(params.Person)).
				WithHint("an id has 16 lower-case hex digits; see sealift user list")
		}
		sessions, err := h.Accounts.Sessions(r.Context(), by, params.Person)
		return api.SessionList{Sessions: each(sessions, sessionOut)}, err
	})
}

// EndSession implements DELETE /sessions/{session}.
func (h *handler) EndSession(w http.ResponseWriter, r *http.Request, session string) {
	h.do(w, r, access.UseAccount, noApp, http.StatusNoContent, func(by access.Caller) (any, error) {
		if !isID(session) {
			return nil, sealift.Errorf(sealift.KindInvalid, "reading request", "%q is no id of a session", cut(session)).
				WithHint("an id has 16 lower-case hex digits; see sealift session list")
		}
		return nil, h.Accounts.EndSession(r.Context(), by, session)
	})
}

func sessionOut(s service.Session) api.Session {
	return api.Session{
		ID: s.ID, Person: s.Person, Label: s.Label, Address: s.Address, AMR: strings.Fields(string(s.AMR)),
		Created: s.Created.UTC(), Seen: s.Seen.UTC(), Proven: s.Proven.UTC(), Expires: s.Expires.UTC(), Present: s.Present,
	}
}

func totpOut(t service.TOTP) api.TOTP {
	return api.TOTP{Ceremony: t.Ceremony, Secret: t.Secret, URI: t.URI, Expires: t.Expires.UTC()}
}
