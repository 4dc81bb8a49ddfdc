package ceremony

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"filippo.io/age"
	"filippo.io/age/armor"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/trust"
)

// NewKeyFile makes a key of its own, which belongs to no folder: at path, as an
// age file under the passphrase, and its public half (SubjectPublicKeyInfo in PEM)
// at path.pub. Neither may exist. algorithm is trust.Ed25519 or
// trust.ECDSAP256SHA256.
func NewKeyFile(path string, algorithm trust.Algorithm, passphrase []byte) (crypto.PublicKey, error) {
	op := "making the key " + path
	for _, name := range []string{path, path + ".pub"} {
		if err := CheckNew(name); err != nil {
			return nil, err
		}
	}
	key, err := newKey()
	if algorithm == trust.ECDSAP256SHA256 {
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInternal, op, "%w", err)
	}
	sealed, err := sealKey(key, passphrase)
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInvalid, op, "%w", err)
	}
	if err := writeFile(path, sealed, false); err != nil {
		return nil, inputError(op, err)
	}
	return key.Public(), WritePublicKey(path+".pub", key.Public())
}

// CheckNew refuses a name under which there is a file.
func CheckNew(path string) error {
	if _, err := os.Lstat(path); err == nil {
		return sealift.Errorf(sealift.KindConflict, "making a key", "%s exists already", path).WithHint("choose another name; Sealift overwrites no key")
	}
	return nil
}

// WritePublicKey writes what ReadPublicKey reads, to a file that does not exist.
func WritePublicKey(path string, pub crypto.PublicKey) error {
	op := "writing the public key " + path
	spki, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return sealift.Errorf(sealift.KindInternal, op, "%w", err)
	}
	if err := writeFile(path, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki}), false); err != nil {
		return inputError(op, err)
	}
	return nil
}

// OpenKeyFile opens a key that NewKeyFile made; name is what hints call it.
func OpenKeyFile(path, name string, passphrase []byte) (crypto.Signer, error) {
	if _, err := ReadPublicKey(path); err == nil {
		return nil, sealift.Errorf(sealift.KindInvalid, "opening key "+name, "%s is its public half", path).WithHint("name the file without .pub")
	}
	key, err := openKey(path, name, passphrase)
	if errors.Is(err, os.ErrNotExist) {
		return nil, inputError("opening key "+name, err)
	}
	return key, err
}

// newKey makes an Ed25519 key (FIPS 186-5, RFC 8032) from the system's
// generator.
func newKey() (crypto.Signer, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return key, err
}

// sealKey returns key as an armoured age file under passphrase: scrypt with
// age's default work factor, 2^18.
func sealKey(key crypto.Signer, passphrase []byte) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	defer clear(der)
	recipient, err := age.NewScryptRecipient(string(passphrase))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	armored := armor.NewWriter(&out)
	w, err := age.Encrypt(armored, recipient)
	if err != nil {
		return nil, err
	}
	plain := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	defer clear(plain)
	if _, err := w.Write(plain); err != nil {
		return nil, err
	}
	if err := errors.Join(w.Close(), armored.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// maxKeyFile bounds a key file: an RSA-4096 key in PEM, sealed and armoured,
// is 5 KiB.
const maxKeyFile = 64 << 10

// openKey opens the key file at path, whose name for people is name.
func openKey(path, name string, passphrase []byte) (crypto.Signer, error) {
	op := "opening key " + name
	data, err := readBounded(path, maxKeyFile)
	if err != nil {
		return nil, fileError(op, err)
	}
	identity, err := age.NewScryptIdentity(string(passphrase))
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInvalid, op, "%w", err)
	}
	r, err := age.Decrypt(armor.NewReader(bytes.NewReader(data)), identity)
	if err != nil {
		return nil, sealift.Errorf(sealift.KindSealed, op, "the passphrase does not open %s", path).
			WithReason("passphrase").
			WithHint("give the passphrase of this very key with --passphrase-file %s=FILE", name)
	}
	plain, err := io.ReadAll(io.LimitReader(r, maxKeyFile))
	if err != nil {
		return nil, sealift.Errorf(sealift.KindIntegrity, op, "%s: %w", path, err)
	}
	defer clear(plain)
	block, rest := pem.Decode(plain)
	if block == nil || block.Type != "PRIVATE KEY" || len(rest) != 0 {
		return nil, sealift.Errorf(sealift.KindInvalid, op, "%s does not hold a PKCS #8 key in PEM", path)
	}
	defer clear(block.Bytes)
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInvalid, op, "%s: %w", path, err)
	}
	key, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, sealift.Errorf(sealift.KindInvalid, op, "%s holds a %T, which does not sign", path, parsed)
	}
	return key, nil
}

func readBounded(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = sealift.Errorf(sealift.KindInvalid, "", "%s has more than %d bytes", path, most)
	}
	return data, err
}

// writeFile puts content at path whole or not at all, readable by its owner
// alone, and on disk when it returns. With replace unset a file that is there
// already is an error.
func writeFile(path string, content []byte, replace bool) error {
	if !replace {
		if _, err := os.Lstat(path); err == nil {
			return fmt.Errorf("%s: %w", path, os.ErrExist)
		}
	}
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".tmp-") // made with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // no-op once renamed
	_, err = f.Write(content)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// fileError classes what the file system says.
func fileError(op string, err error) error {
	var own *sealift.Error
	switch {
	case errors.As(err, &own):
		return sealift.Errorf(own.Kind, op, "%w", err)
	case errors.Is(err, os.ErrNotExist):
		return sealift.Errorf(sealift.KindNotFound, op, "%w", err).WithHint("name the folder that sealift init made with --keys")
	case errors.Is(err, os.ErrPermission):
		return sealift.Errorf(sealift.KindDenied, op, "%w", err).WithHint("run as the owner of the keys folder")
	case errors.Is(err, os.ErrExist):
		return sealift.Errorf(sealift.KindConflict, op, "%w", err).WithHint("move the old folder away first; Sealift overwrites no key")
	}
	return sealift.Errorf(sealift.KindInternal, op, "%w", err)
}

// inputError is fileError for a file that somebody named.
func inputError(op string, err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return sealift.Errorf(sealift.KindNotFound, op, "%w", err).WithHint("check its name")
	}
	return fileError(op, err)
}

// ReadPublicKey reads a public key (SubjectPublicKeyInfo in PEM, RFC 7468) from a
// file.
func ReadPublicKey(path string) (crypto.PublicKey, error) {
	op := "reading the public key " + path
	data, err := readBounded(path, maxKeyFile)
	if err != nil {
		return nil, inputError(op, err)
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "PUBLIC KEY" {
		return nil, sealift.Errorf(sealift.KindInvalid, op, "it holds no public key in PEM").
			WithHint("name the .pub file that sealift cosign keygen made")
	}
	pub, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInvalid, op, "%w", err)
	}
	return pub, nil
}
