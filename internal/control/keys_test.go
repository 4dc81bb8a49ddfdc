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
	Standby: true, Vouched: "targets 1", RetireAt: time.Unix(5, 0),
	Fleet: &service.FleetRetirement{SeenWithin: time.Hour, NotBefore: time.Unix(6, 0), Waits: "root 1 lists it", Hint: "rotate", Root: 2, Targets: 3, Devices: 9, Behind: 4, Oldest: time.Unix(7, 0)},
}

func (s *services) Keys(_ context.Context, want service.KeyFilter) ([]service.Key, error) {
	return []service.Key{key1, {ID: "secret"}}, s.note(want)
}

func (s *services) SetKeyState(_ context.Context, by access.Caller, want service.KeyChange) (service.Key, error) {
	return key1, s.note(by, want)
}

func (s *services) RotateKey(_ context.Context, by access.Caller, want service.KeyRotation) (service.Rotated, error) {
	if want.ID == "answer" {
		return service.Rotated{Active: key1, Before: key1}, s.note(by, want)
	}
	return service.Rotated{Active: key1, Before: key1, Standby: &key1}, s.note(by, want)
}

func (s *services) RetireKey(_ context.Context, by access.Caller, want service.KeyRetirement) (service.Key, error) {
	return key1, s.note(by, want)
}

var (
	retireAt = time.Unix(5, 0).UTC()
	oldest   = time.Unix(7, 0).UTC()
)

func TestKeys(t *testing.T) {
	f := newFixture(t, roles{})
	c := f.client(access.RoleSecurityOfficer)
	wire := api.Key{
		ID: "release-ca", Version: 2, Purpose: "release-ca", Algorithm: "ecdsa-p384", Provider: "software", Owner: "alice", Label: "x",
		State: "active", Public: sealift.Digest{3}.String(), Created: time.Unix(1, 0).UTC(), Changed: time.Unix(2, 0).UTC(),
		NotBefore: time.Unix(3, 0).UTC(), NotAfter: time.Unix(4, 0).UTC(), Standby: true, Vouched: "targets 1", RetireAt: &retireAt,
		Fleet: &api.FleetRetirement{SeenWithin: 3600, NotBefore: time.Unix(6, 0).UTC(), Waits: "root 1 lists it", Hint: "rotate", Root: 2, Targets: 3, Devices: 9, Behind: 4, Oldest: &oldest},
	}
	keys, err := c.Keys(t.Context(), api.ListKeysParams{ID: "a", Purpose: "b", State: "active"})
	check(t, "asked", err, f.services.last(), []any{service.KeyFilter{ID: "a", Purpose: "b", State: "active"}})
	if len(keys) != 2 || keys[1].Public != "" {
		t.Fatalf("%+v", keys)
	}
	check(t, "key", nil, keys[0], wire)
	if keys[1].RetireAt != nil || keys[1].Standby {
		t.Errorf("%+v", keys[1])
	}
	for _, to := range []api.KeyChangeTo{"active", "suspended", "deactivated", "compromised", "destroyed"} {
		got, err := c.SetKeyState(t.Context(), api.KeyChange{ID: "release-ca", Version: 2, To: to, Reason: "why"})
		check(t, "changed", err, got, wire)
		check(t, "asked", nil, f.services.last()[1], any(service.KeyChange{ID: "release-ca", Version: 2, To: string(to), Reason: "why"}))
	}
	rotated, err := c.RotateKey(t.Context(), api.KeyRotation{ID: "timestamp", Reason: "why"})
	check(t, "rotated", err, rotated, api.RotatedKey{Active: wire, Before: wire, Standby: &wire})
	check(t, "asked", nil, f.services.last()[1], any(service.KeyRotation{ID: "timestamp", Reason: "why"}))
	rotated, err = c.RotateKey(t.Context(), api.KeyRotation{ID: "answer", Reason: "why"})
	check(t, "rotated", err, rotated, api.RotatedKey{Active: wire, Before: wire})
	f.services.last()
	retired, err := c.RetireKey(t.Context(), api.KeyRetirement{ID: "release-ca", Version: 1, After: 60, SeenWithin: 604800, Reason: "why"})
	check(t, "retired", err, retired, wire)
	check(t, "asked", nil, f.services.last()[1], any(service.KeyRetirement{ID: "release-ca", Version: 1, After: time.Minute, SeenWithin: sealift.MinFleetSilence, Reason: "why"}))
	for _, body := range []string{
		`{}`, `{"id":"x","version":1,"to":"pre-active","reason":"x"}`, `{"id":"x","version":1,"to":"gone","reason":"x"}`,
		`{"id":"x","version":0,"to":"active","reason":"x"}`, `{"id":"","version":1,"to":"active","reason":"x"}`, `{"id":"x","version":-1,"to":"active","reason":"x"}`,
	} {
		f.wantProblem(f.do("POST", control.Prefix+"/keys/state", "owner", body), 400, sealift.KindInvalid, "")
	}
	for _, body := range []string{`{}`, `{"id":"","reason":"x"}`, `{"id":"x","version":1,"reason":"x"}`} {
		f.wantProblem(f.do("POST", control.Prefix+"/keys/rotate", "owner", body), 400, sealift.KindInvalid, "")
	}
	for _, body := range []string{`{}`, `{"id":"x","reason":"x"}`, `{"id":"x","version":1,"after":-1,"reason":"x"}`, `{"id":"x","version":1,"after":94608001,"reason":"x"}`} {
		f.wantProblem(f.do("POST", control.Prefix+"/keys/retire", "owner", body), 400, sealift.KindInvalid, "")
	}
	f.wantProblem(f.do("GET", control.Prefix+"/keys?id=%ff", "owner", ""), 400, sealift.KindInvalid, "")
	if asked := f.services.last(); asked != nil {
		t.Errorf("a service was asked %v", asked)
	}
}
