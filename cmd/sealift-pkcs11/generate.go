//go:build cgo

package main

import (
	"crypto/rand"
	"encoding/asn1"
	"errors"
	"fmt"

	p11 "github.com/miekg/pkcs11"

	"github.com/sealift/sealift/internal/pkcs11"
)

// generate makes a key in the token, under a random id where the URI names
// none, and refuses where the URI names a key that is there.
func (s *slot) generate(uri pkcs11.URI, a pkcs11.Algorithm) (key pkcs11.Key, err error) {
	if uri.Object == "" {
		return key, refusal{pkcs11.CodeInvalid, errors.New("the URI has no object: a key needs a label")}
	}
	uri.Type = ""
	err = s.with(func(session p11.SessionHandle) error {
		old, err := s.objects(session, uri)
		if err != nil {
			return err
		}
		if len(old) > 0 {
			return refusal{pkcs11.CodeExists, errors.New("the token has a key of that name")}
		}
		if len(uri.ID) == 0 {
			uri.ID = make([]byte, 16)
			rand.Read(uri.ID) // never fails (crypto/rand)
		}
		o := object{label: uri.Object, id: uri.ID, algorithm: a}
		if err := s.make(session, &o); err != nil {
			return err
		}
		if key, err = s.tell(session, o); err == nil && !key.Kept() {
			err = refusal{pkcs11.CodeExposed, fmt.Errorf("made in the token: %t, sensitive: %t, extractable: %t", key.Local, key.Sensitive, key.Extractable)}
		}
		if err != nil {
			return errors.Join(err, s.erase(session, o))
		}
		return nil
	})
	return key, err
}

// make generates the key of o's label, id and algorithm, and sets its handle.
func (s *slot) make(session p11.SessionHandle, o *object) (err error) {
	common := []*p11.Attribute{p11.NewAttribute(p11.CKA_TOKEN, true), p11.NewAttribute(p11.CKA_LABEL, o.label), p11.NewAttribute(p11.CKA_ID, o.id)}
	private := append(common[:len(common):len(common)],
		p11.NewAttribute(p11.CKA_PRIVATE, true), p11.NewAttribute(p11.CKA_SENSITIVE, true), p11.NewAttribute(p11.CKA_EXTRACTABLE, false))
	if o.algorithm == pkcs11.AES256 {
		o.class = p11.CKO_SECRET_KEY
		o.handle, err = s.ctx.GenerateKey(session, mechanism(p11.CKM_AES_KEY_GEN, nil), append(private,
			p11.NewAttribute(p11.CKA_VALUE_LEN, 32), p11.NewAttribute(p11.CKA_ENCRYPT, true), p11.NewAttribute(p11.CKA_DECRYPT, true),
			p11.NewAttribute(p11.CKA_WRAP, false), p11.NewAttribute(p11.CKA_UNWRAP, false)))
		return err
	}
	o.class = p11.CKO_PRIVATE_KEY
	how, public, more, err := pairOf(o.algorithm)
	if err != nil {
		return err
	}
	public = append(public, append(common, p11.NewAttribute(p11.CKA_PRIVATE, false), p11.NewAttribute(p11.CKA_VERIFY, true))...)
	private = append(private, append(more, p11.NewAttribute(p11.CKA_SIGN, true))...)
	_, o.handle, err = s.ctx.GenerateKeyPair(session, how, public, private)
	return err
}

// pairOf returns how a key pair is generated: what is particular to the public
// half, and what the private one shall not do.
func pairOf(a pkcs11.Algorithm) (how []*p11.Mechanism, public, private []*p11.Attribute, err error) {
	if a == pkcs11.RSA4096 {
		return mechanism(p11.CKM_RSA_PKCS_KEY_PAIR_GEN, nil),
			[]*p11.Attribute{p11.NewAttribute(p11.CKA_MODULUS_BITS, 4096), p11.NewAttribute(p11.CKA_PUBLIC_EXPONENT, []byte{1, 0, 1})},
			[]*p11.Attribute{p11.NewAttribute(p11.CKA_DECRYPT, false), p11.NewAttribute(p11.CKA_UNWRAP, false)}, nil
	}
	var params []byte
	how = mechanism(p11.CKM_EC_KEY_PAIR_GEN, nil)
	switch a {
	case pkcs11.ECDSAP256:
		params, err = asn1.Marshal(oidP256)
	case pkcs11.ECDSAP384:
		params, err = asn1.Marshal(oidP384)
	case pkcs11.Ed25519:
		how = mechanism(ckmECEdwardsKeyPairGen, nil)
		params, err = asn1.MarshalWithParams(curveNameOfEd25519, "printable")
	default:
		err = refusal{pkcs11.CodeInvalid, fmt.Errorf("%.40q is no kind of key that tokens hold", a)}
	}
	return how, []*p11.Attribute{p11.NewAttribute(p11.CKA_EC_PARAMS, params)}, []*p11.Attribute{p11.NewAttribute(p11.CKA_DERIVE, false)}, err
}

func mechanism(m uint, parameter any) []*p11.Mechanism {
	return []*p11.Mechanism{p11.NewMechanism(m, parameter)}
}

// destroy destroys a key, both halves.
func (s *slot) destroy(uri pkcs11.URI) error {
	defer s.drop(uri)
	return s.withKey(uri, func(session p11.SessionHandle, o object) error { return s.erase(session, o) })
}

// erase destroys the private half first: what is left if it stops there is no
// secret.
func (s *slot) erase(session p11.SessionHandle, o object) error {
	if err := s.ctx.DestroyObject(session, o.handle); err != nil || o.class == p11.CKO_SECRET_KEY {
		return err
	}
	halves, err := s.search(session, p11.CKO_PUBLIC_KEY, pkcs11.URI{Object: o.label, ID: o.id})
	for _, half := range halves {
		err = errors.Join(err, s.ctx.DestroyObject(session, half))
	}
	return err
}
