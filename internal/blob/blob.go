// Package blob keeps the published tree: the files that devices fetch, each
// under a key that the edge serves as /v1/<key>.
//
// A key is a slash-separated path of 1 to 16 elements and at most MaxKey
// bytes. An element is 1 to 255 bytes of [a-zA-Z0-9._%-] and does not begin
// with a dot, so that no key can name "..", the store's own folder of
// unfinished files, or anything outside the store:
//
//	metadata/7.snapshot.json
//	targets/com.acme.shop/production/web/<sha256>.offer.json
//	releases/<sha256>    proofs/<sha256>    blobs/<sha256>
//	log/checkpoint       log/tile/0/x001/067.p/8
//
// No key may be a folder of another ("log" beside "log/checkpoint").
//
// A Store is atomic: a reader sees all of the old bytes or all of the new
// ones, never a mixture and never a part, and a Put that returned nil is still
// there after a power cut. It is safe for use by many goroutines. What a Store
// must do is written as tests in blobtest.TestStore.
package blob

import (
	"context"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/sealift/sealift"
)

// MaxKey is the longest key, in bytes. The longest that Sealift makes is an
// offer's, with a 128-byte app id, a 64-byte channel, a 32-byte platform and a
// SHA-256: 330 bytes; S3 takes 1,024.
const MaxKey = 1024

// maxElements bounds a key's depth; a log tile of a tree with 2^64 leaves has
// twelve elements.
const maxElements = 16

// A Store keeps files under keys. Every error is an *sealift.Error: a key of
// another form is KindInvalid, a full disk or quota KindExhausted, a context
// that ended is wrapped so that errors.Is finds it.
type Store interface {
	// Put stores all that r yields under key, in place of what was there. If
	// want is not nil, r must yield exactly want.Length bytes with SHA-256
	// want.Digest, else nothing is stored and the error is KindIntegrity with
	// reason "length" or "digest"; at most one byte beyond want.Length is
	// read. An error of r ends the Put, stores nothing and is wrapped.
	Put(ctx context.Context, key string, r io.Reader, want *Expect) error
	// Open opens the file under key for reading; KindNotFound if there is
	// none. What was opened stays readable, and the same, while key is
	// replaced or deleted.
	Open(ctx context.Context, key string) (File, error)
	// Exists reports whether there is a file under key.
	Exists(ctx context.Context, key string) (bool, error)
	// Delete removes the file under key; that there is none is no error.
	Delete(ctx context.Context, key string) error
}

// Expect is what the bytes of a Put must be.
type Expect struct {
	Digest sealift.Digest
	Length int64 // bytes
}

// File is an opened file of a Store.
type File interface {
	io.ReadSeekCloser
	// Size is the file's length in bytes.
	Size() int64
	// ModTime is when the file was put.
	ModTime() time.Time
}

var elementPattern = regexp.MustCompile(`^[a-zA-Z0-9_%-][a-zA-Z0-9._%-]{0,254}$`)

// CheckKey refuses, with KindInvalid, a key that is not of the form in the
// package comment.
func CheckKey(key string) error {
	elements := strings.Split(key, "/")
	ok := len(key) <= MaxKey && len(elements) <= maxElements
	for _, element := range elements {
		ok = ok && elementPattern.MatchString(element)
	}
	if !ok {
		if len(key) > 80 {
			key = strings.ToValidUTF8(key[:80], "") + "…"
		}
		return sealift.Errorf(sealift.KindInvalid, "checking key", "%q is not a key of the published tree", key)
	}
	return nil
}
