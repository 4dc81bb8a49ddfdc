//go:build cgo

package main

import (
	"errors"

	p11 "github.com/miekg/pkcs11"

	"github.com/sealift/sealift/internal/pkcs11"
)

// refusal is an error with the code that goes to the caller.
type refusal struct {
	code pkcs11.Code
	err  error
}

func (r refusal) Error() string { return r.err.Error() }
func (r refusal) Unwrap() error { return r.err }

// classify gives an error of the module the code that says what to do about it.
func classify(err error) refusal {
	var r refusal
	if errors.As(err, &r) {
		return r
	}
	var ckr p11.Error
	if !errors.As(err, &ckr) {
		return refusal{pkcs11.CodeDevice, err}
	}
	switch uint(ckr) {
	case p11.CKR_USER_NOT_LOGGED_IN:
		return refusal{pkcs11.CodeLogin, err}
	case p11.CKR_PIN_INCORRECT, p11.CKR_PIN_INVALID, p11.CKR_PIN_LEN_RANGE:
		return refusal{pkcs11.CodePIN, err}
	case p11.CKR_PIN_LOCKED, p11.CKR_PIN_EXPIRED:
		return refusal{pkcs11.CodePINLocked, err}
	case p11.CKR_TOKEN_NOT_PRESENT, p11.CKR_DEVICE_REMOVED, p11.CKR_TOKEN_NOT_RECOGNIZED, p11.CKR_SLOT_ID_INVALID:
		return refusal{pkcs11.CodeAbsent, err}
	case p11.CKR_MECHANISM_INVALID, p11.CKR_MECHANISM_PARAM_INVALID, p11.CKR_FUNCTION_NOT_SUPPORTED, p11.CKR_KEY_TYPE_INCONSISTENT,
		p11.CKR_KEY_FUNCTION_NOT_PERMITTED, p11.CKR_ATTRIBUTE_TYPE_INVALID, p11.CKR_ATTRIBUTE_VALUE_INVALID, p11.CKR_TEMPLATE_INCONSISTENT,
		p11.CKR_CURVE_NOT_SUPPORTED, p11.CKR_KEY_SIZE_RANGE, p11.CKR_TOKEN_WRITE_PROTECTED, p11.CKR_DATA_LEN_RANGE:
		return refusal{pkcs11.CodeUnsupported, err}
	case p11.CKR_ENCRYPTED_DATA_INVALID, p11.CKR_ENCRYPTED_DATA_LEN_RANGE:
		return refusal{pkcs11.CodeOpen, err}
	case p11.CKR_DEVICE_MEMORY:
		return refusal{pkcs11.CodeFull, err}
	}
	return refusal{pkcs11.CodeDevice, err}
}

// isGone reports whether the module no longer knows the sessions of a token: it
// was away, or is.
func isGone(err error) bool {
	return isCKR(err, p11.CKR_SESSION_HANDLE_INVALID, p11.CKR_SESSION_CLOSED, p11.CKR_USER_NOT_LOGGED_IN,
		p11.CKR_TOKEN_NOT_PRESENT, p11.CKR_DEVICE_REMOVED, p11.CKR_TOKEN_NOT_RECOGNIZED)
}

func isCKR(err error, codes ...uint) bool {
	var ckr p11.Error
	if !errors.As(err, &ckr) {
		return false
	}
	for _, code := range codes {
		if uint(ckr) == code {
			return true
		}
	}
	return false
}
