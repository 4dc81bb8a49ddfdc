package trust_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust"
)

func hash(s string) tlog.Hash { return tlog.RecordHash([]byte(s)) }

func b64(h tlog.Hash) string { return base64.StdEncoding.EncodeToString(h[:]) }

func TestLogEntry(t *testing.T) {
	want := "sealift release v1\ne3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n"
	if got := string(trust.LogEntry(sealift.DigestOf(nil))); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestTilePath(t *testing.T) {
	for _, c := range []struct {
		tile tlog.Tile
		want string
	}{
		{tlog.Tile{H: 8, L: 0, N: 0, W: 256}, "log/tile/0/000"},
		{tlog.Tile{H: 8, L: 1, N: 7, W: 12}, "log/tile/1/007.p/12"},
		{tlog.Tile{H: 8, L: 0, N: 1234067, W: 1}, "log/tile/0/x001/x234/067.p/1"},
		{tlog.Tile{H: 8, L: 2, N: 1000, W: 256}, "log/tile/2/x001/000"},
	} {
		if got := trust.TilePath(c.tile); got != c.want {
			t.Errorf("%v: %s, want %s", c.tile, got, c.want)
		}
	}
}

// TestProofForm: C2SP tlog-proof, one spelling.
func TestProofForm(t *testing.T) {
	line := b64(hash("a"))
	good := "c2sp.org/tlog-proof@v1\nindex 5\n" + line + "\n" + b64(hash("b")) + "\n\ncheckpoint\n"
	p, err := trust.ParseProof([]byte(good))
	if err != nil || p.Index != 5 || !slices.Equal(p.Hashes, tlog.RecordProof{hash("a"), hash("b")}) || string(p.Checkpoint) != "checkpoint\n" || string(p.Encode()) != good {
		t.Fatalf("%+v, %v", p, err)
	}
	alone := "c2sp.org/tlog-proof@v1\nindex 0\n\ncheckpoint\n"
	if p, err = trust.ParseProof([]byte(alone)); err != nil || len(p.Hashes) != 0 || string(p.Encode()) != alone {
		t.Errorf("the only entry: %+v, %v", p, err)
	}
	lines := func(n int) string { return strings.Repeat(line+"\n", n) }
	if _, err := trust.ParseProof([]byte("c2sp.org/tlog-proof@v1\nindex 5\n" + lines(63) + "\n")); err != nil {
		t.Errorf("63 hashes: %v", err)
	}
	for name, bad := range map[string]string{
		"empty":                     "",
		"header":                    strings.Replace(good, "@v1", "@v2", 1),
		"no header":                 good[len("c2sp.org/tlog-proof@v1\n"):],
		"extra line":                strings.Replace(good, "index", "extra YQ==\nindex", 1),
		"no index":                  strings.Replace(good, "index 5\n", "", 1),
		"index below zero":          strings.Replace(good, "index 5", "index -5", 1),
		"index with a sign":         strings.Replace(good, "index 5", "index +5", 1),
		"index with a zero":         strings.Replace(good, "index 5", "index 05", 1),
		"index in hex":              strings.Replace(good, "index 5", "index 0x5", 1),
		"index without a number":    strings.Replace(good, "index 5", "index ", 1),
		"index with a space":        strings.Replace(good, "index 5", "index 5 ", 1),
		"index too large":           strings.Replace(good, "index 5", "index 9223372036854775808", 1),
		"CR":                        strings.ReplaceAll(good, "\n", "\r\n"),
		"only a number":             strings.Replace(good, "index 5", "5", 1),
		"no checkpoint":             strings.TrimSuffix(good, "\n\ncheckpoint\n"),
		"no end":                    strings.Replace(good, "\n\n", "\n", 1),
		"short hash":                strings.Replace(good, line, "AAAA", 1),
		"hash without padding":      strings.Replace(good, line, line[:43], 1),
		"hash with idle bits":       strings.Replace(good, line, idle(line), 1),
		"hash in the URL alphabet":  strings.Replace(good, line, strings.Repeat("_", 42)+"8=", 1),
		"hash with a space":         strings.Replace(good, line, " "+line, 1),
		"64 hashes":                 "c2sp.org/tlog-proof@v1\nindex 5\n" + lines(64) + "\n",
		"too long":                  good + strings.Repeat("x", sealift.MaxProof),
		"hash that is not base64":   strings.Replace(good, line, "!"+line[1:], 1),
		"header with another break": strings.Replace(good, "@v1\n", "@v1\r\n", 1),
	} {
		if p, err := trust.ParseProof([]byte(bad)); err == nil {
			t.Errorf("%s was taken: %+v", name, p)
		}
	}
}

func newLogKey(t testing.TB, origin string) (note.Signer, note.Verifier) {
	t.Helper()
	private, public, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	return signer, verifier
}

// TestCheckpointForm: C2SP tlog-checkpoint of three lines, one spelling.
func TestCheckpointForm(t *testing.T) {
	origin := trust.LogOrigin(testVault)
	signer, verifier := newLogKey(t, origin)
	witness, _ := newLogKey(t, "witness.example")
	foreign, _ := newLogKey(t, origin)
	keys := note.VerifierList(verifier)
	sign := func(text string, signers ...note.Signer) []byte {
		signed, err := note.Sign(&note.Note{Text: text}, signers...)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	c := trust.Checkpoint{Origin: origin, Tree: tlog.Tree{N: 12, Hash: hash("root")}}
	text := c.Text()
	if want := "sealift/" + string(testVault) + "\n12\n" + b64(hash("root")) + "\n"; text != want {
		t.Fatalf("%q, want %q", text, want)
	}
	for name, good := range map[string][]byte{"signed": sign(text, signer), "cosigned": sign(text, witness, signer)} {
		if got, err := trust.ParseCheckpoint(good, origin, keys); err != nil || got != c {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	root := b64(hash("root"))
	for name, bad := range map[string][]byte{
		"signed by nobody":         []byte(text),
		"signed by another key":    sign(text, foreign),
		"signed by a witness only": sign(text, witness),
		"of another log":           sign(strings.Replace(text, "sealift/", "sealift/f", 1), signer),
		"with a fourth line":       sign(text+"more\n", signer),
		"of two lines":             sign(origin+"\n12\n", signer),
		"size below zero":          sign(strings.Replace(text, "\n12", "\n-12", 1), signer),
		"size with a sign":         sign(strings.Replace(text, "\n12", "\n+12", 1), signer),
		"size with a zero":         sign(strings.Replace(text, "\n12", "\n012", 1), signer),
		"no size":                  sign(strings.Replace(text, "\n12", "\n", 1), signer),
		"size of words":            sign(strings.Replace(text, "\n12", "\nmany", 1), signer),
		"size too large":           sign(strings.Replace(text, "\n12", "\n9223372036854775808", 1), signer),
		"short root":               sign(strings.Replace(text, root, "AAAA", 1), signer),
		"root with idle bits":      sign(strings.Replace(text, root, idle(root), 1), signer),
		"no root":                  sign(strings.Replace(text, root, "", 1), signer),
		"too long":                 append(sign(text, signer), make([]byte, sealift.MaxProof)...),
		"signature with idle bits": []byte(idleSignature(string(sign(text, signer)))),
		"cosignature likewise":     []byte(idleSignature(string(sign(text, signer, witness)))),
		"no line break at its end": bytes.TrimSuffix(sign(text, signer), []byte("\n")),
		"empty":                    nil,
	} {
		if got, err := trust.ParseCheckpoint(bad, origin, keys); err == nil || got != (trust.Checkpoint{}) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	crowd := []note.Signer{signer}
	for n := range 90 {
		w, _ := newLogKey(t, fmt.Sprintf("witness%d.%s", n, strings.Repeat("a", 400)))
		crowd = append(crowd, w)
	}
	if _, err := trust.ParseCheckpoint(sign(text, crowd[:60]...), origin, keys); err != nil {
		t.Errorf("with 59 cosignatures: %v", err)
	}
	if _, err := trust.ParseCheckpoint(sign(text, crowd...), origin, keys); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("with so many that it is too long: %v", err)
	}
	if _, err := trust.ParseCheckpoint(sign(text, signer), "sealift/other", keys); err == nil {
		t.Error("taken as of another log")
	}
}

// idleSignature spells the last signature of a note otherwise.
func idleSignature(signed string) string {
	at := strings.LastIndex(signed, " ") + 1
	return signed[:at] + idle(signed[at:])
}

// growing is a log of any size, with its tiles.
type growing struct {
	hashes []tlog.Hash
	broken error
}

func (g *growing) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		out[i] = g.hashes[index]
	}
	return out, nil
}

func newGrowing(t testing.TB, name string, size int64) *growing {
	t.Helper()
	g := &growing{}
	for n := range size {
		more, err := tlog.StoredHashes(n, fmt.Appendf(nil, "%s %d\n", name, n), g)
		if err != nil {
			t.Fatal(err)
		}
		g.hashes = append(g.hashes, more...)
	}
	return g
}

func (g *growing) at(t testing.TB, size int64) trust.Seen {
	t.Helper()
	root, err := tlog.TreeHash(size, g)
	if err != nil {
		t.Fatal(err)
	}
	return trust.Seen{Size: size, Root: root}
}

func (g *growing) Height() int                         { return trust.TileHeight }
func (g *growing) SaveTiles(_ []tlog.Tile, _ [][]byte) {}
func (g *growing) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	out := make([][]byte, len(tiles))
	for i, tile := range tiles {
		var err error
		if out[i], err = tlog.ReadTileData(tile, g); err != nil {
			return nil, err
		}
	}
	return out, g.broken
}

// TestConsistency: of any two states of one log the larger is kept; states of
// two logs are refused, whatever their sizes.
func TestConsistency(t *testing.T) {
	const most = 700 // three tiles
	honest := newGrowing(t, "a", most)
	other := newGrowing(t, "b", most)
	rapid.Check(t, func(rt *rapid.T) {
		size := rapid.Int64Range(1, most)
		x, y := size.Draw(rt, "seen"), size.Draw(rt, "got")
		seen, got := honest.at(t, x), honest.at(t, y)
		kept, err := trust.CheckConsistent(seen, got, honest)
		if err != nil || !kept.Equal(honest.at(t, max(x, y))) {
			rt.Errorf("%d after %d: kept %d, %v", y, x, kept.Size, err)
		}
		tiles := other
		if x > y {
			tiles = honest // the larger tree's, which authenticates them
		}
		if kept, err = trust.CheckConsistent(seen, other.at(t, y), tiles); err == nil || !kept.Equal(seen) {
			rt.Errorf("%d of another history after %d: kept %d, %v", y, x, kept.Size, err)
		}
	})
	some := honest.at(t, 5)
	if kept, err := trust.CheckConsistent(trust.Seen{}, some, nil); err != nil || !kept.Equal(some) {
		t.Errorf("the first state seen: %v, %v", kept, err)
	}
	if kept, err := trust.CheckConsistent(some, trust.Seen{}, nil); err != nil || !kept.Equal(some) {
		t.Errorf("an empty log after some: %v, %v", kept, err)
	}
	if kept, err := trust.CheckConsistent(some, some, nil); err != nil || !kept.Equal(some) { // nothing to read
		t.Errorf("the same state again: %v, %v", kept, err)
	}
	if _, err := trust.CheckConsistent(trust.Seen{}, trust.Seen{Root: hash("x")}, nil); err == nil {
		t.Error("an empty log with a root was taken")
	}
	broken := *honest
	broken.broken = errors.New("broken")
	if kept, err := trust.CheckConsistent(some, honest.at(t, 600), &broken); !errors.Is(err, broken.broken) || !kept.Equal(some) {
		t.Errorf("tiles that cannot be read: %v, %v", kept, err)
	}
}

// TestTilesAway: a network that is away is no refusal of the release.
func TestTilesAway(t *testing.T) {
	b := newBench(t)
	b.take(b.prepare(sealifttest.Spec{Version: "1.0.0"}))
	p := b.prepare(sealifttest.Spec{Version: "1.1.0"})
	file, err := trust.ParseReleaseFile(p.ReleaseJSON)
	if err != nil {
		t.Fatal(err)
	}
	away := &growing{hashes: newGrowing(t, "a", 300).hashes, broken: sealift.Errorf(sealift.KindNetwork, "fetching", "away").WithReason("unreachable")}
	got, err := b.rules().Verify(b.device, trust.Evidence{Release: file, Proof: p.Proof, Seen: b.seen, Tiles: away}, b.world.Now())
	if sealift.KindOf(err) != sealift.KindNetwork || sealift.ReasonOf(err) != "unreachable" || got != nil {
		t.Errorf("%v", err)
	}
}

// TestRecall: a memory counts while one of the keys that it is bound to is
// named, and is bound to those of now.
func TestRecall(t *testing.T) {
	b := newBench(t)
	key := func() string {
		_, public, err := note.GenerateKey(rand.Reader, trust.LogOrigin(b.world.Vault))
		if err != nil {
			t.Fatal(err)
		}
		return public
	}
	w, x, y, z := key(), key(), key(), key()
	recall := func(seen trust.Seen, keys ...string) trust.Seen {
		b.world.Trust.Log.Keys = keys
		return b.rules().Recall(seen)
	}
	unbound := trust.Seen{Size: 5, Root: hash("x")}
	bound := recall(unbound, w, x)
	if bound.Size != 5 || bound.Root != unbound.Root || len(bound.Keys) != 2 {
		t.Errorf("from before keys were kept: %+v", bound)
	}
	if got := recall(bound, x, w); !got.Equal(bound) {
		t.Errorf("the same keys: %+v", got)
	}
	next := recall(bound, x, y)
	if next.Size != 5 || next.Equal(bound) {
		t.Errorf("one key stays: %+v", next)
	}
	if got := recall(next, y, z); got.Size != 5 {
		t.Errorf("one of those it was bound to anew stays: %+v", got)
	}
	for _, keys := range [][]string{{y}, {y, z}} {
		if got := recall(bound, keys...); !got.Equal(trust.Seen{}) {
			t.Errorf("all keys are new: %+v", got)
		}
	}
	if got := recall(trust.Seen{}, w); !got.Equal(trust.Seen{}) {
		t.Errorf("a new device remembers %+v", got)
	}
}
