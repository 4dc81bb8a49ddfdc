package sealift

import (
	"errors"
	"fmt"
	"strings"
)

// Kind classes an error by what its receiver can do about it. The CLI maps
// each kind to an exit code and the API to an HTTP status.
type Kind string

// The kinds of error. The first five are refusals of the device, in the order
// in which it checks.
const (
	KindMetadata  Kind = "metadata"  // TUF metadata is missing, unverifiable, rolled back or expired
	KindChain     Kind = "chain"     // step 1: certificate chain, purpose, revocation or binding
	KindSignature Kind = "signature" // step 2: DSSE signature, co-signatures or log proof
	KindVersion   Kind = "version"   // step 3: wrong app, channel, platform or runtime, or a downgrade
	KindIntegrity Kind = "integrity" // step 4: length, digest, decryption or archive

	KindNetwork   Kind = "network"   // the other side is away, slow or answers nonsense
	KindRollback  Kind = "rollback"  // an installed release failed its health check and was taken back
	KindInvalid   Kind = "invalid"   // the caller's input is not of the required form
	KindNotFound  Kind = "not_found" // the named thing does not exist
	KindConflict  Kind = "conflict"  // it exists already, or changed meanwhile
	KindDenied    Kind = "denied"    // not signed in, or not allowed
	KindSealed    Kind = "sealed"    // the vault is sealed, or its passphrase is wrong
	KindExhausted Kind = "exhausted" // a disk, a limit or a quota is full
	KindInternal  Kind = "internal"  // a defect of Sealift, or of what it runs on
)

// Error is the one error type that crosses package borders. Its message names
// what was being done (Op) and what is wrong (Err); Hint, shown on a line of
// its own, says what to do next.
type Error struct {
	Kind   Kind   // what class of failure
	Op     string // what was being done: "opening vault"
	Reason string // a stable lower-case word for machines: "expired", "floor"; may be empty
	Err    error  // what is wrong; never nil
	Hint   string // what to do next; may be empty
}

// Error returns "op: what is wrong".
func (e *Error) Error() string {
	if e.Op == "" {
		return e.Err.Error()
	}
	return e.Op + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an *Error; format and args are as in fmt.Errorf, so that %w
// wraps.
func Errorf(kind Kind, op, format string, args ...any) *Error {
	return &Error{Kind: kind, Op: op, Err: fmt.Errorf(format, args...)}
}

// WithHint sets what to do next and returns e.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// WithReason sets the word for machines and returns e.
func (e *Error) WithReason(reason string) *Error {
	e.Reason = reason
	return e
}

// KindOf returns the kind of the outermost *Error in err's chain; "" for nil
// and KindInternal for an error that has none.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return KindInternal
}

// ReasonOf returns the first non-empty Reason in err's chain.
func ReasonOf(err error) string {
	return firstOf(err, func(e *Error) string { return e.Reason })
}

// HintOf returns the first non-empty Hint in err's chain, outermost first.
func HintOf(err error) string {
	return firstOf(err, func(e *Error) string { return e.Hint })
}

func firstOf(err error, field func(*Error) string) string {
	for err != nil {
		var e *Error
		if !errors.As(err, &e) {
			return ""
		}
		if s := field(e); s != "" {
			return s
		}
		err = e.Err
	}
	return ""
}

// invalid makes the error of a Parse function. What was read is quoted and
// cut, since it comes from outside.
func invalid(op, read, hint string) *Error {
	const most = 80
	if len(read) > most {
		read = strings.ToValidUTF8(read[:most], "") + "…"
	}
	return Errorf(KindInvalid, op, "%q is not allowed", read).WithHint("%s", hint)
}
