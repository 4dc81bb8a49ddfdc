package fleet_test

import (
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/trust"
)

// choose asks for a channel as a device.
func (b *bench) choose(d *device, channel sealift.Channel) (chosen trust.ChannelChosen, answered bool, err error) {
	b.Helper()
	a, answered, err := b.ask(b.request(d, trust.RequestChannel), trust.ChannelRequest{Channel: channel}, d.identity)
	if err == nil {
		b.check(trust.DecodeBody(a.Body, &chosen))
	}
	return chosen, answered, err
}

// TestChoose: a device puts itself on a channel that lets it, and off it again; a
// person's word stands above, and a label's below.
func TestChoose(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.channel("closed", false)
	b.channel("secret", true)
	b.channel("beta", false)
	b.rules(store.ChannelRules{App: b.app, Channel: "beta", SelfAssign: true, Emulators: true})
	d := b.enrolled()
	for _, channel := range []sealift.Channel{"closed", "secret", "none"} {
		_, answered, err := b.choose(d, channel)
		b.wantSigned("choosing "+string(channel), answered, err, sealift.KindDenied, "channel")
	}
	_, answered, err := b.choose(d, "No")
	b.wantSigned("no name", answered, err, sealift.KindInvalid, "")
	b.on("and so it is nowhere", d, "", "")

	chosen, _, err := b.choose(d, "beta")
	b.check(err)
	b.on("it chose", d, "beta", "device")
	if doc := b.document(d); chosen.Channel != "beta" || chosen.Sequence != doc.Sequence {
		t.Errorf("told %+v, signed %+v", chosen, doc)
	}
	again, _, err := b.choose(d, "beta")
	b.check(err)
	if again != chosen {
		t.Errorf("again: %+v", again)
	}
	_, err = b.label(alice, "tester", false, d)
	b.check(err)
	b.check(b.channelLabel(alice, "tester", "closed", 9))
	b.on("a label counts less", d, "beta", "device")
	_, _, err = b.choose(d, "")
	b.check(err)
	b.on("it asked for none: the label is left", d, "closed", "label")
	_, _, err = b.choose(d, "beta")
	b.check(err)
	b.on("it chose again", d, "beta", "device")

	_, err = b.assign(alice, "production", time.Time{}, d)
	b.check(err)
	for _, channel := range []sealift.Channel{"beta", ""} {
		_, answered, err = b.choose(d, channel)
		b.wantSigned("against a person", answered, err, sealift.KindDenied, "assigned")
	}
	b.on("a person's word stands", d, "production", "person")

	b.rules(store.ChannelRules{App: b.app, Channel: "beta", SelfAssign: true, Archived: true, Emulators: true})
	other := b.enrolled()
	_, answered, err = b.choose(other, "beta")
	b.wantSigned("an archived one", answered, err, sealift.KindDenied, "channel")
	_, err = b.desk.RevokeDevices(b.Context(), alice, b.app, only(other))
	b.check(err)
	_, answered, err = b.choose(other, "")
	b.wantSigned("revoked", answered, err, sealift.KindDenied, "revoked")

	var told []string
	for _, e := range b.log(d) {
		if e.Action == "device.assign" && e.Result == audit.OK && e.Actor.Kind == audit.Device {
			told = append(told, e.Details["channel"])
		}
	}
	if len(told) != 3 || told[0] != "beta" || told[1] != "closed" || told[2] != "beta" {
		t.Errorf("in the log: %q", told)
	}
}

// TestChooseOften: ten times an hour, and what is sent again does not count.
func TestChooseOften(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	d, other := b.enrolled(), b.enrolled()
	req := b.request(d, trust.RequestChannel)
	_, _, err := b.ask(req, trust.ChannelRequest{}, d.identity)
	b.check(err)
	for range sealift.ChoicesPerHour {
		_, answered, err := b.ask(req, trust.ChannelRequest{}, d.identity)
		b.wantSilence("sent again", answered, err, sealift.KindConflict, "nonce")
	}
	for range sealift.ChoicesPerHour - 1 {
		_, _, err := b.choose(d, "")
		b.check(err)
	}
	_, answered, err := b.choose(d, "")
	b.wantSilence("too often", answered, err, sealift.KindExhausted, "rate")
	_, _, err = b.choose(other, "")
	b.check(err)
	b.clock = b.clock.Add(time.Hour)
	_, _, err = b.choose(d, "")
	b.check(err)
}

// Who leaves a private channel that takes whoever asks turns no epoch: it could
// come back.
func TestChooseTurnsNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.channel("beta", false)
	b.rules(store.ChannelRules{App: b.app, Channel: "beta", Private: true, SelfAssign: true, Emulators: true})
	d := b.enrolled()
	answered, err := b.askEpochOf(d, "beta", 1)
	b.wantSigned("before", answered, err, sealift.KindDenied, "private")
	_, _, err = b.choose(d, "beta")
	b.check(err)
	_, err = b.askEpochOf(d, "beta", 1)
	b.check(err)
	_, _, err = b.choose(d, "")
	b.check(err)
	_, _, err = b.choose(d, "beta")
	b.check(err)
	answered, err = b.askEpochOf(d, "beta", 2)
	b.wantSigned("it turned", answered, err, sealift.KindNotFound, "epoch")

	// When it takes whoever asks no more, whoever left has nothing of what follows.
	left := b.enrolled()
	for _, channel := range []sealift.Channel{"beta", ""} {
		_, _, err = b.choose(left, channel)
		b.check(err)
	}
	no := false
	_, err = b.releases().ChangeChannel(t.Context(), alice, b.app, "beta", service.ChannelChange{SelfAssign: &no})
	b.check(err)
	answered, err = b.askEpochOf(d, "beta", 2)
	b.wantSigned("it stayed by its own word alone", answered, err, sealift.KindDenied, "private")
	_, err = b.assign(b.bob(), "beta", time.Time{}, d)
	b.check(err)
	_, err = b.askEpochOf(d, "beta", 2)
	b.check(err)
	answered, err = b.askEpochOf(left, "beta", 2)
	b.wantSigned("it left", answered, err, sealift.KindDenied, "private")
	_, answered, err = b.choose(left, "beta")
	b.wantSigned("and cannot come back", answered, err, sealift.KindDenied, "channel")
}

// TestChooseOffPrivate: a device that a label put on a private channel does not leave it
// by its own word. It could come back by that, and each time the epoch would turn and
// void what waits to be published there.
func TestChooseOffPrivate(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.channel("secret", true)
	b.channel("open", false)
	b.rules(store.ChannelRules{App: b.app, Channel: "open", SelfAssign: true, Emulators: true})
	d := b.enrolled()
	b.check(b.channelLabel(b.bob(), "tester", "secret", 0))
	_, err := b.label(b.bob(), "tester", false, d)
	b.check(err)
	_, answered, err := b.choose(d, "open")
	b.wantSigned("away from it", answered, err, sealift.KindDenied, "assigned")
	_, _, err = b.choose(d, "")
	b.check(err)
	b.on("it stays", d, "secret", "label")
	answered, err = b.askEpochOf(d, "secret", 2)
	b.wantSigned("it turned", answered, err, sealift.KindNotFound, "epoch")
	_, err = b.label(alice, "tester", true, d)
	b.check(err)
	_, _, err = b.choose(d, "open")
	b.check(err)
}

// TestChooseBeforePrivate: who puts itself on a channel while that is for everybody has
// nothing of it when it is private, and is taken off it when its document is due.
func TestChooseBeforePrivate(t *testing.T) {
	t.Parallel()
	b := newBenchAlone(t)
	b.channel("beta", false)
	b.rules(store.ChannelRules{App: b.app, Channel: "beta", SelfAssign: true, Emulators: true})
	d, member := b.enrolled(), b.enrolled()
	_, _, err := b.choose(d, "beta")
	b.check(err)
	_, err = b.assign(b.bob(), "beta", time.Time{}, member)
	b.check(err)
	yes, no := true, false
	_, err = b.releases().ChangeChannel(t.Context(), alice, b.app, "beta", service.ChannelChange{Private: &yes, SelfAssign: &no})
	b.check(err)
	answered, err := b.askEpochOf(d, "beta", 2)
	b.wantSigned("it chose before", answered, err, sealift.KindDenied, "private")
	_, err = b.askEpochOf(member, "beta", 2)
	b.check(err)
	b.clock = b.clock.Add(sealift.AssignmentLife/2 + time.Hour)
	b.keep()
	b.on("it is told so", d, "", "device")
	_, err = b.askEpochOf(member, "beta", 3)
	b.wantRefusal("it had no key since: nothing turns for it", err, sealift.KindNotFound, "epoch")
	b.on("a person put it there", member, "beta", "person")
}

// TestChooseTooMany: what devices choose leaves room for what people say.
func TestChooseTooMany(t *testing.T) {
	t.Parallel()
	b := newBenchAlone(t)
	b.channel("beta", false)
	b.rules(store.ChannelRules{App: b.app, Channel: "beta", SelfAssign: true, Emulators: true})
	first, d := b.enrolled(), b.enrolled()
	_, _, err := b.choose(first, "beta")
	b.check(err)
	b.behind(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
		INSERT INTO device_assignments SELECT a.app, a.device || '-' || n.i, a.channel, a.sequence, a.until, a.ends, a.changed, a.mac, a.origin FROM device_assignments a, n`, sealift.MaxChosen-1)
	_, answered, err := b.choose(d, "beta")
	b.wantSigned("one too many", answered, err, sealift.KindDenied, "assignments")
	b.on("and so it is nowhere", d, "", "")
	_, _, err = b.choose(first, "")
	b.check(err)
	_, _, err = b.choose(d, "beta")
	b.check(err)
}
