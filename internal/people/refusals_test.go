package people_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/people"
	"github.com/sealift/sealift/internal/store"
)

// refusal is what the API says that it refused to somebody.
func refusal(id string) service.Refusal {
	return service.Refusal{
		By:     access.Caller{Kind: access.CallerService, ID: id, Address: "192.0.2.7"},
		Action: access.ManageTokens, Operation: "POST /api/v1/tokens", Reason: access.ReasonRole,
	}
}

const refuse = "access.refuse"

// counted is how many refusals entries tell of.
func (w *world) counted(entries []audit.Entry) (n int) {
	w.t.Helper()
	for _, e := range entries {
		if e.Actor.Kind != audit.System {
			n++
		}
		unrecorded, err := strconv.Atoi("0" + e.Details["unrecorded"])
		w.check(err)
		n += unrecorded
	}
	return n
}

func TestRefusedIsAnEntry(t *testing.T) {
	w := newWorld(t)
	what := refusal("5f0e1d2c3b4a5968")
	what.By.Kind, what.By.Session, what.App = access.CallerPerson, "0f9a7c4e1b2d3c55", "com.acme.shop"
	hungUp, cancel := context.WithCancel(t.Context())
	cancel()
	w.check(w.registry.Refused(hungUp, what)) // who hangs up is told of like anybody else
	entries := w.entries(refuse)
	if len(entries) != 1 {
		t.Fatalf("entered %+v", entries)
	}
	e := entries[0]
	want := map[string]string{"action": "token.manage", "operation": "POST /api/v1/tokens", "reason": "role", "refusals": "1"}
	if e.Actor != what.By.Actor() || e.Subject != "com.acme.shop" || e.Result != audit.Refused || !e.Time.Equal(w.now) || fmt.Sprint(e.Details) != fmt.Sprint(want) {
		t.Errorf("entered %+v", e)
	}
}

// TestFloodOfRefusals: ten thousand make few entries, which tell of all of them; and
// nobody keeps others' out of the log by a flood of their own.
func TestFloodOfRefusals(t *testing.T) {
	w := newWorld(t)
	const flood = 10_000
	for range flood {
		w.check(w.registry.Refused(t.Context(), refusal("thief")))
	}
	entries := w.entries(refuse)
	if len(entries) != 15 || w.counted(entries) != 8192 {
		t.Errorf("%d entries of %d", len(entries), w.counted(entries))
	}
	// Another reason of theirs does not drown in it, nor does another caller.
	other := refusal("thief")
	other.Reason = access.ReasonScope
	for i, what := range []service.Refusal{other, refusal("other")} {
		w.check(w.registry.Refused(t.Context(), what))
		entries = w.entries(refuse)
		if last := entries[len(entries)-1]; len(entries) != 16+i || last.Actor.ID != what.By.ID || last.Details["reason"] != what.Reason || w.counted(entries) != flood+1+i {
			t.Errorf("%d entries of %d", len(entries), w.counted(entries))
		}
	}
}

// TestRefusalsOfOneCaller: nobody makes more than sealift.MaxCallerRefusals.
func TestRefusalsOfOneCaller(t *testing.T) {
	w := newWorld(t)
	const reasons = sealift.MaxCallerRefusals + 10
	for i := range reasons {
		what := refusal("thief")
		what.Reason = strconv.Itoa(i)
		w.check(w.registry.Refused(t.Context(), what))
	}
	w.check(w.registry.Refused(t.Context(), refusal("other")))
	if entries := w.entries(refuse); len(entries) != sealift.MaxCallerRefusals+1 || w.counted(entries) != reasons+1 {
		t.Errorf("%d entries of %d", len(entries), w.counted(entries))
	}
}

// TestFloodOfManyCallers: all together make sealift.MaxRefusalEntries an hour, and the
// next hour begins with what is left to tell, though nobody is refused any more.
func TestFloodOfManyCallers(t *testing.T) {
	w := newWorld(t)
	const callers = sealift.MaxRefusalEntries + 100
	for range 5 {
		for i := range callers {
			w.check(w.registry.Refused(t.Context(), refusal(strconv.Itoa(i))))
		}
	}
	if entries := w.entries(refuse); len(entries) != sealift.MaxRefusalEntries {
		t.Errorf("%d entries", len(entries))
	}
	w.check(w.registry.Prune(t.Context()))
	if entries := w.entries(refuse); len(entries) != sealift.MaxRefusalEntries {
		t.Errorf("told within the hour: %d entries", len(entries))
	}
	w.now = w.now.Add(time.Hour)
	for range 2 {
		w.check(w.registry.Prune(t.Context()))
	}
	entries := w.entries(refuse)
	if last := entries[len(entries)-1]; len(entries) != sealift.MaxRefusalEntries+1 || w.counted(entries) != 5*callers || last.Actor.Kind != audit.System {
		t.Errorf("%d entries of %d, the last %+v", len(entries), w.counted(entries), last)
	}
	w.check(w.registry.Refused(t.Context(), refusal("0")))
	entries = w.entries(refuse)
	if last := entries[len(entries)-1]; last.Details["refusals"] != "1" || last.Details["unrecorded"] != "" {
		t.Errorf("the next hour begins with %+v", last)
	}
}

// sick is a store whose updates fail, or hang though nobody waits any more.
type sick struct {
	store.Store
	err  error
	hang chan struct{} // until it is closed; nil for not at all
}

func (s *sick) Update(ctx context.Context, fn func(store.Tx) error) error {
	if s.hang != nil {
		<-s.hang
		ctx = context.WithoutCancel(ctx)
	}
	if s.err != nil {
		return s.err
	}
	return s.Store.Update(ctx, fn)
}

// TestRefusalsWithAFullLog: what did not get into the log is counted in the next entry.
func TestRefusalsWithAFullLog(t *testing.T) {
	w := newWorld(t)
	s := &sick{Store: w.store, err: errors.New("disk full")}
	r := people.New(s, w.vault, func() time.Time { return w.now })
	for range 2 {
		if err := r.Refused(t.Context(), refusal("thief")); !errors.Is(err, s.err) {
			t.Error(err)
		}
	}
	s.err = nil
	w.check(r.Refused(t.Context(), refusal("thief")))
	if entries := w.entries(refuse); len(entries) != 1 || entries[0].Details["refusals"] != "3" || w.counted(entries) != 3 {
		t.Errorf("entered %+v", entries)
	}
}

// TestRefusalsWithAHungLog: nobody waits longer than sealift.RefusalTime.
func TestRefusalsWithAHungLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := &sick{Store: w.store, hang: make(chan struct{})}
		r := people.New(s, w.vault, func() time.Time { return w.now })
		began := time.Now()
		w.wants(r.Refused(t.Context(), refusal("thief")), sealift.KindExhausted, "")
		if took := time.Since(began); took != sealift.RefusalTime {
			t.Errorf("it took %s", took)
		}
		close(s.hang)
		synctest.Wait()
		w.check(r.Refused(t.Context(), refusal("thief")))
		if entries := w.entries(refuse); w.counted(entries) != 2 {
			t.Errorf("once the log goes on: %+v", entries)
		}
	})
}

// ended signs in with a secret and returns why it counts no more.
func (w *world) ended(bearer string) (reasons []string) {
	w.t.Helper()
	a := access.Authenticator{Directory: w.registry.Directory(), Sessions: w.registry, Now: func() time.Time { return w.now }}
	_, err := a.Authenticate(w.t.Context(), bearer, func(e access.Ended) { reasons = append(reasons, e.ID+" "+e.Session+" "+e.Reason) })
	w.wants(err, sealift.KindDenied, access.ReasonUnauthenticated)
	return reasons
}

// TestEndedSessions: whoever goes on with a session that was ended is known, for as
// long as it would have lasted, and nobody with another secret.
func TestEndedSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		owner, bob := w.member("alice@example.com", access.RoleOwner), w.member("bob@example.com", access.RoleDeveloper)
		first := bob.in
		bob.signIn()
		w.check(w.registry.EndSession(t.Context(), bob.caller(), first.Session.ID))
		wants := func(in service.SignedIn, want string) {
			t.Helper()
			got := fmt.Sprint(w.ended(in.Secret.Reveal()))
			if want != "" {
				want = bob.id + " " + in.Session.ID + " " + want
			}
			if got != "["+want+"]" {
				t.Errorf("told %s, want %s", got, want)
			}
		}
		wants(first, access.ReasonEnded)
		disabled := store.PersonDisabled
		_, err := w.registry.ChangePerson(t.Context(), owner.caller(), bob.id, service.PersonChange{State: &disabled})
		w.check(err)
		wants(bob.in, access.ReasonEnded)
		guess := []byte(first.Secret.Reveal())
		guess[len("sealift_session_")+16+1] ^= 1
		if told := w.ended(string(guess)); told != nil {
			t.Errorf("of a guess: %v", told)
		}
		w.now = w.now.Add(sealift.SessionLife)
		w.check(w.registry.Prune(t.Context()))
		wants(first, "")
	})
}

// TestRevokedTokens: so is whoever goes on with a token.
func TestRevokedTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		made, err := w.registry.CreateToken(t.Context(), founder(), service.NewToken{Role: access.RoleDeveloper, Life: time.Hour})
		w.check(err)
		w.check(w.registry.RevokeToken(t.Context(), founder(), made.Token.ID))
		if told := fmt.Sprint(w.ended(made.Secret.Reveal())); told != "["+made.Token.ID+"  revoked]" {
			t.Errorf("told %s", told)
		}
	})
}
