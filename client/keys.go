package client

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/bundle"
)

// The files of a device's secrets, all 0600.
const (
	identityFile = "identity.pem" // P-256, PKCS #8 (RFC 5958) in PEM
	hpkeFile     = "hpke.json"    // bundle.PrivateKey
	epochsDir    = "epochs"       // one bundle.PrivateKey an epoch, named by its public key's SHA-256
)

// maxKeyFile bounds a file with a key, in bytes; they have 250.
const maxKeyFile = 4 << 10

// deviceKeys are what a device is.
type deviceKeys struct {
	identity *ecdsa.PrivateKey
	spki     []byte // the identity's public key, DER SubjectPublicKeyInfo
	id       sealift.DeviceID
	hpke     *bundle.PrivateKey
}

// openKeys reads the keys, and makes those that are missing unless the vault
// knows them already.
func openKeys(files Files, enrolled bool) (*deviceKeys, error) {
	k := &deviceKeys{}
	var err error
	if k.identity, err = openKey(files, identityFile, enrolled, newIdentity, parseIdentity); err != nil {
		return nil, err
	}
	if k.hpke, err = openKey(files, hpkeFile, enrolled, newHPKE, bundle.ParseSecret); err != nil {
		return nil, err
	}
	if k.spki, err = x509.MarshalPKIXPublicKey(k.identity.Public()); err != nil {
		return nil, sealift.Errorf(sealift.KindInternal, "reading the device's identity", "%w", err)
	}
	k.id = sealift.DeviceIDOf(k.spki)
	return k, nil
}

func openKey[K any](files Files, name string, enrolled bool, generate func() ([]byte, error), parse func([]byte) (K, error)) (K, error) {
	var none K
	op := "reading " + name
	data, err := readSecret(files, name)
	if errors.Is(err, fs.ErrNotExist) && !enrolled {
		if data, err = generate(); err != nil {
			return none, sealift.Errorf(sealift.KindInternal, "making "+name, "%w", err)
		}
		err = files.WriteFile(name, data, 0o600)
	}
	if err != nil {
		return none, diskError(op, err)
	}
	key, err := parse(data)
	if err != nil {
		return none, sealift.Errorf(sealift.KindInternal, op, "it is damaged").WithReason("damaged").
			WithHint("begin with an empty folder and enrol anew")
	}
	return key, nil
}

// readSecret reads a file that nobody else may read.
func readSecret(files Files, name string) ([]byte, error) {
	file, err := files.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, sealift.Errorf(sealift.KindDenied, "reading "+name, "others may read it: its mode is %#o", mode).
			WithReason("permission").WithHint("chmod 600 it if nobody has read it; otherwise begin with an empty folder and enrol anew")
	}
	return io.ReadAll(io.LimitReader(file, maxKeyFile))
}

func newIdentity() ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
}

func parseIdentity(data []byte) (*ecdsa.PrivateKey, error) {
	block, rest := pem.Decode(data)
	if block == nil || block.Type != "PRIVATE KEY" || len(rest) > 0 {
		return nil, errors.New("no private key in PEM")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, errors.New("not a P-256 key")
	}
	return key, nil
}

func newHPKE() ([]byte, error) {
	key, err := bundle.GenerateKey(bundle.DefaultSuite)
	if err != nil {
		return nil, err
	}
	return key.MarshalSecret()
}

// heldEpoch returns an epoch's key if it is on the disk and whole.
func heldEpoch(files Files, public sealift.Digest) *bundle.PrivateKey {
	data, err := readSecret(files, path.Join(epochsDir, public.String()))
	if err != nil {
		return nil
	}
	key, err := bundle.ParseSecret(data)
	if err != nil || key.Public().Digest() != public {
		return nil
	}
	return key
}

// heldEpochs names the epochs whose keys are on the disk.
func heldEpochs(files Files) (held []sealift.Digest) {
	names, _ := files.Names(epochsDir) // what cannot be read is not held
	for _, name := range names {
		if digest, err := sealift.ParseDigest(name); err == nil && len(held) < sealift.MaxEpochKeys {
			held = append(held, digest)
		}
	}
	return held
}

func holdEpoch(files Files, key *bundle.PrivateKey) error {
	const op = "storing the epoch's key"
	data, err := key.MarshalSecret()
	if err != nil {
		return sealift.Errorf(sealift.KindInternal, op, "%w", err)
	}
	names, err := files.Names(epochsDir)
	if err == nil && len(names) >= sealift.MaxEpochKeys {
		err = files.RemoveAll(epochsDir)
	}
	if err == nil {
		err = files.MkdirAll(epochsDir)
	}
	if err == nil {
		err = files.WriteFile(path.Join(epochsDir, key.Public().Digest().String()), data, 0o600)
	}
	if err != nil {
		return diskError(op, err)
	}
	return nil
}

// newNonce returns 128 random bits as 32 hex digits.
func newNonce() string {
	var nonce [16]byte
	_, _ = rand.Read(nonce[:]) // crypto/rand.Read never fails: it ends the program instead
	return fmt.Sprintf("%x", nonce)
}
