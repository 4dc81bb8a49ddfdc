package control

import (
	"net/http"
	"strings"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
)

// ListPersons implements GET /persons.
func (h *handler) ListPersons(w http.ResponseWriter, r *http.Request) {
	h.do(w, r, access.ListPersons, noApp, http.StatusOK, func(access.Caller) (any, error) {
		persons, err := h.People.Persons(r.Context())
		return api.PersonList{Persons: each(persons, personOut)}, err
	})
}

// InvitePerson implements POST /persons.
func (h *handler) InvitePerson(w http.ResponseWriter, r *http.Request) {
	h.do(w, r, access.ManagePersons, noApp, http.StatusCreated, func(by access.Caller) (any, error) {
		var body api.NewPerson
		if err := readJSON(w, r, sealift.MaxAPIBody, &body); err != nil {
			return nil, err
		}
		want, err := newPerson(body)
		if err != nil {
			return nil, err
		}
		made, err := h.People.Invite(r.Context(), by, want)
		return invitedOut(made), err
	})
}

func newPerson(body api.NewPerson) (want service.NewPerson, err error) {
	if want.Login, err = access.ParseLogin(body.Login); err != nil {
		return want, err
	}
	if want.Role, err = access.ParseRole(string(body.Role)); err != nil {
		return want, err
	}
	if body.App != "" {
		if want.App, err = sealift.ParseAppID(body.App); err != nil {
			return want, err
		}
	}
	want.Name = strings.TrimSpace(body.Name)
	return want, checkLabel("checking a name", want.Name)
}

// ChangePerson implements PATCH /persons/{person}.
func (h *handler) ChangePerson(w http.ResponseWriter, r *http.Request, person api.InPerson) {
	h.onPerson(w, r, person, http.StatusOK, func(by access.Caller, id string) (any, error) {
		var body api.PersonChange
		if err := readJSON(w, r, sealift.MaxAPIBody, &body); err != nil {
			return nil, err
		}
		want, err := personChange(body)
		if err != nil {
			return nil, err
		}
		changed, err := h.People.ChangePerson(r.Context(), by, id, want)
		return personOut(changed), err
	})
}

func personChange(body api.PersonChange) (want service.PersonChange, err error) {
	if body.Role != "" {
		role, err := access.ParseRole(string(body.Role))
		if err != nil {
			return want, err
		}
		want.Role = &role
	}
	if body.App != nil {
		var app sealift.AppID
		if *body.App != "" {
			if app, err = sealift.ParseAppID(*body.App); err != nil {
				return want, err
			}
		}
		want.App = &app
	}
	switch state := store.PersonState(body.State); state {
	case "":
	case store.PersonActive, store.PersonDisabled:
		want.State = &state
	default:
		return want, sealift.Errorf(sealift.KindInvalid, "reading request", "a person is made active or disabled").
			WithHint("the fields are in %s/openapi.yaml", Prefix)
	}
	return want, nil
}

// ResetPerson implements POST /persons/{person}/reset.
func (h *handler) ResetPerson(w http.ResponseWriter, r *http.Request, person api.InPerson) {
	h.onPerson(w, r, person, http.StatusOK, func(by access.Caller, id string) (any, error) {
		made, err := h.People.ResetPerson(r.Context(), by, id)
		return invitedOut(made), err
	})
}

// ConfirmPerson implements POST /persons/{person}/confirm.
func (h *handler) ConfirmPerson(w http.ResponseWriter, r *http.Request, person api.InPerson) {
	h.onPerson(w, r, person, http.StatusOK, func(by access.Caller, id string) (any, error) {
		var body api.Confirmation
		if err := readJSON(w, r, sealift.MaxAPIBody, &body); err != nil {
			return nil, err
		}
		if body.Accepted.IsZero() {
			return nil, sealift.Errorf(sealift.KindInvalid, readingBody, "it does not say which acceptance").WithHint("accepted is as listPersons has it")
		}
		confirmed, err := h.People.ConfirmPerson(r.Context(), by, id, body.Accepted)
		return personOut(confirmed), err
	})
}

// RemovePerson implements DELETE /persons/{person}.
func (h *handler) RemovePerson(w http.ResponseWriter, r *http.Request, person api.InPerson) {
	h.onPerson(w, r, person, http.StatusNoContent, func(by access.Caller, id string) (any, error) {
		return nil, h.People.RemovePerson(r.Context(), by, id)
	})
}

// onPerson is do for what is done to a person, who is named by id or login.
func (h *handler) onPerson(w http.ResponseWriter, r *http.Request, person string, status int, work func(by access.Caller, person string) (any, error)) {
	h.do(w, r, access.ManagePersons, noApp, status, func(by access.Caller) (any, error) {
		if strings.Contains(person, "@") {
			login, err := access.ParseLogin(person)
			if err != nil {
				return nil, err
			}
			return work(by, login)
		}
		if !isID(person) {
			return nil, sealift.Errorf(sealift.KindInvalid, "reading request", "%q is no id of a person, nor a login", cut(person)).
				WithHint("an id has 16 lower-case hex digits; see sealift user list")
		}
		return work(by, person)
	})
}

// isID reports whether s has the form of the id of a token, a person or a
// session.
func isID(s string) bool { return len(s) == 16 && strings.Trim(s, "0123456789abcdef") == "" }

func personOut(p service.Person) api.Person {
	methods := p.Methods
	if methods == nil {
		methods = []string{}
	}
	return api.Person{
		ID: p.ID, Login: p.Login, Name: p.Name, Role: api.Role(p.Role), App: string(p.App), State: api.PersonState(p.State),
		Creator: p.Creator, Created: p.Created.UTC(), Methods: methods, Forged: p.Forged,
		Inviter: p.Inviter, InvitedFrom: p.InvitedFrom, Accepted: timeOut(p.Accepted), AcceptedFrom: p.AcceptedFrom, AcceptedWith: p.AcceptedWith, Confirmed: p.Confirmed,
	}
}

func invitedOut(i service.Invited) api.Invited {
	return api.Invited{Person: personOut(i.Person), Invitation: i.Secret.Reveal(), Expires: i.Expires.UTC()}
}
