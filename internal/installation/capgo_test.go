package installation_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	format "github.com/sealift/sealift/internal/capgo"
	"github.com/sealift/sealift/internal/config"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
)

// forCapgo gives a release a bundle for Capgo devices, with texts of the right form.
func (b *bench) forCapgo(r api.Release) {
	b.Helper()
	digest, err := sealift.ParseDigest(r.SHA256)
	b.check(err)
	v3, v2 := strings.Repeat("0f", 256), strings.Repeat("AAAA", 85)+"AA=="
	blob := format.Blob{SHA256: sealift.DigestOf([]byte(r.Version)), Size: 64}
	document, err := format.Bundle{
		Version: sealift.Version(r.Version), KeyID: "MIIBCgKCAQEAxYz01234", SessionKey: "AAAAAAAAAAAAAAAAAAAAAA==:" + v2, ChecksumV3: v3, ChecksumV2: v2, Zip: blob,
		Manifest: []format.File{{Name: "index.html", HashV3: v3, HashV2: v2, Blob: blob}},
	}.Encode()
	b.check(err)
	_, err = vault.Do(b.Context(), b.i.Vault, func(tx *vault.Tx) (int, error) {
		row := store.CapgoBundle{App: app, Release: digest, Document: document, Created: b.clock}
		var err error
		if row.MAC, err = tx.Authenticate(row); err != nil {
			return 0, err
		}
		if err := tx.PutCapgoBundle(b.Context(), row); err != nil {
			return 0, err
		}
		_, err = audit.Append(b.Context(), tx, audit.Entry{
			Time: b.clock, Actor: audit.Actor{Kind: audit.System, ID: "test"}, Action: "test.bundle", Subject: string(app), Result: audit.OK,
			Details: map[string]string{vault.RowDetail: vault.RowTag(row.MAC)},
		})
		return 0, err
	})
	b.check(err)
}

// TestCapgo: devices that have Capgo's plugin are offered what the roll-out of a
// release says, follow its channel's rules, and what they say counts for it.
func TestCapgo(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.makeApp("web")
	yes := true
	_, err := b.api.ChangeChannel(t.Context(), app, "production", api.ChannelChange{Default: &yes})
	b.check(err)
	first, err := b.publish("1.0.0")
	b.check(err)
	b.forCapgo(first)
	var l net.Listener
	serve := func() (stop func()) {
		b.i.OpenCapgo("https://updates.example.com", nil)
		l = httptest.NewUnstartedServer(nil).Listener
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- b.i.Serve(ctx, l, config.Server{}, "1.2.3") }()
		return func() { cancel(); b.check(<-ended) }
	}
	stop := serve()
	send := func(path, more string) string {
		t.Helper()
		body := `{"platform":"web","device_id":"b3b8a1f0-5c1d-4e7a-8f3e-2d4c6b8a0f1e","app_id":"com.acme.shop","version_build":"0.9.0","plugin_version":"8.51.23"` + more + `}`
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+l.Addr().String()+"/capgo/"+path, strings.NewReader(body))
		b.check(err)
		answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
		b.check(err)
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		b.check(err)
		return string(text)
	}
	// Until what changed has been read anew.
	become := func(want, more string) {
		t.Helper()
		var got string
		for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
			var said struct{ Version, Error string }
			got = send("updates", more)
			b.check(json.Unmarshal([]byte(got), &said))
			if said.Error == want || said.Error == "" && said.Version == want {
				return
			}
		}
		t.Fatalf("%s, want %s", got, want)
	}
	become("1.0.0", "")
	if got := send("updates", ""); !strings.Contains(got, `"url":"https://updates.example.com/v1/blobs/`) {
		t.Error(got)
	}
	become("no_new_version_available", `,"version_name":"1.0.0"`)
	// What a channel keeps from builds of the store.
	second := b.rollOut("2.0.0", `{"stages":[{"percent":100,"duration":"1h"}]}`)
	b.forCapgo(second)
	refuse := api.RefuseNewMajor
	_, err = b.api.ChangeChannel(t.Context(), app, "production", api.ChannelChange{CapgoRefuseNew: &refuse})
	b.check(err)
	become("disable_auto_update_to_major", `,"version_name":"1.0.0"`)
	none := api.RefuseNewNone
	_, err = b.api.ChangeChannel(t.Context(), app, "production", api.ChannelChange{CapgoRefuseNew: &none})
	b.check(err)
	become("2.0.0", `,"version_name":"1.0.0"`)
	if got := send("stats", `,"action":"update_fail","version_name":"2.0.0"`); got != `{"status":"ok"}` {
		t.Error(got)
	}
	become("no_new_version_available", `,"version_name":"1.0.0"`)
	stats, err := b.api.Stats(t.Context(), app, api.GetStatsParams{})
	b.check(err)
	if r := stats.Releases[0]; r.Version != "2.0.0" || r.Counts.RolledBack != 1 || r.Counts.Taken != 1 {
		t.Errorf("%+v", r)
	}
	list, err := b.api.CapgoDevices(t.Context(), app, api.ListCapgoDevicesParams{Prefix: "b3b8a1f05c1d4e7a8f3e2d4c6b8a0f1e"})
	b.check(err)
	if len(list.Devices) != 1 || list.Devices[0].Channel != "production" || len(list.Devices[0].Events) != 1 || list.Devices[0].Events[0].Action != "update_fail" || list.Counts.Day != 1 {
		t.Errorf("%+v", list)
	}
	// A floor, or a withdrawal, is a device's no less than one of Sealift's own.
	_, err = b.api.WithdrawRelease(t.Context(), app, second.Counter, "a story")
	b.check(err)
	become("no_new_version_available", `,"version_name":"1.0.0","device_id":"another"`)
	// What somebody writes into the database keeps nothing on offer that was stopped since.
	third := b.rollOut("3.0.0", `{"stages":[{"percent":100,"duration":"1h"}]}`)
	b.forCapgo(third)
	_, err = b.api.ChangeChannel(t.Context(), app, "production", api.ChannelChange{CapgoRefuseNew: &refuse}) // so that it is read with the bundle
	b.check(err)
	_, err = b.api.ChangeChannel(t.Context(), app, "production", api.ChannelChange{CapgoRefuseNew: &none})
	b.check(err)
	become("3.0.0", `,"version_name":"1.0.0","device_id":"another"`)
	b.sql("UPDATE capgo_bundles SET document = CAST(replace(CAST(document AS TEXT), '1.0.0', '1.0.9') AS BLOB)")
	_, err = b.api.WithdrawRelease(t.Context(), app, third.Counter, "a story")
	b.check(err)
	become("no_new_version_available", `,"version_name":"0.1.0","device_id":"another"`)
	stop()
	stop = serve()
	defer stop()
	become("app_not_found", "")
}
