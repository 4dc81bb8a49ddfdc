package installation_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/client"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/apiclient"
	"github.com/sealift/sealift/internal/installation"
	"github.com/sealift/sealift/internal/publisher"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlite"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
)

// victimEnv makes this test binary a victim: "DIR N" is where its installation
// is and the number of the first version that it publishes.
const victimEnv = "SEALIFT_TEST_VICTIM"

// runVictim publishes 1.0.N, 1.0.N+1 … until it is killed, and says on stdout
// what it begins and what is published.
func runVictim(task string) error {
	ctx := context.Background()
	i, dir, n, err := openVictim(ctx, task)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(dir, "keys", "owner.token"))
	if err != nil {
		return err
	}
	token, err := access.ParseToken(strings.TrimSpace(string(text)))
	if err != nil {
		return err
	}
	server := httptest.NewServer(i.Handler("test", nil))
	api, err := apiclient.New(server.URL, bearer{server.Client(), token})
	if err != nil {
		return err
	}
	p := &publisher.Publisher{API: api, Now: time.Now, TempDir: dir, Epochs: &publisher.Metadata{
		Base: server.URL, Root: token.Root(), CacheDir: filepath.Join(dir, "cache"), Host: client.NewSystem(),
	}}
	for ; ; n++ {
		fmt.Println("begins", n)
		_, err := p.Publish(ctx, request(sealift.Version(fmt.Sprintf("1.0.%d", n))))
		if err != nil && sealift.ReasonOf(err) != "version" { // it came through before the last kill
			return err
		}
		fmt.Println("published", n)
	}
}

// openVictim opens and unseals the installation of a task "DIR N".
func openVictim(ctx context.Context, task string) (i *installation.Installation, dir string, n int, err error) {
	dir, number, _ := strings.Cut(task, " ")
	if n, err = strconv.Atoi(number); err != nil {
		return nil, dir, n, err
	}
	if i, err = installation.Open(ctx, filepath.Join(dir, "data"), installation.Options{}); err != nil {
		return nil, dir, n, err
	}
	if err = i.Vault.Unseal(ctx, vault.Passphrase(passphrase), audit.Actor{Kind: audit.System, ID: "victim"}, time.Now()); err == nil {
		err = i.Fresh(ctx)
	}
	return i, dir, n, err
}

// TestKilled publishes in a process that is killed with SIGKILL, again and
// again, at any moment. Whatever the moment: what the next process finds, and
// writes out, is one whole state, no older than what was acknowledged.
func TestKilled(t *testing.T) {
	const kills, limit = 20, 8 * time.Second // enough of either, once something was published
	b := newBench(t)
	b.makeApp("web")
	b.stop()
	tried, acknowledged, published := 1, 0, 0
	kill, begin := 0, time.Now()
	window := 400 * time.Millisecond // of the victim's life; one publish fits into it where the machine is idle
	for ; kill < 4 || kill < kills && (published < 1 || time.Since(begin) < limit); kill++ {
		tried, acknowledged = b.kill(tried, acknowledged, rand.N(window))
		b.clock = time.Now()
		offered := b.verifyWhole().newest()
		if offered < acknowledged || offered > tried {
			t.Fatalf("kill %d: 1.0.%d is offered; 1.0.%d was acknowledged, 1.0.%d begun", kill, offered, acknowledged, tried)
		}
		if published = offered; published < 1 {
			window += window / 2 // a busy machine needs longer
		}
	}
	t.Logf("1.0.%d after %d kills in %s", published, kill, time.Since(begin).Round(time.Millisecond))
	if published < 1 {
		t.Errorf("it was killed before it did anything")
	}
	b.start() // for the end of the test
}

// kill runs a victim from a version on, kills it a while after, and returns the last version
// that it began and the last one that it said is published.
func (b *bench) kill(from, acknowledged int, after time.Duration) (tried, published int) {
	b.Helper()
	return b.killAs(victimEnv, from, acknowledged, after)
}

// killAs is kill of the victim that a variable makes.
func (b *bench) killAs(env string, from, acknowledged int, after time.Duration) (tried, published int) {
	b.Helper()
	self, err := os.Executable()
	b.check(err)
	cmd := exec.CommandContext(b.Context(), self)
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d", env, b.dir, from))
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	b.check(err)
	b.check(cmd.Start())
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		b.Fatalf("the victim did not begin: %v\n%s", cmd.Wait(), &said)
	}
	killed := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	defer killed.Stop()
	tried, published = from, acknowledged
	for ok := true; ok; ok = lines.Scan() {
		word, number, _ := strings.Cut(lines.Text(), " ")
		n, err := strconv.Atoi(number)
		b.check(err)
		if tried = n; word == "published" {
			published = n
		}
	}
	_, _ = io.Copy(io.Discard, out)
	_ = cmd.Wait()
	if said.Len() > 0 {
		b.Fatalf("the victim ended by itself: %s", &said)
	}
	return tried, published
}

// verifyWhole opens what a killed process left, has it written out, and
// verifies all of it from the first root on, as a new device and as an auditor.
// It returns what is offered, newest first, as the N of each version 1.0.N.
func (b *bench) verifyWhole() offer {
	b.Helper()
	var err error
	b.i, err = installation.Open(b.Context(), filepath.Join(b.dir, "data"), installation.Options{Now: b.now})
	b.check(err)
	b.check(b.i.Fresh(b.Context()))
	b.server = httptest.NewServer(b.i.Handler("test", nil))
	candidates, anchors := b.verifyOffer()
	b.server.Close()
	b.check(b.i.Close())

	db, err := sqlite.Open(b.Context(), filepath.Join(b.dir, "data", "vault.db"))
	b.check(err)
	defer db.Close()
	var keys []note.Verifier
	for _, text := range anchors.Log.Keys {
		key, err := note.NewVerifier(text)
		b.check(err)
		keys = append(keys, key)
	}
	checkpoint, err := os.ReadFile(filepath.Join(b.dir, "data", "public", "log", "checkpoint"))
	b.check(err)
	b.check(db.View(b.Context(), func(tx store.Tx) error {
		if _, err := audit.Verify(b.Context(), tx, audit.Demands{Origin: trust.LogOrigin(anchors.Vault), Keys: note.VerifierList(keys...), Kept: [][]byte{checkpoint}}); err != nil {
			return err
		}
		waiting, err := tx.Outbox(b.Context(), 1)
		if len(waiting) > 0 {
			b.Errorf("%s was not written", waiting[0].Key)
		}
		return err
	}))
	var offered offer
	for _, c := range candidates {
		n, err := strconv.Atoi(strings.TrimPrefix(string(c.Version), "1.0."))
		b.check(err)
		offered = append(offered, offeredTo{n, c.Share})
	}
	return offered
}

// offer is what devices are offered.
type offer []offeredTo

// offeredTo is 1.0.N, and to how many.
type offeredTo struct {
	n     int
	share sealift.Share
}

// newest is the N of the first, 0 for none.
func (o offer) newest() int {
	if len(o) == 0 {
		return 0
	}
	return o[0].n
}

// verifyOffer takes the first candidate through the four steps, and returns all.
func (b *bench) verifyOffer() ([]trust.Candidate, *trust.Trust) {
	b.Helper()
	m := b.metadata()
	content, err := m.TopLevel(b.Context(), trust.TrustPath)
	b.check(err)
	anchors, err := trust.ParseTrust(content)
	b.check(err)
	content, err = m.Delegated(b.Context(), trust.DenyPath)
	b.check(err)
	deny, err := trust.ParseDeny(content)
	b.check(err)
	rules, err := trust.NewRules(anchors, deny, app)
	b.check(err)
	content, err = m.Delegated(b.Context(), trust.OfferPath(app, "production", "web"))
	if sealift.KindOf(err) == sealift.KindNotFound {
		return nil, anchors
	}
	b.check(err)
	offer, err := trust.ParseOffer(content, app, "production", "web")
	b.check(err)
	if len(offer.Candidates) == 0 {
		return nil, anchors
	}
	candidate := offer.Candidates[0]
	public := filepath.Join(b.dir, "data", "public")
	release, err := os.ReadFile(filepath.Join(public, "releases", candidate.Release.Digest.String()))
	b.check(err)
	proof, err := os.ReadFile(filepath.Join(public, "proofs", candidate.Proof.Digest.String()))
	b.check(err)
	file, err := trust.ParseReleaseFile(release)
	b.check(err)
	verified, err := rules.Verify(trust.Device{App: app, Channel: "production", Platform: "web", Runtime: "1.0.0"}, trust.Evidence{Release: file, Proof: proof}, b.clock)
	b.check(err)
	full := verified.Release.Full()
	blob, err := os.Open(filepath.Join(public, "blobs", full.Digest.String()))
	b.check(err)
	defer blob.Close()
	digest, length, err := sealift.DigestReader(blob)
	b.check(err)
	b.check(trust.CheckBlob(full, digest, length))
	return offer.Candidates, anchors
}
