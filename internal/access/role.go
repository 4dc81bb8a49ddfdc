package access

import "github.com/sealift/sealift"

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
	OpenEnrolment  Action = "app.open"        // create an app that devices enrol with without a token
	ListChannels   Action = "channel.list"    //
	CreateChannel  Action = "channel.create"  //
	IssueEnrolment Action = "enrolment.issue" // make an enrolment token
	Publish        Action = "release.publish" // reserve, upload, submit and abandon
	ListReleases   Action = "release.list"    // also shows one
	ReadRoot       Action = "root.read"       //
	AcceptRoot     Action = "root.accept"     // bring the outcome of a ceremony
	ReadLog        Action = "log.read"        // list, export and prove entries of the log
)

type grants map[Action]bool

// table says who may do what. A role or an action that is absent is refused.
var table = map[Role]grants{
	RoleOwner: {
		ListApps: true, CreateApp: true, OpenEnrolment: true, ListChannels: true, CreateChannel: true,
		IssueEnrolment: true, Publish: true, ListReleases: true, ReadRoot: true, AcceptRoot: true, ReadLog: true,
	},
	RoleSecurityOfficer: {
		ListApps: true, OpenEnrolment: true, ListChannels: true,
		IssueEnrolment: true, ListReleases: true, ReadRoot: true, AcceptRoot: true, ReadLog: true,
	},
	RoleReleaseManager: {
		ListApps: true, CreateApp: true, ListChannels: true, CreateChannel: true,
		IssueEnrolment: true, Publish: true, ListReleases: true, ReadRoot: true,
	},
	RoleDeveloper: {
		ListApps: true, ListChannels: true, Publish: true, ListReleases: true, ReadRoot: true,
	},
	RoleAuditor: {
		ListApps: true, ListChannels: true, ListReleases: true, ReadRoot: true, ReadLog: true,
	},
	RoleOperator: {
		ListApps: true, ListChannels: true, IssueEnrolment: true, ListReleases: true, ReadRoot: true,
	},
}

// ParseRole accepts the six roles.
func ParseRole(s string) (Role, error) {
	if _, ok := table[Role(s)]; !ok {
		return "", sealift.Errorf(sealift.KindInvalid, "parsing role", "it is not a role").
			WithHint("a role is owner, security_officer, release_manager, developer, auditor or operator")
	}
	return Role(s), nil
}

// Allow returns nil if role may do action, and else KindDenied with reason
// "role".
func Allow(role Role, action Action) error {
	if table[role][action] {
		return nil
	}
	return sealift.Errorf(sealift.KindDenied, "checking permission", "the role %q may not do %s", role, action).
		WithReason("role").
		WithHint("ask the owner of this vault for a token with another role")
}
