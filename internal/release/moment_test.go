package release_test

import (
	"sync"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/service"
)

// together submits all of them at the same moment.
func (b *bench) together(all ...*work) (released []service.Release, errs []error) {
	released, errs = make([]service.Release, len(all)), make([]error, len(all))
	var wg sync.WaitGroup
	for _, w := range all {
		b.upload(w)
		b.sign(w)
	}
	for i, w := range all {
		wg.Go(func() { released[i], errs[i] = b.submit(w) })
	}
	wg.Wait()
	return released, errs
}

// Two publishers with the same version: one wins, and the other is told.
func TestSameVersionAtTheSameMoment(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	_, errs := b.together(b.reserve("1.0.0"), b.reserve("1.0.0"))
	wantRefusal(t, "the draft that another took the place of", errs[0], sealift.KindConflict, "draft")
	b.check(errs[1])
	if all := b.releases(); len(all) != 1 || all[0].Counter != 2 {
		t.Errorf("released %v, want counter 2 alone", all)
	}
	if got := b.offered(); len(got) != 1 || got[0] != b.releases()[0].Digest {
		t.Errorf("offered %v", got)
	}
}

// Two versions: whichever comes first, devices are offered the newer one, and what
// is not released was told so.
func TestTwoVersionsAtTheSameMoment(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	released, errs := b.together(b.reserve("1.0.0"), b.reserve("1.1.0"))
	b.check(errs[1])
	want := 2
	if errs[0] != nil { // it came second
		wantRefusal(t, "the older one, second", errs[0], sealift.KindVersion, "counter")
		want = 1
	}
	if all := b.releases(); len(all) != want {
		t.Errorf("released %v, want %d", all, want)
	}
	if got := b.offered(); len(got) == 0 || got[0] != released[1].Digest {
		t.Errorf("offered %v, want %v first", got, released[1].Digest)
	}
}

// Several people promote the same version: one wins, and the others are told.
func TestPromotedAtTheSameMoment(t *testing.T) {
	t.Parallel()
	b := newPromotion(t)
	b.publish("1.0.0")
	errs := make([]error, 4)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { _, errs[i] = b.promote("1.0.0") })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		wantRefusal(t, "another", err, sealift.KindConflict, "version")
	}
	if all := b.releases(); won != 1 || len(all) != 2 || all[0].Channel != "beta" || all[0].Counter != 2 {
		t.Errorf("%d won, and %+v is released", won, all)
	}
}
