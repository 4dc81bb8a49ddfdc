package fleet_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/release"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
	"github.com/sealift/sealift/trust/tufrepo"
)

// bob has proven himself just now, as who puts devices on private channels has to.
func (b *bench) bob() access.Caller {
	return access.Caller{Kind: access.CallerPerson, ID: "bob", Proof: access.Proof{Session: "1", AMR: access.AMRPasskey, Proven: b.clock}}
}

// channel makes one, private or not.
func (b *bench) channel(name sealift.Channel, private bool) {
	b.Helper()
	_, err := b.releases().CreateChannel(b.Context(), alice, b.app, name)
	b.check(err)
	if private {
		b.rules(store.ChannelRules{App: b.app, Channel: name, Private: true, Emulators: true})
	}
}

func (b *bench) rules(r store.ChannelRules) {
	b.Helper()
	b.check(b.vault.Update(b.Context(), func(tx *vault.Tx) (err error) {
		if r.MAC, err = tx.Authenticate(r); err != nil {
			return err
		}
		return tx.PutChannelRules(b.Context(), r)
	}))
}

func (b *bench) assign(by access.Caller, channel sealift.Channel, until time.Time, devices ...*device) ([]service.Assignment, error) {
	want := service.NewAssignment{Channel: channel, Until: until, DeviceAct: service.DeviceAct{Reason: "tests it"}}
	for _, d := range devices {
		want.Devices = append(want.Devices, d.id)
	}
	return b.desk.AssignDevices(b.Context(), by, b.app, want)
}

func (b *bench) keep() int {
	b.Helper()
	n, err := b.desk.KeepAssignments(b.Context(), release.System("director"))
	b.check(err)
	return n
}

// document returns the one that the director signed for a device; nil for none.
func (b *bench) document(d *device) (doc *trust.Assignment) {
	b.Helper()
	path := trust.AssignPath(d.id)
	b.check(b.store.View(b.Context(), func(tx store.Tx) error {
		content, err := tx.Document(b.Context(), path)
		bin, binErr := tx.Metadata(b.Context(), tufrepo.BinOf(path))
		if binErr != nil {
			return binErr
		}
		digest, listed, binErr := tufrepo.Lookup(bin.Content, path)
		if binErr != nil {
			return binErr
		}
		if sealift.KindOf(err) == sealift.KindNotFound {
			if listed {
				b.Error("a document that is gone is still listed")
			}
			return nil
		}
		if err != nil {
			return err
		}
		if digest != sealift.DigestOf(content) {
			b.Error("the bin does not list the document as it is")
		}
		if there, err := b.published.Exists(b.Context(), tufrepo.TargetPath(path, content)); !there || err != nil {
			b.Errorf("it was not published: %v", err)
		}
		doc, err = trust.ParseAssignment(content, b.app, d.id)
		return err
	}))
	return doc
}

func (b *bench) askEpochOf(d *device, channel sealift.Channel, number uint64) (answered bool, err error) {
	b.Helper()
	_, answered, err = b.ask(b.request(d, trust.RequestEpoch), trust.EpochRequest{Channel: channel, Number: number}, d.identity)
	return answered, err
}

// TestChannelBecomesPrivate: whoever had its key when it was for everybody opens
// nothing that is published from then on.
func TestChannelBecomesPrivate(t *testing.T) {
	t.Parallel()
	b := newBenchAlone(t)
	b.channel("beta", false)
	d, member := b.enrolled(), b.enrolled()
	_, err := b.askEpochOf(d, "beta", 1)
	b.check(err)
	private := true
	out, err := b.releases().ChangeChannel(t.Context(), alice, b.app, "beta", service.ChannelChange{Private: &private})
	b.check(err)
	if out.Epoch != 2 {
		t.Errorf("what is published is sealed to epoch %d, which others have", out.Epoch)
	}
	answered, err := b.askEpochOf(d, "beta", 2)
	b.wantSigned("another device", answered, err, sealift.KindDenied, "private")
	_, err = b.assign(b.bob(), "beta", time.Time{}, member)
	b.check(err)
	_, err = b.askEpochOf(member, "beta", 2)
	b.check(err)
	out, err = b.releases().ChangeChannel(t.Context(), alice, b.app, "beta", service.ChannelChange{Private: &private, Platforms: &[]sealift.Platform{"web"}})
	b.check(err)
	if out.Epoch != 2 {
		t.Errorf("it turned to %d, and is as private as it was", out.Epoch)
	}
}

// TestPrivateChannel: its keys are for devices that are assigned to it, and no
// longer than that; and with each one that is taken off, they turn.
func TestPrivateChannel(t *testing.T) {
	t.Parallel()
	b := newBenchAlone(t)
	b.channel("beta", true)
	d, other := b.enrolled(), b.enrolled()
	refused := func(what string, d *device, number uint64) {
		t.Helper()
		answered, err := b.askEpochOf(d, "beta", number)
		b.wantSigned(what, answered, err, sealift.KindDenied, "private")
	}
	granted := func(d *device, channel sealift.Channel, number uint64) {
		t.Helper()
		_, err := b.askEpochOf(d, channel, number)
		b.check(err)
	}
	refused("nobody is on it", d, 1)
	granted(d, "production", 1)

	_, err := b.assign(alice, "beta", time.Time{}, d)
	b.wantRefusal("without a fresh proof", err, sealift.KindDenied, access.ReasonPerson)
	refused("and so it is not on it", d, 1)
	_, err = b.assign(alice, "production", time.Time{}, d) // which is not private
	b.check(err)
	refused("on another channel", d, 1)
	made, err := b.assign(b.bob(), "beta", time.Time{}, d)
	b.check(err)
	if len(made) != 1 || made[0].Channel != "beta" || made[0].Origin != "person" {
		t.Errorf("%+v", made)
	}
	granted(d, "beta", 1)
	refused("another device", other, 1)

	_, err = b.assign(b.bob(), "", time.Time{}, d)
	b.check(err)
	refused("taken off", d, 1)
	refused("what is published from then on", d, 2)
	_, err = b.assign(b.bob(), "beta", b.clock.Add(time.Hour), other)
	b.check(err)
	granted(other, "beta", 2) // it turned
	b.clock = b.clock.Add(time.Hour)
	refused("its time is over", other, 2)
	if n := b.keep(); n != 1 {
		t.Errorf("%d were ended", n)
	}
	_, err = b.assign(b.bob(), "beta", time.Time{}, d)
	b.check(err)
	granted(d, "beta", 3) // it turned again

	_, err = b.desk.EraseDevices(b.Context(), alice, b.app, only(d))
	b.check(err)
	_, err = b.assign(b.bob(), "beta", time.Time{}, other)
	b.check(err)
	granted(other, "beta", 4)
	if told := b.told(string(d.id), audit.OK); told["device.unassign"] == "" {
		t.Errorf("told of it: %v", told)
	}
}

// TestAssignmentIsTold: each change is a document of a higher sequence, and there is
// none any more when nobody needs it.
func TestAssignmentIsTold(t *testing.T) {
	t.Parallel()
	b := newBenchAlone(t)
	b.channel("beta", false)
	d := b.enrolled()
	if doc := b.document(d); doc != nil {
		t.Errorf("before: %+v", doc)
	}
	_, err := b.assign(alice, "beta", time.Time{}, d)
	b.check(err)
	first := b.document(d)
	if first == nil || first.Channel != "beta" || first.Sequence != uint64(b.clock.Unix()) || !first.Expires.Equal(b.clock.Add(sealift.AssignmentLife)) {
		t.Fatalf("%+v", first)
	}
	_, err = b.assign(alice, "beta", time.Time{}, d)
	b.wantRefusal("again", err, sealift.KindConflict, "assigned")
	until := b.clock.Add(48 * time.Hour)
	_, err = b.assign(alice, "production", until.Add(time.Millisecond), d)
	b.check(err)
	second := b.document(d)
	if second.Channel != "production" || second.Sequence != first.Sequence+1 || !second.Expires.Equal(until) {
		t.Errorf("%+v", second)
	}
	if n := b.keep(); n != 0 {
		t.Errorf("%d are due before their time", n)
	}
	b.clock = until
	if n := b.keep(); n != 1 {
		t.Errorf("%d are over", n)
	}
	if doc := b.document(d); doc != nil {
		t.Errorf("over, and the device knows: %+v", doc)
	}
	if n := b.keep(); n != 0 {
		t.Errorf("%d are due again", n)
	}

	_, err = b.assign(alice, "beta", time.Time{}, d)
	b.check(err)
	third := b.document(d)
	if third.Sequence <= second.Sequence || third.Sequence < uint64(b.clock.Unix()) {
		t.Errorf("%+v", third)
	}
	b.clock = b.clock.Add(sealift.AssignmentLife/2 + time.Second)
	if n := b.keep(); n != 1 {
		t.Errorf("%d were renewed", n)
	}
	renewed := b.document(d)
	if renewed.Channel != "beta" || renewed.Sequence <= third.Sequence || !renewed.Expires.Equal(b.clock.Add(sealift.AssignmentLife)) {
		t.Errorf("%+v", renewed)
	}
	_, err = b.assign(alice, "", time.Time{}, d)
	b.check(err)
	off := b.document(d)
	if off == nil || off.Channel != "" || off.Sequence <= renewed.Sequence {
		t.Fatalf("taken off: %+v", off)
	}
	if b.keep() != 0 {
		t.Error("the document of one that is off is renewed")
	}
	b.clock = off.Expires.Time
	if n := b.keep(); n != 1 || b.document(d) != nil {
		t.Errorf("%d, %+v", n, b.document(d))
	}
	shown, _, err := b.desk.Device(b.Context(), b.app, d.id, 0, 1)
	if err != nil || shown.Assigned == nil || shown.Assigned.Channel != "" || shown.Forged {
		t.Errorf("%+v, %v", shown, err)
	}
}

func TestAssignRefusals(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.channel("beta", false)
	b.channel("old", false)
	b.rules(store.ChannelRules{App: b.app, Channel: "old", Archived: true, Emulators: true})
	d, gone := b.enrolled(), b.enrolled()
	refused := func(what string, kind sealift.Kind, reason string, channel sealift.Channel, until time.Time, devices ...*device) {
		t.Helper()
		_, err := b.assign(alice, channel, until, devices...)
		b.wantRefusal(what, err, kind, reason)
		if sealift.HintOf(err) == "" && reason != "until" {
			t.Errorf("%s: says not what to do", what)
		}
	}
	refused("no such channel", sealift.KindNotFound, "channel", "none", time.Time{}, d)
	refused("no such device", sealift.KindNotFound, "device", "beta", time.Time{}, d, b.newDevice())
	refused("an archived channel", sealift.KindConflict, "archived", "old", time.Time{}, d)
	refused("the past", sealift.KindInvalid, "until", "beta", b.clock, d)
	refused("off what it is not on", sealift.KindConflict, "assigned", "", time.Time{}, d)
	_, err := b.assign(alice, "beta", time.Time{}, gone)
	b.check(err)
	_, err = b.desk.RevokeDevices(b.Context(), alice, b.app, only(gone))
	b.check(err)
	if doc := b.document(gone); doc != nil {
		t.Errorf("a revoked device is told %+v", doc)
	}
	refused("a revoked device", sealift.KindConflict, "device-state", "beta", time.Time{}, d, gone)
	if b.document(d) != nil {
		t.Error("half of it was done")
	}
	if told := b.told(string(b.app), audit.Refused); told["device.assign"] != "tests it" || told["device.unassign"] != "tests it" {
		t.Errorf("refusals in the log: %v", told)
	}

	// The same key, enrolled for another app.
	_, err = b.assign(alice, "beta", time.Time{}, d)
	b.check(err)
	own := b.app
	b.app = b.makeApp(false)
	_, err = b.enrol(d, b.token(0, time.Hour))
	b.check(err)
	refused("in the way of another app", sealift.KindConflict, "other-app", "production", time.Time{}, d)
	b.app = own
	if b.document(d) == nil {
		t.Error("the other app's was taken away")
	}
}

// TestForgedAssignment: who writes rows puts no device on a private channel, nor
// one back.
func TestForgedAssignment(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.channel("beta", true)
	d := b.enrolled()
	row := func() (a store.Assignment) {
		b.check(b.store.View(b.Context(), func(tx store.Tx) (err error) {
			a, err = tx.Assignment(b.Context(), b.app, d.id)
			return err
		}))
		return a
	}
	put := func(a store.Assignment) {
		b.check(b.store.Update(b.Context(), func(tx store.Tx) error { return tx.PutAssignment(b.Context(), a) }))
	}
	put(store.Assignment{App: b.app, Device: d.id, Channel: "beta", Sequence: 1, Origin: store.ByPerson, MAC: []byte("x")})
	answered, err := b.askEpochOf(d, "beta", 1)
	b.wantSigned("a row by SQL", answered, err, sealift.KindDenied, vault.ReasonForged)
	shown, _, err := b.desk.Device(b.Context(), b.app, d.id, 0, 1)
	if err != nil || !shown.Forged {
		t.Errorf("shown as %+v, %v", shown, err)
	}

	d = b.enrolled()
	_, err = b.assign(b.bob(), "beta", time.Time{}, d)
	b.check(err)
	good := row()
	_, err = b.assign(b.bob(), "", time.Time{}, d)
	b.check(err)
	good.Sequence += 2
	put(good)
	answered, err = b.askEpochOf(d, "beta", 1)
	b.wantSigned("the one of before, with another sequence", answered, err, sealift.KindDenied, vault.ReasonForged)
	_, err = b.assign(b.bob(), "beta", time.Time{}, d)
	b.wantRefusal("going on from it", err, sealift.KindDenied, vault.ReasonForged)
	if b.document(d).Channel != "" {
		t.Error("it was signed")
	}
}

// Of what cannot be published, nothing is kept.
func TestAssignNotSigned(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.channel("beta", false)
	d := b.enrolled()
	b.desk = b.deskOver(&unsigned{b.releases()})
	if _, err := b.assign(alice, "beta", time.Time{}, d); !errors.Is(err, errNotSigned) {
		t.Errorf("%v", err)
	}
	if shown, _, err := b.desk.Device(b.Context(), b.app, d.id, 0, 1); err != nil || shown.Assigned != nil {
		t.Errorf("%+v, %v", shown, err)
	}
}

var errNotSigned = errors.New("not signed")

type unsigned struct{ *release.Service }

func (*unsigned) Assign(context.Context, *vault.Tx, audit.Actor, []trust.Assignment, []sealift.DeviceID) error {
	return errNotSigned
}

// TestDeletedByHand: a private channel is not open, nor is a device new to the vault,
// for want of a row that somebody deleted.
func TestDeletedByHand(t *testing.T) {
	t.Parallel()
	b := newBenchAlone(t)
	b.channel("pilot", false)
	b.channel("beta", true)
	b.check(b.channelLabel(b.bob(), "tester", "beta", 0))
	d, other := b.enrolled(), b.enrolled()
	_, err := b.assign(alice, "pilot", time.Time{}, d)
	b.check(err)
	_, err = b.label(alice, "plain", false, d)
	b.check(err)
	b.behind("DELETE FROM device_assignments WHERE app = ?", b.app)
	_, err = b.assign(alice, "pilot", time.Time{}, d)
	b.wantRefusal("its assignment", err, sealift.KindDenied, vault.ReasonDeleted)
	b.behind("DELETE FROM device_labels WHERE app = ?", b.app)
	_, err = b.label(alice, "other", false, d)
	b.wantRefusal("its labels", err, sealift.KindDenied, vault.ReasonDeleted)
	b.behind("DELETE FROM channel_rules WHERE app = ?", b.app)
	answered, err := b.askEpochOf(other, "beta", 1)
	b.wantSigned("the rules of a private channel", answered, err, sealift.KindDenied, vault.ReasonDeleted)
}

// TestRenewalBySQL: whoever writes rows has none of theirs signed anew by making it due.
func TestRenewalBySQL(t *testing.T) {
	t.Parallel()
	b := newBenchAlone(t)
	b.channel("beta", true)
	d := b.enrolled()
	_, err := b.assign(alice, "production", time.Time{}, d)
	b.check(err)
	b.behind("UPDATE device_assignments SET channel = 'beta', ends = ? WHERE app = ?", b.clock.Add(time.Hour).UnixMicro(), b.app)
	_, err = b.desk.KeepAssignments(b.Context(), release.System("director"))
	b.wantRefusal("a row that is due", err, sealift.KindDenied, vault.ReasonForged)
	if got := b.document(d); got == nil || got.Channel != "production" {
		t.Errorf("signed: %+v", got)
	}
	answered, err := b.askEpochOf(d, "beta", 1)
	b.wantSigned("its key", answered, err, sealift.KindDenied, vault.ReasonForged)
}
