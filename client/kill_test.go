package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/client"
	"github.com/sealift/sealift/sealifttest"
)

// envAgent makes the test binary an agent: its value is an agentOrder.
const envAgent = "SEALIFT_TEST_AGENT"

func TestMain(m *testing.M) {
	if order := os.Getenv(envAgent); order != "" {
		os.Exit(runAgent(order))
	}
	goleak.VerifyTestMain(m)
}

// agentOrder is what the agent process is told.
type agentOrder struct {
	Server, Dir, Root string
	Now               time.Time
}

func (o agentOrder) config(root []byte, host client.Host) client.Config {
	d := sealifttest.Default
	return client.Config{
		Server: o.Server, App: d.App, Channel: d.Channel, Platform: d.Platform, Runtime: "2.0.0",
		Dir: o.Dir, Root: root, Host: host, HealthCheck: healthy,
	}
}

// healthy lets no version live whose page says that it is sick.
func healthy(_ context.Context, dir string) error {
	page, err := os.ReadFile(filepath.Join(dir, "index.html"))
	if err == nil && strings.Contains(string(page), "-sick") {
		err = errors.New("sick")
	}
	return err
}

// runAgent updates once.
func runAgent(text string) int {
	var o agentOrder
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return 1
	}
	root, err := os.ReadFile(o.Root)
	if err != nil {
		return 1
	}
	d, err := client.Open(o.config(root, &machine{client.NewSystem(), func() time.Time { return o.Now }}))
	if err != nil {
		return 2
	}
	defer d.Close()
	if _, err = d.Update(context.Background()); err != nil && sealift.KindOf(err) != sealift.KindRollback {
		return 3
	}
	return 0
}

// TestKill kills an agent, SIGKILL, at random moments of its updates, some of
// which are by a patch and some end in taking the release back. After each the device must have one
// version in place, whole, and never go back behind what it confirmed.
func TestKill(t *testing.T) {
	const rounds = 60
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	w, err := sealifttest.New(start)
	must(err)
	server := httptest.NewServer(w)
	defer server.Close()
	o := agentOrder{Server: server.URL, Dir: filepath.Join(t.TempDir(), "device"), Root: filepath.Join(t.TempDir(), "root.json"), Now: w.Now()}
	must(os.WriteFile(o.Root, w.FirstRoot(), 0o600))
	order, err := json.Marshal(o)
	must(err)
	here := o.config(w.FirstRoot(), &machine{client.NewSystem(), w.Now})
	d, err := client.Open(here)
	must(err)
	must(d.Enrol(t.Context(), w.EnrolmentToken()))
	must(d.Close())

	versions := []sealift.Version{"1.0.0", "1.0.1-sick", "1.0.1", "1.0.2", "1.0.3-sick", "1.0.3"}
	published := 0
	var bases []*sealifttest.Published // so that there is a patch, whatever is installed
	publish := func() {
		p, err := w.Publish(sealifttest.Spec{Version: versions[published], Bundle: content(versions[published]), Bases: bases})
		must(err)
		bases = append(bases, p)
		published++
	}
	publish()
	whole := 200 * time.Millisecond // what an update takes, to be learned
	last, killed := sealift.Counter(0), 0
	for range rounds {
		agent := exec.Command(os.Args[0])
		agent.Env = append(os.Environ(), envAgent+"="+string(order))
		begin := time.Now()
		must(agent.Start())
		fuse := time.AfterFunc(rand.N(whole*5/4), func() { _ = agent.Process.Kill() })
		err := agent.Wait()
		fuse.Stop()
		if err != nil && agent.ProcessState.Exited() {
			t.Fatalf("the agent failed by itself: %v", err)
		}
		killed++
		if err == nil {
			killed--
			whole = (whole + time.Since(begin)) / 2
		}
		last = wantWhole(t, here, versions, last)
		if err == nil && published < len(versions) {
			publish()
		}
	}
	t.Logf("%d of %d agents were killed; an update takes %s; %d versions were published", killed, rounds, whole, published)
	d, err = client.Open(here)
	must(err)
	defer d.Close()
	for range 2 {
		if _, err = d.Update(t.Context()); err == nil {
			break
		}
	}
	must(err)
	if r, err := d.Status(); err != nil || r.Installed == nil || r.Pending != nil {
		t.Errorf("%+v, %v", r, err)
	}
}

// wantWhole opens the device as the next process would, and returns the counter
// that it has confirmed.
func wantWhole(t *testing.T, config client.Config, versions []sealift.Version, last sealift.Counter) sealift.Counter {
	t.Helper()
	d, err := client.Open(config)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	r, err := d.Status()
	if err != nil {
		t.Fatal(err)
	}
	files := readTree(t, filepath.Join(config.Dir, "current"))
	newest := r.Installed
	if r.Pending != nil {
		newest = &r.Pending.Installed
	}
	if newest == nil {
		if files != nil {
			t.Fatalf("nothing is installed, but current has %d files", len(files))
		}
		return 0
	}
	if diff := cmp.Diff(treeOf(t, content(newest.Version)), files); diff != "" {
		t.Fatalf("current is not %s:\n%s", newest.Version, diff)
	}
	if r.Installed == nil {
		return 0
	}
	if r.Installed.Counter < last || strings.Contains(string(r.Installed.Version), "sick") {
		t.Fatalf("%+v was confirmed, after counter %d", r.Installed, last)
	}
	return r.Installed.Counter
}
