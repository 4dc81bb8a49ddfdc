package people_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
)

func TestSignIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		alice := w.member("alice@example.com", access.RoleDeveloper)
		first := alice.in
		alice.signIn()
		by := alice.caller()
		if by.ID != alice.id || by.Kind != access.CallerPerson || by.Role != access.RoleDeveloper || by.AMR != access.AMRPassword || by.Session != alice.in.ID || by.Session == first.ID {
			t.Errorf("%+v", by)
		}
		if left := alice.in.RecoveryCodesLeft; left != sealift.RecoveryCodes {
			t.Errorf("%d recovery codes", left)
		}
		w.check(by.StepUp(access.ManagePersons, w.now))
		w.now = w.now.Add(sealift.StepUpAge + time.Second)
		w.wants(alice.caller().StepUp(access.ManagePersons, w.now), sealift.KindDenied, access.ReasonStepUp)
		proven, err := w.registry.StepUp(t.Context(), alice.caller(), alice.code(0))
		w.check(err)
		if !proven.Proven.Equal(w.now) {
			t.Errorf("%+v", proven)
		}
		w.check(alice.caller().StepUp(access.ManagePersons, w.now))
		_, err = w.registry.StepUp(t.Context(), alice.caller(), alice.code(0))
		w.wants(err, sealift.KindDenied, "code")
		// It ends when nobody uses it, and at its end however much it is used.
		for range int(sealift.SessionLife/sealift.SessionIdle)*2 - 2 {
			w.now = w.now.Add(sealift.SessionIdle / 2)
			alice.caller()
		}
		w.now = w.now.Add(sealift.SessionIdle)
		_, err = w.authenticate(alice.in.Secret.Reveal())
		w.wants(err, sealift.KindDenied, access.ReasonUnauthenticated)
		_, err = w.authenticate(first.Secret.Reveal())
		w.wants(err, sealift.KindDenied, access.ReasonUnauthenticated)
		w.check(w.registry.Prune(t.Context()))
	})
}

// Every refusal says the same and takes the same time.
func TestSignInRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		alice, bob := w.member("alice@example.com", access.RoleOwner), w.member("bob@example.com", access.RoleDeveloper)
		w.invite("carol@example.com", access.RoleDeveloper)
		good := func() service.SignIn {
			return service.SignIn{Login: bob.login, Password: password, Code: bob.code(1)}
		}
		disabled := store.PersonDisabled
		for name, c := range map[string]struct {
			bend  func(in *service.SignIn)
			state *store.PersonState
		}{
			"nobody":              {bend: func(in *service.SignIn) { in.Login = "eve@example.com" }},
			"not accepted":        {bend: func(in *service.SignIn) { in.Login = "carol@example.com" }},
			"wrong password":      {bend: func(in *service.SignIn) { in.Password += "x" }},
			"no password":         {bend: func(in *service.SignIn) { in.Password = "" }},
			"wrong code":          {bend: func(in *service.SignIn) { in.Code = bob.code(7) }},
			"no code":             {bend: func(in *service.SignIn) { in.Code = "" }},
			"another's code":      {bend: func(in *service.SignIn) { in.Code = alice.code(1) }},
			"no recovery code":    {bend: func(in *service.SignIn) { in.RecoveryCode = "k3vx-9m2p" }},
			"another's recovery":  {bend: func(in *service.SignIn) { in.RecoveryCode = alice.codes[0] }},
			"somebody's password": {bend: func(in *service.SignIn) { in.Login = alice.login }},
			"disabled":            {state: &disabled},
		} {
			w.now = w.now.Add(sealift.SignInMemory * 2) // what failed before is forgotten
			in := good()
			if c.bend != nil {
				c.bend(&in)
			}
			if c.state != nil {
				_, err := w.registry.ChangePerson(t.Context(), founder(), bob.id, service.PersonChange{State: c.state})
				w.check(err)
			}
			start := time.Now()
			out, err := w.registry.SignIn(t.Context(), from, in)
			if took := time.Since(start); took != 500*time.Millisecond {
				t.Errorf("%s: it took %s", name, took)
			}
			const text = "signing in: the login, the password or the code is wrong, or the code was used before"
			if err == nil || err.Error() != text || sealift.ReasonOf(err) != access.ReasonUnauthenticated || out.Secret.Reveal() != "" {
				t.Errorf("%s: %v, %v", name, out, err)
			}
		}
		active := store.PersonActive
		_, err := w.registry.ChangePerson(t.Context(), founder(), bob.id, service.PersonChange{State: &active})
		w.check(err)
		bob.signIn()
		_, err = w.registry.SignIn(t.Context(), from, service.SignIn{Login: bob.login, Password: password, Code: bob.code(0)})
		w.wants(err, sealift.KindDenied, access.ReasonUnauthenticated) // once
	})
}

// A recovery code stands in for a code of the app, once.
func TestRecoveryCode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		alice := w.member("alice@example.com", access.RoleOwner)
		in := service.SignIn{Login: alice.login, Password: password, RecoveryCode: strings.ToUpper(alice.codes[3])}
		out, err := w.registry.SignIn(t.Context(), from, in)
		w.check(err)
		if out.RecoveryCodesLeft != sealift.RecoveryCodes-1 || out.AMR != access.AMRRecovery {
			t.Errorf("%+v", out)
		}
		_, err = w.registry.SignIn(t.Context(), from, in)
		w.wants(err, sealift.KindDenied, access.ReasonUnauthenticated)
		in.RecoveryCode, in.Password = alice.codes[4], "x"
		_, err = w.registry.SignIn(t.Context(), from, in)
		w.wants(err, sealift.KindDenied, access.ReasonUnauthenticated)
		in.Password = password
		_, err = w.registry.SignIn(t.Context(), from, in)
		w.check(err) // the wrong password did not use it up
		alice.in = out
		codes, err := w.registry.NewRecoveryCodes(t.Context(), alice.caller())
		w.check(err)
		in.RecoveryCode = alice.codes[5]
		_, err = w.registry.SignIn(t.Context(), from, in)
		w.wants(err, sealift.KindDenied, access.ReasonUnauthenticated)
		in.RecoveryCode = codes[5]
		_, err = w.registry.SignIn(t.Context(), from, in)
		w.check(err)
	})
}

// 10,000 wrong codes, and as many wrong passwords: few are looked at, the log
// tells of all of them in few entries, and alice signs in after the stated wait;
// from where she always is, at once.
func TestTenThousandWrongCodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		alice := w.member("alice@example.com", access.RoleOwner)
		alice.signIn() // at home
		thief := service.Origin{Address: "203.0.113.1"}
		looked, last := 0, error(nil)
		for i := range 20_000 {
			in := service.SignIn{Login: alice.login, Password: password, Code: "000000"}
			if i%2 == 1 {
				in.Password = "something else"
			}
			_, last = w.registry.SignIn(t.Context(), thief, in)
			if sealift.ReasonOf(last) == access.ReasonUnauthenticated {
				looked++
			} else if sealift.KindOf(last) != sealift.KindExhausted || sealift.ReasonOf(last) != "rate" {
				t.Fatal(last)
			}
			w.now = w.now.Add(time.Second)
		}
		if looked < 10 || looked > 60 {
			t.Errorf("%d were looked at", looked)
		}
		alice.signIn()
		entries := w.entries("session.create")
		if len(entries) > 30 {
			t.Errorf("%d entries", len(entries))
		}
		newest := entries[len(entries)-1]
		if newest.Result != audit.OK || newest.Details["unrecorded"] == "" {
			t.Errorf("the entry of her signing in does not tell of the others: %+v", newest)
		}
		// Elsewhere she waits as long as she is told, and no longer.
		elsewhere := service.Origin{Address: "198.51.100.1"}
		in := service.SignIn{Login: alice.login, Password: password, Code: alice.code(1)}
		_, err := w.registry.SignIn(t.Context(), elsewhere, in)
		if err == nil {
			t.Fatal("nobody waits elsewhere")
		}
		wait, parseErr := time.ParseDuration(strings.TrimPrefix(sealift.HintOf(err), "try again in "))
		if parseErr != nil || wait > sealift.MaxSignInWait+time.Second {
			t.Fatalf("the hint is %q", sealift.HintOf(err))
		}
		w.now = w.now.Add(wait)
		in.Code = alice.code(0)
		_, err = w.registry.SignIn(t.Context(), elsewhere, in)
		w.check(err)
	})
}

// What is typed as a login may be a password, and is in no entry.
func TestFailedLoginsAreNotLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		alice := w.member("alice@example.com", access.RoleOwner)
		for _, login := range []string{"my@secret", alice.login} {
			_, err := w.registry.SignIn(t.Context(), from, service.SignIn{Login: login, Password: "wrong password", Code: "000000"})
			w.wants(err, sealift.KindDenied, access.ReasonUnauthenticated)
		}
		entries := w.entries("session.create")
		refused := entries[len(entries)-2:]
		if refused[0].Subject != "" || refused[1].Subject != alice.id || refused[0].Result != audit.Refused || refused[1].Details["failures"] != "1" {
			t.Errorf("%+v", refused)
		}
		for _, e := range entries {
			leaf, err := e.Leaf()
			if err != nil || strings.Contains(string(leaf), "secret") || strings.Contains(string(leaf), "wrong password") {
				t.Errorf("%s, %v", leaf, err)
			}
		}
	})
}

// Wrong codes of a step-up are counted, for that session alone.
func TestStepUpIsLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		alice := w.member("alice@example.com", access.RoleOwner)
		stolen := *alice
		alice.signIn()
		looked := 0
		for range 100 {
			_, err := w.registry.StepUp(t.Context(), stolen.caller(), "000000")
			if sealift.ReasonOf(err) == "code" {
				looked++
			}
		}
		if looked != 5 {
			t.Errorf("%d were looked at", looked)
		}
		_, err := w.registry.StepUp(t.Context(), stolen.caller(), alice.code(1))
		w.wants(err, sealift.KindExhausted, "rate")
		_, err = w.registry.StepUp(t.Context(), alice.caller(), alice.code(1))
		w.check(err)
		_, err = w.registry.StepUp(t.Context(), founder(), alice.code(1))
		w.wants(err, sealift.KindDenied, access.ReasonPerson)
	})
}
