package access

import (
	"slices"
	"strings"
	"time"

	"github.com/sealift/sealift"
)

// AMR is how a person proved themselves: authentication method references of
// RFC 8176, section 2, space-separated, such as "pwd otp".
type AMR string

// The ways in which people prove themselves here.
const (
	AMRPassword AMR = "pwd otp"     // a password, and a code of an authenticator app
	AMRRecovery AMR = "pwd kba"     // a password, and a recovery code
	AMRPasskey  AMR = "hwk user"    // a passkey, whose authenticator verified its user
	AMRFederate AMR = "mfa"         // an issuer's word, who asked for more than one factor
	AMRWithCode AMR = "fed pwd otp" // an issuer's word, and a code of an authenticator app
)

// Proof is how, and how lately, a caller has proven who they are. The zero value
// is that of a service, which proves nothing but that it has its token.
type Proof struct {
	Session string    // id; empty for a caller with a token
	AMR     AMR       // how; empty for a caller with a token
	Proven  time.Time // when they last proved themselves by more than one factor; zero for never
	Setup   bool      // an owner's token, before there is an owner with a name
}

// Reasons of a KindDenied error about an action that wants a fresh proof.
const (
	ReasonStepUp = "step-up" // prove yourself again, and repeat
	ReasonPerson = "person"  // only a person may, and a token never does
)

// stepUp are the actions that want a proof within sealift.StepUpAge (NIST SP
// 800-63B-4 section 2.2.3, reauthentication): what changes who may do what, what
// the vault's keys do, whom devices trust, or who gets what is encrypted; and what
// takes a refusal back. A token is among them because it outlives the session that
// made it. What is not: reading; publishing, which approvals are for; and brakes,
// such as refusing a release or ending a token, which are for at once.
var stepUp = grants{
	OpenEnrolment: true, OpenChannel: true, EraseDevices: true, LiftDenials: true, AcceptRoot: true,
	ChangeKeys: true, CreateKeys: true, ImportKeys: true, ExportKeys: true,
	ManageTokens: true, ManagePersons: true, ChangePolicies: true,
	SealVault: true, RotateKEK: true,
}

// StepUp returns nil if action wants no fresh proof or p is one at now; else
// KindDenied with ReasonStepUp or ReasonPerson.
func (p Proof) StepUp(action Action, now time.Time) error {
	if !stepUp[action] {
		return nil
	}
	return p.Fresh(string(action), now)
}

// Fresh returns nil if p is a proof of at most sealift.StepUpAge at now; else
// KindDenied with ReasonStepUp or ReasonPerson. doing names what wants it. A
// clock that was set back makes no proof fresh.
func (p Proof) Fresh(doing string, now time.Time) error {
	if p.Setup {
		return nil
	}
	if age := now.Sub(p.Proven); !p.Proven.IsZero() && age >= 0 && age <= sealift.StepUpAge {
		return nil
	}
	if p.Session == "" {
		return sealift.Errorf(sealift.KindDenied, "checking permission", "%s is for a person who has just proven themselves; a token never does", doing).
			WithReason(ReasonPerson).WithHint("sign in with: sealift login; or, where no owner can, make a new owner's token with: sealift token owner")
	}
	return sealift.Errorf(sealift.KindDenied, "checking permission", "%s wants a proof of who you are that is at most %s old", doing, sealift.StepUpAge).
		WithReason(ReasonStepUp).WithHint("prove it with: sealift login --step-up; then do this again")
}

// MayJoinPrivate returns nil if the caller may put devices on a private channel at now,
// which gives them keys that others are not given; else KindDenied, as Fresh.
func (c Caller) MayJoinPrivate(now time.Time) error {
	return c.Fresh("putting devices on a private channel", now)
}

// MayOpenPrivate returns nil if the caller may open a private channel at now, or let
// devices put themselves on it: it gives what was kept from devices to all of them. Else
// it is KindDenied, as Allow and StepUp.
func (c Caller) MayOpenPrivate(now time.Time) error {
	if err := Allow(c.Role, OpenChannel); err != nil {
		return err
	}
	return c.StepUp(OpenChannel, now)
}

// Actions are the only ones that a token may do, space-separated; empty for all
// that its role may.
type Actions string

// ParseActions returns list, sorted and each once; KindInvalid for one that role
// may not do, or that wants a person.
func ParseActions(role Role, list []string) (Actions, error) {
	for _, a := range list {
		if !table[role][Action(a)] || stepUp[Action(a)] || Action(a) == UseAccount {
			return "", sealift.Errorf(sealift.KindInvalid, "checking actions", "a token of role %q may not do %.64q", role, a).
				WithHint("it may do %s", strings.Join(actionsOf(role), ", "))
		}
	}
	return Actions(strings.Join(slices.Compact(slices.Sorted(slices.Values(list))), " ")), nil
}

// actionsOf are those that a token of role may be bound to.
func actionsOf(role Role) (list []string) {
	for a := range table[role] {
		if !stepUp[a] && a != UseAccount {
			list = append(list, string(a))
		}
	}
	slices.Sort(list)
	return list
}

// Have reports whether action is among a. Reading one's own app and the root is
// always: nothing can be done without.
func (a Actions) Have(action Action) bool {
	return a == "" || everywhere[action] || slices.Contains(a.List(), string(action))
}

// List returns the actions one by one; nil for all.
func (a Actions) List() []string { return strings.Fields(string(a)) }
