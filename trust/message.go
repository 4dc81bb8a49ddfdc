package trust

import (
	"crypto"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"github.com/sealift/sealift"
)

// DSSE payload types of the messages between device and vault.
const (
	RequestPayloadType = "application/vnd.sealift.device-request.v1+json"
	AnswerPayloadType  = "application/vnd.sealift.vault-answer.v1+json"
)

// RequestKind says what a device asks of its vault.
type RequestKind string

// The requests of a device.
const (
	RequestEnrol RequestKind = "enrol" // body: Enrolment; answer: Enrolled
	RequestEpoch RequestKind = "epoch" // body: EpochRequest; answer: EpochGrant
	// RequestReport says how the device is; body: Report; answer: ReportKept.
	RequestReport RequestKind = "report"
	// RequestChannel asks for a channel; body: ChannelRequest; answer: ChannelChosen.
	RequestChannel RequestKind = "channel"
)

// Request is what a device says, signed by its identity key (DSSE, the key id
// being KeyID of that key).
type Request struct {
	Vault    sealift.VaultID  `json:"vault"`
	App      sealift.AppID    `json:"app"`
	Device   sealift.DeviceID `json:"device"`
	Kind     RequestKind      `json:"request"`
	Nonce    string           `json:"nonce"` // 128 random bits, 32 lower-case hex digits, never used twice
	Time     Time             `json:"time"`  // the device's trusted time, not its clock
	Body     json.RawMessage  `json:"body"`
	Critical []string         `json:"critical,omitempty"`
}

// Enrolment asks to become a device of the app. It is signed by the very
// identity key that it brings.
type Enrolment struct {
	Identity []byte           `json:"identity"` // P-256, DER SubjectPublicKeyInfo
	HPKE     HPKEKey          `json:"hpke"`
	Platform sealift.Platform `json:"platform"`
	Runtime  sealift.Version  `json:"runtime"`
	// Token proves an enrolment token without sending it; nil where the app
	// enrols openly.
	Token *TokenProof `json:"token,omitempty"`
}

// HPKEKey is a public key for RFC 9180 with the ids of its suite.
type HPKEKey struct {
	KEM       uint16 `json:"kem"`
	KDF       uint16 `json:"kdf"`
	AEAD      uint16 `json:"aead"`
	PublicKey []byte `json:"publicKey"`
}

// TokenProof shows that the device knows the secret of an enrolment token.
type TokenProof struct {
	ID  string `json:"id"`
	MAC []byte `json:"mac"` // EnrolmentMAC
}

// Enrolled confirms an enrolment.
type Enrolled struct {
	Device sealift.DeviceID `json:"device"`
}

// EpochRequest asks for the private key of one epoch of a channel.
type EpochRequest struct {
	Channel sealift.Channel `json:"channel"`
	Number  uint64          `json:"number"`
}

// EpochGrant carries an epoch's private key, sealed to the device's HPKE key.
type EpochGrant struct {
	Channel sealift.Channel `json:"channel"`
	Number  uint64          `json:"number"`
	Sealed  []byte          `json:"sealed"` // RFC 9180 enc || ciphertext
}

// ChannelRequest asks to be put on a channel, or, for an empty one, to be taken off
// the one that the device asked for before.
type ChannelRequest struct {
	Channel sealift.Channel `json:"channel,omitempty"`
}

// ChannelChosen says what came of it. The device goes by its Assignment alone, which
// the director signs.
type ChannelChosen struct {
	Channel  sealift.Channel `json:"channel,omitempty"` // empty for none
	Sequence uint64          `json:"sequence"`          // of the Assignment that says so; 0 where there never was one
}

// Answer is what a vault says to one request, signed by a key under the
// device CA of trust.json.
type Answer struct {
	Vault    sealift.VaultID  `json:"vault"`
	App      sealift.AppID    `json:"app"`
	Device   sealift.DeviceID `json:"device"`
	Kind     RequestKind      `json:"request"`
	Nonce    string           `json:"nonce"` // that of the request
	Time     Time             `json:"time"`  // the vault's clock
	Refused  *Refusal         `json:"refused,omitempty"`
	Body     json.RawMessage  `json:"body,omitempty"` // absent when refused
	Critical []string         `json:"critical,omitempty"`
}

// Refusal says why a request was not granted.
type Refusal struct {
	Kind    sealift.Kind `json:"kind"`
	Reason  string       `json:"reason"`
	Message string       `json:"message"`
	Hint    string       `json:"hint,omitempty"`
}

var noncePattern = regexp.MustCompile(`^[0-9a-f]{32}$`)

// EnrolmentMAC proves knowledge of an enrolment token's secret for one
// enrolment: HMAC-SHA-256 (FIPS 198-1) under secret over the fields of the
// request, each preceded by its length (4 bytes, big-endian).
func EnrolmentMAC(secret []byte, req *Request, e *Enrolment) []byte {
	mac := hmac.New(sha256.New, secret)
	suite := binary.BigEndian.AppendUint16(nil, e.HPKE.KEM)
	suite = binary.BigEndian.AppendUint16(suite, e.HPKE.KDF)
	suite = binary.BigEndian.AppendUint16(suite, e.HPKE.AEAD)
	for _, field := range [][]byte{
		[]byte("sealift/enrol/v1"), []byte(req.Vault), []byte(req.App), []byte(req.Device), []byte(req.Nonce),
		e.Identity, suite, e.HPKE.PublicKey, []byte(e.Platform), []byte(e.Runtime),
	} {
		mac.Write(binary.BigEndian.AppendUint32(nil, uint32(len(field))))
		mac.Write(field)
	}
	return mac.Sum(nil)
}

// CheckToken compares the proof of an enrolment with the one that secret
// gives, in constant time.
func CheckToken(secret []byte, req *Request, e *Enrolment) bool {
	return e.Token != nil && hmac.Equal(e.Token.MAC, EnrolmentMAC(secret, req, e))
}

// SignRequest signs a request by the device's identity key.
func SignRequest(req *Request, identity crypto.Signer) ([]byte, error) {
	payload, err := encode(req)
	if err != nil {
		return nil, err
	}
	return Sign(RequestPayloadType, payload, identity)
}

// SignedRequest is a request as it came, not verified yet: Verify verifies it.
type SignedRequest struct {
	signed *SignedPayload
	claims *Request // once they were read, which costs as much as the signature
}

// ParseRequest reads a device's message down to its envelope.
func ParseRequest(data []byte) (*SignedRequest, error) {
	var envelope dsse.Envelope
	err := decode(data, sealift.MaxMessage, &envelope)
	if err != nil {
		return nil, malformed(sealift.KindInvalid, "reading a device's request", err)
	}
	signed, err := openEnvelope(envelope)
	if err != nil {
		return nil, malformed(sealift.KindInvalid, "reading a device's request", err)
	}
	return &SignedRequest{signed: signed}, nil
}

// Claims returns what the request says of itself, unverified, so that the key
// to verify it by can be looked up. Believe nothing of it before Verify. One
// goroutine at a time may ask.
func (s *SignedRequest) Claims() (*Request, error) {
	if s.claims != nil {
		claims := *s.claims
		return &claims, nil
	}
	var req Request
	err := decode(s.signed.Payload, sealift.MaxMessage, &req)
	if err == nil {
		err = req.check()
	}
	if err != nil {
		return nil, malformed(sealift.KindInvalid, "reading a device's request", err)
	}
	claims := req
	s.claims = &claims
	return &req, nil
}

// check refuses what is not of its form before anything of it is written down.
func (r *Request) check() error {
	_, vaultErr := sealift.ParseVaultID(string(r.Vault))
	_, appErr := sealift.ParseAppID(string(r.App))
	_, deviceErr := sealift.ParseDeviceID(string(r.Device))
	if err := errors.Join(vaultErr, appErr, deviceErr); err != nil {
		return err
	}
	if !noncePattern.MatchString(r.Nonce) {
		return errors.New("the nonce is not 32 lower-case hex digits")
	}
	switch r.Kind {
	case RequestEnrol, RequestEpoch, RequestReport, RequestChannel:
	default:
		return fmt.Errorf("request %.40q is not known here", r.Kind)
	}
	return nil
}

// Verify checks the request's signature by the identity key spki and that this
// key gives the device its id.
func (s *SignedRequest) Verify(spki []byte) (*Request, error) {
	const op = "checking a device's request"
	req, err := s.Claims()
	if err != nil {
		return nil, err
	}
	pub, err := identityKey(spki)
	if err == nil && sealift.DeviceIDOf(spki) != req.Device {
		err = errors.New("the identity key is not that of the device it names")
	}
	if err == nil {
		err = s.signed.verify(RequestPayloadType, 1, pub)
	}
	if err != nil {
		return nil, sealift.Errorf(sealift.KindDenied, op, "%w", err).WithReason("signature")
	}
	return req, nil
}

func identityKey(spki []byte) (crypto.PublicKey, error) {
	pub, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return nil, err
	}
	if alg, err := AlgorithmOf(pub); err != nil || alg != ECDSAP256SHA256 {
		return nil, errors.New("an identity key that is not on P-256")
	}
	return pub, nil
}

// DecodeBody reads the body of a verified request or answer into one of the
// body types above.
func DecodeBody(body json.RawMessage, into any) error {
	if err := decode(body, sealift.MaxMessage, into); err != nil {
		return malformed(sealift.KindInvalid, "reading a message's body", err)
	}
	return nil
}

// EncodeBody writes a message's body.
func EncodeBody(body any) (json.RawMessage, error) { return encode(body) }

// AnswerTo returns an answer that echoes what it answers to.
func AnswerTo(req *Request, now time.Time) *Answer {
	return &Answer{Vault: req.Vault, App: req.App, Device: req.Device, Kind: req.Kind, Nonce: req.Nonce, Time: At(now)}
}

// SignAnswer signs an answer by a key whose certificate, DER, the device CA
// issued from AnswerTemplate.
func SignAnswer(a *Answer, certificate []byte, key crypto.Signer) ([]byte, error) {
	payload, err := encode(a)
	if err != nil {
		return nil, err
	}
	envelope, err := Sign(AnswerPayloadType, payload, key)
	if err != nil {
		return nil, err
	}
	var e dsse.Envelope
	if err := json.Unmarshal(envelope, &e); err != nil {
		return nil, err
	}
	return encode(file{AnswerMediaType, [][]byte{certificate}, e})
}

// OpenAnswer verifies an answer to req: signed by a key that a device CA of
// trust.json certified for this vault's answers, for exactly this request. A
// refusal by the vault is an *sealift.Error of its kind.
func (r *Rules) OpenAnswer(data []byte, req *Request, now time.Time) (*Answer, error) {
	const op = "checking the vault's answer"
	f, signed, err := parseFile(data, sealift.MaxMessage, AnswerMediaType)
	if err == nil {
		err = r.checkAnswer(f, signed, now)
	}
	if err != nil {
		return nil, refusal(sealift.KindDenied, op, "signature", err)
	}
	var a Answer
	if err := decode(signed.Payload, sealift.MaxMessage, &a); err != nil {
		return nil, malformed(sealift.KindDenied, op, err)
	}
	if a.Vault != req.Vault || a.App != req.App || a.Device != req.Device || a.Kind != req.Kind || a.Nonce != req.Nonce {
		return nil, sealift.Errorf(sealift.KindDenied, op, "it answers another request").WithReason("nonce")
	}
	if a.Refused != nil {
		e := sealift.Errorf(a.Refused.kind(), "asking the vault for "+string(req.Kind), "%.1000s", a.Refused.Message)
		return nil, e.WithReason(a.Refused.Reason).WithHint("%.1000s", a.Refused.Hint)
	}
	return &a, nil
}

// kind returns the refusal's kind if it is one that a vault refuses with: a
// device's own kinds, and strange ones, would lead its host astray.
func (r *Refusal) kind() sealift.Kind {
	switch r.Kind {
	case sealift.KindInvalid, sealift.KindNotFound, sealift.KindConflict, sealift.KindSealed, sealift.KindExhausted, sealift.KindInternal:
		return r.Kind
	}
	return sealift.KindDenied
}

func (r *Rules) checkAnswer(f *file, signed *SignedPayload, now time.Time) error {
	cert, err := x509.ParseCertificate(f.Chain[0])
	if err != nil {
		return err
	}
	ca := issuerAmong(r.deviceCAs, cert)
	if ca == nil {
		return reasoned("unknown-ca", errors.New("no device CA of trust.json issued the answer's certificate"))
	}
	if err := checkEndEntity(cert); err != nil {
		return reasoned("profile", err)
	}
	if !onlyAnswers(cert) {
		return reasoned("eku", errors.New("the certificate is not for a vault's answers"))
	}
	if uri := cert.URIs[0].String(); uri != AnswerURI(r.vault) {
		return reasoned("vault", fmt.Errorf("the certificate is for %.80q, not for %q", uri, AnswerURI(r.vault)))
	}
	if r.revoked[Revocation{IssuerOf(ca), SerialOf(cert)}] {
		return reasoned("revoked", errors.New("the answer's certificate is revoked"))
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
		return reasoned("expired", err)
	}
	return signed.verify(AnswerPayloadType, 1, cert.PublicKey)
}
