// Package pkcs11 reaches keys in PKCS#11 tokens (OASIS PKCS #11 version 3.0)
// from a program that links no C: it starts the helper, sealift-pkcs11, which
// loads the vendor's module, and talks to it over a Unix socket. A module that
// crashes or hangs takes the helper with it and nothing else.
//
// # Names
//
// Tokens and keys are named by PKCS #11 URIs (RFC 7512), read strictly: see
// ParseURI. Two sorts are in use:
//
//	pkcs11:token=sealift?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/etc/sealift/pin
//	                         how to reach a token: Options.Tokens
//	pkcs11:token=sealift;object=release-ca;id=%5f%02…
//	                         a key: what Generate returns, and what is kept
//
// A key's URI never says which code is to be loaded or which file holds the
// PIN, so a database that was changed by somebody cannot say so either. A key
// is in the one of Options.Tokens whose attributes do not contradict its own.
//
// # Keys
//
//	ecdsa-p256 ecdsa-p384   CKM_EC_KEY_PAIR_GEN, CKM_ECDSA over a digest
//	ed25519                 CKM_EC_EDWARDS_KEY_PAIR_GEN, CKM_EDDSA over the message
//	rsa-4096                CKM_RSA_PKCS_KEY_PAIR_GEN, CKM_RSA_PKCS_PSS or CKM_RSA_PKCS over a digest
//	aes-256                 CKM_AES_KEY_GEN, CKM_AES_GCM with a 128-bit tag
//
// A key is generated in the token by the token's own generator, with
// CKA_SENSITIVE set and CKA_EXTRACTABLE not, and the token is asked afterwards
// whether it did so: if not, the key is destroyed and refused. No other kind of
// key can be in a token: the tokens that one can buy hold no HPKE key, and none
// of the kinds above is ever handed out.
//
// What Seal returns is IV ‖ ciphertext ‖ tag (SP 800-38D): 12, n and 16 bytes.
// The IV comes from the system's generator, or from the token where that insists.
//
// # The helper
//
//	sealift                                     sealift-pkcs11 --module FILE
//	-------                                     ----------------------------
//	socketpair, start ────────────────────────► descriptor 3; peer is of the same user
//	                                            dlopen, C_Initialize
//	◄────────────────────────────────────────── greeting {"protocol":1,…}
//	request {"id":7,"op":"sign",…} ───────────►
//	◄────────────────────────────────────────── reply {"id":7,…} or {"id":7,"code":"login",…}
//
// A frame is its length as a big-endian uint32 and that many bytes of JSON, at
// most sealift.MaxTokenMessage. Replies come in any order. Each side refuses
// frames that are longer or do not parse, by ending the connection; the helper
// ends when its connection does, so that none is left behind.
//
// The helper holds sessions and handles and no PIN: where it has to log in, it
// says "login", and is given the PIN over the socket. Nothing secret is in its
// arguments or its environment.
//
// # When something is wrong
//
// The helper is started when it is first needed. A helper that has died is
// started again by the next request, at once after the first death and then after
// a pause that doubles from RestartDelay to MaxRestartDelay; what was under way
// in it fails with KindNetwork. So does a request that is not answered within
// sealift.TokenTimeout, which ends the helper: a call into a module cannot be taken
// back. A token that is not there fails requests with KindNetwork, reason
// ReasonAbsent, and gets a new helper, so that it is found when it is back.
//
// A wrong PIN is tried once. Tokens lock themselves after a few wrong ones, so
// the same PIN is not sent to that token again by this process, and none is sent
// to a token that says that the next wrong one will lock it.
package pkcs11
