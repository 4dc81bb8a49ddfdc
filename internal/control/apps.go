package control

import (
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/service"
)

// GetStatus implements GET /status.
func (h *handler) GetStatus(w http.ResponseWriter, r *http.Request) {
	status, err := h.Vault.Status(r.Context())
	if err != nil {
		h.fail(w, r, err)
		return
	}
	out := api.Status{Vault: string(status.Vault), Sealed: status.Sealed, Unseal: sealWayOut(status.Unseal), Version: h.version, API: []string{"v1"}}
	if status.Recovery.Sealer != "" {
		recovery := sealWayOut(status.Recovery)
		out.Recovery = &recovery
	}
	h.answer(w, r, http.StatusOK, out)
}

// ListApps implements GET /apps.
func (h *handler) ListApps(w http.ResponseWriter, r *http.Request) {
	h.do(w, r, access.ListApps, noApp, http.StatusOK, func(by access.Caller) (any, error) {
		apps, err := h.Apps.Apps(r.Context())
		if by.App != "" {
			apps = slices.DeleteFunc(apps, func(a service.App) bool { return a.ID != by.App })
		}
		return api.AppList{Apps: each(apps, appOut)}, err
	})
}

// CreateApp implements POST /apps.
func (h *handler) CreateApp(w http.ResponseWriter, r *http.Request) {
	h.do(w, r, access.CreateApp, noApp, http.StatusCreated, func(by access.Caller) (any, error) {
		var body api.NewApp
		if err := readJSON(w, r, sealift.MaxAPIBody, &body); err != nil {
			return nil, err
		}
		id, err := sealift.ParseAppID(body.ID)
		if err != nil {
			return nil, err
		}
		kind, err := appKind(body.Kind)
		if err != nil {
			return nil, err
		}
		if body.OpenEnrolment {
			if err := access.Allow(by.Role, access.OpenEnrolment); err != nil {
				return nil, err
			}
			if err := by.StepUp(access.OpenEnrolment, h.now()); err != nil {
				return nil, err
			}
		}
		app, err := h.Apps.CreateApp(r.Context(), by, service.NewApp{ID: id, Kind: kind, OpenEnrolment: body.OpenEnrolment})
		return appOut(app), err
	})
}

// GetApp implements GET /apps/{app}.
func (h *handler) GetApp(w http.ResponseWriter, r *http.Request, app api.InApp) {
	h.do(w, r, access.ListApps, app, http.StatusOK, func(access.Caller) (any, error) {
		id, err := sealift.ParseAppID(app)
		if err != nil {
			return nil, err
		}
		app, err := h.Apps.App(r.Context(), id)
		return appOut(app), err
	})
}

// ChangeApp implements PATCH /apps/{app}.
func (h *handler) ChangeApp(w http.ResponseWriter, r *http.Request, app api.InApp) {
	h.do(w, r, access.ChangeApp, app, http.StatusOK, func(by access.Caller) (any, error) {
		id, err := sealift.ParseAppID(app)
		if err != nil {
			return nil, err
		}
		var body api.AppChange
		if err := readJSON(w, r, sealift.MaxAPIBody, &body); err != nil {
			return nil, err
		}
		change, err := appChange(body)
		if err != nil {
			return nil, err
		}
		app, err := h.Apps.ChangeApp(r.Context(), by, id, change)
		return appOut(app), err
	})
}

// appChange holds settings to their bounds.
func appChange(body api.AppChange) (service.AppChange, error) {
	for _, setting := range []struct {
		name        string
		is          *int64
		least, most int64
		unit        string
	}{
		{"a number of patches", body.Patches, 0, sealift.MaxPatches, "older releases"},
		{"a patch limit", body.PatchLimit, 1, sealift.MaxPatchArchive, "bytes"},
		{"a blast radius", body.BlastRadius, 0, sealift.MaxBlastRadius, "devices, where 0 is any number"},
	} {
		if setting.is != nil && (*setting.is < setting.least || *setting.is > setting.most) {
			return service.AppChange{}, sealift.Errorf(sealift.KindInvalid, "changing the app", "%s of %d is not allowed", setting.name, *setting.is).
				WithReason("setting").WithHint("use %d to %d %s", setting.least, setting.most, setting.unit)
		}
	}
	change := service.AppChange{PatchLimit: body.PatchLimit, BlastRadius: body.BlastRadius}
	if body.Patches != nil {
		patches := int(*body.Patches)
		change.Patches = &patches
	}
	return change, nil
}

// CreateEnrolmentToken implements POST /apps/{app}/enrolment-tokens.
func (h *handler) CreateEnrolmentToken(w http.ResponseWriter, r *http.Request, app api.InApp) {
	h.do(w, r, access.IssueEnrolment, app, http.StatusCreated, func(by access.Caller) (any, error) {
		id, err := sealift.ParseAppID(app)
		if err != nil {
			return nil, err
		}
		var body api.NewEnrolmentToken
		if err := readJSON(w, r, sealift.MaxAPIBody, &body); err != nil {
			return nil, err
		}
		want, err := newEnrolmentToken(body)
		if err != nil {
			return nil, err
		}
		made, err := h.Enrolment.CreateEnrolmentToken(r.Context(), by, id, want)
		if err != nil {
			return nil, err
		}
		return api.EnrolmentToken{ID: made.Token.ID(), Token: made.Token.Reveal(), Expires: made.Expires.UTC()}, nil
	})
}

// A token's life is at least minTokenLife, at most sealift.MaxTokenLife, and one
// of the defaults where none is asked for.
const (
	minTokenLife         = time.Minute
	defaultEnrolmentLife = 30 * 24 * time.Hour
	defaultAccessLife    = 90 * 24 * time.Hour
)

func newEnrolmentToken(body api.NewEnrolmentToken) (service.NewEnrolmentToken, error) {
	const op = "checking enrolment token"
	var none service.NewEnrolmentToken
	if err := checkLabel(op, body.Label); err != nil {
		return none, err
	}
	if body.Uses < 0 || body.Uses > sealift.MaxEnrolments {
		return none, sealift.Errorf(sealift.KindInvalid, op, "%d uses are not allowed", body.Uses).
			WithHint("use 0 for any number, or 1 to %d", sealift.MaxEnrolments)
	}
	life, err := tokenLife(op, body.ExpiresIn, defaultEnrolmentLife)
	return service.NewEnrolmentToken{Label: body.Label, Uses: body.Uses, Life: life}, err
}

func checkLabel(op, label string) error {
	if len(label) > sealift.MaxLabel || !utf8.ValidString(label) || strings.ContainsFunc(label, unicode.IsControl) {
		return sealift.Errorf(sealift.KindInvalid, op, "the label is not allowed").
			WithHint("use at most %d bytes without control characters", sealift.MaxLabel)
	}
	return nil
}

// tokenLife is how long a token lives that is to expire in so many seconds; 0
// is otherwise.
func tokenLife(op string, seconds int64, otherwise time.Duration) (time.Duration, error) {
	if seconds == 0 {
		return otherwise, nil
	}
	if seconds < int64(minTokenLife/time.Second) || seconds > int64(sealift.MaxTokenLife/time.Second) {
		return 0, sealift.Errorf(sealift.KindInvalid, op, "it may not expire in %d seconds", seconds).
			WithHint("use %s to %s", minTokenLife, sealift.MaxTokenLife)
	}
	return time.Duration(seconds) * time.Second, nil
}

func appKind(kind api.AppKind) (service.AppKind, error) {
	switch kind {
	case "", api.AppKindWeb:
		return service.AppWeb, nil
	case api.AppKindDevice:
		return service.AppDevice, nil
	}
	return "", sealift.Errorf(sealift.KindInvalid, "parsing kind of app", "%q is not allowed", cut(string(kind))).
		WithHint("an app is web (interpreted code only) or device")
}

func appOut(a service.App) api.App {
	return api.App{
		ID: string(a.ID), Kind: api.AppKind(a.Kind), OpenEnrolment: a.OpenEnrolment, Created: a.Created.UTC(),
		Patches: int64(a.Patches), PatchLimit: a.PatchLimit, BlastRadius: a.BlastRadius,
	}
}

// timeOut is nil for a time that never was, so that JSON leaves it out.
func timeOut(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// each is never nil, so that JSON has [] and not null.
func each[A, B any](as []A, out func(A) B) []B {
	bs := make([]B, len(as))
	for i, a := range as {
		bs[i] = out(a)
	}
	return bs
}
