package bundle

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"github.com/sealift/sealift"
)

// Sink takes the files of an archive, in the archive's order. Open calls
// Create with a path that passed every rule of the package's comment, writes
// exactly size bytes, and closes the writer before the next Create. When Open
// gives up in the middle of a file, it closes the writer without the rest. A
// Sink must not keep the slices that it is given.
//
// A Sink makes the folders it needs. It should open files in an os.Root and
// refuse to overwrite: the paths are clean, but the folder may not be. An
// error of the Sink ends Open, which returns it wrapped.
type Sink interface {
	Create(path string, size int64, executable bool) (io.WriteCloser, error)
}

const opOpen = "opening bundle"

// Open decrypts and decompresses a sealed archive and gives its files to sink.
//
// The caller has checked the blob's length and SHA-256 before. Open may have
// given the Sink files, whole and in part, of an archive that it refuses in
// the end: only when Open returns nil may the caller put them in place.
//
// A refusal is KindIntegrity with one of these Reasons:
//
//	authentication  wrong key, app or archive digest, or changed bytes
//	truncated       the stream ends within its header
//	format          the stream's header is not that of this format
//	compression     not zstd, or a frame is damaged
//	window          a frame wants more memory than sealift.MaxZstdWindow
//	longer          more archive, or more around it, than was signed
//	shorter         less archive than was signed, or an archive without its end
//	length          the signed length is none that an archive can have
//	trailing        something follows the archive
//	digest          the archive's SHA-256 is not the signed one
//	header          a tar header is not exactly what Seal writes
//	link            an entry for a symbolic or hard link
//	special         an entry for a device or a pipe
//	folder          an entry for a folder
//	path            a path that no bundle may hold
//	order           paths are not sorted
//	collision       two paths that a file system may take for one
//	too_many_files  more files and folders than sealift.MaxFiles
//	padding         a byte after a file, or in the trailer, is not zero
//	empty           an archive without files
//
// Errors of sealed and of sink are returned wrapped, ctx's as it is.
func Open(ctx context.Context, sealed io.Reader, id Identity, app sealift.AppID, key ContentKey, sink Sink, progress Progress) error {
	out := &opening{ctx: ctx, id: id, hash: sha256.New(), progress: progress}
	out.tar = tarReader{sink: sink, left: id.Length}
	return out.open(sealed, app, key)
}

// open takes a full blob apart.
func (o *opening) open(sealed io.Reader, app sealift.AppID, key ContentKey) error {
	id := o.id
	if id.Length < tarTrailer || id.Length > sealift.MaxArchive {
		return refuse("length", "an archive of %d bytes", id.Length)
	}
	plain, err := newOpeningReader(&sourceReader{sealed}, key, fullBinding(app, id.Digest))
	if err != nil {
		return unpass(err)
	}
	bounded := &boundedReader{r: plain, most: packedBound(id.Length)}
	decoder, err := zstd.NewReader(bounded,
		zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(sealift.MaxZstdWindow), zstd.WithDecoderMaxMemory(sealift.MaxZstdWindow))
	if err != nil {
		return fmt.Errorf("%s: %w", opOpen, err)
	}
	defer decoder.Close()

	if policy, ok := o.tar.sink.(*PolicySink); ok {
		policy.within(o.ctx)
	}
	o.packed = bounded
	defer o.tar.abandon()
	if _, err := decoder.WriteTo(o); err != nil {
		return o.classify(err)
	}
	return o.finish()
}

// SealedArchive is an Archiver whose archive is in a full blob, read once. What
// it writes is not to be used before it has returned nil; its refusals are
// Open's.
func SealedArchive(sealed io.Reader, id Identity, app sealift.AppID, key ContentKey) Archiver {
	return sealedArchive{sealed, id, app, key}
}

type sealedArchive struct {
	sealed io.Reader
	id     Identity
	app    sealift.AppID
	key    ContentKey
}

func (s sealedArchive) WriteArchive(ctx context.Context, w io.Writer) error {
	out := &opening{ctx: ctx, id: s.id, hash: sha256.New(), archive: w}
	out.tar = tarReader{sink: Discard, left: s.id.Length}
	return out.open(s.sealed, s.app, s.key)
}

// Discard is a Sink that takes files and keeps none.
var Discard Sink = noSink{}

type noSink struct{}

func (noSink) Create(string, int64, bool) (io.WriteCloser, error) { return nowhere{}, nil }

// packedBound is how long an archive's compressed form may be: frames and
// blocks that do not compress have headers, 3 bytes for 64 KiB at the least.
func packedBound(archive int64) int64 { return archive + archive/1024 + 4<<10 }

// refuse makes the error of an archive that is not what was signed.
func refuse(reason, format string, args ...any) *sealift.Error {
	return sealift.Errorf(sealift.KindIntegrity, opOpen, format, args...).
		WithReason(reason).WithHint("fetch the bundle again; if that does not help, publish it again")
}
