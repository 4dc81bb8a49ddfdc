package bundle

import (
	"errors"
	"fmt"
	"io"

	"github.com/tink-crypto/tink-go/v2/streamingaead/subtle"

	"github.com/sealift/sealift"
)

// The stream is Tink's AES256_GCM_HKDF_1MB, by Tink: AES-GCM-HKDF streaming
// AEAD with HKDF-SHA256 (RFC 5869), a 256-bit derived key and 1 MiB segments.
const (
	segmentSize  = 1 << 20
	streamHeader = 1 + 32 + 7 // its own length, salt, nonce prefix
)

func streamingAEAD(key ContentKey) (*subtle.AESGCMHKDF, error) {
	return subtle.NewAESGCMHKDF(key[:], "SHA256", len(key), segmentSize, 0)
}

// newSealingWriter encrypts what is written to it to w. Close writes the last
// segment.
func newSealingWriter(w io.Writer, key ContentKey, associated []byte) (io.WriteCloser, error) {
	aead, err := streamingAEAD(key)
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInternal, "sealing the bundle", "%w", err)
	}
	return aead.NewEncryptingWriter(w, associated)
}

// newOpeningReader decrypts r. A byte that it returns is authentic; that the
// stream is whole is known when it returns io.EOF.
func newOpeningReader(r io.Reader, key ContentKey, associated []byte) (io.Reader, error) {
	aead, err := streamingAEAD(key)
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInternal, opOpen, "%w", err)
	}
	header := &headerReader{r: r}
	plain, err := aead.NewDecryptingReader(header, associated)
	switch {
	case err == nil:
		return openingReader{plain}, nil
	case header.err == io.EOF:
		return nil, refuse("truncated", "the sealed stream ends within its header")
	case header.err != nil:
		return nil, header.err
	}
	return nil, refuse("format", "%w", err)
}

// headerReader remembers the error of its reader, which Tink's words for it
// hide.
type headerReader struct {
	r   io.Reader
	err error
}

func (h *headerReader) Read(b []byte) (int, error) {
	n, err := h.r.Read(b)
	if err != nil {
		h.err = err
	}
	return n, err
}

// errSegment is a segment that does not authenticate: another key, other
// associated data, or other bytes than were sealed. GCM cannot tell which.
var errSegment = errors.New("a segment does not authenticate")

// openingReader tells what Tink finds wrong with the stream from what its
// reader reports.
type openingReader struct{ r io.Reader }

func (o openingReader) Read(b []byte) (int, error) {
	n, err := o.r.Read(b)
	if err != nil && err != io.EOF && !errors.As(err, new(passedError)) {
		err = fmt.Errorf("%w (%w)", errSegment, err)
	}
	return n, err
}
