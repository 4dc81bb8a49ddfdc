package control

import (
	"encoding/json"
	"net/http"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/rollout"
)

// GetPlan implements GET /apps/{app}/channels/{channel}/plan.
func (h *handler) GetPlan(w http.ResponseWriter, r *http.Request, app api.InApp, channel api.InChannel) {
	h.do(w, r, access.ListReleases, app, http.StatusOK, func(access.Caller) (any, error) {
		id, name, err := channelOf(app, channel)
		if err != nil {
			return nil, err
		}
		out, err := h.Plans.Plan(r.Context(), id, name)
		return channelPlanOut(out), err
	})
}

// SetPlan implements PUT /apps/{app}/channels/{channel}/plan.
func (h *handler) SetPlan(w http.ResponseWriter, r *http.Request, app api.InApp, channel api.InChannel) {
	h.do(w, r, access.PlanRollouts, app, http.StatusOK, func(by access.Caller) (any, error) {
		id, name, err := channelOf(app, channel)
		if err != nil {
			return nil, err
		}
		var body api.Plan
		if err := readJSON(w, r, sealift.MaxAPIBody, &body); err != nil {
			return nil, err
		}
		plan, err := planOf(body)
		if err != nil {
			return nil, err
		}
		out, err := h.Plans.SetPlan(r.Context(), by, id, name, plan)
		return channelPlanOut(out), err
	})
}

// ClearPlan implements DELETE /apps/{app}/channels/{channel}/plan.
func (h *handler) ClearPlan(w http.ResponseWriter, r *http.Request, app api.InApp, channel api.InChannel) {
	h.do(w, r, access.PlanRollouts, app, http.StatusOK, func(by access.Caller) (any, error) {
		id, name, err := channelOf(app, channel)
		if err != nil {
			return nil, err
		}
		out, err := h.Plans.SetPlan(r.Context(), by, id, name, nil)
		return channelPlanOut(out), err
	})
}

func channelOf(app, channel string) (id sealift.AppID, name sealift.Channel, err error) {
	if id, err = sealift.ParseAppID(app); err != nil {
		return id, name, err
	}
	name, err = sealift.ParseChannel(channel)
	return id, name, err
}

// planOf reads a plan; nil where there is none.
func planOf(text api.Plan) (*rollout.Plan, error) {
	if len(text) == 0 {
		return nil, nil
	}
	plan, err := rollout.ParsePlan(text)
	if err != nil {
		return nil, err
	}
	return &plan, nil
}

// planOut is nil for none, so that JSON leaves it out.
func planOut(plan *rollout.Plan) api.Plan {
	if plan == nil {
		return nil
	}
	text, err := json.Marshal(plan)
	if err != nil {
		return nil // of a plan that was parsed, never
	}
	return text
}

func channelPlanOut(p service.ChannelPlan) api.ChannelPlan {
	return api.ChannelPlan{App: string(p.App), Channel: string(p.Channel), Plan: planOut(p.Plan), Creator: p.Creator, Changed: timeOut(p.Changed)}
}

// allowPlan refuses a plan of its own to whoever may not set that of the channel.
func allowPlan(by access.Caller, plan *rollout.Plan) error {
	if plan == nil {
		return nil
	}
	return by.Allow(access.PlanRollouts)
}
