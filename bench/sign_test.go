package bench

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	signRounds = 7               // of each, in turns with the baseline
	signTime   = 2 * time.Second // one round
)

// signAlgorithms are what is signed with, the key's name first.
var signAlgorithms = []struct{ key, title string }{{"ecdsa-p256", "P-256"}, {"ed25519", "Ed25519"}}

// signTargets are the least shares of the baseline's rate, by callers.
var signTargets = []struct {
	callers int
	share   float64
}{{8, 0.35}, {64, 0.45}}

// measureSign measures signatures over HTTP, each with its entry durable before it
// leaves, against a handler that signs the same and keeps nothing.
func measureSign(b *testing.B, r *report) {
	s := r.section("Signatures over HTTP, each an entry first")
	say("founding an installation that signs for services")
	dir := b.TempDir()
	srv := startServer(b, dir)
	token := srv.signerToken(b)
	public := map[string]crypto.PublicKey{}
	for _, a := range signAlgorithms {
		public[a.key] = srv.publicKey(b, a.key)
	}
	bare := startBare(b)
	syncs := syncRate(b, dir)
	var resident, peaks float64
	for _, t := range signTargets {
		srv.end()
		srv.serve(b) // anew, so that what it says at its end is of these callers
		for _, a := range signAlgorithms {
			say("signing: %d callers, %s", t.callers, a.title)
			ours := &load{public: public[a.key], pid: srv.cmd.Process.Pid, url: srv.url + "/api/v1/apps/" + string(app) + "/keys/" + a.key + "/signatures", token: token, message: a.key == "ed25519", callers: t.callers, entries: true}
			theirs := &load{pid: bare.pid, url: bare.url + "/" + a.key, message: ours.message, callers: t.callers}
			watch := func() float64 { return 0 }
			var rates, bares, shares []float64
			for i := range signRounds + 1 {
				x, y := ours.run(b), theirs.run(b)
				if i == 0 { // which warms both
					ours.reset()
					theirs.reset()
					watch = watchResident(b, srv.cmd.Process.Pid)
					continue
				}
				rates, bares, shares = append(rates, x), append(bares, y), append(shares, x/y)
			}
			resident = max(resident, watch())
			s.atLeast(fmt.Sprintf("%s, %d callers: share of the bare handler's rate", a.title, t.callers), median(shares), t.share, "",
				fmt.Sprintf("%.0f a second against %.0f (shares from %.2f to %.2f)", median(rates), median(bares), slices.Min(shares), slices.Max(shares)))
			s.add(fmt.Sprintf("%s, %d callers: processor time of a signature", a.title, t.callers), ours.cost(), "µs",
				fmt.Sprintf("of the server; %s of the bare handler: %.2f of it", amount(theirs.cost(), "µs"), theirs.cost()/ours.cost()))
			ours.wantEntries(b)
		}
		peak, err := peakOf(fmt.Sprint(srv.cmd.Process.Pid))
		check(b, err)
		peaks = max(peaks, peak)
		updates, commits := srv.counts(b)
		took := float64(len(signAlgorithms)*(signRounds+1)) * signTime.Seconds()
		s.add(fmt.Sprintf("%d callers: signatures to a commit, and so to a sync of the disk", t.callers), updates/commits, "",
			fmt.Sprintf("%.0f commits in all; %.0f a second while it signs", commits, commits/took))
	}
	s.target("`sealift server` while it signs: resident memory", resident, 100, "MiB", "the most that was seen, 20 times a second")
	s.add("its peak, from its start on", peaks, "MiB", "64 MiB of it for Argon2id, once, when it is unsealed")
	s.add("the disk's own: write 4 KiB and sync, one after the other", syncs, "a second", "")
	s.remark("Shares are medians of %d rounds of %s in turns. The bare handler is a process of its own: net/http, JSON in and out, the same signature, nothing kept and nobody asked who they are. "+
		"Client, server and disk share the cores. SQLite with WAL and synchronous=FULL. Processor time, user and system, is what the kernel counts of each server; other work changes it less than the rates. "+
		"One signature in %d is verified, and no two name one entry.", signRounds, signTime, verifyEach)
}

// signerToken makes a key for each algorithm, and a token that may do nothing but
// sign.
func (s *server) signerToken(b *testing.B) string {
	for _, a := range signAlgorithms {
		s.run(b, "key", "create", "--id", a.key, "--app", string(app), "--owner", "bench", "--purpose", "artifact-signing", "--algorithm", a.key)
	}
	file := s.path("sign.token")
	s.run(b, "token", "create", "--role", "developer", "--action", "key.sign", "--app", string(app), "--out", file)
	token, err := os.ReadFile(file)
	check(b, err)
	return strings.TrimSpace(string(token))
}

// publicKey reads the public half of a key.
func (s *server) publicKey(b *testing.B, id string) crypto.PublicKey {
	out, err := exec.CommandContext(b.Context(), s.program, "key", "public", id).Output()
	check(b, err)
	block, _ := pem.Decode(out)
	if block == nil {
		b.Fatalf("%q is no PEM", out)
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	check(b, err)
	return public
}

// counts ends the server and returns what it says it did.
func (s *server) counts(b *testing.B) (updates, commits float64) {
	check(b, s.end())
	said, err := os.ReadFile(s.path("server.log"))
	check(b, err)
	for line := range strings.Lines(string(said)) {
		if _, after, ok := strings.Cut(line, "msg=served "); ok {
			_, err = fmt.Sscanf(after, "updates=%f commits=%f", &updates, &commits)
		}
		check(b, err)
	}
	if commits == 0 {
		b.Fatal("the server does not say what it did")
	}
	return updates, commits
}

// load is callers who have signed what they bring, one request after the other.
type load struct {
	url, token string
	message    bool // for a key that signs messages
	callers    int
	pid        int              // of the server
	public     crypto.PublicKey // that signatures are verified with; nil for none
	entries    bool             // wanted, of each signature its own
	seen       sync.Map
	double     atomic.Bool
	signed     atomic.Int64 // since the last reset
	busy       float64      // seconds of processor time of the server, likewise
}

// verifyEach is of how many signatures one is verified: enough to know, and too few
// to be felt.
const verifyEach = 64

// reset begins to count anew.
func (l *load) reset() {
	l.signed.Store(0)
	l.busy = 0
}

// cost returns the server's processor time for one signature, in microseconds.
func (l *load) cost() float64 { return l.busy / float64(max(l.signed.Load(), 1)) * 1e6 }

// run returns the signatures a second.
func (l *load) run(b *testing.B) float64 {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: l.callers}}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(b.Context(), signTime)
	defer cancel()
	var done atomic.Int64
	var all sync.WaitGroup
	begin, before := time.Now(), busyOf(b, l.pid)
	for range l.callers {
		all.Go(func() {
			for ctx.Err() == nil {
				if err := l.sign(b.Context(), client); err != nil {
					b.Error(err)
					return
				}
				done.Add(1)
			}
		})
	}
	all.Wait()
	l.busy += busyOf(b, l.pid) - before
	l.signed.Add(done.Load())
	return float64(done.Load()) / time.Since(begin).Seconds()
}

func (l *load) sign(ctx context.Context, client *http.Client) error {
	var digest [32]byte
	_, _ = rand.Read(digest[:])
	ask := asked{Hash: "sha256", Digest: digest[:]}
	if l.message {
		ask = asked{Message: digest[:]}
	}
	body, err := json.Marshal(ask)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, l.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+l.token)
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	var got answered
	if err := json.Unmarshal(data, &got); err != nil || answer.StatusCode != http.StatusOK || len(got.Signature) == 0 {
		return fmt.Errorf("%s: %s: %.300s", l.url, answer.Status, data)
	}
	if l.public != nil && digest[0]%verifyEach == 0 && !l.verifies(digest[:], got.Signature) {
		return fmt.Errorf("%s: the signature is not the key's", l.url)
	}
	if l.entries {
		if _, twice := l.seen.LoadOrStore(got.Entry, true); twice {
			l.double.Store(true)
		}
	}
	return nil
}

func (l *load) verifies(digest, signature []byte) bool {
	switch k := l.public.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(k, digest, signature)
	case ed25519.PublicKey:
		return ed25519.Verify(k, digest, signature)
	}
	return false
}

// wantEntries wants an entry of its own for each signature.
func (l *load) wantEntries(b *testing.B) {
	if l.double.Load() {
		b.Error("two signatures have one entry")
	}
	l.seen.Clear()
}

// watchResident samples a process's resident memory until the function is called
// that it returns, which returns the most, in MiB.
func watchResident(b *testing.B, pid int) (stop func() float64) {
	ctx, cancel := context.WithCancel(b.Context())
	result := make(chan float64)
	go func() {
		var most float64
		for {
			if now, err := residentOf(fmt.Sprint(pid)); err == nil {
				most = max(most, now)
			}
			select {
			case <-ctx.Done():
				result <- most
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	return func() float64 { cancel(); return <-result }
}

// syncRate returns how often a second the disk takes a page and syncs it.
func syncRate(b *testing.B, dir string) float64 {
	f, err := os.Create(filepath.Join(dir, "synced"))
	check(b, err)
	page, n, begin := make([]byte, 4096), 0, time.Now()
	for ; time.Since(begin) < time.Second; n++ {
		_, err := f.WriteAt(page, int64(n%256)*4096)
		check(b, errors.Join(err, f.Sync()))
	}
	rate := float64(n) / time.Since(begin).Seconds()
	check(b, f.Close())
	return rate
}
