package vault

import "github.com/sealift/sealift"

// Reasons that callers and the API tell apart. All but the first four belong to
// refused uses.
const (
	ReasonSealed      = "sealed"           // KindSealed: unseal first
	ReasonPassphrase  = "passphrase"       // KindSealed: it opens no wrap; KindInvalid: it is too short
	ReasonSealRecord  = "seal-record"      // KindSealed: the record is broken or was changed
	ReasonInitialised = "initialised"      // KindConflict: there is a vault already
	ReasonTampered    = "key-row-tampered" // KindDenied: a row was changed by something other than the vault
	ReasonPurpose     = "key-purpose"      // KindDenied: the key is for something else
	ReasonState       = "key-state"        // KindDenied: the state does not allow it
	ReasonPeriod      = "key-cryptoperiod" // KindDenied: before or after the key's time
	ReasonExport      = "key-export"       // KindDenied: the key is never given out
	ReasonUnknownKey  = "key-unknown"      // KindNotFound: no such key or version

	ReasonPutBack   = "row-put-back"  // KindDenied: a row is one of before, or was deleted once
	ReasonDeleted   = "row-deleted"   // KindDenied: a row is missing that the log says is there
	ReasonStatement = "row-statement" // KindDenied: what the log says of rows does not hold
	ReasonMeanwhile = "row-meanwhile" // KindConflict: a row was changed while it was read

	ReasonRecovery = "recovery" // KindInvalid: it is no recovery key; KindNotFound: there is no such path
	ReasonToken    = "token"    // KindInvalid: it names no key in a token
	ReasonShares   = "shares"   // KindInvalid: no such number of shares can be made

	ReasonUnsealed = "unsealed" // KindConflict: it is open already

	ReasonRotating = "rotating" // KindConflict: an earlier rotation is not finished

	ReasonShareForm     = "share-form"     // KindInvalid: a text is no share, or was mistyped
	ReasonShareForeign  = "share-foreign"  // KindSealed: it is of another vault
	ReasonShareOld      = "share-old"      // KindSealed: it is of a set that opens this vault no more
	ReasonShareWrong    = "share-wrong"    // KindSealed: it was never made for this vault
	ReasonShareTwice    = "share-twice"    // KindConflict: it was given already
	ReasonSharesMissing = "shares-missing" // KindSealed: more shares are needed
)

const reasonUninitialised = "uninitialised"

func errSealed() *sealift.Error {
	return sealift.Errorf(sealift.KindSealed, "using the vault", "it is sealed").WithReason(ReasonSealed).
		WithHint("unseal it: sealift vault unseal; or start the server with the passphrase in SEALIFT_PASSPHRASE")
}

func errUninitialised() *sealift.Error {
	return sealift.Errorf(sealift.KindSealed, "opening vault", "there is none in this store yet").WithReason(reasonUninitialised).
		WithHint("make one with: sealift init --data DIR --keys DIR")
}

func errInitialised() *sealift.Error {
	return sealift.Errorf(sealift.KindConflict, "making a vault", "this store has one already").WithReason(ReasonInitialised).
		WithHint("choose another data folder, or use the vault that is there")
}

func errWrongPassphrase() *sealift.Error {
	return sealift.Errorf(sealift.KindSealed, "unsealing vault", "%w", errPassphrase).WithReason(ReasonPassphrase).
		WithHint("check the passphrase: case, spaces and a line break at its end count; if it is surely right, the seal record was changed: restore a backup")
}

// ErrUnsealed says that there is nothing to open: KindConflict with
// ReasonUnsealed.
func ErrUnsealed() *sealift.Error {
	return sealift.Errorf(sealift.KindConflict, "unsealing vault", "it is open already").WithReason(ReasonUnsealed).
		WithHint("nothing is to be done; keep what you have, and give it to nobody")
}

func errNotThat(ways string) *sealift.Error {
	return sealift.Errorf(sealift.KindSealed, "unsealing vault", "that is not what opens it: %s do", ways).WithReason(ReasonPassphrase).
		WithHint("see what opens it with: sealift vault status")
}

func errRecord(err error) *sealift.Error {
	return sealift.Errorf(sealift.KindSealed, "reading the seal record", "%w", err).WithReason(ReasonSealRecord).
		WithHint("something other than the vault wrote to its store: restore a backup")
}

func errRecordChanged() *sealift.Error {
	return sealift.Errorf(sealift.KindConflict, "unsealing vault", "the seal record changed meanwhile").WithHint("try again")
}

func errTampered(ref Ref, format string, args ...any) *sealift.Error {
	return sealift.Errorf(sealift.KindDenied, "checking the row of key "+ref.String(), format, args...).WithReason(ReasonTampered).
		WithHint("something other than the vault wrote to its store: find out what, and restore a backup")
}

func errUnknownKey(ref Ref) *sealift.Error {
	return sealift.Errorf(sealift.KindNotFound, "looking up a key", "there is no key %.80s", ref).WithReason(ReasonUnknownKey)
}
