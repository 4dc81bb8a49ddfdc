package fleet_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
)

func (b *bench) label(by access.Caller, label sealift.Label, remove bool, devices ...*device) (service.Labelled, error) {
	want := service.NewLabel{Label: label, Remove: remove, DeviceAct: service.DeviceAct{Reason: "tests it"}}
	for _, d := range devices {
		want.Devices = append(want.Devices, d.id)
	}
	return b.desk.LabelDevices(b.Context(), by, b.app, want)
}

func (b *bench) channelLabel(by access.Caller, label sealift.Label, channel sealift.Channel, priority int64) error {
	_, err := b.desk.SetChannelLabel(b.Context(), by, b.app, service.ChannelLabel{Label: label, Channel: channel, Priority: priority})
	return err
}

// on wants a device on a channel, "" for none, in the row and in its document.
func (b *bench) on(what string, d *device, channel sealift.Channel, origin string) {
	b.Helper()
	shown, _, err := b.desk.Device(b.Context(), b.app, d.id, 0, 1)
	b.check(err)
	var have service.Assignment
	if shown.Assigned != nil {
		have = *shown.Assigned
	}
	if have.Channel != channel || channel != "" && have.Origin != origin {
		b.Errorf("%s: on %q by %s, want %q by %s", what, have.Channel, have.Origin, channel, origin)
	}
	if doc := b.document(d); channel == "" && doc != nil && doc.Channel != "" || channel != "" && (doc == nil || doc.Channel != channel) {
		b.Errorf("%s: the device is told %+v", what, doc)
	}
}

// TestLabels: what a device carries puts it on a channel, the highest priority first;
// what a person says by name counts more, and what is changed of either follows.
func TestLabels(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, name := range []sealift.Channel{"beta", "early", "pilot"} {
		b.channel(name, false)
	}
	b.clock = b.clock.Add(123_456_789) // no time that a row has
	d, other := b.enrolled(), b.enrolled()
	made, err := b.label(alice, "tester", false, d)
	b.check(err)
	if len(made.Devices) != 1 || len(made.Assignments) != 0 {
		t.Errorf("a label that puts nobody anywhere: %+v", made)
	}
	b.on("a label alone", d, "", "")
	b.check(b.channelLabel(alice, "tester", "beta", 1))
	b.on("what the label puts", d, "beta", "label")
	b.on("another device", other, "", "")
	b.check(b.channelLabel(alice, "store", "early", 5))
	made, err = b.label(alice, "store", false, d, other)
	b.check(err)
	if len(made.Devices) != 2 || len(made.Assignments) != 2 {
		t.Errorf("%+v", made)
	}
	b.on("the higher priority", d, "early", "label")
	b.check(b.channelLabel(alice, "tester", "beta", 9))
	b.on("the priority changed", d, "beta", "label")
	b.on("it does not carry that", other, "early", "label")
	b.check(b.channelLabel(alice, "store", "beta", 9))
	b.check(b.channelLabel(alice, "tester", "early", 9))
	b.on("of two that are equal the first by name", d, "beta", "label")

	_, err = b.assign(alice, "", time.Time{}, d)
	b.wantRefusal("off where a label puts it", err, sealift.KindConflict, "label")
	_, err = b.assign(alice, "pilot", time.Time{}, d)
	b.check(err)
	b.check(b.channelLabel(alice, "store", "early", 20))
	b.on("a person's word counts more", d, "pilot", "person")
	_, err = b.assign(alice, "", time.Time{}, d)
	b.check(err)
	b.on("taken back, the label counts", d, "early", "label")

	_, err = b.label(alice, "store", true, d)
	b.check(err)
	b.on("the other label is left", d, "early", "label")
	b.check(b.channelLabel(alice, "tester", "", 0))
	b.on("no label puts it anywhere", d, "", "")
	err = b.channelLabel(alice, "tester", "", 0)
	b.wantRefusal("again", err, sealift.KindNotFound, "label")
	list, err := b.desk.ChannelLabels(b.Context(), b.app)
	if err != nil || len(list) != 1 || list[0].Label != "store" || list[0].Channel != "early" || list[0].Priority != 20 || list[0].Settling {
		t.Errorf("%+v, %v", list, err)
	}

	found, err := b.desk.Devices(b.Context(), b.app, service.DevicePage{Limit: 9, Label: "store"})
	if err != nil || len(found) != 1 || found[0].ID != other.id || !slices.Equal(found[0].Labels, []sealift.Label{"store"}) {
		t.Errorf("%+v, %v", found, err)
	}
	_, err = b.desk.EraseDevices(b.Context(), alice, b.app, only(other))
	b.check(err)
	b.on("erased", other, "", "")
	if shown, _, err := b.desk.Device(b.Context(), b.app, other.id, 0, 1); err != nil || len(shown.Labels) != 0 {
		t.Errorf("left of it: %+v, %v", shown.Labels, err)
	}
	if told := b.told(string(d.id), audit.OK); told["device.label"] != "tests it" || told["device.unlabel"] != "tests it" {
		t.Errorf("in the log: %v", told)
	}
}

// TestLabelsOfPrivate: a private channel's keys are given by a label only by who has
// proven themselves, and taken with it.
func TestLabelsOfPrivate(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.channel("beta", true)
	d := b.enrolled()
	_, err := b.label(alice, "tester", false, d)
	b.check(err)
	err = b.channelLabel(alice, "tester", "beta", 0)
	b.wantRefusal("a label, without a proof", err, sealift.KindDenied, access.ReasonPerson)
	answered, err := b.askEpochOf(d, "beta", 1)
	b.wantSigned("and so it is not on it", answered, err, sealift.KindDenied, "private")
	b.check(b.channelLabel(b.bob(), "tester", "beta", 0))
	_, err = b.askEpochOf(d, "beta", 1)
	b.check(err)
	other := b.enrolled()
	_, err = b.label(alice, "tester", false, other)
	b.wantRefusal("a device, without a proof", err, sealift.KindDenied, access.ReasonPerson)
	_, err = b.label(alice, "tester", true, d)
	b.check(err)
	answered, err = b.askEpochOf(d, "beta", 2)
	b.wantSigned("the label is off", answered, err, sealift.KindDenied, "private")
	_, err = b.label(b.bob(), "tester", false, other)
	b.check(err)
	_, err = b.askEpochOf(other, "beta", 2) // it turned
	b.check(err)
}

// TestLabelWaitsForPrivate: nobody gives a device the label of a private channel
// without a proof by putting it elsewhere for as long.
func TestLabelWaitsForPrivate(t *testing.T) {
	t.Parallel()
	b := newBenchAlone(t)
	b.channel("beta", true)
	b.channel("pilot", false)
	b.check(b.channelLabel(b.bob(), "tester", "beta", 0))
	d := b.enrolled()
	_, err := b.assign(alice, "pilot", b.clock.Add(time.Hour), d)
	b.check(err)
	_, err = b.label(alice, "tester", false, d)
	b.wantRefusal("a label that puts it there later", err, sealift.KindDenied, access.ReasonPerson)
	b.clock = b.clock.Add(time.Hour)
	b.keep()
	answered, err := b.askEpochOf(d, "beta", 1)
	b.wantSigned("when that is over", answered, err, sealift.KindDenied, "private")
}

// TestLabelEnds: when what a person said is over, the label counts.
func TestLabelEnds(t *testing.T) {
	t.Parallel()
	b := newBenchAlone(t)
	b.channel("beta", false)
	b.channel("pilot", false)
	d := b.enrolled()
	_, err := b.label(alice, "tester", false, d)
	b.check(err)
	b.check(b.channelLabel(alice, "tester", "beta", 0))
	_, err = b.assign(alice, "pilot", b.clock.Add(time.Hour), d)
	b.check(err)
	b.clock = b.clock.Add(time.Hour)
	if n := b.keep(); n != 1 {
		t.Errorf("%d were ended", n)
	}
	b.on("its time is over", d, "beta", "label")
	b.rules(store.ChannelRules{App: b.app, Channel: "beta", Archived: true, Emulators: true})
	other := b.enrolled()
	_, err = b.label(alice, "tester", false, other)
	b.check(err)
	b.on("an archived channel takes no others", other, "", "")
	b.on("and keeps those it has", d, "beta", "label")
	b.clock = b.clock.Add(sealift.AssignmentLife/2 + time.Hour)
	b.keep()
	b.on("renewed", d, "beta", "label")
}

// TestLabelsSettle: what a server did not come to is done by the next look.
func TestLabelsSettle(t *testing.T) {
	t.Parallel()
	b := newBenchAlone(t)
	b.channel("beta", false)
	d := b.enrolled()
	_, err := b.label(alice, "tester", false, d)
	b.check(err)
	row := store.ChannelLabel{App: b.app, Label: "tester", Channel: "beta", Changed: b.clock}
	b.check(b.vault.Update(b.Context(), func(tx *vault.Tx) error { // and then it was stopped
		if row.MAC, err = tx.Authenticate(row); err != nil {
			return err
		}
		return tx.PutChannelLabel(b.Context(), row)
	}))
	b.on("stopped", d, "", "")
	if list, err := b.desk.ChannelLabels(b.Context(), b.app); err != nil || len(list) != 1 || !list[0].Settling {
		t.Errorf("%+v, %v", list, err)
	}
	if n := b.keep(); n != 1 {
		t.Errorf("%d settled", n)
	}
	b.on("settled", d, "beta", "label")
	if n := b.keep(); n != 0 {
		t.Errorf("%d settled again", n)
	}
}

func TestLabelRefusals(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.channel("beta", false)
	b.channel("old", false)
	b.rules(store.ChannelRules{App: b.app, Channel: "old", Archived: true, Emulators: true})
	d, gone := b.enrolled(), b.enrolled()
	_, err := b.desk.RevokeDevices(b.Context(), alice, b.app, only(gone))
	b.check(err)
	refused := func(what string, err error, kind sealift.Kind, reason string) {
		t.Helper()
		b.wantRefusal(what, err, kind, reason)
		if sealift.HintOf(err) == "" {
			t.Errorf("%s: says not what to do", what)
		}
	}
	_, err = b.label(alice, "tester", false, d, b.newDevice())
	refused("no such device", err, sealift.KindNotFound, "device")
	_, err = b.label(alice, "tester", false, d, gone)
	refused("a revoked device", err, sealift.KindConflict, "device-state")
	_, err = b.label(alice, "tester", true, d)
	refused("off what it does not carry", err, sealift.KindConflict, "labelled")
	refused("to no such channel", b.channelLabel(alice, "tester", "none", 0), sealift.KindNotFound, "channel")
	refused("to an archived one", b.channelLabel(alice, "tester", "old", 0), sealift.KindConflict, "archived")
	for i := range sealift.MaxDeviceLabels {
		_, err = b.label(alice, sealift.Label(fmt.Sprint("l", i)), false, d)
		b.check(err)
	}
	_, err = b.label(alice, "tester", false, d)
	refused("one too many", err, sealift.KindExhausted, "labels")
	b.check(b.vault.Update(b.Context(), func(tx *vault.Tx) error {
		for i := range sealift.MaxChannelLabels {
			row := store.ChannelLabel{App: b.app, Label: sealift.Label(fmt.Sprint("c", i)), Channel: "beta", Settled: true, Changed: b.clock}
			if row.MAC, err = tx.Authenticate(row); err != nil {
				return err
			}
			if err := tx.PutChannelLabel(b.Context(), row); err != nil {
				return err
			}
		}
		return nil
	}))
	refused("one too many of the app", b.channelLabel(alice, "tester", "beta", 0), sealift.KindExhausted, "labels")
	b.check(b.channelLabel(alice, "c0", "beta", 7))
	b.on("nothing came of any", d, "", "")
}

// TestForgedLabels: who writes rows gives no device a label, and takes none.
func TestForgedLabels(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.channel("beta", true)
	d := b.enrolled()
	b.check(b.channelLabel(b.bob(), "tester", "beta", 0))
	b.check(b.store.Update(b.Context(), func(tx store.Tx) error {
		return tx.PutDeviceLabels(b.Context(), store.DeviceLabels{App: b.app, Device: d.id, Labels: "tester", Changed: b.clock, MAC: []byte("x")})
	}))
	err := b.channelLabel(b.bob(), "tester", "beta", 1)
	b.wantRefusal("settling by it", err, sealift.KindDenied, vault.ReasonForged)
	b.on("a label by SQL", d, "", "")
	if shown, _, err := b.desk.Device(b.Context(), b.app, d.id, 0, 1); err != nil || !shown.Forged {
		t.Errorf("%+v, %v", shown, err)
	}
	other := b.enrolled()
	b.check(b.store.Update(b.Context(), func(tx store.Tx) error {
		return tx.PutChannelLabel(b.Context(), store.ChannelLabel{App: b.app, Label: "all", Channel: "beta", Priority: 9, Changed: b.clock, MAC: []byte("x")})
	}))
	_, err = b.label(b.bob(), "all", false, other)
	b.wantRefusal("what a label comes to, by SQL", err, sealift.KindDenied, vault.ReasonForged)
	b.on("and so it is nowhere", other, "", "")
}

// TestDeletedRows: whoever deletes rows takes no device off a channel, has no number
// begin anew, and takes no label back.
func TestDeletedRows(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.channel("beta", true)
	d := b.enrolled()
	_, err := b.label(alice, "tester", false, d)
	b.check(err)
	b.check(b.channelLabel(b.bob(), "tester", "beta", 0))
	b.bendApp("DELETE FROM device_assignments WHERE app = ?")
	answered, err := b.askEpochOf(d, "beta", 1)
	b.wantSigned("its assignment is gone", answered, err, sealift.KindDenied, vault.ReasonDeleted)
	_, err = b.assign(b.bob(), "beta", time.Time{}, d)
	b.wantRefusal("numbering anew", err, sealift.KindDenied, vault.ReasonDeleted)
	other := b.enrolled()
	b.bendApp("DELETE FROM channel_labels WHERE app = ?")
	_, err = b.label(b.bob(), "tester", false, other)
	b.wantRefusal("what the label comes to is gone", err, sealift.KindDenied, vault.ReasonDeleted)
	b.bendApp("DELETE FROM device_labels WHERE app = ?")
	_, err = b.label(alice, "tester", true, d)
	b.wantRefusal("its labels are gone", err, sealift.KindDenied, vault.ReasonDeleted)
}

// A device whose key is enrolled for another app, too, and that put itself on a channel
// there, cannot be told of a channel here. It keeps no other device that carries its
// label from being moved.
func TestLabelPastAnotherApps(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.channel("beta", false)
	double, honest := b.enrolled(), b.enrolled()
	own := b.app
	b.app = b.makeApp(false)
	b.channel("open", false)
	b.rules(store.ChannelRules{App: b.app, Channel: "open", SelfAssign: true, Emulators: true})
	_, err := b.enrol(double, b.token(0, time.Hour))
	b.check(err)
	_, _, err = b.choose(double, "open")
	b.check(err)
	b.app = own
	_, err = b.label(alice, "berlin", false, double, honest)
	b.check(err)
	b.check(b.channelLabel(alice, "berlin", "beta", 0))
	b.on("the other one", honest, "beta", "label")
	if list, err := b.desk.ChannelLabels(b.Context(), b.app); err != nil || len(list) != 1 || list[0].Settling {
		t.Errorf("%+v, %v", list, err)
	}
	if told := b.told(string(double.id), audit.Refused); told["device.assign"] != "label berlin" {
		t.Errorf("refusals in the log: %v", told)
	}
}
