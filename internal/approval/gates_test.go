package approval_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/approval"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/rollout"
)

// To disable somebody is a brake. To let them in again is not.
func TestEnablingWaits(t *testing.T) {
	w, ann, bob, _ := trio(t)
	w.policy(approval.ActionRole, "", 1, access.RoleOwner)
	people := w.board.People(w.registry)
	disabled, active := store.PersonDisabled, store.PersonActive
	_, err := people.ChangePerson(t.Context(), ann.Caller, bob.ID, service.PersonChange{State: &disabled})
	w.check(err)
	_, err = people.ChangePerson(t.Context(), ann.Caller, bob.ID, service.PersonChange{State: &active})
	w.refused(err, sealift.KindDenied, approval.ReasonApproval)
	role := access.RoleOwner // no brake, whatever else it does
	_, err = people.ChangePerson(t.Context(), ann.Caller, bob.ID, service.PersonChange{State: &disabled, Role: &role})
	w.refused(err, sealift.KindDenied, approval.ReasonApproval)
}

type rollouts = service.Rollouts

// steered counts what it was told to do.
type steered struct {
	rollouts
	did []string
}

func (s *steered) SteerRollout(_ context.Context, _ access.Caller, _ sealift.AppID, counter sealift.Counter, do service.Steer, _ string) (service.Rollout, error) {
	s.did = append(s.did, fmt.Sprint(do, counter))
	return service.Rollout{}, nil
}

func (s *steered) PauseRollout(_ context.Context, _ access.Caller, _ sealift.AppID, counter sealift.Counter, _ string) (service.Rollout, error) {
	s.did = append(s.did, fmt.Sprint("pause", counter))
	return service.Rollout{}, nil
}

func (s *steered) WithdrawRelease(_ context.Context, _ access.Caller, _ sealift.AppID, counter sealift.Counter, _ string) (service.Rollout, error) {
	s.did = append(s.did, fmt.Sprint("withdraw", counter))
	return service.Rollout{}, nil
}

// What lets a roll-out go on asks people, each act for itself; brakes ask nobody.
func TestRolloutGate(t *testing.T) {
	w, ann, bob, _ := trio(t)
	w.policy(approval.ActionRollout, "", 1, access.RoleOwner, access.RoleSecurityOfficer)
	w.channels("production")
	w.rollouts("production", 7, 8, 9)
	kept := &steered{}
	gated := w.board.Rollouts(kept)
	steer := func(counter sealift.Counter, do service.Steer) error {
		_, err := gated.SteerRollout(t.Context(), ann.Caller, app, counter, do, "because")
		return err
	}
	_, err := gated.PauseRollout(t.Context(), ann.Caller, app, 7, "because")
	w.check(err)
	w.check(steer(7, service.SteerAbort))
	_, err = gated.WithdrawRelease(t.Context(), ann.Caller, app, 7, "because")
	w.check(err)
	w.refused(steer(7, service.SteerReinstate), sealift.KindDenied, approval.ReasonApproval)
	w.reject(w.only(store.ApprovalOpen).ID)
	w.refused(steer(8, service.SteerResume), sealift.KindDenied, approval.ReasonApproval)
	_, err = bob.approve(w.only(store.ApprovalOpen).ID)
	w.check(err)
	w.refused(steer(9, service.SteerResume), sealift.KindDenied, approval.ReasonApproval)
	w.refused(steer(8, service.SteerFinish), sealift.KindDenied, approval.ReasonApproval)
	w.refused(steer(8, service.SteerApprove), sealift.KindDenied, approval.ReasonApproval)
	w.check(steer(8, service.SteerResume))
	w.refused(steer(8, service.SteerResume), sealift.KindDenied, approval.ReasonApproval) // once
	if got := fmt.Sprint(kept.did); got != "[pause7 abort7 withdraw7 resume8]" {
		t.Errorf("it did %s", got)
	}
}

// An approval is of how a roll-out stood when it was asked for, and of no later stop:
// one that was kept back does not lift the next brake.
func TestRolloutGateOfOneStop(t *testing.T) {
	w, ann, bob, _ := trio(t)
	w.policy(approval.ActionRollout, "", 1, access.RoleOwner, access.RoleSecurityOfficer)
	w.channels("production")
	gated := w.board.Rollouts(&steered{})
	counter := sealift.Counter(20)
	steer := func(do service.Steer) error {
		_, err := gated.SteerRollout(t.Context(), ann.Caller, app, counter, do, "because")
		return err
	}
	for what, c := range map[string]struct {
		do   service.Steer
		bend func(*store.Rollout)
	}{
		"another stop":       {service.SteerResume, func(r *store.Rollout) { r.Since = r.Since.Add(time.Microsecond) }},
		"a halt by the rule": {service.SteerResume, func(r *store.Rollout) { r.Phase = "halted" }},
		"the next stage":     {service.SteerApprove, func(r *store.Rollout) { r.Stage++ }},
		"withdrawn again":    {service.SteerReinstate, func(r *store.Rollout) { r.Since = r.Since.Add(time.Hour) }},
	} {
		counter++
		w.rollouts("production", counter)
		w.refused(steer(c.do), sealift.KindDenied, approval.ReasonApproval)
		_, err := bob.approve(w.only(store.ApprovalOpen).ID)
		w.check(err)
		w.stand(counter, c.bend)
		if err := steer(c.do); sealift.ReasonOf(err) != approval.ReasonApproval {
			t.Errorf("%s: what was approved before it did it: %v", what, err)
		}
		w.reject(w.only(store.ApprovalOpen).ID)
	}
	// To give it to everybody was approved in whichever stage it is.
	counter++
	w.rollouts("production", counter)
	w.refused(steer(service.SteerFinish), sealift.KindDenied, approval.ReasonApproval)
	_, err := bob.approve(w.only(store.ApprovalOpen).ID)
	w.check(err)
	w.stand(counter, func(r *store.Rollout) { r.Stage++ })
	w.check(steer(service.SteerFinish))
}

// stand changes how a roll-out stands, as the vault does.
func (w *world) stand(counter sealift.Counter, change func(*store.Rollout)) {
	w.Helper()
	w.check(w.vault.Update(w.Context(), func(tx *vault.Tx) error {
		row, err := tx.Rollout(w.Context(), app, counter)
		w.check(err)
		old := row.MAC
		change(&row)
		row.MAC, err = tx.Authenticate(row)
		w.check(err)
		return tx.UpdateRollout(w.Context(), row, old)
	}))
}

type (
	plans      = service.Plans
	publishing = service.Publishing
)

// planned counts what it was told to do.
type planned struct {
	plans
	publishing
	did []string
}

func (p *planned) SetPlan(_ context.Context, _ access.Caller, _ sealift.AppID, channel sealift.Channel, plan *rollout.Plan) (service.ChannelPlan, error) {
	p.did = append(p.did, fmt.Sprint(channel, plan != nil))
	return service.ChannelPlan{}, nil
}

func (p *planned) Reserve(_ context.Context, _ access.Caller, want service.Reservation) (service.Draft, error) {
	p.did = append(p.did, fmt.Sprint(want.Version, want.Plan != nil))
	return service.Draft{}, nil
}

func (p *planned) Promote(_ context.Context, _ access.Caller, _ sealift.AppID, want service.Promotion) (service.Promoted, error) {
	p.did = append(p.did, fmt.Sprint("promote", want.Version, want.Plan != nil))
	return service.Promoted{}, nil
}

// With which plan releases begin asks whom the stages of it would ask: for the
// channel, to have none, and for one release alone; each plan for itself.
func TestPlanGate(t *testing.T) {
	w, ann, bob, _ := trio(t)
	kept := &planned{}
	set := func(plan *rollout.Plan) error {
		_, err := w.board.Plans(kept).SetPlan(t.Context(), ann.Caller, app, "production", plan)
		return err
	}
	reserve := func(plan *rollout.Plan) error {
		_, err := w.board.Publishing(kept).Reserve(t.Context(), ann.Caller, service.Reservation{App: app, Channel: "production", Platform: "web", Runtime: "*", Version: "1.0.0", Plan: plan})
		return err
	}
	slow, quick := rollout.DefaultPlan(), rollout.AtOnce()
	w.check(set(&slow)) // there is no policy yet
	w.policy(approval.ActionRollout, "", 1, access.RoleOwner, access.RoleSecurityOfficer)
	w.check(reserve(nil))
	approved := func(do func(*rollout.Plan) error, plan, other *rollout.Plan) {
		t.Helper()
		w.refused(do(plan), sealift.KindDenied, approval.ReasonApproval)
		r := w.only(store.ApprovalOpen)
		_, err := bob.approve(r.ID)
		w.check(err)
		w.refused(do(other), sealift.KindDenied, approval.ReasonApproval)
		w.check(do(plan))
		_, err = w.board.Reject(t.Context(), ann.Caller, w.only(store.ApprovalOpen).ID, "it was a try")
		w.check(err)
	}
	approved(set, &quick, nil)
	approved(set, nil, &quick)
	approved(reserve, &quick, &slow)
	promote := func(plan *rollout.Plan) error {
		_, err := w.board.Promotions(kept).Promote(t.Context(), ann.Caller, app, service.Promotion{From: "beta", To: "production", Version: "1.0.0", Plan: plan})
		return err
	}
	w.check(promote(nil))
	approved(promote, &quick, &slow)
	if got := fmt.Sprint(kept.did); got != "[productiontrue 1.0.0false productiontrue productionfalse 1.0.0true promote1.0.0false promote1.0.0true]" {
		t.Errorf("it did %s", got)
	}
}

type keys = service.Keys

// exporter counts what it gave out.
type exporter struct {
	keys
	given []uint64
}

func (e *exporter) ExportKey(_ context.Context, _ access.Caller, want service.KeyExport) ([]byte, error) {
	e.given = append(e.given, want.Version)
	return nil, nil
}

// Who approved that one version of a key goes out approved no other.
func TestExportIsOfOneVersion(t *testing.T) {
	w, ann, bob, eve := trio(t)
	kept := &exporter{}
	gated := w.board.Keys(kept)
	export := func(version uint64) error {
		_, err := gated.ExportKey(t.Context(), ann.Caller, service.KeyExport{ID: "firmware", Version: version, Reason: "moving"})
		return err
	}
	w.refused(export(1), sealift.KindDenied, approval.ReasonApproval)
	r := w.only(store.ApprovalOpen)
	for _, m := range []*member{bob, eve} {
		_, err := m.approve(r.ID)
		w.check(err)
	}
	w.refused(export(2), sealift.KindDenied, approval.ReasonApproval)
	w.check(export(1))
	if len(kept.given) != 1 || kept.given[0] != 1 {
		t.Fatalf("given out: versions %v", kept.given)
	}
}

// A draft is certified for the payload that people saw, and once.
func TestReleaseIsOfOnePayload(t *testing.T) {
	const other = sealift.AppID("com.acme.other")
	w, ann, bob, eve := trio(t)
	w.check(w.vault.Update(t.Context(), func(tx *vault.Tx) (err error) {
		row := store.App{ID: other, Created: w.clock}
		if row.MAC, err = tx.Authenticate(row); err != nil {
			return err
		}
		return tx.InsertApp(t.Context(), row)
	}))
	w.policy(approval.ActionRelease, "", 1, access.RoleOwner, access.RoleSecurityOfficer)
	elsewhere := other
	_, err := w.registry.ChangePerson(t.Context(), founder(), eve.ID, service.PersonChange{App: &elsewhere})
	w.check(err)
	draft := store.Draft{ID: "d1", Coordinates: store.Coordinates{App: app, Channel: "production", Platform: "web", Version: "1.0.0"}, Counter: 7}
	seen, swapped := sealift.DigestOf([]byte("seen")), sealift.DigestOf([]byte("swapped"))
	w.check(w.vault.Update(t.Context(), func(tx *vault.Tx) error {
		return w.board.AskRelease(t.Context(), tx, ann.Caller, draft, seen)
	}))
	r := w.only(store.ApprovalOpen)
	_, err = w.board.Approve(t.Context(), eve.Caller, r.ID, json.RawMessage("{}"))
	w.refused(err, sealift.KindDenied, approval.ReasonApprover) // of another app
	_, err = bob.approve(r.ID)
	w.check(err)
	missing := func(payload sealift.Digest) (m *service.Missing) {
		w.check(w.store.View(t.Context(), func(tx store.Tx) (err error) {
			m, err = w.board.MissingForRelease(t.Context(), tx, draft, payload)
			return err
		}))
		return m
	}
	use := func(payload sealift.Digest) error {
		return w.vault.Update(t.Context(), func(tx *vault.Tx) error {
			return w.board.UseForRelease(t.Context(), tx, audit.Actor{Kind: audit.System, ID: "publisher"}, draft, payload)
		})
	}
	if missing(swapped) == nil {
		t.Error("another payload may be certified")
	}
	w.refused(use(swapped), sealift.KindDenied, approval.ReasonApproval)
	if m := missing(seen); m != nil {
		t.Errorf("missing: %+v", m)
	}
	w.check(use(seen))
	if missing(seen) == nil {
		t.Error("it may be certified again")
	}
	w.refused(use(seen), sealift.KindDenied, approval.ReasonApproval)
}
