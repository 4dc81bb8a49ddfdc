package approval

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
)

// Reasons of errors that callers tell apart.
const (
	ReasonApproval = "approval"       // KindDenied: it waits for approvals, or they were refused
	ReasonApprover = "approver"       // KindDenied: whoever says yes may not
	ReasonState    = "approval-state" // KindConflict: the request is not open
	ReasonApproved = "approved"       // KindConflict: they said yes before
)

// Proposal is an act that a policy may ask people about. What is not in it is not
// approved: Parameters hold everything that the act depends on, and of secrets
// their SHA-256.
type Proposal struct {
	Action     string
	App        sealift.AppID
	Subject    string
	KeyVersion uint64
	Payload    sealift.Digest
	Parameters map[string]string

	why     string        // it is asked, where that does not go without saying; for who asks
	again   string        // what a command needs to be the same the next time
	refusal error         // that whoever asks gets in the end, whatever others say
	carried sealift.Label // whose devices are a parameter
}

// Gated does an act that a policy may ask people about. Where it asks nobody, or
// where enough people have approved exactly this of exactly this caller, do runs,
// once for each approval; otherwise a request stands, and the error says so,
// KindDenied with ReasonApproval.
func Gated[R any](ctx context.Context, b *Board, by access.Caller, p Proposal, do func() (R, error)) (R, error) {
	return gatedAll(ctx, b, by, []Proposal{p}, do)
}

// gatedAll is Gated for an act that several policies may ask people about, each in a
// request of its own. None is used up before all are granted.
func gatedAll[R any](ctx context.Context, b *Board, by access.Caller, all []Proposal, do func() (R, error)) (R, error) {
	var none R
	used, err := b.take(ctx, by, all)
	if err != nil {
		return none, err
	}
	result, err := do()
	if err != nil {
		for _, id := range used {
			b.failed(ctx, id, err)
		}
	}
	return result, err
}

// asked is a request about a proposal, and the policy that it goes by.
type asked struct {
	store.ApprovalRequest
	policy   store.Policy
	proposal Proposal
}

// take lets an act go on: it returns the ids of the requests that it used up, none
// where nobody had to be asked.
func (b *Board) take(ctx context.Context, by access.Caller, all []Proposal) (ids []string, err error) {
	if len(all) == 0 {
		return nil, nil
	}
	var waiting []asked
	err = b.vault.Update(ctx, func(tx *vault.Tx) error {
		var granted []asked
		ids, waiting = nil, nil
		for _, p := range all {
			policy, err := b.policyOf(ctx, tx, p)
			if err != nil {
				return err
			}
			if policy.Needed == 0 {
				continue
			}
			r, err := b.ask(ctx, tx, by, policy, p)
			if err != nil {
				return err
			}
			if r.State == store.ApprovalGranted {
				granted = append(granted, asked{r, policy, p})
			} else {
				waiting = append(waiting, asked{r, policy, p})
			}
		}
		if len(waiting) > 0 {
			return nil
		}
		for _, a := range granted {
			e := audit.Entry{Time: b.now().UTC(), Actor: by.Actor(), Action: "approval.use", Subject: a.proposal.Subject}
			if err := b.use(ctx, tx, &a.ApprovalRequest, a.policy, e); err != nil {
				return err
			}
			ids = append(ids, a.ID)
		}
		return nil
	})
	if err != nil || len(waiting) == 0 {
		return ids, err
	}
	return nil, waits(waiting[0])
}

// policyOf is the policy that a proposal goes by. A change of a policy goes by
// that policy, and a move of devices by the one that they leave. Of which channel something is, its parameters say, which people read.
func (b *Board) policyOf(ctx context.Context, tx store.Tx, p Proposal) (store.Policy, error) {
	action := p.Action
	if action == actionPolicy || action == actionMove {
		action = p.Parameters["action"]
	}
	return b.policyFor(ctx, tx, action, scope{p.App, sealift.Channel(p.Parameters["channel"])})
}

func waits(r asked) error {
	return sealift.Errorf(sealift.KindDenied, "asking for approval", "%sit waits for %d people, as request %s", r.proposal.why, r.Needed, r.ID).WithReason(ReasonApproval).
		WithHint("let them look at it: sealift approval show %s; once they have approved, do the same again%s until %s", r.ID, r.proposal.again, r.Expires.UTC().Format(time.RFC3339))
}

// ask returns the request of this caller for exactly this, open or granted; a new
// one where there is none.
func (b *Board) ask(ctx context.Context, tx *vault.Tx, by access.Caller, policy store.Policy, p Proposal) (store.ApprovalRequest, error) {
	parameters, err := canonical(p.Parameters)
	if err != nil {
		return store.ApprovalRequest{}, err
	}
	r, found, err := b.find(ctx, tx, by.ID, policy, p, parameters)
	if err != nil || found {
		return r, err
	}
	return b.open(ctx, tx, by, policy, p, parameters)
}

// isOf reports whether a request is for exactly this; parameters are p's, in
// canonical form.
func (p Proposal) isOf(r store.ApprovalRequest, parameters []byte) bool {
	return r.App == p.App && r.Payload == p.Payload && bytes.Equal(r.Parameters, parameters)
}

// find returns the request of this caller for exactly this, open or granted and
// of this policy. One that is too old, or of another version of the policy, is
// voided on the way.
func (b *Board) find(ctx context.Context, tx *vault.Tx, requester string, policy store.Policy, p Proposal, parameters []byte) (store.ApprovalRequest, bool, error) {
	rows, err := b.waiting(ctx, tx, p.Action, p.Subject)
	if err != nil {
		return store.ApprovalRequest{}, false, err
	}
	for _, r := range rows {
		if r.Requester != requester || !p.isOf(r, parameters) {
			continue
		}
		if b.vault.CheckRow(ctx, tx, r) != nil {
			continue // something else wrote it: people are asked anew
		}
		stale := b.stale(r, policy)
		if stale == "" {
			return r, true, nil
		}
		if err := b.end(ctx, tx, &r, store.ApprovalVoid, stale, System()); err != nil {
			return r, false, err
		}
	}
	return store.ApprovalRequest{}, false, nil
}

// waiting returns the requests about subject that are open or granted.
func (b *Board) waiting(ctx context.Context, tx store.Tx, action, subject string) (all []store.ApprovalRequest, err error) {
	for _, state := range []store.ApprovalState{store.ApprovalGranted, store.ApprovalOpen} {
		rows, err := tx.ApprovalRequests(ctx, store.ApprovalFilter{State: state, Action: action, Subject: subject, Limit: sealift.MaxOpenRequests})
		if err != nil {
			return nil, err
		}
		all = append(all, rows...)
	}
	return all, nil
}

// stale says why a request that waits can come to nothing; "" where it can.
func (b *Board) stale(r store.ApprovalRequest, policy store.Policy) string {
	switch {
	case !b.now().Before(r.Expires):
		return "too old"
	case r.PolicyVersion != policy.Version || r.Needed != needed(policy, r):
		return "the policy has changed"
	}
	return ""
}

// open asks people.
func (b *Board) open(ctx context.Context, tx *vault.Tx, by access.Caller, policy store.Policy, p Proposal, parameters []byte) (r store.ApprovalRequest, err error) {
	person, err := b.answers(ctx, tx, by.ID)
	if err != nil {
		return r, err
	}
	if err := b.room(ctx, tx, by.ID, person); err != nil {
		return r, err
	}
	now := b.now().UTC().Truncate(time.Microsecond)
	r = store.ApprovalRequest{
		ID: newID(), Action: p.Action, App: p.App, Subject: p.Subject, Requester: by.ID, Person: person,
		PolicyVersion: policy.Version, KeyVersion: p.KeyVersion, State: store.ApprovalOpen,
		Nonce: newNonce(), Created: now, Changed: now, Expires: now.Add(sealift.ApprovalLife), Payload: p.Payload, Parameters: parameters,
	}
	r.Needed = needed(policy, r)
	if r.MAC, err = tx.Authenticate(r); err != nil {
		return r, err
	}
	if err := tx.InsertApprovalRequest(ctx, r); err != nil {
		return r, err
	}
	return r, b.record(ctx, tx, by.Actor(), "approval.ask", r, map[string]string{"needed": fmt.Sprint(r.Needed), "policy": fmt.Sprint(r.PolicyVersion)})
}

// maxLineage is how many tokens in a row made each other, at most, until a person
// did.
const maxLineage = 8

// answers returns who answers for a caller: the person themselves, or who made the
// token, or the token that made it; "" where that leads to nobody with a name.
func (b *Board) answers(ctx context.Context, tx store.Tx, id string) (string, error) {
	for range maxLineage {
		switch _, err := tx.Person(ctx, id); {
		case err == nil:
			return id, nil
		case sealift.KindOf(err) != sealift.KindNotFound:
			return "", err
		}
		token, err := tx.Token(ctx, id)
		if sealift.KindOf(err) == sealift.KindNotFound {
			return "", nil
		}
		if err == nil {
			err = b.vault.CheckRow(ctx, tx, token) // or SQL would say whose it is
		}
		if err != nil {
			return "", err
		}
		id = token.Creator
	}
	return "", sealift.Errorf(sealift.KindDenied, "asking for approval", "no person stands behind the token").WithReason(ReasonApproval).
		WithHint("make a token as yourself: sealift token create")
}

// needed is how many people must approve r. Where nobody with a name answers for it,
// whoever holds the token may be any of those who approve: one more is asked, so that
// as many as the policy says stand behind it besides them. Likewise where nobody with
// a name answers for the invitation that it is about. What roll-outs ask by themselves
// is asked by none of those who approve.
func needed(policy store.Policy, r store.ApprovalRequest) int64 {
	n := policy.Needed
	if r.Person == "" && r.Requester != access.Machine {
		n++
	}
	if inviter, person, ok := inviterOf(r); ok && person == "" && inviter != r.Requester {
		n++
	}
	return n
}

// excluded are who never counts for r: whoever asked, or answers for it, or for the
// invitation that it is about.
func excluded(r store.ApprovalRequest) map[string]bool {
	inviter, person, _ := inviterOf(r)
	return map[string]bool{r.Requester: true, r.Person: true, inviter: true, person: true}
}

// use takes a granted request up, once: enough of those who approved it must count
// still.
func (b *Board) use(ctx context.Context, tx *vault.Tx, r *store.ApprovalRequest, policy store.Policy, e audit.Entry) error {
	yes, err := b.counted(ctx, tx, *r, policy)
	if err != nil {
		return err
	}
	if int64(len(yes)) < r.Needed {
		return sealift.Errorf(sealift.KindDenied, "using an approval", "of those who approved request %s, %d count still, and %d are needed", r.ID, len(yes), r.Needed).
			WithReason(ReasonApproval).WithHint("somebody's role was taken, or they were disabled: take it back with sealift approval reject %s, and ask anew", r.ID)
	}
	if err := b.set(ctx, tx, r, store.ApprovalUsed, ""); err != nil {
		return err
	}
	details := map[string]string{"needed": fmt.Sprint(r.Needed)}
	for i, a := range yes {
		details[fmt.Sprintf("approver-%d", i+1)] = a.Person
	}
	return b.recordAt(ctx, tx, e, *r, details)
}

// counted returns the approvals of r that count now: written by the vault, of
// distinct people, none of whom asked or invited, each active and of a role that may.
func (b *Board) counted(ctx context.Context, tx store.Tx, r store.ApprovalRequest, policy store.Policy) (yes []store.Approval, err error) {
	rows, err := tx.Approvals(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	seen := excluded(r)
	seen[""] = true
	for _, a := range rows {
		if seen[a.Person] || a.Request != r.ID || b.vault.CheckRow(ctx, tx, a) != nil {
			continue
		}
		person, err := tx.Person(ctx, a.Person)
		if sealift.KindOf(err) == sealift.KindNotFound {
			continue
		}
		if err != nil {
			return nil, err
		}
		if b.mayApprove(ctx, tx, policy, r.App, person) {
			seen[a.Person] = true
			yes = append(yes, a)
		}
	}
	return yes, nil
}

// failed notes that what was approved could not be done. The approval is spent all
// the same: what happened halfway cannot be told from here.
func (b *Board) failed(ctx context.Context, id string, why error) {
	_ = b.vault.Update(ctx, func(tx *vault.Tx) error {
		r, err := tx.ApprovalRequest(ctx, id)
		if err != nil {
			return err
		}
		return b.end(ctx, tx, &r, store.ApprovalFailed, clip(why.Error()), System())
	})
}

// System is the actor of what the board does by itself.
func System() audit.Actor { return audit.Actor{Kind: audit.System, ID: "approvals"} }

func clip(s string) string { return s[:min(len(s), sealift.MaxReason)] }

// end puts a request into a state from which it does not come back.
func (b *Board) end(ctx context.Context, tx *vault.Tx, r *store.ApprovalRequest, to store.ApprovalState, outcome string, by audit.Actor) error {
	if err := b.set(ctx, tx, r, to, outcome); err != nil {
		return err
	}
	return b.record(ctx, tx, by, "approval."+string(to), *r, map[string]string{"outcome": outcome})
}

// set writes a request in another state.
func (b *Board) set(ctx context.Context, tx *vault.Tx, r *store.ApprovalRequest, to store.ApprovalState, outcome string) (err error) {
	old := r.MAC
	r.State, r.Outcome, r.Changed = to, outcome, b.now().UTC().Truncate(time.Microsecond)
	if r.MAC, err = tx.Authenticate(*r); err != nil {
		return err
	}
	return tx.UpdateApprovalRequest(ctx, *r, old)
}

func (b *Board) record(ctx context.Context, tx *vault.Tx, by audit.Actor, action string, r store.ApprovalRequest, details map[string]string) error {
	return b.recordAt(ctx, tx, audit.Entry{Time: b.now().UTC(), Actor: by, Action: action}, r, details)
}

func (b *Board) recordAt(ctx context.Context, tx *vault.Tx, e audit.Entry, r store.ApprovalRequest, details map[string]string) error {
	e.Subject, e.Result, e.Details = r.ID, audit.OK, maps.Clone(details)
	e.Details["for"], e.Details["on"], e.Details[vault.RowDetail] = r.Action, r.Subject, vault.RowTag(r.MAC)
	if r.App != "" {
		e.Details["app"] = string(r.App)
	}
	_, err := audit.Append(ctx, tx, e)
	return err
}
