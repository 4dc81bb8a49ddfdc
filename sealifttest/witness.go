package sealifttest

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/trust"
)

// Witness is a witness of one log, in memory: it cosigns (C2SP
// tlog-cosignature, Ed25519) what is consistent with what it cosigned before,
// and answers POST /add-checkpoint (C2SP tlog-witness). It is a note.Signer.
type Witness struct {
	name string
	key  ed25519.PrivateKey
	now  func() time.Time

	mu     sync.Mutex
	origin string
	log    note.Verifiers
	tree   tlog.Tree
}

// NewWitness makes a witness with a new key of the log whose checkpoints are
// signed by one of keys. Nobody's checkpoint is taken while keys is nil.
func NewWitness(name string, now func() time.Time, origin string, keys note.Verifiers) (*Witness, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if keys == nil {
		keys = note.VerifierList()
	}
	return &Witness{name: name, key: key, now: now, origin: origin, log: keys}, err
}

// Name implements note.Signer.
func (w *Witness) Name() string { return w.name }

func (w *Witness) typed() []byte { return append([]byte{0x04}, w.key.Public().(ed25519.PublicKey)...) }

// KeyHash implements note.Signer.
func (w *Witness) KeyHash() uint32 {
	sum := sha256.Sum256(append([]byte(w.name+"\n"), w.typed()...))
	return binary.BigEndian.Uint32(sum[:])
}

// Key returns the verifier key.
func (w *Witness) Key() string {
	return fmt.Sprintf("%s+%08x+%s", w.name, w.KeyHash(), base64.StdEncoding.EncodeToString(w.typed()))
}

// Sign implements note.Signer: a cosignature as of now.
func (w *Witness) Sign(text []byte) ([]byte, error) {
	at := uint64(w.now().Unix())
	signature := ed25519.Sign(w.key, append(fmt.Appendf(nil, "cosignature/v1\ntime %d\n", at), text...))
	return append(binary.BigEndian.AppendUint64(nil, at), signature...), nil
}

// Forget makes the witness believe that it cosigned tree last, or nothing for
// the zero tree.
func (w *Witness) Forget(tree tlog.Tree) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tree = tree
}

// Tree returns what it cosigned last.
func (w *Witness) Tree() tlog.Tree {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.tree
}

// ServeHTTP implements http.Handler.
func (w *Witness) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.URL.Path != "/add-checkpoint" {
		http.NotFound(rw, r)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, sealift.MaxProof))
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	status, answer := w.add(string(body))
	if status == http.StatusConflict {
		rw.Header().Set("Content-Type", "text/x.tlog.size")
	}
	rw.WriteHeader(status)
	_, _ = io.WriteString(rw, answer)
}

func (w *Witness) add(body string) (status int, answer string) {
	head, signed, ok := strings.Cut(body, "\n\n")
	lines := strings.Split(head, "\n")
	digits, prefixed := strings.CutPrefix(lines[0], "old ")
	old, err := strconv.ParseInt(digits, 10, 64)
	if !ok || !prefixed || err != nil || old < 0 || strconv.FormatInt(old, 10) != digits || len(lines) > 64 {
		return http.StatusBadRequest, "malformed\n"
	}
	var proof tlog.TreeProof
	for _, line := range lines[1:] {
		h, err := tlog.ParseHash(line)
		if err != nil {
			return http.StatusBadRequest, "malformed\n"
		}
		proof = append(proof, h)
	}
	if !strings.HasPrefix(signed, w.origin+"\n") {
		return http.StatusNotFound, "unknown log\n"
	}
	c, err := trust.ParseCheckpoint([]byte(signed), w.origin, w.log)
	switch {
	case err != nil:
		return http.StatusForbidden, "not signed by the log\n"
	case old > c.Tree.N:
		return http.StatusBadRequest, "old size above the checkpoint's\n"
	case old != w.tree.N || old == c.Tree.N && c.Tree.Hash != w.tree.Hash:
		return http.StatusConflict, fmt.Sprintf("%d\n", w.tree.N)
	case old == 0 && len(proof) != 0:
		return http.StatusUnprocessableEntity, "a proof from nothing\n"
	case old > 0 && tlog.CheckTree(proof, c.Tree.N, c.Tree.Hash, old, w.tree.Hash) != nil:
		return http.StatusUnprocessableEntity, "not consistent\n"
	}
	w.tree = c.Tree
	n, err := note.Sign(&note.Note{Text: c.Text()}, w)
	if err != nil {
		return http.StatusInternalServerError, err.Error()
	}
	return http.StatusOK, strings.TrimPrefix(string(n), c.Text()+"\n")
}
