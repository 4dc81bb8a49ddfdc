package publisher

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/trust"
)

// signWithLeaf makes the key of this one release, signs the payload and a
// certificate request (PKCS #10, RFC 2986) with it, and forgets it. The
// request names nothing: what the certificate says is the vault's to decide.
func signWithLeaf(payload []byte) (api.Submission, error) {
	const op = "signing the release"
	leaf, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return api.Submission{}, sealift.Errorf(sealift.KindInternal, op, "%w", err)
	}
	envelope, err := trust.Sign(trust.ReleasePayloadType, payload, leaf)
	if err != nil {
		return api.Submission{}, sealift.Errorf(sealift.KindInternal, op, "%w", err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, leaf)
	if err != nil {
		return api.Submission{}, sealift.Errorf(sealift.KindInternal, op, "%w", err)
	}
	return api.Submission{Envelope: envelope, CSR: csr}, nil
}
