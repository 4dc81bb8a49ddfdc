package approval_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/approval"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
)

type (
	apps      = service.Apps
	assigning = service.Assigning
)

// mover notes what it was told to do.
type mover struct {
	apps
	assigning
	did       []string
	meanwhile func() // called while devices are labelled
}

func (m *mover) AssignDevices(_ context.Context, _ access.Caller, _ sealift.AppID, want service.NewAssignment) ([]service.Assignment, error) {
	m.did = append(m.did, fmt.Sprint("assign ", want.Channel))
	return nil, nil
}

func (m *mover) LabelDevices(_ context.Context, _ access.Caller, _ sealift.AppID, want service.NewLabel) (service.Labelled, error) {
	m.did = append(m.did, fmt.Sprint("label ", want.Label))
	if m.meanwhile != nil {
		m.meanwhile()
	}
	return service.Labelled{}, nil
}

func (m *mover) SetChannelLabel(_ context.Context, _ access.Caller, _ sealift.AppID, want service.ChannelLabel) (service.ChannelLabel, error) {
	m.did = append(m.did, fmt.Sprint("lead ", want.Label, " ", want.Channel))
	return service.ChannelLabel{}, nil
}

func (m *mover) ChangeChannel(_ context.Context, _ access.Caller, _ sealift.AppID, name sealift.Channel, _ service.ChannelChange) (service.Channel, error) {
	m.did = append(m.did, fmt.Sprint("set ", name))
	return service.Channel{}, nil
}

// Devices of the tests.
const (
	configured = sealift.DeviceID("0000000000000000000000000000000000000000000000000000000000000001") // by itself, and nobody knows for what
	there      = sealift.DeviceID("0000000000000000000000000000000000000000000000000000000000000002") // put on production
	tester     = sealift.DeviceID("0000000000000000000000000000000000000000000000000000000000000003") // put on beta
	guest      = sealift.DeviceID("0000000000000000000000000000000000000000000000000000000000000004") // put on beta until a time
	chooser    = sealift.DeviceID("0000000000000000000000000000000000000000000000000000000000000005") // put itself on beta
)

// moving is a world where beta asks nobody and production does, and early nobody said
// anything about.
type moving struct {
	*world
	ann, bob, eve *member
	kept          *mover
	until         time.Time // of guest's
}

func newMoving(t *testing.T) *moving {
	w, ann, bob, eve := trio(t)
	m := &moving{w, ann, bob, eve, &mover{}, w.clock.Add(48 * time.Hour)}
	w.channels("production", "beta", "gamma", "early")
	for _, channel := range []sealift.Channel{"beta", "gamma"} {
		w.check(w.policyOn(founder(), approval.ActionRelease, channel, 0))
	}
	w.check(w.policyOn(founder(), approval.ActionRelease, "production", 1))
	w.check(w.vault.Update(t.Context(), func(tx *vault.Tx) error {
		for _, id := range []sealift.DeviceID{configured, there, tester, guest, chooser} {
			d := store.Device{App: app, ID: id, State: store.DeviceActive, Identity: []byte("i"), PublicKey: []byte("h"), Platform: "web", Runtime: "1.0.0", Enrolled: w.clock}
			var err error
			if d.MAC, err = tx.Authenticate(d); err == nil {
				err = tx.PutDevice(t.Context(), d)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}))
	m.put(store.Assignment{Device: there, Channel: "production", Origin: store.ByPerson})
	m.put(store.Assignment{Device: tester, Channel: "beta", Origin: store.ByPerson})
	m.put(store.Assignment{Device: guest, Channel: "beta", Origin: store.ByPerson, Until: m.until})
	m.put(store.Assignment{Device: chooser, Channel: "beta", Origin: store.ByDevice})
	m.leads("strict", "production", 5)
	m.leads("loose", "beta", 5)
	m.rules(store.ChannelRules{Channel: "production", Default: true})
	return m
}

func (m *moving) put(a store.Assignment) {
	m.Helper()
	m.check(m.vault.Update(m.Context(), func(tx *vault.Tx) (err error) {
		a.App, a.Sequence, a.Changed = app, a.Sequence+1, m.clock
		if a.MAC, err = tx.Authenticate(a); err != nil {
			return err
		}
		return tx.PutAssignment(m.Context(), a)
	}))
}

func (m *moving) leads(label sealift.Label, to sealift.Channel, priority int64) {
	m.Helper()
	m.check(m.vault.Update(m.Context(), func(tx *vault.Tx) (err error) {
		row := store.ChannelLabel{App: app, Label: label, Channel: to, Priority: priority, Settled: true, Changed: m.clock}
		if row.MAC, err = tx.Authenticate(row); err != nil {
			return err
		}
		return tx.PutChannelLabel(m.Context(), row)
	}))
}

func (m *moving) rules(r store.ChannelRules) {
	m.Helper()
	m.check(m.vault.Update(m.Context(), func(tx *vault.Tx) (err error) {
		r.App, r.Changed = app, m.clock
		if r.MAC, err = tx.Authenticate(r); err != nil {
			return err
		}
		return tx.PutChannelRules(m.Context(), r)
	}))
}

func (m *moving) assign(to sealift.Channel, until time.Time, ids ...sealift.DeviceID) error {
	_, err := m.board.Assigning(m.kept).AssignDevices(m.Context(), m.ann.Caller, app, service.NewAssignment{
		DeviceAct: service.DeviceAct{Devices: ids, Reason: "because"}, Channel: to, Until: until,
	})
	return err
}

func (m *moving) label(l sealift.Label, remove bool, ids ...sealift.DeviceID) error {
	_, err := m.board.Assigning(m.kept).LabelDevices(m.Context(), m.ann.Caller, app, service.NewLabel{
		DeviceAct: service.DeviceAct{Devices: ids, Reason: "because"}, Label: l, Remove: remove,
	})
	return err
}

func (m *moving) lead(l sealift.Label, to sealift.Channel, priority int64) error {
	_, err := m.board.Assigning(m.kept).SetChannelLabel(m.Context(), m.ann.Caller, app, service.ChannelLabel{Label: l, Channel: to, Priority: priority})
	return err
}

func (m *moving) set(name sealift.Channel, change service.ChannelChange) error {
	_, err := m.board.Apps(m.kept).ChangeChannel(m.Context(), m.ann.Caller, app, name, change)
	return err
}

// Whoever leads devices from a channel to one that asks less waits for the people of
// the first, by whatever way; between channels that ask the same nobody waits.
func TestMoves(t *testing.T) {
	m := newMoving(t)
	yes, never := true, time.Time{}
	soon, late := m.until.Add(-time.Hour), m.until.Add(time.Hour)
	for name, act := range map[string]struct {
		waits bool
		do    func() error
	}{
		"from nobody knows where":               {true, func() error { return m.assign("beta", never, configured) }},
		"from production":                       {true, func() error { return m.assign("beta", never, there) }},
		"of several one from production":        {true, func() error { return m.assign("beta", never, tester, there) }},
		"by its own word":                       {true, func() error { return m.assign("gamma", never, chooser) }},
		"from one to another that asks nobody":  {false, func() error { return m.assign("gamma", never, tester) }},
		"to stay where it is":                   {false, func() error { return m.assign("beta", never, tester) }},
		"for longer than was said":              {true, func() error { return m.assign("beta", never, guest) }},
		"until later than was said":             {true, func() error { return m.assign("gamma", late, guest) }},
		"until earlier than was said":           {false, func() error { return m.assign("gamma", soon, guest) }},
		"to one that asks the same":             {false, func() error { return m.assign("early", never, there, configured) }},
		"to one that asks the same for a while": {true, func() error { return m.assign("early", soon, there) }},
		"from nowhere for a while":              {false, func() error { return m.assign("production", soon, configured) }},
		"to what asks more":                     {false, func() error { return m.assign("production", never, tester, chooser) }},
		"off production":                        {true, func() error { return m.assign("", never, there) }},
		"off beta":                              {false, func() error { return m.assign("", never, tester, chooser, configured) }},

		"a label that leads to beta":        {true, func() error { return m.label("loose", false, configured) }},
		"off a label of beta":               {false, func() error { return m.label("loose", true, tester) }},
		"a label of production":             {false, func() error { return m.label("strict", false, configured) }},
		"off a label of production":         {true, func() error { return m.label("strict", true, configured) }},
		"a label that leads nowhere":        {false, func() error { return m.label("berlin", false, configured) }},
		"have a label lead to beta":         {true, func() error { return m.lead("berlin", "beta", 1) }},
		"have one of production do":         {true, func() error { return m.lead("strict", "beta", 5) }},
		"have one of production end":        {true, func() error { return m.lead("strict", "", 0) }},
		"have one of production count less": {true, func() error { return m.lead("strict", "production", 4) }},
		"have one of production count more": {false, func() error { return m.lead("strict", "production", 6) }},
		"have one of beta count more":       {true, func() error { return m.lead("loose", "beta", 6) }},
		"have one of beta count less":       {false, func() error { return m.lead("loose", "beta", 4) }},
		"have one of beta as it is":         {false, func() error { return m.lead("loose", "beta", 5) }},
		"have one of beta end":              {false, func() error { return m.lead("loose", "", 0) }},
		"have one lead to early":            {false, func() error { return m.lead("berlin", "early", 9) }},

		"beta the default":             {true, func() error { return m.set("beta", service.ChannelChange{Default: &yes}) }},
		"early the default":            {false, func() error { return m.set("early", service.ChannelChange{Default: &yes}) }},
		"whoever asks on beta":         {true, func() error { return m.set("beta", service.ChannelChange{SelfAssign: &yes}) }},
		"whoever asks on early":        {false, func() error { return m.set("early", service.ChannelChange{SelfAssign: &yes}) }},
		"an archive that labels pass":  {true, func() error { return m.set("production", service.ChannelChange{Archived: &yes}) }},
		"an archive that no label has": {false, func() error { return m.set("early", service.ChannelChange{Archived: &yes}) }},
		"an archive of beta":           {false, func() error { return m.set("beta", service.ChannelChange{Archived: &yes}) }},
		"private":                      {false, func() error { return m.set("beta", service.ChannelChange{Private: &yes}) }},
	} {
		m.kept.did = nil
		err := act.do()
		if act.waits != (sealift.ReasonOf(err) == approval.ReasonApproval) || !act.waits && err != nil || act.waits == (len(m.kept.did) == 1) {
			t.Errorf("%s: %v; it did %q", name, err, m.kept.did)
		}
		if act.waits {
			r := m.only(store.ApprovalOpen)
			if r.Needed != 1 || r.Action != "move" || r.Parameters["channel"] == "beta" || !strings.Contains(r.Parameters["because"], "beta asks nobody") && !strings.Contains(r.Parameters["because"], "gamma asks nobody") {
				t.Errorf("%s: people are asked %+v", name, r)
			}
			_, err := m.board.Reject(t.Context(), m.ann.Caller, r.ID, "next")
			m.check(err)
		}
	}
}

// What was approved is done once, as it was approved.
func TestMoveApproved(t *testing.T) {
	m := newMoving(t)
	err := m.assign("beta", m.until, there)
	m.refused(err, sealift.KindDenied, approval.ReasonApproval)
	if text := err.Error() + sealift.HintOf(err); !strings.Contains(text, "production asks 1 of owner, security_officer and beta asks nobody") || !strings.Contains(text, "--until 2026-01-03T00:00:00Z") {
		t.Errorf("it says %s", text)
	}
	r := m.only(store.ApprovalOpen)
	_, err = m.bob.approve(r.ID)
	m.check(err)
	m.refused(m.assign("beta", m.until, there, configured), sealift.KindDenied, approval.ReasonApproval)
	m.refused(m.assign("beta", time.Time{}, there), sealift.KindDenied, approval.ReasonApproval)
	m.refused(m.assign("gamma", m.until, there), sealift.KindDenied, approval.ReasonApproval)
	m.check(m.assign("beta", m.until, there))
	m.refused(m.assign("beta", m.until, there), sealift.KindDenied, approval.ReasonApproval)
	if got := fmt.Sprint(m.kept.did); got != "[assign beta]" {
		t.Errorf("it did %s", got)
	}
	m.refused(m.assign("beta", m.until, "0f"), sealift.KindNotFound, "device")
}

// Who approved where the devices go that carry a label approved it of no others.
func TestLabelLeadsWhoCarriedIt(t *testing.T) {
	m := newMoving(t)
	m.carry("berlin", tester)
	m.refused(m.lead("berlin", "beta", 1), sealift.KindDenied, approval.ReasonApproval)
	r := m.only(store.ApprovalOpen)
	if !strings.HasPrefix(r.Parameters["carried"], "1 devices, SHA-256") {
		t.Errorf("people are asked %+v", r)
	}
	_, err := m.bob.approve(r.ID)
	m.check(err)
	m.carry("berlin", there)
	m.refused(m.lead("berlin", "beta", 1), sealift.KindDenied, approval.ReasonApproval)
	if len(m.kept.did) > 0 {
		t.Errorf("it did %s", m.kept.did)
	}
}

// Nothing is changed between what was looked at and what is done: a label that leads
// nowhere leads nowhere still when devices get it.
func TestMovesWaitForEachOther(t *testing.T) {
	m := newMoving(t)
	led := make(chan error, 1)
	m.kept.meanwhile = func() {
		go func() { led <- m.lead("berlin", "early", 1) }()
		select {
		case <-led:
			t.Error("the label leads somewhere by now")
			led <- nil
		case <-time.After(200 * time.Millisecond):
		}
	}
	m.check(m.label("berlin", false, configured))
	m.check(<-led)
	if got := fmt.Sprint(m.kept.did); got != "[label berlin lead berlin early]" {
		t.Errorf("it did %s", got)
	}
}

// Where what two channels' people are asked cannot be compared, those of each are asked,
// and nothing is used up before both have said yes.
func TestMoveOfTwoPolicies(t *testing.T) {
	m := newMoving(t)
	m.check(m.policyOn(founder(), approval.ActionRollout, "beta", 0))
	_, err := m.board.SetPolicy(t.Context(), founder(), service.NewPolicy{App: app, Channel: "production", Action: approval.ActionRollout, Needed: 2, Roles: []access.Role{access.RoleOwner, access.RoleSecurityOfficer, access.RoleReleaseManager}})
	m.check(err)
	asked := func() (open []service.ApprovalRequest) {
		m.refused(m.assign("beta", time.Time{}, there), sealift.KindDenied, approval.ReasonApproval)
		return m.requests(store.ApprovalOpen)
	}
	open := asked()
	if len(open) != 2 || open[0].Parameters["action"] == open[1].Parameters["action"] {
		t.Fatalf("people are asked %+v", open)
	}
	for i, r := range open {
		for _, by := range []*member{m.bob, m.eve}[:r.Needed] {
			_, err := by.approve(r.ID)
			m.check(err)
		}
		if i == 0 && len(asked()) != 1 {
			t.Error("one was used up before the other was granted")
		}
	}
	m.check(m.assign("beta", time.Time{}, there))
	if used := m.requests(store.ApprovalUsed); len(used) != 2 {
		t.Errorf("%d were used up", len(used))
	}
}

// The people of a policy that is at least as strict as another answer for that as well.
func TestMoveAsksTheStrictest(t *testing.T) {
	m := newMoving(t)
	for _, channel := range []sealift.Channel{"beta", "gamma"} {
		m.check(m.policyOn(founder(), approval.ActionRollout, channel, 0))
	}
	m.check(m.policyOn(founder(), approval.ActionRollout, "production", 2))
	m.refused(m.assign("beta", time.Time{}, there), sealift.KindDenied, approval.ReasonApproval)
	if r := m.only(store.ApprovalOpen); r.Needed != 2 || r.Parameters["action"] != approval.ActionRollout {
		t.Errorf("people are asked %+v", r)
	}
}

// Nobody is asked about what is refused in the end.
func TestMoveToPrivate(t *testing.T) {
	m := newMoving(t)
	m.rules(store.ChannelRules{Channel: "beta", Private: true})
	m.clock = m.clock.Add(sealift.StepUpAge + time.Minute)
	yes := true
	m.refused(m.assign("beta", time.Time{}, there), sealift.KindDenied, access.ReasonStepUp)
	m.refused(m.label("loose", false, there), sealift.KindDenied, access.ReasonStepUp)
	m.refused(m.lead("berlin", "beta", 1), sealift.KindDenied, access.ReasonStepUp)
	m.refused(m.set("beta", service.ChannelChange{SelfAssign: &yes}), sealift.KindDenied, access.ReasonStepUp)
	if all := m.requests(store.ApprovalOpen); len(all) > 0 {
		t.Errorf("people are asked %+v", all)
	}
}

// Where SQL says where devices are, where labels lead, which channel is the default, or
// what a channel asks, nothing is moved.
func TestMoveOfForgedRows(t *testing.T) {
	yes := true
	m := newMoving(t)
	for _, c := range []struct {
		name string
		bend func(ctx context.Context, tx store.Tx) error
		do   func() error
	}{
		{"an assignment", func(ctx context.Context, tx store.Tx) error {
			row, err := tx.Assignment(ctx, app, there)
			row.Channel, row.Sequence = "beta", row.Sequence+1
			return errors.Join(err, tx.PutAssignment(ctx, row))
		}, func() error { return m.assign("gamma", time.Time{}, there) }},
		{"a label", func(ctx context.Context, tx store.Tx) error {
			return tx.PutChannelLabel(ctx, store.ChannelLabel{App: app, Label: "loose", Channel: "early", Priority: 5})
		}, func() error { return m.label("loose", false, there) }},
		{"the label that is changed", func(ctx context.Context, tx store.Tx) error {
			return tx.PutChannelLabel(ctx, store.ChannelLabel{App: app, Label: "strict", Channel: "", Priority: 5})
		}, func() error { return m.lead("strict", "", 0) }},
		{"the default", func(ctx context.Context, tx store.Tx) error {
			return tx.PutChannelRules(ctx, store.ChannelRules{App: app, Channel: "production"})
		}, func() error { return m.set("early", service.ChannelChange{Default: &yes}) }},
		{"a policy", func(ctx context.Context, tx store.Tx) error {
			return tx.PutPolicy(ctx, store.Policy{App: app, Channel: "production", Action: approval.ActionRelease, Version: 9})
		}, func() error { return m.assign("beta", time.Time{}, there) }},
	} {
		m.bend(c.bend)
		if err := c.do(); sealift.KindOf(err) != sealift.KindDenied || sealift.ReasonOf(err) != vault.ReasonForged {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if len(m.kept.did) > 0 {
		t.Errorf("it did %s", m.kept.did)
	}
}

// A label that SQL deletes leads somewhere still, as far as the log knows.
func TestMoveByADeletedLabel(t *testing.T) {
	m := newMoving(t)
	db, err := sql.Open("sqlite", m.path+"?_pragma=busy_timeout(5000)")
	m.check(err)
	defer db.Close()
	_, err = db.ExecContext(t.Context(), "DELETE FROM channel_labels WHERE label = 'loose'")
	m.check(err)
	m.refused(m.label("loose", false, there), sealift.KindDenied, vault.ReasonDeleted)
}
