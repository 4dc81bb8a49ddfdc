package approval

import (
	"bytes"
	"encoding/base64"
	"encoding/json"

	"github.com/go-webauthn/webauthn/protocol"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/strictjson"
)

// evidence is what is kept of an approval, as JSON: what was approved, what the
// authenticator signed, and the key that it verifies under.
type evidence struct {
	Format            string `json:"format"`            // sealift-approval-v1
	Document          []byte `json:"document"`          // canonical JSON
	ClientDataJSON    []byte `json:"clientDataJSON"`    // Web Authentication level 3, section 5.8.1
	AuthenticatorData []byte `json:"authenticatorData"` // section 6.1
	Signature         []byte `json:"signature"`         // section 6.3.3
	PublicKey         []byte `json:"publicKey"`         // COSE_Key (RFC 9052)
	RPID              string `json:"rpId"`
	Origin            string `json:"origin"`
}

func evidenceOf(document []byte, answer json.RawMessage, a access.Assertion) ([]byte, error) {
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInvalid, "keeping an approval", "the answer of the passkey does not parse")
	}
	raw := parsed.Raw.AssertionResponse
	return json.Marshal(evidence{
		Format: format, Document: document, ClientDataJSON: raw.ClientDataJSON, AuthenticatorData: raw.AuthenticatorData,
		Signature: raw.Signature, PublicKey: a.PublicKey, RPID: a.RPID, Origin: a.Origin,
	})
}

// Verified is what a piece of evidence proves.
type Verified struct {
	Document  json.RawMessage `json:"document"`  // what was approved
	PublicKey sealift.Digest  `json:"publicKey"` // SHA-256 of the COSE_Key that signed
	Origin    string          `json:"origin"`
	RPID      string          `json:"rpId"`
	Counter   uint32          `json:"signCount"`
}

// Verify checks a piece of evidence by itself, without any vault: that a passkey
// with the public key in it, its user verified, signed the challenge of the
// document at that origin. Whose passkey that is, the vault's log says: its entry
// approval.approve names challenge and credential. KindSignature where it does not
// hold, KindInvalid where it is none.
func Verify(data []byte) (Verified, error) {
	const op = "verifying an approval"
	var e evidence
	if err := strictjson.Unmarshal(data, sealift.MaxEvidence, &e); err != nil {
		return Verified{}, sealift.Errorf(sealift.KindInvalid, op, "%w", err)
	}
	if e.Format != format {
		return Verified{}, sealift.Errorf(sealift.KindInvalid, op, "it is of format %.40q, not %q", e.Format, format)
	}
	var d document
	if err := json.Unmarshal(e.Document, &d); err != nil {
		return Verified{}, sealift.Errorf(sealift.KindInvalid, op, "the document: %w", err)
	}
	if again, err := canonical(d); err != nil || !bytes.Equal(again, e.Document) {
		return Verified{}, sealift.Errorf(sealift.KindInvalid, op, "the document is not in its canonical form")
	}
	counter, err := e.check()
	if err != nil {
		return Verified{}, sealift.Errorf(sealift.KindSignature, op, "%w", err).
			WithHint("do not rely on it: it was changed, or nobody signed this")
	}
	return Verified{Document: e.Document, PublicKey: sealift.DigestOf(e.PublicKey), Origin: e.Origin, RPID: e.RPID, Counter: counter}, nil
}

// check has the steps of section 7.2 done that need no server.
func (e evidence) check() (counter uint32, err error) {
	b64 := base64.RawURLEncoding.EncodeToString
	raw, err := json.Marshal(map[string]any{
		"id": b64([]byte("evidence")), "rawId": b64([]byte("evidence")), "type": "public-key",
		"response": map[string]string{
			"clientDataJSON": b64(e.ClientDataJSON), "authenticatorData": b64(e.AuthenticatorData), "signature": b64(e.Signature),
		},
	})
	if err != nil {
		return 0, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(raw)
	if err != nil {
		return 0, err
	}
	err = parsed.Verify(b64(Challenge(e.Document)), e.RPID, "", []string{e.Origin}, nil, nil, protocol.TopOriginExplicitVerificationMode,
		false, true, true, e.PublicKey, protocol.SignaturePolicy{})
	return parsed.Response.AuthenticatorData.Counter, err
}
