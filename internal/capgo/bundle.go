package capgo

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/strictjson"
)

// Bundle is what devices are told of one release. Nothing in it is secret: whoever
// has the app's public key reads all of it.
type Bundle struct {
	// Version is the release's, which devices know the bundle by.
	Version sealift.Version `json:"version"`
	// KeyID names the key that encoded the rest; see KeyID.
	KeyID string `json:"keyId"`
	// SessionKey, ChecksumV3 and ChecksumV2 are as devices take them; the checksums
	// are those of the zip.
	SessionKey string `json:"sessionKey"`
	ChecksumV3 string `json:"checksumV3"`
	ChecksumV2 string `json:"checksumV2"`
	// Zip is the encrypted zip.
	Zip Blob `json:"zip"`
	// Manifest has every file of the bundle on its own, by path.
	Manifest []File `json:"manifest"`
}

// Blob is an encrypted file in the published tree.
type Blob struct {
	SHA256 sealift.Digest `json:"sha256"` // of the ciphertext, which names it
	Size   int64          `json:"size"`   // of the ciphertext, in bytes
}

// File is one file of a bundle.
type File struct {
	Name   string `json:"name"` // its Path, with ".br" behind it where it is compressed
	HashV3 string `json:"hashV3"`
	HashV2 string `json:"hashV2"`
	Blob
}

// ParseBundle reads what Encode wrote: strict JSON of at most
// sealift.MaxCapgoDocument bytes in which each text has the form that devices take.
// KindInvalid with reason "malformed" for anything else.
func ParseBundle(data []byte) (Bundle, error) {
	var b Bundle
	err := strictjson.UnmarshalKnown(data, sealift.MaxCapgoDocument, &b)
	if err == nil {
		err = b.check()
	}
	if err != nil {
		return Bundle{}, sealift.Errorf(sealift.KindInvalid, "reading a bundle for Capgo's plugin", "%w", err).WithReason("malformed")
	}
	return b, nil
}

// Encode writes the bundle as JSON, which ParseBundle reads.
func (b Bundle) Encode() ([]byte, error) {
	const doing = "writing a bundle for Capgo's plugin"
	if err := b.check(); err != nil {
		return nil, sealift.Errorf(sealift.KindInternal, doing, "%w", err)
	}
	data, err := json.Marshal(b)
	if err == nil && len(data) > sealift.MaxCapgoDocument {
		return nil, sealift.Errorf(sealift.KindExhausted, doing, "it has %d bytes, at most %d are allowed", len(data), sealift.MaxCapgoDocument).
			WithHint("publish fewer files, or files with shorter names")
	}
	return data, err
}

func (b Bundle) check() error {
	if _, err := sealift.ParseVersion(string(b.Version)); err != nil {
		return err
	}
	if len(b.KeyID) != keyIDLength {
		return fmt.Errorf("the key id %.40q has not %d characters", b.KeyID, keyIDLength)
	}
	if _, _, err := splitSessionKey(b.SessionKey); err != nil {
		return err
	}
	if err := checkHashes(b.ChecksumV3, b.ChecksumV2); err != nil {
		return fmt.Errorf("checksum: %w", err)
	}
	if err := b.Zip.check(); err != nil {
		return fmt.Errorf("zip: %w", err)
	}
	return b.checkManifest()
}

func (b Bundle) checkManifest() error {
	if n := len(b.Manifest); n == 0 || n > sealift.MaxCapgoFiles {
		return fmt.Errorf("%d files; 1 to %d are allowed", n, sealift.MaxCapgoFiles)
	}
	last, index := "", false
	for _, f := range b.Manifest {
		path := Path(f.Name)
		index = index || path == Index
		err := CheckName(f.Name)
		switch {
		case err != nil:
			return err
		case path <= last:
			return fmt.Errorf("%.80q is not in order", f.Name)
		}
		last = path
		if err = checkHashes(f.HashV3, f.HashV2); err == nil {
			err = f.Blob.check()
		}
		if err != nil {
			return fmt.Errorf("%.80q: %w", f.Name, err)
		}
	}
	if !index {
		return errors.New("no " + Index)
	}
	return nil
}

// check demands what encryption makes: whole blocks, one at the least.
func (b Blob) check() error {
	if b.Size < blockSize || b.Size%blockSize != 0 || b.Size > sealift.MaxCapgoZip+blockSize {
		return fmt.Errorf("%d bytes are no encrypted file", b.Size)
	}
	if b.SHA256.IsZero() {
		return errors.New("no SHA-256")
	}
	return nil
}

func checkHashes(v3, v2 string) error {
	if _, err := decodeV3(v3); err != nil {
		return err
	}
	_, err := decodeV2(v2)
	return err
}

func decodeV3(text string) ([]byte, error) {
	block, err := hex.DecodeString(text)
	if err != nil || len(block) != encodedSize || text != strings.ToLower(text) {
		return nil, errors.New("a V3 hash is 512 lower-case hex digits")
	}
	return block, nil
}

func decodeV2(text string) ([]byte, error) {
	block, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(block) != encodedSize || strings.ContainsAny(text, "\r\n") {
		return nil, fmt.Errorf("a V2 hash is the base64 of %d bytes", encodedSize)
	}
	return block, nil
}

func splitSessionKey(text string) (iv [blockSize]byte, block []byte, err error) {
	wrong := fmt.Errorf("a session key is base64 of %d bytes, a colon, and base64 of %d", blockSize, encodedSize)
	first, second, found := strings.Cut(text, ":")
	if !found || strings.ContainsAny(text, "\r\n") {
		return iv, nil, wrong
	}
	vector, err := base64.StdEncoding.Strict().DecodeString(first)
	if err != nil || copy(iv[:], vector) != len(vector) || len(vector) != blockSize {
		return iv, nil, wrong
	}
	if block, err = base64.StdEncoding.Strict().DecodeString(second); err != nil || len(block) != encodedSize {
		return iv, nil, wrong
	}
	return iv, block, nil
}
