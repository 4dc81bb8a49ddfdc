package installation_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/installation"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlite"
	"github.com/sealift/sealift/rollout"
)

// stages is a canary of half of the devices, then somebody's word.
const stages = `{"stages":[{"percent":50,"duration":"1h","gate":"approval"},{"percent":100,"duration":"1h"}]}`

// rollOut publishes a version with a plan of its own, or with the channel's.
func (b *bench) rollOut(version sealift.Version, plan string) api.Release {
	b.Helper()
	req := request(version)
	if plan != "" {
		req.Plan = []byte(plan)
	}
	r, err := b.publisher().Publish(b.Context(), req)
	b.check(err)
	return r
}

func (b *bench) rolledOut(r api.Release) api.Rollout {
	b.Helper()
	all, err := b.api.Rollouts(b.Context(), app, api.ListRolloutsParams{All: true})
	b.check(err)
	i := slices.IndexFunc(all, func(o api.Rollout) bool { return o.Counter == r.Counter })
	if i < 0 {
		b.Fatalf("%s has no roll-out", r.Version)
	}
	return all[i]
}

// released returns the newest release of a version.
func (b *bench) released(version string) api.Release {
	b.Helper()
	list, err := b.api.Releases(b.Context(), app, api.ListReleasesParams{Limit: 100})
	b.check(err)
	i := slices.IndexFunc(list.Releases, func(r api.Release) bool { return r.Version == version })
	if i < 0 {
		b.Fatalf("there is no %s", version)
	}
	return list.Releases[i]
}

func (b *bench) wantPhase(r api.Release, phase api.RolloutPhase, percent float64) {
	b.Helper()
	if got := b.rolledOut(r); got.Phase != phase || got.Percent != percent {
		b.Errorf("%s is %s at %g percent, want %s at %g", r.Version, got.Phase, got.Percent, phase, percent)
	}
}

func (b *bench) steer(r api.Release, do api.RolloutSteerDo) {
	b.Helper()
	_, err := b.api.SteerRollout(b.Context(), app, r.Counter, api.RolloutSteer{Do: do, Reason: "a story"})
	b.check(err)
}

// look lets the server look at its roll-outs, and wants it to do so many things.
func (b *bench) look(want int) (done []string) {
	b.Helper()
	moved, err := b.i.Releases.Look(b.Context())
	b.check(err)
	for _, m := range moved {
		done = append(done, m.What)
	}
	if len(done) != want {
		b.Errorf("it did %q, want %d", done, want)
	}
	return done
}

// canaries enrols devices until so many are among those that a release is offered to,
// and one at least is not.
func (b *bench) canaries(r api.Release, n int, enrol func() device, known ...device) (in, out []device) {
	b.Helper()
	salt := ""
	for _, c := range b.offered() {
		if uint64(c.Counter) == r.Counter {
			salt = c.Salt
		}
	}
	for i := 0; len(in) < n || len(out) < 1; i++ {
		if i > 100 {
			b.Fatal("a hundred devices, and none of them is where half are")
		}
		var d device
		if i < len(known) {
			d = known[i]
		} else {
			d = enrol()
		}
		if rollout.Bucket(salt, d.agent.ID()) < 5000 {
			in = append(in, d)
		} else {
			out = append(out, d)
		}
	}
	return in, out
}

// TestRolloutOnDevices: a canary reaches whom it is for and nobody else; people stop
// it, let it go on, into its next stage and to everybody. A broken one halts by
// what devices report, beside the hotfix that was published meanwhile.
func TestRolloutOnDevices(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.makeApp("web")
	old := b.rollOut("1.0.0", "")
	b.steer(old, api.RolloutSteerDoFinish)
	_, err := b.api.SetPlan(b.Context(), app, "production", api.Plan(stages))
	b.check(err)
	canary := b.rollOut("1.1.0", "")
	b.wantPhase(canary, api.RolloutPhaseRunning, 50)
	sick := map[string]bool{} // what a bundle says, on each device
	enrol := func() device {
		return b.deviceWith(func(_ context.Context, dir string) error {
			page, err := os.ReadFile(filepath.Join(dir, "index.html"))
			if err == nil && sick[string(page)] {
				err = errors.New("it does not start")
			}
			return err
		})
	}
	in, out := b.canaries(canary, 1, enrol)
	late := in[0]
	b.wantUpdate(out[0], "1.0.0")

	_, err = b.api.PauseRollout(b.Context(), app, canary.Counter, "let us see")
	b.check(err)
	b.wantUpdate(late, "1.0.0")
	b.look(0)
	b.steer(canary, api.RolloutSteerDoResume)
	b.wantUpdate(late, "1.1.0")
	b.wantUpdate(out[0], "1.0.0")
	late.report()
	b.later(time.Hour)
	if done := b.look(1); !strings.Contains(done[0], "waiting") {
		t.Errorf("it did %q", done)
	}
	b.wantPhase(canary, api.RolloutPhaseWaiting, 50)
	b.wantUpdate(out[0], "1.0.0")
	b.steer(canary, api.RolloutSteerDoApprove)
	b.wantPhase(canary, api.RolloutPhaseRunning, 100)
	b.wantUpdate(out[0], "1.1.0")
	b.steer(canary, api.RolloutSteerDoFinish)

	broken := b.rollOut("1.2.0", "")
	hotfix := b.rollOut("1.1.1", `{"stages":[{"percent":100,"duration":"1h"}]}`)
	b.wantPhase(broken, api.RolloutPhaseReissued, 0) // its counter was below the hotfix's
	broken = b.released("1.2.0")
	b.wantPhase(broken, api.RolloutPhaseRunning, 50)
	sick["<h1>1.2.0</h1>"] = true
	in, out = b.canaries(broken, 3, enrol, append(in, out...)...)
	for _, d := range in[:3] {
		if err := d.try(); sealift.KindOf(err) != sealift.KindRollback {
			t.Errorf("a device takes what does not start: %v", err)
		}
		d.report()
	}
	b.wantUpdate(out[0], "1.1.1")
	if done := b.look(1); !strings.Contains(done[0], "3 of 3 devices rolled-back") {
		t.Errorf("it did %q", done)
	}
	b.wantPhase(broken, api.RolloutPhaseHalted, 0)
	b.wantPhase(hotfix, api.RolloutPhaseRunning, 100)
	for _, d := range in {
		b.wantUpdate(d, "1.1.1") // also those that would have taken it
	}
}

// TestRestorePausesRollouts: what was rolled out at the time of the backup may have
// been stopped since, so it is offered to nobody until people have looked at it.
func TestRestorePausesRollouts(t *testing.T) {
	t.Parallel()
	d := newDrill(t)
	old := d.mustPublish("1.0.0")
	d.steer(old, api.RolloutSteerDoFinish)
	waits := d.rollOut("1.1.0", `{"stages":[{"percent":50,"duration":"0s","gate":"approval"},{"percent":100,"duration":"1h"}]}`)
	d.look(1)
	d.wantPhase(waits, api.RolloutPhaseWaiting, 50)
	runs := d.mustPublish("1.2.0")
	d.mustBackUp("a.backup")
	_, err := d.api.PauseRollout(d.Context(), app, runs.Counter, "it crashes")
	d.check(err)
	d.lose()
	got, err := installation.Restore(d.Context(), d.restoring("a.backup"))
	d.check(err)
	if want := []string{"com.acme.shop 1.1.0 of production on web, at 50 percent", "com.acme.shop 1.2.0 of production on web, at 100 percent"}; !slices.Equal(got.Rollouts, want) {
		t.Errorf("it says %q", got.Rollouts)
	}
	d.start()
	d.clock = d.clock.Add(25 * time.Hour)
	_, err = d.i.Releases.Look(d.Context()) // before the vault has gone on: 1.2.0 would be finished
	d.wantRefusal(err, sealift.KindConflict, "restoring")
	d.check(d.i.Fresh(d.Context()))
	d.wantPhase(old, api.RolloutPhaseFinished, 100)
	d.wantPhase(waits, api.RolloutPhasePaused, 0)
	d.wantPhase(runs, api.RolloutPhasePaused, 0)
	if offered := d.offered(); len(offered) != 1 || offered[0].Version != "1.0.0" {
		t.Errorf("offered %+v", offered)
	}
	page, err := d.api.Entries(d.Context(), api.ListEntriesParams{Limit: 10, Action: "rollout.pause"})
	d.check(err)
	if len(page.Entries) != 2 || page.Entries[0].Details["reason-given"] != "the vault was restored from a backup" || page.Entries[0].Actor.ID != "restore" {
		t.Errorf("%+v", page.Entries)
	}
	d.steer(runs, api.RolloutSteerDoResume)
	d.wantPhase(runs, api.RolloutPhaseRunning, 100)
}

// steererEnv makes this test binary one that stops and resumes a roll-out until it
// is killed: "DIR N" is where its installation is and the number of its first act.
const steererEnv = "SEALIFT_TEST_STEERER"

// runSteerer pauses the roll-out of counter 2 with every odd act and resumes it with every
// even one, and says on stdout what it begins and what is done.
func runSteerer(task string) error {
	ctx, by := context.Background(), access.Caller{Kind: access.CallerPerson, ID: "steerer", Role: access.RoleOwner}
	i, _, n, err := openVictim(ctx, task)
	if err != nil {
		return err
	}
	for ; ; n++ {
		fmt.Println("begins", n)
		if n%2 == 1 {
			_, err = i.Releases.PauseRollout(ctx, by, app, 2, "a drill")
		} else {
			_, err = i.Releases.SteerRollout(ctx, by, app, 2, service.SteerResume, "a drill")
		}
		if err != nil && sealift.ReasonOf(err) != "phase" { // it came through before the last kill
			return err
		}
		fmt.Println("published", n)
	}
}

// TestSteererKilled kills a process that stops a roll-out and lets it go on, at any
// moment. What was acknowledged stands, and what devices are offered is what it says.
func TestSteererKilled(t *testing.T) {
	b := newBench(t)
	b.makeApp("web")
	b.rollOut("1.0.1", "")
	b.rollOut("1.0.2", "")
	b.stop()
	tried, done := 1, 0
	window := 300 * time.Millisecond
	for kill := 0; kill < 5 || kill < 20 && done < 2; kill++ {
		before := done
		tried, done = b.killAs(steererEnv, tried, done, 50*time.Millisecond+rand.N(window))
		b.clock = time.Now()
		offered, phase := b.verifyWhole().newest(), b.phaseOf(2)
		act := done // the last one that came through
		if stopped := phase == rollout.Paused; stopped != (done%2 == 1) {
			act = tried
		}
		if (phase == rollout.Paused) != (act%2 == 1) || (offered == 2) != (phase == rollout.Running) || offered == 0 {
			t.Fatalf("kill %d: it is %s, and 1.0.%d is offered; act %d was acknowledged, %d begun", kill, phase, offered, done, tried)
		}
		if tried = act + 1; done == before {
			window += window / 2 // a busy machine needs longer
		}
	}
	if done < 2 {
		t.Errorf("it did %d things", done)
	}
	b.start() // for the end of the test
}

// phaseOf reads where a roll-out is, without a vault.
func (b *bench) phaseOf(counter sealift.Counter) (phase rollout.Phase) {
	b.Helper()
	b.stored(func(tx store.Tx) {
		row, err := tx.Rollout(b.Context(), app, counter)
		b.check(err)
		phase = rollout.Phase(row.Phase)
	})
	return phase
}

// stored reads what the database holds, without a vault.
func (b *bench) stored(read func(tx store.Tx)) {
	b.Helper()
	db, err := sqlite.Open(b.Context(), filepath.Join(b.dir, "data", "vault.db"))
	b.check(err)
	defer db.Close()
	b.check(db.View(b.Context(), func(tx store.Tx) error { read(tx); return nil }))
}
