package fleet_test

import (
	"slices"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
)

func only(d *device) service.DeviceAct {
	return service.DeviceAct{Devices: []sealift.DeviceID{d.id}, Reason: "stolen"}
}

// askEpoch asks for the key of an epoch of production.
func (b *bench) askEpoch(d *device, number uint64) (answered bool, err error) {
	b.Helper()
	_, answered, err = b.ask(b.request(d, trust.RequestEpoch), trust.EpochRequest{Channel: "production", Number: number}, d.identity)
	return answered, err
}

// TestRevoke: the device is refused whatever it asks, with the vault's signature; the
// epoch turns, which others are granted, and it is not; and what others had stays.
func TestRevoke(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	d, other := b.enrolled(), b.enrolled()
	_, err := b.releases().CreateChannel(b.Context(), alice, b.app, "beta")
	b.check(err)
	_, err = b.askEpoch(d, 1)
	b.check(err)
	act := only(d)
	act.Devices = append(act.Devices, d.id)
	out, err := b.desk.RevokeDevices(b.Context(), alice, b.app, act)
	b.check(err)
	if len(out.Devices) != 1 || out.Devices[0] != d.id || len(out.Epochs) != 2 || out.Epochs[0].Name != "beta" || out.Epochs[1].Epoch != 2 {
		t.Errorf("%+v", out)
	}
	if row := b.row(d); row.State != store.DeviceRevoked {
		t.Errorf("state %s", row.State)
	}
	for _, number := range []uint64{1, 2} {
		answered, err := b.askEpoch(d, number)
		b.wantSigned("an epoch", answered, err, sealift.KindDenied, "revoked")
		_, err = b.askEpoch(other, number)
		b.check(err)
	}
	answered, err := b.enrol(d, b.token(0, time.Hour))
	b.wantSigned("enrolling again", answered, err, sealift.KindDenied, "revoked")

	_, err = b.desk.RevokeDevices(b.Context(), alice, b.app, only(d))
	b.wantRefusal("again", err, sealift.KindConflict, "device-state")
	if refused := b.told(string(b.app), audit.Refused); refused["epoch.turn"] != "stolen" {
		t.Errorf("refusals in the log: %v", refused)
	}
	both := only(other)
	both.Devices = append(both.Devices, b.newDevice().id)
	_, err = b.desk.RevokeDevices(b.Context(), alice, b.app, both)
	b.wantRefusal("one that is none", err, sealift.KindNotFound, "device")
	if row := b.row(other); row.State != store.DeviceActive {
		t.Errorf("half of it was done: %s", row.State)
	}
	if _, err := b.askEpoch(other, 3); sealift.ReasonOf(err) != "epoch" {
		t.Errorf("the epoch turned for nothing: %v", err)
	}
	_, err = b.desk.RevokeDevices(b.Context(), alice, "com.acme.none", only(other))
	b.wantRefusal("of no app", err, sealift.KindNotFound, "app")
}

// TestRevokedRowPutBack: who writes the row of before into the database gets nothing.
func TestRevokedRowPutBack(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	d := b.enrolled()
	row := b.row(d)
	_, err := b.desk.RevokeDevices(b.Context(), alice, b.app, only(d))
	b.check(err)
	b.check(b.store.Update(b.Context(), func(tx store.Tx) error { return tx.PutDevice(b.Context(), row) }))
	if _, err := b.askEpoch(d, 2); sealift.KindOf(err) != sealift.KindDenied || sealift.ReasonOf(err) == "revoked" {
		t.Errorf("the row of before: %v", err)
	}
}

// TestRevokedEnrolsBySQL: who bends or deletes the row of a revoked device has not let
// it enrol again.
func TestRevokedEnrolsBySQL(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	d := b.enrolled()
	_, err := b.desk.RevokeDevices(b.Context(), alice, b.app, only(d))
	b.check(err)
	b.behind("UPDATE devices SET state = 'active' WHERE app = ? AND id = ?", b.app, d.id)
	answered, err := b.enrol(d, b.token(0, time.Hour))
	b.wantSigned("its row is bent", answered, err, sealift.KindDenied, vault.ReasonForged)
	b.behind("DELETE FROM devices WHERE app = ? AND id = ?", b.app, d.id)
	answered, err = b.enrol(d, b.token(0, time.Hour))
	b.wantSilence("its row is gone", answered, err, sealift.KindDenied, vault.ReasonDeleted)
}

// TestErase: nothing is left but the id, which does not enrol again.
func TestErase(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	d, other := b.enrolled(), b.enrolled()
	_, err := b.askEpoch(d, 1)
	b.check(err)
	erased, err := b.desk.EraseDevices(b.Context(), alice, b.app, only(d))
	b.check(err)
	if len(erased) != 1 || erased[0] != d.id {
		t.Errorf("%v", erased)
	}
	row := b.row(d)
	if row.State != store.DeviceErased || row.Identity != nil || row.PublicKey != nil || row.Token != "" || row.Platform != "" || row.Runtime != "" || !row.Enrolled.IsZero() {
		t.Errorf("left of it: %+v", row)
	}
	b.check(b.store.View(b.Context(), func(tx store.Tx) error {
		if _, err := tx.DeviceReport(b.Context(), b.app, d.id); sealift.KindOf(err) != sealift.KindNotFound {
			t.Errorf("its report: %v", err)
		}
		_, err := tx.DeviceReport(b.Context(), b.app, other.id)
		return err
	}))
	answered, err := b.askEpoch(d, 1)
	b.wantSilence("asking", answered, err, sealift.KindDenied, "unknown-device")
	answered, err = b.enrol(d, b.token(0, time.Hour))
	b.wantSigned("enrolling again", answered, err, sealift.KindDenied, "erased")
	_, err = b.desk.EraseDevices(b.Context(), alice, b.app, only(d))
	b.wantRefusal("again", err, sealift.KindConflict, "device-state")

	// A revoked device does not come back by being erased.
	_, err = b.desk.RevokeDevices(b.Context(), alice, b.app, only(other))
	b.check(err)
	_, err = b.desk.EraseDevices(b.Context(), alice, b.app, only(other))
	b.check(err)
	answered, err = b.enrol(other, b.token(0, time.Hour))
	b.wantSigned("revoked, then erased", answered, err, sealift.KindDenied, "erased")
	counts, err := b.desk.CountDevices(b.Context(), b.app)
	if err != nil || counts != (service.DeviceCounts{Erased: 2}) {
		t.Errorf("%+v, %v", counts, err)
	}
	all, err := b.desk.Devices(b.Context(), b.app, service.DevicePage{Limit: 9})
	if err != nil || len(all) != 0 {
		t.Errorf("%+v, %v", all, err)
	}
	all, err = b.desk.Devices(b.Context(), b.app, service.DevicePage{Limit: 9, State: "erased"})
	if err != nil || len(all) != 2 || all[0].Forged {
		t.Errorf("%+v, %v", all, err)
	}
}

// TestRevocationIsAnEntry: who, whom and why are in the log.
func TestRevocationIsAnEntry(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	d := b.enrolled()
	_, err := b.desk.RevokeDevices(b.Context(), alice, b.app, only(d))
	b.check(err)
	_, err = b.desk.EraseDevices(b.Context(), alice, b.app, only(d))
	b.check(err)
	told, turned := b.told(string(d.id), audit.OK), b.told(string(b.app), audit.OK)
	told["epoch.turn"] = turned["epoch.turn"]
	for _, action := range []string{"device.revoke", "device.erase", "epoch.turn"} {
		if told[action] != "stolen" {
			t.Errorf("%s: %q", action, told[action])
		}
	}
}

// told returns the reasons that alice gave, by action, in entries about a subject.
func (b *bench) told(subject string, result audit.Result) map[string]string {
	b.Helper()
	told := map[string]string{}
	b.check(b.store.View(b.Context(), func(tx store.Tx) error {
		records, err := audit.Records(b.Context(), tx, 0, 100_000)
		for _, r := range records {
			if r.Entry != nil && r.Entry.Subject == subject && r.Entry.Actor.ID == "alice" && r.Entry.Result == result {
				told[r.Entry.Action] = r.Entry.Details["reason-given"]
			}
		}
		return err
	}))
	return told
}

// TestRevokedIsNoEvidence: what a revoked device said is nobody's word by now, but
// stays counted; it is outdated no more, and runs nothing.
func TestRevokedIsNoEvidence(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	digest := sealift.DigestOf([]byte(b.app))
	b.check(b.store.Update(b.Context(), func(tx store.Tx) error {
		return tx.InsertRelease(b.Context(), store.Release{
			Coordinates: store.Coordinates{App: b.app, Channel: "production", Platform: "web", Runtime: sealift.AnyRuntime, Version: "1.5.0"},
			Digest:      digest, Counter: 8, Act: sealift.ActRelease, File: []byte("{}"), Proof: []byte("proof"),
		})
	}))
	told := reportOf(1, 2)
	for i := range told.Steps {
		told.Steps[i].Release = digest
	}
	told.State.Installed = &trust.ReportRelease{Release: digest, Version: "1.5.0", Counter: 8}
	revoked, stays := b.enrolled(), b.enrolled()
	b.report(revoked, told)
	b.report(stays, told)
	want := func(evidence, unvouched int, ran ...int64) {
		t.Helper()
		sums, err := b.desk.Stats(b.Context(), b.app, service.StatsFilter{Limit: 5})
		b.check(err)
		if got := sums.Releases[0]; got.Evidence.Taken != evidence || got.Evidence.Failures() != evidence || got.Unvouched.Taken != unvouched || got.Unvouched.Failures() != unvouched {
			t.Errorf("%+v", got)
		}
		var had []int64
		for _, m := range sums.History {
			n := int64(0)
			for _, v := range m.Versions {
				n += v.Devices
			}
			had = append(had, n)
		}
		if !slices.Equal(had, ran) {
			t.Errorf("ran it: %d, want %d", had, ran)
		}
	}
	want(2, 0, 0, 2)
	b.clock = b.clock.Add(2 * time.Hour)
	_, err := b.desk.RevokeDevices(b.Context(), alice, b.app, only(revoked))
	b.check(err)
	b.clock = b.clock.Add(2 * time.Hour)
	want(1, 1, 0, 2, 1, 1)
	_, err = b.desk.EraseDevices(b.Context(), alice, b.app, only(revoked))
	b.check(err)
	want(1, 1, 0, 2, 1, 1)
	_, err = b.desk.EraseDevices(b.Context(), alice, b.app, only(stays)) // it is forgotten, and what it said in good faith is not
	b.check(err)
	b.clock = b.clock.Add(2 * time.Hour)
	want(1, 1, 0, 2, 1, 0, 0)
}

// TestOutdatedAreActive: whoever is told which devices run something under the floor is
// told of those that go on running it.
func TestOutdatedAreActive(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	told := reportOf(1)
	told.State.Installed = &trust.ReportRelease{Release: sealift.Digest{1}, Version: "0.0.1", Counter: 1}
	stays, revoked := b.enrolled(), b.enrolled()
	b.report(stays, told)
	b.report(revoked, told)
	_, err := b.releases().Deny(b.Context(), alice, service.NewDenial{Kind: service.DenyFloor, App: b.app, Version: "1.0.0", Force: true, Reason: "a hole"})
	b.check(err)
	_, err = b.desk.RevokeDevices(b.Context(), alice, b.app, only(revoked))
	b.check(err)
	list, err := b.desk.Devices(b.Context(), b.app, service.DevicePage{Limit: 10, Outdated: true})
	b.check(err)
	if len(list) != 1 || list[0].ID != stays.id {
		t.Errorf("%+v", list)
	}
	counts, err := b.desk.CountDevices(b.Context(), b.app)
	if b.check(err); counts.Outdated != 1 || counts.Active != 1 {
		t.Errorf("%+v", counts)
	}
}
