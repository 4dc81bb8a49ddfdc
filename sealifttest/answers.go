package sealifttest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/bundle"
	"github.com/sealift/sealift/trust"
)

// answerAttacks are on what the vault tells a device. They bite when a device
// asks: when it enrols, or for an epoch that it does not have yet.
func answerAttacks() []Attack {
	fresh := func(name, title string, kind sealift.Kind, reasons []string, edge func(*Hostile) (edge, error)) Attack {
		return Attack{Name: name, Title: title, Kind: kind, Reasons: reasons, Fresh: true, edge: edge}
	}
	return []Attack{
		fresh("answer-garbled", "a vault's answer with one bit flipped", sealift.KindDenied,
			[]string{"signature", "malformed"}, replacing(deviceMessage, garble)),
		fresh("answer-stripped", "a vault's answer without its signature", sealift.KindDenied,
			[]string{"unsigned"}, replacing(deviceMessage, strip)),
		fresh("answer-empty", "nothing in place of a vault's answer", sealift.KindDenied,
			[]string{"signature", "malformed"}, replacing(deviceMessage, empty)),
		fresh("answer-null", "the word null in place of a vault's answer", sealift.KindDenied,
			[]string{"signature", "malformed"}, replacing(deviceMessage, null)),
		fresh("answer-endless", "a vault's answer that never ends", sealift.KindNetwork, nil, damaging(deviceMessage, endless)),
		fresh("answer-failing", "the server breaks where a vault's answer should come (500)", sealift.KindNetwork, nil,
			damaging(deviceMessage, failing)),
		fresh("answer-redirected", "the vault is to be asked at another server", sealift.KindNetwork, nil,
			damaging(deviceMessage, redirecting)),
		fresh("answer-replayed", "a vault's answer to an earlier request", sealift.KindDenied, []string{"nonce"}, replayAnswer),
		fresh("epoch-made-up", "an epoch key that the edge made up, signed under a CA of its own", sealift.KindDenied,
			[]string{"unknown-ca"}, makeUpAnswers),
		otherDevicesAnswer(),
	}
}

// replayAnswer gives every request the last answer that the vault gave before.
func replayAnswer(h *Hostile) (edge, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.answers) == 0 {
		return nil, errors.New("no device asked the vault anything yet")
	}
	return answering(func([]byte) ([]byte, error) { return h.answers[len(h.answers)-1], nil }), nil
}

// answering answers the messages of devices.
func answering(answer func(request []byte) ([]byte, error)) edge {
	return on(deviceMessage, func(out http.ResponseWriter, in *http.Request) {
		var content []byte
		request, err := io.ReadAll(io.LimitReader(in.Body, sealift.MaxMessage))
		if err == nil {
			content, err = answer(request)
		}
		if err != nil {
			http.Error(out, err.Error(), http.StatusInternalServerError)
			return
		}
		out.Header().Set("Content-Type", messageType)
		_, _ = out.Write(content)
	})
}

// makeUpAnswers grants whatever is asked: all is as it must be, save for who
// certified the key that signs.
func makeUpAnswers(*Hostile) (edge, error) {
	return answering(func(request []byte) ([]byte, error) {
		signed, err := trust.ParseRequest(request)
		if err != nil {
			return nil, err
		}
		req, err := signed.Claims()
		if err != nil {
			return nil, err
		}
		now := req.Time.Time
		ca, err := NewCA("device CA", now)
		if err != nil {
			return nil, err
		}
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		template, err := trust.AnswerTemplate(req.Vault, now.Add(-time.Hour), now.AddDate(1, 0, 0))
		if err != nil {
			return nil, err
		}
		certificate, err := trust.Issue(template, ca.Certificate, key.Public(), ca.Key)
		if err != nil {
			return nil, err
		}
		answer := trust.AnswerTo(req, now)
		if answer.Body, err = madeUpBody(req); err != nil {
			return nil, err
		}
		return trust.SignAnswer(answer, certificate, key)
	}), nil
}

func madeUpBody(req *trust.Request) ([]byte, error) {
	if req.Kind == trust.RequestEnrol {
		return trust.EncodeBody(trust.Enrolled{Device: req.Device})
	}
	var ask trust.EpochRequest
	if err := trust.DecodeBody(req.Body, &ask); err != nil {
		return nil, err
	}
	return trust.EncodeBody(trust.EpochGrant{Channel: ask.Channel, Number: ask.Number, Sealed: bytes.Repeat([]byte{1}, 1200)})
}

// otherDevicesAnswer hands the device an answer that the vault gave to another
// device of the same app, enrolled by the attacker.
func otherDevicesAnswer() Attack {
	var answer []byte
	return Attack{
		Name: "epoch-of-another-device", Title: "the vault's grant of the epoch key to another device",
		Stolen: "an enrolment token", Kind: sealift.KindDenied, Reasons: []string{"nonce"}, Fresh: true,
		stage: func(w *World, next Spec) (func() error, error) {
			honest, err := renewed(w, next)
			if err != nil {
				return nil, err
			}
			accomplice, err := w.Enrol(Default.App)
			if err != nil {
				return nil, err
			}
			answer, err = accomplice.AskEpoch(Default.Channel, w.EpochNumber(Default.App, Default.Channel))
			return honest, err
		},
		edge: func(*Hostile) (edge, error) {
			return answering(func([]byte) ([]byte, error) { return answer, nil }), nil
		},
	}
}

// stolenVaultKeyAttacks are those of a thief of the key with which the vault
// signs its answers.
func stolenVaultKeyAttacks() []Attack {
	bend := func(name, title string, change func(*World, trust.Request, bundle.PublicKey, *trust.EpochGrant) error) Attack {
		return Attack{
			Name: name, Title: title, Stolen: "the vault's answer key", Fresh: true,
			Kind: sealift.KindIntegrity, Reasons: []string{"epoch_key"},
			stage: func(w *World, next Spec) (func() error, error) {
				w.BendGrant = func(req trust.Request, device bundle.PublicKey, grant *trust.EpochGrant) error {
					return change(w, req, device, grant)
				}
				honest, err := renewed(w, next)
				return func() error { w.BendGrant = nil; return honest() }, err
			},
		}
	}
	reseal := func(w *World, req trust.Request, to bundle.PublicKey, key *bundle.PrivateKey, grant *trust.EpochGrant) (err error) {
		grant.Sealed, err = bundle.SealEpochKey(to, key, bundle.EpochKeyInfo{
			Vault: w.Vault, App: req.App, Device: req.Device, Channel: grant.Channel, Epoch: grant.Number,
		})
		return err
	}
	return []Attack{
		bend("epoch-replaced", "an epoch key that the thief made, signed with the vault's own key",
			func(w *World, req trust.Request, device bundle.PublicKey, grant *trust.EpochGrant) error {
				key, err := bundle.GenerateKey(bundle.DefaultSuite)
				if err != nil {
					return err
				}
				return reseal(w, req, device, key, grant)
			}),
		bend("epoch-sealed-to-another", "the epoch key, sealed to another device's key",
			func(w *World, req trust.Request, _ bundle.PublicKey, grant *trust.EpochGrant) error {
				other, err := bundle.GenerateKey(bundle.DefaultSuite)
				if err != nil {
					return err
				}
				key, err := bundle.GenerateKey(bundle.DefaultSuite)
				if err != nil {
					return err
				}
				return reseal(w, req, other.Public(), key, grant)
			}),
	}
}
