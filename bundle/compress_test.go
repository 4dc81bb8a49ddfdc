package bundle

import (
	"bytes"
	"encoding/base64"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// noise returns bytes that do not compress.
func noise(seed byte, n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

// The compressor takes to the quick encoder within noise and leaves it behind,
// and what it writes is one stream to any decoder.
func TestCompressorSwitches(t *testing.T) {
	code := []byte(strings.Repeat("function f(x) { return x * 42 + y[x]; }\n", 10_000))
	encoded := []byte(base64.StdEncoding.EncodeToString(noise(9, 3<<20)))
	archive := bytes.Join([][]byte{code, noise(1, 10<<20), code, noise(2, 9<<20), encoded, noise(3, 100)}, nil)

	var packed bytes.Buffer
	c, err := newCompressor(&packed)
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	for rest := archive; len(rest) > 0; {
		n := min(chunkSize, len(rest))
		if _, err := c.Write(rest[:n]); err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
		now := "dense"
		if c.current == c.quick {
			now = "quick"
		}
		if len(seen) == 0 || seen[len(seen)-1] != now {
			seen = append(seen, now)
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(seen, " "), "dense quick dense quick dense"; got != want {
		t.Errorf("the encoders were %s, not %s", got, want)
	}
	if most := 19<<20 + 3<<20 + 3<<20/20; packed.Len() > most {
		t.Errorf("%d bytes became %d, more than %d", len(archive), packed.Len(), most)
	}
	decoder, err := zstd.NewReader(&packed, zstd.WithDecoderMaxWindow(denseWindow))
	if err != nil {
		t.Fatal(err)
	}
	defer decoder.Close()
	if got, err := io.ReadAll(decoder); err != nil || !bytes.Equal(got, archive) {
		t.Error("it does not decompress to itself:", err)
	}
}

// What cannot be compressed grows by less than Open allows for.
func TestOverheadIsBounded(t *testing.T) {
	for _, n := range []int{1, chunkSize, denseWindow + 5*chunkSize, denseWindow + 5*chunkSize + 1} {
		var packed countingWriter
		packed.w = io.Discard
		c, err := newCompressor(&packed)
		if err != nil {
			t.Fatal(err)
		}
		for rest := noise(4, n); len(rest) > 0; rest = rest[min(chunkSize, len(rest)):] {
			if _, err := c.Write(rest[:min(chunkSize, len(rest))]); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if packed.n > packedBound(int64(n)) {
			t.Errorf("%d bytes became %d, more than %d", n, packed.n, packedBound(int64(n)))
		}
	}
}
