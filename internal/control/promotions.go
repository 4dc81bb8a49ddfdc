package control

import (
	"net/http"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/service"
)

// PromoteRelease implements POST /apps/{app}/promotions.
func (h *handler) PromoteRelease(w http.ResponseWriter, r *http.Request, app api.InApp) {
	h.do(w, r, access.Promote, app, http.StatusOK, func(by access.Caller) (any, error) {
		id, err := sealift.ParseAppID(app)
		if err != nil {
			return nil, err
		}
		var body api.NewPromotion
		if err := readJSON(w, r, sealift.MaxAPIBody, &body); err != nil {
			return nil, err
		}
		want, err := promotion(body)
		if err == nil {
			err = allowPlan(by, want.Plan)
		}
		if err != nil {
			return nil, err
		}
		out, err := h.Promotions.Promote(r.Context(), by, id, want)
		promoted := api.Promotion{Drafts: each(out.Drafts, detailOut), Already: each(out.Already, releaseOut)}
		for i := range promoted.Drafts {
			promoted.Drafts[i].Envelope = nil
		}
		return promoted, err
	})
}

func promotion(body api.NewPromotion) (want service.Promotion, err error) {
	if want.From, err = sealift.ParseChannel(body.From); err != nil {
		return want, err
	}
	if want.To, err = sealift.ParseChannel(body.To); err != nil {
		return want, err
	}
	if want.Version, err = sealift.ParseVersion(body.Version); err != nil {
		return want, err
	}
	want.Hold = body.Hold
	if want.Plan, err = planOf(body.Plan); err != nil {
		return want, err
	}
	if body.Platform != "" {
		want.Platform, err = sealift.ParsePlatform(body.Platform)
	}
	return want, err
}
