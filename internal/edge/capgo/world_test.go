package capgo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealift/sealift"
	format "github.com/sealift/sealift/internal/capgo"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlite"
	"github.com/sealift/sealift/rollout"
)

const (
	shop = sealift.AppID("com.acme.shop")
	base = "https://updates.example.com"
)

var noon = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

// offer is a source of one catalog.
type offer struct{ at atomic.Pointer[Catalog] }

func (o *offer) Catalog(context.Context, *Catalog, string) (*Catalog, error) { return o.at.Load(), nil }

// world is an edge over a real store.
type world struct {
	testing.TB
	store.Store
	edge   *Edge
	source offer
	clock  time.Time
	from   string // address
}

// migrated is a database with nothing in it, which takes a while to make.
var migrated = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "capgo")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "vault.db")
	s, err := sqlite.Open(context.Background(), file)
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		return nil, err
	}
	return os.ReadFile(file)
})

func newWorld(t testing.TB, app *App) *world {
	t.Helper()
	empty, err := migrated()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "vault.db")
	if err := os.WriteFile(file, empty, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.Open(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	w := &world{TB: t, Store: s, clock: noon, from: "192.0.2.7"}
	w.edge = New(Config{
		Source: &w.source, Store: s, Base: base, Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Now: func() time.Time { return w.clock },
		Address: func(*http.Request) string { return w.from },
	})
	w.update(func(tx store.Tx) error {
		if err := tx.InsertApp(t.Context(), store.App{ID: shop, Created: noon, MAC: []byte("mac")}); err != nil {
			return err
		}
		return tx.InsertChannel(t.Context(), store.Channel{App: shop, Name: "production", Created: noon})
	})
	for _, c := range app.Channels {
		for platform, line := range c.Lines {
			for version, run := range line.Runs {
				w.release(c.Name, platform, version, run)
			}
		}
	}
	w.offers(app)
	return w
}

func (w *world) release(channel sealift.Channel, platform sealift.Platform, version sealift.Version, run Run) {
	w.update(func(tx store.Tx) error {
		_ = tx.InsertChannel(w.Context(), store.Channel{App: shop, Name: channel, Created: noon}) // may be there
		err := tx.InsertRelease(w.Context(), store.Release{
			Coordinates: store.Coordinates{App: shop, Channel: channel, Platform: platform, Runtime: sealift.AnyRuntime, Version: version},
			Digest:      run.Release, Counter: run.Counter, Act: sealift.ActRelease, File: []byte("{}"), Proof: []byte("proof"),
		})
		if sealift.KindOf(err) == sealift.KindConflict { // of another platform: one is enough
			return nil
		}
		return err
	})
}

func (w *world) offers(app *App) {
	w.source.at.Store(&Catalog{Apps: map[sealift.AppID]*App{app.ID: app}})
	w.check(w.edge.Refresh(w.Context()))
}

func (w *world) check(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) update(fn func(store.Tx) error) { w.Helper(); w.check(w.Update(w.Context(), fn)) }

func (w *world) view(fn func(store.Tx) error) { w.Helper(); w.check(w.View(w.Context(), fn)) }

// send sends a request as a plugin does, and returns status and body.
func (w *world) send(method, path, body string) (int, string) {
	w.Helper()
	r := httptest.NewRequestWithContext(w.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	answer := httptest.NewRecorder()
	w.edge.ServeHTTP(answer, r)
	got, err := io.ReadAll(answer.Body)
	w.check(err)
	return answer.Code, string(got)
}

// written has all check-ins written that wait.
func (w *world) written() {
	ended, cancel := context.WithCancel(w.Context())
	cancel()
	w.edge.write(ended)
}

// device is how the store has a device; zero where it has none.
func (w *world) device(id sealift.DeviceID) (d store.CapgoDevice) {
	w.Helper()
	err := w.View(w.Context(), func(tx store.Tx) (err error) {
		d, err = tx.CapgoDevice(w.Context(), shop, id)
		return err
	})
	if sealift.KindOf(err) != sealift.KindNotFound {
		w.check(err)
	}
	return d
}

func (w *world) tally(call, answer string) int64 {
	for _, t := range w.edge.Tallies() {
		if t.Call == call && t.Answer == answer {
			return t.N
		}
	}
	return 0
}

// bundleOf makes a bundle whose texts have the lengths of real ones.
func bundleOf(version sealift.Version) *format.Bundle {
	digest := func(part string) sealift.Digest { return sealift.DigestOf([]byte(string(version) + part)) }
	v3 := func(part string) string { return strings.Repeat(digest(part).String(), 8) }
	v2 := func(part string) string { return strings.Repeat(digest(part).String()[:43], 8) }
	return &format.Bundle{
		Version: version, KeyID: "MIIBCgKCAQEAxYz01234", SessionKey: "AAECAwQFBgcICQoLDA0ODw==:" + v2("key"), ChecksumV3: v3("zip"), ChecksumV2: v2("zip"),
		Zip: format.Blob{SHA256: digest("zip"), Size: 4096},
		Manifest: []format.File{
			{Name: "assets/app.js.br", HashV3: v3("js"), HashV2: v2("js"), Blob: format.Blob{SHA256: digest("js"), Size: 2048}},
			{Name: "index.html", HashV3: v3("html"), HashV2: v2("html"), Blob: format.Blob{SHA256: digest("html"), Size: 512}},
		},
	}
}

// digestOf is the release of a version.
func digestOf(version sealift.Version, counter sealift.Counter) sealift.Digest {
	return sealift.DigestOf(fmt.Append(nil, version, counter))
}

// candidateOf is a release on offer to everybody.
func candidateOf(t testing.TB, version sealift.Version, counter sealift.Counter, bend func(*rollout.Candidate)) *Candidate {
	t.Helper()
	c := rollout.Candidate{Release: digestOf(version, counter), Version: version, Counter: counter, Runtime: sealift.AnyRuntime, Share: sealift.Everybody, Salt: "salt"}
	if bend != nil {
		bend(&c)
	}
	made, err := NewCandidate(c, bundleOf(version), base)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// channelWith is a channel that offers candidates to ios, android and electron.
func channelWith(name sealift.Channel, candidates ...*Candidate) *Channel {
	c := &Channel{Name: name, Lines: map[sealift.Platform]*Line{}}
	for i, platform := range []sealift.Platform{"ios", "android", "electron"} {
		line := &Line{Candidates: candidates, Runs: map[sealift.Version]Run{}}
		if i == 1 { // a release is of one platform, and each has one digest
			for _, of := range candidates {
				line.Runs[of.Version] = Run{Release: of.Release, Counter: of.Counter, Offered: true}
			}
		}
		c.Lines[platform] = line
	}
	return c
}

// appWith is an app whose default is the first of its channels.
func appWith(channels ...*Channel) *App {
	app := &App{ID: shop, Default: channels[0].Name, Channels: map[sealift.Channel]*Channel{}}
	for _, c := range channels {
		app.Channels[c.Name] = c
	}
	return app
}

const someDevice = "b3b8a1f0-5c1d-4e7a-8f3e-2d4c6b8a0f1e"

// infoWith is what a plugin of 8.51 on Android sends, with other fields in it.
func infoWith(more ...string) string {
	fields := map[string]any{
		"platform": "android", "device_id": someDevice, "app_id": string(shop), "custom_id": "", "version_build": "1.0.0", "version_code": "17",
		"version_os": "14", "version_name": "builtin", "plugin_version": "8.51.23", "is_emulator": false, "is_prod": true, "install_source": "store",
		"defaultChannel": "", "key_id": "MIIBCgKCAQEAxYz01234",
	}
	for i := 0; i+1 < len(more); i += 2 {
		var v any
		if err := json.Unmarshal([]byte(more[i+1]), &v); err != nil {
			v = more[i+1]
		}
		if fields[more[i]] = v; more[i+1] == "-" {
			delete(fields, more[i])
		}
	}
	out, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	return string(out)
}

// errorOf is the code of an answer; "" for none.
func errorOf(t testing.TB, answer string) string {
	t.Helper()
	var got struct{ Error string }
	if err := json.Unmarshal([]byte(answer), &got); err != nil {
		t.Fatalf("%v: %s", err, answer)
	}
	return got.Error
}
