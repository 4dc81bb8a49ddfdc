package release_test

import (
	"crypto"
	"strings"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/release"
	"github.com/sealift/sealift/internal/stats"
	"github.com/sealift/sealift/rollout"
	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust"
)

// goingBack is a reservation whose plan prepares the way back at a halt.
func goingBack(r *service.Reservation) {
	plan := rollout.AtOnce()
	plan.Halt.Then = rollout.GoBack
	r.Plan = &plan
}

// failing has so many devices take a release that it is halted.
func (b *bench) failing(r service.Release) {
	b.report(r, stats.Taken, 20)
	b.report(r, stats.Outcome(rollout.RolledBack), 10)
}

// publishAs publishes what a reservation says, and a co-signer signs where there is one.
func (b *bench) publishAs(version sealift.Version, change func(*service.Reservation), keys ...crypto.Signer) service.Release {
	b.Helper()
	w := b.reserveWith(version, change)
	b.upload(w)
	b.sign(w)
	d, err := b.Submit(b.Context(), alice, b.app, w.draft.ID, w.what)
	if err == nil && len(keys) > 0 {
		d, err = b.cosign(w, keys...)
	}
	b.check(err)
	return *d.Release
}

// A halt prepares the way back where the plan says so, by itself, and people decide.
func TestHaltGoesBack(t *testing.T) {
	b := alone(t)
	key := sealifttest.NewKey()
	b.demand(1, key)
	b.publishAs("1.0.0", nil, key)
	bad := b.publishAs("1.1.0", goingBack, key)
	b.failing(bad)
	done, err := b.Look(b.Context())
	b.check(err)
	if len(done) != 1 || done[0].Phase != rollout.Halted || !strings.Contains(done[0].What, "the roll-back to 1.0.0, draft ") {
		t.Errorf("it did %+v", done)
	}
	b.wantOffer("1.0.0")
	list := b.pending()
	if len(list) != 1 || list[0].Requester != access.Machine || list[0].Rollback == nil || len(list[0].Rollback.From) != 1 || list[0].Rollback.From[0] != bad.Digest ||
		!strings.HasPrefix(list[0].Rollback.Reason, "halted: 10 of 20 devices rolled-back") {
		t.Fatalf("pending: %+v", list)
	}
	if e := b.last("rollout.halt"); !strings.Contains(e.Details["rollback"], list[0].ID) {
		t.Errorf("%+v", e)
	}
	if e := b.last("release.author"); e.Actor != release.System("rollout") {
		t.Errorf("%+v", e)
	}
	b.look(0)
	d, err := b.Draft(b.Context(), b.app, list[0].ID)
	b.check(err)
	signed, err := trust.ParseReleaseEnvelope(d.Envelope)
	b.check(err)
	more, err := trust.Sign(trust.ReleasePayloadType, signed.Payload, key)
	b.check(err)
	_, err = b.Cosign(b.Context(), bob, b.app, d.ID, more)
	b.check(err)
	b.wantOffer("1.0.0", "1.0.0")
	if p := b.phase(bad.Counter); p.State.Phase != rollout.Withdrawn {
		t.Errorf("it is %s", p.State.Phase)
	}
}

// The way back leads to what everybody may take, and to no canary beside.
func TestHaltGoesBackToNoCanary(t *testing.T) {
	b := alone(t)
	key := sealifttest.NewKey()
	b.demand(1, key)
	b.publishAs("1.0.0", nil, key)
	b.publishAs("1.1.0", watched, key)
	b.failing(b.publishAs("1.2.0", goingBack, key))
	done, err := b.Look(b.Context())
	b.check(err)
	if len(done) != 1 || !strings.Contains(done[0].What, "the roll-back to 1.0.0, draft ") {
		t.Errorf("it did %+v", done)
	}
}

// Where nobody is asked, or there is nothing to go back to, the halt stands alone and
// the log says why.
func TestHaltWithoutWayBack(t *testing.T) {
	b := alone(t)
	first := b.publishAs("1.0.0", goingBack)
	b.failing(first)
	b.look(1)
	if e := b.last("rollout.halt"); !strings.Contains(e.Details["rollback"], "nothing before") {
		t.Errorf("%+v", e)
	}
	_, err := b.SteerRollout(b.Context(), officer, b.app, first.Counter, service.SteerResume, "it was the server")
	b.check(err)
	releases := len(b.releases()) + 1
	bad := b.publishAs("1.1.0", goingBack)
	b.failing(bad)
	b.look(1)
	if e := b.last("rollout.halt"); !strings.Contains(e.Details["rollback"], "nobody is asked about roll-backs") || !strings.Contains(e.Details["rollback"], "sealift rollback --app") {
		t.Errorf("%+v", e)
	}
	if p := b.phase(bad.Counter); p.State.Phase != rollout.Halted || len(b.releases()) != releases || len(b.pending()) != 0 {
		t.Errorf("it is %s, and %d are published", p.State.Phase, len(b.releases()))
	}
	b.wantOffer("1.0.0")
}
