package trust

import (
	"context"
	"crypto"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"github.com/sealift/sealift"
)

// Media types of the files that carry a DSSE envelope and the certificate of
// its signer.
const (
	ReleaseMediaType = "application/vnd.sealift.release+json;version=1"
	AnswerMediaType  = "application/vnd.sealift.answer+json;version=1"
)

// file is release.json and a vault's answer: a DSSE envelope, which was signed
// first, and the certificate, which came later.
type file struct {
	MediaType string        `json:"mediaType"`
	Chain     [][]byte      `json:"chain"` // DER; the leaf alone, its CA is in trust.json
	Envelope  dsse.Envelope `json:"dsseEnvelope"`
}

// SignedPayload is a payload with its signatures, not verified yet.
type SignedPayload struct {
	envelope dsse.Envelope
	Payload  []byte // the exact bytes that were signed
}

// Sign makes a DSSE (v1.0.2) envelope over payload, as JSON, with a signature
// by each key. The key ids are those of KeyID.
func Sign(payloadType string, payload []byte, keys ...crypto.Signer) ([]byte, error) {
	signers := make([]dsse.Signer, len(keys))
	for i, key := range keys {
		signers[i] = envelopeKey{key: key, pub: key.Public()}
	}
	es, err := dsse.NewEnvelopeSigner(signers...)
	if err != nil {
		return nil, err
	}
	envelope, err := es.SignPayload(context.Background(), payloadType, payload)
	if err != nil {
		return nil, err
	}
	return encode(envelope)
}

// KeyID returns the id under which DSSE signatures name a key: the lower-case
// hex SHA-256 of its DER SubjectPublicKeyInfo.
func KeyID(pub crypto.PublicKey) (string, error) {
	spki, err := marshalSPKI(pub)
	if err != nil {
		return "", err
	}
	return sealift.DigestOf(spki).String(), nil
}

// openEnvelope decodes the payload and nothing else: whether its type and
// signatures are right is for verify to say.
func openEnvelope(envelope dsse.Envelope) (*SignedPayload, error) {
	payload, err := strictBase64(envelope.Payload)
	if err != nil {
		return nil, fmt.Errorf("payload: %w", err)
	}
	return &SignedPayload{envelope, payload}, nil
}

// verify demands the payload type and signatures by at least threshold
// distinct keys of pubs.
func (p *SignedPayload) verify(payloadType string, threshold int, pubs ...crypto.PublicKey) error {
	if p.envelope.PayloadType != payloadType {
		return reasoned("payload-type", fmt.Errorf("payload type %.80q, not %q", p.envelope.PayloadType, payloadType))
	}
	if n := len(p.envelope.Signatures); n == 0 || n > sealift.MaxSignatures {
		return reasoned("unsigned", fmt.Errorf("%d signatures, 1 to %d are allowed", n, sealift.MaxSignatures))
	}
	if threshold < 1 {
		return errors.New("a threshold below 1")
	}
	for i, s := range p.envelope.Signatures {
		if _, err := strictBase64(s.Sig); err != nil {
			return fmt.Errorf("signature %d: %w", i, err)
		}
	}
	verifiers := make([]dsse.Verifier, len(pubs))
	for i, pub := range pubs {
		verifiers[i] = envelopeKey{pub: pub}
	}
	ev, err := dsse.NewMultiEnvelopeVerifier(threshold, verifiers...)
	if err != nil {
		return err
	}
	_, err = ev.Verify(context.Background(), &p.envelope)
	return err
}

// envelopeKey fits a key to DSSE: the algorithm is that of the key, never that
// of the message.
type envelopeKey struct {
	key crypto.Signer // nil for verifying
	pub crypto.PublicKey
}

// Sign implements dsse.Signer.
func (k envelopeKey) Sign(_ context.Context, data []byte) ([]byte, error) { return sign(k.key, data) }

// Verify implements dsse.Verifier.
func (k envelopeKey) Verify(_ context.Context, data, sig []byte) error {
	alg, err := AlgorithmOf(k.pub)
	if err != nil {
		return err
	}
	return verify(k.pub, alg, data, sig)
}

// KeyID implements dsse.Signer and dsse.Verifier.
func (k envelopeKey) KeyID() (string, error) { return KeyID(k.pub) }

// Public implements dsse.Verifier.
func (k envelopeKey) Public() crypto.PublicKey { return k.pub }

// ReleaseFile is a release.json, read and not verified yet.
type ReleaseFile struct {
	Digest sealift.Digest // of the file's bytes
	leaf   []byte         // DER
	signed *SignedPayload
}

// ParseReleaseFile reads release.json down to its envelope; the payload stays
// unread.
func ParseReleaseFile(data []byte) (*ReleaseFile, error) {
	f, signed, err := parseFile(data, sealift.MaxRelease, ReleaseMediaType)
	if err != nil {
		return nil, malformed(sealift.KindChain, "reading release.json", err)
	}
	return &ReleaseFile{sealift.DigestOf(data), f.Chain[0], signed}, nil
}

// Payload returns the bytes that the release's author signed. They are not
// verified.
func (f *ReleaseFile) Payload() []byte { return f.signed.Payload }

// Leaf returns the leaf certificate, DER, which nobody has checked yet.
func (f *ReleaseFile) Leaf() []byte { return f.leaf }

func parseFile(data []byte, max int, mediaType string) (*file, *SignedPayload, error) {
	var f file
	if err := decode(data, max, &f); err != nil {
		return nil, nil, err
	}
	if f.MediaType != mediaType {
		return nil, nil, fmt.Errorf("media type %.80q, not %q", f.MediaType, mediaType)
	}
	if len(f.Chain) != 1 {
		return nil, nil, fmt.Errorf("%d certificates, exactly one is allowed", len(f.Chain))
	}
	signed, err := openEnvelope(f.Envelope)
	return &f, signed, err
}

// ParseReleaseEnvelope reads the envelope that a publisher submits, before
// there is a certificate. VerifiedBy checks its signature.
func ParseReleaseEnvelope(data []byte) (*SignedPayload, error) {
	var envelope dsse.Envelope
	err := decode(data, sealift.MaxRelease, &envelope)
	if err != nil {
		return nil, malformed(sealift.KindInvalid, "reading the signed release", err)
	}
	p, err := openEnvelope(envelope)
	if err != nil {
		return nil, malformed(sealift.KindInvalid, "reading the signed release", err)
	}
	return p, nil
}

// VerifiedBy demands a signature over a release's payload by pub.
func (p *SignedPayload) VerifiedBy(pub crypto.PublicKey) error {
	return p.verify(ReleasePayloadType, 1, pub)
}

// AssembleRelease puts the leaf certificate, DER, beside the envelope that its
// key signed.
func AssembleRelease(p *SignedPayload, leaf []byte) ([]byte, error) {
	return encode(file{ReleaseMediaType, [][]byte{leaf}, p.envelope})
}

// String keeps payloads out of logs: they are long, and a caller that prints
// one has not verified it.
func (p *SignedPayload) String() string {
	return fmt.Sprintf("signed payload of %d bytes", base64.StdEncoding.DecodedLen(len(p.envelope.Payload)))
}
