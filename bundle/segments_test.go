package bundle

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"io"

	"github.com/tink-crypto/tink-go/v2/streamingaead/subtle/noncebased"
)

// A second writer of the stream, from the standard library, under a salt and
// nonce prefix of the caller's: what Tink opens of it, and that both agree to
// the byte, pins the format.
const (
	saltSize  = 32
	nonceSize = 12
	tagSize   = 16
)

func sealUnderHeader(w io.Writer, key ContentKey, associated, header []byte) (*noncebased.Writer, error) {
	segments, err := newSegments(key, header, associated)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(header); err != nil {
		return nil, err
	}
	return noncebased.NewWriter(noncebased.WriterParams{
		W:                            w,
		SegmentEncrypter:             segments,
		NonceSize:                    nonceSize,
		NoncePrefix:                  header[1+saltSize:],
		PlaintextSegmentSize:         segmentSize - tagSize,
		FirstCiphertextSegmentOffset: streamHeader,
	})
}

type segments struct{ gcm cipher.AEAD }

func newSegments(key ContentKey, header, associated []byte) (segments, error) {
	derived, err := hkdf.Key(sha256.New, key[:], header[1:1+saltSize], string(associated), len(key))
	if err != nil {
		return segments{}, err
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return segments{}, err
	}
	gcm, err := cipher.NewGCM(block)
	return segments{gcm}, err
}

func (s segments) EncryptSegment(segment, nonce []byte) ([]byte, error) {
	return s.EncryptSegmentWithDst(nil, segment, nonce)
}

func (s segments) EncryptSegmentWithDst(dst, segment, nonce []byte) ([]byte, error) {
	if cap(dst) < len(segment)+tagSize {
		dst = make([]byte, 0, len(segment)+tagSize)
	}
	return s.gcm.Seal(dst[:0], nonce, segment, nil), nil
}
