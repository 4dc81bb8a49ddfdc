package bench

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/client"
	"github.com/sealift/sealift/internal/blob"
	"github.com/sealift/sealift/internal/edge"
	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust"
	"github.com/sealift/sealift/trust/tufrepo"
)

const (
	offers = 10_000
	checks = 41 // of each sort, for a median

	maxCheck    = 15 // ms
	maxRequests = 3
)

// measureCheck lets an up-to-date device look for something newer in a
// repository with many offers, behind a real edge on loopback.
func measureCheck(b *testing.B, r *report) {
	say("checking for updates among %d offers", offers)
	e := newEstate(b)
	defer func() { check(b, e.device.Close()) }()
	s := r.section(fmt.Sprintf("A check that finds nothing new among %d offers", offers))
	for _, sort := range []struct {
		title  string
		judged bool
		before func(i int)
	}{
		{"nothing was signed since the last check", true, func(int) {}},
		{"the timestamp was signed anew, as each hour", true, func(int) { e.direct() }},
		{"another app was offered something: new snapshot", true, func(i int) { e.direct(e.elsewhere(i)) }},
		{"an app in the same bin was offered something: new bin", false, func(i int) { e.direct(e.beside(i)) }},
		{"cold: the metadata cache is lost", false, func(int) { e.forget() }},
	} {
		got := e.measure(sort.before)
		limit, most := 0.0, 0.0
		if sort.judged {
			limit, most = maxCheck, maxRequests
		}
		s.target(sort.title+": client time", got.ms, limit, "ms", fmt.Sprintf("%.1f ms of processor, server included", got.cpu))
		s.target(sort.title+": requests", got.requests, most, "", "")
	}
	s.remark("Medians of %d calls of `Device.Update`, wall time, over loopback HTTP on connections that are open, from an edge in the same process. Only the cold check reads all 256 bins' versions for the first time.", checks)
}

// estate is a vault with many offers, an edge, and a device's folder.
type estate struct {
	*testing.B
	dir      string
	world    *sealifttest.World
	now      time.Time
	roles    map[string][]byte // the newest metadata of each
	served   *httptest.Server
	requests atomic.Int64
	device   *client.Device
}

func newEstate(b *testing.B) *estate {
	// A little back, since each publication comes a second after the one before.
	e := &estate{B: b, dir: b.TempDir(), now: time.Now().Add(-time.Hour), roles: map[string][]byte{}}
	var err error
	e.world, err = sealifttest.New(e.now)
	check(b, err)
	_, err = e.world.Publish(sealifttest.Spec{Version: "1.0.0"})
	check(b, err)
	e.takeOver()
	var all []tufrepo.Target
	for i := range offers - 1 {
		all = append(all, e.offer(sealift.AppID(fmt.Sprintf("com.example.app%d", i)), 0))
	}
	e.direct(all...)
	e.serve()
	e.open()
	check(b, e.device.Enrol(b.Context(), e.world.EnrolmentToken()))
	r, err := e.device.Update(b.Context())
	check(b, err)
	if r.Outcome != client.OutcomeUpdated {
		b.Fatalf("the first update is %s", r.Outcome)
	}
	return e
}

// takeOver writes what the world published, and goes on from there with its
// keys: a world signs more in each direction than a vault does.
func (e *estate) takeOver() {
	newest := map[string]int{}
	for name, content := range e.world.Files() {
		e.write(name, content)
		file, ok := strings.CutPrefix(name, "metadata/")
		if !ok {
			continue
		}
		version, role, _ := strings.Cut(strings.TrimSuffix(file, ".json"), ".")
		if role == "" {
			version, role = "1", version
		}
		n, err := strconv.Atoi(version)
		check(e, err)
		if n >= newest[role] {
			newest[role], e.roles[role] = n, content
		}
	}
}

func (e *estate) write(name string, content []byte) {
	path := filepath.Join(e.dir, "public", name)
	check(e, os.MkdirAll(filepath.Dir(path), 0o755))
	check(e, os.WriteFile(path+".new", content, 0o644))
	check(e, os.Rename(path+".new", path))
}

// direct publishes changes, and the timestamp in any case.
func (e *estate) direct(changes ...tufrepo.Target) {
	e.now = e.now.Add(time.Second)
	update, err := tufrepo.Direct(func(role string) ([]byte, error) { return e.roles[role], nil }, changes,
		tufrepo.Online{Director: e.world.Director, Snapshot: e.world.Snapshot, Timestamp: e.world.Timestamp, TimestampLife: sealift.TimestampLife},
		e.now, e.now.Add(time.Hour))
	check(e, err)
	for _, role := range update.Roles {
		e.roles[role.Role] = role.Content
	}
	for _, file := range update.Files {
		e.write(file.Path, file.Content)
	}
}

func (e *estate) serve() {
	tree, err := blob.OpenFolder(filepath.Join(e.dir, "public"))
	check(e, err)
	handler := edge.New(tree, desk{e.world}, edge.Options{})
	e.served = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		e.requests.Add(1)
		handler.ServeHTTP(w, req)
	}))
	e.Cleanup(func() {
		e.served.Close()
		check(e, tree.Close())
	})
}

func (e *estate) open() {
	of := sealifttest.Default
	var err error
	e.device, err = client.Open(client.Config{
		Server: e.served.URL, App: of.App, Channel: of.Channel, Platform: of.Platform, Runtime: "1.0.0",
		Dir: filepath.Join(e.dir, "device"), Root: e.world.FirstRoot(),
	})
	check(e, err)
}

// forget loses the metadata cache, but not what must outlive it.
func (e *estate) forget() {
	check(e, e.device.Close())
	check(e, os.RemoveAll(filepath.Join(e.dir, "device/tuf")))
	e.open()
}

// desk is the vault behind the edge.
type desk struct{ world *sealifttest.World }

func (d desk) Answer(_ context.Context, request []byte, _ string) ([]byte, error) {
	return d.world.Answer(request)
}

// offer is a document of the size that they have, of a release that never was.
func (e *estate) offer(of sealift.AppID, revision int) tufrepo.Target {
	pointer := trust.Pointer{Digest: sealift.DigestOf(fmt.Append(nil, of, revision)), Length: 4000}
	o := trust.Offer{App: of, Channel: "production", Platform: "web", Candidates: []trust.Candidate{
		{Release: pointer, Proof: pointer, Version: "1.0.0", Counter: 1, Runtime: sealift.AnyRuntime, Share: sealift.Everybody, Salt: "00112233445566778899aabbccddeeff"},
	}}
	content, err := o.Encode()
	check(e, err)
	return tufrepo.Target{Path: trust.OfferPath(of, "production", "web"), Content: content}
}

// elsewhere and beside are offers of apps in other bins than the device's, and
// in its bin.
func (e *estate) elsewhere(i int) tufrepo.Target { return e.offer(e.apps(i, false), i+1) }

func (e *estate) beside(i int) tufrepo.Target { return e.offer(e.apps(i, true), i+1) }

func (e *estate) apps(i int, beside bool) sealift.AppID {
	d := sealifttest.Default
	mine := []string{tufrepo.BinOf(trust.OfferPath(d.App, d.Channel, d.Platform)), tufrepo.BinOf(trust.DenyPath)}
	for n := i * offers / checks; ; n++ {
		of := sealift.AppID(fmt.Sprintf("com.example.app%d", n%(offers-1)))
		bin := tufrepo.BinOf(trust.OfferPath(of, "production", "web"))
		if beside && bin == mine[0] || !beside && bin != mine[0] && bin != mine[1] {
			return of
		}
	}
}

// checked is the median check of a sort.
type checked struct{ ms, cpu, requests float64 }

func (e *estate) measure(before func(i int)) checked {
	var ms, cpu, requests []float64
	for i := range checks {
		before(i)
		asked, busy, begin := e.requests.Load(), processorTime(), time.Now()
		r, err := e.device.Update(e.Context())
		ms = append(ms, float64(time.Since(begin).Microseconds())/1000)
		cpu = append(cpu, (processorTime()-busy)*1000)
		requests = append(requests, float64(e.requests.Load()-asked))
		check(e, err)
		if r.Outcome != client.OutcomeCurrent {
			e.Fatalf("a check that should find nothing ends with %s", r.Outcome)
		}
	}
	return checked{median(ms), median(cpu), median(requests)}
}
