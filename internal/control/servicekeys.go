package control

import (
	"crypto"
	"net/http"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/service"
)

// CreateKey implements POST /keys.
func (h *handler) CreateKey(w http.ResponseWriter, r *http.Request) {
	h.do(w, r, access.CreateKeys, noApp, http.StatusCreated, func(by access.Caller) (any, error) {
		var body api.NewKey
		if err := readJSON(w, r, sealift.MaxAPIBody, &body); err != nil {
			return nil, err
		}
		want := service.NewKey{
			ID: body.ID, Purpose: string(body.Purpose), Algorithm: string(body.Algorithm), Owner: body.Owner, Label: body.Label, Exportable: body.Exportable, Token: body.Token,
		}
		return h.makeKey(r, by, want, body.App, body.Cryptoperiod)
	})
}

// ImportKey implements POST /keys/import.
func (h *handler) ImportKey(w http.ResponseWriter, r *http.Request) {
	h.do(w, r, access.ImportKeys, noApp, http.StatusCreated, func(by access.Caller) (any, error) {
		var body api.ImportedKey
		if err := readJSON(w, r, sealift.MaxAPIBody, &body); err != nil {
			return nil, err
		}
		defer clear(body.Pem)
		if len(body.Pem) == 0 {
			return nil, sealift.Errorf(sealift.KindInvalid, "reading request", "it brings no key").WithHint("send the private key as pem")
		}
		want := service.NewKey{
			ID: body.ID, Purpose: string(body.Purpose), Owner: body.Owner, Label: body.Label, Exportable: body.Exportable, PEM: body.Pem,
		}
		return h.makeKey(r, by, want, body.App, body.Cryptoperiod)
	})
}

func (h *handler) makeKey(r *http.Request, by access.Caller, want service.NewKey, app string, period int64) (any, error) {
	var err error
	if want.App, err = sealift.ParseAppID(app); err != nil {
		return nil, err
	}
	if err := namesKey(want.ID, 1); err != nil {
		return nil, err
	}
	if period != 0 && (period < 3600 || period > int64(sealift.MaxRetirement/time.Second)) {
		return nil, sealift.Errorf(sealift.KindInvalid, "reading request", "a cryptoperiod of %d seconds", period).
			WithHint("use 3600 to %d", int64(sealift.MaxRetirement/time.Second))
	}
	want.Period = time.Duration(period) * time.Second
	key, err := h.Keys.CreateKey(r.Context(), by, want)
	return keyOut(key), err
}

// ExportKey implements POST /keys/export.
func (h *handler) ExportKey(w http.ResponseWriter, r *http.Request) {
	h.do(w, r, access.ExportKeys, noApp, http.StatusOK, func(by access.Caller) (any, error) {
		var body api.KeyExport
		if err := readJSON(w, r, sealift.MaxAPIBody, &body); err != nil {
			return nil, err
		}
		if err := namesKey(body.ID, body.Version); err != nil {
			return nil, err
		}
		text, err := h.Keys.ExportKey(r.Context(), by, service.KeyExport{ID: body.ID, Version: body.Version, Reason: body.Reason})
		return api.PrivateKey{Pem: text}, err
	})
}

var signingHashes = map[api.SigningRequestHash]crypto.Hash{
	api.SigningRequestHashSHA256: crypto.SHA256, api.SigningRequestHashSha384: crypto.SHA384, api.SigningRequestHashSha512: crypto.SHA512,
}

// SignWithKey implements POST /apps/{app}/keys/{key}/signatures.
func (h *handler) SignWithKey(w http.ResponseWriter, r *http.Request, app api.InApp, key string) {
	h.do(w, r, access.SignWithKeys, app, http.StatusOK, func(by access.Caller) (any, error) {
		id, err := sealift.ParseAppID(app)
		if err != nil {
			return nil, err
		}
		if err := namesKey(key, 1); err != nil {
			return nil, err
		}
		var body api.SigningRequest
		if err := readJSON(w, r, sealift.MaxAPIBody, &body); err != nil {
			return nil, err
		}
		want, err := signingRequest(body)
		if err != nil {
			return nil, err
		}
		want.App, want.Key = id, key
		s, err := h.Keys.SignWithKey(r.Context(), by, want)
		return api.Signature{Signature: s.Signature, Version: s.Version, Algorithm: s.Algorithm, Entry: s.Entry}, err
	})
}

func signingRequest(body api.SigningRequest) (want service.SigningRequest, err error) {
	wrong := func(format string, args ...any) error {
		return sealift.Errorf(sealift.KindInvalid, "reading request", format, args...).
			WithHint("send hash and digest or, for an Ed25519 key, message")
	}
	switch body.Padding {
	case "", api.SigningRequestPaddingPss:
	case api.SigningRequestPaddingPkcs1V15:
		want.PKCS1 = true
	default:
		return want, wrong("padding %q is not known", cut(string(body.Padding)))
	}
	if body.Hash == "" {
		if len(body.Digest) > 0 || body.Message == nil {
			return want, wrong("there is no hash")
		}
		if len(body.Message) > sealift.MaxSignedMessage {
			return want, wrong("a message of %d bytes; at most %d are allowed", len(body.Message), sealift.MaxSignedMessage)
		}
		want.Message = body.Message
		return want, nil
	}
	hash, ok := signingHashes[body.Hash]
	switch {
	case !ok:
		return want, wrong("hash %q is not known; sha256, sha384 and sha512 are", cut(string(body.Hash)))
	case body.Message != nil:
		return want, wrong("both a digest and a message")
	case len(body.Digest) != hash.Size():
		return want, wrong("a digest of %d bytes is none of %s", len(body.Digest), body.Hash)
	}
	want.Hash, want.Digest = hash, body.Digest
	return want, nil
}

// GetCapgoKey implements GET /apps/{app}/capgo-key.
func (h *handler) GetCapgoKey(w http.ResponseWriter, r *http.Request, app api.InApp) {
	h.do(w, r, access.ListApps, app, http.StatusOK, func(access.Caller) (any, error) {
		id, err := sealift.ParseAppID(app)
		if err != nil {
			return nil, err
		}
		k, err := h.Keys.CapgoKey(r.Context(), id)
		return api.CapgoKey{ID: k.ID, Version: k.Version, KeyID: k.Name, PublicKey: k.PublicKey}, err
	})
}
