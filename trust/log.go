package trust

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sealift/sealift"
)

// LogEntry returns the log's record of a release: the bytes whose leaf hash
// (RFC 6962 section 2.1) the proof is about.
func LogEntry(payload sealift.Digest) []byte {
	return []byte("sealift release v1\n" + payload.String() + "\n")
}

// ParseLogEntry reads what LogEntry wrote; ok is false for any other record.
func ParseLogEntry(record []byte) (payload sealift.Digest, ok bool) {
	digits, ok := strings.CutPrefix(string(record), "sealift release v1\n")
	if !ok {
		return payload, false
	}
	payload, err := sealift.ParseDigest(strings.TrimSuffix(digits, "\n"))
	return payload, err == nil && bytes.Equal(LogEntry(payload), record)
}

// CheckpointPath is where the log's newest checkpoint is published: below the
// same folder as the tiles (C2SP tlog-tiles).
const CheckpointPath = "log/checkpoint"

// TileHeight is the height of the log's hash tiles (C2SP tlog-tiles).
const TileHeight = 8

// logPublicKey returns the key in a verifier key of golang.org/x/mod/sumdb/note:
// "name+hash+", then base64 of the byte 1, which says Ed25519, and the key.
func logPublicKey(text string) (ed25519.PublicKey, error) {
	if _, err := note.NewVerifier(text); err != nil {
		return nil, fmt.Errorf("log key: %w", err)
	}
	parts := strings.SplitN(text, "+", 3) // base64 has + in it as well
	key, err := base64.StdEncoding.DecodeString(parts[len(parts)-1])
	if err != nil || len(key) != 1+ed25519.PublicKeySize || key[0] != 1 {
		return nil, errors.New("log key: not one of Ed25519")
	}
	return ed25519.PublicKey(key[1:]), nil
}

// Checkpoint is a state of the log (C2SP tlog-checkpoint).
type Checkpoint struct {
	Origin string
	Tree   tlog.Tree
}

// Text returns the unsigned checkpoint: origin, size and root hash, a line each.
func (c Checkpoint) Text() string {
	return fmt.Sprintf("%s\n%d\n%s\n", c.Origin, c.Tree.N, base64.StdEncoding.EncodeToString(c.Tree.Hash[:]))
}

// ParseCheckpoint verifies a signed checkpoint by one of keys and demands that
// it is of the log origin.
func ParseCheckpoint(signed []byte, origin string, keys note.Verifiers) (Checkpoint, error) {
	if len(signed) > sealift.MaxProof {
		return Checkpoint{}, fmt.Errorf("a checkpoint of %d bytes, at most %d are allowed", len(signed), sealift.MaxProof)
	}
	n, err := note.Open(signed, keys)
	if err != nil {
		return Checkpoint{}, err
	}
	for _, sig := range slices.Concat(n.Sigs, n.UnverifiedSigs) {
		if _, err := strictBase64(sig.Base64); err != nil { // note takes other spellings of it
			return Checkpoint{}, fmt.Errorf("a signature of the checkpoint: %w", err)
		}
	}
	lines := strings.SplitAfterN(n.Text, "\n", 4)
	if len(lines) != 4 || lines[3] != "" {
		return Checkpoint{}, errors.New("a checkpoint that is not three lines")
	}
	size, err := strconv.ParseInt(strings.TrimSuffix(lines[1], "\n"), 10, 64)
	if err != nil || size < 0 {
		return Checkpoint{}, errors.New("a checkpoint without a size")
	}
	root, err := strictBase64(strings.TrimSuffix(lines[2], "\n"))
	if err != nil || len(root) != tlog.HashSize {
		return Checkpoint{}, errors.New("a checkpoint without a root hash")
	}
	c := Checkpoint{origin, tlog.Tree{N: size, Hash: tlog.Hash(root)}}
	if c.Text() != n.Text {
		return Checkpoint{}, fmt.Errorf("a checkpoint of %.80q, not of %q", strings.TrimSuffix(lines[0], "\n"), origin)
	}
	return c, nil
}

// Proof is a C2SP tlog-proof: where in the log a record stands, and why.
type Proof struct {
	Index      int64
	Hashes     tlog.RecordProof
	Checkpoint []byte // signed
}

const proofHeader = "c2sp.org/tlog-proof@v1\n"

// Encode returns the proof's text.
func (p *Proof) Encode() []byte {
	var b bytes.Buffer
	b.WriteString(proofHeader)
	fmt.Fprintf(&b, "index %d\n", p.Index)
	for _, h := range p.Hashes {
		b.WriteString(base64.StdEncoding.EncodeToString(h[:]) + "\n")
	}
	b.WriteString("\n")
	b.Write(p.Checkpoint)
	return b.Bytes()
}

// ParseProof reads a proof's text. Nothing is verified.
func ParseProof(data []byte) (*Proof, error) {
	if len(data) > sealift.MaxProof {
		return nil, fmt.Errorf("a proof of %d bytes, at most %d are allowed", len(data), sealift.MaxProof)
	}
	rest, ok := strings.CutPrefix(string(data), proofHeader)
	head, checkpoint, cut := strings.Cut(rest, "\n\n")
	if !ok || !cut {
		return nil, errors.New("not a tlog-proof@v1")
	}
	lines := strings.Split(head, "\n")
	number, ok := strings.CutPrefix(lines[0], "index ")
	index, err := strconv.ParseInt(number, 10, 64)
	if !ok || err != nil || index < 0 || strconv.FormatInt(index, 10) != number {
		return nil, errors.New("a proof without an index")
	}
	p := &Proof{Index: index, Checkpoint: []byte(checkpoint)}
	for _, line := range lines[1:] {
		h, err := strictBase64(line)
		if err != nil || len(h) != tlog.HashSize || len(p.Hashes) == 63 {
			return nil, errors.New("a proof with a line that is not a hash, or with too many")
		}
		p.Hashes = append(p.Hashes, tlog.Hash(h))
	}
	return p, nil
}

// Seen is the last state of the log that a device verified; the zero Seen is
// that of a new device.
type Seen struct {
	Size int64     `json:"size"`
	Root tlog.Hash `json:"root"`
	// Keys are the SHA-256 of the log keys that trust.json named when it was
	// verified, or last recalled: what this memory is bound to (see
	// Rules.Recall). None are in what was kept before they were; it counts
	// under every key.
	Keys []sealift.Digest `json:"keys,omitempty"`
}

// Equal reports whether two memories are the same.
func (s Seen) Equal(t Seen) bool {
	return s.Size == t.Size && s.Root == t.Root && slices.Equal(s.Keys, t.Keys)
}

// Recall returns what counts of a memory under the log keys that trust.json
// names now, bound to these from here on. While one of the keys that it is bound
// to is still named, all of it does, so that no rotation of a log key makes a
// device forget. Where none is, people replaced the log, as after a restore that
// lost entries which devices saw: the memory is of a log that is no more, and the
// zero Seen is returned. Only a quorum of the targets keys can bring that about.
func (r *Rules) Recall(seen Seen) Seen {
	named := func(key sealift.Digest) bool { return slices.Contains(r.logIDs, key) }
	if seen.Size == 0 || len(seen.Keys) > 0 && !slices.ContainsFunc(seen.Keys, named) {
		return Seen{}
	}
	seen.Keys = slices.Clone(r.logIDs)
	return seen
}

// checkProof verifies that the log holds the record, under a checkpoint that
// is consistent with what counts of the last one seen, and returns the larger of
// the two, bound to the log keys of now.
// tiles yields hash tiles of the log when the two differ; what it yields is
// verified, and an error of KindNetwork from it is returned as it is.
func (r *Rules) checkProof(data []byte, record []byte, seen Seen, tiles tlog.TileReader) (Seen, error) {
	proof, err := ParseProof(data)
	if err != nil {
		return seen, err
	}
	c, err := ParseCheckpoint(proof.Checkpoint, r.logOrigin, r.logKeys)
	if err != nil {
		return seen, err
	}
	if err := tlog.CheckRecord(proof.Hashes, c.Tree.N, c.Tree.Hash, proof.Index, tlog.RecordHash(record)); err != nil {
		return seen, err
	}
	kept, err := CheckConsistent(r.Recall(seen), Seen{Size: c.Tree.N, Root: c.Tree.Hash}, tiles)
	if err != nil {
		return seen, err
	}
	kept.Keys = slices.Clone(r.logIDs)
	return kept, nil
}

// CheckConsistent verifies that one of two states of a log is a prefix of the
// other and returns the larger one. seen may be zero.
func CheckConsistent(seen, got Seen, tiles tlog.TileReader) (Seen, error) {
	small, large := seen, got
	if small.Size > large.Size {
		small, large = large, small
	}
	if small.Size == large.Size && small.Root != large.Root {
		return seen, errors.New("the log shows two histories of one size")
	}
	if small.Size == 0 || small.Size == large.Size {
		return large, nil
	}
	// What TileHashReader yields is authenticated against the larger tree, so
	// the proof fails only if the smaller one is not its prefix.
	reader := tlog.TileHashReader(tlog.Tree{N: large.Size, Hash: large.Root}, tiles)
	proof, err := tlog.ProveTree(large.Size, small.Size, reader)
	if err != nil {
		return seen, fmt.Errorf("reading the log's tiles: %w", err)
	}
	if err := tlog.CheckTree(proof, large.Size, large.Root, small.Size, small.Root); err != nil {
		return seen, fmt.Errorf("the log is not an extension of what this device saw: %w", err)
	}
	return large, nil
}

// TilePath returns where a hash tile is published (C2SP tlog-tiles, with the
// prefix "log/"): log/tile/<level>/<number>, where the number is in groups of
// three digits, all but the last preceded by "x", and a partial tile ends in
// ".p/<width>".
func TilePath(t tlog.Tile) string {
	// tlog puts the height, which is always 8 here, before the level.
	return "log/tile/" + strings.TrimPrefix(t.Path(), fmt.Sprintf("tile/%d/", t.H))
}
