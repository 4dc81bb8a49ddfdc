package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealift/sealift"
	format "github.com/sealift/sealift/internal/capgo"
	"github.com/sealift/sealift/internal/edge/capgo"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlite"
	"github.com/sealift/sealift/rollout"
)

const (
	capgoDevices = 100_000
	capgoCallers = 16
	capgoWarm    = 10_000
	capgoRounds  = 3

	minCapgoShare  = 0.65
	maxCapgoP99    = 2   // of the bare handler's
	maxCapgoStored = 250 // bytes a device
	maxCapgoHeld   = 8   // bytes a device: what cannot be told from nothing
)

// measureCapgo lets devices with Capgo's plugin look for updates, with one on offer.
func measureCapgo(b *testing.B, r *report) {
	s := r.section(fmt.Sprintf("Update checks of %d devices with Capgo's plugin", capgoDevices))
	c := newCapgoUnderTest(b)
	defer debug.SetGCPercent(debug.SetGCPercent(sealift.ServerGCPercent)) // as the server does
	c.pass(c.edgeURL, 0, capgoWarm)                                       // which fills caches
	c.written(capgoWarm)
	before := heap()
	say("first checks of %d devices", capgoDevices)
	first := c.pass(c.edgeURL, capgoWarm, capgoDevices)
	behind := c.written(capgoDevices)
	held := max(0, float64(heap()-before)/(capgoDevices-capgoWarm))
	var shares, ratios, rates, bares, durable []float64
	for i := range capgoRounds {
		say("round %d", i+1)
		bare := c.pass(c.bareURL, 0, capgoDevices)
		c.hours.Add(2) // so that each is written again
		got := c.pass(c.edgeURL, 0, capgoDevices)
		lag := c.written(int64(i+2) * capgoDevices)
		rates, bares = append(rates, got.rate), append(bares, bare.rate)
		shares, ratios = append(shares, got.rate/bare.rate), append(ratios, got.p99/bare.p99)
		durable = append(durable, capgoDevices/(capgoDevices/got.rate+lag.Seconds()))
	}
	stored := float64(c.stop()) / capgoDevices
	s.atLeast("checks with an update on offer: share of the bare handler's rate", median(shares), minCapgoShare, "",
		fmt.Sprintf("%.0f a second against %.0f (shares from %.2f to %.2f); %.0f until the last check-in is durable", median(rates), median(bares), slices.Min(shares), slices.Max(shares), median(durable)))
	s.target("99th percentile, of the bare handler's", median(ratios), maxCapgoP99, "", "")
	s.add("first checks of devices that were never seen", first.rate, "a second", fmt.Sprintf("all durable %.1f s later", behind.Seconds()))
	s.target("store, a device", stored, maxCapgoStored, "bytes", "")
	s.target("memory that stays in the process, a device", held, maxCapgoHeld, "bytes", "after garbage collection, with all of them kept")
	s.remark("%d connections over loopback, in one process with the server. The bare handler reads the same 400 bytes and answers 300 bytes of JSON. "+
		"The edge answers 1.1 KB, a zip in the form V2, and writes each check-in into SQLite with WAL and synchronous=FULL, in batches. Medians of %d rounds of %d checks in turns.",
		capgoCallers, capgoRounds, capgoDevices)
}

// capgoUnderTest is an edge, and a handler that does nothing.
type capgoUnderTest struct {
	*testing.B
	edge             *capgo.Edge
	catalog          *capgo.Catalog
	edgeURL, bareURL string
	client           *http.Client
	hours            atomic.Int64
	began            time.Time
	file             string
	empty            int64 // bytes of the store without devices
	stop             func() int64
}

// Catalog implements capgo.Source.
func (c *capgoUnderTest) Catalog(context.Context, *capgo.Catalog, string) (*capgo.Catalog, error) {
	return c.catalog, nil
}

func newCapgoUnderTest(b *testing.B) *capgoUnderTest {
	c := &capgoUnderTest{B: b, began: time.Now().UTC(), file: filepath.Join(b.TempDir(), "vault.db"), client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: capgoCallers, MaxConnsPerHost: capgoCallers}}}
	db, err := sqlite.Open(b.Context(), c.file)
	check(b, err)
	check(b, db.Update(b.Context(), func(tx store.Tx) error {
		return tx.InsertApp(b.Context(), store.App{ID: app, Created: c.began, MAC: []byte("mac")})
	}))
	check(b, db.Close())
	c.empty = c.size()
	db, err = sqlite.Open(b.Context(), c.file)
	check(b, err)
	c.catalog = capgoOffer(b)
	c.edge = capgo.New(capgo.Config{
		Source: c, Store: db, Base: "https://updates.example.com", Log: slog.New(slog.DiscardHandler),
		Now:     func() time.Time { return c.began.Add(time.Duration(c.hours.Load()) * time.Hour) },
		Address: func(r *http.Request) string { return r.Header.Get("X-Device") },
	})
	check(b, c.edge.Refresh(b.Context()))
	ctx, cancel := context.WithCancel(context.WithoutCancel(b.Context()))
	var running sync.WaitGroup
	running.Go(func() { c.edge.Run(ctx) })
	served, bare := httptest.NewServer(c.edge), httptest.NewServer(http.HandlerFunc(answerNothing))
	c.edgeURL, c.bareURL = served.URL+capgo.Prefix+"updates", bare.URL
	c.stop = sync.OnceValue(func() int64 {
		c.client.CloseIdleConnections()
		served.Close()
		bare.Close()
		cancel()
		running.Wait()
		check(b, db.Close())
		return c.size() - c.empty
	})
	b.Cleanup(func() { c.stop() })
	return c
}

func (c *capgoUnderTest) size() int64 {
	info, err := os.Stat(c.file)
	check(c, err)
	return info.Size()
}

// answerNothing reads a check and answers 300 bytes of JSON.
func answerNothing(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(bareAnswer)
}

var bareAnswer = []byte(`{"version":"2.0.0","checksum":"` + strings.Repeat("0", 266) + `"}`)

// capgoOffer offers 2.0.0 to everybody.
func capgoOffer(b *testing.B) *capgo.Catalog {
	v3, v2 := strings.Repeat("0f", 256), strings.Repeat("AAAA", 85)+"AA=="
	blob := format.Blob{SHA256: sealift.DigestOf([]byte("blob")), Size: 64}
	bundle := &format.Bundle{Version: "2.0.0", KeyID: "MIIBCgKCAQEAxYz01234", SessionKey: "AAAAAAAAAAAAAAAAAAAAAA==:" + v2, ChecksumV3: v3, ChecksumV2: v2, Zip: blob}
	for i := range 10 {
		bundle.Manifest = append(bundle.Manifest, format.File{Name: fmt.Sprintf("assets/index-%d.js.br", i), HashV3: v3, HashV2: v2, Blob: blob})
	}
	release := sealift.DigestOf([]byte("release"))
	c, err := capgo.NewCandidate(rollout.Candidate{
		Release: release, Version: "2.0.0", Counter: 2, Runtime: sealift.AnyRuntime, Share: sealift.Everybody, Salt: "00112233445566778899aabbccddeeff",
	}, bundle, "https://updates.example.com")
	check(b, err)
	line := &capgo.Line{Candidates: []*capgo.Candidate{c}, Runs: map[sealift.Version]capgo.Run{"2.0.0": {Release: release, Counter: 2, Offered: true}}}
	return &capgo.Catalog{Apps: map[sealift.AppID]*capgo.App{app: {ID: app, Default: channel, Channels: map[sealift.Channel]*capgo.Channel{
		channel: {Name: channel, Lines: map[sealift.Platform]*capgo.Line{"android": line}},
	}}}}
}

// passed is how fast each device was answered once.
type passed struct{ rate, p99 float64 } // a second; in seconds

// pass lets each of some devices ask once.
func (c *capgoUnderTest) pass(url string, from, to int64) passed {
	var next atomic.Int64
	next.Store(from)
	took := make([]float64, to-from)
	begin := time.Now()
	var callers sync.WaitGroup
	for range capgoCallers {
		callers.Go(func() {
			for n := next.Add(1) - 1; n < to; n = next.Add(1) - 1 {
				asked := time.Now()
				if err := c.ask(url, int(n)); err != nil {
					c.Error(err)
					return
				}
				took[n-from] = time.Since(asked).Seconds()
			}
		})
	}
	callers.Wait()
	all := time.Since(begin).Seconds()
	if c.Failed() {
		c.FailNow()
	}
	slices.Sort(took)
	return passed{float64(len(took)) / all, took[len(took)*99/100]}
}

// ask is what a plugin of 6.24, which takes the zip, sends when its app starts.
func (c *capgoUnderTest) ask(url string, n int) error {
	body := fmt.Sprintf(`{"platform":"android","device_id":"%08x-5c1d-4e7a-8f3e-2d4c6b8a0f1e","app_id":"%s","custom_id":"","version_build":"1.0.0","version_code":"17","version_os":"14",`+
		`"version_name":"1.2.0","plugin_version":"6.24.1","is_emulator":false,"is_prod":true,"install_source":"com.android.vending","defaultChannel":"","key_id":"MIIBCgKCAQEAxYz01234"}`, n, app)
	r, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	r.Header.Set("X-Device", fmt.Sprintf("10.%d.%d.%d", n>>16, n>>8&255, n&255))
	answer, err := c.client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	got, err := io.ReadAll(answer.Body)
	if err == nil && (answer.StatusCode != http.StatusOK || !bytes.HasPrefix(got, []byte(`{"version":"2.0.0"`))) {
		err = fmt.Errorf("device %d is answered %d: %s", n, answer.StatusCode, got)
	}
	return err
}

// written waits until so many check-ins are durable, and returns how long that took.
func (c *capgoUnderTest) written(want int64) time.Duration {
	begin := time.Now()
	for time.Since(begin) < time.Minute {
		kept := int64(0)
		for _, t := range c.edge.Tallies() {
			switch {
			case t.Call != "check-in":
			case t.Answer == "kept":
				kept = t.N
			default:
				c.Fatalf("%d check-ins are %s", t.N, t.Answer)
			}
		}
		if kept == want {
			return time.Since(begin)
		}
		time.Sleep(5 * time.Millisecond)
	}
	c.Fatalf("not all check-ins are written: %v", c.edge.Tallies())
	return 0
}

// heap is what is reachable, in bytes.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
