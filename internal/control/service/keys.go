package service

import (
	"context"
	"crypto"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
)

// Keys shows the vault's keys.
type Keys interface {
	// Keys returns every version of every key that matches, by id and version.
	Keys(ctx context.Context, want KeyFilter) ([]Key, error)
	// SetKeyState puts a version into another state, as SP 800-57 allows it. A
	// version of one of the vault's own keys that is in use and declared
	// compromised is replaced in the same act. KindNotFound if there is none,
	// KindConflict if it is in that state already, or with reason "standby" where
	// devices know no version to replace it by, or with reason "key-in-use" where
	// something depends on what is to be destroyed; KindDenied with reason
	// "key-state" where the change is not allowed.
	SetKeyState(ctx context.Context, by access.Caller, want KeyChange) (Key, error)
	// RotateKey puts the next version in the place of the one in use. Errors are
	// those of SetKeyState.
	RotateKey(ctx context.Context, by access.Caller, want KeyRotation) (Rotated, error)
	// RetireKey destroys a version that is deactivated or compromised, now or
	// later. Errors are those of SetKeyState; KindInvalid with reason "key-purpose"
	// where the fleet is not asked about such a key.
	RetireKey(ctx context.Context, by access.Caller, want KeyRetirement) (Key, error)
	// CreateKey makes a key for a service, or takes the one that want.PEM holds.
	// KindInvalid or KindDenied, reason "key-purpose", where its purpose does not
	// permit what is asked for, KindConflict if the id is taken, KindNotFound if
	// there is no such app.
	CreateKey(ctx context.Context, by access.Caller, want NewKey) (Key, error)
	// ExportKey returns the private key of one that was created exportable, PEM of
	// PKCS #8; the caller clears it. KindDenied with reason "key-export" for any
	// other.
	ExportKey(ctx context.Context, by access.Caller, want KeyExport) ([]byte, error)
	// SignWithKey has the active version of a service's key sign. KindNotFound if
	// the app has no such key; KindInvalid if the key does not sign that;
	// KindDenied with reason "key-state" or "key-cryptoperiod".
	SignWithKey(ctx context.Context, by access.Caller, want SigningRequest) (Signature, error)
	// CapgoKey returns the public half of the app's key for devices that run Capgo's
	// plugin. KindNotFound, with reason "capgo-key" where the app has none.
	CapgoKey(ctx context.Context, app sealift.AppID) (CapgoKey, error)
	// RequestCertificate returns a PKCS #10 request, DER, for a version of the
	// release CA that is pre-active or active; KindDenied for any other.
	RequestCertificate(ctx context.Context, by access.Caller, id string, version uint64) ([]byte, error)
	// InstallCertificate takes the certificate that answers it. KindInvalid with
	// reason "ca" for one that the profile, or devices, would refuse.
	InstallCertificate(ctx context.Context, by access.Caller, want CACertificate) (Key, error)
}

// CACertificate is a certificate of a version of the release CA.
type CACertificate struct {
	ID          string
	Version     uint64
	Certificate []byte // DER
	Issuer      []byte // DER, of the CA that signed it; nil if it is self-signed
}

// NewKey is a key for a service, to be made or imported.
type NewKey struct {
	ID         string // 1 to 128 bytes of a-z, 0-9 and . _ -
	Purpose    string
	Algorithm  string // "" for what the purpose says, or for that of PEM
	App        sealift.AppID
	Owner      string        // who answers for it
	Label      string        // for people; may be empty
	Period     time.Duration // cryptoperiod; 0 for what the purpose says
	Exportable bool
	Token      string // URI of a token and a label in it (RFC 7512), to make it there; "" for software
	PEM        []byte // the key to import; nil to make one. The service clears it.
}

// KeyExport asks for a private key.
type KeyExport struct {
	ID      string
	Version uint64
	Reason  string
}

// SigningRequest asks for a signature.
type SigningRequest struct {
	App     sealift.AppID
	Key     string
	Hash    crypto.Hash // of Digest; 0 for Message
	Digest  []byte
	Message []byte // for an Ed25519 key, which signs whole messages; else nil
	PKCS1   bool   // PKCS #1 v1.5 rather than PSS; for RSA alone
}

// Signature is a signature and what it is by.
type Signature struct {
	Signature []byte // ASN.1 for ECDSA
	Version   uint64 // of the key
	Algorithm string
	Entry     int64 // its index in the log
}

// KeyFilter picks keys; an empty field matches all.
type KeyFilter struct {
	ID, Purpose, State string
}

// KeyChange puts one version of a key into another state.
type KeyChange struct {
	ID      string
	Version uint64
	To      string // one of the six states
	Reason  string // in a person's words, for the log; never empty
}

// KeyRotation asks for the next version of a key.
type KeyRotation struct {
	ID     string
	Reason string
}

// Rotated says what came of it.
type Rotated struct {
	Active  Key
	Before  Key
	Standby *Key // the new one, to be vouched for; nil where the key needs none
}

// KeyRetirement asks for a version's end.
type KeyRetirement struct {
	ID      string
	Version uint64
	After   time.Duration // from now on; 0 for now
	// SeenWithin, where it is not 0, lets the fleet retire the version before that:
	// once no device that was seen in this time believes it any more.
	SeenWithin time.Duration
	Reason     string
}

// FleetRetirement says what a version waits for that the fleet may retire before
// its date. Devices count that are active, enrolled with a token, and were seen.
type FleetRetirement struct {
	SeenWithin time.Duration
	NotBefore  time.Time // it is kept until then in any case
	Waits      string    // what depends on it still, and no device can help; "" for nothing
	Hint       string    // what to do about that
	Root       int64     // the versions that devices must have; 0 for any
	Targets    int64
	Devices    int64
	Behind     int64     // how many of them do not have these, or have not said so
	Oldest     time.Time // when the one of these was seen that was not for the longest; zero for none
}

// Key is all that is public about one version of a key.
type Key struct {
	ID        string
	Version   uint64
	Purpose   string
	Algorithm string
	Provider  string
	Owner     string
	Label     string
	State     string // SP 800-57 part 1 rev. 5, section 7
	Public    sealift.Digest
	Created   time.Time
	Changed   time.Time // when the state was set
	NotBefore time.Time // the cryptoperiod
	NotAfter  time.Time
	Standby   bool      // devices must know such a key before it is used
	Vouched   string    // the newest signed document that lists it, "root 3"; "" for none
	RetireAt  time.Time // when it is to be destroyed; zero for no such time
	// Fleet says how far the fleet is from retiring it before that; nil where the
	// date alone does.
	Fleet *FleetRetirement

	App        sealift.AppID // of a service's key
	Imported   bool
	Exportable bool
	SPKI       []byte // of a service's key, DER

	Certificate []byte // of a CA, DER
}

// CapgoKey is the public half of an app's key for devices that run Capgo's plugin.
type CapgoKey struct {
	ID        string
	Version   uint64
	Name      string // by which devices know it: the first 20 characters of PublicKey's body
	PublicKey string // PKCS #1 in PEM
}
