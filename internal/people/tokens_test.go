package people_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
)

// A token for one action does that and what cannot be left out, until it ends.
func TestScopedToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		made, err := w.registry.CreateToken(t.Context(), founder(), service.NewToken{Role: access.RoleReleaseManager, Actions: "release.publish", Life: time.Hour})
		w.check(err)
		p, err := w.authenticate(made.Secret.Reveal())
		w.check(err)
		w.check(p.Allow(access.Publish, "com.acme.shop"))
		w.wants(p.Allow(access.CreateChannel, "com.acme.shop"), sealift.KindDenied, "scope")
		w.wants(p.Allow(access.ReadLog, ""), sealift.KindDenied, "role")
		w.wants(p.StepUp(access.ChangeKeys, w.now), sealift.KindDenied, access.ReasonPerson)
		w.now = w.now.Add(time.Hour)
		_, err = w.authenticate(made.Secret.Reveal())
		w.wants(err, sealift.KindDenied, access.ReasonUnauthenticated)
		entries := w.entries("token.create")
		if len(entries) != 1 || entries[0].Details["actions"] != "release.publish" {
			t.Errorf("%+v", entries)
		}
	})
}

// A token outlives the session that made it, so making one wants a fresh proof, and
// a service has none to give.
func TestOwnersTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		owner := service.NewToken{Role: access.RoleOwner, Life: time.Hour}
		made, err := w.registry.CreateToken(t.Context(), founder(), owner)
		w.check(err)
		p, err := w.authenticate(made.Secret.Reveal())
		w.check(err)
		w.wants(p.StepUp(access.ManageTokens, w.now), sealift.KindDenied, access.ReasonPerson)
		w.wants(p.StepUp(access.ManagePersons, w.now), sealift.KindDenied, access.ReasonPerson)
		alice := w.member("alice@example.com", access.RoleOwner)
		w.now = w.now.Add(sealift.StepUpAge + 1)
		w.wants(alice.caller().StepUp(access.ManageTokens, w.now), sealift.KindDenied, access.ReasonStepUp)
		// With an owner who has a name, the last token may go.
		w.check(w.registry.RevokeToken(t.Context(), alice.caller(), made.ID))
	})
}

// Who opens the vault helps the only owner, who has lost everything; for a while,
// and the token ends after a day.
func TestRecoverOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		alice := w.member("alice@example.com", access.RoleOwner)
		if rule, err := w.registry.Rule(t.Context()); err != nil || rule.Owners != 1 || !rule.TokenEnds.IsZero() {
			t.Errorf("%+v, %v", rule, err)
		}
		token, err := w.registry.RecoverOwner(t.Context(), audit.Actor{Kind: audit.Person, ID: "local:root"})
		w.check(err)
		if rule, err := w.registry.Rule(t.Context()); err != nil || rule.Owners != 1 || rule.TokenEnds.Sub(w.now) != sealift.OwnerTokenLife {
			t.Errorf("%+v, %v", rule, err)
		}
		p, err := w.authenticate(token.Reveal())
		w.check(err)
		w.check(p.StepUp(access.ManagePersons, w.now))
		again, err := w.registry.ResetPerson(t.Context(), p.CallerFrom(""), alice.id)
		w.check(err)
		w.accept(again)
		w.now = w.now.Add(sealift.StepUpAge + 1)
		p, err = w.authenticate(token.Reveal())
		w.check(err)
		w.wants(p.StepUp(access.ManagePersons, w.now), sealift.KindDenied, access.ReasonPerson)
		w.now = w.now.Add(sealift.OwnerTokenLife)
		_, err = w.authenticate(token.Reveal())
		w.wants(err, sealift.KindDenied, access.ReasonUnauthenticated)
	})
}
