package control

import (
	"net/http"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/service"
)

// ListDrafts implements GET /apps/{app}/drafts.
func (h *handler) ListDrafts(w http.ResponseWriter, r *http.Request, app api.InApp) {
	h.do(w, r, access.ListReleases, app, http.StatusOK, func(access.Caller) (any, error) {
		id, err := sealift.ParseAppID(app)
		if err != nil {
			return nil, err
		}
		drafts, err := h.Drafts.Drafts(r.Context(), id)
		return api.DraftList{Drafts: each(drafts, detailOut)}, err
	})
}

// GetDraft implements GET /apps/{app}/drafts/{draft}.
func (h *handler) GetDraft(w http.ResponseWriter, r *http.Request, app api.InApp, draft api.OfDraft) {
	h.do(w, r, access.ListReleases, app, http.StatusOK, func(access.Caller) (any, error) {
		id, err := draftOf(app, draft)
		if err != nil {
			return nil, err
		}
		d, err := h.Drafts.Draft(r.Context(), id, draft)
		return detailOut(d), err
	})
}

// CosignDraft implements POST /apps/{app}/drafts/{draft}/cosignatures.
func (h *handler) CosignDraft(w http.ResponseWriter, r *http.Request, app api.InApp, draft api.OfDraft) {
	h.do(w, r, access.Cosign, app, http.StatusOK, func(by access.Caller) (any, error) {
		id, err := draftOf(app, draft)
		if err != nil {
			return nil, err
		}
		var body api.Cosignature
		if err := readJSON(w, r, sealift.MaxAPIBody, &body); err != nil {
			return nil, err
		}
		if err := checkBytes("envelope", body.Envelope, sealift.MaxRelease); err != nil {
			return nil, err
		}
		d, err := h.Drafts.Cosign(r.Context(), by, id, draft, body.Envelope)
		return detailOut(d), err
	})
}

func detailOut(d service.DraftDetail) api.DraftDetail {
	out := api.DraftDetail{
		ID: d.ID, State: api.DraftState(d.State), App: string(d.App), Channel: string(d.Channel), Platform: string(d.Platform),
		Runtime: string(d.Runtime), Version: string(d.Version), Counter: uint64(d.Counter), Act: api.Act(d.Act),
		Requester: d.Requester, Created: d.Created.UTC(), Expires: d.Expires.UTC(), Submitted: timeOut(d.Submitted),
		Missing: each(d.Missing, missingOut), Problem: d.Problem, Envelope: d.Envelope,
		Plan: planOut(d.Plan), Hold: d.Hold, Capgo: d.Capgo,
	}
	if !d.Payload.IsZero() {
		archive := contentOut(d.Archive)
		out.Payload, out.Archive = d.Payload.String(), &archive
	}
	out.Urgent, out.Rollback = urgentOut(d.Urgent), rollbackOut(d.Rollback)
	if d.Release != nil {
		r := releaseOut(*d.Release)
		out.Release = &r
	}
	return out
}

func missingOut(m service.Missing) api.Missing {
	return api.Missing{What: m.What, Have: m.Have, Need: m.Need, By: m.By, From: m.From}
}
