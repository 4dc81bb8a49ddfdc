package trust

import (
	"crypto"
	"errors"
	"fmt"
	"slices"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"github.com/sealift/sealift"
)

// Cosigned is how far the co-signatures of one payload have come. Keys are
// named by KeyID, in the order of trust.json.
type Cosigned struct {
	Needed int
	Signed []string // whose signature is there
	Open   []string // whose would count, and is not
}

// Missing is how many signatures are needed yet.
func (c Cosigned) Missing() int { return max(0, c.Needed-len(c.Signed)) }

// Cosigned reports which of the app's co-signers signed p as a release.
func (r *Rules) Cosigned(p *SignedPayload) (Cosigned, error) {
	c := Cosigned{Needed: r.needed}
	for _, pub := range r.cosigners {
		id, err := KeyID(pub)
		if err != nil {
			return c, err
		}
		if p.VerifiedBy(pub) == nil {
			c.Signed = append(c.Signed, id)
		} else {
			c.Open = append(c.Open, id)
		}
	}
	return c, nil
}

// Cosign takes the co-signatures of brought, an envelope over the same payload,
// into p, which leaf signed. What comes out bears the leaf's signature and one
// by each of the app's co-signers who signed either; anything else that was in
// the envelopes is left out. The error is of KindSignature: with reason
// "payload" where brought is over something else, "cosigner" where none of its
// signatures is by a co-signer of the app.
func (r *Rules) Cosign(p, brought *SignedPayload, leaf crypto.PublicKey) (*SignedPayload, error) {
	const op = "taking the co-signature"
	if !slices.Equal(p.Payload, brought.Payload) || brought.envelope.PayloadType != ReleasePayloadType {
		return nil, sealift.Errorf(sealift.KindSignature, op, "it is over another payload").WithReason("payload").
			WithHint("sign the draft as it stands: sealift cosign show, then sealift cosign sign")
	}
	count, err := r.Cosigned(brought)
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInternal, op, "%w", err)
	}
	if len(count.Signed) == 0 {
		return nil, sealift.Errorf(sealift.KindSignature, op, "it is by no key that trust.json names as a co-signer of %s", r.app).WithReason("cosigner").
			WithHint("see who may sign with: sealift trust show")
	}
	out, err := r.onlyCounting(p, brought, leaf)
	if err != nil {
		return nil, sealift.Errorf(sealift.KindSignature, op, "%w", err).WithReason("signature")
	}
	return out, nil
}

// OnlyCounting returns p with the signatures that count alone: the leaf's, and
// one by each of the app's co-signers who signed. So no stranger's signatures
// use up the room of those to come.
func (r *Rules) OnlyCounting(p *SignedPayload, leaf crypto.PublicKey) (*SignedPayload, error) {
	out, err := r.onlyCounting(p, p, leaf)
	if err != nil {
		return nil, sealift.Errorf(sealift.KindSignature, "reading the signed release", "%w", err).WithReason("signature")
	}
	return out, nil
}

func (r *Rules) onlyCounting(p, brought *SignedPayload, leaf crypto.PublicKey) (*SignedPayload, error) {
	out := &SignedPayload{dsse.Envelope{PayloadType: p.envelope.PayloadType, Payload: p.envelope.Payload}, p.Payload}
	for _, pub := range slices.Concat([]crypto.PublicKey{leaf}, r.cosigners) {
		signature, ok := p.signatureBy(pub)
		if !ok {
			signature, ok = brought.signatureBy(pub)
		}
		if ok {
			out.envelope.Signatures = append(out.envelope.Signatures, signature)
		}
	}
	if len(out.envelope.Signatures) > sealift.MaxSignatures {
		return nil, fmt.Errorf("%d signatures, at most %d are allowed", len(out.envelope.Signatures), sealift.MaxSignatures)
	}
	if out.VerifiedBy(leaf) != nil {
		return nil, errors.New("the leaf's own signature is not in it")
	}
	return out, nil
}

// signatureBy returns the signature of p, as a release, that is by pub.
func (p *SignedPayload) signatureBy(pub crypto.PublicKey) (dsse.Signature, bool) {
	for _, s := range p.envelope.Signatures[:min(len(p.envelope.Signatures), sealift.MaxSignatures)] {
		alone := &SignedPayload{p.envelope, p.Payload}
		alone.envelope.Signatures = []dsse.Signature{s}
		if alone.VerifiedBy(pub) == nil {
			return s, true
		}
	}
	return dsse.Signature{}, false
}

// Encode returns the envelope as JSON, as ParseReleaseEnvelope reads it.
func (p *SignedPayload) Encode() ([]byte, error) { return encode(p.envelope) }

// CheckCosigner refuses a key that trust.json could not name as a co-signer: one
// of a kind or size that is not on the list of AlgorithmOf.
func CheckCosigner(pub crypto.PublicKey) (Cosigner, error) {
	alg, err := AlgorithmOf(pub)
	if err != nil {
		return Cosigner{}, sealift.Errorf(sealift.KindInvalid, "reading a co-signer's key", "%w", err).
			WithHint("use a key of Ed25519, P-256, P-384 or RSA-4096, such as sealift cosign keygen makes")
	}
	spki, err := marshalSPKI(pub)
	if err != nil {
		return Cosigner{}, sealift.Errorf(sealift.KindInvalid, "reading a co-signer's key", "%w", err)
	}
	return Cosigner{Algorithm: alg, PublicKey: spki}, nil
}
