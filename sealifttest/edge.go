package sealifttest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/bundle"
	"github.com/sealift/sealift/trust"
)

// ServeHTTP implements http.Handler: the edge of this World, as devices speak
// to it. Ranges are honoured; nothing is cached.
func (w *World) ServeHTTP(out http.ResponseWriter, in *http.Request) {
	path, ok := strings.CutPrefix(in.URL.Path, "/v1/")
	if !ok {
		http.NotFound(out, in)
		return
	}
	if path == "devices" && in.Method == http.MethodPost {
		w.serveDevice(out, in)
		return
	}
	content := w.File(path)
	if content == nil || in.Method != http.MethodGet {
		http.NotFound(out, in)
		return
	}
	out.Header().Set("Content-Type", "application/octet-stream")
	out.Header().Set("ETag", `"`+sealift.DigestOf(content).String()+`"`)
	http.ServeContent(out, in, "", time.Time{}, bytes.NewReader(content))
}

func (w *World) serveDevice(out http.ResponseWriter, in *http.Request) {
	request, err := io.ReadAll(io.LimitReader(in.Body, sealift.MaxMessage+1))
	if err != nil {
		http.Error(out, err.Error(), http.StatusBadRequest)
		return
	}
	answer, err := w.Answer(request)
	if err != nil {
		http.Error(out, err.Error(), http.StatusBadRequest)
		return
	}
	out.Header().Set("Content-Type", "application/vnd.dsse+json")
	_, _ = out.Write(answer)
}

// desk is where devices enrol, ask for epochs, and report.
type desk struct {
	mu          sync.Mutex
	key         *ecdsa.PrivateKey
	certificate []byte
	tokens      map[string]sealift.EnrolmentToken
	devices     map[sealift.DeviceID]trust.Enrolment
	nonces      map[string]bool
	reports     map[sealift.DeviceID]trust.Report // all steps, and the last state
	strange     func(*trust.Report) bool          // what an older vault cannot read; nil for nothing
}

func (d *desk) open(w *World) (err error) {
	d.reports = map[sealift.DeviceID]trust.Report{}
	d.tokens, d.devices, d.nonces = map[string]sealift.EnrolmentToken{}, map[sealift.DeviceID]trust.Enrolment{}, map[string]bool{}
	if d.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return err
	}
	template, err := trust.AnswerTemplate(w.Vault, w.now.AddDate(0, 0, -1), w.now.AddDate(0, 3, 0))
	if err != nil {
		return err
	}
	d.certificate, err = trust.Issue(template, w.DeviceCA.Certificate, d.key.Public(), w.DeviceCA.Key)
	return err
}

// EnrolmentToken makes a token that any number of devices may use.
func (w *World) EnrolmentToken() sealift.EnrolmentToken {
	token := sealift.NewEnrolmentToken(sealift.DigestOf(w.FirstRoot()))
	w.desk.mu.Lock()
	defer w.desk.mu.Unlock()
	w.desk.tokens[token.ID()] = token
	return token
}

// Enrolled reports whether a device enrolled.
func (w *World) Enrolled(id sealift.DeviceID) bool {
	w.desk.mu.Lock()
	defer w.desk.mu.Unlock()
	_, ok := w.desk.devices[id]
	return ok
}

// Answer answers one device request as the vault does. Its error is for
// requests that deserve no signed answer.
func (w *World) Answer(request []byte) ([]byte, error) {
	signed, err := trust.ParseRequest(request)
	if err != nil {
		return nil, err
	}
	w.desk.mu.Lock()
	defer w.desk.mu.Unlock()
	req, enrolment, err := w.desk.verify(signed)
	if err != nil {
		return nil, err
	}
	answer := trust.AnswerTo(req, w.Now())
	body, err := w.grant(req, enrolment)
	if err == nil {
		answer.Body, err = trust.EncodeBody(body)
	}
	if err != nil {
		answer.Refused = &trust.Refusal{Kind: sealift.KindOf(err), Reason: sealift.ReasonOf(err), Message: err.Error()}
	}
	return trust.SignAnswer(answer, w.desk.certificate, w.desk.key)
}

func (d *desk) verify(signed *trust.SignedRequest) (*trust.Request, trust.Enrolment, error) {
	claims, err := signed.Claims()
	if err != nil {
		return nil, trust.Enrolment{}, err
	}
	enrolment := d.devices[claims.Device]
	if claims.Kind == trust.RequestEnrol {
		enrolment = trust.Enrolment{}
		if err := trust.DecodeBody(claims.Body, &enrolment); err != nil {
			return nil, enrolment, err
		}
	}
	req, err := signed.Verify(enrolment.Identity)
	return req, enrolment, err
}

func (w *World) grant(req *trust.Request, e trust.Enrolment) (any, error) {
	const op = "answering a device"
	if req.Vault != w.Vault {
		return nil, sealift.Errorf(sealift.KindDenied, op, "the request is for another vault").WithReason("vault")
	}
	if w.desk.nonces[req.Nonce] {
		return nil, sealift.Errorf(sealift.KindConflict, op, "the nonce was used before").WithReason("nonce")
	}
	w.desk.nonces[req.Nonce] = true
	switch req.Kind {
	case trust.RequestEnrol:
		if e.Token == nil || w.desk.tokens[e.Token.ID].ID() == "" || !trust.CheckToken(w.desk.tokens[e.Token.ID].Secret(), req, &e) {
			return nil, sealift.Errorf(sealift.KindDenied, op, "the enrolment token is not known here").WithReason("token")
		}
		w.desk.devices[req.Device] = e
		return trust.Enrolled{Device: req.Device}, nil
	case trust.RequestEpoch:
		var body trust.EpochRequest
		if err := trust.DecodeBody(req.Body, &body); err != nil {
			return nil, err
		}
		return w.grantEpoch(req, e, body)
	case trust.RequestReport:
		return w.keepReport(req)
	case trust.RequestChannel:
		return w.choose(req)
	}
	return nil, sealift.Errorf(sealift.KindInvalid, op, "request %.40q is not known here", req.Kind)
}

// grantEpoch seals an epoch of a channel to a device.
func (w *World) grantEpoch(req *trust.Request, e trust.Enrolment, body trust.EpochRequest) (trust.EpochGrant, error) {
	w.mu.Lock()
	epochs, bend := w.epochs[trust.EpochPath(req.App, body.Channel)], w.BendGrant
	w.mu.Unlock()
	if body.Number < 1 || body.Number > uint64(len(epochs)) {
		return trust.EpochGrant{}, sealift.Errorf(sealift.KindNotFound, "granting an epoch", "there is no epoch %d of %s/%s", body.Number, req.App, body.Channel)
	}
	pub := bundle.PublicKey{Suite: bundle.Suite{KEM: e.HPKE.KEM, KDF: e.HPKE.KDF, AEAD: e.HPKE.AEAD}, Bytes: e.HPKE.PublicKey}
	info := bundle.EpochKeyInfo{Vault: w.Vault, App: req.App, Device: req.Device, Channel: body.Channel, Epoch: body.Number}
	sealed, err := bundle.SealEpochKey(pub, epochs[body.Number-1], info)
	if err != nil {
		return trust.EpochGrant{}, fmt.Errorf("sealing the epoch: %w", err)
	}
	grant := trust.EpochGrant{Channel: body.Channel, Number: body.Number, Sealed: sealed}
	if bend == nil {
		return grant, nil
	}
	return grant, bend(*req, pub, &grant)
}
