package vault

import (
	"crypto"
	"crypto/x509"
	"time"

	"github.com/sealift/sealift"
)

// KeyInfo is all that is public about one version of a key.
type KeyInfo struct {
	Ref
	Purpose     Purpose
	Algorithm   Algorithm
	Provider    string // ProviderSoftware or ProviderPKCS11
	Token       string // the URI of its private half in a token (RFC 7512); empty for a key in software, or once destroyed
	Owner       string // who answers for the key
	Label       string // for people
	State       State
	Changed     time.Time // when State was last set
	Created     time.Time
	NotBefore   time.Time // the key signs and seals nothing before this
	NotAfter    time.Time // nor at this time and later
	Public      []byte    // SPKI DER, or the KEM's own form for an HPKE key; empty for a secret key
	Certificate []byte    // DER, of the certificate that others know the key by; may be empty
	App         sealift.AppID
	Imported    bool      // it was made elsewhere
	Exportable  bool      // its private half may be given out; set when it was made, and never after
	RetireAt    time.Time // when it is to be destroyed; zero for no such time
	// FleetWindow is the time in which a device must have been seen to hold that up
	// until RetireAt; 0 where the date alone says when. In whole seconds.
	FleetWindow time.Duration
}

// PublicKey returns the public key of a key that signs or encodes. It fails with
// KindInvalid for a key of another operation.
func (k KeyInfo) PublicKey() (crypto.PublicKey, error) {
	if op := k.Purpose.Operation(); op != OpSign && op != OpEncode {
		return nil, sealift.Errorf(sealift.KindInvalid, "reading the public key of "+k.Ref.String(), "a key for %s does not sign", k.Purpose)
	}
	public, err := x509.ParsePKIXPublicKey(k.Public)
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInternal, "reading the public key of "+k.Ref.String(), "%w", err)
	}
	return public, nil
}

// within reports whether now is in the key's cryptoperiod.
func (k KeyInfo) within(now time.Time) bool {
	return !now.Before(k.NotBefore) && now.Before(k.NotAfter)
}
