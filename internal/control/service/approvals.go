package service

import (
	"context"
	"encoding/json"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/store"
)

// MissingApprovals is what a draft waits for where a policy asks people.
const MissingApprovals = "approvals"

// Approvals keeps who must stand behind what, and asks them.
type Approvals interface {
	// Policies returns the policies there are, by app, channel and action.
	Policies(ctx context.Context) (Policies, error)
	// SetPolicy sets one. KindInvalid for one that cannot be; KindNotFound if
	// there is no such app or channel, or, with Inherit, none that would end; KindConflict with reason "approvers" where too few
	// people could approve; KindDenied with reason "approval" where the policy
	// before wants approvals for that, which are asked for.
	SetPolicy(ctx context.Context, by access.Caller, want NewPolicy) (Policy, error)
	// Requests returns requests for approval, newest first; of by's app alone where
	// by is bound to one.
	Requests(ctx context.Context, by access.Caller, want ApprovalFilter) ([]ApprovalRequest, error)
	// Request returns one with all there is to say of it, and who asks may be
	// asked for their passkey; KindNotFound.
	Request(ctx context.Context, by access.Caller, id string) (ApprovalRequest, error)
	// Approve says yes, with the browser's answer to Request's Options. KindDenied
	// with reason "approver" for whom the policy does not let approve this, with
	// reason "passkey" for an answer that does not verify; KindConflict with
	// reason "approval-state" for a request that is not open, and with reason
	// "approved" where the person approved it before.
	Approve(ctx context.Context, by access.Caller, id string, answer json.RawMessage) (ApprovalRequest, error)
	// Reject says no, for good: by somebody who might say yes, or by whoever
	// asked, who thereby takes it back. Errors are those of Approve.
	Reject(ctx context.Context, by access.Caller, id, reason string) (ApprovalRequest, error)
}

// Policies are all of them.
type Policies struct {
	Policies  []Policy
	Approvers int64 // people with a passkey whose role can approve something
}

// Policy says how many people must stand behind an action.
type Policy struct {
	App     sealift.AppID   // empty for the installation
	Channel sealift.Channel // of App; empty for all of them
	Action  string
	Needed  int64 // 0 where it is off, or Inherit
	Inherit bool  // the next wider policy counts again
	Roles   []access.Role
	Version uint64
	Creator string
	Created time.Time
	Forged  bool // not written by the vault: what it is about is refused
}

// NewPolicy is a policy to be set.
type NewPolicy struct {
	App     sealift.AppID
	Channel sealift.Channel // of App; empty for all of them
	Action  string
	Needed  int64 // 1 to sealift.MaxApprovals
	Roles   []access.Role
	Off     bool // ask nobody any more
	Inherit bool // let the next wider policy count again; of an app or a channel
}

// ApprovalFilter picks requests; an empty field matches all.
type ApprovalFilter struct {
	State  store.ApprovalState
	Action string
	Limit  int // 1 to sealift.MaxPage
}

// ApprovalRequest asks people to stand behind an act.
type ApprovalRequest struct {
	ID         string
	Action     string
	App        sealift.AppID
	Subject    string
	Parameters map[string]string
	Payload    sealift.Digest // zero where nothing is signed
	Requester  string         // id of the person or token
	Name       string         // login of that person, or label of that token; empty where it is not known
	Person     string         // who answers for the requester; empty for nobody with a name
	Login      string         // of Person
	Needed     int64
	Roles      []access.Role // whose approval counts, by the policy of now
	State      store.ApprovalState
	Outcome    string
	Created    time.Time
	Expires    time.Time
	Changed    time.Time
	Approvals  []Approval

	// Of one request, not in lists.
	Document []byte          // canonical JSON of what is approved
	Options  json.RawMessage // for navigator.credentials.get; nil where by may not approve
	WhyNot   string          // why they may not; empty where they may
}

// Approval is a person's yes.
type Approval struct {
	Person   string
	Login    string // empty where the person is not known any more
	Created  time.Time
	Counts   bool            // now: the person is active, and of a role that may
	Evidence json.RawMessage // of one request, not in lists
}
