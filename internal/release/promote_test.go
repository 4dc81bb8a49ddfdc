package release_test

import (
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/rollout"
	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust"
)

// publishFor publishes a version for a platform and a runtime.
func (b *bench) publishFor(version sealift.Version, platform sealift.Platform, runtime sealift.RuntimeRange) service.Release {
	b.Helper()
	want := b.reservation(version)
	want.Platform, want.Runtime = platform, runtime
	return b.finish(b.reserveAs(want))
}

// TestPromoteAll: a version goes on with all its platforms and runtimes, and what
// comes later follows; or one platform alone does.
func TestPromoteAll(t *testing.T) {
	b := newPromotion(t)
	old := b.publishFor("1.0.0", "ios", "<2.0.0")
	young := b.publishFor("1.0.0", "ios", ">=2.0.0")
	web := b.publish("1.0.0")
	want := service.Promotion{From: "production", To: "beta", Version: "1.0.0", Platform: "ios"}
	out, err := b.Promote(b.Context(), alice, b.app, want)
	b.check(err)
	if len(out.Drafts) != 2 || len(out.Already) != 0 {
		t.Fatalf("promoted %+v", out)
	}
	for i, source := range []service.Release{old, young} {
		got := out.Drafts[i].Release
		if got == nil || got.Runtime != source.Runtime || got.Platform != "ios" || got.Archive != source.Archive || got.Counter != web.Counter+1+sealift.Counter(i) {
			t.Errorf("promoted %+v to %+v", source, got)
		}
	}
	want.Platform = ""
	out, err = b.Promote(b.Context(), alice, b.app, want)
	b.check(err)
	if len(out.Drafts) != 1 || out.Drafts[0].Platform != "web" || len(out.Already) != 2 || out.Already[0].Runtime != "<2.0.0" {
		t.Errorf("promoted the rest: %+v", out)
	}
	_, err = b.Promote(b.Context(), alice, b.app, want)
	wantRefusal(t, "all again", err, sealift.KindConflict, "version")
	if e := b.last("release.author"); e.Details["leaf"] != "made by the vault" || e.Details["source"] != "sha256:"+web.Digest.String() || e.Actor.ID != alice.ID {
		t.Errorf("the log says %+v", e)
	}
}

// TestPromoteAllOrNothing: where one of a version's releases cannot go on, none does.
func TestPromoteAllOrNothing(t *testing.T) {
	b := newPromotion(t)
	b.publishFor("1.0.0", "ios", sealift.AnyRuntime)
	web := b.publish("1.0.0")
	_, err := b.PauseRollout(b.Context(), officer, b.app, web.Counter, "it crashes")
	b.check(err)
	before := len(b.releases())
	_, err = b.promote("1.0.0")
	wantRefusal(t, "half", err, sealift.KindConflict, "phase")
	if len(b.releases()) != before || len(b.pending()) != 0 {
		t.Error("half of it was promoted")
	}
	_, err = b.SteerRollout(b.Context(), officer, b.app, web.Counter, service.SteerResume, "it does not")
	b.check(err)
	_, err = b.promote("1.0.0")
	b.check(err)
}

// TestPromoteTooMany: what one transaction signs is bounded.
func TestPromoteTooMany(t *testing.T) {
	b := newPromotion(t)
	b.publish("1.0.0")
	b.check(b.store.Update(b.Context(), func(tx store.Tx) error {
		rows, err := tx.Releases(b.Context(), b.app, store.ReleaseFilter{Limit: 1})
		b.check(err)
		for i := range sealift.MaxPromotions {
			row := rows[0]
			row.Counter, row.Act = row.Counter+sealift.Counter(i+1), sealift.ActReissue
			row.Digest = sealift.DigestOf([]byte{byte(i)})
			b.check(tx.InsertRelease(b.Context(), row))
		}
		return nil
	}))
	_, err := b.promote("1.0.0")
	wantRefusal(t, "too many", err, sealift.KindInvalid, "too-many")
}

// TestPromoteWaits: for the people whom devices want to have signed it, as a publish.
func TestPromoteWaits(t *testing.T) {
	b := newPromotion(t)
	key := sealifttest.NewKey()
	b.demand(1, key)
	w := b.waiting("1.0.0")
	_, err := b.cosign(w, key)
	b.check(err)
	d, err := b.promote("1.0.0")
	b.check(err)
	if d.Release != nil || len(d.Missing) != 1 || d.Missing[0].What != service.MissingCosignatures || d.Act != sealift.ActPromotion {
		t.Fatalf("it does not wait: %+v", d)
	}
	_, err = b.promote("1.0.0")
	wantRefusal(t, "what waits", err, sealift.KindConflict, "waiting")
	if all := b.pending(); len(all) != 1 || all[0].ID != d.ID || all[0].Problem != "" {
		t.Errorf("pending: %+v", all)
	}
	b.check(b.Abandon(b.Context(), alice, b.app, d.ID))
	d, err = b.promote("1.0.0")
	b.check(err)
	d, err = b.Draft(b.Context(), b.app, d.ID)
	b.check(err)
	signed, err := trust.ParseReleaseEnvelope(d.Envelope)
	b.check(err)
	envelope, err := trust.Sign(trust.ReleasePayloadType, signed.Payload, key)
	b.check(err)
	d, err = b.Cosign(b.Context(), bob, b.app, d.ID, envelope)
	b.check(err)
	if d.Release == nil || d.Release.Channel != "beta" {
		t.Errorf("co-signed, and still %+v", d)
	}
}

// TestPromoteByRules: what is archived gives and takes no release, and a channel takes
// none that its devices would not.
func TestPromoteByRules(t *testing.T) {
	b := newPromotion(t)
	b.publish("1.0.0")
	yes, no, ios := ptr(true), ptr(false), []sealift.Platform{"ios"}
	b.setChannel("production", service.ChannelChange{Archived: yes})
	_, err := b.promote("1.0.0")
	wantRefusal(t, "from what is archived", err, sealift.KindConflict, "archived")
	b.setChannel("production", service.ChannelChange{Archived: no})
	b.setChannel("beta", service.ChannelChange{Archived: yes})
	_, err = b.promote("1.0.0")
	wantRefusal(t, "to what is archived", err, sealift.KindConflict, "archived")
	b.setChannel("beta", service.ChannelChange{Archived: no, Platforms: &ios})
	_, err = b.promote("1.0.0")
	wantRefusal(t, "to what is for other platforms", err, sealift.KindConflict, "platform")
}

// TestPromotePlan: the roll-out begins as the channel's own plan says.
func TestPromotePlan(t *testing.T) {
	b := newPromotion(t)
	plan := rollout.AtOnce()
	plan.Stages = append([]rollout.Stage{{Share: 100, Gate: rollout.Approval}}, plan.Stages...)
	_, err := b.SetPlan(b.Context(), officer, b.app, "beta", &plan)
	b.check(err)
	b.publish("1.0.0")
	d, err := b.promote("1.0.0")
	b.check(err)
	all, err := b.Rollouts(b.Context(), b.app, "beta", "", true)
	b.check(err)
	if len(all) != 1 || all[0].Counter != d.Counter || all[0].Share != 100 || len(all[0].Plan.Stages) != 2 {
		t.Errorf("it is rolled out so: %+v", all)
	}

	b.publish("1.1.0")
	own := rollout.AtOnce()
	_, err = b.Promote(b.Context(), alice, b.app, service.Promotion{From: "production", To: "beta", Version: "1.1.0", Plan: &own, Hold: true})
	b.check(err)
	all, err = b.Rollouts(b.Context(), b.app, "beta", "", true)
	b.check(err)
	if len(all) != 2 || len(all[0].Plan.Stages) != 1 || all[0].State.Phase != rollout.Paused || all[0].Share != 0 {
		t.Errorf("with a plan of its own, and held, it is rolled out so: %+v", all[0])
	}
}

// TestPromoteUrgent: what could not wait in one channel waits in the next.
func TestPromoteUrgent(t *testing.T) {
	b := newPromotion(t)
	w := b.reserve("1.0.0")
	w.release.Urgent = &trust.Urgent{Reason: "it burns"}
	if r := b.finish(w); r.Urgent == nil {
		t.Fatal("the source is not urgent")
	}
	d, err := b.promote("1.0.0")
	b.check(err)
	if d.Release.Urgent != nil {
		t.Error("it is urgent there, too")
	}
}

// TestPromoteAfterRollback: what a channel went back to goes on as any release, without
// the authority over those devices; what it went back from does not.
func TestPromoteAfterRollback(t *testing.T) {
	b := newPromotion(t)
	b.publish("1.0.0")
	b.publish("1.1.0")
	_, err := b.RollBack(b.Context(), officer, b.app, service.NewRollback{Channel: "production", To: "1.0.0", Life: 30 * 24 * time.Hour, Reason: "white screen"})
	b.check(err)
	_, err = b.promote("1.1.0")
	wantRefusal(t, "what was taken back", err, sealift.KindConflict, "phase")
	d, err := b.promote("1.0.0")
	b.check(err)
	detail, err := b.Release(b.Context(), b.app, service.Which{Digest: d.Release.Digest})
	b.check(err)
	file, err := trust.ParseReleaseFile(detail.File)
	b.check(err)
	signed, err := trust.ParseRelease(file.Payload())
	b.check(err)
	if signed.Act != sealift.ActPromotion || signed.Rollback != nil {
		t.Errorf("it is %s, with %+v", signed.Act, signed.Rollback)
	}
}

// TestPromoteWithoutKey: what the vault cannot open, it cannot seal anew.
func TestPromoteWithoutKey(t *testing.T) {
	b := newPromotion(t)
	b.publish("1.0.0")
	var epoch store.Epoch
	b.view(func(tx store.Tx) (err error) {
		epoch, err = tx.Epoch(b.Context(), b.app, "production", 1)
		return err
	})
	ref := vault.Ref{ID: epoch.KeyID, Version: epoch.KeyVersion}
	b.check(b.vault.Update(b.Context(), func(tx *vault.Tx) error {
		for _, step := range [][2]vault.State{{vault.Active, vault.Compromised}, {vault.Compromised, vault.Destroyed}} {
			if _, err := b.vault.Transition(b.Context(), tx, ref, step[0], step[1], audit.Actor{Kind: audit.System, ID: "test"}, "it leaked", b.clock); err != nil {
				return err
			}
		}
		return nil
	}))
	_, err := b.promote("1.0.0")
	wantRefusal(t, "whose key is gone", err, sealift.KindDenied, vault.ReasonState)
}

// TestPromoteRate: a promotion takes counters like a reservation.
func TestPromoteRate(t *testing.T) {
	b := newPromotion(t)
	for range sealift.ReservationsPerHour {
		_, err := b.promote("1.0.0")
		wantRefusal(t, "nothing", err, sealift.KindNotFound, "release")
	}
	_, err := b.promote("1.0.0")
	wantRefusal(t, "too many in an hour", err, sealift.KindExhausted, "rate")
	b.clock = b.clock.Add(time.Hour)
	_, err = b.promote("1.0.0")
	wantRefusal(t, "an hour later", err, sealift.KindNotFound, "release")
}

// TestPromoteStoppedBySQL: who deletes or bends the row that says that a release is
// stopped has not let it go on.
func TestPromoteStoppedBySQL(t *testing.T) {
	b := newPromotion(t)
	r := b.publish("1.0.0")
	_, err := b.PauseRollout(b.Context(), officer, b.app, r.Counter, "it crashes")
	b.check(err)
	b.sql("UPDATE rollouts SET phase = 'running' WHERE app = ?", string(b.app))
	_, err = b.promote("1.0.0")
	wantRefusal(t, "what SQL resumed", err, sealift.KindDenied, vault.ReasonForged)
	b.sql("DELETE FROM rollouts WHERE app = ?", string(b.app))
	_, err = b.promote("1.0.0")
	wantRefusal(t, "what SQL deleted", err, sealift.KindDenied, vault.ReasonDeleted)
}

// sql does what somebody does who can write to the database.
func (b *bench) sql(query string, args ...any) {
	b.Helper()
	db, err := sql.Open("sqlite", filepath.Join(b.dir, "vault.db")+"?_pragma=busy_timeout(5000)")
	b.check(err)
	defer db.Close()
	_, err = db.ExecContext(b.Context(), query, args...)
	b.check(err)
}
