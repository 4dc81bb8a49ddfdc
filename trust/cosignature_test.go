package trust_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust"
)

const witnessOrigin = "sealift/0f1e2d3c4b5a69788796a5b4c3d2e1f0"

// cosigned is a checkpoint with its log's key and some witnesses.
type cosigned struct {
	t    *testing.T
	log  note.Signer
	keys note.Verifiers
	at   time.Time
}

func newCosigned(t *testing.T) *cosigned {
	t.Helper()
	secret, public, err := note.GenerateKey(rand.Reader, witnessOrigin)
	if err != nil {
		t.Fatal(err)
	}
	c := &cosigned{t: t, at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	if c.log, err = note.NewSigner(secret); err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	c.keys = note.VerifierList(v)
	return c
}

func (c *cosigned) witness(name string) (*sealifttest.Witness, *trust.Witness) {
	c.t.Helper()
	w, err := sealifttest.NewWitness(name, func() time.Time { return c.at }, witnessOrigin, c.keys)
	if err != nil {
		c.t.Fatal(err)
	}
	v, err := trust.ParseWitness(w.Key())
	if err != nil {
		c.t.Fatal(err)
	}
	return w, v
}

func (c *cosigned) checkpoint(size int64, by ...note.Signer) []byte {
	c.t.Helper()
	text := trust.Checkpoint{Origin: witnessOrigin, Tree: tlog.Tree{N: size, Hash: hash(fmt.Sprint(size))}}.Text()
	signed, err := note.Sign(&note.Note{Text: text}, append([]note.Signer{c.log}, by...)...)
	if err != nil {
		c.t.Fatal(err)
	}
	return signed
}

func TestCosignatures(t *testing.T) {
	c := newCosigned(t)
	a, va := c.witness("witness.example/a")
	b, vb := c.witness("witness.example/b")
	stranger, _ := c.witness("stranger.example")
	if va.String() != a.Key() || va.Name() != a.Name() || va.KeyHash() != a.KeyHash() {
		t.Errorf("%s is read as %s", a.Key(), va)
	}
	both := []*trust.Witness{va, vb}
	for name, test := range map[string]struct {
		signed []byte
		want   []*trust.Witness
	}{
		"nobody":                    {c.checkpoint(7), nil},
		"one":                       {c.checkpoint(7, b), []*trust.Witness{vb}},
		"both, in their order":      {c.checkpoint(7, b, a), both},
		"a stranger is read over":   {c.checkpoint(7, stranger), nil},
		"a stranger between":        {c.checkpoint(7, a, stranger, b), both},
		"one of them twice":         {c.checkpoint(7, a, a), []*trust.Witness{va}},
		"the log's key is no one's": {c.checkpoint(7, c.log), nil},
	} {
		got, by, err := trust.ParseCosigned(test.signed, witnessOrigin, c.keys, both)
		if err != nil || got.Tree.N != 7 || len(by) != len(test.want) {
			t.Errorf("%s: %v by %v, %v", name, got, by, err)
			continue
		}
		for i, w := range test.want {
			if by[i].Witness != w || !by[i].Time.Equal(c.at) || !bytes.Contains(test.signed, []byte(by[i].Line)) {
				t.Errorf("%s: %+v", name, by[i])
			}
		}
		// A device takes it whoever cosigned it: C2SP signed-note.
		if _, err := trust.ParseCheckpoint(test.signed, witnessOrigin, c.keys); err != nil {
			t.Errorf("%s: a device says %v", name, err)
		}
	}
}

// TestCosignatureBent: a cosignature is for one text at one time by one key,
// and one that is bent costs the whole checkpoint.
func TestCosignatureBent(t *testing.T) {
	c := newCosigned(t)
	a, va := c.witness("witness.example/a")
	signed := c.checkpoint(7, a)
	_, by, err := trust.ParseCosigned(signed, witnessOrigin, c.keys, []*trust.Witness{va})
	if err != nil {
		t.Fatal(err)
	}
	encoded := strings.TrimSuffix(strings.TrimPrefix(by[0].Line, "— witness.example/a "), "\n")
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	with := func(raw []byte) []byte {
		return bytes.Replace(signed, []byte(encoded), []byte(base64.StdEncoding.EncodeToString(raw)), 1)
	}
	flipped := func(i int) []byte {
		bent := bytes.Clone(raw)
		bent[i] ^= 1
		return with(bent)
	}
	for name, bent := range map[string][]byte{
		"time":             flipped(11),
		"time before 1970": flipped(4),
		"signature":        flipped(40),
		"too short":        with(raw[:len(raw)-1]),
		"too long":         with(append(bytes.Clone(raw), 0)),
		"without a time":   with(append(bytes.Clone(raw[:4]), raw[12:]...)),
		"empty":            with(raw[:4]),
		"other text":       bytes.Replace(c.checkpoint(8), []byte("\n\n"), []byte("\n\n"+by[0].Line), 1),
		"the log's bent":   bytes.Replace(signed, []byte("\n7\n"), []byte("\n8\n"), 1),
	} {
		if _, by, err := trust.ParseCosigned(bent, witnessOrigin, c.keys, []*trust.Witness{va}); err == nil {
			t.Errorf("%s: taken, by %v", name, by)
		}
	}
	if _, by, err := trust.ParseCosigned(flipped(2), witnessOrigin, c.keys, []*trust.Witness{va}); err != nil || len(by) != 0 {
		t.Errorf("another key's hash is another key: %v, %v", by, err)
	}
}

func TestAddCosignatures(t *testing.T) {
	c := newCosigned(t)
	a, va := c.witness("witness.example/a")
	b, vb := c.witness("witness.example/b")
	other, vo := c.witness("witness.example/a") // another key under one name
	all := []*trust.Witness{va, vb, vo}
	bare := c.checkpoint(7)
	_, by, err := trust.ParseCosigned(c.checkpoint(7, a, other, b), witnessOrigin, c.keys, all)
	if err != nil || len(by) != 3 {
		t.Fatal(by, err)
	}
	full := trust.AddCosignatures(trust.AddCosignatures(bare, by[0]), by[1:]...)
	if !bytes.HasPrefix(full, bare) || len(bytes.Split(full, []byte("\n"))) != len(bytes.Split(bare, []byte("\n")))+3 {
		t.Errorf("%s", full)
	}
	if again := trust.AddCosignatures(full, by[2]); !bytes.Equal(again, full) {
		t.Errorf("added twice:\n%s", again)
	}
	c.at = c.at.Add(time.Hour)
	_, later, err := trust.ParseCosigned(c.checkpoint(7, a), witnessOrigin, c.keys, all)
	if err != nil {
		t.Fatal(err)
	}
	_, by, err = trust.ParseCosigned(trust.AddCosignatures(full, later...), witnessOrigin, c.keys, all)
	if err != nil || len(by) != 3 || !by[0].Time.Equal(c.at) || by[1].Time.Equal(c.at) || by[2].Time.Equal(c.at) {
		t.Errorf("the newer one did not take the older one's place: %+v, %v", by, err)
	}
	if !bytes.Equal(trust.AddCosignatures(bare), bare) {
		t.Error("adding nothing changed something")
	}
}

func TestParseWitnessRefuses(t *testing.T) {
	c := newCosigned(t)
	w, _ := c.witness("witness.example/a")
	good := w.Key()
	parts := strings.SplitN(good, "+", 3)
	_, logKey, err := note.GenerateKey(rand.Reader, "witness.example/a")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty":               "",
		"a name":              parts[0],
		"no key":              parts[0] + "+" + parts[1],
		"no name":             good[len(parts[0]):],
		"a space in the name": "witness example" + good[len(parts[0]):],
		"another name":        "witness.example/b" + good[len(parts[0]):],
		"hash":                parts[0] + "+00000000+" + parts[2],
		"hash in capitals":    parts[0] + "+" + strings.ToUpper(parts[1]) + "+" + parts[2] + "A",
		"a log's key":         logKey,
		"base64":              good[:len(good)-1] + "!",
		"more":                good + "\n",
	} {
		if _, err := trust.ParseWitness(text); err == nil {
			t.Errorf("%s: took %q", name, text)
		}
	}
}

func TestQuorum(t *testing.T) {
	c := newCosigned(t)
	a, _ := c.witness("witness.example/a")
	b, _ := c.witness("witness.example/b")
	q, err := trust.NewQuorum([]string{a.Key(), b.Key()}, 2)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		by   []note.Signer
		want string
	}{
		"both":   {[]note.Signer{a, b}, ""},
		"one":    {[]note.Signer{b}, "1 of 2 witnesses cosigned it, and 2 must; missing: witness.example/a"},
		"nobody": {nil, "0 of 2 witnesses cosigned it, and 2 must; missing: witness.example/a, witness.example/b"},
		"twice":  {[]note.Signer{a, a}, "1 of 2 witnesses cosigned it, and 2 must; missing: witness.example/b"},
	} {
		_, by, err := trust.ParseCosigned(c.checkpoint(3, test.by...), witnessOrigin, c.keys, q.Witnesses())
		if err != nil {
			t.Fatal(err)
		}
		if err := q.Check(by); (err == nil) != (test.want == "") || err != nil && err.Error() != test.want {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
	key, err := base64.StdEncoding.DecodeString(a.Key()[strings.LastIndex(a.Key()[:len("witness.example/a+00000000+")], "+")+1:])
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(append([]byte("other.example\n"), key...))
	renamed := fmt.Sprintf("other.example+%x+%s", sum[:4], base64.StdEncoding.EncodeToString(key))
	if _, err := trust.ParseWitness(renamed); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		keys   []string
		needed int
	}{
		"none":                {nil, 1},
		"zero":                {[]string{a.Key()}, 0},
		"too many":            {[]string{a.Key()}, 2},
		"one twice":           {[]string{a.Key(), a.Key()}, 1},
		"one under two names": {[]string{a.Key(), renamed}, 1},
		"malformed":           {[]string{"x"}, 1},
	} {
		if _, err := trust.NewQuorum(test.keys, test.needed); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
