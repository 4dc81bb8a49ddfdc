package storetest

import (
	"testing"
	"time"

	"github.com/sealift/sealift/internal/store"
)

func aPolicy(version uint64) store.Policy {
	p := filled[store.Policy](int(version))
	p.App, p.Channel, p.Action, p.Version = app, "", "release", version
	return p
}

func testPolicies(t *testing.T, s store.Store) {
	ctx := t.Context()
	other := aPolicy(7)
	all := other
	all.App, all.Version = "", 1
	later := other
	later.Action = "zone"
	channel := other
	channel.Channel, channel.Version = "production", 2
	update(t, s, func(tx store.Tx) {
		gives(t, []store.Policy{})(tx.Policies(ctx))
		for _, p := range []store.Policy{channel, later, other, all} {
			do(t, tx.PutPolicy(ctx, p))
			isConflict(t)(tx.PutPolicy(ctx, p))
		}
		gives(t, []store.Policy{all, other, later, channel})(tx.Policies(ctx))
	})
	update(t, s, func(tx store.Tx) {
		changed := aPolicy(8)
		do(t, tx.PutPolicy(ctx, changed))
		isConflict(t)(tx.PutPolicy(ctx, other))
		gives(t, []store.Policy{all, changed, later, channel})(tx.Policies(ctx))
	})
}

func aRequest(id string, state store.ApprovalState, at time.Time) store.ApprovalRequest {
	r := filled[store.ApprovalRequest](0)
	r.ID, r.State, r.Created = id, state, at
	return r
}

func testApprovals(t *testing.T, s store.Store) {
	ctx := t.Context()
	ann, bob := aPerson("ann", "ann@acme.com"), aPerson("bob", "bob@acme.com")
	first, second := aRequest("b", store.ApprovalOpen, someTime), aRequest("a", store.ApprovalOpen, someTime)
	third := aRequest("c", store.ApprovalUsed, someTime.Add(time.Microsecond))
	third.Subject = "another"
	yes := filled[store.Approval](0)
	yes.Request, yes.Person = first.ID, ann.ID
	too := filled[store.Approval](1)
	too.Request, too.Person, too.Created = first.ID, bob.ID, yes.Created.Add(-time.Second)
	update(t, s, func(tx store.Tx) {
		do(t, tx.InsertPerson(ctx, ann))
		do(t, tx.InsertPerson(ctx, bob))
		isAbsent(t)(tx.ApprovalRequest(ctx, first.ID))
		isAbsent(t)(tx.UpdateApprovalRequest(ctx, first, first.MAC))
		isAbsent(t)(tx.InsertApproval(ctx, yes))
		gives(t, []store.Approval{})(tx.Approvals(ctx, first.ID))
		for _, r := range []store.ApprovalRequest{first, second, third} {
			do(t, tx.InsertApprovalRequest(ctx, r))
			isConflict(t)(tx.InsertApprovalRequest(ctx, r))
			gives(t, r)(tx.ApprovalRequest(ctx, r.ID))
		}
		for _, a := range []store.Approval{yes, too} {
			do(t, tx.InsertApproval(ctx, a))
			isConflict(t)(tx.InsertApproval(ctx, a))
		}
		nobodys := yes
		nobodys.Person = "eve"
		isAbsent(t)(tx.InsertApproval(ctx, nobodys))
	})
	update(t, s, func(tx store.Tx) {
		gives(t, []store.Approval{too, yes})(tx.Approvals(ctx, first.ID))
		gives(t, []store.Approval{})(tx.Approvals(ctx, second.ID))
		gives(t, []store.ApprovalRequest{third, first, second})(tx.ApprovalRequests(ctx, store.ApprovalFilter{Limit: 9}))
		gives(t, []store.ApprovalRequest{third, first})(tx.ApprovalRequests(ctx, store.ApprovalFilter{Limit: 2}))
		gives(t, []store.ApprovalRequest{first, second})(tx.ApprovalRequests(ctx, store.ApprovalFilter{State: store.ApprovalOpen, Limit: 9}))
		gives(t, []store.ApprovalRequest{third})(tx.ApprovalRequests(ctx, store.ApprovalFilter{Action: third.Action, Subject: third.Subject, Limit: 9}))
		gives(t, []store.ApprovalRequest{})(tx.ApprovalRequests(ctx, store.ApprovalFilter{Action: "none", Limit: 9}))
		changed := filled[store.ApprovalRequest](1)
		changed.ID = first.ID
		isConflict(t)(tx.UpdateApprovalRequest(ctx, changed, []byte("other")))
		do(t, tx.UpdateApprovalRequest(ctx, changed, first.MAC))
		isConflict(t)(tx.UpdateApprovalRequest(ctx, first, first.MAC))
		gives(t, changed)(tx.ApprovalRequest(ctx, first.ID))
	})
}
