package fleet_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/fleet"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
)

// reportOf is a report of steps with these sequences.
func reportOf(sequences ...uint64) trust.Report {
	release := sealift.DigestOf([]byte("release.json"))
	r := trust.Report{State: trust.DeviceState{
		Root: 1, Targets: 2, Snapshot: 3, Timestamp: 4, Channel: "production", Platform: "web", Runtime: "1.0.0", Client: "test/1",
		Installed: &trust.ReportRelease{Release: release, Version: "1.4.0", Counter: 7},
	}}
	for _, n := range sequences {
		r.Steps = append(r.Steps, trust.ReportStep{
			Sequence: n, Time: trust.At(foundedAt), Step: trust.StepRefused, Release: release, Version: "1.5.0", Counter: 8, Channel: "production",
			Kind: sealift.KindIntegrity, Reason: "digest", Took: 12,
		})
	}
	return r
}

// report sends one and returns up to where it is kept.
func (b *bench) report(d *device, r trust.Report) uint64 {
	b.Helper()
	a, _, err := b.ask(b.request(d, trust.RequestReport), r, d.identity)
	b.check(err)
	var kept trust.ReportKept
	b.check(trust.DecodeBody(a.Body, &kept))
	return kept.Through
}

func (b *bench) kept(d *device) (row store.DeviceReport, steps []store.DeviceStep) {
	b.Helper()
	b.check(b.store.View(b.Context(), func(tx store.Tx) (err error) {
		if row, err = tx.DeviceReport(b.Context(), b.app, d.id); err != nil {
			return err
		}
		steps, err = tx.DeviceSteps(b.Context(), b.app, d.id, 0, 10_000)
		return err
	}))
	return row, steps
}

func sequencesOf(steps []store.DeviceStep) (all []uint64) {
	for _, s := range steps {
		all = append(all, s.Sequence)
	}
	return all
}

// TestReport: what a device reports is kept once, however often it is sent, and
// is no entry of its own.
func TestReport(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	d := b.enrolled()
	if row, _ := b.kept(d); !row.Seen.Equal(b.clock.Truncate(time.Microsecond)) || !row.Reported.IsZero() {
		t.Errorf("after the enrolment: %+v", row)
	}
	before := b.logSize()
	b.clock = b.clock.Add(time.Hour)
	if through := b.report(d, reportOf(1, 2, 5)); through != 5 {
		t.Errorf("kept through %d", through)
	}
	first := b.clock
	b.clock = b.clock.Add(time.Hour)
	again := reportOf(2, 5, 6) // 2 and 5 once more, since the answer was lost
	again.Lost, again.State.Root = 4, 2
	again.Steps[2].Time = trust.At(time.Date(1970, 1, 2, 0, 0, 0, 0, time.UTC)) // by a clock years off
	for range 3 {
		if through := b.report(d, again); through != 6 {
			t.Errorf("kept through %d", through)
		}
	}
	row, steps := b.kept(d)
	if diff := cmp.Diff([]uint64{6, 5, 2, 1}, sequencesOf(steps)); diff != "" {
		t.Error(diff)
	}
	if row.Root != 2 || row.Targets != 2 || row.Lost != 4 || row.Version != "1.4.0" || row.Counter != 7 || row.Channel != "production" || !row.Reported.Equal(b.clock) || !row.Seen.Equal(b.clock) {
		t.Errorf("%+v", row)
	}
	if s := steps[0]; !s.Received.Equal(b.clock) || s.At.Year() != 1970 || s.Kind != "integrity" || s.Reason != "digest" || s.Took != 12 || s.Version != "1.5.0" {
		t.Errorf("%+v", s)
	}
	if !steps[1].Received.Equal(first) {
		t.Errorf("%+v: what was sent again is written again", steps[1])
	}
	if got := b.desk.Tallies(); got.Kept != 4 || got.Repeated != 8 {
		t.Errorf("%d steps are kept and %d repeated", got.Kept, got.Repeated)
	}
	if through := b.report(d, trust.Report{State: again.State}); through != 6 { // nothing to tell but how it is
		t.Errorf("kept through %d", through)
	}
	if after := b.logSize(); after != before {
		t.Errorf("the log grew by %d entries", after-before)
	}
}

func TestReportRefusals(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	d, other, stranger := b.enrolled(), b.enrolled(), b.newDevice()
	b.report(d, reportOf(1))
	ask := func(d *device, bend func(*trust.Request), key *device, body any) (bool, error) {
		req := b.request(d, trust.RequestReport)
		if bend != nil {
			bend(req)
		}
		_, answered, err := b.ask(req, body, key.identity)
		return answered, err
	}
	answered, err := ask(d, nil, other, reportOf(2))
	b.wantSilence("another device's key", answered, err, sealift.KindDenied, "signature")
	answered, err = ask(stranger, nil, stranger, reportOf(2))
	b.wantSilence("a stranger", answered, err, sealift.KindDenied, "unknown-device")
	answered, err = ask(d, func(r *trust.Request) { r.Time = trust.At(b.clock.AddDate(-3, 0, 0)) }, d, reportOf(2))
	b.wantSilence("a clock years behind", answered, err, sealift.KindDenied, "time")
	answered, err = ask(d, func(r *trust.Request) { r.Time = trust.At(b.clock.AddDate(3, 0, 0)) }, d, reportOf(2))
	b.wantSilence("a clock years ahead", answered, err, sealift.KindDenied, "time")
	used := b.request(d, trust.RequestReport)
	_, _, err = b.ask(used, reportOf(1), d.identity)
	b.check(err)
	_, answered, err = b.ask(used, reportOf(2), d.identity)
	b.wantSilence("a nonce of before", answered, err, sealift.KindConflict, "nonce")

	bent := reportOf(2)
	bent.Steps[0].Step = "danced"
	answered, err = ask(d, nil, d, bent)
	b.wantSigned("a strange step", answered, err, sealift.KindInvalid, "malformed")
	answered, err = ask(d, nil, d, []string{"no", "object"})
	b.wantSigned("a strange body", answered, err, sealift.KindInvalid, "malformed")

	row := b.row(d)
	row.State = store.DeviceRevoked
	b.put(row)
	answered, err = ask(d, nil, d, reportOf(2))
	b.wantSigned("revoked", answered, err, sealift.KindDenied, "revoked")
	if _, steps := b.kept(d); len(steps) != 1 {
		t.Errorf("%d steps are kept", len(steps))
	}
	if _, err := b.desk.Answer(b.Context(), []byte("no message"), address); err == nil {
		t.Error("it is answered")
	}
	want := []fleet.Tally{
		{Result: fleet.Unanswered, Reason: "malformed", N: 1},
		{Kind: trust.RequestEnrol, Result: audit.OK, N: 2},
		{Kind: trust.RequestReport, Result: audit.OK, N: 2},
		{Kind: trust.RequestReport, Result: audit.Refused, Reason: "malformed", N: 2},
		{Kind: trust.RequestReport, Result: audit.Refused, Reason: "revoked", N: 1},
		{Kind: trust.RequestReport, Result: fleet.Unanswered, Reason: "nonce", N: 1},
		{Kind: trust.RequestReport, Result: fleet.Unanswered, Reason: "signature", N: 1},
		{Kind: trust.RequestReport, Result: fleet.Unanswered, Reason: "time", N: 2},
		{Kind: trust.RequestReport, Result: fleet.Unanswered, Reason: "unknown-device", N: 1},
	}
	if diff := cmp.Diff(want, b.desk.Tallies().Messages); diff != "" {
		t.Error(diff)
	}
}

// TestRevokedSaysNothing: what a revoked device reports changes neither what is known of
// it nor any count. That it was refused is an entry, as for whatever it asks.
func TestRevokedSaysNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	release := b.released()
	d := b.enrolled()
	took := reportOf(1)
	took.Steps[0] = trust.ReportStep{Sequence: 1, Time: trust.At(b.clock), Step: trust.StepDownloading, Release: release, Version: "1.5.0", Counter: 8, Channel: "production"}
	b.report(d, took)
	_, err := b.desk.RevokeDevices(b.Context(), alice, b.app, only(d))
	b.check(err)
	row, steps := b.kept(d)
	hours, refused := b.hours(release), b.logSize()
	b.clock = b.clock.Add(time.Hour)
	more := reportOf(2)
	more.Steps[0].Release = release
	more.State.Installed.Version = "1.5.0"
	for range 3 {
		_, answered, err := b.ask(b.request(d, trust.RequestReport), more, d.identity)
		b.wantSigned("revoked", answered, err, sealift.KindDenied, "revoked")
		refused++
	}
	after, stepsAfter := b.kept(d)
	if diff := cmp.Diff([]any{row, steps, hours, refused}, []any{after, stepsAfter, b.hours(release), b.logSize()}); diff != "" {
		t.Error(diff)
	}
}

// TestReportByAWrongClock: steps keep the time that the device says, years behind or
// ahead, and count in the hour in which the vault hears of them.
func TestReportByAWrongClock(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	release := b.released()
	for i, year := range []int{1970, 2099} {
		d := b.enrolled()
		told := reportOf(1)
		told.Steps[0].Release, told.Steps[0].Time = release, trust.At(time.Date(year, 3, 4, 5, 6, 7, 0, time.UTC))
		b.report(d, told)
		row, steps := b.kept(d)
		if len(steps) != 1 || steps[0].At.Year() != year || !steps[0].Received.Equal(b.clock) || !row.Seen.Equal(b.clock) || !row.Reported.Equal(b.clock) {
			t.Errorf("%d: %+v, %+v", year, row, steps)
		}
		want := []store.ReleaseHour{
			{App: b.app, Release: release, Hour: b.clock.Truncate(time.Hour), Outcome: "refused", Kind: "integrity", Reason: "digest", Evidence: int64(i + 1)},
			{App: b.app, Release: release, Hour: b.clock.Truncate(time.Hour), Outcome: "taken", Evidence: int64(i + 1)},
		}
		if diff := cmp.Diff(want, b.hours(release)); diff != "" {
			t.Errorf("%d: %s", year, diff)
		}
	}
}

// released has a release, and returns its digest.
func (b *bench) released() sealift.Digest {
	b.Helper()
	digest := sealift.DigestOf([]byte(b.app))
	b.check(b.store.Update(b.Context(), func(tx store.Tx) error {
		return tx.InsertRelease(b.Context(), store.Release{
			Coordinates: store.Coordinates{App: b.app, Channel: "production", Platform: "web", Runtime: sealift.AnyRuntime, Version: "1.5.0"},
			Digest:      digest, Counter: 8, Act: sealift.ActRelease, File: []byte("{}"), Proof: []byte("proof"),
		})
	}))
	return digest
}

// hours returns all that is counted of a release.
func (b *bench) hours(release sealift.Digest) (rows []store.ReleaseHour) {
	b.Helper()
	b.check(b.store.View(b.Context(), func(tx store.Tx) (err error) {
		rows, err = tx.ReleaseHours(b.Context(), b.app, release, time.UnixMicro(0))
		return err
	}))
	return rows
}

// TestReportsAreBounded: a device that reports without end is told to wait, and
// only its last steps are kept.
func TestReportsAreBounded(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	d, other := b.enrolled(), b.enrolled()
	next := uint64(1)
	for range sealift.ReportsPerHour {
		var sequences []uint64
		for range sealift.MaxReportSteps {
			sequences = append(sequences, next)
			next++
		}
		b.report(d, reportOf(sequences...))
	}
	_, answered, err := b.ask(b.request(d, trust.RequestReport), reportOf(next), d.identity)
	b.wantSilence("one too many", answered, err, sealift.KindExhausted, "rate")
	b.report(other, reportOf(1))
	row, steps := b.kept(d)
	if n := len(steps); n < sealift.MaxStepsKept || n > sealift.MaxStepsKept+sealift.StepsPruned+sealift.MaxReportSteps || row.Through != next-1 || steps[0].Sequence != next-1 {
		t.Errorf("%d steps, through %d, newest %d", len(steps), row.Through, steps[0].Sequence)
	}
	b.clock = b.clock.Add(time.Hour)
	b.report(d, reportOf(next))
}

// TestReportsSentByOthers: whoever got hold of a device's report and sends it again
// and again uses up nothing of what the device may say.
func TestReportsSentByOthers(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	d := b.enrolled()
	req := b.request(d, trust.RequestReport)
	_, _, err := b.ask(req, reportOf(1), d.identity)
	b.check(err)
	for range sealift.ReportsPerHour + 5 {
		_, answered, err := b.ask(req, reportOf(1), d.identity)
		b.wantSilence("the same message", answered, err, sealift.KindConflict, "nonce")
	}
	for n := range sealift.ReportsPerHour - 1 {
		b.report(d, reportOf(uint64(n+2)))
	}
	_, answered, err := b.ask(b.request(d, trust.RequestReport), reportOf(99), d.identity)
	b.wantSilence("one too many of its own", answered, err, sealift.KindExhausted, "rate")
}

// TestReportsRacing: the same steps in several messages at once are kept once.
func TestReportsRacing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	d := b.enrolled()
	errs := make([]error, 8)
	var wg sync.WaitGroup
	for i := range errs {
		req := b.request(d, trust.RequestReport)
		wg.Go(func() { _, _, errs[i] = b.ask(req, reportOf(1, 2, 3), d.identity) })
	}
	wg.Wait()
	b.check(errors.Join(errs...))
	if _, steps := b.kept(d); fmt.Sprint(sequencesOf(steps)) != "[3 2 1]" {
		t.Errorf("steps %v", sequencesOf(steps))
	}
}

// TestManyDuplicates: thousands of reports that say again what was said, in any order
// and many at once, and the very same messages again: each is answered or refused as
// what it is, the counts are the same, and nothing is lost.
func TestManyDuplicates(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	release := b.released()
	const devices, hours, share = 4, 7, sealift.ReportsPerHour - 5
	reports := make([]trust.Report, devices)
	var all []*device
	for i := range devices { // each says one step more: it took the release, stored it, ran it, went back
		all = append(all, b.enrolled())
		for n, step := range []trust.Step{trust.StepDownloading, trust.StepInstalled, trust.StepConfirmed, trust.StepRolledBack}[:i+1] {
			said := trust.ReportStep{Sequence: uint64(n + 1), Time: trust.At(b.clock), Step: step, Release: release, Version: "1.5.0", Counter: 8, Channel: "production"}
			if step == trust.StepRolledBack {
				said.Kind, said.Reason = sealift.KindRollback, "crash"
			}
			reports[i].Steps = append(reports[i].Steps, said)
		}
		reports[i].State = reportOf().State
		b.report(all[i], reports[i])
	}
	state := func() (told []any) {
		for _, d := range all {
			row, steps := b.kept(d)
			told = append(told, row.Through, sequencesOf(steps))
		}
		b.check(b.store.View(b.Context(), func(tx store.Tx) error {
			rows, err := tx.ReleaseHours(b.Context(), b.app, release, time.UnixMicro(0))
			told = append(told, rows)
			return err
		}))
		return told
	}
	before := state()
	answered := b.desk.Tallies()
	for range hours {
		b.clock = b.clock.Add(time.Hour)
		var errs [devices][share]error
		var wg sync.WaitGroup
		for i := range devices {
			for n := range share {
				steps := reports[i].Steps
				again := trust.Report{Steps: steps[n%len(steps):], State: reports[i].State} // a part of it, from anywhere on
				req := b.request(all[i], trust.RequestReport)
				wg.Go(func() {
					_, _, errs[i][n] = b.ask(req, again, all[i].identity)
					if n%20 == 0 && errs[i][n] == nil {
						if _, _, err := b.ask(req, again, all[i].identity); sealift.ReasonOf(err) != "nonce" {
							errs[i][n] = errors.Join(errors.New("the same message is taken twice"), err)
						}
					}
				})
			}
		}
		wg.Wait()
		for i := range devices {
			b.check(errors.Join(errs[i][:]...))
		}
	}
	if diff := cmp.Diff(before, state()); diff != "" {
		t.Error(diff)
	}
	after := b.desk.Tallies()
	if after.Kept != answered.Kept || after.Repeated == answered.Repeated {
		t.Errorf("%d steps were kept, then %d; %d repeated", answered.Kept, after.Kept, after.Repeated)
	}
}

// put writes a device's row as the vault would.
func (b *bench) put(row store.Device) {
	b.Helper()
	b.check(b.vault.Update(b.Context(), func(tx *vault.Tx) (err error) {
		if row.MAC, err = tx.Authenticate(row); err != nil {
			return err
		}
		return tx.PutDevice(b.Context(), row)
	}))
}

func TestShow(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	d, silent := b.enrolled(), b.enrolled()
	b.clock = b.clock.Add(time.Hour)
	b.report(d, reportOf(1, 2, 3))
	all, err := b.desk.Devices(b.Context(), b.app, service.DevicePage{Limit: 10})
	b.check(err)
	if len(all) != 2 || all[0].ID > all[1].ID {
		t.Fatalf("%+v", all)
	}
	following, err := b.desk.Devices(b.Context(), b.app, service.DevicePage{Limit: 10, Channel: "production"})
	b.check(err)
	if len(following) != 1 || following[0].ID != d.id || following[0].Token == "" || following[0].Report == nil || following[0].Report.Root != 1 || !following[0].Seen.Equal(b.clock) {
		t.Errorf("%+v", following)
	}
	one, steps, err := b.desk.Device(b.Context(), b.app, d.id, 3, 1)
	b.check(err)
	if one.ID != d.id || one.Forged || len(steps) != 1 || steps[0].Sequence != 2 || steps[0].Reason != "digest" || !steps[0].Received.Equal(b.clock) {
		t.Errorf("%+v, %+v", one, steps)
	}
	quiet, steps, err := b.desk.Device(b.Context(), b.app, silent.id, 0, 10)
	b.check(err)
	if quiet.Report != nil || !quiet.Reported.IsZero() || len(steps) != 0 || quiet.Seen.IsZero() {
		t.Errorf("%+v, %+v", quiet, steps)
	}
	row := b.row(silent)
	row.Token = "another" // by SQL
	b.check(b.store.Update(b.Context(), func(tx store.Tx) error { return tx.PutDevice(b.Context(), row) }))
	if quiet, _, err = b.desk.Device(b.Context(), b.app, silent.id, 0, 10); err != nil || !quiet.Forged {
		t.Errorf("%+v, %v", quiet, err)
	}
	_, _, err = b.desk.Device(b.Context(), b.app, b.newDevice().id, 0, 10)
	b.wantRefusal("no such device", err, sealift.KindNotFound, "device")
	_, _, err = b.desk.Device(b.Context(), "com.acme.none", d.id, 0, 10)
	b.wantRefusal("no such app", err, sealift.KindNotFound, "app")
}

// TestReportsAreCounted: a release counts once for each device, in the hour of the
// vault's clock, however often and by however many messages at once it is reported.
func TestReportsAreCounted(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	digest := b.released()
	told := reportOf(1, 2)
	for i := range told.Steps {
		told.Steps[i].Release, told.Steps[i].Time = digest, trust.At(time.Date(1970, 1, 2, 0, 0, 0, 0, time.UTC))
	}
	told.Steps = append(told.Steps, reportOf(3).Steps...) // of a release that nobody published
	d, other := b.enrolled(), b.enrolled()
	errs := make([]error, 8)
	var wg sync.WaitGroup
	for i := range errs {
		who := d
		if i%2 == 0 {
			who = other
		}
		req := b.request(who, trust.RequestReport)
		wg.Go(func() { _, _, errs[i] = b.ask(req, told, who.identity) })
	}
	wg.Wait()
	b.check(errors.Join(errs...))
	hour := b.clock.Truncate(time.Hour)
	want := []store.ReleaseHour{
		{App: b.app, Release: digest, Hour: hour, Outcome: "refused", Kind: "integrity", Reason: "digest", Evidence: 2},
		{App: b.app, Release: digest, Hour: hour, Outcome: "taken", Evidence: 2},
		{App: b.app, Hour: hour, Outcome: "unknown", Evidence: 2},
	}
	var got []store.ReleaseHour
	b.check(b.store.View(b.Context(), func(tx store.Tx) error {
		for _, release := range []sealift.Digest{digest, {}} {
			rows, err := tx.ReleaseHours(b.Context(), b.app, release, hour)
			if err != nil {
				return err
			}
			got = append(got, rows...)
		}
		return nil
	}))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	// And told, of the time that is asked for.
	sums, err := b.desk.Stats(b.Context(), b.app, service.StatsFilter{Limit: 5})
	b.check(err)
	if len(sums.Releases) != 1 || sums.Releases[0].Release != digest || sums.Releases[0].Evidence.Taken != 2 || sums.Unknown != 2 ||
		sums.Seen != (store.Seen{Devices: 2, Day: 2, Week: 2}) || len(sums.Versions) != 1 || sums.Versions[0].Devices != 2 || sums.Span != time.Hour {
		t.Errorf("%+v", sums)
	}
	sums, err = b.desk.Stats(b.Context(), b.app, service.StatsFilter{Limit: 5, Since: hour.Add(time.Hour)})
	if err != nil || len(sums.Releases) != 1 || sums.Releases[0].Evidence.Taken != 0 || sums.Unknown != 0 {
		t.Errorf("%+v, %v", sums, err)
	}
	_, err = b.desk.Stats(b.Context(), "com.acme.none", service.StatsFilter{Limit: 5})
	b.wantRefusal("no such app", err, sealift.KindNotFound, "app")
}
