package control

import (
	"net/http"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/trust"
)

// GetFloor implements GET /apps/{app}/floor.
func (h *handler) GetFloor(w http.ResponseWriter, r *http.Request, app api.InApp, params api.GetFloorParams) {
	h.do(w, r, access.ListDenials, app, http.StatusOK, func(access.Caller) (any, error) {
		id, err := sealift.ParseAppID(app)
		if err != nil {
			return nil, err
		}
		asked := trust.Floor{Counter: sealift.Counter(params.Counter)}
		if params.Version != "" {
			if asked.Version, err = sealift.ParseVersion(params.Version); err != nil {
				return nil, err
			}
		}
		f, err := h.Denials.Floor(r.Context(), id, asked)
		if err != nil {
			return nil, err
		}
		return appFloorOut(f), nil
	})
}

func appFloorOut(f service.AppFloor) api.AppFloor {
	return api.AppFloor{
		App: string(f.App), Floor: floorOut(f.Floor), Trust: floorOut(f.Trust), Deny: floorOut(f.Deny), Active: f.Active, Under: f.Under,
		Versions: each(f.Versions, versionOut),
		Unserved: each(f.Unserved, func(p service.Place) api.Place {
			return api.Place{Channel: string(p.Channel), Platform: string(p.Platform), Devices: p.Devices}
		}),
	}
}

func floorOut(f trust.Floor) api.Floor {
	return api.Floor{Counter: uint64(f.Counter), Version: string(f.Version)}
}
