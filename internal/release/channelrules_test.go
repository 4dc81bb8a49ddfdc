package release_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
)

func ptr[T any](v T) *T { return &v }

func (b *bench) setChannel(name sealift.Channel, c service.ChannelChange) service.Channel {
	b.Helper()
	out, err := b.ChangeChannel(b.Context(), officer, b.app, name, c)
	b.check(err)
	return out
}

// channelsFile is the channels.json that devices of the app have; nil for none.
func (b *bench) channelsFile() (doc *trust.Channels) {
	b.Helper()
	b.view(func(tx store.Tx) error {
		data, err := tx.Document(b.Context(), trust.ChannelsPath(b.app))
		if sealift.KindOf(err) == sealift.KindNotFound {
			return nil
		}
		if err == nil {
			doc, err = trust.ParseChannels(data, b.app)
		}
		return err
	})
	return doc
}

// What a channel is set to is in channels.json and in the log at once.
func TestChangeChannel(t *testing.T) {
	b := newBench(t)
	_, err := b.CreateChannel(t.Context(), alice, b.app, "beta")
	b.check(err)
	if doc := b.channelsFile(); doc != nil {
		t.Errorf("without a rule there is one: %+v", doc)
	}
	b.setChannel("production", service.ChannelChange{Default: ptr(true), Builds: &[]trust.Build{"production", "development"}, Runtime: ptr(sealift.AnyRuntime)})
	if diff := cmp.Diff(&trust.Channels{App: b.app, Default: "production"}, b.channelsFile(), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("after a default:\n%s", diff)
	}
	b.clock = b.clock.Add(time.Minute)
	got := b.setChannel("beta", service.ChannelChange{
		Private: ptr(true), SelfAssign: ptr(true), Platforms: &[]sealift.Platform{"web", "ios", "web"}, Runtime: ptr(sealift.RuntimeRange(">=2.0.0")),
		Builds: &[]trust.Build{trust.BuildDevelopment}, Emulators: ptr(false),
	})
	if diff := cmp.Diff(&service.ChannelSettings{
		Private: true, SelfAssign: true, Platforms: []sealift.Platform{"ios", "web"}, Runtime: ">=2.0.0", Builds: []trust.Build{trust.BuildDevelopment}, Changed: b.clock,
	}, got.Settings); diff != "" {
		t.Errorf("beta:\n%s", diff)
	}
	strict := trust.ChannelRules{Private: true, Platforms: []sealift.Platform{"ios", "web"}, Runtime: ">=2.0.0", Builds: []trust.Build{trust.BuildDevelopment}, NoEmulators: true}
	if diff := cmp.Diff(&trust.Channels{App: b.app, Default: "production", Channels: map[sealift.Channel]trust.ChannelRules{"beta": strict}}, b.channelsFile()); diff != "" {
		t.Errorf("after rules:\n%s", diff)
	}
	e := b.last("channel.change")
	if e.Result != audit.OK || e.Subject != string(b.app)+"/beta" || e.Actor.ID != officer.ID || e.Details["private"] != "true" || e.Details[vault.RowDetail] == "" {
		t.Errorf("in the log: %+v", e)
	}
	// The same again is nothing.
	before := b.logged()
	b.setChannel("beta", service.ChannelChange{Private: ptr(true)})
	if after := b.logged(); after != before {
		t.Errorf("nothing changed in %d entries", after-before)
	}
	list, err := b.Channels(t.Context(), b.app)
	b.check(err)
	if len(list) != 2 || list[0].Name != "beta" || !list[0].Settings.Private || !list[1].Settings.Default || !list[1].Settings.Emulators {
		t.Errorf("%+v", list)
	}
}

// There is one default: a new one takes the place of the one before.
func TestDefaultChannel(t *testing.T) {
	b := newBench(t)
	_, err := b.CreateChannel(t.Context(), alice, b.app, "beta")
	b.check(err)
	b.setChannel("production", service.ChannelChange{Default: ptr(true)})
	b.setChannel("beta", service.ChannelChange{Default: ptr(true)})
	one, err := b.Channel(t.Context(), b.app, "production")
	b.check(err)
	if one.Settings.Default || b.channelsFile().Default != "beta" {
		t.Errorf("%+v and %+v", one.Settings, b.channelsFile())
	}
	_, err = b.ChangeChannel(t.Context(), officer, b.app, "beta", service.ChannelChange{Archived: ptr(true)})
	wantRefusal(t, "archiving the default", err, sealift.KindConflict, "default")
	if e := b.last("channel.change"); e.Result != audit.Refused || e.Details["reason"] != "default" {
		t.Errorf("in the log: %+v", e)
	}
	b.setChannel("beta", service.ChannelChange{Default: ptr(false), Archived: ptr(true)})
	_, err = b.ChangeChannel(t.Context(), officer, b.app, "beta", service.ChannelChange{Default: ptr(true)})
	wantRefusal(t, "an archived default", err, sealift.KindConflict, "default")
	if doc := b.channelsFile(); doc.Default != "" {
		t.Errorf("%+v", doc)
	}
	for name, want := range map[sealift.Channel]string{"none": "channel"} {
		_, err := b.Channel(t.Context(), b.app, name)
		wantRefusal(t, "showing none", err, sealift.KindNotFound, want)
		_, err = b.ChangeChannel(t.Context(), officer, b.app, name, service.ChannelChange{Private: ptr(true)})
		wantRefusal(t, "changing none", err, sealift.KindNotFound, want)
	}
}

// What is archived takes no release, what waits for one included, and goes on
// with what it had. So it is with a platform or a runtime that it is not for.
func TestChannelTakesNoRelease(t *testing.T) {
	b := newBench(t)
	b.publish("1.0.0")
	w := b.reserve("1.1.0")
	b.upload(w)
	b.sign(w)
	open := service.ChannelChange{Archived: ptr(false), Platforms: &[]sealift.Platform{}, Runtime: ptr(sealift.AnyRuntime)}
	for reason, change := range map[string]service.ChannelChange{
		"archived": {Archived: ptr(true)},
		"platform": {Platforms: &[]sealift.Platform{"ios"}},
		"runtime":  {Runtime: ptr(sealift.RuntimeRange(">=2.0.0"))},
	} {
		b.setChannel("production", change)
		want := b.reservation("1.2.0")
		want.Runtime = "<2.0.0"
		_, err := b.Reserve(t.Context(), alice, want)
		wantRefusal(t, "reserving", err, sealift.KindConflict, reason)
		if reason != "runtime" { // what is reserved is for any
			_, err = b.submit(w)
			wantRefusal(t, "submitting what was reserved before", err, sealift.KindConflict, reason)
		}
		b.wantOffer("1.0.0")
		b.setChannel("production", open)
	}
	if _, err := b.submit(w); err != nil {
		t.Fatal(err)
	}
	b.wantOffer("1.1.0")
	b.setChannel("production", service.ChannelChange{Archived: ptr(true)})
	_, err := b.RollBack(t.Context(), alice, b.app, service.NewRollback{Channel: "production", To: "1.0.0", Life: sealift.MinRollbackLife, Reason: "it crashes"})
	b.check(err)                  // the way out for who stayed
	b.wantOffer("1.0.0", "1.0.0") // it, and what it goes back to
}

// To open what is private takes the right to, and a fresh proof.
func TestOpenPrivateChannel(t *testing.T) {
	b := newBench(t)
	fresh := access.Proof{Session: "s", AMR: access.AMRPasskey, Proven: b.clock}
	manager := access.Caller{Kind: access.CallerPerson, ID: "manager", Role: access.RoleReleaseManager, Proof: fresh}
	_, err := b.ChangeChannel(t.Context(), manager, b.app, "production", service.ChannelChange{Private: ptr(true)})
	b.check(err)
	sure := officer
	sure.Proof = fresh
	for _, change := range []service.ChannelChange{{Private: ptr(false)}, {SelfAssign: ptr(true)}} {
		_, err := b.ChangeChannel(t.Context(), manager, b.app, "production", change)
		wantRefusal(t, "a release manager", err, sealift.KindDenied, access.ReasonRole)
		_, err = b.ChangeChannel(t.Context(), officer, b.app, "production", change)
		wantRefusal(t, "a proof of long ago", err, sealift.KindDenied, access.ReasonPerson)
		if c := b.channelsFile().Channels["production"]; !c.Private {
			t.Errorf("open nevertheless: %+v", c)
		}
	}
	_, err = b.ChangeChannel(t.Context(), sure, b.app, "production", service.ChannelChange{SelfAssign: ptr(true)})
	b.check(err)
	_, err = b.ChangeChannel(t.Context(), sure, b.app, "production", service.ChannelChange{Private: ptr(false)})
	b.check(err)
	if doc := b.channelsFile(); len(doc.Channels) != 0 {
		t.Errorf("%+v", doc)
	}
}

// A row that somebody bent is not signed into channels.json, and a channel is not
// believed to be what it says.
func TestForgedChannelRules(t *testing.T) {
	b := alone(t)
	b.setChannel("production", service.ChannelChange{Private: ptr(true)})
	_, err := b.CreateChannel(t.Context(), alice, b.app, "beta")
	b.check(err)
	b.check(b.store.Update(t.Context(), func(tx store.Tx) error {
		row, err := tx.ChannelRules(t.Context(), b.app, "production")
		if err != nil {
			return err
		}
		row.Private = false
		return tx.PutChannelRules(t.Context(), row)
	}))
	_, err = b.Channel(t.Context(), b.app, "production")
	wantRefusal(t, "showing it", err, sealift.KindDenied, vault.ReasonForged)
	_, err = b.ChangeChannel(t.Context(), officer, b.app, "beta", service.ChannelChange{Default: ptr(true)})
	wantRefusal(t, "changing another", err, sealift.KindDenied, vault.ReasonForged)
	_, err = b.Reserve(t.Context(), alice, b.reservation("1.0.0"))
	wantRefusal(t, "publishing to it", err, sealift.KindDenied, vault.ReasonForged)
	if c := b.channelsFile().Channels["production"]; !c.Private {
		t.Errorf("devices were told: %+v", c)
	}
}
