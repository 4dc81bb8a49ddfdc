//go:build cgo

package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"slices"

	p11 "github.com/miekg/pkcs11"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/pkcs11"
)

// object is a private or secret key in a token.
type object struct {
	handle    p11.ObjectHandle
	class     uint
	label     string
	id        []byte
	algorithm pkcs11.Algorithm
}

// PKCS #11 version 3.0 names that miekg/pkcs11 does not have.
const (
	ckkECEdwards            = 0x40
	ckmECEdwardsKeyPairGen  = 0x1055
	ckmEdDSA                = 0x1057
	maxObjects              = sealift.MaxTokenKeys
	curveNameOfEd25519      = "edwards25519"
	objectsInOneCallOfFound = 100
)

// The EC parameters of each curve: an OID (RFC 5480, RFC 8410), or the name that
// PKCS #11 version 3.0 section 6.3.5 gives the Edwards curve.
var (
	oidP256    = asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}
	oidP384    = asn1.ObjectIdentifier{1, 3, 132, 0, 34}
	oidEd25519 = asn1.ObjectIdentifier{1, 3, 101, 112}
)

// key returns the one key that a URI names, from what was found before if
// possible.
func (s *slot) key(session p11.SessionHandle, uri pkcs11.URI) (object, error) {
	name := uri.String()
	s.mu.Lock()
	o, ok := s.found[name]
	s.mu.Unlock()
	if ok {
		return o, nil
	}
	all, err := s.objects(session, uri)
	switch {
	case err != nil:
		return object{}, err
	case len(all) == 0:
		return object{}, refusal{pkcs11.CodeNoKey, errors.New("the token has no such key")}
	case len(all) > 1:
		return object{}, refusal{pkcs11.CodeAmbiguous, fmt.Errorf("%d keys in the token fit", len(all))}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.found[name] = all[0]
	return all[0], nil
}

// withKey runs fn with a key; a handle that the token does not know any more is
// looked up anew, once.
func (s *slot) withKey(uri pkcs11.URI, fn func(session p11.SessionHandle, o object) error) error {
	if !uri.NamesKey() {
		return refusal{pkcs11.CodeInvalid, errors.New("the URI names no key: it has neither object nor id")}
	}
	attempt := func() error {
		return s.with(func(session p11.SessionHandle) error {
			o, err := s.key(session, uri)
			if err != nil {
				return err
			}
			return fn(session, o)
		})
	}
	err := attempt()
	if isCKR(err, p11.CKR_KEY_HANDLE_INVALID, p11.CKR_OBJECT_HANDLE_INVALID) {
		s.drop(uri)
		err = attempt()
	}
	return err
}

func (s *slot) drop(uri pkcs11.URI) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.found, uri.String())
}

// objects finds the private and secret keys that a URI matches.
func (s *slot) objects(session p11.SessionHandle, uri pkcs11.URI) ([]object, error) {
	var all []object
	for _, class := range classesOf(uri) {
		handles, err := s.search(session, class, uri)
		if err != nil {
			return nil, err
		}
		for _, handle := range handles {
			o, err := s.describe(session, class, handle)
			if err != nil {
				return nil, err
			}
			all = append(all, o)
		}
	}
	return all, nil
}

func classesOf(uri pkcs11.URI) []uint {
	switch uri.Type {
	case "private":
		return []uint{p11.CKO_PRIVATE_KEY}
	case "secret-key":
		return []uint{p11.CKO_SECRET_KEY}
	case "public":
		return nil // of no use without the private half
	}
	return []uint{p11.CKO_PRIVATE_KEY, p11.CKO_SECRET_KEY}
}

func (s *slot) search(session p11.SessionHandle, class uint, uri pkcs11.URI) (found []p11.ObjectHandle, err error) {
	template := []*p11.Attribute{p11.NewAttribute(p11.CKA_CLASS, class), p11.NewAttribute(p11.CKA_TOKEN, true)}
	if uri.Object != "" {
		template = append(template, p11.NewAttribute(p11.CKA_LABEL, uri.Object))
	}
	if len(uri.ID) > 0 {
		template = append(template, p11.NewAttribute(p11.CKA_ID, uri.ID))
	}
	if err := s.ctx.FindObjectsInit(session, template); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.ctx.FindObjectsFinal(session)) }()
	for len(found) <= maxObjects {
		some, _, err := s.ctx.FindObjects(session, objectsInOneCallOfFound)
		if err != nil || len(some) == 0 {
			return found, err
		}
		found = append(found, some...)
	}
	return nil, refusal{pkcs11.CodeFull, fmt.Errorf("more than %d keys fit", maxObjects)}
}

func (s *slot) describe(session p11.SessionHandle, class uint, handle p11.ObjectHandle) (object, error) {
	values, err := s.ctx.GetAttributeValue(session, handle, []*p11.Attribute{
		p11.NewAttribute(p11.CKA_LABEL, nil), p11.NewAttribute(p11.CKA_ID, nil), p11.NewAttribute(p11.CKA_KEY_TYPE, nil),
	})
	if err != nil {
		return object{}, err
	}
	o := object{handle: handle, class: class, label: clean(string(values[0].Value)), id: values[1].Value}
	o.algorithm, err = s.algorithm(session, handle, number(values[2].Value))
	return o, err
}

// algorithm names the kind of a key; "" for one that Sealift does not use.
func (s *slot) algorithm(session p11.SessionHandle, handle p11.ObjectHandle, keyType uint64) (pkcs11.Algorithm, error) {
	one := func(attribute uint) ([]byte, error) {
		values, err := s.ctx.GetAttributeValue(session, handle, []*p11.Attribute{p11.NewAttribute(attribute, nil)})
		if isCKR(err, p11.CKR_ATTRIBUTE_TYPE_INVALID, p11.CKR_ATTRIBUTE_SENSITIVE) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		return values[0].Value, nil
	}
	switch keyType {
	case p11.CKK_RSA:
		modulus, err := one(p11.CKA_MODULUS)
		if new(big.Int).SetBytes(modulus).BitLen() != 4096 {
			return "", err
		}
		return pkcs11.RSA4096, err
	case p11.CKK_EC, ckkECEdwards:
		params, err := one(p11.CKA_EC_PARAMS)
		return curveOf(params), err
	case p11.CKK_AES:
		length, err := one(p11.CKA_VALUE_LEN)
		if number(length) != 32 {
			return "", err
		}
		return pkcs11.AES256, err
	}
	return "", nil
}

func curveOf(params []byte) pkcs11.Algorithm {
	var oid asn1.ObjectIdentifier
	var name string
	if rest, err := asn1.Unmarshal(params, &name); err == nil && len(rest) == 0 && name == curveNameOfEd25519 {
		return pkcs11.Ed25519
	}
	if rest, err := asn1.Unmarshal(params, &oid); err != nil || len(rest) > 0 {
		return ""
	}
	switch {
	case oid.Equal(oidP256):
		return pkcs11.ECDSAP256
	case oid.Equal(oidP384):
		return pkcs11.ECDSAP384
	case oid.Equal(oidEd25519):
		return pkcs11.Ed25519
	}
	return ""
}

// number reads a CK_ULONG, which is in the machine's byte order.
func number(value []byte) uint64 {
	switch len(value) {
	case 4:
		return uint64(binary.NativeEndian.Uint32(value))
	case 8:
		return binary.NativeEndian.Uint64(value)
	}
	return 0
}

// keys lists what a URI matches, by label and id.
func (s *slot) keys(uri pkcs11.URI) (all []pkcs11.Key, err error) {
	err = s.with(func(session p11.SessionHandle) error {
		objects, err := s.objects(session, uri)
		for _, o := range objects {
			if err != nil {
				break
			}
			var key pkcs11.Key
			key, err = s.tell(session, o)
			all = append(all, key)
		}
		return err
	})
	slices.SortStableFunc(all, func(a, b pkcs11.Key) int { return bytes.Compare([]byte(a.URI), []byte(b.URI)) })
	return all, err
}

// tell returns all that a token says of a key.
func (s *slot) tell(session p11.SessionHandle, o object) (pkcs11.Key, error) {
	uri := pkcs11.URI{Token: s.info.Token, Object: o.label, ID: o.id, Type: "private"}
	if o.class == p11.CKO_SECRET_KEY {
		uri.Type = "secret-key"
	}
	key := pkcs11.Key{URI: uri.String(), Algorithm: o.algorithm}
	for attribute, into := range map[uint]*bool{
		p11.CKA_LOCAL: &key.Local, p11.CKA_SENSITIVE: &key.Sensitive, p11.CKA_ALWAYS_SENSITIVE: &key.AlwaysSensitive,
		p11.CKA_EXTRACTABLE: &key.Extractable, p11.CKA_NEVER_EXTRACTABLE: &key.NeverExtractable,
	} {
		values, err := s.ctx.GetAttributeValue(session, o.handle, []*p11.Attribute{p11.NewAttribute(attribute, nil)})
		if err != nil {
			return key, err
		}
		*into = len(values[0].Value) == 1 && values[0].Value[0] != 0
	}
	if o.class == p11.CKO_PRIVATE_KEY && o.algorithm != "" {
		public, err := s.public(session, o)
		if err != nil {
			return key, err
		}
		if key.Public, err = x509.MarshalPKIXPublicKey(public); err != nil {
			return key, err
		}
	}
	return key, nil
}

// public reads the public half of a key from the object of the same id and
// label that holds it.
func (s *slot) public(session p11.SessionHandle, o object) (any, error) {
	handles, err := s.search(session, p11.CKO_PUBLIC_KEY, pkcs11.URI{Object: o.label, ID: o.id})
	if err != nil {
		return nil, err
	}
	if len(handles) != 1 {
		return nil, refusal{pkcs11.CodeUnsupported, fmt.Errorf("%d public keys have the id and label of the private one", len(handles))}
	}
	wanted := []uint{p11.CKA_EC_POINT}
	if o.algorithm == pkcs11.RSA4096 {
		wanted = []uint{p11.CKA_MODULUS, p11.CKA_PUBLIC_EXPONENT}
	}
	var template []*p11.Attribute
	for _, attribute := range wanted {
		template = append(template, p11.NewAttribute(attribute, nil))
	}
	values, err := s.ctx.GetAttributeValue(session, handles[0], template)
	if err != nil {
		return nil, err
	}
	if o.algorithm == pkcs11.RSA4096 {
		return &rsa.PublicKey{N: new(big.Int).SetBytes(values[0].Value), E: int(new(big.Int).SetBytes(values[1].Value).Int64())}, nil
	}
	return pointOf(o.algorithm, values[0].Value)
}

// pointOf reads CKA_EC_POINT: a point in a DER octet string, though some
// modules leave the latter out.
func pointOf(a pkcs11.Algorithm, value []byte) (any, error) {
	point := value
	var inner []byte
	if rest, err := asn1.Unmarshal(value, &inner); err == nil && len(rest) == 0 {
		point = inner
	}
	switch a {
	case pkcs11.ECDSAP256:
		return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	case pkcs11.ECDSAP384:
		return ecdsa.ParseUncompressedPublicKey(elliptic.P384(), point)
	case pkcs11.Ed25519:
		if len(point) == ed25519.PublicKeySize {
			return ed25519.PublicKey(point), nil
		}
	}
	return nil, fmt.Errorf("a point of %d bytes for a key of %s", len(point), a)
}
