package control_test

import (
	"context"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/service"
)

var key1 = service.Key{
	ID: "release-ca", Version: 2, Purpose: "release-ca", Algorithm: "ecdsa-p384", Provider: "software", Owner: "alice", Label: "x",
	State: "active", Public: sealift.Digest{3}, Created: time.Unix(1, 0), Changed: time.Unix(2, 0), NotBefore: time.Unix(3, 0), NotAfter: time.Unix(4, 0),
}

func (s *services) Keys(_ context.Context, want service.KeyFilter) ([]service.Key, error) {
	return []service.Key{key1, {ID: "secret"}}, s.note(want)
}

func (s *services) SetKeyState(_ context.Context, by access.Caller, want service.KeyChange) (service.Key, error) {
	return key1, s.note(by, want)
}

func TestKeys(t *testing.T) {
	f := newFixture(t, roles{})
	c := f.client(access.RoleSecurityOfficer)
	wire := api.Key{
		ID: "release-ca", Version: 2, Purpose: "release-ca", Algorithm: "ecdsa-p384", Provider: "software", Owner: "alice", Label: "x",
		State: "active", Public: sealift.Digest{3}.String(), Created: time.Unix(1, 0).UTC(), Changed: time.Unix(2, 0).UTC(),
		NotBefore: time.Unix(3, 0).UTC(), NotAfter: time.Unix(4, 0).UTC(),
	}
	keys, err := c.Keys(t.Context(), api.ListKeysParams{ID: "a", Purpose: "b", State: "active"})
	check(t, "asked", err, f.services.last(), []any{service.KeyFilter{ID: "a", Purpose: "b", State: "active"}})
	if len(keys) != 2 || keys[1].Public != "" {
		t.Fatalf("%+v", keys)
	}
	check(t, "key", nil, keys[0], wire)
	for to, suspend := range map[api.KeyChangeTo]bool{"suspended": true, "active": false} {
		got, err := c.SetKeyState(t.Context(), api.KeyChange{ID: "release-ca", Version: 2, To: to, Reason: "why"})
		check(t, "changed", err, got, wire)
		check(t, "asked", nil, f.services.last()[1], any(service.KeyChange{ID: "release-ca", Version: 2, Suspend: suspend, Reason: "why"}))
	}
	for _, body := range []string{
		`{}`, `{"id":"x","version":1,"to":"destroyed","reason":"x"}`, `{"id":"x","version":0,"to":"active","reason":"x"}`,
		`{"id":"","version":1,"to":"active","reason":"x"}`, `{"id":"x","version":-1,"to":"active","reason":"x"}`,
	} {
		f.wantProblem(f.do("POST", control.Prefix+"/keys/state", "owner", body), 400, sealift.KindInvalid, "")
	}
	f.wantProblem(f.do("GET", control.Prefix+"/keys?id=%ff", "owner", ""), 400, sealift.KindInvalid, "")
	if asked := f.services.last(); asked != nil {
		t.Errorf("a service was asked %v", asked)
	}
}
