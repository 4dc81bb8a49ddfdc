package bench

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/bundle"
	"github.com/sealift/sealift/internal/control/problem"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/edge"
	"github.com/sealift/sealift/trust"
)

const (
	// duplicates are reports that say again what was said.
	duplicates     = 1_000_000
	reporters      = 2_000 // devices, of a network each
	reportCallers  = 64
	reportRounds   = 5               // of each, in turns with the baseline
	reportTime     = 2 * time.Second // one round
	reportsVerify  = 64              // of how many answers one is verified
	reportsPerHour = sealift.ReportsPerHour - 4
	// replayed is of how many messages one is sent once more as it is.
	replayed = 100
)

// measureReports lets devices report the same over and over, and wants what is
// counted to stay.
func measureReports(b *testing.B, r *report) {
	s := r.section(fmt.Sprintf("Reports: %d that say again what was said", duplicates))
	say("founding an installation with %d devices", reporters)
	d := newDeskUnderTest(b)
	bare := d.startBare()
	begin := time.Now()
	d.everybody(func(who int) error { return d.say(who, d.url, false) })
	s.add("first reports, each counted: "+fmt.Sprint(reporters), reporters/time.Since(begin).Seconds(), "a second", "")
	before := d.counted()
	if got := before.Releases[0].Evidence; got.Taken != reporters || got.Confirmed == 0 || got.Confirmed+got.Failures() != reporters {
		b.Fatalf("counted are %+v", got)
	}
	var rates, bares, shares []float64
	for i := range reportRounds + 1 {
		say("reports that come again: round %d", i)
		x, y := d.rate(d.url), d.rate(bare)
		if i > 0 { // the first warms both
			rates, bares, shares = append(rates, x), append(bares, y), append(shares, x/y)
		}
	}
	s.add("reports that say nothing new: share of the bare handler's rate", median(shares), "",
		fmt.Sprintf("%.0f a second against %.0f (shares from %.2f to %.2f)", median(rates), median(bares), slices.Min(shares), slices.Max(shares)))
	d.rest()
	if after := d.counted(); !reflect.DeepEqual(before, after) {
		b.Errorf("counted were %+v, then %+v", before, after)
	}
	t := d.i.Desk.Tallies()
	if t.Kept != d.steps || d.told.Load() < duplicates || d.again.Load() == 0 {
		b.Errorf("%d steps of %d are kept; %d reports came again, %d messages", t.Kept, d.steps, d.told.Load(), d.again.Load())
	}
	s.add("counts that changed by them, and steps that were kept twice or lost", 0, "", fmt.Sprintf("%d reports were answered again, %d messages came twice and were refused", d.told.Load(), d.again.Load()))
	s.remark("%d devices, %d callers, over loopback, in one process with the server. The bare handler reads the same message, verifies its signature, signs an answer and keeps nothing. "+
		"SQLite with WAL and synchronous=FULL; each answer has an entry in the log before it leaves, and each nonce a row. Medians of %d rounds of %s in turns.", reporters, reportCallers, reportRounds, reportTime)
}

// deskUnderTest is an installation with a release and devices that took it, whose
// clock goes on as the devices' allowance wants it.
type deskUnderTest struct {
	*testing.B
	*founded
	url     string
	client  *http.Client
	devices []*reportingDevice
	rules   *trust.Rules
	vault   sealift.VaultID
	hour    atomic.Int64
	steps   int64 // that they have to tell
	told    atomic.Int64
	again   atomic.Int64
	next    atomic.Int64 // whose turn it is
}

// reportingDevice says the same each time.
type reportingDevice struct {
	key     *ecdsa.PrivateKey
	spki    []byte
	id      sealift.DeviceID
	address string
	report  json.RawMessage
}

func newDeskUnderTest(b *testing.B) *deskUnderTest {
	d := &deskUnderTest{B: b, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: reportCallers}}}
	began := time.Now().UTC().Truncate(time.Second)
	d.founded = foundInstallation(b, func() time.Time { return began.Add(time.Duration(d.hour.Load()) * time.Hour) })
	server := httptest.NewServer(d.i.Handler("bench", func(r *http.Request) string { return r.Header.Get("X-Device") }))
	b.Cleanup(func() { d.client.CloseIdleConnections(); server.Close() })
	d.url = server.URL + "/v1/devices"
	release := d.publish(server.URL)
	documents, err := d.i.Releases.Documents(b.Context())
	check(b, err)
	parsed, err := trust.ParseTrust(documents.Trust)
	check(b, err)
	d.vault = parsed.Vault
	d.rules, err = trust.NewRules(parsed, &trust.Deny{}, app)
	check(b, err)
	token, err := d.i.Desk.CreateEnrolmentToken(b.Context(), d.owner, app, service.NewEnrolmentToken{Life: time.Hour})
	check(b, err)
	for n := range reporters {
		d.devices = append(d.devices, d.device(n, release))
	}
	d.everybody(func(who int) error { return d.enrol(who, token.Token) })
	return d
}

// device says that it took the release; of ten, nine confirm it and one went back.
func (d *deskUnderTest) device(n int, release trust.ReportRelease) *reportingDevice {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(d, err)
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	check(d, err)
	r := trust.Report{State: trust.DeviceState{
		Root: 1, Targets: 1, Snapshot: 1, Timestamp: 1, Channel: channel, Platform: "web", Runtime: "1.0.0", Client: "bench/1", Installed: &release,
	}}
	last := trust.StepConfirmed
	if n%10 == 0 {
		last = trust.StepRolledBack
	}
	for i, step := range []trust.Step{trust.StepChecked, trust.StepDownloading, trust.StepVerified, trust.StepInstalled, last} {
		s := trust.ReportStep{Sequence: uint64(i + 1), Time: trust.At(d.now()), Step: step, Release: release.Release, Version: release.Version, Counter: release.Counter, Channel: channel}
		if step == trust.StepRolledBack {
			s.Kind, s.Reason = sealift.KindRollback, "unhealthy"
		}
		r.Steps = append(r.Steps, s)
	}
	d.steps += int64(len(r.Steps))
	body, err := trust.EncodeBody(r)
	check(d, err)
	return &reportingDevice{key: key, spki: spki, id: sealift.DeviceIDOf(spki), address: fmt.Sprintf("10.%d.%d.1", n/250, n%250), report: body}
}

func (d *deskUnderTest) request(who int, kind trust.RequestKind) *trust.Request {
	var nonce [16]byte
	_, _ = rand.Read(nonce[:])
	return &trust.Request{Vault: d.vault, App: app, Device: d.devices[who].id, Kind: kind, Nonce: fmt.Sprintf("%x", nonce), Time: trust.At(d.now())}
}

func (d *deskUnderTest) enrol(who int, token sealift.EnrolmentToken) error {
	hpke, err := bundle.GenerateKey(bundle.DefaultSuite)
	if err != nil {
		return err
	}
	pub, req := hpke.Public(), d.request(who, trust.RequestEnrol)
	e := &trust.Enrolment{
		Identity: d.devices[who].spki, Platform: "web", Runtime: "1.0.0",
		HPKE: trust.HPKEKey{KEM: pub.Suite.KEM, KDF: pub.Suite.KDF, AEAD: pub.Suite.AEAD, PublicKey: pub.Bytes},
	}
	e.Token = &trust.TokenProof{ID: token.ID(), MAC: trust.EnrolmentMAC(token.Secret(), req, e)}
	if req.Body, err = trust.EncodeBody(e); err != nil {
		return err
	}
	message, err := trust.SignRequest(req, d.devices[who].key)
	if err != nil {
		return err
	}
	_, err = d.post(who, d.url, message, http.StatusOK)
	return err
}

// say reports once, in a message of its own. again sends the very same message once
// more, which has to be refused.
func (d *deskUnderTest) say(who int, url string, again bool) error {
	req := d.request(who, trust.RequestReport)
	req.Body = d.devices[who].report
	message, err := trust.SignRequest(req, d.devices[who].key)
	if err != nil {
		return err
	}
	answer, err := d.post(who, url, message, http.StatusOK)
	if err == nil && url == d.url && req.Nonce[0] == '0' && req.Nonce[1] < '4' { // one of reportsVerify
		_, err = d.rules.OpenAnswer(answer, req, d.now())
	}
	if err == nil && again {
		_, err = d.post(who, url, message, http.StatusConflict)
		d.again.Add(1)
	}
	return err
}

func (d *deskUnderTest) post(who int, url string, message []byte, want int) ([]byte, error) {
	req, err := http.NewRequestWithContext(d.Context(), http.MethodPost, url, bytes.NewReader(message))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", edge.MessageType)
	req.Header.Set("X-Device", d.devices[who].address)
	resp, err := d.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != want {
		err = fmt.Errorf("%s, want %d: %s", resp.Status, want, body)
	}
	return body, err
}

// everybody lets each device do something once.
func (d *deskUnderTest) everybody(do func(who int) error) {
	var next atomic.Int64
	d.callers(func() error {
		for n := int(next.Add(1)) - 1; n < reporters; n = int(next.Add(1)) - 1 {
			if err := do(n); err != nil {
				return err
			}
		}
		return nil
	})
}

func (d *deskUnderTest) callers(do func() error) {
	errs := make([]error, reportCallers)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() { errs[i] = do() })
	}
	all.Wait()
	check(d, errors.Join(errs...))
}

// repeat lets one device after the other report again for as long as more says. All
// of them have their turn before the first has another; when each has had what an
// hour allows, it is an hour later.
func (d *deskUnderTest) repeat(url string, more func() bool) {
	d.callers(func() error {
		for more() {
			turn := d.next.Add(1)
			d.reach(turn / (reporters * reportsPerHour))
			if err := d.say(int(turn%reporters), url, url == d.url && (turn+turn/reporters)%replayed == 0); err != nil {
				return err
			}
			if url == d.url {
				d.told.Add(1)
			}
		}
		return nil
	})
}

// reach lets it be an hour, unless it is a later one.
func (d *deskUnderTest) reach(hour int64) {
	for {
		is := d.hour.Load()
		if hour <= is || d.hour.CompareAndSwap(is, hour) {
			return
		}
	}
}

// rate returns how many reports a second are answered.
func (d *deskUnderTest) rate(url string) float64 {
	ctx, cancel := context.WithTimeout(d.Context(), reportTime)
	defer cancel()
	var done atomic.Int64
	begin := time.Now()
	d.repeat(url, func() bool {
		if ctx.Err() != nil {
			return false
		}
		done.Add(1)
		return true
	})
	return float64(done.Load()) / time.Since(begin).Seconds()
}

// rest sends what is left of the duplicates.
func (d *deskUnderTest) rest() {
	left := atomic.Int64{}
	left.Store(duplicates - d.told.Load())
	say("the other %d of %d reports", left.Load(), duplicates)
	d.repeat(d.url, func() bool { return left.Add(-1) >= 0 })
}

// counted is what people are told of the releases, from the beginning on. Of the
// versions that ran it has the newest, without its time: they are told up to now,
// and the clock goes on between two looks.
func (d *deskUnderTest) counted() service.AppStats {
	s, err := d.i.Desk.Stats(d.Context(), app, service.StatsFilter{Since: d.began, Limit: 1})
	check(d, err)
	s.History = s.History[len(s.History)-1:]
	s.History[0].At = time.Time{}
	return s
}

// startBare serves what does the least that an answer to a device takes.
func (d *deskUnderTest) startBare() string {
	key, certificate := bareAnswerKey(d, d.vault)
	known := map[sealift.DeviceID][]byte{}
	for _, device := range d.devices {
		known[device.id] = device.spki
	}
	kept, err := trust.EncodeBody(trust.ReportKept{Through: 5})
	check(d, err)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, err := func() ([]byte, error) {
			message, err := io.ReadAll(r.Body)
			if err != nil {
				return nil, err
			}
			signed, err := trust.ParseRequest(message)
			if err != nil {
				return nil, err
			}
			claims, err := signed.Claims()
			if err != nil {
				return nil, err
			}
			req, err := signed.Verify(known[claims.Device])
			if err != nil {
				return nil, err
			}
			a := trust.AnswerTo(req, d.now())
			a.Body = kept
			return trust.SignAnswer(a, certificate, key)
		}()
		if err != nil {
			problem.Write(w, err, "")
			return
		}
		w.Header().Set("Content-Type", edge.MessageType)
		_, _ = w.Write(answer)
	}))
	d.Cleanup(func() { d.client.CloseIdleConnections(); server.Close() })
	return strings.TrimSuffix(server.URL, "/") + "/v1/devices"
}
