package control

import (
	"net/http"
	"regexp"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/capgo"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/problem"
	"github.com/sealift/sealift/internal/control/service"
)

// maxCSR bounds a leaf's certificate request; one of P-256 is 300 bytes.
const maxCSR = 16 << 10

// ReserveDraft implements POST /apps/{app}/channels/{channel}/drafts.
func (h *handler) ReserveDraft(w http.ResponseWriter, r *http.Request, app api.InApp, channel api.InChannel) {
	h.do(w, r, access.Publish, app, http.StatusCreated, func(by access.Caller) (any, error) {
		var body api.NewDraft
		if err := readJSON(w, r, sealift.MaxAPIBody, &body); err != nil {
			return nil, err
		}
		want, err := reservation(app, channel, body)
		if err == nil {
			err = allowPlan(by, want.Plan)
		}
		if err != nil {
			return nil, err
		}
		draft, err := h.Publishing.Reserve(r.Context(), by, want)
		return api.Draft{ID: draft.ID, Counter: uint64(draft.Counter), Vault: string(draft.Vault), Expires: draft.Expires.UTC()}, err
	})
}

func reservation(app, channel string, body api.NewDraft) (want service.Reservation, err error) {
	if want.App, err = sealift.ParseAppID(app); err != nil {
		return want, err
	}
	if want.Channel, err = sealift.ParseChannel(channel); err != nil {
		return want, err
	}
	if want.Platform, err = sealift.ParsePlatform(body.Platform); err != nil {
		return want, err
	}
	if want.Runtime, err = sealift.ParseRuntimeRange(body.Runtime); err != nil {
		return want, err
	}
	if want.Version, err = sealift.ParseVersion(body.Version); err != nil {
		return want, err
	}
	want.Hold = body.Hold
	if want.Plan, err = planOf(body.Plan); err != nil {
		return want, err
	}
	want.Act = sealift.ActRelease
	if body.Act != "" {
		want.Act, err = sealift.ParseAct(string(body.Act))
	}
	return want, err
}

// ListPatchBases implements GET /apps/{app}/channels/{channel}/patch-bases.
func (h *handler) ListPatchBases(w http.ResponseWriter, r *http.Request, app api.InApp, channel api.InChannel, params api.ListPatchBasesParams) {
	h.do(w, r, access.Publish, app, http.StatusOK, func(access.Caller) (any, error) {
		id, err := sealift.ParseAppID(app)
		if err != nil {
			return nil, err
		}
		c, err := sealift.ParseChannel(channel)
		if err != nil {
			return nil, err
		}
		platform, err := sealift.ParsePlatform(params.Platform)
		if err != nil {
			return nil, err
		}
		if len(params.Have) > sealift.MaxPatches {
			return nil, sealift.Errorf(sealift.KindInvalid, "reading request", "%d archives are too many", len(params.Have)).WithHint("name at most %d", sealift.MaxPatches)
		}
		have := make([]sealift.Digest, len(params.Have))
		for i, text := range params.Have {
			if have[i], err = sealift.ParseDigest(text); err != nil {
				return nil, err
			}
		}
		bases, err := h.Publishing.PatchBases(r.Context(), id, c, platform, have)
		return api.PatchBases{Bases: each(bases, baseOut)}, err
	})
}

func baseOut(b service.PatchBase) api.PatchBase {
	return api.PatchBase{Archive: contentOut(b.Archive), Version: string(b.Version), Counter: uint64(b.Counter), Devices: b.Devices}
}

// UploadBlob implements PUT /apps/{app}/blobs/{sha256}.
func (h *handler) UploadBlob(w http.ResponseWriter, r *http.Request, app api.InApp, sha256 api.SHA256) {
	by, err := h.allow(r, access.Publish, app)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	content := newPatientReader(w, r)
	if err := h.upload(r, by, app, sha256, content); err != nil {
		content.leave(func() { h.fail(w, r, err) })
		return
	}
	h.answer(w, r, http.StatusNoContent, nil)
}

func (h *handler) upload(r *http.Request, by access.Caller, app, sha256 string, content *patientReader) error {
	id, err := sealift.ParseAppID(app)
	if err != nil {
		return err
	}
	digest, err := sealift.ParseDigest(sha256)
	if err != nil {
		return err
	}
	if err := wantMedia(r, "application/octet-stream"); err != nil {
		return err
	}
	if err := checkLength(r.ContentLength); err != nil {
		return err
	}
	return h.Publishing.UploadBlob(r.Context(), by, id, digest, r.ContentLength, content)
}

func checkLength(length int64) error {
	const op = "uploading blob"
	switch {
	case length < 0:
		return sealift.Errorf(sealift.KindInvalid, op, "its length is missing").WithReason(problem.ReasonLengthRequired).
			WithHint("send Content-Length")
	case length > sealift.MaxBlob:
		return sealift.Errorf(sealift.KindInvalid, op, "%d bytes are more than the allowed %d", length, int64(sealift.MaxBlob)).
			WithReason(problem.ReasonTooLarge).WithHint("make the bundle smaller")
	}
	return nil
}

// SubmitDraft implements POST /apps/{app}/drafts/{draft}/submit.
func (h *handler) SubmitDraft(w http.ResponseWriter, r *http.Request, app api.InApp, draft api.OfDraft) {
	h.do(w, r, access.Publish, app, http.StatusOK, func(by access.Caller) (any, error) {
		id, err := draftOf(app, draft)
		if err != nil {
			return nil, err
		}
		var body api.Submission
		if err := readJSON(w, r, sealift.MaxCapgoSubmission, &body); err != nil {
			return nil, err
		}
		if err := checkBytes("envelope", body.Envelope, sealift.MaxRelease); err != nil {
			return nil, err
		}
		if err := checkBytes("csr", body.CSR, maxCSR); err != nil {
			return nil, err
		}
		made, err := capgoIn(body.Capgo)
		if err != nil {
			return nil, err
		}
		d, err := h.Publishing.Submit(r.Context(), by, id, draft, service.Submission{Envelope: body.Envelope, CSR: body.CSR, Capgo: made})
		if err != nil {
			return nil, err
		}
		if d.Release == nil {
			return accepted{detailOut(d)}, nil
		}
		return releaseOut(*d.Release), nil
	})
}

// capgoIn reads what was made for devices that run Capgo's plugin.
func capgoIn(body *api.CapgoSubmission) (*service.Capgo, error) {
	if body == nil {
		return nil, nil
	}
	defer clear(body.Session)
	session, err := capgo.ParseSession(body.Session)
	if err != nil {
		return nil, err
	}
	plan, err := capgo.ParsePlan(body.Plan)
	return &service.Capgo{Session: session, Plan: plan}, err
}

func checkBytes(name string, b []byte, most int) error {
	if len(b) == 0 || len(b) > most {
		return sealift.Errorf(sealift.KindInvalid, readingBody, "%s has %d bytes; 1 to %d are allowed", name, len(b), most)
	}
	return nil
}

// AbandonDraft implements DELETE /apps/{app}/drafts/{draft}.
func (h *handler) AbandonDraft(w http.ResponseWriter, r *http.Request, app api.InApp, draft api.OfDraft) {
	h.do(w, r, access.Publish, app, http.StatusNoContent, func(by access.Caller) (any, error) {
		id, err := draftOf(app, draft)
		if err != nil {
			return nil, err
		}
		return nil, h.Publishing.Abandon(r.Context(), by, id, draft)
	})
}

var draftPattern = regexp.MustCompile(`^[0-9a-z-]{1,64}$`)

func draftOf(app, draft string) (sealift.AppID, error) {
	if !draftPattern.MatchString(draft) {
		return "", sealift.Errorf(sealift.KindInvalid, "parsing draft id", "%q is not allowed", cut(draft))
	}
	return sealift.ParseAppID(app)
}
