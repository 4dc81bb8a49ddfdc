package capgo

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"sync"
	"testing"

	"github.com/sealift/sealift"
)

// testKey is an app's key; making one takes a while.
var testKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		panic(err)
	}
	return key
})

// encodeWith is an Encoder.
func encodeWith(key *rsa.PrivateKey) Encoder {
	return func(blocks [][]byte) (out [][]byte, err error) {
		for _, b := range blocks {
			block, err := rsa.SignPKCS1v15(nil, key, 0, b)
			if err != nil {
				return nil, err
			}
			out = append(out, block)
		}
		return out, nil
	}
}

// decoded is what a device gets out of an encoded block: the value to the power of
// the public exponent (RFC 8017 section 5.2.2), without the padding.
func decoded(t *testing.T, key *rsa.PublicKey, block []byte) []byte {
	t.Helper()
	em := new(big.Int).Exp(new(big.Int).SetBytes(block), big.NewInt(int64(key.E)), key.N).FillBytes(make([]byte, encodedSize))
	padding, data, found := bytes.Cut(em[2:], []byte{0})
	if em[0] != 0 || em[1] != 1 || !found || len(padding) < 8 || len(bytes.Trim(padding, "\xff")) > 0 {
		t.Fatal("not of this key")
	}
	return data
}

func testPlan() Plan {
	blob := func(n byte, size int64) Blob { return Blob{sealift.Digest{n}, size} }
	return Plan{
		Zip: Content{Plain: sealift.Digest{9}, Blob: blob(1, 64)},
		Files: []Content{
			{"assets/a.js.br", sealift.Digest{7}, blob(2, 32)},
			{"index.html", sealift.Digest{8}, blob(3, 48)},
			{"z/copy.js", sealift.Digest{7}, blob(4, 16)},
		},
	}
}

func testBundle(t *testing.T) Bundle {
	t.Helper()
	b, err := testPlan().Bundle("1.2.3", &testKey().PublicKey, Session{key: [16]byte{1, 2}, iv: [16]byte{3, 4}}, encodeWith(testKey()))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBundle(t *testing.T) {
	b, key := testBundle(t), &testKey().PublicKey
	iv, block, err := splitSessionKey(b.SessionKey)
	if err != nil || iv != [16]byte{3, 4} || !bytes.Equal(decoded(t, key, block), append([]byte{1, 2}, make([]byte, 14)...)) {
		t.Errorf("session key %q: %v", b.SessionKey, err)
	}
	want := func(v3, v2 string, plain sealift.Digest) {
		t.Helper()
		block, err := decodeV3(v3)
		if err != nil || !bytes.Equal(decoded(t, key, block), plain[:]) {
			t.Errorf("V3 %q: %v", v3, err)
		}
		if block, err = decodeV2(v2); err != nil || base64.StdEncoding.EncodeToString(decoded(t, key, block)) != plain.String() {
			t.Errorf("V2 %q: %v", v2, err)
		}
	}
	want(b.ChecksumV3, b.ChecksumV2, sealift.Digest{9})
	want(b.Manifest[0].HashV3, b.Manifest[0].HashV2, sealift.Digest{7})
	want(b.Manifest[1].HashV3, b.Manifest[1].HashV2, sealift.Digest{8})
	if b.Manifest[0].HashV3 != b.Manifest[2].HashV3 || b.Zip != testPlan().Zip.Blob || b.Manifest[2].Blob != testPlan().Files[2].Blob {
		t.Errorf("%+v", b)
	}
	pem := strings.Split(PublicPEM(key), "\n")
	if pem[0] != "-----BEGIN RSA PUBLIC KEY-----" || pem[1][:20] != b.KeyID {
		t.Errorf("key id %q of %q", b.KeyID, pem)
	}
	data, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseBundle(data)
	if err != nil {
		t.Fatal(err)
	}
	if more, err := again.Encode(); err != nil || !bytes.Equal(more, data) {
		t.Errorf("written again: %s, %v", more, err)
	}
}

// Each block is asked for once, and nothing else is.
func TestBlocks(t *testing.T) {
	var asked [][]byte
	away := errors.New("away")
	_, err := testPlan().Bundle("1.2.3", &testKey().PublicKey, Session{}, func(blocks [][]byte) ([][]byte, error) {
		for _, b := range blocks {
			asked = append(asked, bytes.Clone(b))
		}
		return nil, away
	})
	if !errors.Is(err, away) || len(asked) != 7 {
		t.Fatalf("%d blocks, %v", len(asked), err)
	}
	for i, b := range asked {
		if want := []int{16, 32, 48}[min(i, 1+(i+1)%2)]; len(b) != want {
			t.Errorf("block %d has %d bytes", i, len(b))
		}
	}
}

func TestParseBundleRefuses(t *testing.T) {
	for name, bend := range map[string]func(*Bundle){
		"version":      func(b *Bundle) { b.Version = "one" },
		"key id":       func(b *Bundle) { b.KeyID = b.KeyID[1:] },
		"no colon":     func(b *Bundle) { b.SessionKey = strings.ReplaceAll(b.SessionKey, ":", "") },
		"two colons":   func(b *Bundle) { b.SessionKey += ":" },
		"no vector":    func(b *Bundle) { b.SessionKey = b.SessionKey[24:] },
		"short key":    func(b *Bundle) { b.SessionKey = b.SessionKey[:len(b.SessionKey)-4] },
		"line break":   func(b *Bundle) { b.SessionKey += "\n" },
		"upper case":   func(b *Bundle) { b.ChecksumV3 = "A" + b.ChecksumV3[1:] },
		"short hash":   func(b *Bundle) { b.ChecksumV3 = b.ChecksumV3[2:] },
		"V2":           func(b *Bundle) { b.ChecksumV2 = b.ChecksumV2[4:] },
		"V3 as V2":     func(b *Bundle) { b.Manifest[1].HashV2 = b.Manifest[1].HashV3 },
		"no hash":      func(b *Bundle) { b.Manifest[1].HashV3 = "" },
		"zip size":     func(b *Bundle) { b.Zip.Size++ },
		"no zip":       func(b *Bundle) { b.Zip = Blob{} },
		"large zip":    func(b *Bundle) { b.Zip.Size = 1 << 40 },
		"no digest":    func(b *Bundle) { b.Manifest[2].SHA256 = sealift.Digest{} },
		"no files":     func(b *Bundle) { b.Manifest = nil },
		"no index":     func(b *Bundle) { b.Manifest = b.Manifest[:1] },
		"order":        func(b *Bundle) { b.Manifest[0], b.Manifest[1] = b.Manifest[1], b.Manifest[0] },
		"twice":        func(b *Bundle) { b.Manifest[2].Name = "index.html.br" },
		"outside":      func(b *Bundle) { b.Manifest[2].Name = "z/../copy.js" },
		"space":        func(b *Bundle) { b.Manifest[2].Name = "z/a copy.js" },
		"backslash":    func(b *Bundle) { b.Manifest[2].Name = `z\copy.js` },
		"absolute":     func(b *Bundle) { b.Manifest[0].Name = "/a.js" },
		"long name":    func(b *Bundle) { b.Manifest[2].Name = "z" + strings.Repeat("z", 1100) },
		"control":      func(b *Bundle) { b.Manifest[2].Name = "z\n" },
		"dots in name": func(b *Bundle) { b.Manifest[2].Name = "z..js" },
	} {
		b := testBundle(t)
		bend(&b)
		data, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseBundle(data); sealift.KindOf(err) != sealift.KindInvalid || sealift.ReasonOf(err) != "malformed" {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := b.Encode(); err == nil {
			t.Errorf("%s: written", name)
		}
	}
	for _, text := range []string{"", "null", "{}", `{"version":"1.2.3","more":1}`, strings.Repeat(" ", sealift.MaxCapgoDocument+1)} {
		if _, err := ParseBundle([]byte(text)); err == nil {
			t.Errorf("%.40q", text)
		}
	}
}

func TestPlanRefuses(t *testing.T) {
	for name, bend := range map[string]func(*Plan){
		"zip with a name": func(p *Plan) { p.Zip.Name = "zip" },
		"zip size":        func(p *Plan) { p.Zip.Size = 17 },
		"no files":        func(p *Plan) { p.Files = nil },
		"order":           func(p *Plan) { p.Files[1].Name = "a" },
		"name":            func(p *Plan) { p.Files[1].Name = "in dex.html" },
		"size":            func(p *Plan) { p.Files[1].Size = 0 },
		"too many":        func(p *Plan) { p.Files = make([]Content, sealift.MaxCapgoFiles+1) },
	} {
		p := testPlan()
		bend(&p)
		if _, err := p.Encode(); sealift.KindOf(err) != sealift.KindInvalid {
			t.Errorf("%s: %v", name, err)
		}
		data, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParsePlan(data); sealift.KindOf(err) != sealift.KindInvalid {
			t.Errorf("%s: read: %v", name, err)
		}
		if _, err := p.Bundle("1.2.3", &testKey().PublicKey, Session{}, encodeWith(testKey())); err == nil {
			t.Errorf("%s: encoded", name)
		}
	}
	data, err := testPlan().Encode()
	if err != nil {
		t.Fatal(err)
	}
	p, err := ParsePlan(data)
	if again, _ := p.Encode(); err != nil || !bytes.Equal(again, data) {
		t.Errorf("%s, %v", again, err)
	}
}

func TestCheckKey(t *testing.T) {
	large := &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 4095), E: 65537}
	odd := &rsa.PublicKey{N: testKey().N, E: 3}
	for _, key := range []*rsa.PublicKey{large, odd} {
		if err := CheckKey(key); sealift.KindOf(err) != sealift.KindInvalid || sealift.HintOf(err) == "" {
			t.Errorf("%d bits, exponent %d: %v", key.N.BitLen(), key.E, err)
		}
		if _, err := testPlan().Bundle("1.2.3", key, Session{}, nil); err == nil {
			t.Error("encoded")
		}
	}
	if err := CheckKey(&testKey().PublicKey); err != nil {
		t.Error(err)
	}
}

func FuzzParseBundle(f *testing.F) {
	f.Add([]byte(`{"version":"1.2.3","keyId":"MIIBCgKCAQEA12345678","sessionKey":":","zip":{"sha256":"00","size":16},"manifest":[]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := ParseBundle(data)
		if err != nil {
			return
		}
		if _, err := b.Encode(); err != nil {
			t.Errorf("read and not written: %v", err)
		}
	})
}
