package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/sealift/sealift/internal/control/api"
)

func (d *doctor) tokens(ctx context.Context) {
	const check = "tokens"
	tokens, err := d.client.Tokens(ctx)
	if err != nil {
		d.unseen(check, err)
		return
	}
	active, forged := 0, 0
	var endless []string
	for _, t := range tokens {
		switch stateOf(t, d.now) {
		case "forged":
			forged++
		case "active":
			active++
			if t.Expires == nil {
				endless = append(endless, t.ID)
			}
			if t.Kind == api.TokenKindOwner && t.Expires != nil && t.Expires.After(d.ownersToken) {
				d.ownersToken = *t.Expires
			}
		}
	}
	if forged > 0 {
		d.found(check, stateFailed, "%d were not written by the vault", forged).Hint = "somebody writes to the database: see sealift token list"
		return
	}
	if len(endless) > 0 {
		d.found(check, stateWarning, "%d of %d that are active never end: %s", len(endless), active, some(endless)).
			Hint = "make new ones that do, and end these: sealift token revoke ID"
		return
	}
	d.found(check, stateOK, "%d are active", active)
}

// people looks at who rules the vault.
func (d *doctor) people(ctx context.Context) {
	const check = "people"
	persons, err := d.client.Persons(ctx)
	if err != nil {
		d.unseen(check, err)
		return
	}
	d.persons = persons
	owners, forged := 0, 0
	for _, p := range persons {
		switch {
		case p.Forged:
			forged++
		case p.Role == "owner" && p.App == "" && p.State == "active":
			owners++
		}
	}
	switch {
	case forged > 0:
		d.found(check, stateFailed, "%d of %d were not written by the vault", forged, len(persons)).Hint = "somebody writes to the database: see sealift user list"
	case owners > 0:
		d.found(check, stateOK, "%d may act or are invited, %d of them are owners", len(persons), owners)
	case d.ownersToken.IsZero():
		d.found(check, stateFailed, "nobody is an owner, and no owner's token is good").Hint = "make one on the server's machine: sealift token owner --data DIR --out FILE"
	default:
		d.found(check, stateWarning, "nobody is an owner by name; the owner's token ends at %s", d.ownersToken.UTC().Format(minute)).Hint = inviteOwner
	}
	d.invitations()
}

// invitations looks at who is on the way in.
func (d *doctor) invitations() {
	const check = "invitations"
	var open, unconfirmed []string
	for _, p := range d.persons {
		switch {
		case p.State == api.PersonStateAccepted:
			unconfirmed = append(unconfirmed, p.Login)
		case p.State == api.PersonStateInvited, p.State == api.PersonStateActive && len(p.Methods) == 0: // the latter was reset
			open = append(open, p.Login)
		}
	}
	switch {
	case len(unconfirmed) > 0:
		d.found(check, stateWarning, "accepted by %s, who may do nothing until others have confirmed that it was they", some(unconfirmed)).
			Hint = "ask them, and run: sealift user confirm " + unconfirmed[0]
	case len(open) > 0:
		d.found(check, stateWarning, "not accepted by %s; whoever has the invitation can accept it, for three days from its making", some(open)).
			Hint = "take back what nobody waits for: sealift user remove " + open[0]
	default:
		d.found(check, stateOK, "none is open")
	}
}

// issuer has the server look at its OpenID Connect issuer, if it has one.
func (d *doctor) issuer(ctx context.Context) {
	const check = "issuer"
	s, err := d.client.CheckIssuer(ctx)
	switch {
	case err != nil:
		d.unseen(check, err)
	case s.Issuer == "":
		d.found(check, stateOK, "the server takes nobody else's word for who people are")
	case s.Problem != "":
		d.found(check, stateFailed, "nobody signs in at %s: %s", s.Issuer, s.Problem).
			Hint = "the issuer in the file of --oidc is to be exactly that of its discovery document; passwords and passkeys go on working"
	default:
		d.found(check, stateOK, "%s answers, as itself and with keys; this server is its client %s", s.Issuer, s.ClientID)
	}
}

// some names a few.
func some(names []string) string {
	if len(names) > 5 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:5], ", "), len(names)-5)
	}
	return strings.Join(names, ", ")
}

// approvals looks whether anybody acts alone who need not.
func (d *doctor) approvals(ctx context.Context) {
	const check = "approvals"
	all, err := d.client.Policies(ctx)
	if err != nil {
		d.unseen(check, err)
		return
	}
	on := map[api.PolicyAction]bool{}
	roles := map[api.Role]bool{}
	var except []string
	for _, p := range all.Policies {
		if p.Forged {
			d.found(check, stateFailed, "the policy of %s%s was not written by the vault: what it is about is refused", p.Action, ofScope(p)).Hint = "somebody writes to the database: see sealift policy show"
			return
		}
		on[p.Action] = on[p.Action] || p.Needed > 0
		if p.Needed == 0 && !p.Inherit && p.App != "" {
			except = append(except, string(p.Action)+ofScope(p))
		}
		for _, role := range p.Roles {
			roles[role] = roles[role] || p.Needed > 0
		}
	}
	for _, needed := range on {
		d.asked = d.asked || needed
	}
	set := turnOn
	if on["role"] {
		set = "sealift policy set release --approvals 1 --roles owner,security_officer"
	}
	switch {
	case !on["release"] && all.Approvers < 2:
		d.found(check, stateWarning, "nobody is asked before a release: there is nobody to ask").Hint = "with a second person who has a passkey: " + set
	case !on["release"]:
		d.found(check, stateWarning, "nobody is asked, though %d people have passkeys", all.Approvers).Hint = set
	case !on["role"]:
		d.found(check, stateWarning, "releases want approvals, and whoever may invite people can invent who gives them").Hint = "sealift policy set role --approvals 1 --roles owner,security_officer"
	default:
		detail := "releases, people and roles want approvals"
		if len(except) > 0 {
			detail += "; it is turned off for " + some(except)
		}
		d.found(check, stateOK, "%s", detail)
	}
	if len(roles) > 0 && d.persons != nil {
		d.approvers(roles)
	}
}

// approvers looks at the people that policies ask: who has nothing to approve with,
// and who counts though one person alone vouches for them.
func (d *doctor) approvers(roles map[api.Role]bool) {
	const check = "approvers"
	var without, onOneWord []string
	able := 0
	for _, p := range d.persons {
		switch {
		case p.Forged || p.State != api.PersonStateActive || !roles[p.Role]:
			continue
		case !slices.Contains(p.Methods, "passkey"):
			without = append(without, p.Login)
			continue
		case p.Confirmed == "":
			onOneWord = append(onOneWord, p.Login)
		}
		able++
	}
	state, detail, hint := stateOK, fmt.Sprintf("%d have passkeys", able), ""
	if len(without) > 0 {
		state, hint = stateWarning, "let them sign in at /people/ and register one"
		detail += fmt.Sprintf("; %s may approve and have none", some(without))
	}
	if len(onOneWord) > 0 {
		detail += fmt.Sprintf("; %s count on the word of whoever invited them: nobody knows that their passkeys are not one person's", some(onOneWord))
		if able > 2 && state == stateOK { // with two there is nobody else to ask
			state, hint = stateWarning, "have others confirm them: sealift user confirm "+onOneWord[0]
		}
	}
	d.found(check, state, "%s", detail).Hint = hint
}
