package release_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/service"
)

// However many canaries somebody publishes, what everybody may take and the way back
// stay in the offer, and so do the canaries that were there before: whoever comes too
// late is told.
func TestOfferHasRoom(t *testing.T) {
	b := newBench(t)
	b.publish("1.0.0")
	b.publish("1.1.0")
	first := b.publishAs("1.9.0", watched)
	rolled := b.rollBack(back("1.0.0", "1.1.0")).Draft.Release
	const room = sealift.MaxCandidates - 3
	b.clock = b.clock.Add(time.Minute)
	for i := range room {
		b.publishAs(sealift.Version(fmt.Sprintf("2.0.%d", i)), watched)
	}
	w := b.reserveWith("2.1.0", watched)
	b.upload(w)
	b.sign(w)
	_, err := b.submit(w)
	wantRefusal(t, "one too many", err, sealift.KindExhausted, "room")
	there := func(what string, counter sealift.Counter) {
		t.Helper()
		for _, c := range b.offer() {
			if c.Counter == counter {
				return
			}
		}
		t.Errorf("%s: counter %d is not offered", what, counter)
	}
	there("the first canary", first.Counter)
	there("the way back", rolled.Counter)
	there("what everybody may take", b.releaseAt("1.0.0", sealift.ActRelease).Counter)
	// A hotfix for everybody takes the place of the canary that came last; the others
	// are issued anew above it, in their places.
	hotfix := b.publish("1.1.1")
	there("the hotfix", hotfix.Counter)
	there("the way back, behind a hotfix", rolled.Counter)
	if n := len(b.offer()); n != sealift.MaxCandidates {
		t.Errorf("%d are offered", n)
	}
	there("the first canary, issued anew", b.open()["1.9.0"].Counter)
}

// Nor does anybody crowd the others out by releases that are each for everybody of
// another range of runtimes. The way back has a place all the same.
func TestOfferHasRoomForRuntimes(t *testing.T) {
	b := newBench(t)
	b.publish("1.0.0")
	b.publish("1.1.0")
	b.clock = b.clock.Add(time.Minute)
	strange := func(i int) *work {
		want := b.reservation(sealift.Version(fmt.Sprintf("2.0.%d", i)))
		want.Runtime = sealift.RuntimeRange(fmt.Sprintf(">=9.%d.0 <9.%d.0", i, i+1))
		return b.reserveAs(want)
	}
	for i := range sealift.MaxCandidates - 1 {
		b.finish(strange(i))
	}
	w := strange(sealift.MaxCandidates)
	b.upload(w)
	b.sign(w)
	_, err := b.submit(w)
	wantRefusal(t, "one too many", err, sealift.KindExhausted, "room")
	rolled := b.rollBack(back("1.0.0", "1.1.0")).Draft.Release
	all := b.offer()
	if last := all[len(all)-2:]; last[0].Counter != rolled.Counter || last[1].Version != "1.0.0" || len(last[1].From) != 0 {
		t.Errorf("behind all others are %+v", last)
	}
}

func (b *bench) releaseAt(version sealift.Version, act sealift.Act) service.Release {
	b.Helper()
	for _, r := range b.releases() {
		if r.Version == version && r.Act == act {
			return r
		}
	}
	b.Fatalf("there is no %s", version)
	return service.Release{}
}
