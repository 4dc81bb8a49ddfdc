package pkcs11

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/strictjson"
)

// Protocol is the version of the requests and replies below. Both ends are of
// one release and refuse any other version.
const Protocol = 1

// Descriptor is the helper's file descriptor of its end of the socket.
const Descriptor = 3

// Greeting is the helper's first frame, before any request.
type Greeting struct {
	Protocol int    `json:"protocol"`
	Library  string `json:"library,omitempty"` // what the module says it is
	Error    string `json:"error,omitempty"`   // why there will be no second frame
}

// Op is what a request asks for.
type Op string

// The operations.
const (
	OpTokens   Op = "tokens"   // list the tokens that are there
	OpLogin    Op = "login"    // log in to the token of URI with PIN
	OpKeys     Op = "keys"     // list the keys that URI matches
	OpGenerate Op = "generate" // make a key of Algorithm with URI's object and id
	OpSign     Op = "sign"     // sign Data by Mechanism
	OpSeal     Op = "seal"     // AES-GCM: Data and Associated to IV, ciphertext and tag
	OpOpen     Op = "open"     // the inverse
	OpDestroy  Op = "destroy"  // destroy the key of URI, both halves
	OpRandom   Op = "random"   // Length bytes of the token's generator
)

// Mechanism names how a signature is made.
type Mechanism string

// The mechanisms, by the PKCS #11 mechanism that each is.
const (
	MechanismECDSA Mechanism = "ecdsa"   // CKM_ECDSA: Data is the digest; reply r ‖ s
	MechanismEdDSA Mechanism = "eddsa"   // CKM_EDDSA: Data is the message
	MechanismPSS   Mechanism = "rsa-pss" // CKM_RSA_PKCS_PSS: Data is the digest, of Hash, with Salt bytes of salt
	MechanismPKCS1 Mechanism = "rsa"     // CKM_RSA_PKCS: Data is the DigestInfo (RFC 8017 section 9.2)
)

// Request is one request to the helper. Which fields count follows from Op.
type Request struct {
	ID         uint64    `json:"id"`
	Op         Op        `json:"op"`
	URI        string    `json:"uri,omitempty"` // without its query
	PIN        []byte    `json:"pin,omitempty"`
	Algorithm  Algorithm `json:"algorithm,omitempty"`
	Mechanism  Mechanism `json:"mechanism,omitempty"`
	Hash       string    `json:"hash,omitempty"` // "sha256", "sha384" or "sha512"
	Salt       int       `json:"salt,omitempty"` // bytes
	Data       []byte    `json:"data,omitempty"`
	Associated []byte    `json:"associated,omitempty"`
	Length     int       `json:"length,omitempty"` // bytes
}

// String says no more than what is asked: a request may hold a PIN.
func (r Request) String() string { return string(r.Op) }

// Reply is the answer to the request of the same ID.
type Reply struct {
	ID     uint64      `json:"id"`
	Code   Code        `json:"code,omitempty"`   // empty where it worked
	Detail string      `json:"detail,omitempty"` // for people, such as the CKR_ name
	Data   []byte      `json:"data,omitempty"`   // signature, ciphertext, plaintext, random bytes
	Keys   []Key       `json:"keys,omitempty"`
	Tokens []TokenInfo `json:"tokens,omitempty"`
}

// Code says why a request was not done.
type Code string

// The codes.
const (
	CodeLogin       Code = "login"         // log in first, then ask again
	CodePIN         Code = "pin"           // the PIN is wrong
	CodePINFinal    Code = "pin-final-try" // not tried: one more wrong PIN would lock the token
	CodePINLocked   Code = "pin-locked"    // the token has locked its PIN
	CodeAbsent      Code = "absent"        // the token is not there
	CodeNoKey       Code = "no-key"        // it has no such key
	CodeAmbiguous   Code = "ambiguous"     // more than one token or key fits
	CodeExists      Code = "exists"        // there is such a key already
	CodeUnsupported Code = "unsupported"   // the token cannot do that
	CodeInvalid     Code = "invalid"       // the request is not of the required form
	CodeOpen        Code = "open"          // what was to be opened was not sealed so
	CodeExposed     Code = "exposed"       // the token would not keep the key to itself
	CodeFull        Code = "full"          // no room in the token
	CodeDevice      Code = "device"        // anything else that the token or module said
)

// Algorithm is the kind of a key in a token; the names are package vault's.
type Algorithm string

// The algorithms that tokens hold.
const (
	ECDSAP256 Algorithm = "ecdsa-p256"
	ECDSAP384 Algorithm = "ecdsa-p384"
	Ed25519   Algorithm = "ed25519"
	RSA4096   Algorithm = "rsa-4096"
	AES256    Algorithm = "aes-256"
)

// Key is what a token tells of a key.
type Key struct {
	URI       string    `json:"uri"`       // of the private or secret half: token, object, id and type
	Algorithm Algorithm `json:"algorithm"` // "" for a kind that Sealift does not use
	Public    []byte    `json:"public,omitempty"`
	// What PKCS #11 calls CKA_LOCAL, CKA_SENSITIVE, CKA_ALWAYS_SENSITIVE,
	// CKA_EXTRACTABLE and CKA_NEVER_EXTRACTABLE.
	Local            bool `json:"local"`
	Sensitive        bool `json:"sensitive"`
	AlwaysSensitive  bool `json:"alwaysSensitive"`
	Extractable      bool `json:"extractable"`
	NeverExtractable bool `json:"neverExtractable"`
}

// Kept reports whether the key was made in the token and never was, nor can be,
// anywhere else in the clear.
func (k Key) Kept() bool {
	return k.Local && k.Sensitive && k.AlwaysSensitive && !k.Extractable && k.NeverExtractable
}

// TokenInfo is what a module tells of a token.
type TokenInfo struct {
	URI   string `json:"uri"` // token, manufacturer, model and serial
	Slot  uint64 `json:"slot"`
	Ready bool   `json:"ready"` // initialised, with a user PIN
	// PIN is "ok", "low" (wrong ones were tried), "final-try" or "locked".
	PIN string `json:"pin"`
}

// ReadFrame reads one frame into v, strictly. It is io.EOF where the connection
// ended before a frame.
func ReadFrame(r io.Reader, v any) error {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > sealift.MaxTokenMessage {
		return fmt.Errorf("a frame of %d bytes; at most %d are allowed", n, sealift.MaxTokenMessage)
	}
	data := make([]byte, n)
	defer clear(data) // it may hold a PIN, or what was opened
	if _, err := io.ReadFull(r, data); err != nil {
		return fmt.Errorf("reading a frame of %d bytes: %w", n, err)
	}
	return strictjson.Unmarshal(data, sealift.MaxTokenMessage, v)
}

// WriteFrame writes v as one frame, in one write.
func WriteFrame(w io.Writer, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	defer clear(body)
	if len(body) > sealift.MaxTokenMessage {
		return errFrame{len(body)}
	}
	frame := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(body)), uint32(len(body)))
	frame = append(frame, body...)
	defer clear(frame)
	_, err = w.Write(frame)
	return err
}

// errFrame is a message that is too long to be sent: nothing was.
type errFrame struct{ length int }

func (e errFrame) Error() string {
	return fmt.Sprintf("a message of %d bytes; at most %d are allowed", e.length, sealift.MaxTokenMessage)
}
