//go:build cgo

package main

import (
	"crypto/rand"
	"errors"
	"fmt"

	p11 "github.com/miekg/pkcs11"

	"github.com/sealift/sealift/internal/pkcs11"
)

// hashes are what PKCS #11 calls a hash and the mask generation with it.
var hashes = map[string]struct{ hash, mgf uint }{
	"sha256": {p11.CKM_SHA256, p11.CKG_MGF1_SHA256},
	"sha384": {p11.CKM_SHA384, p11.CKG_MGF1_SHA384},
	"sha512": {p11.CKM_SHA512, p11.CKG_MGF1_SHA512},
}

// sign returns the signature in the mechanism's own form.
func (s *slot) sign(uri pkcs11.URI, r pkcs11.Request) (signature []byte, err error) {
	how, algorithms, err := mechanismOf(r)
	if err != nil {
		return nil, err
	}
	err = s.withKey(uri, func(session p11.SessionHandle, o object) error {
		if err := serves(o, algorithms...); err != nil {
			return err
		}
		if err := s.ctx.SignInit(session, how, o.handle); err != nil {
			return err
		}
		signature, err = s.ctx.Sign(session, r.Data)
		return err
	})
	return signature, err
}

func mechanismOf(r pkcs11.Request) ([]*p11.Mechanism, []pkcs11.Algorithm, error) {
	if len(r.Data) == 0 {
		return nil, nil, refusal{pkcs11.CodeInvalid, errors.New("there is nothing to sign")}
	}
	switch r.Mechanism {
	case pkcs11.MechanismECDSA:
		return mechanism(p11.CKM_ECDSA, nil), []pkcs11.Algorithm{pkcs11.ECDSAP256, pkcs11.ECDSAP384}, nil
	case pkcs11.MechanismEdDSA:
		return mechanism(ckmEdDSA, nil), []pkcs11.Algorithm{pkcs11.Ed25519}, nil
	case pkcs11.MechanismPKCS1:
		return mechanism(p11.CKM_RSA_PKCS, nil), []pkcs11.Algorithm{pkcs11.RSA4096}, nil
	case pkcs11.MechanismPSS:
		h, ok := hashes[r.Hash]
		if !ok || r.Salt < 0 || r.Salt > 64 {
			return nil, nil, refusal{pkcs11.CodeInvalid, fmt.Errorf("PSS with hash %.40q and a salt of %d bytes", r.Hash, r.Salt)}
		}
		return mechanism(p11.CKM_RSA_PKCS_PSS, p11.NewPSSParams(h.hash, h.mgf, uint(r.Salt))), []pkcs11.Algorithm{pkcs11.RSA4096}, nil
	}
	return nil, nil, refusal{pkcs11.CodeInvalid, fmt.Errorf("there is no mechanism %.40q", r.Mechanism)}
}

// serves refuses a key that is of another kind than what is to be done with it.
func serves(o object, algorithms ...pkcs11.Algorithm) error {
	for _, a := range algorithms {
		if o.algorithm == a {
			return nil
		}
	}
	return refusal{pkcs11.CodeUnsupported, fmt.Errorf("the key is of the kind %q, not %v", o.algorithm, algorithms)}
}

// The sizes of AES-GCM here, in bytes.
const (
	ivSize  = 12
	tagSize = 16
)

// seal returns IV ‖ ciphertext ‖ tag.
func (s *slot) seal(uri pkcs11.URI, plaintext, associated []byte) (sealed []byte, err error) {
	err = s.withKey(uri, func(session p11.SessionHandle, o object) error {
		if err := serves(o, pkcs11.AES256); err != nil {
			return err
		}
		iv := make([]byte, ivSize)
		rand.Read(iv) // never fails (crypto/rand)
		params := p11.NewGCMParams(iv, associated, 8*tagSize)
		defer params.Free()
		if err := s.ctx.EncryptInit(session, mechanism(p11.CKM_AES_GCM, params), o.handle); err != nil {
			return err
		}
		ciphertext, err := s.ctx.Encrypt(session, plaintext)
		if err != nil {
			return err
		}
		// Some tokens insist on an IV of their own, and say here which.
		if used := params.IV(); len(used) == ivSize {
			iv = used
		}
		sealed = append(iv, ciphertext...)
		return nil
	})
	return sealed, err
}

// open is the inverse of seal.
func (s *slot) open(uri pkcs11.URI, sealed, associated []byte) (plaintext []byte, err error) {
	if len(sealed) < ivSize+tagSize {
		return nil, refusal{pkcs11.CodeOpen, fmt.Errorf("%d bytes are too few", len(sealed))}
	}
	err = s.withKey(uri, func(session p11.SessionHandle, o object) error {
		if err := serves(o, pkcs11.AES256); err != nil {
			return err
		}
		params := p11.NewGCMParams(sealed[:ivSize], associated, 8*tagSize)
		defer params.Free()
		if err := s.ctx.DecryptInit(session, mechanism(p11.CKM_AES_GCM, params), o.handle); err != nil {
			return err
		}
		plaintext, err = s.ctx.Decrypt(session, sealed[ivSize:])
		// Modules differ in how they say that a tag is wrong.
		if isCKR(err, p11.CKR_GENERAL_ERROR, p11.CKR_FUNCTION_FAILED, p11.CKR_DATA_INVALID) {
			return refusal{pkcs11.CodeOpen, err}
		}
		return err
	})
	return plaintext, err
}
