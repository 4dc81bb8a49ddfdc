// Package accesstest is an authenticator for passkeys in software, for tests: it
// makes real registrations and assertions (W3C Web Authentication level 3,
// section 6), and bends what it is told to. Beside it is an issuer of OpenID
// Connect on loopback, which says what a test wants it to.
package accesstest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
)

// Authenticator holds one passkey. Its fields may be changed between ceremonies,
// to bend the next answer.
type Authenticator struct {
	Origin  string // as the browser would say
	RPID    string // whose hash it signs
	User    bool   // whether it verified its user
	Counter uint32 // of signatures; grows with each
	Handle  []byte // whose passkey it says that it is
	Flip    bool   // break the next signature
	key     *ecdsa.PrivateKey
	id      []byte
}

// New returns an authenticator in a browser at an origin, whose relying party has
// an id.
func New(origin, rpID string) *Authenticator {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err) // crypto/rand never fails
	}
	id := make([]byte, 16)
	_, _ = rand.Read(id)
	return &Authenticator{Origin: origin, RPID: rpID, User: true, key: key, id: id}
}

// Clone returns a copy: what somebody has who got at the key.
func (a *Authenticator) Clone() *Authenticator {
	b := *a
	return &b
}

type asked struct {
	PublicKey struct {
		Challenge string `json:"challenge"`
		User      struct {
			ID string `json:"id"`
		} `json:"user"`
	} `json:"publicKey"`
}

func (a *Authenticator) client(kind, challenge string) []byte {
	data, _ := json.Marshal(map[string]any{"type": kind, "challenge": challenge, "origin": a.Origin, "crossOrigin": false})
	return data
}

// data is authenticator data (section 6.1) with flags UP, UV and AT.
func (a *Authenticator) data(attested []byte) []byte {
	rp := sha256.Sum256([]byte(a.RPID))
	flags := byte(0x01)
	if a.User {
		flags |= 0x04
	}
	if attested != nil {
		flags |= 0x40
	}
	a.Counter++
	out := append(rp[:], flags)
	out = binary.BigEndian.AppendUint32(out, a.Counter)
	return append(out, attested...)
}

// Register answers navigator.credentials.create: with a passkey and no
// attestation.
func (a *Authenticator) Register(options json.RawMessage) json.RawMessage {
	var o asked
	if err := json.Unmarshal(options, &o); err != nil {
		panic(err)
	}
	a.Handle, _ = base64.RawURLEncoding.DecodeString(o.PublicKey.User.ID)
	point, err := a.key.PublicKey.Bytes() // uncompressed: 4, then the two coordinates that COSE wants
	if err != nil {
		panic(err)
	}
	cose := append([]byte{0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20}, point[1:33]...)
	cose = append(append(cose, 0x22, 0x58, 0x20), point[33:]...)
	attested := append(make([]byte, 16), 0, byte(len(a.id)))
	data := a.data(append(append(attested, a.id...), cose...))
	object := append([]byte{0xa3, 0x63}, "fmt"...)
	object = append(append(object, 0x64), "none"...)
	object = append(append(object, 0x67), "attStmt"...)
	object = append(append(object, 0xa0, 0x68), "authData"...)
	object = append(append(object, 0x58, byte(len(data))), data...)
	return a.answer(map[string]any{
		"clientDataJSON": b64(a.client("webauthn.create", o.PublicKey.Challenge)), "attestationObject": b64(object), "transports": []string{"internal"},
	})
}

// Assert answers navigator.credentials.get.
func (a *Authenticator) Assert(options json.RawMessage) json.RawMessage {
	var o asked
	if err := json.Unmarshal(options, &o); err != nil {
		panic(err)
	}
	client, data := a.client("webauthn.get", o.PublicKey.Challenge), a.data(nil)
	hash := sha256.Sum256(client)
	digest := sha256.Sum256(append(append([]byte{}, data...), hash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, a.key, digest[:])
	if err != nil {
		panic(err)
	}
	if a.Flip {
		signature[len(signature)-1] ^= 1
	}
	return a.answer(map[string]any{
		"clientDataJSON": b64(client), "authenticatorData": b64(data), "signature": b64(signature), "userHandle": b64(a.Handle),
	})
}

func (a *Authenticator) answer(response map[string]any) json.RawMessage {
	out, _ := json.Marshal(map[string]any{
		"id": b64(a.id), "rawId": b64(a.id), "type": "public-key", "response": response, "clientExtensionResults": map[string]any{},
	})
	return out
}

func b64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }
