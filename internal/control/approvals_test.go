package control_test

import (
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control"
)

// TestApprovalFilters: what no request can be is refused, and no empty list, which
// looks as if nobody were asked for anything.
func TestApprovalFilters(t *testing.T) {
	f := newFixture(t, roles{})
	for _, query := range []string{"limit=101", "limit=-1", "limit=x", "state=opne", "action=publish"} {
		f.wantProblem(f.do("GET", control.Prefix+"/approvals?"+query, "auditor", ""), 400, sealift.KindInvalid, "")
	}
	if asked := f.services.last(); asked != nil {
		t.Errorf("a service was asked %v", asked)
	}
}
