package bundle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/sealift/sealift"
)

// Progress is told, after each piece of work, how many bytes of the archive
// are done and how many there are. It is called from the calling goroutine,
// several hundred times a GiB at the least, and may be nil.
type Progress func(done, total int64)

// chunkSize is how much of an archive is worked on at a time: small enough to
// stay in a core's cache through hashing, compression and encryption, and a
// multiple of a zstd block (128 KiB).
const chunkSize = 128 << 10

// archiver writes the archive of a Source to emit, a chunk at a time.
type archiver struct {
	ctx      context.Context
	source   *Source
	emit     func(chunk []byte) error
	progress Progress
	buffer   []byte
	done     int64
}

// writeArchive calls emit with the archive of s in pieces of chunkSize bytes,
// the last one shorter. emit must not keep them.
func (s *Source) writeArchive(ctx context.Context, progress Progress, emit func(chunk []byte) error) error {
	a := &archiver{ctx: ctx, source: s, emit: emit, progress: progress, buffer: make([]byte, 0, chunkSize)}
	var header [maxHeader]byte
	for _, f := range s.files {
		if err := a.write(appendHeader(header[:0], f)); err != nil {
			return err
		}
		if err := a.file(f); err != nil {
			return err
		}
		if err := a.zeros(padding(f.Size)); err != nil {
			return err
		}
	}
	if err := a.zeros(tarTrailer); err != nil {
		return err
	}
	return a.flush()
}

func (a *archiver) write(b []byte) error {
	for {
		n := copy(a.space(), b)
		a.buffer = a.buffer[:len(a.buffer)+n]
		if b = b[n:]; len(b) == 0 {
			return nil
		}
		if err := a.flush(); err != nil {
			return err
		}
	}
}

func (a *archiver) zeros(n int64) error {
	var zeros [tarTrailer]byte
	return a.write(zeros[:n])
}

// space is the free part of the buffer.
func (a *archiver) space() []byte { return a.buffer[len(a.buffer):cap(a.buffer)] }

func (a *archiver) flush() error {
	if err := a.ctx.Err(); err != nil {
		return err
	}
	if err := a.emit(a.buffer); err != nil {
		return err
	}
	a.done += int64(len(a.buffer))
	a.buffer = a.buffer[:0]
	if a.progress != nil {
		a.progress(a.done, a.source.length)
	}
	return nil
}

// file writes the content of f, which must be as it was when it was listed.
func (a *archiver) file(f File) (err error) {
	in, err := a.source.fsys.Open(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return changed("%s is gone", quote(f.Path))
	} else if err != nil {
		return unreadable(opArchive, f.Path, err)
	}
	defer in.Close() // read only: nothing to lose
	info, err := in.Stat()
	if err != nil {
		return unreadable(opArchive, f.Path, err)
	}
	if !info.Mode().IsRegular() || fileOf(f.Path, info) != f {
		return changed("%s is no longer as it was listed", quote(f.Path))
	}
	for left := f.Size; left > 0; {
		if len(a.space()) == 0 {
			if err := a.flush(); err != nil {
				return err
			}
		}
		n, err := readSome(in, a.space()[:min(left, int64(len(a.space())))])
		a.buffer = a.buffer[:len(a.buffer)+n]
		left -= int64(n)
		if errors.Is(err, io.EOF) && left > 0 {
			return changed("%s became shorter", quote(f.Path))
		} else if err != nil && !errors.Is(err, io.EOF) {
			return unreadable(opArchive, f.Path, err)
		}
	}
	return checkEnd(in, f)
}

// readSome reads at least one byte, or returns an error. A Read of nothing
// without an error, which io.Reader discourages, is given a few tries.
func readSome(r io.Reader, b []byte) (int, error) {
	for range 100 {
		if n, err := r.Read(b); n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.ErrNoProgress
}

func checkEnd(in io.Reader, f File) error {
	var one [1]byte
	switch n, err := readSome(in, one[:]); {
	case n > 0:
		return changed("%s became longer", quote(f.Path))
	case !errors.Is(err, io.EOF):
		return unreadable(opArchive, f.Path, err)
	}
	return nil
}

const opArchive = "archiving bundle"

// changed is the refusal of a folder that somebody writes to.
func changed(format string, args ...any) error {
	return sealift.Errorf(sealift.KindConflict, opArchive, "the folder changed while publishing: %w", fmt.Errorf(format, args...)).
		WithReason("changed").WithHint("let the build finish, then publish again")
}
