package access

import (
	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
)

// Role is what a principal is to the vault.
type Role string

// The roles.
const (
	RoleOwner           Role = "owner"            // set the vault up; may do everything
	RoleSecurityOfficer Role = "security_officer" // owns keys, roots and who may enrol
	RoleReleaseManager  Role = "release_manager"  // owns apps, channels and releases
	RoleDeveloper       Role = "developer"        // publishes
	RoleAuditor         Role = "auditor"          // reads
	RoleOperator        Role = "operator"         // provisions devices
)

// Action is what a principal asks for.
type Action string

// The actions that exist.
const (
	ListApps       Action = "app.list"        // also shows one
	CreateApp      Action = "app.create"      //
	ChangeApp      Action = "app.change"      // its settings
	OpenEnrolment  Action = "app.open"        // create an app that devices enrol with without a token
	ListChannels   Action = "channel.list"    //
	CreateChannel  Action = "channel.create"  //
	ChangeChannel  Action = "channel.change"  // say which devices it is for; archive it
	OpenChannel    Action = "channel.open"    // let every device of the app have what is private
	IssueEnrolment Action = "enrolment.issue" // make an enrolment token
	Publish        Action = "release.publish" // reserve, upload, submit and abandon
	Promote        Action = "release.promote" // move a release on to another channel
	RollBack       Action = "rollback.create" // take devices back to an older release
	Cosign         Action = "release.cosign"  // bring a co-signature, which counts by its key
	ListReleases   Action = "release.list"    // also shows one, and drafts that wait
	PauseRollouts  Action = "rollout.pause"   // stop one, or withdraw a release, until somebody takes that back
	SteerRollouts  Action = "rollout.steer"   // resume, approve, finish and abort them, and reinstate releases
	PlanRollouts   Action = "rollout.plan"    // say with which plans they begin
	ListDevices    Action = "device.list"     // also shows one, with what it reported
	RevokeDevices  Action = "device.revoke"   // end devices, and turn epochs
	EraseDevices   Action = "device.erase"    // forget what devices said
	AssignDevices  Action = "device.assign"   // put devices on channels, and label them
	ListDenials    Action = "deny.list"       //
	ChangeDenials  Action = "deny.change"     // let devices refuse something at once
	LiftDenials    Action = "deny.lift"       // take that back
	ReadRoot       Action = "root.read"       //
	AcceptRoot     Action = "root.accept"     // bring the outcome of a ceremony
	ReadLog        Action = "log.read"        // list, export and prove entries of the log
	ListTokens     Action = "token.list"      // never their secrets
	ListKeys       Action = "key.list"        // never their private halves
	ChangeKeys     Action = "key.change"      // rotate and end keys, and change their states
	CreateKeys     Action = "key.create"      // make keys for services
	ImportKeys     Action = "key.import"      // bring keys that were made elsewhere
	ExportKeys     Action = "key.export"      // take the private half of a key that was created so
	SignWithKeys   Action = "key.sign"        // have a service's key sign
	ManageTokens   Action = "token.manage"    // make access tokens
	RevokeTokens   Action = "token.revoke"    // end them
	SealVault      Action = "vault.seal"      // stop everything
	RotateKEK      Action = "vault.rotate"    // exchange the key-encryption key
	AwaitRotation  Action = "vault.await"     // have the server go on with that at once, and wait
	ListBackups    Action = "backup.list"     // when they were made, and what a restore left to do
	ListPersons    Action = "person.list"     // never what they sign in with
	ManagePersons  Action = "person.manage"   // invite, disable and remove people, change their roles
	ListPolicies   Action = "policy.list"     //
	ChangePolicies Action = "policy.change"   // say who must stand behind what
	ListApprovals  Action = "approval.list"   // also shows one
	Decide         Action = "approval.decide" // approve or reject, where the policy lets one
	UseAccount     Action = "account.use"     // see and change how one signs in oneself
)

type grants map[Action]bool

// table says who may do what. A role or an action that is absent is refused.
var table = map[Role]grants{
	RoleOwner: {
		ListApps: true, CreateApp: true, ChangeApp: true, OpenEnrolment: true, ListChannels: true, CreateChannel: true,
		ChangeChannel: true, OpenChannel: true,
		IssueEnrolment: true, Publish: true, Promote: true, RollBack: true, Cosign: true, ListReleases: true, PauseRollouts: true, SteerRollouts: true, PlanRollouts: true, ListDevices: true, RevokeDevices: true, EraseDevices: true, ListDenials: true, ChangeDenials: true, LiftDenials: true, ReadRoot: true, AcceptRoot: true, ReadLog: true,
		ListTokens: true, ManageTokens: true, RevokeTokens: true, ListKeys: true, ChangeKeys: true,
		SealVault: true, RotateKEK: true, AwaitRotation: true, ListBackups: true,
		ListPersons: true, ManagePersons: true, UseAccount: true,
		CreateKeys: true, ImportKeys: true, ExportKeys: true, SignWithKeys: true,
		AssignDevices: true,
		ListPolicies:  true, ChangePolicies: true, ListApprovals: true, Decide: true,
	},
	RoleSecurityOfficer: {
		ListApps: true, OpenEnrolment: true, ListChannels: true, ChangeChannel: true, OpenChannel: true,
		IssueEnrolment: true, Cosign: true, ListReleases: true, PauseRollouts: true, ListDevices: true, RevokeDevices: true, EraseDevices: true, ListDenials: true, ChangeDenials: true, LiftDenials: true, ReadRoot: true, AcceptRoot: true, ReadLog: true,
		ListTokens: true, ManageTokens: true, RevokeTokens: true, ListKeys: true, ChangeKeys: true,
		SealVault: true, RotateKEK: true, AwaitRotation: true, ListBackups: true,
		ListPersons: true, ManagePersons: true, UseAccount: true,
		CreateKeys: true, ImportKeys: true, ExportKeys: true,
		AssignDevices: true,
		ListPolicies:  true, ChangePolicies: true, ListApprovals: true, Decide: true,
	},
	RoleReleaseManager: {
		ListApps: true, CreateApp: true, ChangeApp: true, ListChannels: true, CreateChannel: true,
		ChangeChannel:  true,
		IssueEnrolment: true, Publish: true, Promote: true, RollBack: true, Cosign: true, ListReleases: true, PauseRollouts: true, SteerRollouts: true, PlanRollouts: true, ListDevices: true, ListDenials: true, ReadRoot: true,
		SignWithKeys: true, UseAccount: true,
		AssignDevices: true,
		ListPolicies:  true, ListApprovals: true, Decide: true,
	},
	RoleDeveloper: {
		ListApps: true, ListChannels: true, Publish: true, Promote: true, RollBack: true, Cosign: true, ListReleases: true, PauseRollouts: true, ListDevices: true, ReadRoot: true,
		SignWithKeys: true, UseAccount: true,
		ListPolicies: true, ListApprovals: true, Decide: true,
	},
	RoleAuditor: {
		ListApps: true, ListChannels: true, ListReleases: true, ListDevices: true, ListDenials: true, ReadRoot: true, ReadLog: true, ListTokens: true, ListKeys: true,
		ListPersons: true, UseAccount: true, ListBackups: true,
		ListPolicies: true, ListApprovals: true,
	},
	RoleOperator: {
		ListApps: true, ListChannels: true, IssueEnrolment: true, ListReleases: true, PauseRollouts: true, ListDevices: true, ReadRoot: true,
		UseAccount: true, ListBackups: true,
		AssignDevices: true,
	},
}

// ParseRole accepts the six roles.
func ParseRole(s string) (Role, error) {
	if _, ok := table[Role(s)]; !ok {
		return "", sealift.Errorf(sealift.KindInvalid, "parsing role", "%.40q is not a role", s).
			WithHint("a role is owner, security_officer, release_manager, developer, auditor or operator")
	}
	return Role(s), nil
}

// Reasons of a KindDenied error about what somebody may not do at all.
const (
	ReasonRole  = "role"  // another role may
	ReasonScope = "scope" // the token, or the person, is for another action or app
)

// Allow returns nil if role may do action, and else KindDenied with reason
// "role".
func Allow(role Role, action Action) error {
	if table[role][action] {
		return nil
	}
	return sealift.Errorf(sealift.KindDenied, "checking permission", "the role %q may not do %s", role, action).
		WithReason(ReasonRole).
		WithHint("ask the owner of this vault for a token with another role")
}

// everywhere are the actions on no app in particular that somebody may do who is
// bound to one: all that reading their own app and publishing needs.
var everywhere = grants{ListApps: true, ReadRoot: true, UseAccount: true, ListPolicies: true, ListApprovals: true, Decide: true}

// Allow returns nil if p may do action on app, or on none in particular if that
// is empty; else KindDenied with reason "role", "scope" or ReasonUnconfirmed. It does not ask
// whether a step-up is needed: see StepUp.
func (p Principal) Allow(action Action, app sealift.AppID) error {
	if p.Unconfirmed {
		return unconfirmed(action)
	}
	if err := Allow(p.Role, action); err != nil {
		return err
	}
	if !p.Actions.Have(action) {
		return sealift.Errorf(sealift.KindDenied, "checking permission", "this token is not for %s", action).
			WithReason(ReasonScope).WithHint("ask the owner of this vault for a token with another scope")
	}
	if p.App == "" || app == p.App || app == "" && everywhere[action] {
		return nil
	}
	return sealift.Errorf(sealift.KindDenied, "checking permission", "this token is for %s alone", p.App).
		WithReason(ReasonScope).WithHint("ask the owner of this vault for a token with another scope")
}

// ReasonUnconfirmed is the reason of a KindDenied error about somebody who has
// accepted an invitation, and whom nobody has confirmed yet.
const ReasonUnconfirmed = "unconfirmed"

func unconfirmed(action Action) error {
	if action == UseAccount {
		return nil
	}
	return sealift.Errorf(sealift.KindDenied, "checking permission", "nobody has confirmed yet that it was you who accepted the invitation").
		WithReason(ReasonUnconfirmed).
		WithHint("register a passkey, then ask whoever invited you to run: sealift user confirm LOGIN; and others to approve it")
}

// MayGrant returns nil if a caller who may do no more than actions of role may
// make somebody of role other, bound to wanted: one that may do nothing that they
// may not do themselves. Else it is KindDenied with reason "role". So nobody who
// may not publish gets to by a token of their own making.
func MayGrant(role Role, actions Actions, other Role, wanted Actions) error {
	if err := Allow(role, ManageTokens); err != nil {
		return err
	}
	for action := range table[other] {
		if wanted.Have(action) && !(table[role][action] && actions.Have(action)) {
			return sealift.Errorf(sealift.KindDenied, "checking permission", "the role %q may not make one of role %q, which may do %s", role, other, action).
				WithReason(ReasonRole).WithHint("ask an owner of this vault")
		}
	}
	return nil
}

// MayRevoke returns nil if a caller of role may end a token, or a person, of role
// other: an owner any, everybody else who manages tokens any but an owner's.
func MayRevoke(role, other Role) error {
	if err := Allow(role, RevokeTokens); err != nil || role == RoleOwner || other != RoleOwner {
		return err
	}
	return sealift.Errorf(sealift.KindDenied, "checking permission", "the role %q may not end one of an owner", role).
		WithReason(ReasonRole).WithHint("ask an owner of this vault")
}

// MayTurn refuses with KindConflict what takes more than a change: who was invited
// accepts, and who has accepted is confirmed. Its reason is "invited" or
// ReasonUnconfirmed.
func MayTurn(row store.Person, to store.PersonState) error {
	const op = "changing a person"
	switch {
	case row.State == store.PersonInvited && to == store.PersonDisabled:
		return sealift.Errorf(sealift.KindConflict, op, "%s was invited, and has not accepted yet", row.Login).
			WithReason("invited").WithHint("take the invitation back with: sealift user remove %s", row.Login)
	case row.State == store.PersonAccepted && to == store.PersonDisabled:
		return sealift.Errorf(sealift.KindConflict, op, "%s may do nothing yet: nobody has confirmed them", row.Login).
			WithReason(ReasonUnconfirmed).WithHint("end them with: sealift user remove %s", row.Login)
	case row.State == store.PersonAccepted:
		return sealift.Errorf(sealift.KindConflict, op, "nobody has confirmed yet that it was %s who accepted the invitation", row.Login).
			WithReason(ReasonUnconfirmed).WithHint("have others confirm it: sealift user confirm %s", row.Login)
	}
	return nil
}
