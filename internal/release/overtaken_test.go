package release_test

import (
	"crypto"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/rollout"
	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust"
)

// bring brings a co-signer's signature to a draft that waits for it.
func (b *bench) bring(draft string, key crypto.Signer) (service.DraftDetail, error) {
	b.Helper()
	d, err := b.Draft(b.Context(), b.app, draft)
	b.check(err)
	signed, err := trust.ParseReleaseEnvelope(d.Envelope)
	b.check(err)
	more, err := trust.Sign(trust.ReleasePayloadType, signed.Payload, key)
	b.check(err)
	return b.Cosign(b.Context(), bob, b.app, draft, more)
}

// What a roll-back leads away from may be issued anew while people are asked: it is
// taken out of the offer under its new counter, too, and stays out.
func TestRollBackFromReissued(t *testing.T) {
	b := newBench(t)
	key := sealifttest.NewKey()
	b.demand(1, key)
	b.publishAs("1.0.0", nil, key)
	canary := b.publishAs("1.1.0", watched, key)
	asked := b.rollBack(back("1.0.0", "1.1.0"))
	if asked.Draft.Release != nil || len(asked.From) != 1 || asked.From[0].Counter != canary.Counter {
		t.Fatalf("asked %+v", asked)
	}
	b.publishAs("1.0.1", nil, key)
	_, err := b.bring(b.open()["1.1.0"].Reissue, key)
	b.check(err)
	again := b.open()["1.1.0"]
	if again.Counter <= canary.Counter {
		t.Fatalf("it was not issued anew: %+v", again)
	}
	_, err = b.bring(asked.Draft.ID, key)
	b.check(err)
	b.wantOffer("1.0.1", "1.0.0")
	if p := b.phase(again.Counter); p.State.Phase != rollout.Withdrawn {
		t.Errorf("the re-issue is %s", p.State.Phase)
	}
	_, err = b.SteerRollout(b.Context(), officer, b.app, again.Counter, service.SteerReinstate, "it is good")
	wantRefusal(t, "offering it again", err, sealift.KindConflict, "rolled-back")
}

// What was stopped where it was tested while people were asked about its promotion is
// not promoted by what they said before; what was issued anew there is.
func TestPromoteOfStopped(t *testing.T) {
	b := newPromotion(t)
	key := sealifttest.NewKey()
	b.demand(1, key)
	b.publishAs("1.0.0", nil, key)
	tested := b.publishAs("1.1.0", watched, key)
	d, err := b.promote("1.1.0")
	b.check(err)
	if d.Release != nil {
		t.Fatalf("it waits for nobody: %+v", d)
	}
	for what, stop := range map[string]func() error{
		"paused": func() error {
			_, err := b.PauseRollout(b.Context(), officer, b.app, tested.Counter, "it crashes")
			return err
		},
		"withdrawn": func() error { b.withdraw(tested.Counter); return nil },
	} {
		b.check(stop())
		_, err = b.bring(d.ID, key)
		wantRefusal(t, what, err, sealift.KindConflict, "phase")
		if waits := b.pending(); len(waits) != 1 || waits[0].Problem == "" {
			t.Errorf("%s: whoever looks sees %+v", what, waits)
		}
		again := service.SteerResume
		if what == "withdrawn" {
			again = service.SteerReinstate
		}
		_, err := b.SteerRollout(b.Context(), officer, b.app, tested.Counter, again, "it does not")
		b.check(err)
	}
	b.publishAs("1.0.1", nil, key)
	_, err = b.bring(b.open()["1.1.0"].Reissue, key)
	b.check(err)
	d, err = b.bring(d.ID, key)
	if err != nil || d.Release == nil {
		t.Errorf("what goes on under another counter: %+v, %v", d, err)
	}
}

// What devices refuse by now where it was tested is not promoted either.
func TestPromoteOfRevoked(t *testing.T) {
	b := newPromotion(t)
	key := sealifttest.NewKey()
	b.demand(1, key)
	tested := b.publishAs("1.0.0", nil, key)
	d, err := b.promote("1.0.0")
	b.check(err)
	b.deny(service.NewDenial{Kind: service.DenyRelease, App: b.app, Release: service.Which{Counter: tested.Counter}})
	_, err = b.bring(d.ID, key)
	wantRefusal(t, "revoked", err, sealift.KindChain, "revoked")
}

// A roll-back past its end is in no offer that is made from then on, also before the
// hour in which it is ended.
func TestEndedRollBackIsNotOffered(t *testing.T) {
	b := newBench(t)
	b.publish("1.0.0")
	b.publish("1.1.0")
	b.rollBack(back("1.0.0"))
	b.wantOffer("1.0.0", "1.0.0")
	b.clock = b.clock.Add(sealift.RollbackLife + time.Second)
	b.publishAs("1.2.0", watched)
	b.wantOffer("1.2.0", "1.0.0")
}

// A version that devices went back to is promoted as the release that it is, also when
// the roll-back to it has ended.
func TestPromoteAfterEndedRollBack(t *testing.T) {
	b := newPromotion(t)
	first := b.publish("1.0.0")
	b.publish("1.1.0")
	b.rollBack(back("1.0.0"))
	b.clock = b.clock.Add(sealift.RollbackLife + time.Second)
	b.settle()
	d, err := b.promote("1.0.0")
	b.check(err)
	if e := b.last("release.author"); d.Release == nil || e.Details["source"] != "sha256:"+first.Digest.String() {
		t.Errorf("promoted %+v, of %s", d, e.Details["source"])
	}
}

// Nobody gives a canary to everybody by changing its row while its re-issue waits: the
// roll-out of that goes on from what the vault wrote.
func TestWaitingReissueBySQL(t *testing.T) {
	b := newBench(t)
	key := sealifttest.NewKey()
	b.demand(1, key)
	b.publishAs("1.0.0", nil, key)
	canary := b.publishAs("1.1.0", watched, key)
	b.publishAs("1.0.1", nil, key)
	waits := b.open()["1.1.0"].Reissue
	b.sql("UPDATE rollouts SET share = 10000 WHERE app = ? AND counter = ?", string(b.app), int64(canary.Counter))
	_, err := b.bring(waits, key)
	wantRefusal(t, "a share by SQL", err, sealift.KindDenied, vault.ReasonForged)
	if share := b.offer()[0].Share; share != 100 {
		t.Errorf("it is for %s percent", share)
	}
}

// What was issued anew where it was tested, and stopped then, is not let go on by SQL.
func TestPromoteOfReissuedBySQL(t *testing.T) {
	b := newPromotion(t)
	key := sealifttest.NewKey()
	b.demand(1, key)
	b.publishAs("1.0.0", nil, key)
	b.publishAs("1.1.0", watched, key)
	d, err := b.promote("1.1.0")
	b.check(err)
	b.publishAs("1.0.1", nil, key)
	_, err = b.bring(b.open()["1.1.0"].Reissue, key)
	b.check(err)
	again := b.open()["1.1.0"].Counter
	_, err = b.PauseRollout(b.Context(), officer, b.app, again, "it crashes")
	b.check(err)
	_, err = b.bring(d.ID, key)
	wantRefusal(t, "what is stopped under another counter", err, sealift.KindConflict, "phase")
	b.sql("UPDATE rollouts SET phase = 'running' WHERE app = ? AND counter = ?", string(b.app), int64(again))
	_, err = b.bring(d.ID, key)
	wantRefusal(t, "what SQL resumed", err, sealift.KindDenied, vault.ReasonForged)
}

// What devices go back to has the archive that people approved.
func TestRollBackToAnotherArchive(t *testing.T) {
	b := newBench(t)
	key := sealifttest.NewKey()
	b.demand(1, key)
	good := b.publishAs("1.0.0", nil, key)
	b.publishAs("1.1.0", nil, key)
	asked := b.rollBack(back("1.0.0"))
	other := sealift.DigestOf([]byte("another archive"))
	b.sql("UPDATE releases SET archive = ? WHERE app = ? AND counter = ?", other[:], string(b.app), int64(good.Counter))
	_, err := b.bring(asked.Draft.ID, key)
	wantRefusal(t, "another one", err, sealift.KindIntegrity, "archive")
}

// Of which release a promotion was made is the vault's word, or SQL would name another one
// in the place of what was stopped.
func TestPromoteSourceBySQL(t *testing.T) {
	b := newPromotion(t)
	key := sealifttest.NewKey()
	b.demand(1, key)
	good := b.publishAs("1.0.0", nil, key)
	tested := b.publishAs("1.1.0", nil, key)
	d, err := b.promote("1.1.0")
	b.check(err)
	b.withdraw(tested.Counter)
	b.sql("UPDATE drafts SET source = ? WHERE id = ?", good.Digest[:], d.ID)
	signed, err := trust.ParseReleaseEnvelope(d.Envelope)
	b.check(err)
	more, err := trust.Sign(trust.ReleasePayloadType, signed.Payload, key)
	b.check(err)
	_, err = b.Cosign(b.Context(), bob, b.app, d.ID, more)
	wantRefusal(t, "another source", err, sealift.KindDenied, vault.ReasonForged)
}
