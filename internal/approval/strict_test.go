package approval_test

import (
	"testing"

	"github.com/sealift/sealift/internal/approval"
	"github.com/sealift/sealift/internal/store"
)

func TestAtLeastAsStrict(t *testing.T) {
	p := func(needed int64, roles string) store.Policy { return store.Policy{Needed: needed, Roles: roles} }
	nobody, inherits := p(0, ""), p(-1, "")
	one, two := p(1, "owner security_officer"), p(2, "owner security_officer")
	for _, c := range []struct {
		name       string
		p, q       store.Policy
		than, back bool // p is at least as strict as q, and q as p
	}{
		{"nobody and nobody", nobody, nobody, true, true},
		{"off and taken back", nobody, inherits, true, true},
		{"one and nobody", one, nobody, true, false},
		{"one and one", one, one, true, true},
		{"two and one", two, one, true, false},
		{"fewer roles", p(1, "owner"), one, true, false},
		{"fewer roles and more people", p(2, "owner"), one, true, false},
		{"more people, and a role more", p(2, "developer owner"), p(1, "owner"), false, false},
		{"other roles", p(1, "owner"), p(1, "release_manager"), false, false},
		{"a role of a like name", p(1, "owner"), p(1, "owners"), false, false},
		{"nobody in the end may", p(1, ""), one, true, false},
	} {
		if got := approval.AtLeastAsStrict(c.p, c.q); got != c.than {
			t.Errorf("%s: %v", c.name, got)
		}
		if got := approval.AtLeastAsStrict(c.q, c.p); got != c.back {
			t.Errorf("%s, the other way round: %v", c.name, got)
		}
	}
}
