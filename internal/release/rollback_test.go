package release_test

import (
	"crypto"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/release"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/rollout"
	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust"
)

func back(to sealift.Version, from ...sealift.Version) service.NewRollback {
	return service.NewRollback{Channel: "production", To: to, From: from, Life: sealift.RollbackLife, Reason: "white screen"}
}

func (b *bench) rollBack(want service.NewRollback) service.RolledBack {
	b.Helper()
	out, err := b.RollBack(b.Context(), alice, b.app, want)
	b.check(err)
	return out
}

// signed returns what a release signs.
func (b *bench) signed(r service.Release) *trust.Release {
	b.Helper()
	detail, err := b.Release(b.Context(), b.app, service.Which{Digest: r.Digest})
	b.check(err)
	file, err := trust.ParseReleaseFile(detail.File)
	b.check(err)
	signed, err := trust.ParseRelease(file.Payload())
	b.check(err)
	return signed
}

// A roll-back is the older archive under the next counter, for those that run what
// is newer; that is withdrawn at once, and what was before stands beside it.
func TestRollBack(t *testing.T) {
	b := newBench(t)
	w := b.reserve("1.0.0")
	old := b.finish(w)
	bad := b.publish("1.1.0")
	worse := b.publish("1.2.0")
	out := b.rollBack(back("1.0.0"))
	r := out.Draft.Release
	if r == nil {
		t.Fatalf("it waits for %v", out.Draft.Missing)
	}
	if r.Act != sealift.ActRollback || r.Version != "1.0.0" || r.Counter <= worse.Counter || r.Archive != old.Archive || r.Blob != old.Blob {
		t.Errorf("rolled back to %+v", r)
	}
	end := trust.At(b.clock.Add(sealift.RollbackLife))
	want := []sealift.Digest{worse.Digest, bad.Digest}
	if got := r.Rollback; got == nil || !slices.Equal(got.From, want) || !got.NotAfter.Equal(end.Time) || got.Reason != "white screen" {
		t.Errorf("it goes back from %+v", got)
	}
	if len(out.From) != 2 || out.From[0].Version != "1.2.0" || out.Left != 0 {
		t.Errorf("told %+v", out)
	}
	key, err := b.ContentKey(b.Context(), alice, b.signed(*r))
	if err != nil || key != w.key {
		t.Errorf("the content key is another: %v", err)
	}
	b.wantOffer("1.0.0", "1.0.0")
	if got := b.offer()[0]; got.Counter != r.Counter || !slices.Equal(got.From, want) || got.Share != sealift.Everybody {
		t.Errorf("the offer says %+v", got)
	}
	for _, gone := range []service.Release{bad, worse} {
		if p := b.phase(gone.Counter); p.State.Phase != rollout.Withdrawn {
			t.Errorf("%s is %s", gone.Version, p.State.Phase)
		}
	}
	if e := b.last("rollout.withdraw"); e.Actor.ID != alice.ID || e.Details["rolled-back-to"] != "1.0.0" || e.Details["reason-given"] != "white screen" {
		t.Errorf("%+v", e)
	}
	if e := b.last("release.publish"); e.Details["from"] != "sha256:"+worse.Digest.String() || e.Details["from-2"] != "sha256:"+bad.Digest.String() || e.Details["reason-given"] != "white screen" {
		t.Errorf("%+v", e)
	}
	if e := b.last("release.author"); e.Details["leaf"] != "made by the vault" || e.Details["source"] != "sha256:"+old.Digest.String() {
		t.Errorf("%+v", e)
	}

	// It stands beside what is published next, also under what it leads away from,
	// until it ends.
	b.publish("1.0.1")
	b.wantOffer("1.0.1", "1.0.0")
	b.publish("1.3.0")
	b.wantOffer("1.3.0", "1.0.0")
	b.settle()
	b.wantOffer("1.3.0", "1.0.0")
	b.clock = b.clock.Add(sealift.RollbackLife + time.Second)
	b.settle()
	b.wantOffer("1.3.0")
	if p := b.phase(r.Counter); p.State.Phase != rollout.Aborted {
		t.Errorf("the roll-back is %s", p.State.Phase)
	}
	if e := b.last("rollout.end"); e.Actor != release.System("rollout") || e.Details["phase"] != "aborted" {
		t.Errorf("%+v", e)
	}
}

// Only what is named is led away from, and every release of it, whoever made it.
func TestRollBackFrom(t *testing.T) {
	b := newBench(t)
	b.publish("1.0.0")
	b.publish("1.1.0")
	bad := b.publish("1.2.0")
	out := b.rollBack(back("1.1.0", "1.2.0"))
	if len(out.From) != 1 || out.From[0].Digest != bad.Digest {
		t.Errorf("%+v", out.From)
	}
	b.wantOffer("1.1.0", "1.1.0")
	// Who went back runs a release of its own, which the next one names too.
	again := b.rollBack(back("1.0.0"))
	if got := again.From; len(got) != 3 || got[0].Counter != out.Draft.Counter || got[1].Digest != bad.Digest || got[2].Version != "1.1.0" {
		t.Errorf("%+v", got)
	}
	b.wantOffer("1.0.0", "1.0.0")
	if p := b.phase(out.Draft.Counter); p.State.Phase != rollout.Withdrawn {
		t.Errorf("the first roll-back is %s", p.State.Phase)
	}
}

func TestRollBackRefusals(t *testing.T) {
	b := newBench(t)
	for _, v := range []sealift.Version{"1.0.0", "1.1.0", "1.2.0", "1.3.0"} {
		b.publish(v)
	}
	b.publishFor("1.2.0", "ios", sealift.AnyRuntime)
	refused := func(what string, want service.NewRollback, kind sealift.Kind, reason string) {
		t.Helper()
		want.Platform = "web"
		releases, offer := len(b.releases()), b.offered()
		_, err := b.RollBack(b.Context(), alice, b.app, want)
		wantRefusal(t, what, err, kind, reason)
		if sealift.HintOf(err) == "" {
			t.Errorf("%s: %v, and no hint", what, err)
		}
		if e := b.last("release.rollback"); e.Result != audit.Refused || e.Details["reason"] != reason || e.Details["reason-given"] != "white screen" {
			t.Errorf("%s: the log says %+v", what, e)
		}
		if len(b.releases()) != releases || len(b.pending()) != 0 || !slices.Equal(b.offered(), offer) {
			t.Errorf("%s: something was done all the same", what)
		}
	}
	refused("what is not published", back("0.9.0"), sealift.KindNotFound, "release")
	refused("to the newest", back("1.3.0"), sealift.KindConflict, "newest")
	refused("from what is older", back("1.1.0", "1.0.0"), sealift.KindInvalid, "from")
	refused("from itself", back("1.1.0", "1.1.0"), sealift.KindInvalid, "from")
	refused("from nothing", back("1.1.0", "1.9.0"), sealift.KindInvalid, "from")
	for _, life := range []time.Duration{0, time.Minute, sealift.MaxRollbackLife + 1, -time.Hour} {
		want := back("1.1.0")
		want.Life = life
		refused(fmt.Sprint("for ", life), want, sealift.KindInvalid, "life")
	}
	elsewhere := back("1.1.0")
	elsewhere.Channel = "nowhere"
	refused("on no channel", elsewhere, sealift.KindNotFound, "channel")

	_, err := b.RollBack(b.Context(), alice, b.app, back("1.2.0"))
	wantRefusal(t, "two platforms", err, sealift.KindConflict, "ambiguous")

	b.withdraw(b.counterOf("1.2.0"))
	_, err = b.PauseRollout(b.Context(), officer, b.app, b.counterOfRow("1.0.0"), "wait")
	b.check(err)
	refused("to what is paused", back("1.0.0"), sealift.KindConflict, "phase")
	d := b.deny(service.NewDenial{Kind: service.DenyRelease, App: b.app, Release: service.Which{Version: "1.1.0"}})
	refused("to what is revoked", back("1.1.0"), sealift.KindChain, "revoked")
	b.lift(d)
	b.deny(service.NewDenial{Kind: service.DenyFloor, App: b.app, Version: "1.2.0"})
	refused("under the floor", back("1.1.0"), sealift.KindVersion, "floor")
}

// Whoever names a version that devices cannot go back to is told what is wrong with it,
// and which there are.
func TestRollBackHints(t *testing.T) {
	b := newBench(t)
	_, err := b.CreateChannel(b.Context(), alice, b.app, "beta")
	b.check(err)
	for _, v := range []sealift.Version{"1.0.0", "1.1.0", "1.2.0", "1.3.0"} {
		b.publish(v)
	}
	refused := func(to sealift.Version, reason, says, hint string) {
		t.Helper()
		_, err := b.RollBack(b.Context(), alice, b.app, back(to))
		wantRefusal(t, string(to), err, sealift.KindOf(err), reason)
		if !strings.Contains(err.Error(), says) || !strings.HasPrefix(sealift.HintOf(err), hint) {
			t.Errorf("to %s: %v, hint %q", to, err, sealift.HintOf(err))
		}
	}
	refused("1.3.0", "newest", "nothing newer than version 1.3.0 is published", "devices can go back to 1.2.0, 1.1.0, 1.0.0; see what is with: sealift release list")
	refused("9.9.9", "release", "no version 9.9.9 is published in channel production", "devices can go back to 1.2.0, 1.1.0, 1.0.0; ")
	b.withdraw(b.counterOfRow("1.2.0"))
	refused("1.2.0", "phase", "/production/web 1.2.0 is withdrawn", "devices can go back to 1.1.0, 1.0.0; see why")
	denied := b.deny(service.NewDenial{Kind: service.DenyRelease, App: b.app, Release: service.Which{Version: "1.0.0"}})
	refused("1.0.0", "revoked", "judging the release as its devices do", "devices can go back to 1.1.0; ")
	b.lift(denied)
	b.deny(service.NewDenial{Kind: service.DenyFloor, App: b.app, Version: "1.1.0"})
	refused("1.0.0", "floor", "is under the floor of 1.1.0", "devices can go back to 1.1.0; ")
	beta := back("1.1.0")
	beta.Channel = "beta"
	_, err = b.RollBack(b.Context(), alice, b.app, beta)
	wantRefusal(t, "of another channel", err, sealift.KindNotFound, "release")
	if !strings.Contains(err.Error(), "no version 1.1.0 is published in channel beta, though in channel production for web") || !strings.HasPrefix(sealift.HintOf(err), "there is no version that devices can go back to; publish a mended one") {
		t.Errorf("%v, hint %q", err, sealift.HintOf(err))
	}
	key := sealifttest.NewKey()
	b.demand(1, key)
	b.waiting("1.4.0")
	refused("1.4.0", "unapproved", "nobody has approved it", "there is no version") // co-signers were added since: no older release has their signature
}

// publishSigned takes a version all the way that a co-signer signs.
func (b *bench) publishSigned(version sealift.Version, key crypto.Signer) service.Release {
	b.Helper()
	d, err := b.cosign(b.waiting(version), key)
	b.check(err)
	return *d.Release
}

// People may take days: what it goes back to may be withdrawn by then, and then
// nobody is led there.
func TestRollBackWaits(t *testing.T) {
	b := newBench(t)
	key := sealifttest.NewKey()
	b.demand(1, key)
	old, bad := b.publishSigned("1.0.0", key), b.publishSigned("1.1.0", key)
	out := b.rollBack(back("1.0.0"))
	if out.Draft.Release != nil || len(out.Draft.Missing) != 1 {
		t.Fatalf("%+v", out.Draft)
	}
	b.wantOffer("1.1.0") // nothing happens before
	_, err := b.RollBack(b.Context(), alice, b.app, back("1.0.0"))
	wantRefusal(t, "twice", err, sealift.KindConflict, "waiting")
	cosign := func() (service.DraftDetail, error) {
		d, err := b.Draft(b.Context(), b.app, out.Draft.ID)
		b.check(err)
		signed, err := trust.ParseReleaseEnvelope(d.Envelope)
		b.check(err)
		more, err := trust.Sign(trust.ReleasePayloadType, signed.Payload, []crypto.Signer{key}...)
		b.check(err)
		return b.Cosign(b.Context(), bob, b.app, d.ID, more)
	}
	b.withdraw(old.Counter)
	if got := b.pending(); len(got) != 1 || got[0].Problem == "" || got[0].Rollback == nil || got[0].Rollback.Reason != "white screen" {
		t.Errorf("pending: %+v", got)
	}
	_, err = cosign()
	wantRefusal(t, "to what was withdrawn meanwhile", err, sealift.KindConflict, "phase")
	_, err = b.SteerRollout(b.Context(), officer, b.app, old.Counter, service.SteerReinstate, "it was another")
	b.check(err)
	b.wantOffer("1.1.0")
	d, err := cosign()
	b.check(err)
	if d.Release == nil || d.Release.Act != sealift.ActRollback {
		t.Fatalf("%+v", d)
	}
	b.wantOffer("1.0.0", "1.0.0")

	// What it leads away from is not offered again beside it.
	reinstate := func() error {
		_, err := b.SteerRollout(b.Context(), officer, b.app, bad.Counter, service.SteerReinstate, "it was the server")
		return err
	}
	wantRefusal(t, "back and forth", reinstate(), sealift.KindConflict, "rolled-back")
	b.withdraw(d.Counter)
	b.wantOffer("1.0.0")
	b.check(reinstate())
}

// An approval is for a while: a roll-back that ends before everybody has agreed is
// none.
func TestRollBackTooLate(t *testing.T) {
	b := newBench(t)
	key := sealifttest.NewKey()
	b.demand(1, key)
	b.publishSigned("1.0.0", key)
	b.publishSigned("1.1.0", key)
	want := back("1.0.0")
	want.Life = sealift.MinRollbackLife
	b.rollBack(want)
	b.clock = b.clock.Add(sealift.MinRollbackLife + time.Second)
	if got := b.pending(); len(got) != 1 || got[0].Problem == "" {
		t.Errorf("pending: %+v", got)
	}
}

// bent returns a release's file that says something else, which nobody certified.
func (b *bench) bent(file []byte, bend func(*trust.Release)) []byte {
	b.Helper()
	parsed, err := trust.ParseReleaseFile(file)
	b.check(err)
	signed, err := trust.ParseRelease(parsed.Payload())
	b.check(err)
	bend(signed)
	payload, err := signed.Encode()
	b.check(err)
	envelope, err := trust.Sign(trust.ReleasePayloadType, payload, sealifttest.NewKey())
	b.check(err)
	again, err := trust.ParseReleaseEnvelope(envelope)
	b.check(err)
	out, err := trust.AssembleRelease(again, parsed.Leaf())
	b.check(err)
	return out
}

// A roll-back names as many releases as it has room for, the newest, and says how
// many it leaves.
func TestRollBackFromMany(t *testing.T) {
	b := newBench(t)
	b.publish("1.0.0")
	r := b.publish("1.1.0")
	const more = sealift.MaxRollbackFrom + 5
	b.check(b.store.Update(b.Context(), func(tx store.Tx) error {
		row, err := tx.Release(b.Context(), b.app, r.Digest)
		b.check(err)
		for i := range more - 1 {
			row.Act, row.Counter = sealift.ActReissue, r.Counter+1+sealift.Counter(i)
			row.File = b.bent(row.File, func(r *trust.Release) { r.Act, r.Counter = row.Act, row.Counter })
			row.Digest = sealift.DigestOf(row.File)
			b.check(tx.InsertRelease(b.Context(), row))
		}
		return tx.RaiseCounter(b.Context(), b.app, r.Counter+more)
	}))
	out := b.rollBack(back("1.0.0"))
	if len(out.From) != sealift.MaxRollbackFrom || out.Left != 5 || out.From[0].Counter != r.Counter+more-1 {
		t.Errorf("%d named, %d left", len(out.From), out.Left)
	}
}
