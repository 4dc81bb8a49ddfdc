package vault

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift"
)

func rsaKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func pemOf(t *testing.T, kind string, der []byte, err error) []byte {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func TestReadMaterial(t *testing.T) {
	key := rsaKey(t)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	text := pemOf(t, "PRIVATE KEY", pkcs8, err)
	for name, good := range map[string][]byte{
		"PKCS #8": text, "PKCS #1": pemOf(t, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key), nil), "line ends": append(bytes.Clone(text), "\r\n"...),
	} {
		m, err := ReadMaterial(good)
		if err != nil || m.Algorithm() != RSA2048 || !m.imported {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if signer, err := parseSigner(RSA2048, m.private(), m.public); err != nil || !key.PublicKey.Equal(signer.Public()) {
			t.Errorf("%s: another key, %v", name, err)
		}
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ecDER, err := x509.MarshalPKCS8PrivateKey(ec)
	bent := bytes.Clone(pkcs8)
	bent[len(bent)-20] ^= 1
	small, smallErr := rsa.GenerateKey(rand.Reader, 3072)
	if smallErr != nil {
		t.Fatal(smallErr)
	}
	for name, bad := range map[string][]byte{
		"nothing": {}, "no PEM": pkcs8, "two": append(bytes.Clone(text), text...), "text after": append(bytes.Clone(text), 'x'),
		"EC": pemOf(t, "PRIVATE KEY", ecDER, err), "public": pemOf(t, "PUBLIC KEY", pkcs8, nil), "bent": pemOf(t, "PRIVATE KEY", bent, nil),
		"3072 bits": pemOf(t, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(small), nil), "cut": text[:len(text)/2],
		"encrypted": pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED"}, Bytes: []byte{1}}),
		"too long":  append(bytes.Clone(text), bytes.Repeat([]byte{'\n'}, sealift.MaxImport)...),
	} {
		if _, err := ReadMaterial(bad); sealift.KindOf(err) != sealift.KindInvalid || sealift.HintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestImportOnlyWherePermitted: of all purposes, one.
func TestImportOnlyWherePermitted(t *testing.T) {
	w := newWorld(t)
	text := pemOf(t, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey(t)), nil)
	for _, p := range Purposes() {
		m, err := ReadMaterial(text)
		if err != nil {
			t.Fatal(err)
		}
		var info KeyInfo
		err = w.try(func(ctx context.Context, tx *Tx) (err error) {
			a := RSA2048
			if !p.Imports() {
				a = p.Algorithms()[0]
			}
			info, err = w.vault.Create(ctx, tx, CreateRequest{ID: string(p), Purpose: p, Algorithm: a, Owner: "ops", Material: m}, alice, start)
			return err
		})
		if p != PurposeCapgoApp {
			wantError(t, err, sealift.KindDenied, ReasonPurpose)
			continue
		}
		if err != nil || !info.Imported || info.Exportable {
			t.Errorf("%s: %+v, %v", p, info, err)
		}
		// What the vault makes in its place was not made elsewhere.
		w.update(func(ctx context.Context, tx *Tx) error {
			next, err := w.vault.Rotate(ctx, tx, info.ID, nil, alice, "a new one", start)
			if err == nil && next.Imported {
				t.Error("a generated version is marked as imported")
			}
			return err
		})
	}
}

// TestExport: never unless created so.
func TestExport(t *testing.T) {
	w := newWorld(t)
	export := func(ref Ref, reason string) (text []byte, err error) {
		err = w.try(func(ctx context.Context, tx *Tx) (err error) {
			text, err = w.vault.Export(ctx, tx, ref, alice, reason, start)
			return err
		})
		return text, err
	}
	for _, p := range Purposes() {
		var info KeyInfo
		err := w.try(func(ctx context.Context, tx *Tx) (err error) {
			info, err = w.vault.Create(ctx, tx, CreateRequest{ID: "out-" + string(p), Purpose: p, Owner: "ops", Exportable: true}, alice, start)
			return err
		})
		if !p.ForServices() {
			wantError(t, err, sealift.KindDenied, ReasonPurpose)
			info = w.create(p, "in-"+string(p))
			_, err = export(info.Ref, "x")
			wantError(t, err, sealift.KindDenied, ReasonExport)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		before := w.logSize()
		text, err := export(info.Ref, "moving")
		if err != nil {
			t.Fatal(err)
		}
		if e := w.wantEntries(before, "key.export ok")[0]; e.Details["reason-given"] != "moving" {
			t.Errorf("%+v", e)
		}
		block, _ := pem.Decode(text)
		if signer, err := parseSigner(info.Algorithm, block.Bytes, info.Public); err != nil || signer == nil {
			t.Errorf("%s: %v", p, err)
		}
		_, err = export(info.Ref, "")
		wantError(t, err, sealift.KindInvalid, "")
		w.enter(info.Ref, Compromised)
		_, err = export(info.Ref, "x")
		wantError(t, err, sealift.KindDenied, ReasonState)
		own := w.create(p, "own-"+string(p))
		before = w.logSize()
		_, err = export(own.Ref, "x")
		wantError(t, err, sealift.KindDenied, ReasonExport)
		w.wantEntries(before, "key.export refused")
	}
}

// TestSignReturnsItsEntry: one entry a signature, whose index is told.
func TestSignReturnsItsEntry(t *testing.T) {
	w := newWorld(t)
	info := w.create(PurposeArtifactSigning, "ci")
	digest := sha256.Sum256([]byte("artifact"))
	before := w.logSize()
	u := Use{Purpose: PurposeArtifactSigning, Key: Ref{ID: "ci"}, Actor: alice, Why: why, Now: start.Add(time.Hour)}
	var entry int64
	var signature []byte
	w.update(func(ctx context.Context, tx *Tx) (err error) {
		signature, info, entry, err = w.vault.Sign(ctx, tx, u, digest[:], crypto.SHA256)
		return err
	})
	e := w.wantEntries(before, "key.use ok")[0]
	if entry != before || !strings.HasPrefix(e.Subject, "sha256:") || info.Version != 1 {
		t.Errorf("entry %d, want %d: %+v", entry, before, e)
	}
	public, err := info.PublicKey()
	if err != nil || !ecdsa.VerifyASN1(public.(*ecdsa.PublicKey), digest[:], signature) {
		t.Errorf("the signature does not verify, %v", err)
	}
}
