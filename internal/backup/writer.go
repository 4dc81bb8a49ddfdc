package backup

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"syscall"
	"time"

	"filippo.io/age"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/blob"
	"github.com/sealift/sealift/internal/store"
)

const writeOp = "writing the backup"

// partSize is where a piece of rows ends: the row that crosses it is the last.
const partSize = 4 << 20

// Writer writes a backup: Rows, then Blobs, then Close.
type Writer struct {
	sealed   io.WriteCloser // encrypts
	tar      *tar.Writer
	created  time.Time
	manifest Manifest
	blobs    map[sealift.Digest]int64 // named by rows, with their lengths
}

// NewWriter begins a backup to out, which recipients will be able to open.
func NewWriter(out io.Writer, recipients []age.Recipient, created time.Time) (*Writer, error) {
	sealed, err := age.Encrypt(out, recipients...)
	if err != nil && errors.Is(err, syscall.ENOSPC) {
		return nil, writing(err)
	}
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInvalid, writeOp, "%w", err).WithReason("recipients").
			WithHint("name recipients of one kind only: all that begin with age1pq, or all others")
	}
	return &Writer{
		sealed: sealed, tar: tar.NewWriter(sealed), created: created.UTC(),
		manifest: Manifest{Parts: []Part{}, Rows: map[string]int64{}, Missing: []sealift.Digest{}},
		blobs:    map[sealift.Digest]int64{},
	}, nil
}

// Rows writes the header and all rows of one state of a store. program is the
// version of this program.
func (w *Writer) Rows(ctx context.Context, tx store.Tx, program string) (Header, error) {
	h, err := describe(ctx, tx)
	if err != nil {
		return h, err
	}
	h.Created, h.Program = w.created, program
	if err := w.document(headerName, h); err != nil {
		return h, err
	}
	for _, table := range h.Tables {
		if err := w.table(ctx, tx, table); err != nil {
			return h, err
		}
	}
	return h, nil
}

func (w *Writer) table(ctx context.Context, tx store.Tx, table store.Table) error {
	var piece []byte
	number := 0
	flush := func() error {
		number++
		name := fmt.Sprintf("%s%s/%06d.jsonl", rowsFolder, table.Name, number)
		w.manifest.Parts = append(w.manifest.Parts, Part{name, int64(len(piece)), sealift.DigestOf(piece)})
		err := w.file(name, piece)
		piece = piece[:0]
		return err
	}
	w.manifest.Rows[table.Name] = 0
	err := tx.Rows(ctx, table, func(values []any) (err error) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if piece, err = appendRow(piece, values); err != nil {
			return sealift.Errorf(sealift.KindInternal, writeOp, "a row of %s: %w", table.Name, err)
		}
		w.manifest.Rows[table.Name]++
		if table.Name == "blobs" {
			w.note(table, values)
		}
		if len(piece) >= partSize {
			return flush()
		}
		return nil
	})
	if err == nil && len(piece) > 0 {
		err = flush()
	}
	return err
}

// note keeps the blob that a row of the table of blobs names.
func (w *Writer) note(table store.Table, values []any) {
	digest, _ := values[slices.Index(table.Columns, "digest")].([]byte)
	length, _ := values[slices.Index(table.Columns, "length")].(int64)
	if len(digest) == len(sealift.Digest{}) {
		w.blobs[sealift.Digest(digest)] = length
	}
}

// Blobs copies the blobs that the rows name from the published tree. Those that
// are not there, as when somebody took them away by hand, are noted in the
// manifest; one of another content is an error.
func (w *Writer) Blobs(ctx context.Context, published blob.Store) error {
	for _, digest := range slices.SortedFunc(maps.Keys(w.blobs), compareDigests) {
		file, err := published.Open(ctx, blobsFolder+digest.String())
		if sealift.KindOf(err) == sealift.KindNotFound {
			w.manifest.Missing = append(w.manifest.Missing, digest)
			continue
		}
		if err != nil {
			return err
		}
		err = errors.Join(w.blob(ctx, digest, file), file.Close())
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *Writer) blob(ctx context.Context, digest sealift.Digest, file blob.File) error {
	length := w.blobs[digest]
	if file.Size() != length {
		return sealift.Errorf(sealift.KindIntegrity, writeOp, "blob %s has %d bytes, not %d", digest, file.Size(), length).
			WithReason("blob").WithHint("the disk of the published tree may be failing: take this blob from the last good backup")
	}
	if err := w.tar.WriteHeader(w.header(blobsFolder+digest.String(), length)); err != nil {
		return writing(err)
	}
	got, n, err := sealift.DigestReader(io.TeeReader(contextReader{ctx, file}, w.tar))
	if err != nil {
		return writing(err)
	}
	if got != digest || n != length {
		return sealift.Errorf(sealift.KindIntegrity, writeOp, "blob %s has another content than its name says", digest).
			WithReason("blob").WithHint("the disk of the published tree may be failing: take this blob from the last good backup")
	}
	w.manifest.Blobs++
	w.manifest.Bytes += n
	return nil
}

// Close completes the backup. Without it there is none.
func (w *Writer) Close() (Manifest, error) {
	err := w.document(manifestName, w.manifest)
	if err == nil {
		err = writing(errors.Join(w.tar.Close(), w.sealed.Close()))
	}
	return w.manifest, err
}

func (w *Writer) document(name string, v any) error {
	content, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return sealift.Errorf(sealift.KindInternal, writeOp, "%w", err)
	}
	return w.file(name, append(content, '\n'))
}

func (w *Writer) file(name string, content []byte) error {
	err := w.tar.WriteHeader(w.header(name, int64(len(content))))
	if err == nil {
		_, err = w.tar.Write(content)
	}
	return writing(err)
}

func (w *Writer) header(name string, length int64) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: length, Mode: 0o600, ModTime: w.created.Truncate(time.Second)}
}

// writing classes an error of the file that is written.
func writing(err error) error {
	if err == nil {
		return nil
	}
	return ioError(writeOp, err)
}
