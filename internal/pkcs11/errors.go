package pkcs11

import (
	"fmt"

	"github.com/sealift/sealift"
)

// Reasons that callers tell apart.
const (
	ReasonURI         = "pkcs11-uri"      // KindInvalid: it is not a URI that ParseURI takes
	ReasonHelper      = "token-helper"    // KindNetwork: the helper does not start, or died
	ReasonTimeout     = "token-timeout"   // KindNetwork: the token did not answer in time
	ReasonAbsent      = "token-absent"    // KindNetwork: the token is not there
	ReasonDevice      = "token-device"    // KindNetwork: the token or its module answered with an error
	ReasonPIN         = "token-pin"       // KindDenied: the PIN is wrong, or none was given
	ReasonPINLocked   = "token-locked"    // KindDenied: the token has locked its PIN, or would at the next wrong one
	ReasonUnknown     = "token-unknown"   // KindNotFound: nothing says how to reach the token
	ReasonNoKey       = "token-key"       // KindNotFound: the token has no such key
	ReasonAmbiguous   = "token-ambiguous" // KindConflict: more than one token or key fits
	ReasonExists      = "token-exists"    // KindConflict: the token has a key of that name
	ReasonUnsupported = "token-kind"      // KindInvalid: the token cannot do that with that key
)

// outcome is what a code means to people.
type outcome struct {
	kind   sealift.Kind
	reason string
	text   string
	hint   string
}

var outcomes = map[Code]outcome{
	CodeLogin:       {sealift.KindDenied, ReasonPIN, "the token lets nobody in though the PIN was right", ""},
	CodePIN:         {sealift.KindDenied, ReasonPIN, "the token refused the PIN", "it was tried once and is not tried again, since a token locks itself after a few wrong ones: put the right one into the file that pin-source names, or start again and type it"},
	CodePINFinal:    {sealift.KindDenied, ReasonPINLocked, "one more wrong PIN would lock the token, so none was tried", "log in once with the token's own tools: that sets its counter back"},
	CodePINLocked:   {sealift.KindDenied, ReasonPINLocked, "the token has locked its PIN", "its security officer sets a new one with the token's own tools"},
	CodeAbsent:      {sealift.KindNetwork, ReasonAbsent, "the token is not there", "plug it in, or check that its service runs, then try again: sealift pkcs11 tokens"},
	CodeNoKey:       {sealift.KindNotFound, ReasonNoKey, "the token has no such key", "see which it has: sealift pkcs11 keys"},
	CodeAmbiguous:   {sealift.KindConflict, ReasonAmbiguous, "more than one fits", "name it more closely: serial= for a token, id= for a key; sealift pkcs11 tokens and sealift pkcs11 keys list them"},
	CodeExists:      {sealift.KindConflict, ReasonExists, "the token has a key of that name", "choose another object= name; sealift pkcs11 keys lists those that are there"},
	CodeUnsupported: {sealift.KindInvalid, ReasonUnsupported, "the token cannot do that", "ask its maker which mechanisms it has; keys here are ecdsa-p256, ecdsa-p384, ed25519, rsa-4096 and aes-256"},
	CodeInvalid:     {sealift.KindInvalid, ReasonURI, "the request was refused", ""},
	CodeOpen:        {sealift.KindDenied, ReasonUnsupported, ErrOpen.Error(), ""},
	CodeExposed:     {sealift.KindDenied, ReasonUnsupported, "the token would not keep the key to itself, so it was destroyed", "set the token up so that keys are sensitive and not extractable"},
	CodeFull:        {sealift.KindExhausted, ReasonDevice, "the token is full", "see what it holds, and destroy what nobody needs: sealift pkcs11 keys"},
}

// errorOf is the error of a reply that says no.
func errorOf(op string, r Reply) error {
	if r.Code == "" {
		return nil
	}
	o, ok := outcomes[r.Code]
	if !ok {
		o = outcome{sealift.KindNetwork, ReasonDevice, "the token answered with an error", "try again; look at the token and at its module's own log if it is the same then"}
	}
	e := sealift.Errorf(o.kind, op, "%s", o.text)
	if r.Detail != "" && r.Detail != o.text {
		e = sealift.Errorf(o.kind, op, "%s: %.500s", o.text, r.Detail)
	}
	e = e.WithReason(o.reason)
	if o.hint != "" {
		e = e.WithHint("%s", o.hint)
	}
	return e
}

// errDied is that of a request that was under way when the helper ended.
func errDied(cause error) error {
	return sealift.Errorf(sealift.KindNetwork, "asking the PKCS#11 helper", "it ended before it answered: %w", cause).WithReason(ReasonHelper).
		WithHint("try again: it is started anew; if it ends each time, the token's module is at fault: look at its own log")
}

func errTimeout() error {
	return sealift.Errorf(sealift.KindNetwork, "asking the PKCS#11 helper", "the token did not answer in time").WithReason(ReasonTimeout).
		WithHint("look at the token: it may wait for a button, or hang; the helper was ended and is started anew by the next request")
}

func errStart(helper string, cause error) error {
	return sealift.Errorf(sealift.KindNetwork, "starting the PKCS#11 helper", "%s: %w", helper, cause).WithReason(ReasonHelper).
		WithHint("make build puts sealift-pkcs11 beside sealift; or name it in SEALIFT_PKCS11_HELPER")
}

// errModule is that of a helper that started and could not load its module.
func errModule(said string) error {
	return sealift.Errorf(sealift.KindNetwork, "loading the PKCS#11 module", "%.500s", said).WithReason(ReasonHelper).
		WithHint("module-path names the library of the token's vendor, such as /usr/lib/softhsm/libsofthsm2.so")
}

// errBackoff is that of a request while a helper that keeps dying rests.
func errBackoff(helper string, last error) error {
	return errStart(helper, fmt.Errorf("it is started again after a pause, since the last one ended so: %w", last))
}
