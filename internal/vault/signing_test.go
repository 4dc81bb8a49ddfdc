package vault

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"testing"

	"github.com/sealift/sealift"
)

func TestEveryPurposeWithEveryAlgorithm(t *testing.T) {
	w := newWorld(t)
	rsaKey, err := Generate(t.Context(), RSA4096)
	if err != nil {
		t.Fatal(err)
	}
	rsaUsed := false
	for _, p := range Purposes() {
		for _, a := range p.Algorithms() {
			if a == RSA4096 && rsaUsed {
				continue // one is enough of those
			}
			t.Run(fmt.Sprintf("%s/%s", p, a), func(t *testing.T) {
				req := CreateRequest{Purpose: p, Algorithm: a, Owner: "ops"}
				if a == RSA4096 {
					req.Material, rsaUsed = rsaKey, true
				}
				w.update(func(ctx context.Context, tx *Tx) error {
					info, err := w.vault.Create(ctx, tx, req, alice, start)
					if err != nil {
						return err
					}
					return w.vault.Use(ctx, tx, use(info), func(key Key) error {
						if key.Ref() != info.Ref || key.Purpose() != p || key.Algorithm() != a {
							t.Errorf("handle of %v %v %v", key.Ref(), key.Purpose(), key.Algorithm())
						}
						exercise(t, info, key)
						return nil
					})
				})
			})
		}
	}
}

func exercise(t *testing.T, info KeyInfo, key Key) {
	t.Helper()
	switch k := key.(type) {
	case SigningKey:
		public, err := info.PublicKey()
		if err != nil || !public.(interface{ Equal(crypto.PublicKey) bool }).Equal(k.Public()) {
			t.Errorf("public key: %v", err)
		}
		exerciseSigner(t, k)
	case HolderKey:
		private, err := k.PrivateKey()
		if err != nil || !bytes.Equal(private.Public().Bytes, info.Public) {
			t.Errorf("private key: %v", err)
		}
	case MACKey:
		mac, err := k.MAC([]byte("message"))
		if err != nil || len(mac) != 32 {
			t.Fatalf("MAC of %d bytes, %v", len(mac), err)
		}
		if ok, err := k.Verify([]byte("message"), mac); err != nil || !ok {
			t.Errorf("its own MAC: %v, %v", ok, err)
		}
		if ok, err := k.Verify([]byte("massage"), mac); err != nil || ok {
			t.Errorf("MAC of another message: %v, %v", ok, err)
		}
	case EncodingKey:
		exerciseEncoder(t, k, info)
	case WrappingKey:
		wrapped, err := k.Wrap([]byte("plain"), []byte("here"))
		if err != nil {
			t.Fatal(err)
		}
		if plain, err := k.Unwrap(wrapped, []byte("here")); err != nil || string(plain) != "plain" {
			t.Errorf("unwrapped %q, %v", plain, err)
		}
		if _, err := k.Unwrap(wrapped, []byte("there")); err == nil {
			t.Error("unwrapped elsewhere")
		}
		if _, err := k.Wrap(make([]byte, sealift.MaxSecret+1), nil); err == nil {
			t.Error("wrapped too much")
		}
	default:
		t.Errorf("a handle of type %T", key)
	}
}

func exerciseSigner(t *testing.T, k SigningKey) {
	t.Helper()
	message := []byte("message")
	d256, d384 := sha256.Sum256(message), sha512.Sum384(message)
	switch public := k.Public().(type) {
	case ed25519.PublicKey:
		signature, err := k.Sign(nil, message, crypto.Hash(0))
		if err != nil || !ed25519.Verify(public, message, signature) {
			t.Errorf("Ed25519: %v", err)
		}
		refuseSigning(t, k, message, crypto.SHA512)
		refuseSigning(t, k, message, &ed25519.Options{Context: "c"})
	case *ecdsa.PublicKey:
		signature, err := k.Sign(rand.Reader, d384[:], crypto.SHA384)
		if err != nil || !ecdsa.VerifyASN1(public, d384[:], signature) {
			t.Errorf("ECDSA: %v", err)
		}
		refuseSigning(t, k, d256[:31], crypto.SHA256)
		refuseSigning(t, k, message, crypto.Hash(0))
	case *rsa.PublicKey:
		signature, err := k.Sign(nil, d256[:], crypto.SHA256)
		if err != nil || rsa.VerifyPKCS1v15(public, crypto.SHA256, d256[:], signature) != nil {
			t.Errorf("PKCS #1 v1.5: %v", err)
		}
		pss := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}
		signature, err = k.Sign(nil, d256[:], pss)
		if err != nil || rsa.VerifyPSS(public, crypto.SHA256, d256[:], signature, pss) != nil {
			t.Errorf("PSS: %v", err)
		}
		refuseSigning(t, k, d256[:], &rsa.PSSOptions{SaltLength: 8, Hash: crypto.SHA256})
	}
	refuseSigning(t, k, make([]byte, 20), crypto.SHA1)
	refuseSigning(t, k, d256[:], nil)
}

func refuseSigning(t *testing.T, k SigningKey, digest []byte, opts crypto.SignerOpts) {
	t.Helper()
	if _, err := k.Sign(nil, digest, opts); sealift.KindOf(err) != sealift.KindInvalid {
		t.Errorf("%T signs %d bytes with %v: %v", k.Public(), len(digest), opts, err)
	}
}

func TestEachSignatureIsRecorded(t *testing.T) {
	w := newWorld(t)
	info := w.create(PurposeDirector, "director")
	messages := []string{"one", "two", "one", "two"}
	u := use(info)
	u.Why.Subject = "sha256:" + sealift.DigestOf([]byte("two")).String()
	before := w.logSize()
	w.update(func(ctx context.Context, tx *Tx) error {
		return w.vault.Use(ctx, tx, u, func(key Key) error {
			for _, m := range messages {
				if _, err := key.(SigningKey).Sign(nil, []byte(m), crypto.Hash(0)); err != nil {
					return err
				}
			}
			return nil
		})
	})
	// The entry of the Use stands for the first signature of "two".
	got := w.wantEntries(before, "key.use ok", "key.use ok", "key.use ok", "key.use ok")
	for i, m := range []string{"two", "one", "one", "two"} {
		if want := "sha256:" + sealift.DigestOf([]byte(m)).String(); got[i].Subject != want {
			t.Errorf("entry %d is of %s, want %s", i, got[i].Subject, want)
		}
	}
}

func TestSignerCertifies(t *testing.T) {
	w := newWorld(t)
	ca := w.create(PurposeReleaseCA, "release-ca")
	var der []byte
	before := w.logSize()
	w.update(func(ctx context.Context, tx *Tx) error {
		signer, err := w.vault.Signer(ctx, tx, use(ca))
		if err != nil {
			return err
		}
		template := &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "release CA"}, NotBefore: start, NotAfter: start.Add(year),
			IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		}
		if der, err = x509.CreateCertificate(rand.Reader, template, template, signer.Public(), signer); err != nil {
			return err
		}
		info, err := w.vault.SetCertificate(ctx, tx, ca.Ref, der, alice, start)
		if err == nil && !bytes.Equal(info.Certificate, der) {
			t.Error("the certificate is not in what comes back")
		}
		return err
	})
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	if err := certificate.CheckSignatureFrom(certificate); err != nil {
		t.Error(err)
	}
	got := w.wantEntries(before, "key.use ok", "key.certificate ok")
	if want := fmt.Sprintf("sha384:%x", sha512.Sum384(certificate.RawTBSCertificate)); got[0].Subject != want {
		t.Errorf("subject %s, want %s", got[0].Subject, want)
	}
	if want := "sha256:" + sealift.DigestOf(der).String(); got[1].Subject != want {
		t.Errorf("subject %s, want %s", got[1].Subject, want)
	}
	w.update(func(ctx context.Context, tx *Tx) error {
		info, err := w.vault.Lookup(ctx, tx, Ref{ID: "release-ca"})
		if !bytes.Equal(info.Certificate, der) {
			t.Error("the certificate was not kept")
		}
		return err
	})
	// It is not that of another key.
	other := w.create(PurposeReleaseCA, "other-ca")
	for _, bad := range [][]byte{der, nil, []byte("garbage"), make([]byte, sealift.MaxCertificate+1)} {
		err := w.try(func(ctx context.Context, tx *Tx) error {
			_, err := w.vault.SetCertificate(ctx, tx, other.Ref, bad, alice, start)
			return err
		})
		wantError(t, err, sealift.KindInvalid, "")
	}
	w.enter(ca.Ref, Compromised)
	err = w.try(func(ctx context.Context, tx *Tx) error {
		_, err := w.vault.SetCertificate(ctx, tx, ca.Ref, der, alice, start)
		return err
	})
	wantError(t, err, sealift.KindDenied, ReasonState)
}

func TestSignerRefusesWhatItDoesNotSign(t *testing.T) {
	w := newWorld(t)
	epoch, director := w.create(PurposeEpoch, "epoch"), w.create(PurposeDirector, "director")
	err := w.try(func(ctx context.Context, tx *Tx) error { _, err := w.vault.Signer(ctx, tx, use(epoch)); return err })
	wantError(t, err, sealift.KindInvalid, "")
	w.update(func(ctx context.Context, tx *Tx) error {
		signer, err := w.vault.Signer(ctx, tx, use(director))
		if err != nil {
			return err
		}
		if _, err := signer.Sign(nil, []byte("x"), crypto.SHA512); err == nil {
			t.Error("a pre-hash was signed")
		}
		return nil
	})
}
