package control

import (
	"net/http"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
)

// ListPolicies implements GET /policies.
func (h *handler) ListPolicies(w http.ResponseWriter, r *http.Request) {
	h.do(w, r, access.ListPolicies, noApp, http.StatusOK, func(access.Caller) (any, error) {
		all, err := h.Approvals.Policies(r.Context())
		return api.PolicyList{Policies: each(all.Policies, policyOut), Approvers: all.Approvers}, err
	})
}

// ListAppPolicies implements GET /apps/{app}/policies.
func (h *handler) ListAppPolicies(w http.ResponseWriter, r *http.Request, app api.InApp) {
	h.do(w, r, access.ListPolicies, app, http.StatusOK, func(access.Caller) (any, error) {
		id, err := sealift.ParseAppID(app)
		if err != nil {
			return nil, err
		}
		all, err := h.Approvals.AppPolicies(r.Context(), id)
		return api.AppPolicies{Policies: each(all.Policies, channelPolicyOut), Doors: each(all.Doors, doorOut)}, err
	})
}

func channelPolicyOut(p service.ChannelPolicy) api.ChannelPolicy {
	out := api.ChannelPolicy{
		Channel: string(p.Channel), Action: api.ChannelPolicyAction(p.Action), From: api.PolicySource(p.From),
		About: p.Policy.Action, Needed: p.Policy.Needed, Roles: each(p.Policy.Roles, roleOut), Version: p.Policy.Version,
	}
	if p.From == service.FromStrictest {
		out.Of = string(p.Policy.Channel)
	}
	if p.From == service.FromNone {
		out.About = ""
	}
	return out
}

func doorOut(d service.Door) api.PolicyDoor {
	return api.PolicyDoor{By: api.PolicyDoorBy(d.By), Channel: string(d.Channel), Label: string(d.Label), Devices: d.Devices, Stricter: string(d.Stricter), Because: d.Because}
}

// SetPolicy implements PUT /policies.
func (h *handler) SetPolicy(w http.ResponseWriter, r *http.Request) {
	h.do(w, r, access.ChangePolicies, noApp, http.StatusOK, func(by access.Caller) (any, error) {
		var body api.NewPolicy
		if err := readJSON(w, r, sealift.MaxAPIBody, &body); err != nil {
			return nil, err
		}
		want := service.NewPolicy{Action: string(body.Action), Needed: body.Needed, Off: body.Off, Inherit: body.Inherit}
		for _, role := range body.Roles {
			want.Roles = append(want.Roles, access.Role(role))
		}
		if body.App != "" {
			var err error
			if want.App, err = sealift.ParseAppID(body.App); err != nil {
				return nil, err
			}
		}
		if body.Channel != "" {
			var err error
			if want.Channel, err = sealift.ParseChannel(body.Channel); err != nil {
				return nil, err
			}
		}
		p, err := h.Approvals.SetPolicy(r.Context(), by, want)
		return policyOut(p), err
	})
}

func policyOut(p service.Policy) api.Policy {
	return api.Policy{
		App: string(p.App), Channel: string(p.Channel), Action: api.PolicyAction(p.Action), Needed: p.Needed, Inherit: p.Inherit, Roles: each(p.Roles, roleOut),
		Version: p.Version, Creator: p.Creator, Created: p.Created.UTC(), Forged: p.Forged,
	}
}

func roleOut(r access.Role) api.Role { return api.Role(r) }

// ListApprovals implements GET /approvals.
func (h *handler) ListApprovals(w http.ResponseWriter, r *http.Request, params api.ListApprovalsParams) {
	h.do(w, r, access.ListApprovals, noApp, http.StatusOK, func(by access.Caller) (any, error) {
		limit, err := pageLimit(params.Limit)
		if err != nil {
			return nil, err
		}
		if params.State != "" && !params.State.Valid() {
			return nil, sealift.Errorf(sealift.KindInvalid, "reading request", "there is no state %q of a request for approval", cut(string(params.State))).
				WithHint("a state is open, granted, used, failed, rejected or void")
		}
		if params.Action != "" && !params.Action.Valid() {
			return nil, sealift.Errorf(sealift.KindInvalid, "reading request", "nobody is asked to approve a %q", cut(string(params.Action))).
				WithHint("an action is release, urgent, rollback, rollout, deny, key, role, policy or move")
		}
		all, err := h.Approvals.Requests(r.Context(), by, service.ApprovalFilter{
			State: store.ApprovalState(params.State), Action: string(params.Action), Limit: limit,
		})
		return api.ApprovalList{Approvals: each(all, approvalOut)}, err
	})
}

// GetApproval implements GET /approvals/{request}.
func (h *handler) GetApproval(w http.ResponseWriter, r *http.Request, request string) {
	h.do(w, r, access.ListApprovals, noApp, http.StatusOK, func(by access.Caller) (any, error) {
		if err := checkRequestID(request); err != nil {
			return nil, err
		}
		out, err := h.Approvals.Request(r.Context(), by, request)
		return approvalOut(out), err
	})
}

// GiveApproval implements POST /approvals/{request}/approve.
func (h *handler) GiveApproval(w http.ResponseWriter, r *http.Request, request string) {
	h.do(w, r, access.Decide, noApp, http.StatusOK, func(by access.Caller) (any, error) {
		if err := checkRequestID(request); err != nil {
			return nil, err
		}
		var body api.ApprovalAnswer
		if err := readJSON(w, r, sealift.MaxAPIBody, &body); err != nil {
			return nil, err
		}
		out, err := h.Approvals.Approve(r.Context(), by, request, body.Credential)
		return approvalOut(out), err
	})
}

// RejectApproval implements POST /approvals/{request}/reject.
func (h *handler) RejectApproval(w http.ResponseWriter, r *http.Request, request string) {
	h.do(w, r, access.Decide, noApp, http.StatusOK, func(by access.Caller) (any, error) {
		if err := checkRequestID(request); err != nil {
			return nil, err
		}
		var body api.ApprovalRejection
		if err := readJSON(w, r, sealift.MaxAPIBody, &body); err != nil {
			return nil, err
		}
		if err := checkReason(body.Reason); err != nil {
			return nil, err
		}
		out, err := h.Approvals.Reject(r.Context(), by, request, body.Reason)
		return approvalOut(out), err
	})
}

func checkRequestID(id string) error {
	if isID(id) {
		return nil
	}
	return sealift.Errorf(sealift.KindInvalid, "reading request", "%q is no id of a request for approval", cut(id)).
		WithHint("an id has 16 lower-case hex digits: see sealift approval list")
}

func approvalOut(r service.ApprovalRequest) api.Approval {
	out := api.Approval{
		ID: r.ID, Action: api.PolicyAction(r.Action), App: string(r.App), Subject: r.Subject, Parameters: r.Parameters,
		Requester: r.Requester, RequesterName: r.Name, Person: r.Person, PersonLogin: r.Login, Needed: r.Needed, Roles: each(r.Roles, roleOut),
		State: api.ApprovalState(r.State), Outcome: r.Outcome, Created: r.Created.UTC(), Expires: r.Expires.UTC(), Changed: r.Changed.UTC(),
		Document: r.Document, Options: r.Options, WhyNot: r.WhyNot,
		Approvals: each(r.Approvals, func(a service.Approval) api.ApprovalGiven {
			return api.ApprovalGiven{Person: a.Person, Login: a.Login, Created: a.Created.UTC(), Counts: a.Counts, Evidence: a.Evidence}
		}),
	}
	if out.Parameters == nil {
		out.Parameters = map[string]string{}
	}
	if !r.Payload.IsZero() {
		out.Payload = r.Payload.String()
	}
	return out
}
