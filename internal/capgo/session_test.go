package capgo

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/sealift/sealift"
)

// The first block of SP 800-38A, F.2.1: CBC-AES128.
func TestSessionKnownAnswer(t *testing.T) {
	text, err := hex.DecodeString("2b7e151628aed2a6abf7158809cf4f3c" + "000102030405060708090a0b0c0d0e0f")
	if err != nil {
		t.Fatal(err)
	}
	s, err := ParseSession(text)
	if err != nil {
		t.Fatal(err)
	}
	plain, _ := hex.DecodeString("6bc1bee22e409f96e93d7e117393172a")
	if sealed := s.Seal(plain); hex.EncodeToString(sealed[:16]) != "7649abac8119b246cee98e9b12e9197d" || len(sealed) != 32 {
		t.Errorf("%x", sealed)
	}
	if !bytes.Equal(s.Bytes(), text) {
		t.Errorf("%x", s.Bytes())
	}
}

func testSession(t *testing.T) Session {
	t.Helper()
	s, err := NewSession(strings.NewReader(strings.Repeat("key material ", 3)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSession(t *testing.T) {
	s := testSession(t)
	for _, n := range []int{0, 1, 15, 16, 17, 31, 32, 1000} {
		plain := bytes.Repeat([]byte{'x'}, n)
		sealed := s.Seal(plain)
		if int64(len(sealed)) != SealedSize(int64(n)) {
			t.Errorf("%d bytes become %d", n, len(sealed))
		}
		for _, piece := range []int{1, 7, 16, 100} {
			var stream bytes.Buffer
			w := s.Sealer(&stream)
			for rest := plain; len(rest) > 0; rest = rest[min(piece, len(rest)):] {
				if _, err := w.Write(rest[:min(piece, len(rest))]); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Close(); err != nil || !bytes.Equal(stream.Bytes(), sealed) {
				t.Errorf("%d bytes by %d: %v", n, piece, err)
			}
		}
		if opened, err := s.Open(sealed); err != nil || !bytes.Equal(opened, plain) {
			t.Errorf("%d bytes: %q, %v", n, opened, err)
		}
		at, length, err := s.OpenAt(bytes.NewReader(sealed), int64(len(sealed)))
		if err != nil || length != int64(n) {
			t.Fatalf("%d bytes: %d, %v", n, length, err)
		}
		if n > 0 {
			if err := iotest.TestReader(io.NewSectionReader(at, 0, length), plain); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestSessionRefuses(t *testing.T) {
	s := testSession(t)
	sealed := s.Seal(make([]byte, 20))
	sealed[15] ^= 1 // which bends the last byte of the next block
	for name, bent := range map[string][]byte{"padding": sealed, "short": sealed[:17], "nothing": nil} {
		_, err := s.Open(bent)
		if sealift.KindOf(err) != sealift.KindIntegrity || sealift.ReasonOf(err) != "encryption" {
			t.Errorf("%s: %v", name, err)
		}
		_, _, err = s.OpenAt(bytes.NewReader(bent), int64(len(bent)))
		if sealift.KindOf(err) != sealift.KindIntegrity {
			t.Errorf("%s, at: %v", name, err)
		}
	}
	if _, err := ParseSession(make([]byte, 31)); sealift.KindOf(err) != sealift.KindInvalid {
		t.Error(err)
	}
	if _, err := NewSession(strings.NewReader("short")); err == nil {
		t.Error("of 5 bytes")
	}
}

func TestSessionPrintsNothing(t *testing.T) {
	s := testSession(t)
	data, err := json.Marshal(struct{ S Session }{s})
	text := fmt.Sprintf("%v %+v %x %s %d", s, &s, s, s, s) + string(data)
	if err != nil || strings.Contains(text, "key mat") || strings.Contains(text, hex.EncodeToString([]byte("key mat"))) || strings.Contains(text, "107") {
		t.Errorf("%s, %v", text, err)
	}
}
