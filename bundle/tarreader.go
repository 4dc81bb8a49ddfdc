package bundle

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// tarReader reads an archive that is pushed into it, and accepts exactly what
// archiver writes: it decodes a header as well as it can, encodes what it
// found, and wants the same bytes.
type tarReader struct {
	sink Sink
	left int64 // bytes of archive still to come

	state  tarState
	header []byte         // what has come of a header
	want   int            // its length as far as it is known
	names  names          // all files so far
	body   io.WriteCloser // the file being written
	size   int64          // bytes of it still to come
	zeros  int64          // bytes of padding or trailer still to come
}

type tarState int

const (
	inHeader tarState = iota
	inBody
	inPadding
	inTrailer
	atEnd
)

// take goes on with the next bytes of the archive.
func (t *tarReader) take(b []byte) error {
	for len(b) > 0 {
		n, err := t.step(b)
		if err != nil {
			return err
		}
		b = b[n:]
		t.left -= int64(n)
	}
	return nil
}

func (t *tarReader) step(b []byte) (n int, err error) {
	switch t.state {
	case inHeader:
		return t.takeHeader(b)
	case inBody:
		return t.takeBody(b)
	case inPadding, inTrailer:
		return t.takeZeros(b)
	}
	return 0, refuse("trailing", "something follows the archive's end")
}

// finish is called when the last byte has been taken.
func (t *tarReader) finish() error {
	switch {
	case t.state != atEnd:
		return refuse("shorter", "the archive has no end")
	case t.names.last == "":
		return refuse("empty", "the archive has no files")
	}
	return nil
}

// abandon closes a file that was left half written.
func (t *tarReader) abandon() {
	if t.body != nil {
		t.body.Close() // the archive is refused already
		t.body = nil
	}
}

func (t *tarReader) takeHeader(b []byte) (int, error) {
	if len(t.header) == 0 {
		t.want = tarBlock
	}
	n := min(len(b), t.want-len(t.header))
	t.header = append(t.header, b[:n]...)
	if len(t.header) < t.want {
		return n, nil
	}
	if t.want == tarBlock {
		done, err := t.firstBlock()
		if err != nil || done {
			return n, err
		}
	}
	err := t.file()
	t.header = t.header[:0]
	return n, err
}

// firstBlock looks at the first block of a header: it may be the trailer's, or
// an extended header, which has more blocks. done means that there is no
// header to read yet.
func (t *tarReader) firstBlock() (done bool, err error) {
	kind := t.header[156]
	switch {
	case allZero(t.header):
		t.header = t.header[:0]
		t.state, t.zeros = inTrailer, tarTrailer-tarBlock
		return true, nil
	case kind == typeExtended:
		size := octal(t.header[124:136])
		if size < 0 || size > maxHeader-2*tarBlock {
			return true, refuse("header", "an extended header of %d bytes", size)
		}
		t.want += int(size+padding(size)) + tarBlock
		return true, nil
	case kind != typeRegular:
		return true, refuseKind(kind)
	}
	return false, nil
}

// refuseKind names the entries that no bundle holds.
func refuseKind(kind byte) error {
	switch kind {
	case '1', '2':
		return refuse("link", "the archive holds a link")
	case '3', '4', '6':
		return refuse("special", "the archive holds a device or a pipe")
	case '5':
		return refuse("folder", "the archive holds an entry for a folder")
	}
	return refuse("header", "the archive holds an entry of type %q", kind)
}

// file begins the file whose header is complete.
func (t *tarReader) file() error {
	f, err := parseHeader(t.header)
	if err != nil {
		return err
	}
	if problem := checkPath(f.Path); problem != "" {
		return refuse(reasonPath, "the path %s: %s", quote(f.Path), problem)
	}
	var scratch [maxHeader]byte
	if !bytes.Equal(t.header, appendHeader(scratch[:0], f)) {
		return refuse("header", "the header of %s is not as a publisher writes it", quote(f.Path))
	}
	if reason, problem := t.names.add(f.Path); reason != "" {
		return refuse(reason, "the path %s: %s", quote(f.Path), problem)
	}
	if f.Size > t.left { // before the Sink makes room for it
		return refuse("header", "%s has %d bytes, which is more than the archive", quote(f.Path), f.Size)
	}
	t.body, err = t.sink.Create(f.Path, f.Size, f.Executable)
	if err != nil {
		return passedError{fmt.Errorf("unpacking %s: %w", quote(f.Path), err)}
	}
	t.state, t.size, t.zeros = inBody, f.Size, padding(f.Size)
	if f.Size == 0 {
		return t.endBody()
	}
	return nil
}

// parseHeader decodes without judging: whatever it gets wrong does not encode
// to the same bytes.
func parseHeader(header []byte) (File, error) {
	last := header[len(header)-tarBlock:]
	if kind := last[156]; kind != typeRegular {
		return File{}, refuseKind(kind)
	}
	f := File{Size: octal(last[124:136]), Executable: octal(last[100:108])&0o111 != 0}
	if len(header) > tarBlock {
		record := string(header[tarBlock : tarBlock+min(int(octal(header[124:136])), len(header)-2*tarBlock)])
		_, path, ok := strings.Cut(record, " path=")
		if !ok {
			return File{}, refuse("header", "an extended header without a path")
		}
		f.Path = strings.TrimSuffix(path, "\n")
		return f, nil
	}
	f.Path = untilNUL(last[:tarName])
	if prefix := untilNUL(last[345 : 345+tarPrefix]); prefix != "" {
		f.Path = prefix + "/" + f.Path
	}
	return f, nil
}

func (t *tarReader) takeBody(b []byte) (int, error) {
	b = b[:min(int64(len(b)), t.size)]
	n, err := t.body.Write(b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return 0, passedError{fmt.Errorf("unpacking %s: %w", quote(t.names.last), err)}
	}
	if t.size -= int64(n); t.size == 0 {
		return n, t.endBody()
	}
	return n, nil
}

func (t *tarReader) endBody() error {
	t.state = inPadding
	if t.zeros == 0 {
		t.state = inHeader
	}
	body := t.body
	t.body = nil
	if err := body.Close(); err != nil {
		return passedError{fmt.Errorf("unpacking %s: %w", quote(t.names.last), err)}
	}
	return nil
}

func (t *tarReader) takeZeros(b []byte) (int, error) {
	b = b[:min(int64(len(b)), t.zeros)]
	if !allZero(b) {
		return 0, refuse("padding", "a byte that must be zero is not")
	}
	if t.zeros -= int64(len(b)); t.zeros == 0 {
		if t.state == inTrailer {
			t.state = atEnd
		} else {
			t.state = inHeader
		}
	}
	return len(b), nil
}

// octal reads a NUL-terminated number; anything else is -1.
func octal(field []byte) int64 {
	n := int64(0)
	for _, c := range field[:len(field)-1] {
		if c < '0' || c > '7' {
			return -1
		}
		n = n<<3 | int64(c-'0')
	}
	return n
}

func untilNUL(field []byte) string {
	s, _, _ := bytes.Cut(field, []byte{0})
	return string(s)
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
