package approval

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
)

func hasRole(p store.Policy, role string) bool { return slices.Contains(strings.Fields(p.Roles), role) }

// mayApprove reports whether a person counts under a policy: let in by the vault,
// active, of a role that may, and not bound to another app.
func (b *Board) mayApprove(ctx context.Context, tx store.Tx, p store.Policy, app sealift.AppID, person store.Person) bool {
	return person.State == store.PersonActive && hasRole(p, person.Role) && (person.App == "" || person.App == app && app != "") &&
		b.vault.CheckRow(ctx, tx, person) == nil
}

// eligible returns who could approve under p and has a passkey, but for one.
func (b *Board) eligible(ctx context.Context, tx store.Tx, p store.Policy, but string) (able []store.Person, err error) {
	all, err := tx.Persons(ctx)
	if err != nil {
		return nil, err
	}
	for _, person := range all {
		if person.ID == but || !b.mayApprove(ctx, tx, p, p.App, person) {
			continue
		}
		has, err := b.passkeys.HasPasskey(ctx, tx, person.ID)
		if err != nil {
			return nil, err
		}
		if has {
			able = append(able, person)
		}
	}
	return able, err
}

// onOneWord are the logins of those whom nobody has confirmed but whoever invited
// them: their passkeys could be one person's, and the log says so of whoever sets a
// policy by them.
func onOneWord(able []store.Person) string {
	var logins []string
	for _, p := range able {
		if p.Confirmed == "" {
			logins = append(logins, p.Login)
		}
	}
	text := strings.Join(logins, " ")
	return text[:min(len(text), sealift.MaxReason)]
}

// Policies implements service.Approvals.
func (b *Board) Policies(ctx context.Context) (service.Policies, error) {
	return view(ctx, b, func(tx store.Tx) (out service.Policies, err error) {
		rows, err := tx.Policies(ctx)
		if err != nil {
			return out, err
		}
		if err := vault.CheckWhole(ctx, b.vault, tx, rows); err != nil {
			return out, err
		}
		for _, row := range rows {
			p := policyOf(row)
			p.Forged = sealift.KindOf(b.vault.CheckRow(ctx, tx, row)) == sealift.KindDenied
			out.Policies = append(out.Policies, p)
		}
		everybody := store.Policy{Roles: rolesText(Approvers())}
		able, err := b.eligible(ctx, tx, everybody, "")
		out.Approvers = int64(len(able))
		return out, err
	})
}

func policyOf(row store.Policy) service.Policy {
	out := service.Policy{App: row.App, Channel: row.Channel, Action: row.Action, Needed: max(row.Needed, 0), Inherit: row.Needed == inherits, Version: row.Version, Creator: row.Creator, Created: row.Created}
	for _, role := range strings.Fields(row.Roles) {
		out.Roles = append(out.Roles, access.Role(role))
	}
	return out
}

func rolesText(roles []access.Role) string {
	text := make([]string, 0, len(roles))
	for _, r := range roles {
		text = append(text, string(r))
	}
	slices.Sort(text)
	return strings.Join(slices.Compact(text), " ")
}

const settingPolicy = "setting a policy"

// SetPolicy implements service.Approvals.
func (b *Board) SetPolicy(ctx context.Context, by access.Caller, want service.NewPolicy) (out service.Policy, err error) {
	if err := checkPolicy(want); err != nil {
		return out, err
	}
	parameters := map[string]string{
		"operation": "policy.set", "action": want.Action, "needed": fmt.Sprint(want.Needed), "roles": rolesText(want.Roles),
	}
	if want.Channel != "" {
		parameters["channel"] = string(want.Channel)
	}
	if want.Inherit {
		parameters["inherit"] = "it is taken back; of a channel the strictest of its app counts, of an app the installation's"
	}
	e := audit.Entry{Time: b.now().UTC(), Actor: by.Actor(), Action: "policy.set", Subject: want.Action, Details: maps.Clone(parameters)}
	if want.App != "" {
		e.Details["app"] = string(want.App)
	}
	b.moving.Lock()
	defer b.moving.Unlock()
	_, err = view(ctx, b, func(tx store.Tx) (store.Policy, error) {
		return store.Policy{}, b.demandNoneLooser(ctx, tx, rowOf(want))
	})
	if err != nil { // nobody is asked about what is refused in the end
		return out, b.vault.Refuse(ctx, e, err)
	}
	return Gated(ctx, b, by, Proposal{Action: actionPolicy, App: want.App, Subject: want.Action, Parameters: parameters}, func() (service.Policy, error) {
		err := b.vault.Act(ctx, e, func(tx *vault.Tx, e *audit.Entry) error {
			row, err := b.putPolicy(ctx, tx, by, want, e)
			out = policyOf(row)
			return err
		})
		return out, err
	})
}

func checkPolicy(want service.NewPolicy) error {
	forApps, known := Actions()[want.Action]
	switch {
	case !known:
		return sealift.Errorf(sealift.KindInvalid, settingPolicy, "there is none for %.40q", want.Action).
			WithHint("policies are for %s", strings.Join(slices.Sorted(maps.Keys(Actions())), ", "))
	case want.App != "" && !forApps:
		return sealift.Errorf(sealift.KindInvalid, settingPolicy, "%s is of the whole installation, and of no app", want.Action).WithHint("leave the app out")
	case want.Channel != "" && want.App == "":
		return sealift.Errorf(sealift.KindInvalid, settingPolicy, "a channel is of an app, and none is named").WithHint("name it with: --app ID")
	case want.Channel != "" && !ofChannels(want.Action):
		return sealift.Errorf(sealift.KindInvalid, settingPolicy, "%s is of a whole app, and of no channel", want.Action).WithHint("leave the channel out")
	case want.Inherit && (want.App == "" || want.Off || want.Needed != 0):
		return sealift.Errorf(sealift.KindInvalid, settingPolicy, "only the policy of an app or a channel can be taken back, and it then asks for nothing itself")
	case want.Needed < 0 || want.Needed > sealift.MaxApprovals:
		return sealift.Errorf(sealift.KindInvalid, settingPolicy, "%d approvals; 1 to %d are possible", want.Needed, sealift.MaxApprovals)
	case want.Needed == 0 && !want.Off && !want.Inherit:
		return sealift.Errorf(sealift.KindInvalid, settingPolicy, "a policy that asks nobody is none").WithHint("ask for at least 1, or turn it off with: --off")
	case want.Off && want.Needed != 0:
		return sealift.Errorf(sealift.KindInvalid, settingPolicy, "it is to be off, and to ask for %d approvals", want.Needed)
	case !want.Off && !want.Inherit && len(want.Roles) == 0:
		return sealift.Errorf(sealift.KindInvalid, settingPolicy, "no role may approve").WithHint("name at least one of %v", Approvers())
	}
	for _, role := range want.Roles {
		if !slices.Contains(Approvers(), role) {
			return sealift.Errorf(sealift.KindInvalid, settingPolicy, "the role %.40q approves nothing", role).WithHint("roles that may: %v", Approvers())
		}
	}
	return nil
}

// rowOf is what is wanted as a row, but for who set it when.
func rowOf(want service.NewPolicy) store.Policy {
	row := store.Policy{App: want.App, Channel: want.Channel, Action: want.Action, Needed: want.Needed, Roles: rolesText(want.Roles)}
	if want.Inherit {
		row.Needed = inherits
	}
	return row
}

func (b *Board) putPolicy(ctx context.Context, tx *vault.Tx, by access.Caller, want service.NewPolicy, e *audit.Entry) (row store.Policy, err error) {
	in := scope{want.App, want.Channel}
	if err := b.demandScope(ctx, tx, in); err != nil {
		return row, err
	}
	version, err := newestVersion(ctx, tx, in, want.Action)
	if err != nil {
		return row, err
	}
	if want.Inherit {
		if err := demandOwn(ctx, tx, in, want.Action); err != nil {
			return row, err
		}
	}
	row = rowOf(want)
	row.Version, row.Creator, row.Created = version+1, by.ID, b.now().UTC().Truncate(time.Microsecond)
	able, err := b.eligible(ctx, tx, row, by.ID)
	if err != nil {
		return row, err
	}
	if int64(len(able)) < want.Needed {
		return row, sealift.Errorf(sealift.KindConflict, settingPolicy, "%d approvals are wanted, and besides you %d people with a passkey may give one: nothing could be done any more", want.Needed, len(able)).
			WithReason("approvers").WithHint("let people of these roles register passkeys first (sealift account passkey says where), invite more, or ask for fewer")
	}
	if row.MAC, err = tx.Authenticate(row); err != nil {
		return row, err
	}
	if unconfirmed := onOneWord(able); unconfirmed != "" && want.Needed > 0 {
		e.Details["unconfirmed"] = unconfirmed
	}
	e.Details["version"], e.Details[vault.RowDetail] = fmt.Sprint(row.Version), vault.RowTag(row.MAC)
	return row, tx.PutPolicy(ctx, row)
}
