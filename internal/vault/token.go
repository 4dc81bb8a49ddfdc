package vault

import (
	"context"
	"fmt"
	"strings"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/strictjson"
)

// TokenSealer is what the vault asks of a PKCS#11 token: authenticated
// encryption (SP 800-38D) under the AES-256 key that a URI names, which never
// leaves the token. Every call ends within a deadline of its own. Errors are
// *sealift.Error, and say what is wrong with the token; errors of Open for a
// ciphertext that does not open are of another type.
type TokenSealer interface {
	Seal(ctx context.Context, uri string, plaintext, associated []byte) ([]byte, error)
	Open(ctx context.Context, uri string, sealed, associated []byte) ([]byte, error)
}

// Token seals and opens PathUnseal with a key in a PKCS#11 token. What opens a
// vault is the key that the seal record names; URI is for sealing alone.
type Token struct {
	Sealer TokenSealer
	URI    string // RFC 7512, at most sealift.MaxTokenURI bytes, without a PIN
}

// pkcs11Params are the parameters of a wrap under a token's key.
type pkcs11Params struct {
	URI string `json:"uri"`
}

func (p pkcs11Params) check() error {
	switch {
	case len(p.URI) > sealift.MaxTokenURI:
		return fmt.Errorf("a URI of %d bytes; at most %d are allowed", len(p.URI), sealift.MaxTokenURI)
	case !strings.HasPrefix(p.URI, "pkcs11:"):
		return fmt.Errorf("%.40q is no PKCS#11 URI", p.URI)
	case strings.Contains(p.URI, "pin-value"):
		return fmt.Errorf("the URI holds a PIN")
	}
	return nil
}

// pkcs11 reads the parameters of a wrap under a token's key.
func (w wrap) pkcs11() (pkcs11Params, error) {
	var p pkcs11Params
	if err := strictjson.Unmarshal(w.Params, sealift.MaxSealRecord, &p); err != nil {
		return p, err
	}
	return p, p.check()
}

func (t Token) fits(w wrap) bool { return w.Sealer == sealerPKCS11 }
func (t Token) costly() bool     { return false }

func (t Token) open(ctx context.Context, vault sealift.VaultID, w wrap) ([]byte, error) {
	params, err := w.pkcs11()
	if err != nil {
		return nil, err
	}
	return wholeRoot(t.Sealer.Open(ctx, params.URI, w.Wrapped, w.associated(vault)))
}

func (t Token) seal(ctx context.Context, root []byte, on sealing) (wrap, error) {
	w, err := newWrap(sealerPKCS11, newID(), pkcs11Params{t.URI}, on)
	if err != nil {
		return wrap{}, err
	}
	w.Wrapped, err = t.Sealer.Seal(ctx, t.URI, root, w.associated(on.vault))
	return w, err
}

func (t Token) check(_ sealift.VaultID, p Path) error {
	const doing = "sealing the vault with a token"
	if p != PathUnseal {
		return sealift.Errorf(sealift.KindInvalid, doing, "the recovery path is for the day on which the token is lost").WithReason(ReasonRecovery).
			WithHint("keep the recovery key on paper, or as shares")
	}
	if err := (pkcs11Params{t.URI}).check(); err != nil {
		return sealift.Errorf(sealift.KindInvalid, doing, "%w", err).WithReason(ReasonToken).
			WithHint("name the key as in pkcs11:token=sealift;object=unseal, and give the PIN elsewhere")
	}
	return nil
}
