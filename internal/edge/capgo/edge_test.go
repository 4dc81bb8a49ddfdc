package capgo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/stats"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/rollout"
)

const someID = sealift.DeviceID("b3b8a1f05c1d4e7a8f3e2d4c6b8a0f1e")

// twoOffered offers 2.0.0 to everybody, and 1.5.0 behind it.
func twoOffered(t testing.TB) *App {
	return appWith(channelWith("production", candidateOf(t, "2.0.0", 20, nil), candidateOf(t, "1.5.0", 15, nil)))
}

// asksFor is what an update check offers; the code of an error where it does not.
func (w *world) asksFor(more ...string) string {
	w.Helper()
	code, answer := w.send("POST", "/capgo/updates", infoWith(more...))
	if code != http.StatusOK {
		w.Fatalf("%d: %s", code, answer)
	}
	if of := errorOf(w, answer); of != "" {
		return of
	}
	version, _, _ := strings.Cut(strings.TrimPrefix(answer, `{"version":"`), `"`)
	return version
}

// counted is how many devices had an outcome of a release: as evidence, and beside.
func (w *world) counted(release sealift.Digest, outcome stats.Outcome) (evidence, unvouched int64) {
	w.Helper()
	w.view(func(tx store.Tx) error {
		rows, err := tx.ReleaseTotals(w.Context(), shop, release)
		for _, r := range rows {
			if r.Outcome == string(outcome) {
				evidence, unvouched = evidence+r.Evidence, unvouched+r.Unvouched
			}
		}
		return err
	})
	return evidence, unvouched
}

func TestCheckIn(t *testing.T) {
	w := newWorld(t, twoOffered(t))
	if got := w.asksFor("version_name", "1.0.0", "is_emulator", "true"); got != "2.0.0" {
		t.Errorf("it is offered %s", got)
	}
	if d := w.device(someID); d.ID != "" {
		t.Errorf("the answer waited for %+v", d)
	}
	w.written()
	want := store.CapgoDevice{
		App: shop, ID: someID, Platform: "android", Version: "1.0.0", Build: "1.0.0", Plugin: "8.51.23", Channel: "production", Production: true, Emulator: true,
		Began: noon, Seen: noon,
	}
	if got := w.device(someID); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	// Nothing is new for an hour, and then that it was here.
	w.clock = noon.Add(sealift.CapgoStaleness - time.Second)
	w.asksFor("version_name", "1.0.0", "is_emulator", "true")
	w.written()
	if got := w.device(someID); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	w.clock = noon.Add(sealift.CapgoStaleness)
	want.Seen = w.clock
	w.asksFor("version_name", "1.0.0", "is_emulator", "true")
	w.written()
	if got := w.device(someID); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	// What changed is written at once.
	w.clock = w.clock.Add(time.Second)
	w.asksFor("version_name", "my-bundle", "version_build", "1.1", "plugin_version", "7.27.8")
	w.written()
	want.Seen, want.Version, want.Build, want.Plugin, want.Emulator = w.clock, "my-bundle", "1.1.0", "7.27.8", false
	if got := w.device(someID); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if kept := w.tally(callCheckIn, "kept"); kept != 4 {
		t.Errorf("%d are kept", kept)
	}
}

// TestComesWithIt: whoever runs what is on offer has confirmed it, once.
func TestComesWithIt(t *testing.T) {
	w := newWorld(t, twoOffered(t))
	for _, version := range []string{"builtin", "2.0.0", "2.0.0", "1.5.0", "2.0.0"} {
		w.clock = w.clock.Add(2 * sealift.CapgoStaleness)
		w.asksFor("version_name", version)
		w.written()
	}
	if n, more := w.counted(digestOf("2.0.0", 20), stats.Confirmed); n != 1 || more != 0 {
		t.Errorf("%d and %d confirmed it", n, more)
	}
	if n, _ := w.counted(digestOf("2.0.0", 20), stats.Taken); n != 1 {
		t.Errorf("%d took it", n)
	}
}

// TestNewcomers: one network makes up so many devices an hour; they are answered, and
// not kept.
func TestNewcomers(t *testing.T) {
	w := newWorld(t, twoOffered(t))
	for i := range sealift.CapgoNewPerHour - 1 {
		if _, ok := w.edge.fresh.Admit(newcomers{shop, stats.NetworkOf(w.from)}, noon); !ok {
			t.Fatal(i)
		}
	}
	for _, name := range []string{"last", "one too many"} {
		if got := w.asksFor("device_id", name); got != "2.0.0" {
			t.Errorf("%s is offered %s", name, got)
		}
	}
	w.written()
	last, _ := deviceOf("last")
	many, _ := deviceOf("one too many")
	if w.device(last).ID == "" || w.device(many).ID != "" || w.tally(callCheckIn, "left-out") != 1 {
		t.Errorf("%+v, %+v, %v", w.device(last), w.device(many), w.edge.Tallies())
	}
	event := infoWith("device_id", "one too many", "action", "set", "version_name", "2.0.0")
	if code, answer := w.send("POST", "/capgo/stats", event); code != http.StatusServiceUnavailable {
		t.Errorf("%d: %s", code, answer)
	}
	w.from = "198.51.100.1"
	if code, answer := w.send("POST", "/capgo/stats", event); code != http.StatusOK {
		t.Errorf("%d: %s", code, answer)
	}
}

// TestCrowded: what the disk does not keep up with is left out, and no check waits.
func TestCrowded(t *testing.T) {
	w := newWorld(t, twoOffered(t))
	w.edge.waiting = make(chan checkIn, 1)
	for range 3 {
		w.asksFor()
	}
	if w.tally(callCheckIn, "crowded") != 2 || w.tally(callUpdate, "offer") != 3 {
		t.Errorf("%v", w.edge.Tallies())
	}
}

func TestStats(t *testing.T) {
	release := digestOf("2.0.0", 20)
	for action, want := range map[string]stats.Outcome{
		"set": "", "download_complete": "", "download_0": "", "download_fail": "none", "finish_download_fail": "none", "app_moved_to_background": "none", "newest_action": "none",
		"update_fail": stats.Outcome(rollout.RolledBack), "checksum_fail": stats.Outcome(rollout.Refused), "decrypt_fail": stats.Outcome(rollout.Refused),
		"unzip_fail": stats.Outcome(rollout.Refused), "insufficient_disk_space": stats.Outcome(rollout.NotStored), "set_fail": stats.Outcome(rollout.NotStored),
	} {
		t.Run(action, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, twoOffered(t))
			body := "[" + infoWith("action", action, "version_name", "2.0.0:assets/a.js", "old_version_name", "builtin", "timestamp", "1772366400123") + "]"
			for range 2 { // a plugin that had no answer sends it again
				if code, answer := w.send("POST", "/capgo/stats", body); code != http.StatusOK || answer != `{"status":"ok"}` {
					t.Fatalf("%d: %s", code, answer)
				}
			}
			taken, _ := w.counted(release, stats.Taken)
			if (want == "none") == (taken == 1) {
				t.Errorf("%d took it", taken)
			}
			if n, _ := w.counted(release, want); want != "" && want != "none" && n != 1 {
				t.Errorf("%d had the outcome", n)
			}
			w.view(func(tx store.Tx) error {
				got, err := tx.CapgoEvents(t.Context(), shop, someID, 9)
				if err == nil && (len(got) != 1 || got[0] != store.CapgoEvent{
					App: shop, Device: someID, At: time.UnixMilli(1772366400123).UTC(), Action: action, Version: "2.0.0", Old: "builtin", Detail: "assets/a.js", Received: noon,
				}) {
					err = fmt.Errorf("%+v", got)
				}
				return err
			})
			if d := w.device(someID); d.Version != "2.0.0" || d.Build != "1.0.0" {
				t.Errorf("%+v", d)
			}
		})
	}
}

// TestNotAgain: a release that failed on a device is not offered to it again, also
// after the server was started anew; but to others it is.
func TestNotAgain(t *testing.T) {
	w := newWorld(t, twoOffered(t))
	if got := w.asksFor(); got != "2.0.0" {
		t.Fatalf("it is offered %s", got)
	}
	if code, answer := w.send("POST", "/capgo/stats", infoWith("action", "update_fail", "version_name", "2.0.0")); code != http.StatusOK {
		t.Fatalf("%d: %s", code, answer)
	}
	if got := w.asksFor(); got != "1.5.0" {
		t.Errorf("then it is offered %s", got)
	}
	if got := w.asksFor("device_id", "another"); got != "2.0.0" {
		t.Errorf("another is offered %s", got)
	}
	w.edge.memory = memory{}
	w.offers(twoOffered(t))
	if got := w.asksFor(); got != "1.5.0" {
		t.Errorf("after a start it is offered %s", got)
	}
}

// TestMadeUp: of devices that somebody makes up in one network, as many are evidence as
// of Sealift's own that nobody vouches for, together with those.
func TestMadeUp(t *testing.T) {
	w := newWorld(t, twoOffered(t))
	release := digestOf("2.0.0", 20)
	native := store.Device{App: shop, ID: "00112233445566778899aabbccddeeff", State: store.DeviceActive, Enrolled: noon, MAC: []byte("mac")}
	w.update(func(tx store.Tx) error {
		return errors.Join(tx.PutDevice(t.Context(), native), tx.PutDeviceOutcome(t.Context(), store.DeviceOutcome{
			App: shop, Device: native.ID, Release: release, Hour: noon, Network: stats.NetworkOf(w.from), Evidence: true,
		}))
	})
	for i := range 10 {
		w.send("POST", "/capgo/stats", infoWith("action", "update_fail", "version_name", "2.0.0", "device_id", fmt.Sprintf("d%d", i)))
	}
	if n, more := w.counted(release, stats.Outcome(rollout.RolledBack)); n != sealift.UnvouchedPerHour-1 || more != 10-n {
		t.Errorf("%d are evidence, %d are not", n, more)
	}
}

func TestBadInput(t *testing.T) {
	w := newWorld(t, twoOffered(t))
	huge := `{"app_id":"` + strings.Repeat("a", 10<<20) + `"}`
	many := "[" + strings.Repeat(`{"action":"a"},`, sealift.MaxCapgoReport) + `{"action":"a"}]`
	for _, test := range []struct {
		method, path, body string
		code               int
		error              string
	}{
		{"POST", "/capgo/updates", huge, 200, codeTooLarge},
		{"POST", "/capgo/updates", "[]", 200, codeMalformed},
		{"POST", "/capgo/updates", infoWith("app_id", "com.acme.other"), 200, codeApp},
		{"POST", "/capgo/updates", infoWith("app_id", "7"), 200, codeMissing},
		{"POST", "/capgo/updates", infoWith("version_build", "new"), 200, codeSemver},
		{"POST", "/capgo/updates", infoWith("plugin_version", "4.9.9"), 200, codePlugin},
		{"GET", "/capgo/updates", "", 405, ""},
		{"POST", "/capgo/nothing", "", 404, ""},
		{"POST", "/capgo/stats", huge, 200, codeTooLarge},
		{"POST", "/capgo/stats", many, 200, codeTooLarge},
		{"POST", "/capgo/stats", "nothing", 200, codeMalformed},
		{"POST", "/capgo/stats", "[1,{},null]", 200, codeMissing},
		{"POST", "/capgo/stats", infoWith("app_id", "com.acme.other", "action", "set"), 200, codeMissing},
		{"POST", "/capgo/stats", "[" + infoWith("action", "set", "timestamp", "-7e300", "metadata", `[[1],"x"]`) + `,{"action":1}]`, 200, ""},
		{"POST", "/capgo/stats", "[]", 200, ""},
		{"POST", "/capgo/channel_self", infoWith(), 200, codeMissing},
		{"POST", "/capgo/channel_self", infoWith("channel", "Not One"), 200, codeNoSuch},
		{"PUT", "/capgo/channel_self", "{", 200, codeMalformed},
		{"GET", "/capgo/channel_self", "", 200, codeMissing},
		{"DELETE", "/capgo/channel_self", "", 200, codeMissing},
		{"POST", "/capgo/updates/manifest_size", "{}", 200, codeMissing},
		{"POST", "/capgo/updates/manifest_size", infoWith("manifest", `[1]`), 200, codeMalformed},
		{"POST", "/capgo/updates/manifest_size", infoWith("manifest", "[{}"+strings.Repeat(",{}", sealift.MaxCapgoFiles)+"]"), 200, codeTooLarge},
	} {
		code, answer := w.send(test.method, test.path, test.body)
		if code != test.code {
			t.Errorf("%s %s %.80s: %d: %s", test.method, test.path, test.body, code, answer)
		} else if got := ""; code == 200 {
			if got = errorOf(t, answer); got != test.error {
				t.Errorf("%s %s %.80s: %s, want %q", test.method, test.path, test.body, answer, test.error)
			}
		}
	}
	for _, answer := range []string{codeTooLarge, codeMalformed, codeApp, codeMissing, codeSemver, codePlugin} {
		if w.tally(callUpdate, answer) != 1 {
			t.Errorf("%s is not counted: %v", answer, w.edge.Tallies())
		}
	}
}

// TestNever429: whatever a device is asked to do again, it is by 503.
func TestNever429(t *testing.T) {
	w := newWorld(t, twoOffered(t))
	body := infoWith("action", "ping")
	for range sealift.CapgoReportsPerMinute - 1 {
		w.edge.reports.Admit(w.from, noon)
	}
	for i, want := range []int{http.StatusOK, http.StatusServiceUnavailable} {
		if code, answer := w.send("POST", "/capgo/stats", body); code != want {
			t.Errorf("report %d: %d: %s", i, code, answer)
		}
	}
	w.clock = noon.Add(time.Hour)
	synctest.Test(t, func(*testing.T) {
		full := New(w.edge.Config)
		for range sealift.MaxCapgoReporting {
			full.reporting <- struct{}{}
		}
		if err := full.report(context.Background(), nil, w.from); sealift.ReasonOf(err) != reasonCrowded {
			t.Errorf("where too many wait: %v", err)
		}
	})
	// Before it is known which apps there are, nothing is lost either.
	early := New(w.edge.Config)
	w.edge = early
	if code, answer := w.send("POST", "/capgo/stats", body); code != http.StatusServiceUnavailable {
		t.Errorf("%d: %s", code, answer)
	}
	if got := w.asksFor(); got != "no_new_version_available" {
		t.Error(got)
	}
	check(t, w.Close())
	w.edge.catalog.Store(w.source.at.Load())
	if code, answer := w.send("POST", "/capgo/stats", body); code != http.StatusServiceUnavailable {
		t.Errorf("without a disk: %d: %s", code, answer)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestChoice: a plugin that keeps its channel itself is told whether it may, and for
// others the server keeps it, also over a start.
func TestChoice(t *testing.T) {
	beta := channelWith("beta", candidateOf(t, "3.0.0", 30, nil))
	beta.SelfAssign = true
	app := func() *App { return appWith(channelWith("production", candidateOf(t, "2.0.0", 20, nil)), beta) }
	w := newWorld(t, app())
	ask := func(plugin, want string) {
		t.Helper()
		if _, answer := w.send("POST", "/capgo/channel_self", infoWith("plugin_version", plugin, "channel", "beta")); answer != `{"status":"ok"}` {
			t.Errorf("%s: %s", plugin, answer)
		}
		if got := w.asksFor("plugin_version", plugin); got != want {
			t.Errorf("%s is offered %s", plugin, got)
		}
	}
	ask("7.33.0", "3.0.0")
	w.edge.memory = memory{}
	w.offers(app())
	if got := w.asksFor(); got != "3.0.0" {
		t.Errorf("after a start it is offered %s", got)
	}
	w.written()
	if d := w.device(someID); d.Chosen != "beta" || d.Channel != "beta" {
		t.Errorf("%+v", d)
	}
	ask("8.43.8", "2.0.0") // and says "defaultChannel" from now on
	if d := w.device(someID); d.Chosen != "" {
		t.Errorf("%+v", d)
	}
	ask("7.33.0", "3.0.0")
	beta.SelfAssign = false // a person closes it
	if got := w.asksFor(); got != "2.0.0" {
		t.Errorf("where devices may not it is offered %s", got)
	}
}

// TestRun: check-ins are written within a moment, and those that wait when it ends.
func TestRun(t *testing.T) {
	w := newWorld(t, twoOffered(t))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); w.edge.Run(ctx) }()
	w.asksFor()
	for deadline := time.Now().Add(30 * time.Second); w.device(someID).ID == "" && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	w.asksFor("device_id", "another")
	cancel()
	<-done
	another, _ := deviceOf("another")
	if w.device(someID).ID == "" || w.device(another).ID == "" {
		t.Errorf("%+v, %+v", w.device(someID), w.device(another))
	}
}
