package audit

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/strictjson"
)

// exportFormat names the format of an export; a reader refuses any other.
const exportFormat = "sealift/audit-export/v1"

// maxExportLine bounds a line of an export: an entry whose every byte is
// escaped in its JSON string, and a little around it.
const maxExportLine = 6*maxEntry + 4<<10

// exportHeader is the first line of an export.
type exportHeader struct {
	Format string   `json:"format"`
	Origin string   `json:"origin"`
	Size   int64    `json:"size"` // how many entries follow
	Keys   []string `json:"keys"` // verifier keys of the log as its server names them: to look at, not to trust
}

// exportLine is every other line: an entry, or a checkpoint.
type exportLine struct {
	Index      *int64  `json:"index,omitempty"`
	Hash       string  `json:"hash,omitempty"`       // leaf hash (RFC 6962 section 2.1) as the vault stored it, base64
	Leaf       *string `json:"leaf,omitempty"`       // the bytes that are hashed; all of them are UTF-8
	Lost       bool    `json:"lost,omitempty"`       // Hash is all that a restore left of it; there is no Leaf
	Checkpoint string  `json:"checkpoint,omitempty"` // C2SP tlog-checkpoint of as many entries as stand before it
}

// Stored is a leaf of the log with the hash that was stored with it.
type Stored struct {
	Index int64
	Leaf  []byte
	Hash  [32]byte
}

// Exporter writes an export. It is JSON Lines: a header, the entries from the
// first on, and each signed checkpoint behind the last entry that it covers.
// The last line is the checkpoint of all of them.
type Exporter struct {
	out  *bufio.Writer
	json *json.Encoder
}

// NewExporter writes the header of an export of the first size entries of the
// log origin. keys are its verifier keys.
func NewExporter(w io.Writer, origin string, size int64, keys []string) (*Exporter, error) {
	e := &Exporter{out: bufio.NewWriter(w)}
	e.json = json.NewEncoder(e.out)
	e.json.SetEscapeHTML(false)
	return e, e.json.Encode(exportHeader{exportFormat, origin, size, keys})
}

// Entry writes the next entry.
func (e *Exporter) Entry(s Stored) error {
	line := exportLine{Index: &s.Index, Hash: base64.StdEncoding.EncodeToString(s.Hash[:])}
	if leaf := string(s.Leaf); leaf != "" {
		line.Leaf = &leaf
	} else {
		line.Lost = true
	}
	return e.json.Encode(line)
}

// Checkpoint writes a signed checkpoint; its size is the number of entries
// before it.
func (e *Exporter) Checkpoint(signed []byte) error {
	return e.json.Encode(exportLine{Checkpoint: string(signed)})
}

// Flush writes what is still held back.
func (e *Exporter) Flush() error { return e.out.Flush() }

// VerifyExport reads an export and verifies it: every hash is computed from the
// first entry on, and compared with the one exported beside it, with every
// checkpoint in it, and with those that were kept elsewhere. Its memory does
// not grow with the export.
//
// Its error is of KindInvalid for a file of another format, and else as that of
// Verify.
func VerifyExport(r io.Reader, d Demands) (Verified, error) {
	x := &exportReader{Demands: d, lines: bufio.NewReaderSize(r, 64<<10), cosigners: cosigners{quorum: d.Witnesses}}
	header, err := x.header()
	if err != nil {
		return Verified{}, err
	}
	for _, signed := range d.Kept {
		c, _, err := d.parse(signed)
		if err != nil {
			return Verified{}, badCheckpoint(fmt.Errorf("one that was kept elsewhere: %w", err))
		}
		x.kept = append(x.kept, c.Tree)
	}
	slices.SortFunc(x.kept, func(a, b tlog.Tree) int { return cmp.Compare(a.N, b.N) })
	if err := x.compareKept(); err != nil {
		return Verified{}, err
	}
	for {
		line, err := x.next()
		if errors.Is(err, io.EOF) {
			return x.end(header)
		}
		if err != nil {
			return Verified{}, err
		}
		if err := x.take(line, header.Size); err != nil {
			return Verified{}, err
		}
	}
}

type exportReader struct {
	Demands
	lines  *bufio.Reader
	number int // of the line read last, from 1

	tree      spine
	losses    losses
	clock     clock
	cosigners cosigners
	covered   int64       // size of the last checkpoint that the entries agreed with
	seen      int         // checkpoints compared
	kept      []tlog.Tree // those kept elsewhere that are yet to be compared, by size
}

// line reads the next line, without its end. It is good until the next one.
func (x *exportReader) line() ([]byte, error) {
	line, err := x.lines.ReadSlice('\n')
	full := line
	if errors.Is(err, bufio.ErrBufferFull) {
		full = slices.Clone(line)
		for errors.Is(err, bufio.ErrBufferFull) && len(full) <= maxExportLine {
			line, err = x.lines.ReadSlice('\n')
			full = append(full, line...)
		}
	}
	if len(full) == 0 && errors.Is(err, io.EOF) {
		return nil, io.EOF
	}
	x.number++
	switch {
	case len(full) > maxExportLine:
		return nil, x.malformed(fmt.Errorf("it is longer than %d bytes", maxExportLine))
	case errors.Is(err, io.EOF):
		return nil, x.malformed(errors.New("the file ends in the middle of it"))
	case err != nil:
		return nil, sealift.Errorf(sealift.KindInternal, "reading an export", "%w", err)
	}
	return bytes.TrimSuffix(full, []byte("\n")), nil
}

func (x *exportReader) read(line []byte, v any) error {
	if err := strictjson.Unmarshal(line, maxExportLine, v); err != nil {
		return x.malformed(err)
	}
	return nil
}

// malformed is about a line. Behind entries it is damage, and the first entry
// that it takes away is the first bad one.
func (x *exportReader) malformed(err error) error {
	if x.number == 1 {
		return sealift.Errorf(sealift.KindInvalid, "reading an export", "it is not in the format %s: %w", exportFormat, err).
			WithHint("name a file that sealift audit export wrote")
	}
	return bad(x.tree.size, "cannot be read, nor what follows it: line %d of the export: %v", x.number, err)
}

func (x *exportReader) header() (h exportHeader, err error) {
	line, err := x.line()
	if err == nil {
		err = x.read(line, &h)
	}
	switch {
	case errors.Is(err, io.EOF):
		x.number = 1
		return h, x.malformed(errors.New("it is empty"))
	case err != nil:
		return h, err
	case h.Format != exportFormat:
		return h, x.malformed(fmt.Errorf("it is in %.60q", h.Format))
	case h.Origin != x.Origin:
		return h, sealift.Errorf(sealift.KindIntegrity, verifyOp, "it is the log %.80q, not %q", h.Origin, x.Origin).WithReason("log").
			WithHint("use the log key of the vault that the export is of")
	case h.Size < 0:
		return h, x.malformed(fmt.Errorf("it says that it has %d entries", h.Size))
	}
	return h, nil
}

func (x *exportReader) next() (line exportLine, err error) {
	text, err := x.line()
	if err != nil {
		return line, err
	}
	if entry, ok := entryLine(text); ok {
		return entry, nil
	}
	err = x.read(text, &line)
	return line, err
}

func (x *exportReader) take(line exportLine, size int64) error {
	switch {
	case line.Checkpoint != "" && line.Index == nil && line.Leaf == nil && line.Hash == "" && !line.Lost:
		return x.checkpoint([]byte(line.Checkpoint))
	case line.Index == nil || (line.Leaf == nil) != line.Lost || line.Checkpoint != "":
		return x.malformed(errors.New("it is neither an entry nor a checkpoint"))
	case *line.Index != x.tree.size:
		return bad(x.tree.size, "is missing: entry %d stands in its place", *line.Index)
	case x.tree.size >= size:
		return bad(x.tree.size, "was added: the export says that it has %d entries", size)
	}
	return x.entry(line)
}

func (x *exportReader) entry(line exportLine) error {
	leaf, hash, err := line.content()
	if err != nil {
		return x.malformed(err)
	}
	if err := x.losses.see(*line.Index, leaf); err != nil {
		return err
	}
	hashes := x.tree.add(hash)
	if line.Hash != base64.StdEncoding.EncodeToString(hashes[0][:]) {
		return bad(*line.Index, "was changed or moved: its hash is not the one that was exported with it%s", about(leaf))
	}
	x.clock.see(*line.Index, leaf)
	if x.See != nil {
		x.See(recordOf(*line.Index, leaf))
	}
	return x.compareKept()
}

// content returns the leaf, empty for a lost one, and its hash.
func (l exportLine) content() (leaf []byte, hash tlog.Hash, err error) {
	if !l.Lost {
		leaf = []byte(*l.Leaf)
		return leaf, tlog.RecordHash(leaf), nil
	}
	stored, err := base64.StdEncoding.DecodeString(l.Hash)
	if err != nil || len(stored) != tlog.HashSize {
		return nil, hash, errors.New("it is of an entry that was lost, and without its hash")
	}
	return nil, tlog.Hash(stored), nil
}

// compareKept compares the entries so far with the checkpoints of their number
// that were kept elsewhere.
func (x *exportReader) compareKept() error {
	for len(x.kept) > 0 && x.kept[0].N == x.tree.size {
		if err := x.agree(x.kept[0], "that was kept elsewhere"); err != nil {
			return err
		}
		x.kept = x.kept[1:]
	}
	return nil
}

// about says of a bad entry what can still be read in it.
func about(leaf []byte) string {
	e, ok := ParseEntry(leaf)
	if !ok {
		return ""
	}
	return fmt.Sprintf("; it reads %s at %s", e.Action, e.Time.Format(timeForm))
}

// checkpoint compares the entries so far with a signed state of the log. Many
// of them narrow down where a change is that no hash beside it shows.
func (x *exportReader) checkpoint(signed []byte) error {
	c, by, err := x.parse(signed)
	switch {
	case err != nil:
		return badCheckpoint(fmt.Errorf("line %d of the export: %w", x.number, err))
	case c.Tree.N > x.tree.size:
		return bad(x.tree.size, "is missing: a checkpoint of %d entries stands in its place", c.Tree.N)
	case c.Tree.N < x.tree.size:
		return badCheckpoint(fmt.Errorf("line %d of the export: one of %d entries stands behind %d", x.number, c.Tree.N, x.tree.size))
	}
	x.cosigners.see(c, by)
	return x.agree(c.Tree, "in the export")
}

func (x *exportReader) agree(signed tlog.Tree, where string) error {
	if signed.Hash != x.tree.tree().Hash {
		return another(x.covered, signed.N, where+" ")
	}
	x.covered = signed.N
	x.seen++
	return nil
}

func (x *exportReader) end(h exportHeader) (Verified, error) {
	if err := x.losses.end(); err != nil {
		return Verified{}, err
	}
	switch {
	case x.tree.size < h.Size:
		return Verified{}, bad(x.tree.size, "is missing: the export ends before it and says that it has %d entries", h.Size)
	case x.covered != x.tree.size || x.seen == 0:
		return Verified{}, bad(x.covered, "and those after it are covered by no checkpoint: the export's last line is missing")
	case len(x.kept) > 0:
		return Verified{}, bad(x.tree.size, "is missing: the export ends before it, and a checkpoint that was kept elsewhere covers %d entries", x.kept[len(x.kept)-1].N)
	}
	return Verified{Tree: x.tree.tree(), Checkpoints: x.seen, Cosigned: x.cosigners.by, Back: x.clock.back, Lost: x.losses.found}, x.cosigners.check()
}
