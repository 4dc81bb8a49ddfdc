package control

import (
	"net/http"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/trust"
)

// RollBack implements POST /apps/{app}/rollbacks.
func (h *handler) RollBack(w http.ResponseWriter, r *http.Request, app api.InApp) {
	h.do(w, r, access.RollBack, app, http.StatusOK, func(by access.Caller) (any, error) {
		id, err := sealift.ParseAppID(app)
		if err != nil {
			return nil, err
		}
		var body api.NewRollback
		if err := readJSON(w, r, sealift.MaxAPIBody, &body); err != nil {
			return nil, err
		}
		want, err := rollbackIn(body)
		if err != nil {
			return nil, err
		}
		out, err := h.Rollbacks.RollBack(r.Context(), by, id, want)
		done := api.RolledBack{Draft: detailOut(out.Draft), From: each(out.From, releaseOut), Left: out.Left}
		done.Draft.Envelope = nil
		return done, err
	})
}

func rollbackIn(body api.NewRollback) (want service.NewRollback, err error) {
	want.Life, want.Reason = sealift.RollbackLife, body.Reason
	if want.Channel, err = sealift.ParseChannel(body.Channel); err != nil {
		return want, err
	}
	if _, want.Platform, err = filters("", body.Platform); err != nil {
		return want, err
	}
	if body.Runtime != "" {
		if want.Runtime, err = sealift.ParseRuntimeRange(body.Runtime); err != nil {
			return want, err
		}
	}
	if want.To, err = sealift.ParseVersion(body.To); err != nil {
		return want, err
	}
	if len(body.From) > sealift.MaxRollbackFrom {
		return want, sealift.Errorf(sealift.KindInvalid, "reading request", "%d versions to go back from", len(body.From)).
			WithHint("name %d at most, or none for every newer one", sealift.MaxRollbackFrom)
	}
	for _, text := range body.From {
		version, err := sealift.ParseVersion(text)
		if err != nil {
			return want, err
		}
		want.From = append(want.From, version)
	}
	if body.Life != "" {
		if want.Life, err = time.ParseDuration(body.Life); err != nil {
			return want, sealift.Errorf(sealift.KindInvalid, "reading request", "%q is no duration", cut(body.Life)).WithReason("life").WithHint("write it as 720h")
		}
	}
	return want, checkReason(body.Reason)
}

func rollbackOut(b *trust.Rollback) *api.Rollback {
	if b == nil {
		return nil
	}
	out := &api.Rollback{NotAfter: b.NotAfter.UTC(), Reason: b.Reason}
	for _, digest := range b.From {
		out.From = append(out.From, digest.String())
	}
	return out
}
