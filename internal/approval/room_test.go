package approval_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/approval"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
)

// flood asks for n different things.
func (w *world) flood(by access.Caller, n int) (err error) {
	w.Helper()
	for i := range n {
		a := w.act()
		a.proposal.Subject = fmt.Sprintf("%s/%d", by.ID, i)
		if err = a.by(by); sealift.ReasonOf(err) != approval.ReasonApproval {
			return err
		}
	}
	return err
}

// One person, with all of their tokens, keeps nobody else from asking; and what
// nobody decided in its week stands in nobody's way.
func TestOnePersonDoesNotFillTheBoard(t *testing.T) {
	w, ann, bob, _ := trio(t)
	made, err := w.registry.CreateToken(t.Context(), ann.Caller, service.NewToken{Role: access.RoleSecurityOfficer, Life: 1000 * time.Hour})
	w.check(err)
	token := access.Caller{Kind: access.CallerService, ID: made.ID, Role: access.RoleSecurityOfficer}
	w.refused(w.flood(ann.Caller, sealift.MaxOwnRequests-1), sealift.KindDenied, approval.ReasonApproval)
	w.refused(w.flood(token, 2), sealift.KindExhausted, "requests")
	if err := w.flood(ann.Caller, 1); sealift.ReasonOf(err) != approval.ReasonApproval {
		t.Errorf("what she has asked before: %v", err)
	}
	more := w.act()
	more.proposal.Subject = "one more"
	if err := more.by(ann.Caller); sealift.ReasonOf(err) != "requests" || sealift.HintOf(err) == "" {
		t.Errorf("one more of ann: %v", err)
	}
	w.refused(w.flood(bob.Caller, 1), sealift.KindDenied, approval.ReasonApproval)

	w.clock = w.clock.Add(sealift.ApprovalLife)
	if err := more.by(ann.Caller); sealift.ReasonOf(err) != approval.ReasonApproval {
		t.Errorf("after a week: %v", err)
	}
	r := w.only(store.ApprovalOpen)
	if r.Subject != "one more" {
		t.Errorf("%+v", r)
	}
}

// Requests that are too old end by themselves.
func TestPrune(t *testing.T) {
	w, ann, _, _ := trio(t)
	w.refused(w.flood(ann.Caller, 1), sealift.KindDenied, approval.ReasonApproval)
	w.check(w.board.Prune(t.Context()))
	w.only(store.ApprovalOpen)
	w.clock = w.clock.Add(sealift.ApprovalLife)
	w.check(w.board.Prune(t.Context()))
	rows, err := w.board.Requests(t.Context(), founder(), service.ApprovalFilter{State: store.ApprovalOpen, Limit: 10})
	w.check(err)
	if len(rows) != 0 || w.only(store.ApprovalVoid).Outcome != "too old" {
		t.Errorf("%+v", rows)
	}
}
