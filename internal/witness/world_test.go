package witness_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlite"
	"github.com/sealift/sealift/internal/witness"
	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	vaultID = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
	origin  = "sealift/" + vaultID
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// world is a log in a real store, and what was published of it.
type world struct {
	*testing.T
	store     store.Store
	signer    note.Signer
	logKey    string
	keys      note.Verifiers
	clock     time.Time
	published []byte // the newest checkpoint there
	said      bytes.Buffer
	mu        sync.Mutex // over clock, published and said
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, clock: start}
	db, err := sqlite.Open(context.Background(), filepath.Join(t.TempDir(), "vault.db"))
	w.check(err)
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	w.store = db
	secret, public, err := note.GenerateKey(rand.Reader, origin)
	w.check(err)
	w.signer, err = note.NewSigner(secret)
	w.check(err)
	verifier, err := note.NewVerifier(public)
	w.check(err)
	w.logKey, w.keys = public, note.VerifierList(verifier)
	anchors := trust.Trust{Vault: vaultID, Log: trust.Log{Keys: []string{public}}}
	data, err := anchors.Encode()
	w.check(err)
	w.update(func(tx store.Tx) error { return tx.SetDocument(t.Context(), trust.TrustPath, data) })
	return w
}

func (w *world) check(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) update(fn func(tx store.Tx) error) {
	w.Helper()
	w.check(w.store.Update(w.Context(), fn))
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock
}

// Write takes what the keeper logs.
func (w *world) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.said.Write(line)
}

func (w *world) logged() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.said.String()
}

func (w *world) entry(n int64) audit.Entry {
	return audit.Entry{Time: w.now(), Actor: audit.Actor{Kind: audit.System, ID: "test"}, Action: "test.act", Subject: fmt.Sprint(n), Result: audit.OK}
}

// grow appends entries up to size and signs a checkpoint of them.
func (w *world) grow(size int64) {
	w.Helper()
	w.update(func(tx store.Tx) error {
		for {
			n, err := tx.AuditSize(w.Context())
			if err != nil {
				return err
			}
			if n >= size {
				break
			}
			if _, err := audit.Append(w.Context(), tx, w.entry(n)); err != nil {
				return err
			}
		}
		_, signed, err := audit.SignCheckpoint(w.Context(), tx, origin, w.signer)
		if err != nil {
			return err
		}
		return tx.AppendOutbox(w.Context(), trust.CheckpointPath, signed)
	})
	w.check(w.publish(w.Context()))
}

// publish empties the outbox, in the way of release.Service.
func (w *world) publish(ctx context.Context) error {
	return w.store.Update(ctx, func(tx store.Tx) error {
		files, err := tx.Outbox(ctx, 100)
		for _, f := range files {
			if f.Key != trust.CheckpointPath {
				w.Errorf("published %s", f.Key)
			}
			w.mu.Lock()
			w.published = f.Content
			w.mu.Unlock()
			if err := tx.TrimOutbox(ctx, f.Seq); err != nil {
				return err
			}
		}
		return err
	})
}

func (w *world) shown() []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.published
}

// tree is that of the newest checkpoint.
func (w *world) tree() (tree tlog.Tree) {
	w.Helper()
	c, err := trust.ParseCheckpoint(w.shown(), origin, w.keys)
	w.check(err)
	return c.Tree
}

func (w *world) witness(name string) *sealifttest.Witness {
	w.Helper()
	made, err := sealifttest.NewWitness(name, w.now, origin, w.keys)
	w.check(err)
	return made
}

func peer(t *testing.T, made *sealifttest.Witness) witness.Peer {
	t.Helper()
	key, err := trust.ParseWitness(made.Key())
	if err != nil {
		t.Fatal(err)
	}
	return witness.Peer{Key: key, URL: "http://" + made.Name()}
}

// hosts is a network in memory: a handler for each host. The body of an answer
// that a handler cut short with http.ErrAbortHandler ends in the middle.
type hosts map[string]http.Handler

// RoundTrip implements http.RoundTripper.
func (n hosts) RoundTrip(req *http.Request) (*http.Response, error) {
	r, wr := io.Pipe()
	answer := &answer{header: http.Header{}, body: wr, begun: make(chan struct{})}
	go func() {
		defer func() {
			err := error(nil)
			if recover() != nil {
				err = io.ErrUnexpectedEOF
			}
			answer.WriteHeader(http.StatusOK)
			_ = wr.CloseWithError(err)
		}()
		n[req.URL.Host].ServeHTTP(answer, req)
	}()
	select {
	case <-answer.begun:
	case <-req.Context().Done():
		_ = r.CloseWithError(req.Context().Err())
		return nil, req.Context().Err()
	}
	stop := context.AfterFunc(req.Context(), func() { _ = r.CloseWithError(req.Context().Err()) })
	return &http.Response{StatusCode: answer.status, Status: fmt.Sprintf("%d %s", answer.status, http.StatusText(answer.status)),
		Header: answer.header, Body: body{r, stop}, Request: req, ProtoMajor: 1, ProtoMinor: 1}, nil
}

type body struct {
	*io.PipeReader
	stop func() bool
}

func (b body) Close() error {
	b.stop()
	return b.PipeReader.Close()
}

type answer struct {
	header http.Header
	status int
	body   *io.PipeWriter
	begun  chan struct{}
	once   sync.Once
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	a.once.Do(func() { a.status = status; close(a.begun) })
}

func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(p)
}

// keeper asks the witnesses over a network in memory.
func (w *world) keeper(there hosts, peers ...witness.Peer) *witness.Keeper {
	return witness.New(witness.Config{
		Store: w.store, Peers: peers, Publish: w.publish, Now: w.now, Transport: there,
		Log: slog.New(slog.NewTextHandler(w, nil)),
	})
}

func (w *world) known(k *witness.Keeper) []service.Witness {
	w.Helper()
	list, err := k.Witnesses(w.Context(), access.Caller{})
	w.check(err)
	return list
}

// cosigners are the witnesses among peers whose cosignatures a checkpoint bears.
func (w *world) cosigners(signed []byte, peers ...witness.Peer) (names []string) {
	w.Helper()
	var list []*trust.Witness
	for _, p := range peers {
		list = append(list, p.Key)
	}
	_, by, err := trust.ParseCosigned(signed, origin, w.keys, list)
	w.check(err)
	for _, c := range by {
		names = append(names, c.Witness.Name())
	}
	return names
}

// forks returns how many entries say that the log forked.
func (w *world) forks() (n int) {
	w.Helper()
	w.check(w.store.View(w.Context(), func(tx store.Tx) error {
		records, err := audit.Records(w.Context(), tx, 0, 10_000)
		for _, r := range records {
			if r.Entry != nil && r.Entry.Action == "log.witness" {
				n++
				if r.Entry.Result != audit.Refused || r.Entry.Details["reason"] != "fork" || !strings.HasPrefix(r.Entry.Subject, "w") {
					w.Errorf("entry %+v", r.Entry)
				}
			}
		}
		return err
	}))
	return n
}
