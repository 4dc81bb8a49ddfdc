package installation_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/vault"
)

const day = 24 * time.Hour

// report tells the vault how it is.
func (d device) report() {
	d.Helper()
	left, err := d.agent.Report(d.Context())
	d.check(err)
	if left != 0 {
		d.Errorf("%d steps are left", left)
	}
}

// later lets time pass, in which the server keeps what it signs fresh.
func (b *bench) later(d time.Duration) {
	b.Helper()
	b.clock = b.clock.Add(d)
	b.check(b.i.Fresh(b.Context()))
}

// fleet is what version 1 of a key waits for.
func (b *bench) fleet(id string) api.FleetRetirement {
	b.Helper()
	keys, err := b.api.Keys(b.Context(), api.ListKeysParams{ID: id})
	b.check(err)
	if len(keys) == 0 || keys[0].Fleet == nil {
		b.Fatalf("%s: %+v", id, keys)
	}
	return *keys[0].Fleet
}

// rotated rotates keys and lets the fleet retire the versions before, within
// sixty days.
func (b *bench) rotated(ids ...string) {
	b.Helper()
	for _, id := range ids {
		_, err := b.rotate(id)
		b.check(err)
		_, err = b.api.RetireKey(b.Context(), api.KeyRetirement{ID: id, Version: 1, After: int64(60 * day / time.Second), SeenWithin: int64(sealift.FleetSilence / time.Second), Reason: "a drill"})
		b.check(err)
	}
}

// TestRetireByFleet: once no device that is there believes a version any more, as
// all of them say themselves; and whoever was away is not left behind by it.
func TestRetireByFleet(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.makeApp("web")
	_, err := b.publish("1.0.0")
	b.check(err)
	one, two := b.device(), b.device()
	for _, d := range []device{one, two} {
		d.update()
		d.report()
	}
	b.rotated("timestamp", "director")
	before := b.fleet("timestamp")
	if before.Waits == "" || !strings.Contains(before.Hint, "sealift root rotate") || before.Devices != 2 || before.Behind != 2 {
		t.Errorf("before the ceremony: %+v", before)
	}
	b.ceremony()
	if f := b.fleet("timestamp"); f.Waits != "" || f.Root != 2 || f.Targets != 0 || f.Devices != 2 || f.Behind != 2 || f.Oldest == nil {
		t.Errorf("after it: %+v", f)
	}
	if f := b.fleet("director"); f.Waits != "" || f.Root != 0 || f.Targets != 2 || f.Behind != 2 {
		t.Errorf("after it: %+v", f)
	}
	gone := b.clock // when two was seen last
	one.update()
	one.report()
	b.later(8 * day)
	if f := b.fleet("timestamp"); f.Behind != 1 || !f.Oldest.Equal(gone.Truncate(time.Microsecond)) {
		t.Errorf("one of two: %+v, gone at %s", f, gone)
	}
	if done := b.keep(); len(done) != 0 {
		t.Errorf("while a device believes them: %v", done)
	}
	b.later(sealift.FleetSilence - 8*day)
	one.update()
	one.report()
	if done := b.keep(); len(done) != 0 { // two was seen in the window still
		t.Errorf("while a device believes them: %v", done)
	}
	b.later(time.Second)
	done := b.keep()
	slices.Sort(done)
	if got := strings.Join(done, ", "); got != "destroyed director version 1, destroyed timestamp version 1" {
		t.Errorf("%v", done)
	}
	b.wantStates("timestamp", "destroyed, active root 2, pre-active root 2")
	b.wantEntry("none of the 1 devices of the last 30 days believes it any more")

	_, err = b.publish("1.1.0")
	b.check(err)
	two.update() // from root 1, by a timestamp of long ago
	two.report()
	b.wantUpdate(two, "1.1.0")
}

// wantEntry wants a destruction in the log for that reason.
func (b *bench) wantEntry(why string) {
	b.Helper()
	page, err := b.api.Entries(b.Context(), api.ListEntriesParams{Limit: 100, Action: "key.transition"})
	b.check(err)
	for _, e := range page.Entries {
		if e.Details["to"] == "destroyed" && e.Details["reason-given"] == why && e.Actor.Kind == "system" {
			return
		}
	}
	b.Errorf("no destruction because %q", why)
}

// TestRetireByFleetPatience: not within a week, however many devices say so; and
// by its date, whatever one says that never lets go.
func TestRetireByFleetPatience(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.makeApp("web")
	one := b.device()
	one.report()
	b.rotated("snapshot")
	b.ceremony()
	b.later(time.Hour)
	_ = one.try() // nothing is published: it knows the new root all the same
	one.report()
	if f := b.fleet("snapshot"); f.Devices != 1 || f.Behind != 0 {
		t.Errorf("%+v", f)
	}
	if done := b.keep(); len(done) != 0 {
		t.Errorf("at once: %v", done)
	}
	stubborn := b.device() // says nothing, and asks again and again
	for range 8 {
		b.later(7 * day)
		b.check(stubborn.agent.Enrol(b.Context(), b.enrolmentToken()))
		if done := b.keep(); len(done) != 0 {
			t.Fatalf("while a device believes it: %v", done)
		}
	}
	b.later(4 * day)
	if done := b.keep(); !slices.Contains(done, "destroyed snapshot version 1") {
		t.Errorf("at its date: %v", done)
	}
	b.wantEntry("the date of its retirement has come")
}

// TestRetireByNobody: where no device counts, nobody has said that it may end.
func TestRetireByNobody(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.rotated("snapshot")
	b.ceremony()
	b.later(50 * day)
	if f := b.fleet("snapshot"); f.Devices != 0 || f.Behind != 0 || f.Waits != "" {
		t.Errorf("%+v", f)
	}
	if done := b.keep(); len(done) != 0 {
		t.Errorf("with no device: %v", done)
	}

	for _, id := range []string{"log", "answer"} {
		_, err := b.rotate(id)
		b.check(err)
		_, err = b.api.RetireKey(b.Context(), api.KeyRetirement{ID: id, Version: 1, After: 3600, SeenWithin: 30 * 86400, Reason: "x"})
		b.wantRefusal(err, sealift.KindInvalid, vault.ReasonPurpose)
	}
	_, err := b.api.SetKeyState(b.Context(), api.KeyChange{ID: "director", Version: 1, To: "compromised", Reason: "seen outside"})
	b.check(err)
	_, err = b.api.RetireKey(b.Context(), api.KeyRetirement{ID: "director", Version: 1, After: 3600, SeenWithin: 30 * 86400, Reason: "x"})
	b.wantRefusal(err, sealift.KindDenied, vault.ReasonState)
	for _, bad := range []api.KeyRetirement{
		{ID: "snapshot", Version: 1, SeenWithin: 30 * 86400, Reason: "x"}, {ID: "snapshot", Version: 1, After: 60, SeenWithin: 60, Reason: "x"},
		{ID: "snapshot", Version: 1, After: 60, SeenWithin: -1, Reason: "x"}, {ID: "snapshot", Version: 1, After: 60, SeenWithin: 1 << 40, Reason: "x"},
	} {
		_, err := b.api.RetireKey(b.Context(), bad)
		b.wantRefusal(err, sealift.KindInvalid, "")
	}
}
