package release_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/stats"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/rollout"
	"github.com/sealift/sealift/trust"
)

// devices enrols so many, none of which has said anything yet.
func (b *bench) devices(n int) {
	b.Helper()
	b.check(b.vault.Update(b.Context(), func(tx *vault.Tx) error {
		for i := range n {
			d := store.Device{ID: sealift.DeviceID(fmt.Sprintf("%s-%d", b.app, i)), App: b.app, Platform: "web", Runtime: "1.0.0", State: store.DeviceActive, Enrolled: b.clock}
			d.Identity = []byte(d.ID)
			var err error
			if d.MAC, err = tx.Authenticate(d); err != nil {
				return err
			}
			if err := tx.PutDevice(b.Context(), d); err != nil {
				return err
			}
		}
		return nil
	}))
}

func (b *bench) cap(devices int64) {
	b.Helper()
	_, err := b.ChangeApp(b.Context(), officer, b.app, service.AppChange{BlastRadius: &devices})
	b.check(err)
}

// No more devices are offered a release than the app's blast radius lets, until
// those that took it confirm it or people give it to everybody; urgent or not.
func TestBlastRadius(t *testing.T) {
	b := alone(t)
	b.devices(200)
	b.cap(20)
	r := b.publish("1.0.0")
	want := func(share sealift.Share, capped bool) {
		t.Helper()
		if got := b.phase(r.Counter); got.Share != share || got.Capped != capped {
			t.Errorf("offered to %s percent, capped %t; want %s, %t", got.Share, got.Capped, share, capped)
		}
		if got := b.offer()[0].Share; got != share {
			t.Errorf("the offer says %s percent", got)
		}
	}
	want(1000, true)
	b.report(r, stats.Taken, 10)
	b.report(r, stats.Confirmed, 8)
	b.look(0) // eight more are not worth an offer
	b.report(r, stats.Confirmed, 2)
	b.look(1)
	want(1500, true)
	if e := b.last("rollout.widen"); e.Details["percent"] != "15" || e.Details["phase"] != "running" {
		t.Errorf("%+v", e)
	}
	b.clock = b.clock.Add(100 * time.Hour)
	b.look(0) // the day is over, and it was not for everybody
	want(1500, true)
	b.cap(10) // whoever was offered it still is
	_, err := b.PauseRollout(b.Context(), officer, b.app, r.Counter, "wait")
	b.check(err)
	_, err = b.SteerRollout(b.Context(), officer, b.app, r.Counter, service.SteerResume, "go on")
	b.check(err)
	want(1500, true)
	b.cap(20)
	w := b.reserve("1.1.0")
	w.release.Urgent = &trust.Urgent{Reason: "it leaks"}
	b.upload(w)
	b.sign(w)
	urgent, err := b.submit(w)
	b.check(err)
	if got := b.phase(urgent.Counter); got.Share != 1000 || !got.Capped || !got.Urgent {
		t.Errorf("urgent: %+v", got)
	}
	r = urgent
	_, err = b.SteerRollout(b.Context(), officer, b.app, r.Counter, service.SteerFinish, "it leaks now")
	b.check(err)
	want(sealift.Everybody, false)
}

// As many as the cap confirmed it, or no cap at all: the stage is for whom it is,
// and ends.
func TestBlastRadiusLetsGo(t *testing.T) {
	b := alone(t)
	b.devices(100)
	b.cap(30)
	b.setPlan(b.plan(`{"stages":[{"percent":50,"duration":"1h"},{"percent":100,"duration":"1h"}]}`))
	r := b.publish("1.0.0")
	if got := b.phase(r.Counter); got.Share != 3000 {
		t.Errorf("%+v", got)
	}
	b.report(r, stats.Taken, 30)
	b.report(r, stats.Confirmed, 20)
	b.look(1)
	if got := b.phase(r.Counter); got.Share != 5000 || got.Capped {
		t.Errorf("%+v", got)
	}
	b.clock = b.clock.Add(time.Hour)
	b.look(1)
	if got := b.phase(r.Counter); got.State.Stage != 1 || got.Share != 5000 || !got.Capped {
		t.Errorf("the last stage: %+v", got)
	}
	b.cap(0)
	b.look(1)
	if got := b.phase(r.Counter); got.Share != sealift.Everybody || got.State.Phase != rollout.Finished && got.Capped {
		t.Errorf("without a cap: %+v", got)
	}
}

// What takes devices back is not held up: they are on what is bad.
func TestBlastRadiusOfRollBack(t *testing.T) {
	b := alone(t)
	b.publish("1.0.0")
	b.publish("1.1.0")
	b.devices(100)
	b.cap(10)
	out := b.rollBack(back("1.0.0"))
	if got := b.phase(out.Draft.Release.Counter); got.Share != sealift.Everybody || got.Capped {
		t.Errorf("%+v", got)
	}
}
