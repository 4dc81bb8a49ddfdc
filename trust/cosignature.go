package trust

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"

	"github.com/sealift/sealift"
)

// cosignatureType is the signature type of timestamped Ed25519 cosignatures
// (C2SP signed-note, section "Signature types").
const cosignatureType = 0x04

// Witness is the key of a witness of the log: somebody who cosigns a checkpoint
// only if it is consistent with all that they cosigned before. It verifies
// Ed25519 cosignatures of C2SP tlog-cosignature and is a note.Verifier.
type Witness struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

// ParseWitness reads the verifier key of a witness (C2SP signed-note): its
// name, "+", the key hash as 8 hex digits, "+", and base64 of 0x04 and the
// Ed25519 public key.
func ParseWitness(text string) (*Witness, error) {
	name, rest, _ := strings.Cut(text, "+")
	digits, encoded, ok := strings.Cut(rest, "+")
	if !ok || name == "" || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsSpace) {
		return nil, errors.New("it has not the form name+hash+key")
	}
	key, err := strictBase64(encoded)
	if err != nil {
		return nil, fmt.Errorf("its key: %w", err)
	}
	if len(key) != 1+ed25519.PublicKeySize || key[0] != cosignatureType {
		return nil, errors.New("it is not the Ed25519 key of a witness, which begins with the byte 4")
	}
	sum := sha256.Sum256(slices.Concat([]byte(name+"\n"), key))
	w := &Witness{name, binary.BigEndian.Uint32(sum[:4]), key[1:]}
	if w.String() != text {
		return nil, fmt.Errorf("its hash is %.16q, and %08x of that name and key", digits, w.hash)
	}
	return w, nil
}

// Name returns the witness's name, as cosignatures bear it.
func (w *Witness) Name() string { return w.name }

// KeyHash returns the key's id (C2SP tlog-cosignature, section "Format").
func (w *Witness) KeyHash() uint32 { return w.hash }

// String returns the verifier key that ParseWitness reads.
func (w *Witness) String() string {
	return fmt.Sprintf("%s+%08x+%s", w.name, w.hash, base64.StdEncoding.EncodeToString(append([]byte{cosignatureType}, w.key...)))
}

// Verify reports whether sig, a timestamp and a signature, is the witness's
// cosignature of the checkpoint text.
func (w *Witness) Verify(text, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	seconds := binary.BigEndian.Uint64(sig)
	return seconds <= math.MaxInt64 && ed25519.Verify(w.key, cosignedMessage(seconds, text), sig[8:])
}

// cosignedMessage is what a witness signs (C2SP tlog-cosignature, section
// "Ed25519 signed message").
func cosignedMessage(seconds uint64, text []byte) []byte {
	return slices.Concat([]byte("cosignature/v1\ntime "+strconv.FormatUint(seconds, 10)+"\n"), text)
}

// Cosignature is that of one witness.
type Cosignature struct {
	Witness *Witness
	Time    time.Time // when it was made, by the witness's clock; UTC, whole seconds
	Line    string    // the signature line of the note, with its newline
}

// ParseCosigned is ParseCheckpoint, and returns which of witnesses cosigned the
// checkpoint, in their order. Signatures of others are read over, as C2SP
// signed-note demands; one that bears the name and hash of one of witnesses
// and does not verify is an error.
func ParseCosigned(signed []byte, origin string, keys note.Verifiers, witnesses []*Witness) (Checkpoint, []Cosignature, error) {
	c, err := ParseCheckpoint(signed, origin, keys)
	if err != nil || len(witnesses) == 0 {
		return c, nil, err
	}
	list := make([]note.Verifier, len(witnesses))
	for i, w := range witnesses {
		list[i] = w
	}
	n, err := note.Open(signed, note.VerifierList(list...))
	var nobody *note.UnverifiedNoteError
	switch {
	case errors.As(err, &nobody):
		return c, nil, nil
	case err != nil:
		return Checkpoint{}, nil, fmt.Errorf("a cosignature: %w", err)
	}
	var out []Cosignature
	for _, w := range witnesses {
		i := slices.IndexFunc(n.Sigs, func(s note.Signature) bool { return s.Name == w.name && s.Hash == w.hash })
		if i < 0 {
			continue
		}
		sig, err := strictBase64(n.Sigs[i].Base64)
		if err != nil {
			return Checkpoint{}, nil, err
		}
		out = append(out, Cosignature{
			Witness: w,
			Time:    time.Unix(int64(binary.BigEndian.Uint64(sig[4:])), 0).UTC(),
			Line:    "— " + w.name + " " + n.Sigs[i].Base64 + "\n",
		})
	}
	return c, out, nil
}

// AddCosignatures returns the signed checkpoint with cosignatures of its text
// behind its other signatures, in the place of older ones by the same keys.
func AddCosignatures(signed []byte, cosignatures ...Cosignature) []byte {
	cut := bytes.LastIndex(signed, []byte("\n\n")) + 2 // C2SP signed-note: the last empty line
	lines := strings.SplitAfter(strings.TrimSuffix(string(signed[cut:]), "\n")+"\n", "\n")
	lines = lines[:len(lines)-1]
	for _, c := range cosignatures {
		lines = append(slices.DeleteFunc(lines, c.Witness.signed), c.Line)
	}
	return slices.Concat(signed[:cut:cut], []byte(strings.Join(lines, "")))
}

// signed reports whether a signature line is by the witness's key.
func (w *Witness) signed(line string) bool {
	encoded, ok := strings.CutPrefix(line, "— "+w.name+" ")
	sig, err := strictBase64(strings.TrimSuffix(encoded, "\n"))
	return ok && err == nil && len(sig) > 4 && binary.BigEndian.Uint32(sig) == w.hash
}

// Quorum is a set of witnesses and how many of them must have cosigned.
type Quorum struct {
	witnesses []*Witness
	needed    int
}

// NewQuorum reads verifier keys of witnesses, each of another key, of which
// needed, from 1 to all, must cosign. The Ed25519 form does not commit to the
// witness's name, so one key under two names is one witness.
func NewQuorum(keys []string, needed int) (*Quorum, error) {
	q := &Quorum{needed: needed}
	seen := map[string]string{}
	for _, text := range keys {
		w, err := ParseWitness(text)
		if err != nil {
			return nil, fmt.Errorf("witness %.200q: %w", text, err)
		}
		if other, ok := seen[string(w.key)]; ok {
			return nil, fmt.Errorf("witness %s has the key of %s", w.name, other)
		}
		seen[string(w.key)] = w.name
		q.witnesses = append(q.witnesses, w)
	}
	switch n := len(q.witnesses); {
	case n > sealift.MaxWitnesses:
		return nil, fmt.Errorf("%d witnesses, at most %d are allowed", n, sealift.MaxWitnesses)
	case needed < 1 || needed > n:
		return nil, fmt.Errorf("%d of %d witnesses needed", needed, n)
	}
	return q, nil
}

// Witnesses returns the witnesses, in the order of their keys; a nil Quorum has
// none.
func (q *Quorum) Witnesses() []*Witness {
	if q == nil {
		return nil
	}
	return q.witnesses
}

// Check demands that enough of the witnesses are among cosignatures; its error
// names those that are missing.
func (q *Quorum) Check(cosignatures []Cosignature) error {
	if len(cosignatures) >= q.needed {
		return nil
	}
	var missing []string
	for _, w := range q.witnesses {
		if !slices.ContainsFunc(cosignatures, func(c Cosignature) bool { return c.Witness == w }) {
			missing = append(missing, w.name)
		}
	}
	return fmt.Errorf("%d of %d witnesses cosigned it, and %d must; missing: %s", len(cosignatures), len(q.witnesses), q.needed, strings.Join(missing, ", "))
}
