package release_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/trust"
)

// running makes devices that say they run a release.
func (b *bench) running(version sealift.Version, counter sealift.Counter, devices int, state store.DeviceState) {
	b.Helper()
	b.check(b.store.Update(b.Context(), func(tx store.Tx) error {
		for n := range devices {
			id := sealift.DeviceID(fmt.Sprintf("%s-%d-%s", version, n, state))
			if err := tx.PutDevice(b.Context(), store.Device{App: b.app, ID: id, Platform: "web", State: state, Enrolled: b.clock}); err != nil {
				return err
			}
			if err := tx.PutDeviceReport(b.Context(), store.DeviceReport{App: b.app, Device: id, Seen: b.clock, Reported: b.clock, Channel: "production", Version: version, Counter: counter, State: []byte("{}")}); err != nil {
				return err
			}
		}
		return nil
	}))
}

// TestFloor: who is under it, by whose word it stands, and what it would leave.
func TestFloor(t *testing.T) {
	b := newBench(t)
	one := b.publish("1.0.0")
	two := b.publish("1.1.0")
	b.running("1.0.0", one.Counter, 3, store.DeviceActive)
	b.running("1.1.0", two.Counter, 2, store.DeviceActive)
	b.running("1.0.0", one.Counter, 4, store.DeviceRevoked)
	told := func(asked trust.Floor) service.AppFloor {
		t.Helper()
		f, err := b.Floor(b.Context(), b.app, asked)
		b.check(err)
		return f
	}
	want := service.AppFloor{App: b.app, Active: 5}
	if diff := cmp.Diff(want, told(trust.Floor{})); diff != "" {
		t.Errorf("before: %s", diff)
	}
	want.Floor = trust.Floor{Version: "1.1.0"}
	want.Under, want.Versions = 3, []store.DeviceVersion{{Version: "1.0.0", Counter: one.Counter, Devices: 3}}
	if diff := cmp.Diff(want, told(trust.Floor{Version: "1.1.0"})); diff != "" {
		t.Errorf("as it would be: %s", diff)
	}
	above := trust.Floor{Counter: two.Counter + 1}
	if f := told(above); f.Under != 5 || len(f.Unserved) != 1 || f.Unserved[0] != (service.Place{Channel: "production", Platform: "web", Devices: 5}) {
		t.Errorf("above everything: %+v", f)
	}
	b.running("1.1.0", two.Counter, 3, store.DeviceActive) // two of them are those of before
	if f := told(above); f.Unserved[0].Devices != 6 {
		t.Errorf("a device more: %+v is counted as of before", f.Unserved)
	}
	refused := service.NewDenial{Kind: service.DenyFloor, App: b.app, Counter: above.Counter, Reason: "x"}
	_, err := b.Deny(b.Context(), officer, refused)
	wantRefusal(t, "above everything", err, sealift.KindConflict, "unserved")
	if f := told(trust.Floor{}); f.Floor != (trust.Floor{}) {
		t.Errorf("it stands nevertheless: %+v", f)
	}
	b.deny(service.NewDenial{Kind: service.DenyFloor, App: b.app, Version: "1.1.0"})
	want.Deny, want.Active = want.Floor, 6
	if diff := cmp.Diff(want, told(trust.Floor{Version: "1.0.0"})); diff != "" {
		t.Errorf("once it stands: %s", diff)
	}
	refused.Force = true
	b.deny(refused)
	// What has nothing left already is no reason to refuse a floor that is higher still.
	elsewhere := b.publishFor("1.2.0", "ios", sealift.AnyRuntime)
	b.deny(service.NewDenial{Kind: service.DenyFloor, App: b.app, Version: "1.2.0"})
	b.trusting(func(t *trust.Trust) {
		t.Apps[b.app] = trust.AppTrust{Floor: trust.Floor{Counter: elsewhere.Counter, Version: "1.2.0"}}
	})
	if f := told(trust.Floor{}); f.Trust != f.Floor || f.Deny != (trust.Floor{}) || f.Floor.Counter != elsewhere.Counter {
		t.Errorf("once people confirmed it: %+v", f)
	}
	_, err = b.Floor(b.Context(), "com.acme.none", trust.Floor{})
	wantRefusal(t, "no such app", err, sealift.KindNotFound, "app")
}

// A floor that changes nothing, or stands at what nobody published, is a mistake: each
// says where it is, or what there is.
func TestFloorMistakes(t *testing.T) {
	b := newBench(t)
	b.publish("1.0.0")
	one := b.publish("1.1.0")
	refused := func(what string, floor trust.Floor, kind sealift.Kind, reason, says, hint string) {
		t.Helper()
		want := service.NewDenial{Kind: service.DenyFloor, App: b.app, Version: floor.Version, Counter: floor.Counter, Reason: "x"}
		_, err := b.Deny(b.Context(), officer, want)
		wantRefusal(t, what, err, kind, reason)
		if !strings.Contains(err.Error(), says) || !strings.Contains(sealift.HintOf(err), hint) {
			t.Errorf("%s: %v, hint %q", what, err, sealift.HintOf(err))
		}
		b.wantRefused("deny.add", reason)
	}
	refused("a version that is none", trust.Floor{Version: "1.0.5"}, sealift.KindNotFound, "release", "no version 1.0.5 of "+string(b.app)+" is published", "sealift release list --app "+string(b.app))
	refused("above the newest", trust.Floor{Version: "1.2.0"}, sealift.KindConflict, "unserved", "nothing that is offered on production/web", "publish there first")
	refused("a counter above all", trust.Floor{Counter: one.Counter + 1}, sealift.KindConflict, "unserved", "nothing that is offered on production/web", "publish there first")
	b.deny(service.NewDenial{Kind: service.DenyFloor, App: b.app, Version: "1.1.0"})
	for _, floor := range []trust.Floor{{Version: "1.0.0"}, {Version: "1.1.0"}} {
		refused("under the floor", floor, sealift.KindConflict, "denied", "is at version 1.1.0, and version "+string(floor.Version)+" is not above that", "sealift floor list --app "+string(b.app))
	}
	b.withdraw(b.counterOfRow("1.1.0"))
	b.withdraw(b.counterOfRow("1.0.0"))
	refused("above all where nothing is offered", trust.Floor{Counter: one.Counter + 1}, sealift.KindNotFound, "release", fmt.Sprintf("no counter of %d or more", one.Counter+1), "sealift release list")
	b.deny(service.NewDenial{Kind: service.DenyFloor, App: b.app, Version: "1.9.0", Force: true})
}
