package approval_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/access/accesstest"
	"github.com/sealift/sealift/internal/approval"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
)

// trio is a world of three people, two of whom must approve what is done to keys.
func trio(t *testing.T) (w *world, ann, bob, eve *member) {
	t.Helper()
	w = newWorld(t)
	ann, bob, eve = w.member("ann@acme.com", access.RoleOwner), w.member("bob@acme.com", access.RoleSecurityOfficer), w.member("eve@acme.com", access.RoleOwner)
	w.policy(approval.ActionKey, "", 2, access.RoleOwner, access.RoleSecurityOfficer)
	return w, ann, bob, eve
}

func TestNobodyIsAskedWithoutAPolicy(t *testing.T) {
	w := newWorld(t)
	a := w.act()
	w.check(a.by(founder()))
	if a.done != 1 {
		t.Fatalf("done %d times", a.done)
	}
}

func TestQuorum(t *testing.T) {
	w, ann, bob, eve := trio(t)
	a := w.act()
	for range 2 { // asking again opens no second request
		w.refused(a.by(ann.Caller), sealift.KindDenied, approval.ReasonApproval)
	}
	r := w.only(store.ApprovalOpen)
	_, err := bob.approve(r.ID)
	w.check(err)
	w.refused(a.by(ann.Caller), sealift.KindDenied, approval.ReasonApproval)
	_, err = eve.approve(r.ID)
	w.check(err)
	w.only(store.ApprovalGranted)
	if a.done != 0 {
		t.Fatal("it was done before whoever asked did it again")
	}
	w.refused(a.by(eve.Caller), sealift.KindDenied, approval.ReasonApproval) // approved of ann, not of eve
	w.check(a.by(ann.Caller))
	if used := w.only(store.ApprovalUsed); a.done != 1 || len(used.Approvals) != 2 {
		t.Fatalf("done %d times, %+v", a.done, used)
	}
	w.refused(a.by(ann.Caller), sealift.KindDenied, approval.ReasonApproval) // once
	if a.done != 1 {
		t.Fatalf("done %d times", a.done)
	}
}

// Everything that somebody may have approved is bound: other parameters are another
// request.
func TestOtherParametersAreNotApproved(t *testing.T) {
	w, ann, bob, eve := trio(t)
	a := w.act()
	w.refused(a.by(ann.Caller), sealift.KindDenied, approval.ReasonApproval)
	r := w.only(store.ApprovalOpen)
	for _, m := range []*member{bob, eve} {
		_, err := m.approve(r.ID)
		w.check(err)
	}
	for name, bend := range map[string]func(p *approval.Proposal){
		"subject":    func(p *approval.Proposal) { p.Subject = "device-ca" },
		"parameters": func(p *approval.Proposal) { p.Parameters = map[string]string{"to": "destroyed"} },
		"payload":    func(p *approval.Proposal) { p.Payload = sealift.DigestOf([]byte("x")) },
		"app":        func(p *approval.Proposal) { p.App = app },
	} {
		other := w.act()
		bend(&other.proposal)
		if err := other.by(ann.Caller); sealift.ReasonOf(err) != approval.ReasonApproval || other.done != 0 {
			t.Errorf("%s: %v, done %d times", name, err, other.done)
		}
	}
	w.check(a.by(ann.Caller))
}

// Whoever asks never counts, however they come.
func TestTheRequesterNeverApproves(t *testing.T) {
	w, ann, bob, _ := trio(t)
	a := w.act()
	w.refused(a.by(ann.Caller), sealift.KindDenied, approval.ReasonApproval)
	r := w.only(store.ApprovalOpen)
	elsewhere := *ann
	elsewhere.Session = "another"
	for name, by := range map[string]access.Caller{"ann": ann.Caller, "ann elsewhere": elsewhere.Caller} {
		shown, err := w.board.Request(t.Context(), by, r.ID)
		w.check(err)
		if shown.Options != nil || shown.WhyNot == "" {
			t.Errorf("%s is asked for a passkey", name)
		}
		// What bob was asked, answered with ann's key: were she let in, it would verify.
		asked, err := w.registry.AskPasskey(t.Context(), ann.ID, approval.Challenge(shown.Document))
		w.check(err)
		_, err = w.board.Approve(t.Context(), by, r.ID, ann.key.Assert(asked))
		w.refused(err, sealift.KindDenied, approval.ReasonApprover)
	}
	_, err := bob.approve(r.ID)
	w.check(err)
	_, err = w.board.Approve(t.Context(), bob.Caller, r.ID, json.RawMessage("{}"))
	w.refused(err, sealift.KindConflict, approval.ReasonApproved)
	second := *bob
	second.key = bob.passkey()
	shown, err := w.board.Request(t.Context(), second.Caller, r.ID)
	w.check(err)
	if shown.Options != nil {
		t.Error("a second passkey of one person counts")
	}
}

func TestTokensAreTheirMakers(t *testing.T) {
	w, ann, bob, eve := trio(t)
	made, err := w.registry.CreateToken(t.Context(), ann.Caller, service.NewToken{Role: access.RoleSecurityOfficer, Life: time.Hour})
	w.check(err)
	token := access.Caller{Kind: access.CallerService, ID: made.ID, Role: access.RoleSecurityOfficer}
	grandchild, err := w.registry.CreateToken(t.Context(), token, service.NewToken{Role: access.RoleSecurityOfficer, Life: time.Hour})
	w.check(err)
	a := w.act()
	w.refused(a.by(access.Caller{Kind: access.CallerService, ID: grandchild.ID, Role: access.RoleSecurityOfficer}), sealift.KindDenied, approval.ReasonApproval)
	r := w.only(store.ApprovalOpen)
	if r.Person != ann.ID {
		t.Fatalf("%q answers for it, not %q", r.Person, ann.ID)
	}
	shown, err := w.board.Request(t.Context(), ann.Caller, r.ID)
	w.check(err)
	if shown.Options != nil {
		t.Error("who made the token may approve")
	}
	_, err = w.board.Approve(t.Context(), token, r.ID, json.RawMessage("{}"))
	w.refused(err, sealift.KindDenied, approval.ReasonApprover)
	for _, m := range []*member{bob, eve} {
		_, err := m.approve(r.ID)
		w.check(err)
	}
	w.only(store.ApprovalGranted)
}

// The first owner's token, and what it made, is nobody's: who founded the vault may
// hold it, and be one of those who approve.
func TestATokenOfNobodyAsksOneMore(t *testing.T) {
	w, ann, bob, eve := trio(t)
	w.policy(approval.ActionRole, "", 1, access.RoleOwner, access.RoleSecurityOfficer)
	made, err := w.registry.CreateToken(t.Context(), founder(), service.NewToken{Role: access.RoleSecurityOfficer, Life: time.Hour})
	w.check(err)
	a := w.act()
	a.proposal.Action = approval.ActionRole
	token := access.Caller{Kind: access.CallerService, ID: made.ID, Role: access.RoleSecurityOfficer}
	w.refused(a.by(token), sealift.KindDenied, approval.ReasonApproval)
	r := w.only(store.ApprovalOpen)
	_, err = ann.approve(r.ID)
	w.check(err)
	w.refused(a.by(token), sealift.KindDenied, approval.ReasonApproval)
	if again := w.only(store.ApprovalOpen); again.ID != r.ID || a.done != 0 {
		t.Fatalf("done %d times after one approval, which may be that of whoever holds the token", a.done)
	}
	_, err = bob.approve(r.ID)
	w.check(err)
	w.check(a.by(token))
	w.refused(a.by(eve.Caller), sealift.KindDenied, approval.ReasonApproval)
	if r := w.only(store.ApprovalOpen); r.Needed != 1 {
		t.Fatalf("a person with a name needs %d", r.Needed)
	}
}

// A row that SQL bent does not say who answers for a token.
func TestWhoMadeATokenIsTheVaultsWord(t *testing.T) {
	w, ann, bob, _ := trio(t)
	made, err := w.registry.CreateToken(t.Context(), ann.Caller, service.NewToken{Role: access.RoleSecurityOfficer, Life: time.Hour})
	w.check(err)
	w.bend(func(ctx context.Context, tx store.Tx) error {
		row, err := tx.Token(ctx, made.ID)
		if err != nil {
			return err
		}
		row.Creator = bob.ID
		row.Revoked = true
		return tx.UpdateToken(ctx, row, row.MAC)
	})
	err = w.act().by(access.Caller{Kind: access.CallerService, ID: made.ID, Role: access.RoleSecurityOfficer})
	if sealift.KindOf(err) != sealift.KindDenied || sealift.ReasonOf(err) == approval.ReasonApproval {
		t.Fatalf("it asks in another's name: %v", err)
	}
}

// Each bends one thing of an assertion that would else count.
func TestBentAssertions(t *testing.T) {
	w, ann, bob, eve := trio(t)
	a, b := w.act(), w.act()
	b.proposal.Subject = "device-ca"
	w.refused(b.by(ann.Caller), sealift.KindDenied, approval.ReasonApproval)
	other := w.only(store.ApprovalOpen)
	w.refused(a.by(ann.Caller), sealift.KindDenied, approval.ReasonApproval)
	all, err := w.board.Requests(t.Context(), founder(), service.ApprovalFilter{State: store.ApprovalOpen, Limit: 2})
	w.check(err)
	r := all[0]
	if r.ID == other.ID {
		r = all[1]
	}
	shown, err := w.board.Request(t.Context(), bob.Caller, r.ID)
	w.check(err)
	for name, bend := range map[string]func(k *accesstest.Authenticator) json.RawMessage{
		"another request": func(*accesstest.Authenticator) json.RawMessage { return bob.answer(other.ID) },
		"another origin": func(k *accesstest.Authenticator) json.RawMessage {
			k.Origin = "https://evil.example"
			return k.Assert(shown.Options)
		},
		"another party": func(k *accesstest.Authenticator) json.RawMessage {
			k.RPID = "evil.example"
			return k.Assert(shown.Options)
		},
		"no user":      func(k *accesstest.Authenticator) json.RawMessage { k.User = false; return k.Assert(shown.Options) },
		"no signature": func(k *accesstest.Authenticator) json.RawMessage { k.Flip = true; return k.Assert(shown.Options) },
		"another's key": func(*accesstest.Authenticator) json.RawMessage {
			k := eve.key.Clone()
			k.Handle = []byte(bob.ID)
			return k.Assert(shown.Options)
		},
		"nothing": func(*accesstest.Authenticator) json.RawMessage { return json.RawMessage("null") },
	} {
		_, err := w.board.Approve(t.Context(), bob.Caller, r.ID, bend(bob.key.Clone()))
		if err == nil || sealift.KindOf(err) != sealift.KindDenied {
			t.Errorf("%s: %v", name, err)
		}
	}
	if again := w.mustShow(bob, r.ID); len(again.Approvals) != 0 {
		t.Fatalf("something counted: %+v", again.Approvals)
	}
	_, err = bob.approve(r.ID)
	w.check(err)
}

func (w *world) mustShow(m *member, id string) service.ApprovalRequest {
	w.Helper()
	r, err := w.board.Request(w.Context(), m.Caller, id)
	w.check(err)
	return r
}

// What a request goes by is looked at when it is used.
func TestWhatHasChangedMeanwhile(t *testing.T) {
	disabled := store.PersonDisabled
	developer := access.RoleDeveloper
	for name, change := range map[string]func(w *world, bob *member){
		"an approver is disabled": func(w *world, bob *member) {
			_, err := w.registry.ChangePerson(w.Context(), founder(), bob.ID, service.PersonChange{State: &disabled})
			w.check(err)
		},
		"an approver's role is taken": func(w *world, bob *member) {
			_, err := w.registry.ChangePerson(w.Context(), founder(), bob.ID, service.PersonChange{Role: &developer})
			w.check(err)
		},
		"it is too old":           func(w *world, _ *member) { w.clock = w.clock.Add(sealift.ApprovalLife) },
		"somebody takes it back":  func(w *world, _ *member) { w.reject(w.only(store.ApprovalGranted).ID) },
		"SQL changed the request": func(w *world, _ *member) { w.bendRequest(func(r *store.ApprovalRequest) { r.Person = "nobody" }) },
		"SQL asks for fewer":      func(w *world, _ *member) { w.bendRequest(func(r *store.ApprovalRequest) { r.Needed = 1 }) },
		"the policy is another": func(w *world, _ *member) {
			w.written(func(tx *vault.Tx) (err error) {
				p := store.Policy{Action: approval.ActionKey, Version: 2, Needed: 2, Roles: "owner security_officer", Creator: "x", Created: w.clock}
				if p.MAC, err = tx.Authenticate(p); err != nil {
					return err
				}
				return tx.PutPolicy(w.Context(), p)
			})
		},
		"SQL changed an approval": func(w *world, bob *member) {
			w.bend(func(ctx context.Context, tx store.Tx) error {
				p, err := tx.Person(ctx, bob.ID)
				if err != nil {
					return err
				}
				forged := p
				forged.Name, forged.MAC = "Bob the forged", append([]byte{1}, p.MAC[1:]...)
				return tx.UpdatePerson(ctx, forged, p.MAC)
			})
		},
		"SQL changed the policy": func(w *world, _ *member) {
			w.bend(func(ctx context.Context, tx store.Tx) error {
				return tx.PutPolicy(ctx, store.Policy{Action: approval.ActionKey, Version: 99, Creator: "sql", Created: w.clock})
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, ann, bob, eve := trio(t)
			a := w.act()
			w.refused(a.by(ann.Caller), sealift.KindDenied, approval.ReasonApproval)
			r := w.only(store.ApprovalOpen)
			for _, m := range []*member{bob, eve} {
				_, err := m.approve(r.ID)
				w.check(err)
			}
			change(w, bob)
			if err := a.by(ann.Caller); err == nil || a.done != 0 {
				t.Fatalf("it was done all the same: %v", err)
			}
		})
	}
}

func (w *world) reject(id string) {
	w.Helper()
	all, err := w.registry.Persons(w.Context())
	w.check(err)
	for _, p := range all {
		if p.Role != access.RoleSecurityOfficer {
			continue
		}
		by := access.Caller{Kind: access.CallerPerson, ID: p.ID, Role: p.Role, Proof: access.Proof{Session: "s", Proven: w.clock}}
		_, err := w.board.Reject(w.Context(), by, id, "no")
		w.check(err)
	}
}

func (w *world) bendRequest(bend func(r *store.ApprovalRequest)) {
	w.Helper()
	id := w.only(store.ApprovalGranted).ID
	w.bend(func(ctx context.Context, tx store.Tx) error {
		r, err := tx.ApprovalRequest(ctx, id)
		if err != nil {
			return err
		}
		bend(&r)
		return tx.UpdateApprovalRequest(ctx, r, r.MAC)
	})
}

// written changes rows as the vault would.
func (w *world) written(change func(tx *vault.Tx) error) {
	w.Helper()
	w.check(w.vault.Update(w.Context(), change))
}

// Whoever asked does not count even where the vault wrote that they approved, and
// an approval that SQL wrote never does.
func TestWhatDoesNotCount(t *testing.T) {
	w, ann, bob, eve := trio(t)
	w.refused(w.act().by(ann.Caller), sealift.KindDenied, approval.ReasonApproval)
	r := w.only(store.ApprovalOpen)
	w.written(func(tx *vault.Tx) (err error) {
		a := store.Approval{Request: r.ID, Person: ann.ID, Created: w.clock, Evidence: []byte("{}")}
		if a.MAC, err = tx.Authenticate(a); err != nil {
			return err
		}
		return tx.InsertApproval(t.Context(), a)
	})
	w.bend(func(ctx context.Context, tx store.Tx) error {
		return tx.InsertApproval(ctx, store.Approval{Request: r.ID, Person: eve.ID, Created: w.clock, Evidence: []byte("{}"), MAC: make([]byte, 32)})
	})
	_, err := bob.approve(r.ID)
	w.check(err)
	if shown := w.only(store.ApprovalOpen); len(shown.Approvals) != 3 || shown.Approvals[0].Counts && shown.Approvals[1].Counts {
		t.Fatalf("%+v", shown.Approvals)
	}
}

// An approval that SQL wrote does not count, nor a policy of 0.
func TestForgedRows(t *testing.T) {
	w, ann, bob, eve := trio(t)
	a := w.act()
	w.refused(a.by(ann.Caller), sealift.KindDenied, approval.ReasonApproval)
	r := w.only(store.ApprovalOpen)
	_, err := bob.approve(r.ID)
	w.check(err)
	w.bend(func(ctx context.Context, tx store.Tx) error {
		return tx.InsertApproval(ctx, store.Approval{Request: r.ID, Person: eve.ID, Created: w.clock, Evidence: []byte("{}"), MAC: make([]byte, 32)})
	})
	w.bend(func(ctx context.Context, tx store.Tx) error {
		row, err := tx.ApprovalRequest(ctx, r.ID)
		if err != nil {
			return err
		}
		row.State = store.ApprovalGranted
		return tx.UpdateApprovalRequest(ctx, row, row.MAC)
	})
	w.refused(a.by(ann.Caller), sealift.KindDenied, approval.ReasonApproval)
	w.bend(func(ctx context.Context, tx store.Tx) error {
		return tx.PutPolicy(ctx, store.Policy{Action: approval.ActionKey, Version: 50, Needed: 0, Created: w.clock, MAC: make([]byte, 32)})
	})
	w.refused(a.by(ann.Caller), sealift.KindDenied, vault.ReasonForged)
	if a.done != 0 {
		t.Fatal("it was done")
	}
}

func TestDoneOnceWhenHurried(t *testing.T) {
	w, ann, bob, eve := trio(t)
	a := w.act()
	w.refused(a.by(ann.Caller), sealift.KindDenied, approval.ReasonApproval)
	r := w.only(store.ApprovalOpen)
	for _, m := range []*member{bob, eve} {
		_, err := m.approve(r.ID)
		w.check(err)
	}
	var done sync.WaitGroup
	var mu sync.Mutex
	times := 0
	for range 8 {
		done.Go(func() {
			_, _ = approval.Gated(t.Context(), w.board, ann.Caller, a.proposal, func() (int, error) {
				mu.Lock()
				defer mu.Unlock()
				times++
				return 0, nil
			})
		})
	}
	done.Wait()
	if times != 1 {
		t.Fatalf("done %d times", times)
	}
}

func TestFailedIsSpent(t *testing.T) {
	w, ann, bob, eve := trio(t)
	a := w.act()
	w.refused(a.by(ann.Caller), sealift.KindDenied, approval.ReasonApproval)
	r := w.only(store.ApprovalOpen)
	for _, m := range []*member{bob, eve} {
		_, err := m.approve(r.ID)
		w.check(err)
	}
	a.err = errors.New("the disk is full")
	if err := a.by(ann.Caller); err != a.err {
		t.Fatal(err)
	}
	if r := w.only(store.ApprovalFailed); !strings.Contains(r.Outcome, "disk") {
		t.Fatalf("%+v", r)
	}
	w.refused(a.by(ann.Caller), sealift.KindDenied, approval.ReasonApproval)
}

func TestEvidence(t *testing.T) {
	w, ann, bob, _ := trio(t)
	w.refused(w.act().by(ann.Caller), sealift.KindDenied, approval.ReasonApproval)
	r, err := bob.approve(w.only(store.ApprovalOpen).ID)
	w.check(err)
	evidence := r.Approvals[0].Evidence
	got, err := approval.Verify(evidence)
	w.check(err)
	if string(got.Document) != string(r.Document) || got.Origin != origin || got.RPID != rpID {
		t.Fatalf("%+v", got)
	}
	var fields map[string]any
	w.check(json.Unmarshal(evidence, &fields))
	for name := range fields {
		bent := map[string]any{}
		for k, v := range fields {
			bent[k] = v
		}
		text := bent[name].(string)
		if raw, err := base64.StdEncoding.DecodeString(text); err == nil && len(raw) > 20 {
			raw[len(raw)/2] ^= 1
			bent[name] = base64.StdEncoding.EncodeToString(raw)
		} else {
			bent[name] = "x" + text
		}
		data, _ := json.Marshal(bent)
		if _, err := approval.Verify(data); err == nil {
			t.Errorf("%s bent: it verifies", name)
		}
	}
}
