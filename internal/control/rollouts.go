package control

import (
	"net/http"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/rollout"
)

// ListRollouts implements GET /apps/{app}/rollouts.
func (h *handler) ListRollouts(w http.ResponseWriter, r *http.Request, app api.InApp, params api.ListRolloutsParams) {
	h.do(w, r, access.ListReleases, app, http.StatusOK, func(access.Caller) (any, error) {
		id, err := sealift.ParseAppID(app)
		if err != nil {
			return nil, err
		}
		channel, platform, err := filters(params.Channel, params.Platform)
		if err != nil {
			return nil, err
		}
		rollouts, err := h.Rollouts.Rollouts(r.Context(), id, channel, platform, params.All)
		return api.RolloutList{Rollouts: each(rollouts, rolloutOut)}, err
	})
}

// GetRollout implements GET /apps/{app}/rollouts/{counter}.
func (h *handler) GetRollout(w http.ResponseWriter, r *http.Request, app api.InApp, counter uint64) {
	h.do(w, r, access.ListReleases, app, http.StatusOK, func(access.Caller) (any, error) {
		id, err := inRollout(app, counter)
		if err != nil {
			return nil, err
		}
		out, err := h.Rollouts.Rollout(r.Context(), id, sealift.Counter(counter))
		return rolloutOut(out), err
	})
}

// PauseRollout implements POST /apps/{app}/rollouts/{counter}/pause.
func (h *handler) PauseRollout(w http.ResponseWriter, r *http.Request, app api.InApp, counter uint64) {
	h.do(w, r, access.PauseRollouts, app, http.StatusOK, func(by access.Caller) (any, error) {
		var body api.RolloutPause
		id, err := rolloutAct(w, r, app, counter, &body, &body.Reason)
		if err != nil {
			return nil, err
		}
		out, err := h.Rollouts.PauseRollout(r.Context(), by, id, sealift.Counter(counter), body.Reason)
		return rolloutOut(out), err
	})
}

// WithdrawRelease implements POST /apps/{app}/rollouts/{counter}/withdraw.
func (h *handler) WithdrawRelease(w http.ResponseWriter, r *http.Request, app api.InApp, counter uint64) {
	h.do(w, r, access.PauseRollouts, app, http.StatusOK, func(by access.Caller) (any, error) {
		var body api.RolloutPause
		id, err := rolloutAct(w, r, app, counter, &body, &body.Reason)
		if err != nil {
			return nil, err
		}
		out, err := h.Rollouts.WithdrawRelease(r.Context(), by, id, sealift.Counter(counter), body.Reason)
		return rolloutOut(out), err
	})
}

// SteerRollout implements POST /apps/{app}/rollouts/{counter}/steer.
func (h *handler) SteerRollout(w http.ResponseWriter, r *http.Request, app api.InApp, counter uint64) {
	h.do(w, r, access.SteerRollouts, app, http.StatusOK, func(by access.Caller) (any, error) {
		var body api.RolloutSteer
		id, err := rolloutAct(w, r, app, counter, &body, &body.Reason)
		if err != nil {
			return nil, err
		}
		out, err := h.Rollouts.SteerRollout(r.Context(), by, id, sealift.Counter(counter), service.Steer(body.Do), body.Reason)
		return rolloutOut(out), err
	})
}

// rolloutAct reads whose roll-out something is to be done to, and the body about it,
// of which reason is a part.
func rolloutAct(w http.ResponseWriter, r *http.Request, app string, counter uint64, body any, reason *string) (sealift.AppID, error) {
	id, err := inRollout(app, counter)
	if err == nil {
		err = readJSON(w, r, sealift.MaxAPIBody, body)
	}
	if err == nil {
		err = checkReason(*reason)
	}
	return id, err
}

// inRollout reads whose roll-out is meant.
func inRollout(app string, counter uint64) (sealift.AppID, error) {
	id, err := sealift.ParseAppID(app)
	if err == nil && (counter == 0 || counter > sealift.MaxCounter) {
		err = sealift.Errorf(sealift.KindInvalid, "reading request", "%d is no counter", counter).WithHint("see the roll-outs with: sealift rollout list --app %s", id)
	}
	return id, err
}

func rolloutOut(r service.Rollout) api.Rollout {
	out := api.Rollout{
		App: string(r.App), Channel: string(r.Channel), Platform: string(r.Platform), Runtime: string(r.Runtime), Version: string(r.Version),
		Counter: uint64(r.Counter), Release: r.Release.String(), Urgent: r.Urgent, Then: api.RolloutThen(r.Plan.Halt.Then), Phase: api.RolloutPhase(r.State.Phase), Percent: percent(r.Share), Capped: r.Capped,
		Stage: r.State.Stage + 1, Since: r.State.Since.UTC(), Creator: r.Creator, Created: r.Created.UTC(), Changed: r.Changed.UTC(), Reissue: r.Reissue,
	}
	for _, stage := range r.Plan.Stages {
		s := api.RolloutStage{
			Percent: percent(stage.Share), Duration: time.Duration(stage.Duration).String(), Confirmed: stage.Confirmed, Gate: api.RolloutStageGate(stage.Gate),
		}
		if stage.Gate == "" {
			s.Gate = api.RolloutStageGate(rollout.Automatic)
		}
		out.Stages = append(out.Stages, s)
	}
	if !r.Next.IsZero() {
		next := r.Next.UTC()
		out.Next = &next
	}
	if r.Story != nil {
		tellStory(&out, r.Story)
	}
	return out
}

// tellStory adds what only one roll-out is told with. Where somebody sat who acted is
// for those who may read the log.
func tellStory(out *api.Rollout, s *service.Story) {
	if l := s.Last; l != nil {
		out.Last = &api.RolloutChange{
			Entry: l.Entry, Time: l.Time.UTC(), Action: l.Action, Actor: api.LogActor{Kind: api.LogActorKind(l.Actor.Kind), ID: l.Actor.ID},
			Name: l.Name, Reason: l.Reason, Warning: l.Warns,
		}
	}
	if s.Halt != nil {
		halt := evidenceOut(*s.Halt)
		out.Halt = &halt
	}
	out.WayBack = s.WayBack
	if s.Evidence != nil {
		out.Evidence = each(s.Evidence, evidenceOut)
		out.Known = &api.RolloutKnown{Confirmed: s.Known.Confirmed, Fleet: s.Known.Fleet, Cap: s.Known.Cap}
	}
	for _, d := range s.Backs {
		out.Backs = append(out.Backs, api.WaitingRollback{Draft: d.ID, Version: string(d.Version), Expires: d.Expires.UTC(), Missing: each(d.Missing, missingOut)})
	}
}

func evidenceOut(e rollout.Evidence) api.RolloutEvidence {
	out := api.RolloutEvidence{
		Kind: api.RolloutEvidenceKind(e.Kind), Taken: e.Taken, Failed: e.Count, Rate: e.Rate, Low: e.Low, High: e.High, Limit: e.Limit,
		Weight: e.Weight, Needed: e.Needed, Warning: e.Warning, Halts: e.Halts, OldTaken: e.OldTaken, OldFailed: e.OldCount,
	}
	if !e.Since.IsZero() {
		since := e.Since.UTC()
		out.Since = &since
	}
	return out
}

// percent is a share as documents write it.
func percent(s sealift.Share) float64 { return float64(s) / 100 }
