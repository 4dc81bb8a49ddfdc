package control

import (
	"net/http"
	"slices"
	"time"
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

// ListReleaseKeys implements GET /apps/{app}/release-keys.
func (h *handler) ListReleaseKeys(w http.ResponseWriter, r *http.Request, app api.InApp, params api.ListReleaseKeysParams) {
	h.do(w, r, access.ListKeys, app, http.StatusOK, func(access.Caller) (any, error) {
		id, err := sealift.ParseAppID(app)
		if err != nil {
			return nil, err
		}
		page, err := pageOf(api.ListReleasesParams(params))
		if err != nil {
			return nil, err
		}
		page.Limit++ // one more than asked for tells whether there is a next page
		keys, err := h.Releases.ReleaseKeys(r.Context(), id, page)
		if err != nil {
			return nil, err
		}
		var list api.ReleaseKeysList
		if len(keys) >= page.Limit {
			keys = keys[:page.Limit-1]
			list.Next = uint64(keys[len(keys)-1].Counter)
		}
		list.Keys = each(keys, releaseKeysOut)
		return list, nil
	})
}

func releaseKeysOut(k service.ReleaseKeys) api.ReleaseKeys {
	return api.ReleaseKeys{
		Channel: string(k.Channel), Platform: string(k.Platform), Version: string(k.Version), Counter: uint64(k.Counter), Release: k.Release.String(),
		Leaf: api.LeafKey{
			Issuer: k.Leaf.Issuer.String(), Serial: k.Leaf.Serial, Public: k.Leaf.Public.String(), Signed: k.Leaf.Signed.UTC(), Ends: k.Leaf.Ends.UTC(),
		},
		Content: api.ContentKey{Epoch: k.Content.Epoch, Key: k.Content.Key, Version: k.Content.Version, EpochState: api.KeyState(k.Content.EpochState)},
	}
}

// keyStates are those that a caller may ask for: a version is pre-active but
// once.
var keyStates = []api.KeyChangeTo{
	api.KeyChangeToActive, api.KeyChangeToSuspended, api.KeyChangeToDeactivated, api.KeyChangeToCompromised, api.KeyChangeToDestroyed,
}

// SetKeyState implements POST /keys/state.
func (h *handler) SetKeyState(w http.ResponseWriter, r *http.Request) {
	h.do(w, r, access.ChangeKeys, noApp, http.StatusOK, func(by access.Caller) (any, error) {
		var body api.KeyChange
		if err := readJSON(w, r, sealift.MaxAPIBody, &body); err != nil {
			return nil, err
		}
		if err := namesKey(body.ID, body.Version); err != nil {
			return nil, err
		}
		if !slices.Contains(keyStates, body.To) {
			return nil, sealift.Errorf(sealift.KindInvalid, "reading request", "a version is not put into state %q", cut(string(body.To))).
				WithHint("the states are %v", keyStates)
		}
		key, err := h.Keys.SetKeyState(r.Context(), by, service.KeyChange{ID: body.ID, Version: body.Version, To: string(body.To), Reason: body.Reason})
		return keyOut(key), err
	})
}

// RotateKey implements POST /keys/rotate.
func (h *handler) RotateKey(w http.ResponseWriter, r *http.Request) {
	h.do(w, r, access.ChangeKeys, noApp, http.StatusOK, func(by access.Caller) (any, error) {
		var body api.KeyRotation
		if err := readJSON(w, r, sealift.MaxAPIBody, &body); err != nil {
			return nil, err
		}
		if err := namesKey(body.ID, 1); err != nil {
			return nil, err
		}
		rotated, err := h.Keys.RotateKey(r.Context(), by, service.KeyRotation{ID: body.ID, Reason: body.Reason})
		out := api.RotatedKey{Active: keyOut(rotated.Active), Before: keyOut(rotated.Before)}
		if rotated.Standby != nil {
			standby := keyOut(*rotated.Standby)
			out.Standby = &standby
		}
		return out, err
	})
}

// RetireKey implements POST /keys/retire.
func (h *handler) RetireKey(w http.ResponseWriter, r *http.Request) {
	h.do(w, r, access.ChangeKeys, noApp, http.StatusOK, func(by access.Caller) (any, error) {
		var body api.KeyRetirement
		if err := readJSON(w, r, sealift.MaxAPIBody, &body); err != nil {
			return nil, err
		}
		if err := namesKey(body.ID, body.Version); err != nil {
			return nil, err
		}
		after := time.Duration(body.After) * time.Second
		if body.After < 0 || body.After > int64(sealift.MaxRetirement/time.Second) {
			return nil, sealift.Errorf(sealift.KindInvalid, "reading request", "a key is retired within 0 to %d seconds", int64(sealift.MaxRetirement/time.Second))
		}
		within := time.Duration(body.SeenWithin) * time.Second
		if body.SeenWithin != 0 && (body.After == 0 || body.SeenWithin < int64(sealift.MinFleetSilence/time.Second) || body.SeenWithin > int64(sealift.MaxRetirement/time.Second)) {
			return nil, sealift.Errorf(sealift.KindInvalid, "reading request", "the fleet retires a key before a time that is named, by devices seen within %d to %d seconds", int64(sealift.MinFleetSilence/time.Second), int64(sealift.MaxRetirement/time.Second)).
				WithHint("sealift key retire %s --version %d --after 2160h --fleet --seen-within %s --reason TEXT", body.ID, body.Version, sealift.FleetSilence)
		}
		key, err := h.Keys.RetireKey(r.Context(), by, service.KeyRetirement{ID: body.ID, Version: body.Version, After: after, SeenWithin: within, Reason: body.Reason})
		return keyOut(key), err
	})
}

// RequestCertificate implements POST /keys/csr.
func (h *handler) RequestCertificate(w http.ResponseWriter, r *http.Request) {
	h.do(w, r, access.ChangeKeys, noApp, http.StatusOK, func(by access.Caller) (any, error) {
		var body api.KeyVersion
		if err := readJSON(w, r, sealift.MaxAPIBody, &body); err != nil {
			return nil, err
		}
		if err := namesKey(body.ID, body.Version); err != nil {
			return nil, err
		}
		csr, err := h.Keys.RequestCertificate(r.Context(), by, body.ID, body.Version)
		return api.CertificateRequest{CSR: csr}, err
	})
}

// InstallCertificate implements POST /keys/certificate.
func (h *handler) InstallCertificate(w http.ResponseWriter, r *http.Request) {
	h.do(w, r, access.ChangeKeys, noApp, http.StatusOK, func(by access.Caller) (any, error) {
		var body api.CACertificate
		if err := readJSON(w, r, sealift.MaxAPIBody, &body); err != nil {
			return nil, err
		}
		if err := namesKey(body.ID, body.Version); err != nil {
			return nil, err
		}
		if n := max(len(body.Certificate), len(body.Issuer)); len(body.Certificate) == 0 || n > sealift.MaxCertificate {
			return nil, sealift.Errorf(sealift.KindInvalid, "reading request", "a certificate has 1 to %d bytes", sealift.MaxCertificate)
		}
		key, err := h.Keys.InstallCertificate(r.Context(), by, service.CACertificate{
			ID: body.ID, Version: body.Version, Certificate: body.Certificate, Issuer: body.Issuer,
		})
		return keyOut(key), err
	})
}

// namesKey refuses what can be the name of no version.
func namesKey(id string, version uint64) error {
	if id == "" || version == 0 || len(id) > sealift.MaxKeyLabel || !utf8.ValidString(id) {
		return sealift.Errorf(sealift.KindInvalid, "reading request", "it names no version of a key").
			WithHint("see the keys there are with: sealift key list")
	}
	return nil
}

func keyOut(k service.Key) api.Key {
	out := api.Key{
		ID: k.ID, Version: k.Version, Purpose: k.Purpose, Algorithm: k.Algorithm, Provider: k.Provider, Owner: k.Owner, Label: k.Label,
		State: api.KeyState(k.State), Created: k.Created.UTC(), Changed: k.Changed.UTC(), NotBefore: k.NotBefore.UTC(), NotAfter: k.NotAfter.UTC(),
		RetireAt: timeOut(k.RetireAt), Standby: k.Standby, Vouched: k.Vouched, App: string(k.App), Imported: k.Imported, Exportable: k.Exportable, Spki: k.SPKI, Certificate: k.Certificate,
	}
	if !k.Public.IsZero() {
		out.Public = k.Public.String()
	}
	if f := k.Fleet; f != nil {
		out.Fleet = &api.FleetRetirement{
			SeenWithin: int64(f.SeenWithin / time.Second), NotBefore: f.NotBefore.UTC(), Waits: f.Waits, Hint: f.Hint, Root: f.Root, Targets: f.Targets,
			Devices: f.Devices, Behind: f.Behind, Oldest: timeOut(f.Oldest),
		}
	}
	return out
}
