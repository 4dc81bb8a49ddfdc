package approval_test

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/approval"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
)

// channels makes channels of the app.
func (w *world) channels(names ...sealift.Channel) {
	w.Helper()
	w.check(w.vault.Update(w.Context(), func(tx *vault.Tx) error {
		for _, name := range names {
			if err := tx.InsertChannel(w.Context(), store.Channel{App: app, Name: name, Created: w.clock}); err != nil {
				return err
			}
		}
		return nil
	}))
}

// policyOn sets a policy of a channel; 0 turns it off.
func (w *world) policyOn(by access.Caller, action string, channel sealift.Channel, needed int64) error {
	w.Helper()
	want := service.NewPolicy{App: app, Channel: channel, Action: action, Needed: needed, Off: needed == 0}
	if needed > 0 {
		want.Roles = []access.Role{access.RoleOwner, access.RoleSecurityOfficer}
	}
	_, err := w.board.SetPolicy(w.Context(), by, want)
	return err
}

// on is a draft in another channel than production.
func on(channel sealift.Channel, d store.Draft) store.Draft {
	d.Channel = channel
	return d
}

// The narrower policy counts, whichever asks for more, for releases and urgent ones. A
// channel without one goes by the strictest of its app's.
func TestPolicyOfChannel(t *testing.T) {
	w, _, _, _ := trio(t)
	w.channels("production", "beta", "alpha")
	d, payload := w.urgent("d1", nil)
	u, ofUrgent := w.urgent("d2", &trust.Urgent{})
	want := func(what string, production, beta, alpha, urgent int) {
		t.Helper()
		got := []int{w.missing(d, payload), w.missing(on("beta", d), payload), w.missing(on("alpha", d), payload), w.missing(u, ofUrgent), w.missing(on("alpha", u), ofUrgent)}
		if !slices.Equal(got, []int{production, beta, alpha, urgent, urgent}) {
			t.Errorf("%s: production, beta, alpha, an urgent one there and in alpha want %v; want %d, %d, %d, %d", what, got, production, beta, alpha, urgent)
		}
	}
	w.check(w.policyOn(founder(), approval.ActionRelease, "beta", 0))
	want("one that asks nobody", 0, 0, 0, 0)
	w.check(w.policyOn(founder(), approval.ActionRelease, "production", 2))
	want("production's own", 2, 0, 2, 2)
	w.policy(approval.ActionUrgent, app, 1, access.RoleOwner)
	want("the app's for urgent ones does not weaken it", 2, 0, 2, 2)
	w.policy(approval.ActionRelease, "", 1, access.RoleOwner)
	want("the installation's", 2, 0, 2, 2)

	all, err := w.board.Policies(t.Context())
	w.check(err)
	if n := len(all.Policies); n != 5 || all.Policies[4].Channel != "production" || all.Policies[3].Forged {
		t.Errorf("the list says %+v", all.Policies)
	}
	about := all.Policies[1:] // the first is about keys
	for i, p := range about {
		for _, q := range about[:i] {
			if p.Version == q.Version {
				t.Errorf("%+v and %+v have one version: what was asked under one would count under the other", p, q)
			}
		}
	}
}

// Nobody lets a channel ask for less alone: to set its policy wants what held there
// before.
func TestPolicyOfChannelIsNotSetAlone(t *testing.T) {
	w, ann, bob, eve := trio(t)
	w.channels("production", "beta")
	w.policy(approval.ActionRelease, app, 2, access.RoleOwner, access.RoleSecurityOfficer)
	w.refused(w.policyOn(ann.Caller, approval.ActionRelease, "beta", 0), sealift.KindDenied, approval.ReasonApproval)
	r := w.only(store.ApprovalOpen)
	if r.Needed != 2 || r.Parameters["channel"] != "beta" {
		t.Errorf("people are asked %+v", r)
	}
	for _, m := range []*member{bob, eve} {
		_, err := m.approve(r.ID)
		w.check(err)
	}
	w.refused(w.policyOn(ann.Caller, approval.ActionRelease, "production", 0), sealift.KindDenied, approval.ReasonApproval) // not what they approved
	w.check(w.policyOn(ann.Caller, approval.ActionRelease, "beta", 0))
	d, payload := w.urgent("d1", nil)
	if a, b := w.missing(d, payload), w.missing(on("beta", d), payload); a != 2 || b != 0 {
		t.Errorf("production wants %d, beta %d", a, b)
	}
	w.check(w.policyOn(ann.Caller, approval.ActionRelease, "beta", 1)) // to ask for more asks nobody there
}

// What was asked under the wider policy is void once the channel has its own.
func TestPolicyOfChannelVoids(t *testing.T) {
	w, ann, bob, _ := trio(t)
	w.channels("production")
	w.policy(approval.ActionRelease, "", 1, access.RoleOwner, access.RoleSecurityOfficer)
	d, payload := w.urgent("d1", nil)
	w.askFor(ann.Caller, d, payload)
	_, err := bob.approve(w.only(store.ApprovalOpen).ID)
	w.check(err)
	if n := w.missing(d, payload); n != 0 {
		t.Fatalf("%d are missing", n)
	}
	w.refused(w.policyOn(founder(), approval.ActionRelease, "production", 1), sealift.KindDenied, approval.ReasonApproval)
	open := w.requests(store.ApprovalOpen)
	for _, m := range []*member{ann, bob} { // nobody with a name answers for the founder: one more
		_, err := m.approve(open[0].ID)
		w.check(err)
	}
	w.check(w.policyOn(founder(), approval.ActionRelease, "production", 1))
	if n := w.missing(d, payload); n != 1 {
		t.Errorf("%d are missing of what was approved under another policy", n)
	}
}

func TestPolicyOfChannelRefusals(t *testing.T) {
	w, _, _, _ := trio(t)
	w.channels("production")
	roles := []access.Role{access.RoleOwner}
	for name, bad := range map[string]struct {
		want   service.NewPolicy
		kind   sealift.Kind
		reason string
	}{
		"of no app":        {service.NewPolicy{Channel: "production", Action: approval.ActionRelease, Needed: 1, Roles: roles}, sealift.KindInvalid, ""},
		"of no channel":    {service.NewPolicy{App: app, Channel: "nowhere", Action: approval.ActionRelease, Needed: 1, Roles: roles}, sealift.KindNotFound, "channel"},
		"about denials":    {service.NewPolicy{App: app, Channel: "production", Action: approval.ActionDeny, Needed: 1, Roles: roles}, sealift.KindInvalid, ""},
		"about keys":       {service.NewPolicy{App: app, Channel: "production", Action: approval.ActionKey, Needed: 1, Roles: roles}, sealift.KindInvalid, ""},
		"of another's app": {service.NewPolicy{App: "com.acme.none", Channel: "production", Action: approval.ActionRelease, Needed: 1, Roles: roles}, sealift.KindNotFound, "app"},
	} {
		_, err := w.board.SetPolicy(t.Context(), founder(), bad.want)
		if sealift.KindOf(err) != bad.kind || sealift.ReasonOf(err) != bad.reason {
			t.Errorf("%s: %v (%s/%s)", name, err, sealift.KindOf(err), sealift.ReasonOf(err))
		}
	}
}

// A channel's policy that SQL moves to another one, or puts aside under the name that
// the log knows, stops what it is about.
func TestPolicyOfChannelBySQL(t *testing.T) {
	for name, query := range map[string]string{
		"moved":     "UPDATE policies SET channel = 'beta' WHERE action = 'release'",
		"widened":   "UPDATE policies SET channel = '' WHERE action = 'release'",
		"put aside": "UPDATE policies SET channel = '', app = app || '/production' WHERE action = 'release'",
		"renamed":   "UPDATE policies SET channel = '', app = 'production', action = action || '/com.acme.shop' WHERE action = 'release'",
		"weakened":  "UPDATE policies SET needed = 0 WHERE action = 'release'",
		"inherited": "UPDATE policies SET needed = -1 WHERE action = 'release'",
		"deleted":   "DELETE FROM policies WHERE action = 'release'",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, _, _, _ := trio(t)
			w.channels("production", "beta")
			w.check(w.policyOn(founder(), approval.ActionRelease, "production", 1))
			db, err := sql.Open("sqlite", w.path+"?_pragma=busy_timeout(5000)")
			w.check(err)
			defer db.Close()
			_, err = db.ExecContext(t.Context(), query)
			w.check(err)
			d, payload := w.urgent("d1", nil)
			err = w.store.View(t.Context(), func(tx store.Tx) error {
				_, err := w.board.MissingForRelease(t.Context(), tx, d, payload)
				return err
			})
			if sealift.KindOf(err) != sealift.KindDenied {
				t.Errorf("it may be certified: %v", err)
			}
		})
	}
}

// A policy for urgent releases that SQL turns off does not give way to that for releases.
func TestPolicyOfUrgentBySQL(t *testing.T) {
	for _, needed := range []int64{0, -1} {
		w, _, _, _ := trio(t)
		w.policy(approval.ActionUrgent, app, 2, access.RoleOwner, access.RoleSecurityOfficer)
		d, payload := w.urgent("d1", &trust.Urgent{})
		w.bend(func(ctx context.Context, tx store.Tx) error {
			rows, err := tx.Policies(ctx)
			w.check(err)
			row := rows[len(rows)-1]
			row.Needed, row.Version = needed, row.Version+1
			return tx.PutPolicy(ctx, row)
		})
		err := w.store.View(t.Context(), func(tx store.Tx) error {
			_, err := w.board.MissingForRelease(t.Context(), tx, d, payload)
			return err
		})
		w.refused(err, sealift.KindDenied, vault.ReasonForged)
	}
}

// What lets a roll-out go on goes by the policy of its channel, which the vault's own
// row names.
func TestRolloutGateOfChannel(t *testing.T) {
	w, ann, _, _ := trio(t)
	w.channels("production", "beta")
	w.rollouts("production", 7)
	w.rollouts("beta", 8)
	w.check(w.policyOn(founder(), approval.ActionRollout, "beta", 0))
	w.check(w.policyOn(founder(), approval.ActionRollout, "production", 1))
	kept := &steered{}
	gated := w.board.Rollouts(kept)
	steer := func(counter sealift.Counter) error {
		_, err := gated.SteerRollout(t.Context(), ann.Caller, app, counter, service.SteerResume, "because")
		return err
	}
	w.refused(steer(7), sealift.KindDenied, approval.ReasonApproval)
	if r := w.only(store.ApprovalOpen); r.Parameters["channel"] != "production" {
		t.Errorf("people are asked %+v", r)
	}
	w.check(steer(8))
	w.refused(steer(9), sealift.KindNotFound, "rollout")
	w.bend(func(ctx context.Context, tx store.Tx) error {
		row, err := tx.Rollout(ctx, app, 7)
		w.check(err)
		row.Channel = "beta"
		return tx.UpdateRollout(ctx, row, row.MAC)
	})
	w.refused(steer(7), sealift.KindDenied, vault.ReasonForged)
}

// rollouts puts roll-outs of a channel into the store.
func (w *world) rollouts(channel sealift.Channel, counters ...sealift.Counter) {
	w.Helper()
	w.check(w.vault.Update(w.Context(), func(tx *vault.Tx) (err error) {
		for _, counter := range counters {
			row := store.Rollout{
				Coordinates: store.Coordinates{App: app, Channel: channel, Platform: "web", Runtime: "*", Version: "1.0.0"},
				Counter:     counter, Plan: []byte("{}"), Salt: "salt", Phase: "paused", Since: w.clock, Created: w.clock, Changed: w.clock,
			}
			if row.MAC, err = tx.Authenticate(row); err != nil {
				return err
			}
			if err := tx.InsertRollout(w.Context(), row); err != nil {
				return err
			}
		}
		return nil
	}))
}

// A narrower policy is taken back under itself; then the wider one counts, and what
// was asked under the narrower one does not.
func TestPolicyInherits(t *testing.T) {
	w, ann, bob, _ := trio(t)
	w.channels("production")
	inherit := service.NewPolicy{App: app, Channel: "production", Action: approval.ActionRelease, Inherit: true}
	_, err := w.board.SetPolicy(t.Context(), ann.Caller, inherit)
	w.refused(err, sealift.KindNotFound, "policy")
	w.check(w.policyOn(founder(), approval.ActionRelease, "production", 1))
	w.policy(approval.ActionRelease, app, 2, access.RoleOwner, access.RoleSecurityOfficer)
	d, payload := w.urgent("d1", nil)
	w.askFor(ann.Caller, d, payload)
	r := w.only(store.ApprovalOpen)
	_, err = bob.approve(r.ID)
	w.check(err)
	_, err = w.board.SetPolicy(t.Context(), ann.Caller, inherit)
	w.refused(err, sealift.KindDenied, approval.ReasonApproval)
	r = w.only(store.ApprovalOpen)
	if r.Needed != 1 || r.Parameters["inherit"] == "" {
		t.Errorf("people are asked %+v", r)
	}
	_, err = bob.approve(r.ID)
	w.check(err)
	got, err := w.board.SetPolicy(t.Context(), ann.Caller, inherit)
	w.check(err)
	if !got.Inherit || got.Needed != 0 {
		t.Errorf("it says %+v", got)
	}
	if n := w.missing(d, payload); n != 2 {
		t.Errorf("%d are missing, the app asks for 2", n)
	}
	_, err = w.board.SetPolicy(t.Context(), ann.Caller, inherit)
	if sealift.KindOf(err) != sealift.KindDenied { // by now the app's policy is asked
		t.Errorf("again: %v", err)
	}
	for name, bad := range map[string]service.NewPolicy{
		"of the installation": {Action: approval.ActionRelease, Inherit: true},
		"and turned off":      {App: app, Action: approval.ActionRelease, Inherit: true, Off: true},
		"and asking":          {App: app, Action: approval.ActionRelease, Inherit: true, Needed: 1, Roles: []access.Role{access.RoleOwner}},
	} {
		if _, err := w.board.SetPolicy(t.Context(), founder(), bad); sealift.KindOf(err) != sealift.KindInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A policy is refused because of which a channel would be asked less about, where the
// people of that channel do not approve it.
func TestPolicyWeakensNoOther(t *testing.T) {
	set := func(w *world, of sealift.AppID, channel sealift.Channel, action string, needed int64, roles ...access.Role) error {
		_, err := w.board.SetPolicy(t.Context(), founder(), service.NewPolicy{App: of, Channel: channel, Action: action, Needed: needed, Off: needed == 0, Roles: roles})
		return err
	}
	const owner, officer = access.RoleOwner, access.RoleSecurityOfficer
	for name, c := range map[string]struct {
		before func(w *world) error
		do     func(w *world) error
		names  string
	}{
		"one for releases goes before the app's for urgent ones": {
			func(w *world) error { return set(w, app, "", approval.ActionUrgent, 2, owner, officer) },
			func(w *world) error { return set(w, app, "beta", approval.ActionRelease, 1, owner) }, "channel beta of com.acme.shop about urgent, which asks 2 of owner, security_officer",
		},
		"one of another channel that asks others": {
			func(w *world) error {
				return errors.Join(set(w, app, "beta", approval.ActionRelease, 0), set(w, app, "production", approval.ActionRelease, 1, officer))
			},
			func(w *world) error { return set(w, app, "beta", approval.ActionRelease, 2, owner) }, "channel alpha of com.acme.shop about release, which asks 1 of security_officer",
		},
		"one of the app that asks others": {
			func(w *world) error { return set(w, app, "production", approval.ActionRelease, 1, officer) },
			func(w *world) error { return set(w, app, "", approval.ActionRelease, 2, owner) }, "channel alpha of com.acme.shop about release, which asks 1 of security_officer",
		},
		"one of the installation that asks others": {
			func(w *world) error { return set(w, app, "production", approval.ActionRollout, 1, officer) },
			func(w *world) error { return set(w, "", "", approval.ActionRollout, 2, owner) }, "channel alpha of com.acme.shop about rollout, which asks 1 of security_officer",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, _, _, _ := trio(t)
			w.channels("production", "beta", "alpha")
			w.check(c.before(w))
			err := c.do(w)
			w.refused(err, sealift.KindConflict, "looser")
			if err == nil || !strings.Contains(err.Error(), c.names) || !strings.Contains(sealift.HintOf(err), "sealift policy set ") {
				t.Errorf("it says %v (%s)", err, sealift.HintOf(err))
			}
			if all := w.requests(store.ApprovalOpen); len(all) > 0 {
				t.Errorf("people are asked %+v", all)
			}
		})
	}
}
