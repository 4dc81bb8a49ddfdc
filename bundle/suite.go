package bundle

import (
	"crypto/hpke"

	"github.com/sealift/sealift"
)

// Suite names the algorithms of HPKE (RFC 9180, section 7) by their registered
// numbers.
type Suite struct {
	KEM  uint16 `json:"kem"`
	KDF  uint16 `json:"kdf"`
	AEAD uint16 `json:"aead"`
}

// The suites that are allowed. All use HKDF-SHA256 and AES-256-GCM.
var (
	// DefaultSuite is MLKEM768-X25519, also known as X-Wing
	// (draft-ietf-hpke-pq): it holds while either half of it holds.
	DefaultSuite = Suite{KEM: 0x647a, KDF: 0x0001, AEAD: 0x0002}
	// P256Suite is DHKEM(P-256, HKDF-SHA256) (RFC 9180, section 7.1), for
	// hardware that has nothing else.
	P256Suite = Suite{KEM: 0x0010, KDF: 0x0001, AEAD: 0x0002}
)

// ParseSuite accepts the two suites above and refuses all others with
// KindInvalid and Reason "suite".
func ParseSuite(kem, kdf, aead uint16) (Suite, error) {
	s := Suite{KEM: kem, KDF: kdf, AEAD: aead}
	if s != DefaultSuite && s != P256Suite {
		return Suite{}, sealift.Errorf(sealift.KindInvalid, "choosing HPKE suite", "KEM %#04x, KDF %#04x, AEAD %#04x are not allowed together", kem, kdf, aead).
			WithReason("suite").WithHint("use MLKEM768-X25519 (0x647a) or DHKEM(P-256) (0x0010) with HKDF-SHA256 (1) and AES-256-GCM (2)")
	}
	return s, nil
}

// algorithms resolves the suite, which may have been put together by hand.
func (s Suite) algorithms() (hpke.KEM, hpke.KDF, hpke.AEAD, error) {
	if _, err := ParseSuite(s.KEM, s.KDF, s.AEAD); err != nil {
		return nil, nil, nil, err
	}
	kem, err := hpke.NewKEM(s.KEM)
	if err != nil {
		return nil, nil, nil, err
	}
	return kem, hpke.HKDFSHA256(), hpke.AES256GCM(), nil
}
