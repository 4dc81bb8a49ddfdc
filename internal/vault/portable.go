package vault

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
)

// ReadMaterial reads a private key that was made elsewhere: one PEM block of
// PKCS #8 or PKCS #1, not encrypted, at most sealift.MaxImport bytes. Create
// accepts it for a purpose that Imports, and marks the row. The caller clears
// text. KindInvalid for anything else; nothing of the text is in the error.
func ReadMaterial(text []byte) (*Material, error) {
	const doing = "reading the key to import"
	wrong := func(format string, args ...any) error {
		return sealift.Errorf(sealift.KindInvalid, doing, format, args...).
			WithHint("bring one PEM block BEGIN PRIVATE KEY (PKCS #8) or BEGIN RSA PRIVATE KEY (PKCS #1), not encrypted")
	}
	if len(text) > sealift.MaxImport {
		return nil, wrong("%d bytes; at most %d are allowed", len(text), sealift.MaxImport)
	}
	block, rest := pem.Decode(text)
	if block == nil || len(block.Headers) > 0 || len(trimSpace(rest)) > 0 {
		return nil, wrong("it is not one PEM block")
	}
	defer clear(block.Bytes)
	key, err := parseRSA(block)
	if err != nil {
		return nil, wrong("it holds no RSA key that is sound") // the cause may quote it
	}
	if key.E < 65537 { // FIPS 186-5 section 5.4
		return nil, wrong("an RSA key of public exponent %d; 65537 or more is allowed", key.E)
	}
	a := algorithmOf(key.Public())
	if a == "" {
		return nil, wrong("an RSA key of %d bits; 2048 and 4096 are known here", key.N.BitLen())
	}
	private, public, err := marshalSigner(key)
	if err != nil {
		return nil, wrong("it holds no RSA key that is sound")
	}
	return &Material{provider: ProviderSoftware, algorithm: a, public: public, private: func() []byte { return private }, imported: true}, nil
}

func parseRSA(block *pem.Block) (*rsa.PrivateKey, error) {
	switch block.Type {
	case "PRIVATE KEY":
		key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return nil, err
		}
		if key, ok := key.(*rsa.PrivateKey); ok {
			return key, key.Validate()
		}
	case "RSA PRIVATE KEY":
		key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
		if err != nil {
			return nil, err
		}
		return key, key.Validate()
	}
	return nil, errors.New("not an RSA key")
}

// trimSpace is what follows a block but line ends.
func trimSpace(b []byte) []byte {
	for len(b) > 0 && (b[0] == '\n' || b[0] == '\r' || b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	return b
}

// Export returns the private key of a version that was created exportable, as
// PEM of PKCS #8, and records that before; the caller clears it. It goes by the
// row, whose flag is under its MAC and is never changed. KindDenied with reason
// "key-export" for any other, and with "key-state" for one that is compromised
// or destroyed.
func (v *Vault) Export(ctx context.Context, tx *Tx, key Ref, by audit.Actor, reason string, now time.Time) ([]byte, error) {
	e := event{at: now, actor: by, action: actionExport, key: Ref{clip(key.ID), key.Version}}
	e, err := e.because(reason)
	if err != nil {
		return nil, tx.refuse(ctx, e, err)
	}
	row, info, err := readRow(ctx, tx.ring, tx, key)
	if err == nil {
		err = info.mayExport()
	}
	if err != nil {
		return nil, tx.refuse(ctx, e, err)
	}
	private, err := material(tx.ring, row)
	if err != nil {
		return nil, tx.refuse(ctx, e, err)
	}
	defer clear(private)
	if _, err := parseSigner(info.Algorithm, private, info.Public); err != nil {
		return nil, tx.refuse(ctx, e, errTampered(info.Ref, "%w", err))
	}
	if err := tx.append(ctx, e.with(audit.OK)); err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), nil
}

func (k KeyInfo) mayExport() error {
	doing := "exporting key " + k.Ref.String()
	switch {
	case !k.Exportable || !policies[k.Purpose].exports:
		return sealift.Errorf(sealift.KindDenied, doing, "it was not created to be given out, and never becomes so").WithReason(ReasonExport).
			WithHint("let what needs it ask the vault for signatures: sealift key sign")
	case k.Provider != ProviderSoftware:
		return sealift.Errorf(sealift.KindDenied, doing, "it is in a token, which never gives it out").WithReason(ReasonExport)
	case k.State == Compromised || k.State == Destroyed:
		return sealift.Errorf(sealift.KindDenied, doing, "it is %s", k.State).WithReason(ReasonState)
	}
	return nil
}
