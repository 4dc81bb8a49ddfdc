package control_test

import (
	"context"
	"strings"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/service"
)

func (s *services) Unseal(_ context.Context, from string, secret []byte) (service.Progress, error) {
	return service.Progress{Path: "recovery", Given: 1, Threshold: 2}, s.note(from, string(secret))
}

func (s *services) ResetUnseal(_ context.Context, from string, share []byte) error {
	return s.note("reset", from, string(share))
}

func (s *services) Seal(_ context.Context, by access.Caller) error { return s.note(by) }

func (s *services) RotateKEK(_ context.Context, by access.Caller, reason string) (service.Rotation, error) {
	return service.Rotation{KEK: "k"}, s.note(by, reason)
}

func (s *services) ContinueRotation(_ context.Context, by access.Caller, kek string) (service.Rotation, error) {
	return service.Rotation{KEK: kek, Done: true}, s.note(by, kek)
}

func TestRotations(t *testing.T) {
	f := newFixture(t, roles{})
	c := f.client(access.RoleSecurityOfficer)
	so, err := c.RotateKEK(t.Context(), "yearly")
	check(t, "rotation", err, so, api.Rotation{Kek: "k"})
	check(t, "asked", nil, f.services.last(), []any{caller(access.RoleSecurityOfficer), "yearly"})
	so, err = c.ContinueRotation(t.Context(), "k")
	check(t, "going on", err, so, api.Rotation{Kek: "k", Done: true})
	check(t, "asked", nil, f.services.last(), []any{caller(access.RoleSecurityOfficer), "k"})
}

func TestUnsealing(t *testing.T) {
	f := newFixture(t, roles{})
	f.services.sealed = true
	nobody := f.client("")
	so, err := nobody.Unseal(t.Context(), "sealift-share-1")
	check(t, "progress", err, so, api.UnsealProgress{Sealed: true, Path: "recovery", Given: 1, Threshold: 2})
	check(t, "asked", nil, f.services.last(), []any{"127.0.0.1", "sealift-share-1"})
	check(t, "reset", nobody.ResetUnseal(t.Context(), "sealift-share-1"), f.services.last(), []any{"reset", "127.0.0.1", "sealift-share-1"})
	f.services.sealed = false
	check(t, "seal", f.client(access.RoleOwner).Seal(t.Context()), f.services.last(), []any{caller(access.RoleOwner)})

	for _, path := range []string{"/vault/unseal", "/vault/unseal/reset"} {
		for _, body := range []string{`{}`, `{"secret":""}`, `{"secret":"x","more":1}`, `{"secret":"` + strings.Repeat("x", sealift.MaxPassphrase+1) + `"}`} {
			a := f.do("POST", control.Prefix+path, "", body)
			f.wantProblem(a, 400, sealift.KindInvalid, "")
		}
		f.wantProblem(f.do("POST", control.Prefix+path, "", `{"secret":"`+strings.Repeat("x", sealift.MaxUnsealBody)+`"}`), 413, sealift.KindInvalid, "too_large")
	}
	if asked := f.services.last(); asked != nil {
		t.Errorf("a service was asked %v", asked)
	}
	if strings.Contains(f.log.String(), "sealift-share-1") {
		t.Error("the log has the secret")
	}
	// What does not open it is no fault of the server's, and too many tries are told.
	for reason, want := range map[string]struct {
		kind   sealift.Kind
		status int
	}{
		"passphrase": {sealift.KindSealed, 403}, "share-foreign": {sealift.KindSealed, 403}, "share-old": {sealift.KindSealed, 403},
		"share-wrong": {sealift.KindSealed, 403}, "share-twice": {sealift.KindConflict, 409}, "share-form": {sealift.KindInvalid, 400},
		"rate": {sealift.KindExhausted, 429}, "seal-record": {sealift.KindSealed, 503},
	} {
		f.services.err = sealift.Errorf(want.kind, "unsealing", "no").WithReason(reason).WithHint("x")
		f.wantProblem(f.do("POST", control.Prefix+"/vault/unseal", "", `{"secret":"x"}`), want.status, want.kind, reason)
	}
}
