package approval_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/approval"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
)

// told is what the channels of the app go by, a line each: of its four actions how many
// are needed, from where the policy comes, and what it was set for where that is
// something else.
func (w *world) told() string {
	w.Helper()
	all, err := w.board.AppPolicies(w.Context(), app)
	w.check(err)
	return lines(all.Policies)
}

func lines(policies []service.ChannelPolicy) string {
	var text strings.Builder
	for i, p := range policies {
		if i%4 == 0 {
			fmt.Fprintf(&text, "\n%s:", p.Channel)
		}
		fmt.Fprintf(&text, " %d %s", p.Policy.Needed, p.From)
		if p.From == service.FromStrictest {
			fmt.Fprintf(&text, " %s", p.Policy.Channel)
		}
		if p.Policy.Action != "" && p.Policy.Action != p.Action {
			fmt.Fprintf(&text, " (%s)", p.Policy.Action)
		}
		text.WriteByte(';')
	}
	return text.String()
}

// What a channel is told to go by is what is asked about it, and whose that is.
func TestToldPolicies(t *testing.T) {
	w, ann, bob, _ := trio(t)
	w.channels("beta", "early", "production")
	set := func(action string, of sealift.AppID, channel sealift.Channel, needed int64) {
		t.Helper()
		policy := service.NewPolicy{App: of, Channel: channel, Action: action, Needed: needed, Off: needed == 0}
		if needed > 0 {
			policy.Roles = []access.Role{access.RoleOwner, access.RoleSecurityOfficer}
		}
		_, err := w.board.SetPolicy(t.Context(), ann.Caller, policy)
		if sealift.ReasonOf(err) == approval.ReasonApproval {
			_, err = bob.approve(w.only(store.ApprovalOpen).ID)
			w.check(err)
			_, err = w.board.SetPolicy(t.Context(), ann.Caller, policy)
		}
		w.check(err)
	}
	want := func(what, beta, early, production string) {
		t.Helper()
		if got, want := w.told(), "\nbeta: "+beta+"\nearly: "+early+"\nproduction: "+production; got != want {
			t.Errorf("%s: it says%s\nwant%s", what, got, want)
		}
	}
	none := "0 none; 0 none; 0 none; 0 none;"
	want("nothing", none, none, none)
	set(approval.ActionRelease, "", "", 1)
	installation := "1 installation; 1 installation (release); 1 installation (release); 0 none;"
	want("the installation's", installation, installation, installation)
	set(approval.ActionRelease, app, "", 1)
	of := "1 app; 1 app (release); 1 app (release); 0 none;"
	want("the app's", of, of, of)
	set(approval.ActionRelease, app, "beta", 0)
	off := "0 channel; 0 channel (release); 0 channel (release); 0 none;"
	want("one that asks nobody", off, of, of)
	set(approval.ActionRelease, app, "production", 2)
	want("the strictest", off, "2 strictest production; 2 strictest production (release); 2 strictest production (release); 0 none;",
		"2 channel; 2 channel (release); 2 channel (release); 0 none;")
	set(approval.ActionRollout, app, "production", 1)
	want("of a roll-out", "0 channel; 0 channel (release); 0 channel (release); 1 strictest production;",
		"2 strictest production; 2 strictest production (release); 2 strictest production (release); 1 strictest production;",
		"2 channel; 2 channel (release); 2 channel (release); 1 channel;")

	one, err := w.board.Apps(channelOf{}).Channel(t.Context(), app, "early")
	w.check(err)
	if got := lines(one.Policies); !strings.Contains(w.told(), got) || got == "" || one.Epoch != 7 {
		t.Errorf("of one channel it says %s of %+v", got, one)
	}
	if _, err := w.board.AppPolicies(t.Context(), "com.acme.none"); sealift.KindOf(err) != sealift.KindNotFound {
		t.Errorf("of no app: %v", err)
	}

	w.bend(func(ctx context.Context, tx store.Tx) error {
		return tx.PutPolicy(ctx, store.Policy{App: app, Channel: "production", Action: approval.ActionRollout, Version: 99})
	})
	if got := w.told(); strings.Count(got, "0 forged") != 3 || strings.Count(got, "2 channel") != 3 {
		t.Errorf("one about roll-outs was forged: it says%s", got)
	}
	db, err := sql.Open("sqlite", w.path+"?_pragma=busy_timeout(5000)")
	w.check(err)
	defer db.Close()
	_, err = db.ExecContext(t.Context(), "DELETE FROM policies WHERE channel = 'beta'")
	w.check(err)
	if got := w.told(); strings.Count(got, "0 forged") != 12 {
		t.Errorf("one is gone: it says%s", got)
	}
}

// channelOf knows one channel.
type channelOf struct{ apps }

func (channelOf) Channel(_ context.Context, app sealift.AppID, name sealift.Channel) (service.Channel, error) {
	return service.Channel{App: app, Name: name, Epoch: 7}, nil
}

// doors are those of the app, a word each.
func (m *moving) doors() string {
	m.Helper()
	all, err := m.board.AppPolicies(m.Context(), app)
	m.check(err)
	var words []string
	for _, d := range all.Doors {
		words = append(words, fmt.Sprintf("%s:%s%s/%d<%s", d.By, d.Channel, d.Label, d.Devices, d.Stricter))
		if !strings.Contains(d.Because, "asks nobody") {
			m.Errorf("because %q", d.Because)
		}
	}
	return strings.Join(words, " ")
}

func (m *moving) carry(label string, ids ...sealift.DeviceID) {
	m.Helper()
	m.check(m.vault.Update(m.Context(), func(tx *vault.Tx) (err error) {
		for _, id := range ids {
			row := store.DeviceLabels{App: app, Device: id, Labels: label, Changed: m.clock}
			if row.MAC, err = tx.Authenticate(row); err != nil {
				return err
			}
			if err := tx.PutDeviceLabels(m.Context(), row); err != nil {
				return err
			}
		}
		return nil
	}))
}

// What led devices to a channel that asks less before there was the policy is told, and
// what people approved since is not.
func TestDoors(t *testing.T) {
	m := newMoving(t)
	want := func(what, want string) {
		t.Helper()
		if got := m.doors(); got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	want("production is the default, and nobody carries a label", "")
	m.rules(store.ChannelRules{Channel: "early", SelfAssign: true})
	want("early asks as production does", "")
	m.carry("strict", there)
	want("a label of production", "")
	m.carry("loose", tester, configured)
	want("a label of beta", "label:betaloose/2<production")
	m.rules(store.ChannelRules{Channel: "production"})
	m.rules(store.ChannelRules{Channel: "beta", Default: true, SelfAssign: true})
	const both = "default:beta/0<production self-assign:beta/0<production"
	want("all of them", both+" label:betaloose/2<production")

	// Of one of the two devices people were asked, then of the label.
	yes := true
	approved := func(do func() error) {
		t.Helper()
		m.refused(do(), sealift.KindDenied, approval.ReasonApproval)
		_, err := m.bob.approve(m.only(store.ApprovalOpen).ID)
		m.check(err)
		m.check(do())
	}
	approved(func() error { return m.label("loose", false, tester) })
	want("one was approved", both+" label:betaloose/1<production")
	approved(func() error { return m.lead("loose", "beta", 6) })
	want("the label was", both)
	m.rules(store.ChannelRules{Channel: "beta"})
	want("they are closed", "")
	approved(func() error { return m.set("beta", service.ChannelChange{SelfAssign: &yes}) })
	m.rules(store.ChannelRules{Channel: "beta", Default: true, SelfAssign: true})
	want("devices may put themselves there, as people approved", "default:beta/0<production")

	// What says so was not written by the vault.
	m.bend(func(ctx context.Context, tx store.Tx) error {
		for _, r := range m.requests(store.ApprovalUsed) {
			row, err := tx.ApprovalRequest(ctx, r.ID)
			if err != nil {
				return err
			}
			old := row.MAC
			row.Outcome = "bent"
			if err := tx.UpdateApprovalRequest(ctx, row, old); err != nil {
				return err
			}
		}
		return nil
	})
	want("the requests were bent", both+" label:betaloose/2<production")

	m.bend(func(ctx context.Context, tx store.Tx) error {
		return tx.PutPolicy(ctx, store.Policy{App: app, Channel: "production", Action: approval.ActionRelease, Version: 99})
	})
	want("the policy was bent: what it is about is refused", "")

	// Where nobody asks anybody there is nothing to go around.
	w, _, _, _ := trio(t)
	none := &moving{world: w}
	none.channels("beta", "production")
	none.rules(store.ChannelRules{Channel: "beta", Default: true})
	if got := none.doors(); got != "" {
		t.Errorf("without policies: %q", got)
	}
}
