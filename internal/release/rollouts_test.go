package release_test

import (
	"slices"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/rollout"
	"github.com/sealift/sealift/trust"
)

// change changes the roll-out of a release as the vault does, and what is offered.
func (b *bench) change(counter sealift.Counter, change func(*store.Rollout)) {
	b.Helper()
	b.check(b.vault.Update(b.Context(), func(tx *vault.Tx) (err error) {
		r, err := tx.Rollout(b.Context(), b.app, counter)
		if err != nil {
			return err
		}
		old := r.MAC
		change(&r)
		if r.MAC, err = tx.Authenticate(r); err != nil {
			return err
		}
		if err := tx.UpdateRollout(b.Context(), r, old); err != nil {
			return err
		}
		return b.Offer(b.Context(), tx, r.Coordinates)
	}))
}

func (b *bench) offer() (all []trust.Candidate) {
	b.Helper()
	b.view(func(tx store.Tx) error {
		data, err := tx.Document(b.Context(), trust.OfferPath(b.app, "production", "web"))
		if err != nil {
			return err
		}
		offer, err := trust.ParseOffer(data, b.app, "production", "web")
		all = offer.Candidates
		return err
	})
	return all
}

func (b *bench) wantOffer(want ...sealift.Version) {
	b.Helper()
	var got []sealift.Version
	for _, c := range b.offer() {
		got = append(got, c.Version)
	}
	if !slices.Equal(got, want) {
		b.Errorf("offered %v, want %v", got, want)
	}
}

// What is offered follows from the roll-outs: a canary for its share, then what
// everybody may take, and nothing older; a hotfix of that beside the canary.
func TestCompose(t *testing.T) {
	b := newBench(t)
	b.publish("1.0.0")
	b.publish("1.1.0")
	b.wantOffer("1.1.0")
	canary := b.publish("1.2.0")
	b.change(canary.Counter, func(r *store.Rollout) { r.Share = 100 })
	b.publish("1.1.1")
	b.wantOffer("1.2.0", "1.1.1")
	if share := b.offer()[0].Share; share != 100 {
		t.Errorf("the canary is at %s percent", share)
	}
	salt := b.offer()[0].Salt
	b.publish("1.1.2")
	b.wantOffer("1.2.0", "1.1.2")
	if again := b.offer()[0].Salt; again != salt {
		t.Errorf("the canary's salt was %s, and is %s", salt, again)
	}
	canary.Counter = b.offer()[0].Counter // it was issued anew, above the hotfix

	for _, phase := range []rollout.Phase{rollout.Paused, rollout.Halted, rollout.Aborted} {
		b.change(canary.Counter, func(r *store.Rollout) { r.Phase = string(phase) })
		b.wantOffer("1.1.2")
	}
	b.change(canary.Counter, func(r *store.Rollout) { r.Phase = string(rollout.Waiting) })
	b.wantOffer("1.2.0", "1.1.2")
	hotfix := b.counterOf("1.1.2")
	b.change(hotfix, func(r *store.Rollout) { r.Phase = string(rollout.Aborted) })
	b.wantOffer("1.2.0", "1.1.1")
	b.change(canary.Counter, func(r *store.Rollout) { r.Phase = string(rollout.Withdrawn) })
	b.change(hotfix, func(r *store.Rollout) { r.Phase = string(rollout.Finished) })
	b.wantOffer("1.1.2")
	for _, version := range []sealift.Version{"1.1.1", "1.1.0", "1.0.0"} {
		b.change(b.counterOf(version), func(r *store.Rollout) { r.Phase = string(rollout.Aborted) })
	}
	b.change(hotfix, func(r *store.Rollout) { r.Share = 9999 })
	b.wantOffer("1.1.2") // an offer may end below 100 percent
	b.change(hotfix, func(r *store.Rollout) { r.Phase = string(rollout.Paused) })
	b.wantOffer()
}

func (b *bench) counterOf(version sealift.Version) sealift.Counter {
	for _, r := range b.releases() {
		if r.Version == version {
			return r.Counter
		}
	}
	b.Fatalf("there is no %s", version)
	return 0
}

// What everybody may take is not followed by something older, and is said to
// whoever publishes that.
func TestNotNewerThanEverybody(t *testing.T) {
	b := newBench(t)
	b.publish("1.1.0")
	w := b.reserve("1.0.9")
	b.upload(w)
	b.sign(w)
	_, err := b.submit(w)
	wantRefusal(t, "older", err, sealift.KindVersion, "not-newer")
	b.wantOffer("1.1.0")
}

// Nobody gives a release to everybody by SQL, or takes its roll-out away.
func TestRolloutBySQL(t *testing.T) {
	b := newBench(t)
	r := b.publish("1.0.0")
	b.change(r.Counter, func(r *store.Rollout) { r.Share = 100 })
	put := func(change func(*store.Rollout)) {
		b.check(b.store.Update(b.Context(), func(tx store.Tx) error {
			row, err := tx.Rollout(b.Context(), b.app, r.Counter)
			if err != nil {
				return err
			}
			change(&row)
			return tx.UpdateRollout(b.Context(), row, row.MAC)
		}))
	}
	put(func(r *store.Rollout) { r.Share = sealift.Everybody })
	w := b.reserve("1.1.0")
	b.upload(w)
	b.sign(w)
	_, err := b.submit(w)
	wantRefusal(t, "a share by SQL", err, sealift.KindDenied, vault.ReasonForged)
	put(func(r *store.Rollout) { r.Share = 100 })
	_, err = b.submit(w)
	b.check(err)
	b.wantOffer("1.1.0")
}
