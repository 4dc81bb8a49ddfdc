package control

import (
	"net/http"
	"unicode/utf8"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/service"
)

// ListKeys implements GET /keys.
func (h *handler) ListKeys(w http.ResponseWriter, r *http.Request, params api.ListKeysParams) {
	h.do(w, r, access.ListKeys, noApp, http.StatusOK, func(access.Caller) (any, error) {
		if len(params.ID) > sealift.MaxKeyLabel || !utf8.ValidString(params.ID) {
			return nil, sealift.Errorf(sealift.KindInvalid, "reading request", "an id of more than %d bytes, or not UTF-8", sealift.MaxKeyLabel)
		}
		keys, err := h.Keys.Keys(r.Context(), service.KeyFilter{ID: params.ID, Purpose: params.Purpose, State: string(params.State)})
		return api.KeyList{Keys: each(keys, keyOut)}, err
	})
}

// SetKeyState implements POST /keys/state.
func (h *handler) SetKeyState(w http.ResponseWriter, r *http.Request) {
	h.do(w, r, access.ChangeKeys, noApp, http.StatusOK, func(by access.Caller) (any, error) {
		var body api.KeyChange
		if err := readJSON(w, r, sealift.MaxAPIBody, &body); err != nil {
			return nil, err
		}
		if body.ID == "" || body.Version == 0 || body.To != api.KeyChangeToActive && body.To != api.KeyChangeToSuspended {
			return nil, sealift.Errorf(sealift.KindInvalid, "reading request", "it names no version of a key, or a state that is not active or suspended").
				WithHint("see the keys there are with: sealift key list")
		}
		key, err := h.Keys.SetKeyState(r.Context(), by, service.KeyChange{
			ID: body.ID, Version: body.Version, Suspend: body.To == api.KeyChangeToSuspended, Reason: body.Reason,
		})
		return keyOut(key), err
	})
}

func keyOut(k service.Key) api.Key {
	out := api.Key{
		ID: k.ID, Version: k.Version, Purpose: k.Purpose, Algorithm: k.Algorithm, Provider: k.Provider, Owner: k.Owner, Label: k.Label,
		State: api.KeyState(k.State), Created: k.Created.UTC(), Changed: k.Changed.UTC(), NotBefore: k.NotBefore.UTC(), NotAfter: k.NotAfter.UTC(),
	}
	if !k.Public.IsZero() {
		out.Public = k.Public.String()
	}
	return out
}
