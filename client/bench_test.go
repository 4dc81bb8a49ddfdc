package client_test

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/client"
	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust"
	"github.com/sealift/sealift/trust/tufrepo"
)

// enrolled returns an enrolled device of a world behind a loopback server, and
// the number of requests so far.
func enrolled(b *testing.B, w *sealifttest.World) (*client.Device, *atomic.Int64) {
	b.Helper()
	requests := &atomic.Int64{}
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, in *http.Request) {
		requests.Add(1)
		w.ServeHTTP(out, in)
	}))
	b.Cleanup(server.Close)
	d := sealifttest.Default
	device, err := client.Open(client.Config{
		Server: server.URL, App: d.App, Channel: d.Channel, Platform: d.Platform, Runtime: "2.0.0",
		Dir: filepath.Join(b.TempDir(), "device"), Root: w.FirstRoot(), Host: &machine{client.NewSystem(), w.Now},
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = device.Close() })
	if err := device.Enrol(b.Context(), w.EnrolmentToken()); err != nil {
		b.Fatal(err)
	}
	return device, requests
}

// BenchmarkWarmCheck is a check that finds nothing new, in a repository with
// 10,000 offers; with "resigned" the timestamp is a new one each time, as every
// hour.
func BenchmarkWarmCheck(b *testing.B) {
	w, err := sealifttest.New(start)
	if err != nil {
		b.Fatal(err)
	}
	var offers []tufrepo.Target
	for i := range 10_000 {
		app := sealift.AppID(fmt.Sprintf("com.acme.app%d", i))
		content, err := (&trust.Offer{App: app, Channel: "production", Platform: "web"}).Encode()
		if err != nil {
			b.Fatal(err)
		}
		offers = append(offers, tufrepo.Target{Path: trust.OfferPath(app, "production", "web"), Content: content})
	}
	if err := w.Direct(offers...); err != nil {
		b.Fatal(err)
	}
	if _, err := w.Publish(sealifttest.Spec{Version: "1.0.0"}); err != nil {
		b.Fatal(err)
	}
	device, requests := enrolled(b, w)
	if _, err := device.Update(b.Context()); err != nil {
		b.Fatal(err)
	}
	requests.Store(0)
	for b.Loop() {
		if r, err := device.Check(b.Context()); err != nil || r.Outcome != client.OutcomeCurrent {
			b.Fatalf("%+v, %v", r, err)
		}
	}
	b.ReportMetric(float64(requests.Load())/float64(b.N), "requests/op")
	b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "ms/op")
}

// BenchmarkInstall installs a bundle that does not compress, over loopback.
// The ratio is to reading the blob, SHA-256, writing and syncing as many bytes.
func BenchmarkInstall(b *testing.B) {
	const size = 64 << 20
	data := make([]byte, size)
	_, _ = rand.Read(data)
	w, err := sealifttest.New(start)
	if err != nil {
		b.Fatal(err)
	}
	device, _ := enrolled(b, w)
	b.SetBytes(size)
	version := 0
	for b.Loop() {
		b.StopTimer()
		version++
		_, err := w.Publish(sealifttest.Spec{
			Version: sealift.Version(fmt.Sprintf("1.%d.0", version)), Bundle: fstest.MapFS{"data": {Data: data, Mode: 0o644}},
		})
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		if _, err := device.Update(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBaseline is what BenchmarkInstall is compared with.
func BenchmarkBaseline(b *testing.B) {
	const size = 64 << 20
	data := make([]byte, size)
	_, _ = rand.Read(data)
	path := filepath.Join(b.TempDir(), "data")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(size)
	for b.Loop() {
		data, err := os.ReadFile(path)
		if err != nil {
			b.Fatal(err)
		}
		_ = sha256.Sum256(data)
		f, err := os.Create(path + ".copy")
		if err != nil {
			b.Fatal(err)
		}
		_, err = f.Write(data)
		if err == nil {
			err = f.Sync()
		}
		if err != nil {
			b.Fatal(err)
		}
		_ = f.Close()
	}
}
