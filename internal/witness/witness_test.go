package witness_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/witness"
	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust"
)

// TestCosigned: what witnesses cosign stands in the row and in what is
// published, and the log's growth is proven to each from where it stands.
func TestCosigned(t *testing.T) {
	w := newWorld(t)
	w1, w2 := w.witness("w1.example"), w.witness("w2.example")
	p1, p2 := peer(t, w1), peer(t, w2)
	k := w.keeper(hosts{"w1.example": w1, "w2.example": w2}, p1, p2)
	w.check(k.Turn(t.Context(), 0)) // a log without a checkpoint
	for i, size := range []int64{1, 2, 7, 8, 300, 301} {
		w.grow(size)
		w.check(k.Turn(t.Context(), 0))
		if i%2 == 1 { // the second witness is asked less often
			w.check(k.Turn(t.Context(), 1))
			w.check(k.Turn(t.Context(), 1)) // which asks nobody
		}
	}
	if got := w.cosigners(w.shown(), p1, p2); !slices.Equal(got, []string{"w1.example", "w2.example"}) {
		t.Errorf("cosigned by %v:\n%s", got, w.shown())
	}
	w.check(w.store.View(t.Context(), func(tx store.Tx) error {
		rows, err := tx.Checkpoints(t.Context(), 0, 100)
		for i, row := range rows {
			if got := w.cosigners(row.Note, p1, p2); len(got) != 1+i%2 {
				t.Errorf("of %d entries: by %v", row.Size, got)
			}
		}
		if len(rows) != 6 {
			t.Errorf("%d checkpoints", len(rows))
		}
		return err
	}))
	for i, got := range w.known(k) {
		if got.Size != 301 || !got.Cosigned.Equal(start) || got.Reason != "" || got.URL != "http://"+got.Name {
			t.Errorf("witness %d: %+v", i, got)
		}
	}
	if w1.Tree() != w.tree() {
		t.Errorf("it cosigned %v", w1.Tree())
	}
}

// TestOverTaken: a checkpoint that is no longer the newest is not published over
// a newer one.
func TestOvertaken(t *testing.T) {
	w := newWorld(t)
	w1 := w.witness("w1.example")
	w.grow(4)
	k := w.keeper(hosts{"w1.example": http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if w.tree().N == 4 {
			w.grow(9) // while the witness thinks
		}
		w1.ServeHTTP(rw, r)
	})}, peer(t, w1))
	w.check(k.Turn(t.Context(), 0))
	if got := w.tree().N; got != 9 || len(w.cosigners(w.shown(), peer(t, w1))) != 0 {
		t.Errorf("published is the checkpoint of %d entries:\n%s", got, w.shown())
	}
	w.check(k.Turn(t.Context(), 0))
	if len(w.cosigners(w.shown(), peer(t, w1))) != 1 {
		t.Errorf("published:\n%s", w.shown())
	}
}

// answers is a witness that says what it is told to.
func answers(status int, header map[string]string, body string) http.HandlerFunc {
	return func(rw http.ResponseWriter, _ *http.Request) {
		for name, value := range header {
			rw.Header().Set(name, value)
		}
		rw.WriteHeader(status)
		_, _ = rw.Write([]byte(body))
	}
}

// TestAnswers: what a witness may answer, and what is made of it.
func TestAnswers(t *testing.T) {
	size := map[string]string{"Content-Type": "text/x.tlog.size"}
	w := newWorld(t)
	w.grow(5)
	w1, other := w.witness("w1.example"), w.witness("w2.example")
	signedBy := func(s note.Signer, text string) string {
		n, err := note.Sign(&note.Note{Text: text}, s)
		w.check(err)
		return strings.TrimPrefix(string(n), text+"\n")
	}
	text := trust.Checkpoint{Origin: origin, Tree: w.tree()}.Text()
	foreign := trust.Checkpoint{Origin: origin, Tree: tlog.Tree{N: 5, Hash: tlog.Hash{1}}}.Text()
	good := signedBy(w1, text)
	w.clock = start.Add(-time.Hour)
	early := signedBy(w1, text)
	w.clock = start
	for name, test := range map[string]struct {
		answer http.HandlerFunc
		kind   sealift.Kind
		reason string
	}{
		"nothing":                    {answers(200, nil, ""), sealift.KindIntegrity, "answer"},
		"no signature":               {answers(200, nil, "thank you\n"), sealift.KindIntegrity, "answer"},
		"another's":                  {answers(200, nil, signedBy(other, text)), sealift.KindIntegrity, "answer"},
		"of another checkpoint":      {answers(200, nil, signedBy(w1, foreign)), sealift.KindIntegrity, "answer"},
		"an hour ago":                {answers(200, nil, early), sealift.KindIntegrity, "clock"},
		"more text":                  {answers(200, nil, "\n"+good), sealift.KindIntegrity, "answer"},
		"without a line end":         {answers(200, nil, strings.TrimSuffix(good, "\n")), sealift.KindIntegrity, "answer"},
		"too much":                   {answers(200, nil, strings.Repeat(good, 200)), sealift.KindNetwork, "answer"},
		"endless":                    {endless, sealift.KindNetwork, "answer"},
		"cut short":                  {cutShort, sealift.KindNetwork, "away"},
		"malformed, it says":         {answers(400, nil, "what?"), sealift.KindNetwork, "answer"},
		"does not know the key":      {answers(403, nil, ""), sealift.KindDenied, "unknown"},
		"does not know the log":      {answers(404, nil, ""), sealift.KindDenied, "unknown"},
		"elsewhere":                  {answers(302, map[string]string{"Location": "http://w2.example/"}, ""), sealift.KindNetwork, "answer"},
		"proof does not verify":      {answers(422, nil, ""), sealift.KindIntegrity, "fork"},
		"has seen more":              {answers(409, size, "6\n"), sealift.KindIntegrity, "fork"},
		"goes round in circles":      {circles, sealift.KindNetwork, "answer"},
		"a conflict that is none":    {answers(409, size, "0\n"), sealift.KindNetwork, "answer"},
		"a conflict below zero":      {answers(409, size, "-1\n"), sealift.KindNetwork, "answer"},
		"a conflict in words":        {answers(409, size, "three\n"), sealift.KindNetwork, "answer"},
		"a conflict of two lines":    {answers(409, size, "3\n4\n"), sealift.KindNetwork, "answer"},
		"a conflict of another kind": {answers(409, map[string]string{"Content-Type": "text/html"}, "3\n"), sealift.KindNetwork, "answer"},
		"busy":                       {answers(429, nil, ""), sealift.KindNetwork, "busy"},
		"broken":                     {answers(500, nil, ""), sealift.KindNetwork, "away"},
		"down":                       {answers(503, nil, ""), sealift.KindNetwork, "busy"},
	} {
		t.Run(name, func(t *testing.T) {
			k := w.keeper(hosts{"w1.example": test.answer}, peer(t, w1))
			err := k.Turn(t.Context(), 0)
			if sealift.KindOf(err) != test.kind || sealift.ReasonOf(err) != test.reason {
				t.Errorf("got %v (%s, %q), want %s, %q", err, sealift.KindOf(err), sealift.ReasonOf(err), test.kind, test.reason)
			}
			got := w.known(k)[0]
			if got.Reason != test.reason || got.Problem == "" || !got.Since.Equal(start) || got.Size != 0 || len(got.Problem) > 2000 {
				t.Errorf("known: %+v", got)
			}
			if len(w.cosigners(w.shown(), peer(t, w1))) != 0 {
				t.Errorf("published:\n%s", w.shown())
			}
		})
	}
	// More than its own is no matter.
	k := w.keeper(hosts{"w1.example": answers(200, nil, signedBy(other, text)+good)}, peer(t, w1))
	w.check(k.Turn(t.Context(), 0))
	if got := w.cosigners(w.shown(), peer(t, w1), peer(t, other)); !slices.Equal(got, []string{"w1.example"}) {
		t.Errorf("published is what %v cosigned", got)
	}
}

func endless(rw http.ResponseWriter, _ *http.Request) {
	for {
		if _, err := rw.Write(bytes.Repeat([]byte("x"), 1000)); err != nil {
			return
		}
	}
}

func cutShort(rw http.ResponseWriter, _ *http.Request) {
	_, _ = rw.Write([]byte("— w1.exa"))
	panic(http.ErrAbortHandler)
}

// circles names another size each time.
func circles(rw http.ResponseWriter, r *http.Request) {
	var old int64
	_, _ = fmt.Fscanf(r.Body, "old %d\n", &old)
	answers(409, map[string]string{"Content-Type": "text/x.tlog.size"}, fmt.Sprintf("%d\n", (old+1)%5))(rw, r)
}

// TestForkIsHeard: a log that was cut off and went on otherwise finds nobody to
// cosign it, though it is signed with the true key; and that is an entry, once.
func TestForkIsHeard(t *testing.T) {
	for name, test := range map[string]struct {
		size int64 // of the second history
		last int64 // and of the one that the witness saw
	}{
		"longer than what it saw": {9, 6},
		"of the same size":        {6, 6},
		"shorter":                 {5, 6},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w1 := w.witness("w1.example")
			there := hosts{"w1.example": w1}
			w.grow(test.last)
			w.check(w.keeper(there, peer(t, w1)).Turn(t.Context(), 0))

			thief := newWorld(t) // another history under the same key
			thief.signer, thief.keys = w.signer, w.keys
			anchors := trust.Trust{Vault: vaultID, Log: trust.Log{Keys: []string{w.logKey}}}
			data, err := anchors.Encode()
			w.check(err)
			thief.update(func(tx store.Tx) error { return tx.SetDocument(t.Context(), trust.TrustPath, data) })
			thief.clock = start.Add(time.Minute)
			thief.grow(test.size)
			k := thief.keeper(there, peer(t, w1))
			for range 3 {
				err := k.Turn(t.Context(), 0)
				if sealift.ReasonOf(err) != witness.ReasonFork || sealift.HintOf(err) == "" {
					t.Errorf("got %v", err)
				}
			}
			if got := thief.known(k)[0]; got.Reason != witness.ReasonFork || got.Size != 0 {
				t.Errorf("known: %+v", got)
			}
			if n := thief.forks(); n != 1 {
				t.Errorf("%d entries say so", n)
			}
			if len(thief.cosigners(thief.shown(), peer(t, w1))) != 0 {
				t.Errorf("published:\n%s", thief.shown())
			}
		})
	}
}

// TestForgetful: a witness that lost its memory is told from the beginning, and
// one that is behind from where it stands.
func TestForgetful(t *testing.T) {
	w := newWorld(t)
	w1 := w.witness("w1.example")
	k := w.keeper(hosts{"w1.example": w1}, peer(t, w1))
	w.grow(6)
	w.check(k.Turn(t.Context(), 0))
	behind := w1.Tree()
	w.grow(8)
	w.check(k.Turn(t.Context(), 0))
	for _, tree := range []tlog.Tree{{}, behind} {
		w1.Forget(tree)
		w.grow(w.tree().N + 5)
		w.check(k.Turn(t.Context(), 0))
		if w1.Tree() != w.tree() {
			t.Errorf("it cosigned %v, not %v", w1.Tree(), w.tree())
		}
	}
}

// TestRecall: after a restart it is known what each cosigned last, and what is
// cosigned already is not asked again.
func TestRecall(t *testing.T) { synctest.Test(t, testRecall) }

func testRecall(t *testing.T) {
	w := newWorld(t)
	w1, w2, w3 := w.witness("w1.example"), w.witness("w2.example"), w.witness("w3.example")
	peers := []witness.Peer{peer(t, w1), peer(t, w2), peer(t, w3)}
	there := hosts{"w1.example": w1, "w2.example": w2}
	k := w.keeper(there, peers...)
	w.grow(6)
	w.check(k.Turn(t.Context(), 0))
	w.check(k.Turn(t.Context(), 1))
	w.clock = start.Add(time.Hour)
	w.grow(12)
	w.check(k.Turn(t.Context(), 1))

	asked := 0
	refusing := answers(500, nil, "")
	k = w.keeper(hosts{"w1.example": refusing, "w3.example": refusing, "w2.example": http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ })}, peers...)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); k.Run(ctx) }()
	time.Sleep(5 * time.Second)
	cancel()
	<-done
	if asked != 0 {
		t.Errorf("asked %d times for what is cosigned", asked)
	}
	got := w.known(k)
	if got[0].Size != 6 || !got[0].Cosigned.Equal(start) || got[0].Reason != "away" ||
		got[1].Size != 12 || !got[1].Cosigned.Equal(start.Add(time.Hour)) || got[1].Reason != "" || got[2].Size != 0 {
		t.Errorf("known: %+v", got)
	}
}

// TestRun: in time each checkpoint is cosigned; a witness that hangs delays
// nobody else, one that is away is asked more and more seldom, and one that
// asks for time is given it.
func TestRun(t *testing.T) { synctest.Test(t, testRun) }

func testRun(t *testing.T) {
	w := newWorld(t)
	w1, w2 := w.witness("w1.example"), w.witness("w2.example")
	hanging, _ := sealifttest.NewWitness("w3.example", w.now, origin, nil)
	busy := w.witness("w4.example")
	w.grow(3)
	var mu sync.Mutex // over the three below
	var away, delayed []time.Time
	back := false
	k := w.keeper(hosts{
		"w1.example": w1,
		"w2.example": http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			mu.Lock()
			now := back
			if !now {
				away = append(away, time.Now())
			}
			mu.Unlock()
			if now {
				w2.ServeHTTP(rw, r)
				return
			}
			answers(502, nil, "no")(rw, r)
		}),
		"w3.example": http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }),
		"w4.example": http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			mu.Lock()
			delayed = append(delayed, time.Now())
			mu.Unlock()
			answers(429, map[string]string{"Retry-After": "1800"}, "")(rw, r)
		}),
	}, peer(t, w1), peer(t, w2), peer(t, hanging), peer(t, busy))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); k.Run(ctx) }()

	time.Sleep(time.Second)
	if len(w.cosigners(w.shown(), peer(t, w1))) != 1 {
		t.Errorf("after a second published is:\n%s", w.shown())
	}
	time.Sleep(time.Hour)
	mu.Lock()
	for i := 2; i < len(away); i++ {
		if gap, before := away[i].Sub(away[i-1]), away[i-1].Sub(away[i-2]); gap < before || gap > 11*time.Minute {
			t.Errorf("asked %s and then %s later", before, gap)
		}
	}
	if len(away) < 8 || len(away) > 16 {
		t.Errorf("the one that is away was asked %d times in an hour", len(away))
	}
	if len(delayed) != 3 || delayed[1].Sub(delayed[0]) != 30*time.Minute {
		t.Errorf("the one that is busy was asked at %v", delayed)
	}
	back = true
	mu.Unlock()
	time.Sleep(11 * time.Minute)
	cancel()
	<-done
	if got := w.cosigners(w.shown(), peer(t, w1), peer(t, w2)); len(got) != 2 {
		t.Errorf("in the end cosigned by %v", got)
	}
	if got := w.known(k); got[1].Reason != "" || got[2].Reason != "away" || !strings.Contains(got[2].Problem, "deadline") || got[3].Reason != "busy" {
		t.Errorf("known: %+v", got)
	}
	for _, want := range []string{
		`level=WARN msg="a witness did not cosign the log" witness=w2.example error="having the log cosigned: it answers 502 Bad Gateway`,
		`level=INFO msg="a witness cosigns the log again" witness=w2.example entries=3`,
		`witness=w4.example`, "last=never again=30m0s",
	} {
		if !strings.Contains(w.logged(), want) {
			t.Errorf("the log lacks %q:\n%s", want, w.logged())
		}
	}
}

// TestBentCheckpointGoesToNobody: what the database says is not submitted
// unless it is the log's own.
func TestBentCheckpointGoesToNobody(t *testing.T) {
	w := newWorld(t)
	w1 := w.witness("w1.example")
	w.grow(3)
	secret, _, err := note.GenerateKey(rand.Reader, origin)
	w.check(err)
	thief, err := note.NewSigner(secret)
	w.check(err)
	signed, err := note.Sign(&note.Note{Text: trust.Checkpoint{Origin: origin, Tree: tlog.Tree{N: 9}}.Text()}, thief)
	w.check(err)
	w.update(func(tx store.Tx) error { return tx.InsertCheckpoint(t.Context(), 9, signed) })
	k := w.keeper(hosts{"w1.example": http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was asked") })}, peer(t, w1))
	if err := k.Turn(t.Context(), 0); sealift.ReasonOf(err) != "checkpoint" {
		t.Errorf("got %v", err)
	}
}

func TestParsePeers(t *testing.T) {
	w := newWorld(t)
	w1, w2 := w.witness("w1.example"), w.witness("w2.example")
	good := "# who cosigns\n\n" + w1.Key() + "  https://w1.example/prefix/\n\t" + w2.Key() + "\thttp://127.0.0.1:7380\r\n"
	peers, err := witness.ParsePeers([]byte(good))
	if err != nil || len(peers) != 2 || peers[0].URL != "https://w1.example/prefix" || peers[1].URL != "http://127.0.0.1:7380" || peers[1].Key.String() != w2.Key() {
		t.Errorf("%+v, %v", peers, err)
	}
	for name, text := range map[string]string{
		"empty":         "",
		"remarks":       "# nobody\n",
		"no URL":        w1.Key() + "\n",
		"three words":   w1.Key() + " https://w1.example please\n",
		"a log's key":   w.logKey + " https://w1.example\n",
		"no scheme":     w1.Key() + " w1.example\n",
		"another":       w1.Key() + " ftp://w1.example\n",
		"no host":       w1.Key() + " https:///x\n",
		"a user":        w1.Key() + " https://me:secret@w1.example\n",
		"a query":       w1.Key() + " https://w1.example?x=1\n",
		"a fragment":    w1.Key() + " https://w1.example#x\n",
		"one twice":     w1.Key() + " https://w1.example\n" + w1.Key() + " https://w2.example\n",
		"too many":      many(t, w, sealift.MaxWitnesses+1),
		"too long":      strings.Repeat("# remark\n", 10_000),
		"one long line": strings.Repeat("x", 70_000),
	} {
		peers, err := witness.ParsePeers([]byte(text))
		if sealift.KindOf(err) != sealift.KindInvalid || sealift.HintOf(err) == "" || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, %v", name, peers, err)
		}
	}
	if peers, err := witness.ParsePeers([]byte(many(t, w, sealift.MaxWitnesses))); err != nil || len(peers) != sealift.MaxWitnesses {
		t.Errorf("%d witnesses, %v", len(peers), err)
	}
}

func many(t *testing.T, w *world, n int) string {
	t.Helper()
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "%s https://w.example\n", w.witness(fmt.Sprintf("w%d.example", i)).Key())
	}
	return text.String()
}
