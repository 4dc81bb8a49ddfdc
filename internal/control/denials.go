package control

import (
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/service"
)

// ListDenials implements GET /denials.
func (h *handler) ListDenials(w http.ResponseWriter, r *http.Request) {
	h.do(w, r, access.ListDenials, noApp, http.StatusOK, func(access.Caller) (any, error) {
		denials, err := h.Denials.Denials(r.Context())
		return api.DenialList{Denials: each(denials, denialOut)}, err
	})
}

// AddDenial implements POST /denials.
func (h *handler) AddDenial(w http.ResponseWriter, r *http.Request) {
	h.do(w, r, access.ChangeDenials, noApp, http.StatusCreated, func(by access.Caller) (any, error) {
		var body api.NewDenial
		if err := readJSON(w, r, sealift.MaxAPIBody, &body); err != nil {
			return nil, err
		}
		want, err := newDenial(body)
		if err != nil {
			return nil, err
		}
		d, err := h.Denials.Deny(r.Context(), by, want)
		return denialOut(d), err
	})
}

// newDenial takes exactly what a denial of the kind has.
func newDenial(body api.NewDenial) (want service.NewDenial, err error) {
	want = service.NewDenial{Kind: service.DenialKind(body.Kind), Counter: sealift.Counter(body.Counter), Force: body.Force, Reason: body.Reason}
	if err := checkReason(body.Reason); err != nil {
		return want, err
	}
	release, ca, floor := body.Release != "", body.Issuer != "", body.Counter != 0 || body.Version != "" || body.Force
	switch {
	case want.Kind == service.DenyRelease && release && !ca && !floor:
		if want.Release, err = whichOf(body.Release); err == nil && want.Release.Version != "" {
			err = sealift.Errorf(sealift.KindInvalid, readingBody, "a version may name several releases").WithHint("name it by its counter or the SHA-256 of its release.json")
		}
	case want.Kind == service.DenyCA && ca && !release && !floor && body.App == "":
		want.Issuer, err = sealift.ParseDigest(body.Issuer)
		return want, err
	case want.Kind == service.DenyFloor && (body.Counter != 0 || body.Version != "") && !release && !ca:
		if body.Version != "" {
			want.Version, err = sealift.ParseVersion(body.Version)
		}
	default:
		err = sealift.Errorf(sealift.KindInvalid, readingBody, "it names nothing to refuse, or more than one thing").
			WithHint("a release has app and release, a ca has issuer, a floor has app and counter or version")
	}
	if err != nil {
		return want, err
	}
	want.App, err = sealift.ParseAppID(body.App)
	return want, err
}

// checkReason wants some words of a person.
func checkReason(reason string) error {
	if strings.TrimSpace(reason) == "" || len(reason) > sealift.MaxReason || !utf8.ValidString(reason) || strings.ContainsRune(reason, 0) {
		return sealift.Errorf(sealift.KindInvalid, readingBody, "a reason of %d bytes; 1 to %d of text are allowed", len(reason), sealift.MaxReason).
			WithHint("say why, in your words: it stands in the log")
	}
	return nil
}

// LiftDenial implements POST /denials/{denial}/lift.
func (h *handler) LiftDenial(w http.ResponseWriter, r *http.Request, denial string) {
	h.do(w, r, access.LiftDenials, noApp, http.StatusOK, func(by access.Caller) (any, error) {
		if !isID(denial) {
			return nil, sealift.Errorf(sealift.KindInvalid, "reading request", "%q is no id of a denial", cut(denial)).
				WithHint("an id has 16 lower-case hex digits: see sealift deny list")
		}
		var body api.DenialLift
		if err := readJSON(w, r, sealift.MaxAPIBody, &body); err != nil {
			return nil, err
		}
		if err := checkReason(body.Reason); err != nil {
			return nil, err
		}
		d, err := h.Denials.LiftDenial(r.Context(), by, denial, body.Reason)
		return denialOut(d), err
	})
}

func denialOut(d service.Denial) api.Denial {
	out := api.Denial{
		ID: d.ID, Kind: api.DenialKind(d.Kind), App: string(d.App), Counter: uint64(d.Counter), Version: string(d.Version), Serial: d.Serial,
		Reason: d.Reason, Creator: d.Creator, Created: d.Created.UTC(), State: api.DenialState(d.State), Changed: d.Changed.UTC(), Forged: d.Forged,
	}
	if !d.Issuer.IsZero() {
		out.Issuer = d.Issuer.String()
	}
	return out
}
