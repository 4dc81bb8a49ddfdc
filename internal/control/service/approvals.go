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
	// AppPolicies returns what every channel of app goes by, and by what devices come
	// unasked to one that asks less; KindNotFound.
	AppPolicies(ctx context.Context, app sealift.AppID) (AppPolicies, error)
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
	Inherit bool  // it was taken back: of a channel the strictest of the app counts, of an app the installation's
	Roles   []access.Role
	Version uint64
	Creator string
	Created time.Time
	Forged  bool // not written by the vault: what it is about is refused
}

// AppPolicies say what holds in an app.
type AppPolicies struct {
	Policies []ChannelPolicy // by channel, then by action
	Doors    []Door
}

// PolicySource says whose policy a channel goes by.
type PolicySource string

// The sources of a policy.
const (
	FromOwn          PolicySource = "channel"      // its own
	FromStrictest    PolicySource = "strictest"    // it has none: that of another channel of the app
	FromApp          PolicySource = "app"          // nor asks another channel more than the app's
	FromInstallation PolicySource = "installation" // nor has the app one
	FromNone         PolicySource = "none"         // there is none, and nobody is asked
	FromForged       PolicySource = "forged"       // one that could count was not written by the vault, or is gone: all is refused
)

// ChannelPolicy says what a channel goes by about an action: "release", "urgent",
// "rollback" or "rollout".
type ChannelPolicy struct {
	Channel sealift.Channel
	Action  string
	From    PolicySource
	Policy  Policy // that counts, with the scope and the action that it was set for; empty for FromNone and FromForged
}

// DoorKind says by what devices come to a channel.
type DoorKind string

// The kinds of doors.
const (
	DoorDefault    DoorKind = "default"     // the channel is the default of its app
	DoorSelfAssign DoorKind = "self-assign" // devices may put themselves on it
	DoorLabel      DoorKind = "label"       // a label that devices carry leads to it
)

// Door is by what devices come to a channel that asks less than another one of its app,
// of which no people of that were asked: it stood before there was the policy.
type Door struct {
	By       DoorKind
	Channel  sealift.Channel // that asks less
	Label    sealift.Label   // of DoorLabel
	Devices  int64           // of DoorLabel: that carry it, and of which nobody was asked
	Stricter sealift.Channel // one that asks more
	Because  string          // in words: about what, and what each asks
}

// NewPolicy is a policy to be set.
type NewPolicy struct {
	App     sealift.AppID
	Channel sealift.Channel // of App; empty for all of them
	Action  string
	Needed  int64 // 1 to sealift.MaxApprovals
	Roles   []access.Role
	Off     bool // ask nobody any more
	Inherit bool // take that of an app or a channel back, so that it goes by those of others
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
