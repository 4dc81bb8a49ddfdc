package sealifttest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"fmt"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/bundle"
	"github.com/sealift/sealift/trust"
)

// Accomplice is an enrolled device in the attacker's hands: it knows what every
// enrolled device knows.
type Accomplice struct {
	Identity *ecdsa.PrivateKey
	HPKE     *bundle.PrivateKey
	ID       sealift.DeviceID
	App      sealift.AppID

	world *World
}

// Enrol makes a device of an app and enrols it, without a network.
func (w *World) Enrol(app sealift.AppID) (*Accomplice, error) {
	identity, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	spki, err := x509.MarshalPKIXPublicKey(identity.Public())
	if err != nil {
		return nil, err
	}
	key, err := bundle.GenerateKey(bundle.DefaultSuite)
	if err != nil {
		return nil, err
	}
	a := &Accomplice{Identity: identity, HPKE: key, ID: sealift.DeviceIDOf(spki), App: app, world: w}
	req := a.Request(trust.RequestEnrol)
	pub := key.Public()
	e := &trust.Enrolment{
		Identity: spki, Platform: Default.Platform, Runtime: "1.0.0",
		HPKE: trust.HPKEKey{KEM: pub.Suite.KEM, KDF: pub.Suite.KDF, AEAD: pub.Suite.AEAD, PublicKey: pub.Bytes},
	}
	token := w.EnrolmentToken()
	e.Token = &trust.TokenProof{ID: token.ID(), MAC: trust.EnrolmentMAC(token.Secret(), req, e)}
	if _, err := a.Ask(req, e); err != nil {
		return nil, err
	}
	if !w.Enrolled(a.ID) {
		return nil, fmt.Errorf("enrolling an accomplice: the vault refused")
	}
	return a, nil
}

// Request begins a request of the device, with a fresh nonce.
func (a *Accomplice) Request(kind trust.RequestKind) *trust.Request {
	nonce := make([]byte, 16)
	_, _ = rand.Read(nonce) // never fails: crypto/rand
	return &trust.Request{
		Vault: a.world.Vault, App: a.App, Device: a.ID, Kind: kind,
		Nonce: hex.EncodeToString(nonce), Time: trust.At(a.world.Now()),
	}
}

// Ask signs a request with the body and returns the vault's signed answer.
func (a *Accomplice) Ask(req *trust.Request, body any) (answer []byte, err error) {
	if req.Body, err = trust.EncodeBody(body); err != nil {
		return nil, err
	}
	signed, err := trust.SignRequest(req, a.Identity)
	if err != nil {
		return nil, err
	}
	return a.world.Answer(signed)
}

// AskEpoch asks for an epoch and returns the vault's signed answer.
func (a *Accomplice) AskEpoch(channel sealift.Channel, number uint64) ([]byte, error) {
	return a.Ask(a.Request(trust.RequestEpoch), trust.EpochRequest{Channel: channel, Number: number})
}
