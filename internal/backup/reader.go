package backup

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"filippo.io/age"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/strictjson"
)

const readOp = "reading the backup"

// Into is where a backup is read to. An error of it ends the reading and is
// returned as it is.
type Into interface {
	// Begin is called first, before anything is made of the backup.
	Begin(ctx context.Context, h Header) error
	// Row takes a row.
	Row(ctx context.Context, table store.Table, values []any) error
	// Blob takes a blob. What r yields is compared with digest and length; Blob
	// may leave off reading, as where it wants to know no more than that.
	Blob(ctx context.Context, digest sealift.Digest, length int64, r io.Reader) error
}

// Read reads a backup to its end, which alone shows that it is whole. Until it
// returns nil, nothing that into was given counts. Errors of the file are
// KindSealed with reason "identity" where none of identities opens it,
// KindInvalid where it is no backup, KindConflict with reason "newer-format",
// and KindIntegrity with reason "damaged".
func Read(ctx context.Context, in io.Reader, identities []age.Identity, into Into) (Header, Manifest, error) {
	opened, err := age.Decrypt(contextReader{ctx, in}, identities...)
	var none *age.NoIdentityMatchError
	switch {
	case errors.As(err, &none):
		return Header{}, Manifest{}, sealift.Errorf(sealift.KindSealed, readOp, "no identity that was given opens it").WithReason("identity").
			WithHint("name the identity of one of its recipients with --identity FILE")
	case ctx.Err() != nil:
		return Header{}, Manifest{}, ctx.Err()
	case err != nil:
		return Header{}, Manifest{}, sealift.Errorf(sealift.KindInvalid, readOp, "it is not an age file, or its header is damaged: %w", err).WithReason("format").
			WithHint("name a file that sealift backup create wrote; if this is one, take another copy of it")
	}
	r := &reader{ctx: ctx, tar: tar.NewReader(opened), into: into, read: Manifest{Rows: map[string]int64{}}}
	if err := r.all(); err != nil {
		return r.header, r.read, err
	}
	// What follows the tar's end, the last chunk's authentication included.
	if n, err := io.Copy(io.Discard, io.LimitReader(opened, sealift.MaxBackupPart)); err != nil || n > 2*tarBlock {
		return r.header, r.read, damaged(errors.Join(err, fmt.Errorf("%d bytes follow its end", n)))
	}
	return r.header, r.read, nil
}

// tarBlock is the size to which a tar is padded, in 512-byte records, by other
// programs; ours ends with two records of zeros, which the reader may leave.
const tarBlock = 20 * 512

type reader struct {
	ctx    context.Context
	tar    *tar.Reader
	into   Into
	header Header
	read   Manifest // what was read so far
	table  int      // index of the table whose rows come, in header.Tables
	blobs  bool     // rows are over
}

func damaged(err error) error {
	var own *sealift.Error
	if errors.As(err, &own) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return sealift.Errorf(sealift.KindIntegrity, readOp, "it is damaged or cut off: %w", err).WithReason("damaged").
		WithHint("take another copy of it, or the backup before it")
}

func (r *reader) all() error {
	if err := r.begin(); err != nil {
		return err
	}
	for {
		h, err := r.tar.Next()
		switch {
		case errors.Is(err, io.EOF):
			return damaged(errors.New("it ends before its manifest"))
		case err != nil:
			return damaged(err)
		case h.Typeflag != tar.TypeReg:
			return damaged(fmt.Errorf("%.80q is not a file", h.Name))
		case h.Name == manifestName:
			return r.end(h)
		case strings.HasPrefix(h.Name, rowsFolder):
			err = r.part(h)
		case strings.HasPrefix(h.Name, blobsFolder):
			err = r.blob(h)
		default:
			err = fmt.Errorf("%.80q is no part of a backup", h.Name)
		}
		if err != nil {
			return damaged(err)
		}
	}
}

func (r *reader) begin() error {
	h, err := r.tar.Next()
	if err != nil || h.Name != headerName {
		return sealift.Errorf(sealift.KindInvalid, readOp, "it opens, and is no backup of Sealift").WithReason("format").
			WithHint("name a file that sealift backup create wrote")
	}
	content, err := r.whole(h, sealift.MaxBackupHeader)
	if err != nil {
		return damaged(err)
	}
	var version struct {
		Format string `json:"format"`
	}
	if err := strictjson.Unmarshal(content, sealift.MaxBackupHeader, &version); err != nil {
		return damaged(err)
	}
	if version.Format != Format {
		return sealift.Errorf(sealift.KindConflict, readOp, "it is in the format %.40q; this Sealift reads %s", version.Format, Format).WithReason("newer-format").
			WithHint("use the Sealift that wrote it, or a later one")
	}
	if err := strictjson.Unmarshal(content, sealift.MaxBackupHeader, &r.header); err != nil {
		return damaged(err)
	}
	if r.header.Schema < 1 {
		return damaged(fmt.Errorf("there is no schema %d", r.header.Schema))
	}
	return r.into.Begin(r.ctx, r.header)
}

// whole reads a small member.
func (r *reader) whole(h *tar.Header, most int64) ([]byte, error) {
	if h.Size > most {
		return nil, fmt.Errorf("%.80q has %d bytes, at most %d are allowed", h.Name, h.Size, most)
	}
	return io.ReadAll(r.tar)
}

// part reads a piece of rows: that of the table before, or of one after it.
func (r *reader) part(h *tar.Header) error {
	name := path.Base(path.Dir(h.Name))
	ahead := slices.IndexFunc(r.header.Tables[r.table:], func(t store.Table) bool { return t.Name == name })
	if ahead < 0 || r.blobs {
		return fmt.Errorf("%.80q is out of order", h.Name)
	}
	r.table += ahead
	table := r.header.Tables[r.table]
	content, err := r.whole(h, sealift.MaxBackupPart)
	if err != nil {
		return err
	}
	r.read.Parts = append(r.read.Parts, Part{h.Name, int64(len(content)), sealift.DigestOf(content)})
	for len(content) > 0 {
		line, rest, ended := bytes.Cut(content, []byte("\n"))
		if !ended {
			return fmt.Errorf("%.80q ends within a row", h.Name)
		}
		values, err := parseRow(line)
		if err != nil {
			return fmt.Errorf("%.80q: %w", h.Name, err)
		}
		if err := r.into.Row(r.ctx, table, values); err != nil {
			return err
		}
		r.read.Rows[table.Name]++
		content = rest
	}
	return nil
}

func (r *reader) blob(h *tar.Header) error {
	r.blobs = true
	digest, err := sealift.ParseDigest(strings.TrimPrefix(h.Name, blobsFolder))
	if err != nil {
		return err
	}
	if h.Size > sealift.MaxBlob {
		return fmt.Errorf("blob %s has %d bytes, at most %d are allowed", digest, h.Size, int64(sealift.MaxBlob))
	}
	hash := sha256.New()
	hashed := io.TeeReader(r.tar, hash)
	if err := r.into.Blob(r.ctx, digest, h.Size, hashed); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, hashed); err != nil { // what Blob left
		return err
	}
	if sealift.Digest(hash.Sum(nil)) != digest {
		return fmt.Errorf("blob %s has another content than its name says", digest)
	}
	r.read.Blobs++
	r.read.Bytes += h.Size
	return nil
}

// end compares what was read with the manifest, after which nothing comes.
func (r *reader) end(h *tar.Header) error {
	content, err := r.whole(h, sealift.MaxBackupManifest)
	if err != nil {
		return damaged(err)
	}
	var said Manifest
	if err := strictjson.Unmarshal(content, sealift.MaxBackupManifest, &said); err != nil {
		return damaged(err)
	}
	for i, part := range said.Parts {
		if i >= len(r.read.Parts) || r.read.Parts[i] != part {
			return damaged(fmt.Errorf("%.80q is not as the manifest says", part.Name))
		}
	}
	for table, n := range said.Rows {
		if r.read.Rows[table] != n {
			return damaged(fmt.Errorf("table %.80q has %d rows, the manifest says %d", table, r.read.Rows[table], n))
		}
	}
	if len(said.Parts) != len(r.read.Parts) || said.Blobs != r.read.Blobs || said.Bytes != r.read.Bytes {
		return damaged(fmt.Errorf("%d parts and %d blobs, the manifest says %d and %d", len(r.read.Parts), r.read.Blobs, len(said.Parts), said.Blobs))
	}
	r.read.Missing = said.Missing
	if _, err := r.tar.Next(); !errors.Is(err, io.EOF) {
		return damaged(errors.Join(err, errors.New("something follows the manifest")))
	}
	return nil
}
