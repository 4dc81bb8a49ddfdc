package capgo

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"io"

	"github.com/sealift/sealift"
)

// blockSize is that of AES, in bytes; so are the key and the vector of a Session.
const blockSize = aes.BlockSize

// Session is the key and the initialization vector that one bundle's zip and files
// are encrypted with. It is secret until devices are told, and prints as nothing.
type Session struct{ key, iv [blockSize]byte }

// NewSession draws one from random, which is crypto/rand's Reader but in tests.
func NewSession(random io.Reader) (s Session, err error) {
	text := make([]byte, 2*blockSize)
	defer clear(text)
	if _, err = io.ReadFull(random, text); err != nil {
		return Session{}, sealift.Errorf(sealift.KindInternal, "drawing a session key", "%w", err)
	}
	return ParseSession(text)
}

// ParseSession reads what Bytes wrote. KindInvalid for another length.
func ParseSession(text []byte) (s Session, err error) {
	if len(text) != 2*blockSize {
		return s, sealift.Errorf(sealift.KindInvalid, "reading a session key", "%d bytes, not %d", len(text), 2*blockSize).WithReason("malformed")
	}
	copy(s.key[:], text)
	copy(s.iv[:], text[blockSize:])
	return s, nil
}

// Bytes returns key and vector, 32 bytes; the caller clears them.
func (s Session) Bytes() []byte {
	return append(append(make([]byte, 0, 2*blockSize), s.key[:]...), s.iv[:]...)
}

// Format hides the key from every verb.
func (s Session) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[session key]") }

// MarshalJSON hides the key.
func (s Session) MarshalJSON() ([]byte, error) { return []byte(`"[session key]"`), nil }

func (s Session) block() cipher.Block {
	block, err := aes.NewCipher(s.key[:])
	if err != nil {
		panic("16 bytes are an AES-128 key: " + err.Error())
	}
	return block
}

// SealedSize returns how many bytes a plaintext of size bytes becomes.
func SealedSize(size int64) int64 { return (size/blockSize + 1) * blockSize }

// Seal encrypts a whole plaintext.
func (s Session) Seal(plain []byte) []byte {
	out := pad(append(make([]byte, 0, SealedSize(int64(len(plain)))), plain...))
	cipher.NewCBCEncrypter(s.block(), s.iv[:]).CryptBlocks(out, out)
	return out
}

// Sealer encrypts what is written to it into w; Close ends the ciphertext, and not w.
func (s Session) Sealer(w io.Writer) io.WriteCloser {
	return &sealer{w: w, mode: cipher.NewCBCEncrypter(s.block(), s.iv[:])}
}

type sealer struct {
	w    io.Writer
	mode cipher.BlockMode
	rest []byte // less than a block
	out  []byte
}

func (s *sealer) Write(p []byte) (int, error) {
	s.out = append(append(s.out[:0], s.rest...), p...)
	whole := len(s.out) / blockSize * blockSize
	s.rest = append(s.rest[:0], s.out[whole:]...)
	if err := s.put(s.out[:whole]); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (s *sealer) Close() error { return s.put(pad(s.rest)) }

func (s *sealer) put(blocks []byte) error {
	s.mode.CryptBlocks(blocks, blocks)
	_, err := s.w.Write(blocks)
	return err
}

// pad fills up to a whole block, with at least one byte: each says how many there
// are (RFC 5652 section 6.3).
func pad(plain []byte) []byte {
	n := blockSize - len(plain)%blockSize
	for range n {
		plain = append(plain, byte(n))
	}
	return plain
}

// unpad takes that away. Nobody can ask it again and again: what it reads has been
// found under its SHA-256 before.
func unpad(last []byte) ([]byte, error) {
	if len(last) == 0 {
		return nil, errors.New("no padding")
	}
	n := int(last[len(last)-1])
	if n == 0 || n > blockSize || n > len(last) {
		return nil, errors.New("its padding is wrong: another key encrypted it, or none")
	}
	for _, b := range last[len(last)-n:] {
		if int(b) != n {
			return nil, errors.New("its padding is wrong: another key encrypted it, or none")
		}
	}
	return last[:len(last)-n], nil
}

// Open decrypts a whole ciphertext. KindIntegrity where it is none of this session.
func (s Session) Open(sealed []byte) ([]byte, error) {
	const doing = "decrypting a file for Capgo's plugin"
	if len(sealed) == 0 || len(sealed)%blockSize != 0 {
		return nil, sealift.Errorf(sealift.KindIntegrity, doing, "%d bytes are not whole blocks", len(sealed)).WithReason("encryption")
	}
	plain := make([]byte, len(sealed))
	cipher.NewCBCDecrypter(s.block(), s.iv[:]).CryptBlocks(plain, sealed)
	plain, err := unpad(plain)
	if err != nil {
		return nil, sealift.Errorf(sealift.KindIntegrity, doing, "%w", err).WithReason("encryption")
	}
	return plain, nil
}

// OpenAt decrypts a ciphertext of size bytes wherever it is read, and returns how
// long the plaintext is. KindIntegrity as with Open.
func (s Session) OpenAt(sealed io.ReaderAt, size int64) (plain io.ReaderAt, length int64, err error) {
	const doing = "decrypting a file for Capgo's plugin"
	if size < blockSize || size%blockSize != 0 {
		return nil, 0, sealift.Errorf(sealift.KindIntegrity, doing, "%d bytes are not whole blocks", size).WithReason("encryption")
	}
	r := &opener{s, s.block(), sealed, size}
	var last [blockSize]byte
	if _, err := r.ReadAt(last[:], size-blockSize); err != nil {
		return nil, 0, err
	}
	rest, err := unpad(last[:])
	if err != nil {
		return nil, 0, sealift.Errorf(sealift.KindIntegrity, doing, "%w", err).WithReason("encryption")
	}
	r.length = size - blockSize + int64(len(rest))
	return r, r.length, nil
}

type opener struct {
	session Session
	block   cipher.Block
	sealed  io.ReaderAt
	length  int64 // of the plaintext
}

// ReadAt implements io.ReaderAt: each block is decrypted with the one before it.
func (o *opener) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= o.length {
		return 0, io.EOF
	}
	short := int64(len(p)) > o.length-off
	if short {
		p = p[:o.length-off]
	}
	first := off / blockSize * blockSize
	end := (off + int64(len(p)) + blockSize - 1) / blockSize * blockSize
	blocks := make([]byte, blockSize+end-first)
	if first == 0 {
		copy(blocks, o.session.iv[:])
	} else if _, err := o.sealed.ReadAt(blocks[:blockSize], first-blockSize); err != nil {
		return 0, err
	}
	if n, err := o.sealed.ReadAt(blocks[blockSize:], first); n < len(blocks)-blockSize {
		return 0, err
	}
	iv := blocks[:blockSize]
	plain := make([]byte, end-first)
	cipher.NewCBCDecrypter(o.block, iv).CryptBlocks(plain, blocks[blockSize:])
	n := copy(p, plain[off-first:])
	if short {
		return n, io.EOF
	}
	return n, nil
}
