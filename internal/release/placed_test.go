package release_test

import (
	"fmt"
	"maps"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
)

// TestPlaced: a channel says which devices it has, and whoever changes it how many get
// nothing from it any more.
func TestPlaced(t *testing.T) {
	b := newBench(t)
	of := func(name sealift.Channel) service.ChannelDevices {
		t.Helper()
		c, err := b.Channel(b.Context(), b.app, name)
		b.check(err)
		return *c.Devices
	}
	if got := of("production"); got.Placed != 0 || got.Excluded != nil {
		t.Errorf("of nobody: %+v", got)
	}
	b.devices(6)
	b.check(b.store.Update(b.Context(), func(tx store.Tx) error {
		for i := range 6 {
			id := sealift.DeviceID(fmt.Sprintf("%s-%d", b.app, i))
			r := store.DeviceReport{App: b.app, Device: id, Seen: b.clock, Reported: b.clock, Channel: "production", Runtime: "2.0.0", Build: "production", Emulator: i == 5}
			if i == 0 {
				r.Runtime = "1.0.0"
			}
			if err := tx.PutDeviceReport(b.Context(), r); err != nil {
				return err
			}
			if by := []store.Origin{"", "", store.ByPerson, store.ByLabel, store.ByDevice, ""}[i]; by != "" {
				if err := tx.PutAssignment(b.Context(), store.Assignment{App: b.app, Device: id, Channel: "production", Origin: by, Sequence: 1, MAC: []byte("m")}); err != nil {
					return err
				}
			}
		}
		return nil
	}))
	if got := of("production"); got.Placed != 6 || got.Following != 6 || got.Assigned != 1 || got.Labelled != 1 || got.Chosen != 1 || got.Own != 3 || got.Excluded != nil {
		t.Errorf("%+v", got)
	}
	change := func(c service.ChannelChange, want map[string]int64) {
		t.Helper()
		out, err := b.ChangeChannel(b.Context(), officer, b.app, "production", c)
		b.check(err)
		if out.Devices.Placed != 6 || !maps.Equal(out.Devices.Excluded, want) {
			t.Errorf("%+v, want %v", out.Devices, want)
		}
	}
	runtime, any, yes, no := sealift.RuntimeRange(">=2.0.0"), sealift.RuntimeRange("*"), true, false
	change(service.ChannelChange{Runtime: &runtime, Emulators: &no}, map[string]int64{"runtime": 1, "emulator": 1})
	change(service.ChannelChange{Runtime: &any, Emulators: &yes}, nil)
	change(service.ChannelChange{SelfAssign: &yes}, nil)
	change(service.ChannelChange{Private: &yes}, map[string]int64{"private": 3})
	change(service.ChannelChange{SelfAssign: &no}, map[string]int64{"private": 4}) // what a device asked for is nothing any more
	all, err := b.Channels(b.Context(), b.app)
	b.check(err)
	for _, c := range all {
		if c.Devices == nil || c.Name != "production" && c.Devices.Placed != 0 {
			t.Errorf("%+v", c)
		}
	}
}
