package sealifttest

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"io"

	"github.com/klauspost/compress/zstd"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/bundle"
)

// sealed is what a Spec's archive came to.
type sealed struct {
	archive []byte
	id      bundle.Identity // what the release is to say of it
	source  *bundle.Source  // nil: the archive was made by hand
	key     bundle.ContentKey
	full    []byte // the blob
}

// sealBundle makes the full blob of a Spec.
func sealBundle(spec Spec, key bundle.ContentKey) (*sealed, error) {
	if spec.Archive != nil {
		return sealArchive(spec, key)
	}
	ctx := context.Background()
	source, err := bundle.OpenSource(spec.Bundle)
	if err != nil {
		return nil, err
	}
	s := &sealed{source: source, key: key}
	if s.id, err = source.Digest(ctx, nil); err != nil {
		return nil, err
	}
	var archive, full bytes.Buffer
	if err := source.WriteArchive(ctx, &archive); err != nil {
		return nil, err
	}
	_, err = bundle.Seal(ctx, &full, source, s.id, spec.App, key, nil)
	s.archive, s.full = archive.Bytes(), full.Bytes()
	return s, err
}

// sealArchive seals an archive that package bundle might not: by hand, from the
// format's description alone, which also keeps that description honest.
func sealArchive(spec Spec, key bundle.ContentKey) (*sealed, error) {
	s := &sealed{archive: spec.Archive, id: bundle.Identity{Digest: sealift.DigestOf(spec.Archive), Length: int64(len(spec.Archive))}, key: key}
	if spec.Identity != nil {
		s.id = *spec.Identity
	}
	packed, err := pack(bytes.NewReader(spec.Archive))
	if err != nil {
		return nil, err
	}
	if spec.BendPacked != nil {
		packed = spec.BendPacked(packed)
	}
	s.full, err = encrypt(packed, key, associatedData("full", spec.App, s.id.Digest, nil))
	return s, err
}

// pack compresses what r yields.
func pack(r io.Reader) ([]byte, error) {
	var packed bytes.Buffer
	w, err := zstd.NewWriter(&packed, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithWindowSize(4<<20))
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(w, r); err != nil {
		return nil, err
	}
	err = w.Close()
	return packed.Bytes(), err
}

// associatedData is the one of a blob: each field behind its length, 4 bytes,
// big-endian. Only a patch has a base.
func associatedData(kind string, app sealift.AppID, archive sealift.Digest, base []byte) []byte {
	var out []byte
	for _, field := range [][]byte{[]byte("sealift/bundle/v1"), []byte(kind), []byte(app), archive[:], base} {
		out = binary.BigEndian.AppendUint32(out, uint32(len(field)))
		out = append(out, field...)
	}
	return out
}

// encrypt is Tink's AES256_GCM_HKDF_1MB: a header of its own length (1 byte), a
// salt (32) and a nonce prefix (7), then segments of 1 MiB, tag included, the
// first shorter by the header. A segment's nonce is the prefix, its number (4
// bytes, big-endian) and whether it is the last (1 byte).
func encrypt(plain []byte, key bundle.ContentKey, associated []byte) ([]byte, error) {
	const segment, header, salt = 1 << 20, 40, 32
	out := make([]byte, header)
	out[0] = header
	_, _ = rand.Read(out[1:]) // never fails: crypto/rand
	derived, err := hkdf.Key(sha256.New, key[:], out[1:1+salt], string(associated), len(key))
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	room := segment - header - gcm.Overhead()
	for number := uint32(0); ; number++ {
		n := min(len(plain), room)
		last := n == len(plain)
		nonce := binary.BigEndian.AppendUint32(bytes.Clone(out[1+salt:header]), number)
		if last {
			nonce = append(nonce, 1)
		} else {
			nonce = append(nonce, 0)
		}
		out = gcm.Seal(out, nonce, plain[:n], nil)
		if last {
			return out, nil
		}
		plain, room = plain[n:], segment-gcm.Overhead()
	}
}
