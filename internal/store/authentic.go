package store

import (
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"github.com/sealift/sealift"
)

// Authentic is a row that says who may do what. It bears a MAC under the
// vault's root key over all its other columns, so that nobody becomes somebody
// by SQL. The store keeps the MAC; package vault makes and checks it.
type Authentic interface {
	// Columns returns what kind of row it is, and every column but the MAC, in
	// a fixed order, the one that names the row first. No two rows have the same.
	Columns() (kind string, columns []string)
	// Tag returns the MAC.
	Tag() []byte
	// RowName returns what tells the row from others of its kind, for as long as
	// there is one: what the store finds it by.
	RowName() string
}

// Columns implements Authentic.
func (t Token) Columns() (kind string, columns []string) {
	return "token", []string{
		t.ID, t.Kind, t.Role, string(t.App), t.Label, t.Creator, t.Hash.String(), column(t.Created), column(t.Expires), strconv.FormatBool(t.Revoked), t.Actions,
	}
}

// Tag implements Authentic.
func (t Token) Tag() []byte { return t.MAC }

// RowName implements Authentic.
func (t Token) RowName() string { return t.ID }

// Columns implements Authentic.
func (p Person) Columns() (kind string, columns []string) {
	return "person", []string{
		p.ID, p.Login, p.Name, p.Role, string(p.App), string(p.State), p.Creator, column(p.Created), p.Issuer, p.Subject,
		p.Inviter, p.InvitedFrom, column(p.Accepted), p.AcceptedFrom, p.AcceptedWith, p.Confirmed,
	}
}

// Tag implements Authentic.
func (p Person) Tag() []byte { return p.MAC }

// RowName implements Authentic.
func (p Person) RowName() string { return p.ID }

// Columns implements Authentic.
func (c Credential) Columns() (kind string, columns []string) {
	return "credential", []string{
		c.ID, c.Person, c.Kind, c.Label, strconv.FormatInt(c.Counter, 10), column(c.Created), column(c.Used), hex.EncodeToString(c.Data),
	}
}

// Tag implements Authentic.
func (c Credential) Tag() []byte { return c.MAC }

// RowName implements Authentic.
func (c Credential) RowName() string { return c.ID }

// Columns implements Authentic.
func (s Session) Columns() (kind string, columns []string) {
	return "session", []string{
		s.ID, s.Person, s.Kind, s.Label, s.Address, s.AMR, s.Hash.String(),
		column(s.Created), column(s.Seen), column(s.Proven), column(s.Expires),
	}
}

// Tag implements Authentic.
func (s Session) Tag() []byte { return s.MAC }

// RowName implements Authentic.
func (s Session) RowName() string { return s.ID }

// Columns implements Authentic.
func (p Policy) Columns() (kind string, columns []string) {
	columns = []string{
		p.Action, string(p.App), counted(p.Version), strconv.FormatInt(p.Needed, 10), p.Roles, p.Creator, column(p.Created),
	}
	if p.Channel != "" { // so that rows from before there were any keep their MAC
		columns = append(columns, string(p.Channel))
	}
	return "policy", columns
}

// Tag implements Authentic.
func (p Policy) Tag() []byte { return p.MAC }

// RowName implements Authentic.
func (p Policy) RowName() string {
	parts := []string{p.Action, string(p.App)}
	if p.Channel != "" {
		parts = append(parts, string(p.Channel))
	}
	for i, part := range parts { // no action, app or channel has a slash in it; rows that SQL wrote may
		parts[i] = strings.ReplaceAll(part, "/", "%2F")
	}
	return named(parts...)
}

// Columns implements Authentic.
func (r ApprovalRequest) Columns() (kind string, columns []string) {
	return "approval-request", []string{
		r.ID, r.Action, string(r.App), r.Subject, r.Requester, r.Person, counted(r.PolicyVersion), counted(r.KeyVersion),
		strconv.FormatInt(r.Needed, 10), string(r.State), r.Outcome, r.Nonce, column(r.Created), column(r.Expires), column(r.Changed),
		r.Payload.String(), hex.EncodeToString(r.Parameters),
	}
}

// Tag implements Authentic.
func (r ApprovalRequest) Tag() []byte { return r.MAC }

// RowName implements Authentic.
func (r ApprovalRequest) RowName() string { return r.ID }

// Columns implements Authentic.
func (a Approval) Columns() (kind string, columns []string) {
	return "approval", []string{a.Request, a.Person, a.Credential, column(a.Created), hex.EncodeToString(a.Evidence)}
}

// Tag implements Authentic.
func (a Approval) Tag() []byte { return a.MAC }

// RowName implements Authentic.
func (a Approval) RowName() string { return named(a.Request, a.Person) }

// Columns implements Authentic. A row in which nobody has changed what an app may
// say since there are settings has the columns of before, and so has one of before.
func (a App) Columns() (kind string, columns []string) {
	columns = []string{string(a.ID), strconv.FormatBool(a.Device), strconv.FormatBool(a.OpenEnrolment), column(a.Created)}
	if a.Patches != sealift.DefaultPatches || a.PatchLimit != sealift.DefaultPatchLimit || a.BlastRadius != 0 {
		columns = append(columns, strconv.Itoa(a.Patches), strconv.FormatInt(a.PatchLimit, 10), strconv.FormatInt(a.BlastRadius, 10))
	}
	return "app", columns
}

// Tag implements Authentic.
func (a App) Tag() []byte { return a.MAC }

// RowName implements Authentic.
func (a App) RowName() string { return string(a.ID) }

// Columns implements Authentic.
func (d Device) Columns() (kind string, columns []string) {
	suite := func(n uint16) string { return strconv.Itoa(int(n)) }
	return "device", []string{
		string(d.ID), string(d.App), hex.EncodeToString(d.Identity), suite(d.KEM), suite(d.KDF), suite(d.AEAD),
		hex.EncodeToString(d.PublicKey), string(d.Platform), string(d.Runtime), d.Token, string(d.State), column(d.Enrolled),
	}
}

// Tag implements Authentic.
func (d Device) Tag() []byte { return d.MAC }

// RowName implements Authentic.
func (d Device) RowName() string { return named(string(d.App), string(d.ID)) }

// Columns implements Authentic.
func (d Denial) Columns() (kind string, columns []string) {
	return "denial", []string{
		d.ID, string(d.Kind), string(d.App), strconv.FormatUint(uint64(d.Counter), 10), string(d.Version), d.Issuer.String(), d.Serial,
		d.Reason, d.Creator, column(d.Created), string(d.State), column(d.Changed),
	}
}

// Tag implements Authentic.
func (d Denial) Tag() []byte { return d.MAC }

// RowName implements Authentic.
func (d Denial) RowName() string { return d.ID }

// Columns implements Authentic.
func (d Draft) Columns() (kind string, columns []string) {
	return "draft", []string{
		d.ID, string(d.App), string(d.Channel), string(d.Platform), string(d.Runtime), string(d.Version),
		strconv.FormatUint(uint64(d.Counter), 10), string(d.Act), string(d.State), d.Requester,
		column(d.Created), column(d.Expires), column(d.Submitted), d.Release.String(), hex.EncodeToString(d.Envelope), hex.EncodeToString(d.CSR) + d.begins(),
	}
}

// begins tells of the columns that drafts did not always have. Where they say
// nothing it is empty, so that drafts of before keep their MACs; a colon is in no
// other part of its column.
func (d Draft) begins() string {
	if len(d.Plan) == 0 && !d.Hold && d.Source.IsZero() {
		return ""
	}
	text := ":" + hex.EncodeToString(d.Plan) + ":" + strconv.FormatBool(d.Hold)
	if !d.Source.IsZero() {
		text += ":" + d.Source.String()
	}
	return text
}

// Tag implements Authentic.
func (d Draft) Tag() []byte { return d.MAC }

// RowName implements Authentic.
func (d Draft) RowName() string { return d.ID }

// Columns implements Authentic.
func (e Epoch) Columns() (kind string, columns []string) {
	suite := func(n uint16) string { return strconv.Itoa(int(n)) }
	return "epoch", []string{
		string(e.App), string(e.Channel), counted(e.Number), e.KeyID, counted(e.KeyVersion), suite(e.KEM), suite(e.KDF), suite(e.AEAD),
		hex.EncodeToString(e.PublicKey), column(e.Created),
	}
}

// Tag implements Authentic.
func (e Epoch) Tag() []byte { return e.MAC }

// RowName implements Authentic.
func (e Epoch) RowName() string { return named(string(e.App), string(e.Channel), counted(e.Number)) }

// Columns implements Authentic.
func (t EnrolmentToken) Columns() (kind string, columns []string) {
	return "enrolment-token", []string{
		t.ID, string(t.App), t.Label, column(t.Created), column(t.Expires), strconv.FormatInt(t.MaxUses, 10), strconv.FormatInt(t.Uses, 10),
	}
}

// Tag implements Authentic.
func (t EnrolmentToken) Tag() []byte { return t.MAC }

// RowName implements Authentic.
func (t EnrolmentToken) RowName() string { return t.ID }

// Columns implements Authentic.
func (r Restore) Columns() (kind string, columns []string) {
	return "restore", []string{
		column(r.Restored), column(r.Created), strconv.FormatInt(r.Entries, 10), strconv.FormatInt(r.Lost, 10), strconv.FormatBool(r.Known),
		strconv.FormatBool(r.Directed), counted(r.LogVersion), strconv.FormatBool(r.Settled),
	}
}

// Tag implements Authentic.
func (r Restore) Tag() []byte { return r.MAC }

// RowName implements Authentic.
func (r Restore) RowName() string { return column(r.Restored) }

// named joins what a row is found by where that is more than one column.
func named(columns ...string) string { return strings.Join(columns, "/") }

// column writes a time as the store keeps it: microseconds since 1970, and the
// zero time as nothing.
func column(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return strconv.FormatInt(t.UnixMicro(), 10)
}

// counted writes a version.
func counted(n uint64) string { return strconv.FormatUint(n, 10) }
