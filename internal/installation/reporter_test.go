package installation_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/installation"
	"github.com/sealift/sealift/internal/stats"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/trust"
)

// reporterEnv makes this test binary a vault that one device reports to until it is
// killed: "DIR N" is where its installation is, beside the device's folder, and the
// sequence of the first step that is told.
const reporterEnv = "SEALIFT_TEST_REPORTER"

// runReporter says on stdout which step it is told, and which it acknowledged.
func runReporter(task string) error {
	ctx := context.Background()
	i, dir, n, err := openVictim(ctx, task)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(dir, "device", "identity.pem"))
	if err != nil {
		return err
	}
	block, _ := pem.Decode(text)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return err
	}
	releases, err := i.Releases.Releases(ctx, app, service.Page{Limit: 1})
	if err != nil {
		return err
	}
	status, err := i.Vault.Status(ctx)
	if err != nil {
		return err
	}
	for told := 0; ; n++ {
		if told++; told > sealift.ReportsPerHour { // it may say no more
			select {}
		}
		fmt.Println("begins", n)
		if err := tellStep(ctx, i, status.Vault, key.(crypto.Signer), releases[0], uint64(n)); err != nil {
			return err
		}
		fmt.Println("published", n)
	}
}

// tellStep reports one step by itself, and wants it acknowledged.
func tellStep(ctx context.Context, i *installation.Installation, id sealift.VaultID, key crypto.Signer, of service.Release, sequence uint64) error {
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	nonce := make([]byte, 16)
	_, _ = rand.Read(nonce)
	now := trust.At(time.Now())
	req := &trust.Request{Vault: id, App: app, Device: sealift.DeviceIDOf(spki), Kind: trust.RequestReport, Nonce: fmt.Sprintf("%x", nonce), Time: now}
	req.Body, err = trust.EncodeBody(trust.Report{
		State: trust.DeviceState{Root: 1, Targets: 1, Snapshot: 1, Timestamp: 1, Channel: "production", Platform: "web", Runtime: "1.0.0", Client: "test/1"},
		Steps: []trust.ReportStep{{Sequence: sequence, Time: now, Step: trust.StepConfirmed, Release: of.Digest, Version: of.Version, Counter: of.Counter, Channel: "production"}},
	})
	if err != nil {
		return err
	}
	message, err := trust.SignRequest(req, key)
	if err != nil {
		return err
	}
	data, err := i.Desk.Answer(ctx, message, "198.51.100.7")
	if err != nil {
		return err
	}
	var file struct {
		Envelope struct {
			Payload []byte `json:"payload"`
		} `json:"dsseEnvelope"`
	}
	var answer trust.Answer
	if err := json.Unmarshal(data, &file); err != nil {
		return err
	}
	if err := json.Unmarshal(file.Envelope.Payload, &answer); err != nil {
		return err
	}
	if answer.Refused != nil {
		return fmt.Errorf("step %d: %s: %s", sequence, answer.Refused.Reason, answer.Refused.Message)
	}
	return nil
}

// TestReporterKilled kills a vault to which a device reports, at any moment. What was
// acknowledged is there, each step once; and the device counts once, however often it
// had to say the same again.
func TestReporterKilled(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.makeApp("web")
	b.rollOut("1.0.1", "")
	d := b.deviceIn(filepath.Join(b.dir, "device"), nil)
	d.update()
	b.stop()
	told, kept := 1000, 0 // above what the device told by itself
	window := 200 * time.Millisecond
	for kill := 0; kill < 5 || kill < 20 && kept == 0; kill++ {
		told, kept = b.killAs(reporterEnv, told, kept, mathrand.N(window))
		b.stored(func(tx store.Tx) { b.wantSteps(tx, kept, told) })
		if kept == 0 {
			window += window / 2 // a busy machine needs longer
		}
	}
	if kept == 0 {
		t.Error("it was killed before it acknowledged anything")
	}
	b.start() // for the end of the test
}

// wantSteps demands the steps that were acknowledged, and no other than were told.
func (b *bench) wantSteps(tx store.Tx, kept, told int) {
	b.Helper()
	devices, err := tx.Devices(b.Context(), app, store.DeviceFilter{Limit: 10})
	b.check(err)
	steps, err := tx.DeviceSteps(b.Context(), app, devices[0].ID, 0, 10_000)
	b.check(err)
	seen := map[uint64]int{}
	for _, s := range steps {
		seen[s.Sequence]++
		if s.Sequence > uint64(told) || seen[s.Sequence] > 1 {
			b.Errorf("step %d is there %d times; up to %d were told", s.Sequence, seen[s.Sequence], told)
		}
	}
	for n := 1000; n <= kept; n++ {
		if seen[uint64(n)] == 0 {
			b.Errorf("step %d was acknowledged, and is lost", n)
		}
	}
	releases, err := tx.Releases(b.Context(), app, store.ReleaseFilter{Limit: 1})
	b.check(err)
	sums, err := stats.Total(b.Context(), tx, app, releases[0].Digest)
	b.check(err)
	if want := min(len(steps), 1); sums.Evidence.Taken != want || sums.Evidence.Confirmed != want {
		b.Errorf("of %d steps the device is counted as %+v", len(steps), sums.Evidence)
	}
}
