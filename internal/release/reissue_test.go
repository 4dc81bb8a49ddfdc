package release_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/stats"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/rollout"
	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust"
)

// watched is a reservation that begins as a canary, and goes on by itself.
func watched(r *service.Reservation) {
	r.Plan = &rollout.Plan{Stages: []rollout.Stage{{Share: 100, Duration: rollout.Duration(24 * time.Hour), Gate: rollout.Approval}, {Share: sealift.Everybody}}, Halt: rollout.DefaultRule()}
}

// open returns the roll-outs that are not over, by version.
func (b *bench) open() map[sealift.Version]service.Rollout {
	b.Helper()
	all, err := b.Rollouts(b.Context(), b.app, "production", "web", false)
	b.check(err)
	open := map[sealift.Version]service.Rollout{}
	for _, r := range all {
		open[r.Version] = r
	}
	return open
}

// A hotfix beside a canary has the canary issued anew above it: who takes the hotfix
// takes the canary later. Its roll-out goes on where it was.
func TestReissue(t *testing.T) {
	b := newBench(t)
	b.publish("1.0.0")
	canary := b.publishAs("1.1.0", watched)
	before, old := b.offer()[0], b.phase(canary.Counter)
	hotfix := b.publish("1.0.1")
	b.wantOffer("1.1.0", "1.0.1")
	got := b.offer()[0]
	if got.Counter != hotfix.Counter+1 || got.Share != before.Share || got.Salt != before.Salt || got.Release == before.Release {
		t.Errorf("the canary was %+v, and is %+v", before, got)
	}
	now := b.open()["1.1.0"]
	if now.Counter != got.Counter || now.State != old.State || now.Share != old.Share || !now.Created.Equal(old.Created) || len(now.Plan.Stages) != 2 {
		t.Errorf("its roll-out was %+v, and is %+v", old, now)
	}
	if p := b.phase(canary.Counter); p.State.Phase != rollout.Reissued || p.Share != 0 {
		t.Errorf("the one before is %+v", p)
	}
	r := b.releases()[0]
	if r.Act != sealift.ActReissue || r.Archive != canary.Archive || r.Blob != canary.Blob || r.Counter != got.Counter {
		t.Errorf("%+v", r)
	}
	if e := b.last("release.author"); e.Details["act"] != "reissue" || e.Actor.Kind != audit.System || e.Actor.ID != access.Machine {
		t.Errorf("%+v", e)
	}

	// A device that took the hotfix takes it.
	device := rollout.Device{Version: "1.0.1", Confirmed: hotfix.Counter, Installed: hotfix.Digest, Runtime: "1.0.0"}
	everybody := rollout.Candidate{Version: got.Version, Counter: got.Counter, Runtime: got.Runtime, Share: sealift.Everybody}
	if !device.Takes(&everybody) {
		t.Error("who took the hotfix cannot take it")
	}
	everybody.Counter = before.Counter
	if device.Takes(&everybody) {
		t.Error("who took the hotfix could have taken the one before")
	}
	// What is newer overtakes nothing.
	size := len(b.releases())
	b.publishAs("1.2.0", watched)
	if len(b.releases()) != size+1 {
		t.Errorf("offered %v", b.offer())
	}
	// Two canaries: the lower first, so that both stay in their order.
	b.publish("1.0.2")
	all := b.open()
	if len(b.releases()) != size+4 || all["1.0.2"].Counter >= all["1.1.0"].Counter || all["1.1.0"].Counter >= all["1.2.0"].Counter {
		t.Errorf("%d releases, counters %d, %d and %d", len(b.releases()), all["1.0.2"].Counter, all["1.1.0"].Counter, all["1.2.0"].Counter)
	}
}

// What came of the canary before counts on.
func TestReissueCounts(t *testing.T) {
	b := alone(t)
	b.publish("1.0.0")
	canary := b.publishAs("1.1.0", watched)
	b.report(canary, stats.Taken, 10)
	b.report(canary, stats.Outcome(rollout.RolledBack), 3)
	b.look(0)
	b.publish("1.0.1")
	again := b.releases()[0]
	b.report(again, stats.Taken, 10)
	b.report(again, stats.Outcome(rollout.RolledBack), 3)
	done, err := b.Look(b.Context())
	b.check(err)
	if len(done) != 1 || done[0].Phase != rollout.Halted {
		t.Errorf("6 of 20 devices failed, and it did %+v", done)
	}
}

// What is stopped is issued anew when it goes on.
func TestReissueAfterPause(t *testing.T) {
	b := newBench(t)
	b.publish("1.0.0")
	canary := b.publishAs("1.1.0", watched)
	_, err := b.PauseRollout(b.Context(), officer, b.app, canary.Counter, "wait")
	b.check(err)
	hotfix := b.publish("1.0.1")
	b.wantOffer("1.0.1")
	if p := b.phase(canary.Counter); p.State.Phase != rollout.Paused {
		t.Errorf("it is %s", p.State.Phase)
	}
	r, err := b.SteerRollout(b.Context(), officer, b.app, canary.Counter, service.SteerResume, "go on")
	b.check(err)
	b.wantOffer("1.1.0", "1.0.1")
	if r.Counter <= hotfix.Counter || r.State.Phase != rollout.Running || b.offer()[0].Counter != r.Counter {
		t.Errorf("%+v", r)
	}
}

// Co-signers sign it; until then the one before stays, and the roll-out says so.
func TestReissueWaits(t *testing.T) {
	b := newBench(t)
	key := sealifttest.NewKey()
	b.demand(1, key)
	b.publishAs("1.0.0", nil, key)
	canary := b.publishAs("1.1.0", watched, key)
	b.publishAs("1.0.1", nil, key)
	b.wantOffer("1.1.0", "1.0.1")
	waits := func() service.DraftDetail {
		t.Helper()
		list := b.pending()
		if len(list) != 1 || list[0].Act != sealift.ActReissue || list[0].Problem != "" || b.open()["1.1.0"].Reissue != list[0].ID {
			t.Fatalf("pending: %+v, %+v", list, b.open()["1.1.0"])
		}
		return list[0]
	}
	first := waits()
	if b.offer()[0].Counter != canary.Counter {
		t.Error("the canary is gone")
	}
	// The next hotfix overtakes what waits.
	b.publishAs("1.0.2", nil, key)
	second := waits()
	if second.ID == first.ID || second.Counter <= first.Counter {
		t.Errorf("%+v", second)
	}
	d, err := b.Draft(b.Context(), b.app, second.ID)
	b.check(err)
	signed, err := trust.ParseReleaseEnvelope(d.Envelope)
	b.check(err)
	more, err := trust.Sign(trust.ReleasePayloadType, signed.Payload, key)
	b.check(err)
	// What was ended meanwhile does not come back.
	bring := func() (service.DraftDetail, error) { return b.Cosign(b.Context(), bob, b.app, d.ID, more) }
	b.withdraw(canary.Counter)
	_, err = bring()
	wantRefusal(t, "of what is withdrawn", err, sealift.KindConflict, "phase")
	_, err = b.SteerRollout(b.Context(), officer, b.app, canary.Counter, service.SteerReinstate, "it is good")
	b.check(err)
	third := waits() // reinstating asks anew
	if third.ID == second.ID {
		t.Error("it was not asked anew")
	}
	d, err = b.Draft(b.Context(), b.app, third.ID)
	b.check(err)
	signed, err = trust.ParseReleaseEnvelope(d.Envelope)
	b.check(err)
	more, err = trust.Sign(trust.ReleasePayloadType, signed.Payload, key)
	b.check(err)
	done, err := bring()
	b.check(err)
	b.wantOffer("1.1.0", "1.0.2")
	if done.Release == nil || b.offer()[0].Counter != done.Counter || b.open()["1.1.0"].Reissue != "" {
		t.Errorf("%+v", done)
	}
}

// Of what devices refuse by now nothing is issued, and the hotfix does not wait for it.
func TestReissueOfRevoked(t *testing.T) {
	b := newBench(t)
	b.publish("1.0.0")
	canary := b.publishAs("1.1.0", watched)
	b.deny(service.NewDenial{Kind: service.DenyRelease, App: b.app, Release: service.Which{Counter: canary.Counter}})
	size := len(b.releases())
	b.publish("1.0.1")
	b.wantOffer("1.0.1")
	if len(b.releases()) != size+1 {
		t.Error("it was issued anew")
	}
	if e := b.last("release.reissue"); e.Result != audit.Refused || e.Details["reason"] != "revoked" {
		t.Errorf("%+v", e)
	}
}

// What is issued in the place of a release has its archive, and no other.
func TestReissueOfAnotherArchive(t *testing.T) {
	b := newBench(t)
	key := sealifttest.NewKey()
	b.demand(1, key)
	first := b.publishAs("1.0.0", nil, key)
	canary := b.publishAs("1.1.0", watched, key)
	b.publishAs("1.0.1", nil, key)
	list := b.pending()
	if len(list) != 1 || list[0].Act != sealift.ActReissue || list[0].Version != canary.Version {
		t.Fatalf("pending: %+v", list)
	}
	d, err := b.Draft(b.Context(), b.app, list[0].ID)
	b.check(err)
	signed, err := trust.ParseReleaseEnvelope(d.Envelope)
	b.check(err)
	more, err := trust.Sign(trust.ReleasePayloadType, signed.Payload, key)
	b.check(err)
	names := func(release sealift.Digest) {
		t.Helper()
		b.check(b.vault.Update(b.Context(), func(tx *vault.Tx) error {
			row, err := tx.Rollout(b.Context(), b.app, canary.Counter)
			b.check(err)
			mac := row.MAC
			row.Release = release
			row.MAC, err = tx.Authenticate(row)
			b.check(err)
			return tx.UpdateRollout(b.Context(), row, mac)
		}))
	}
	names(first.Digest)
	_, err = b.Cosign(b.Context(), bob, b.app, d.ID, more)
	wantRefusal(t, "of another archive", err, sealift.KindIntegrity, "archive")
	names(canary.Digest)
	_, err = b.Cosign(b.Context(), bob, b.app, d.ID, more)
	b.check(err)
	b.wantOffer("1.1.0", "1.0.1")
}

// Nobody has the vault issue by SQL what it did not publish.
func TestReissueBySQL(t *testing.T) {
	b := newBench(t)
	b.publish("1.0.0")
	canary := b.publishAs("1.1.0", watched)
	b.check(b.store.Update(b.Context(), func(tx store.Tx) error {
		row, err := tx.Rollout(b.Context(), b.app, canary.Counter)
		b.check(err)
		row.Share = sealift.Everybody
		return tx.UpdateRollout(b.Context(), row, row.MAC)
	}))
	w := b.reserve("1.0.1")
	b.upload(w)
	b.sign(w)
	_, err := b.submit(w)
	wantRefusal(t, "a roll-out by SQL", err, sealift.KindDenied, "forged")
	_, err = b.Reserve(b.Context(), alice, service.Reservation{App: b.app, Channel: "production", Platform: "web", Runtime: "*", Version: "1.1.0", Act: sealift.ActReissue})
	wantRefusal(t, "by a publisher", err, sealift.KindInvalid, "act")
}

// Of more roll-outs under way than one offer has room for, as many are issued anew:
// or else whoever publishes one below the other spends counters, and the vault's time,
// with the square of their number.
func TestReissueOfMany(t *testing.T) {
	b := newBench(t)
	b.publish("1.0.0")
	first := b.publishAs("1.9.0", watched)
	const more = sealift.MaxReissues + 3
	b.check(b.vault.Update(b.Context(), func(tx *vault.Tx) error {
		of, err := tx.Rollout(b.Context(), b.app, first.Counter)
		b.check(err)
		source, err := tx.Release(b.Context(), b.app, first.Digest)
		b.check(err)
		for i := range sealift.Counter(more - 1) {
			r, row := source, of
			r.Counter += 1 + i
			r.Version = sealift.Version(fmt.Sprintf("1.9.%d", 1+i))
			r.File = b.bent(source.File, func(signed *trust.Release) { signed.Counter, signed.Version = r.Counter, r.Version })
			r.Digest = sealift.DigestOf(r.File)
			b.check(tx.InsertRelease(b.Context(), r))
			row.Coordinates, row.Counter, row.Release, row.Salt = r.Coordinates, r.Counter, r.Digest, r.Digest.String()[:32]
			row.MAC, err = tx.Authenticate(row)
			b.check(err)
			b.check(tx.InsertRollout(b.Context(), row))
		}
		return tx.RaiseCounter(b.Context(), b.app, first.Counter+more)
	}))
	b.publish("1.0.1")
	tried := 0
	for _, e := range b.entries() {
		made := e.Action == "release.author" && e.Details["act"] == "reissue"
		if (made || e.Action == "release.reissue" && e.Result == audit.Refused) && strings.HasPrefix(e.Subject, string(b.app)+"/") {
			tried++
		}
	}
	if tried != sealift.MaxReissues {
		t.Errorf("%d were issued anew", tried)
	}
}
