package capgo

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/stats"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/rollout"
)

// TestEndlessLists: what a list takes in memory is bounded by what is wanted of it.
func TestEndlessLists(t *testing.T) {
	w := newWorld(t, twoOffered(t))
	info := strings.TrimSuffix(infoWith(), "}")
	for path, body := range map[string]string{
		"/capgo/updates/manifest_size": info + `,"manifest":[` + strings.Repeat("{},", sealift.MaxCapgoSizes/4) + `{}]}`,
		"/capgo/stats":                 "[" + strings.Repeat("0,", sealift.MaxCapgoStats/2-4) + "0]",
	} {
		before, after := new(runtime.MemStats), new(runtime.MemStats)
		runtime.ReadMemStats(before)
		_, answer := w.send("POST", path, body)
		runtime.ReadMemStats(after)
		if errorOf(t, answer) != codeTooLarge {
			t.Errorf("%s: %s", path, answer)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 8*uint64(len(body)) {
			t.Errorf("%s took %d bytes for %d", path, took, len(body))
		}
	}
}

// TestSlowSizes: who asks slowly how large files are holds up nobody's report.
func TestSlowSizes(t *testing.T) {
	w := newWorld(t, twoOffered(t))
	var all sync.WaitGroup
	var ends []*io.PipeWriter
	for range sealift.MaxCapgoReporting {
		r, end := io.Pipe()
		ends = append(ends, end)
		all.Go(func() {
			w.edge.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), "POST", "/capgo/updates/manifest_size", r))
			_ = r.Close()
		})
		_, _ = end.Write([]byte("{")) // it is being read, or was refused
	}
	if code, answer := w.send("POST", "/capgo/stats", infoWith("action", "set")); code != http.StatusOK {
		t.Errorf("a report: %d: %s", code, answer)
	}
	for _, end := range ends {
		_ = end.Close()
	}
	all.Wait()
}

// TestMemoryIsBounded: nothing is held of what is not on offer, nor twice, nor more of it
// than there is room for.
func TestMemoryIsBounded(t *testing.T) {
	app := twoOffered(t)
	app.Channels["production"].Lines["android"].Runs["1.1.0"] = Run{Release: digestOf("1.1.0", 11), Counter: 11}
	w := newWorld(t, app)
	for i := range 5 {
		for _, version := range []string{"1.1.0", "2.0.0"} {
			w.send("POST", "/capgo/stats", infoWith("action", "update_fail", "version_name", version, "device_id", fmt.Sprintf("d%d", i)))
		}
	}
	if n, kept := len(w.edge.memory.held.failed), len(w.edge.memory.since); n != 5 || kept != 0 {
		t.Errorf("%d are held, and %d kept to be noted again", n, kept)
	}
	if n, _ := w.counted(digestOf("1.1.0", 11), stats.Outcome(rollout.RolledBack)); n == 0 {
		t.Error("what is not on offer any more is not counted")
	}
	for i := 0; len(w.edge.memory.held.failed) < sealift.MaxCapgoFailed; i++ {
		w.edge.memory.held.failed[mark{byte(i), byte(i >> 8), byte(i >> 16), 1}] = struct{}{}
	}
	w.send("POST", "/capgo/stats", infoWith("action", "update_fail", "version_name", "2.0.0", "device_id", "one more"))
	if n := len(w.edge.memory.held.failed); n != sealift.MaxCapgoFailed {
		t.Errorf("%d are held", n)
	}
}

// TestMadeUpOfPrivate: what somebody makes up is no word about a channel that nobody
// put them on, whatever they name.
func TestMadeUpOfPrivate(t *testing.T) {
	staff := channelWith("staff", candidateOf(t, "3.0.0", 30, nil))
	staff.Rules.Private = true
	w := newWorld(t, appWith(channelWith("production", candidateOf(t, "2.0.0", 20, nil)), staff))
	for _, named := range []string{"", "staff"} {
		w.send("POST", "/capgo/stats", infoWith("action", "update_fail", "version_name", "3.0.0", "defaultChannel", named))
	}
	if n, more := w.counted(digestOf("3.0.0", 30), stats.Outcome(rollout.RolledBack)); n+more != 0 {
		t.Errorf("%d and %d are counted", n, more)
	}
}

// TestFloodOfEvents: the disk's time that one network may take is bounded, and others
// report on.
func TestFloodOfEvents(t *testing.T) {
	w := newWorld(t, twoOffered(t))
	for range sealift.CapgoEventsPerHour - 1 { // of reports before
		w.edge.events.Admit(stats.NetworkOf(w.from), w.clock)
	}
	send := func() int {
		code, _ := w.send("POST", "/capgo/stats", "["+infoWith("action", "a")+","+infoWith("action", "b")+"]")
		return code
	}
	for i, want := range []int{http.StatusOK, http.StatusServiceUnavailable} {
		if got := send(); got != want {
			t.Errorf("report %d: %d", i, got)
		}
	}
	w.from = "198.51.100.7"
	if got := send(); got != http.StatusOK {
		t.Errorf("another network: %d", got)
	}
	w.from, w.clock = "192.0.2.9", w.clock.Add(time.Hour)
	if got := send(); got != http.StatusOK {
		t.Errorf("an hour later: %d", got)
	}
}

// TestWithheld: an app of which nobody can tell what was stopped offers nothing, and is
// the same one until it is read anew.
func TestWithheld(t *testing.T) {
	app := twoOffered(t)
	bare := app.Withheld()
	in := Info{App: shop, Device: "b3b8a1f05c1d4e7a8f3e2d4c6b8a0f1e", Platform: "android", Build: "1.0.0", Plugin: "8.51.23"}
	if d := app.Decide(&in, "", nothingFailed); d.Offer == nil {
		t.Errorf("before: %+v", d)
	}
	d := bare.Decide(&in, "", nothingFailed)
	answer, err := d.reply(&in)
	check(t, err)
	if d.Offer != nil || !bytes.Equal(answer, current.kind) {
		t.Errorf("%s", answer)
	}
	if bare.Withheld() != bare || bare.Stamp == app.Stamp && !app.Stamp.IsZero() {
		t.Error("it is another one each time")
	}
}

// TestEventsOfOneReport: a device that tells of a great deal at once keeps no more events
// than one that tells of them one by one, the last of them.
func TestEventsOfOneReport(t *testing.T) {
	w := newWorld(t, twoOffered(t))
	var all []string
	for i := range 4 * sealift.CapgoEventsKept {
		action := fmt.Sprintf("a%d", i)
		if i == 0 {
			action = "update_fail"
		}
		all = append(all, infoWith("action", action, "version_name", "2.0.0", "timestamp", fmt.Sprint(1772366400000+i)))
	}
	if code, answer := w.send("POST", "/capgo/stats", "["+strings.Join(all, ",")+"]"); code != http.StatusOK {
		t.Fatal(answer)
	}
	w.view(func(tx store.Tx) error {
		kept, err := tx.CapgoEvents(t.Context(), shop, someID, 9999)
		if err == nil && (len(kept) != sealift.CapgoEventsKept || kept[0].Action != fmt.Sprintf("a%d", len(all)-1)) {
			t.Errorf("%d are kept, the last is %+v", len(kept), kept[0])
		}
		return err
	})
	if n, more := w.counted(digestOf("2.0.0", 20), stats.Outcome(rollout.RolledBack)); n+more != 1 {
		t.Errorf("%d and %d are counted of what is not kept", n, more)
	}
}

// TestHangingUp: who hangs up fills no log.
func TestHangingUp(t *testing.T) {
	w := newWorld(t, twoOffered(t))
	var log bytes.Buffer
	w.edge.Log = slog.New(slog.NewTextHandler(&log, nil))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for path, body := range map[string]string{"/capgo/stats": infoWith("action", "set"), "/capgo/channel_self": infoWith("channel", "production", "plugin_version", "7.33.0")} {
		w.edge.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "POST", path, strings.NewReader(body)))
	}
	if log.Len() > 0 {
		t.Errorf("%s", &log)
	}
}

// TestRevokedElsewhere: who runs what was revoked is sent back to the store's bundle also
// where it is on another channel by now, or on none that is for it; but not where another
// release of that version is good.
func TestRevokedElsewhere(t *testing.T) {
	beta := channelWith("beta")
	beta.Lines["android"].Runs["3.0.0"] = Run{Release: digestOf("3.0.0", 30), Counter: 30, Refused: true}
	production := channelWith("production")
	app := appWith(production, beta)
	in := Info{App: shop, Device: "b3b8a1f05c1d4e7a8f3e2d4c6b8a0f1e", Platform: "android", Build: "1.0.0", Plugin: "8.51.23", Running: "3.0.0"}
	for name, bend := range map[string]func(){
		"another channel":   func() {},
		"an archived one":   func() { beta.Archived, in.Channel = true, "beta" },
		"a private one":     func() { beta.Archived, beta.Rules.Private, in.Channel = false, true, "beta" },
		"none that is left": func() { app.Default, in.Channel = "", "" },
	} {
		bend()
		if d := app.Decide(&in, "", nothingFailed); !d.Back {
			t.Errorf("%s: %+v", name, d)
		}
	}
	app.Default, in.Channel, beta.Rules.Private, beta.Archived = "production", "", false, false // whichever bend came last
	production.Lines["android"].Runs["3.0.0"] = Run{Release: digestOf("3.0.0", 31), Counter: 31}
	if d := app.Decide(&in, "", nothingFailed); d.Back {
		t.Errorf("where it is good: %+v", d)
	}
	if in.Channel = "beta"; !app.Decide(&in, "", nothingFailed).Back {
		t.Error("where another channel's is good")
	}
}
