package capgo

import (
	"cmp"
	"crypto/rsa"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/strictjson"
)

// Plan is a bundle before the app's key has encoded anything of it. The Session
// that it is encrypted with is not in it.
type Plan struct {
	Zip   Content   `json:"zip"`   // without a name
	Files []Content `json:"files"` // by path
}

// Content is an encrypted file, and what it is in the clear.
type Content struct {
	Name  string         `json:"name,omitempty"` // as in File
	Plain sealift.Digest `json:"plain"`          // SHA-256 of the zip, or of the file as it is installed
	Blob                 // of the ciphertext
}

// Encoder encodes blocks with an app's private key, each as EMSA-PKCS1-v1_5 with
// no DigestInfo: rsa.SignPKCS1v15 with hash 0. It returns as many results, in order.
type Encoder func(blocks [][]byte) ([][]byte, error)

// ParsePlan reads what Plan.Encode wrote, as ParseBundle does.
func ParsePlan(data []byte) (Plan, error) {
	var p Plan
	err := strictjson.UnmarshalKnown(data, sealift.MaxCapgoDocument, &p)
	if err == nil {
		err = p.check()
	}
	if err != nil {
		return Plan{}, sealift.Errorf(sealift.KindInvalid, "reading a plan for Capgo's plugin", "%w", err).WithReason("malformed")
	}
	return p, nil
}

// Encode writes the plan as JSON: the same bytes for the same plan.
func (p Plan) Encode() ([]byte, error) {
	if err := p.check(); err != nil {
		return nil, sealift.Errorf(sealift.KindInvalid, "writing a plan for Capgo's plugin", "%w", err).WithReason("malformed")
	}
	return json.Marshal(p)
}

func (p Plan) check() error {
	if err := p.Zip.check(); err != nil || p.Zip.Name != "" {
		return cmp.Or(err, errors.New("the zip has a name"))
	}
	if n := len(p.Files); n == 0 || n > sealift.MaxCapgoFiles {
		return fmt.Errorf("%d files; 1 to %d are allowed", n, sealift.MaxCapgoFiles)
	}
	last := ""
	for _, f := range p.Files {
		if err := CheckName(f.Name); err != nil {
			return err
		}
		if Path(f.Name) <= last {
			return fmt.Errorf("%.80q is not in order", f.Name)
		}
		if err := f.Blob.check(); err != nil {
			return fmt.Errorf("%.80q: %w", f.Name, err)
		}
		last = Path(f.Name)
	}
	return nil
}

// Bundle has everything encoded that devices are to trust: the session's key, and the
// hashes of the zip and of each file, once for content that several files have.
func (p Plan) Bundle(version sealift.Version, key *rsa.PublicKey, s Session, encode Encoder) (Bundle, error) {
	if err := p.check(); err != nil {
		return Bundle{}, sealift.Errorf(sealift.KindInvalid, "encoding a bundle for Capgo's plugin", "%w", err).WithReason("malformed")
	}
	if err := CheckKey(key); err != nil {
		return Bundle{}, err
	}
	plains := []sealift.Digest{p.Zip.Plain}
	place := map[sealift.Digest]int{p.Zip.Plain: 0}
	for _, f := range p.Files {
		if _, ok := place[f.Plain]; !ok {
			place[f.Plain] = len(plains)
			plains = append(plains, f.Plain)
		}
	}
	blocks := make([][]byte, 1, 1+2*len(plains))
	blocks[0] = slices.Clone(s.key[:])
	defer clear(blocks[0])
	for _, d := range plains {
		blocks = append(blocks, blockV3(d), blockV2(d))
	}
	encoded, err := encode(blocks)
	if err != nil {
		return Bundle{}, err
	}
	v3 := func(d sealift.Digest) string { return hex.EncodeToString(encoded[1+2*place[d]]) }
	v2 := func(d sealift.Digest) string { return base64.StdEncoding.EncodeToString(encoded[2+2*place[d]]) }
	b := Bundle{
		Version: version, KeyID: KeyID(key), SessionKey: base64.StdEncoding.EncodeToString(s.iv[:]) + ":" + base64.StdEncoding.EncodeToString(encoded[0]),
		ChecksumV3: v3(p.Zip.Plain), ChecksumV2: v2(p.Zip.Plain), Zip: p.Zip.Blob, Manifest: make([]File, len(p.Files)),
	}
	for i, f := range p.Files {
		b.Manifest[i] = File{Name: f.Name, HashV3: v3(f.Plain), HashV2: v2(f.Plain), Blob: f.Blob}
	}
	return b, nil
}

// blockV3 is what is encoded of a digest for plugins from 5.30, 6.30, 7.30 and 8 on.
func blockV3(d sealift.Digest) []byte { return d[:] }

// blockV2 is what is encoded for older ones: their hex digits, taken for base64.
func blockV2(d sealift.Digest) []byte {
	block, err := base64.StdEncoding.DecodeString(d.String())
	if err != nil {
		panic("64 hex digits are base64: " + err.Error())
	}
	return block
}

// CheckBlocks refuses what is nothing that devices decode: other lengths than those of
// an AES key and of the two forms of a hash, and more blocks than a bundle has.
func CheckBlocks(blocks [][]byte) error {
	if most := 1 + 2*(1+sealift.MaxCapgoFiles); len(blocks) > most {
		return fmt.Errorf("%d blocks; at most %d are allowed", len(blocks), most)
	}
	for _, b := range blocks {
		switch len(b) {
		case blockSize, len(sealift.Digest{}), base64.StdEncoding.DecodedLen(2 * len(sealift.Digest{})):
		default:
			return fmt.Errorf("a block of %d bytes; 16, 32 and 48 are allowed", len(b))
		}
	}
	return nil
}
