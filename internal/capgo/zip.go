package capgo

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/andybalholm/brotli"

	"github.com/sealift/sealift"
)

// zipWriter writes zips of one form: for the same files in deflated form there is
// one zip.
type zipWriter struct{ zip *zip.Writer }

func newZipWriter(w io.Writer) *zipWriter { return &zipWriter{zip.NewWriter(w)} }

func (w *zipWriter) close() error { return w.zip.Close() }

// add deflates a file and writes it.
func (w *zipWriter) add(path string, content []byte) error {
	var small bytes.Buffer
	deflate, err := flate.NewWriter(&small, flate.BestCompression)
	if err != nil {
		return err
	}
	if _, err = deflate.Write(content); err == nil {
		err = deflate.Close()
	}
	if err != nil {
		return err
	}
	entry, err := w.begin(path, crc32.ChecksumIEEE(content), int64(small.Len()), int64(len(content)))
	if err == nil {
		_, err = entry.Write(small.Bytes())
	}
	return err
}

// begin writes the header of an entry whose deflated content follows.
func (w *zipWriter) begin(path string, sum uint32, deflated, size int64) (io.Writer, error) {
	const version20 = 20 // which knows Deflate (APPNOTE 4.4.3.2)
	h := &zip.FileHeader{
		Name: path, Method: zip.Deflate, CRC32: sum, CompressedSize64: uint64(deflated), UncompressedSize64: uint64(size),
		ReaderVersion: version20, CreatorVersion: version20,
	}
	//lint:ignore SA1019 Modified would add an extra field, which readers from the front read otherwise than others
	h.ModifiedDate = 1<<5 | 1 // 1980-01-01, the first day there is
	for _, b := range []byte(path) {
		if b >= 0x80 {
			h.Flags = utf8Flag
		}
	}
	return w.zip.CreateRaw(h)
}

const (
	utf8Flag       = 0x800 // APPNOTE 4.4.4, bit 11
	directoryEntry = 46    // bytes, without the name
	directoryEnd   = 22
)

// CheckZip reads a zip of length bytes as a device does and returns its SHA-256. It
// must hold exactly the files, which are in the order of their paths, and have the one
// form that a Packer writes, whatever deflated them: so that readers from its front
// and readers from its end find the same. KindIntegrity with reason "zip" for
// any other.
func CheckZip(plain io.ReaderAt, length int64, files []Entry) (sealift.Digest, error) {
	digest, err := checkZip(plain, length, files)
	if err != nil {
		return sealift.Digest{}, sealift.Errorf(sealift.KindIntegrity, "looking at the zip for Capgo's plugin", "%w", err).WithReason("zip").
			WithHint("publish again with the program of the server's release")
	}
	return digest, nil
}

func checkZip(plain io.ReaderAt, length int64, files []Entry) (digest sealift.Digest, err error) {
	if err := checkDirectory(plain, length, files); err != nil {
		return digest, err
	}
	archive, err := zip.NewReader(plain, length)
	if err != nil {
		return digest, err
	}
	if len(archive.File) != len(files) {
		return digest, fmt.Errorf("%d files in it, not %d", len(archive.File), len(files))
	}
	again := sha256.New()
	w := newZipWriter(again)
	for i, f := range archive.File {
		if err := checkEntry(w, f, files[i]); err != nil {
			return digest, fmt.Errorf("%.80q: %w", f.Name, err)
		}
	}
	if err := w.close(); err != nil {
		return digest, err
	}
	digest, _, err = sealift.DigestReader(io.NewSectionReader(plain, 0, length))
	if err == nil && digest != sealift.Digest(again.Sum(nil)) {
		err = errors.New("it is not of the form that all readers read alike")
	}
	return digest, err
}

// checkDirectory bounds what a reader of the directory takes into memory.
func checkDirectory(plain io.ReaderAt, length int64, files []Entry) error {
	want := int64(0)
	for _, f := range files {
		want += directoryEntry + int64(len(f.Path))
	}
	var end [directoryEnd]byte
	if length < directoryEnd+want {
		return errors.New("it is too short")
	}
	if _, err := plain.ReadAt(end[:], length-directoryEnd); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if string(end[:4]) != "PK\x05\x06" || int64(binary.LittleEndian.Uint32(end[12:])) != want || int64(binary.LittleEndian.Uint32(end[16:])) != length-directoryEnd-want {
		return errors.New("its directory is not that of these files")
	}
	return nil
}

// checkEntry inflates an entry, compares it with the file, and writes it again.
func checkEntry(again *zipWriter, f *zip.File, want Entry) error {
	if f.Name != want.Path || f.UncompressedSize64 != uint64(want.Size) || f.Method != zip.Deflate {
		return fmt.Errorf("not the %d bytes of %.80q, deflated", want.Size, want.Path)
	}
	raw, err := f.OpenRaw()
	if err != nil {
		return err
	}
	out, err := again.begin(f.Name, f.CRC32, int64(f.CompressedSize64), want.Size)
	if err != nil {
		return err
	}
	deflated := bufio.NewReaderSize(io.TeeReader(raw, out), 16<<10)
	sum, digest := crc32.NewIEEE(), sha256.New()
	n, err := io.Copy(io.MultiWriter(sum, digest), io.LimitReader(flate.NewReader(deflated), want.Size+1))
	switch {
	case err != nil:
		return err
	case n != want.Size || sealift.Digest(digest.Sum(nil)) != want.SHA256 || sum.Sum32() != f.CRC32:
		return errors.New("it holds something else")
	}
	if rest, err := io.Copy(io.Discard, deflated); err != nil || rest > 0 {
		return fmt.Errorf("%d bytes behind its end: %w", rest, err)
	}
	return nil
}

// CheckFile decrypts a file that devices fetch on its own, decompresses it where its
// name says so, and compares it with what is installed. KindIntegrity with reason
// "file" where it is another.
func CheckFile(s Session, name string, sealed io.ReaderAt, size int64, want Entry) error {
	err := checkFile(s, name, sealed, size, want)
	if err != nil {
		return sealift.Errorf(sealift.KindIntegrity, "looking at a file for Capgo's plugin", "%.80q: %w", name, err).WithReason("file").
			WithHint("publish again with the program of the server's release")
	}
	return nil
}

func checkFile(s Session, name string, sealed io.ReaderAt, size int64, want Entry) error {
	if Path(name) != want.Path {
		return fmt.Errorf("it is not %.80q", want.Path)
	}
	plain, length, err := s.OpenAt(sealed, size)
	if err != nil {
		return err
	}
	r := io.Reader(bufio.NewReaderSize(io.NewSectionReader(plain, 0, length), 64<<10))
	if name != want.Path {
		r = brotli.NewReader(r)
	}
	digest, n, err := sealift.DigestReader(io.LimitReader(r, want.Size+1))
	if err == nil && (n != want.Size || digest != want.SHA256) {
		err = errors.New("it holds something else")
	}
	return err
}
