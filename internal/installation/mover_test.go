package installation_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/rollout"
)

// moverEnv makes this test binary one that looks at its roll-outs, as the server does
// by itself, until it is killed: "DIR N" is where its installation is, and a number.
const moverEnv = "SEALIFT_TEST_MOVER"

// runMover says on stdout that it begins to look, and that what was due is done.
func runMover(task string) error {
	ctx := context.Background()
	i, _, n, err := openVictim(ctx, task)
	if err != nil {
		return err
	}
	for ; ; n++ {
		fmt.Println("begins", n)
		if _, err := i.Releases.Look(ctx); err != nil {
			return err
		}
		fmt.Println("published", n)
	}
}

// TestMoverKilled kills a process that halts a roll-out and moves another one a stage
// on, at any moment. Each is done or it is not: in its row, in the log and in what
// devices are offered; and what was due is done by the process that comes next.
func TestMoverKilled(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.makeApp("web")
	b.steer(b.rollOut("1.0.1", ""), api.RolloutSteerDoFinish)
	b.rollOut("1.0.2", `{"stages":[{"percent":100,"duration":"1h"}]}`)
	for range 3 {
		d := b.deviceWith(func(context.Context, string) error { return errors.New("it does not start") })
		if err := d.try(); sealift.KindOf(err) != sealift.KindRollback {
			t.Fatal(err)
		}
		d.report()
	}
	b.rollOut("1.0.3", `{"stages":[{"percent":1,"duration":"1s"},{"percent":100,"duration":"1h"}]}`)
	b.stop()
	due, window, inMidst, between, whole := b.dir, 100*time.Millisecond, 0, 0, 0
	for kill := 0; kill < 6 || kill < 20 && (whole == 0 || inMidst == 0); kill++ {
		b.dir = t.TempDir()
		b.check(os.CopyFS(b.dir, os.DirFS(due)))
		b.check(os.Chmod(filepath.Join(b.dir, "data"), 0o700)) // CopyFS keeps no modes
		_, done := b.killAs(moverEnv, 1, 0, rand.N(window))
		b.clock = time.Now()
		halted, moved := b.wantMoved(fmt.Sprint("kill ", kill))
		switch both := halted && moved; {
		case done > 0 && !both:
			t.Fatalf("kill %d: it was done, and is not: halted %t, moved %t", kill, halted, moved)
		case both:
			whole++
			window = max(window*2/3, 10*time.Millisecond)
			continue
		case halted || moved:
			between++
		}
		inMidst++
		window += window / 2
		b.start()
		_, err := b.i.Releases.Look(b.Context())
		b.check(err)
		b.stop()
		if halted, moved := b.wantMoved(fmt.Sprint("after kill ", kill)); !halted || !moved {
			t.Errorf("kill %d: what was due is never done: halted %t, moved %t", kill, halted, moved)
		}
	}
	t.Logf("killed %d times before all was done, %d of them between the two, and %d times after", inMidst, between, whole)
	if whole == 0 {
		t.Error("it was killed before it did anything")
	}
	b.start() // for the end of the test
}

// wantMoved verifies what is there, and says whether 1.0.2 was halted and 1.0.3 moved
// on. Log and offer must say the same.
func (b *bench) wantMoved(when string) (halted, moved bool) {
	b.Helper()
	offered, acts := b.verifyWhole(), map[string]int{}
	var want offer
	b.stored(func(tx store.Tx) {
		for _, counter := range []sealift.Counter{3, 2, 1} {
			row, err := tx.Rollout(b.Context(), app, counter)
			b.check(err)
			halted = halted || rollout.Phase(row.Phase) == rollout.Halted
			moved = moved || counter == 3 && row.Stage > 0
			ends := len(want) > 0 && want[len(want)-1].share == sealift.Everybody // nobody comes to what is below
			if rollout.Phase(row.Phase).Offered() && !ends {
				want = append(want, offeredTo{int(counter), row.Share})
			}
		}
		rows, err := tx.AuditEntries(b.Context(), 0, 1000)
		b.check(err)
		for _, row := range rows {
			if e, ok := audit.ParseEntry(row.Leaf); ok {
				acts[e.Action]++
			}
		}
	})
	if !slices.Equal(offered, want) {
		b.Errorf("%s: offered %v, and the rows say %v", when, offered, want)
	}
	for action, was := range map[string]bool{"rollout.halt": halted, "rollout.advance": moved} {
		if n := acts[action]; n > 1 || (n == 1) != was {
			b.Errorf("%s: %d entries of %s, done: %t", when, n, action, was)
		}
	}
	return halted, moved
}
