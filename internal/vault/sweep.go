package vault

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
)

// Amiss is a row that is not as the log says.
type Amiss struct {
	Row string // by kind and name, as "policy/release/"
	Err error  // of KindDenied: ReasonForged, ReasonTampered, ReasonPutBack, ReasonDeleted; or ReasonStatement for all rows
}

// ActionCheckRows is the action of the entry that says what SweepRows found.
const ActionCheckRows = "rows.check"

// The details of such an entry: how many rows were held against the log, how many
// of them were amiss, and which, at most maxNamed of them.
const (
	DetailRows  = "rows"
	DetailAmiss = "amiss"
	maxNamed    = 20
)

// SweepRows holds every row that the log speaks of against it, and every other
// token, person, app, policy and denial, and enters into the log what it found. A
// session that is gone is none that anybody misses. KindSealed while the vault is.
func (v *Vault) SweepRows(ctx context.Context, by audit.Actor, now time.Time) (found []Amiss, rows int, err error) {
	// Only who writes can tell a note that was put back from a view that is older.
	err = v.Update(ctx, func(tx *Tx) error {
		_, err := sightOf(ctx, tx.ring, tx)
		return err
	})
	if err == nil {
		err = v.store.View(ctx, func(tx store.Tx) (err error) {
			found, rows, err = v.sweep(ctx, tx)
			return err
		})
	}
	if sealift.KindOf(err) == sealift.KindDenied {
		found, rows, err = []Amiss{{"every row", err}}, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	e := event{at: now, actor: by, action: ActionCheckRows, result: audit.OK}
	e = e.detail(DetailRows, strconv.Itoa(rows)).detail(DetailAmiss, strconv.Itoa(len(found)))
	for i, a := range found {
		if i == 0 {
			e = e.with(audit.Refused).detail("reason", sealift.ReasonOf(a.Err))
		}
		if i < maxNamed {
			e = e.detail(fmt.Sprintf("row-%d", i+1), clip(a.Row)+" "+sealift.ReasonOf(a.Err))
		}
	}
	return found, rows, v.recordApart(ctx, []event{e})
}

func (v *Vault) sweep(ctx context.Context, tx store.Tx) (found []Amiss, rows int, err error) {
	ring := v.ringFor(tx)
	s, err := sightOf(ctx, ring, tx)
	if err != nil {
		return nil, 0, err
	}
	note := func(row string, err error) error {
		rows++
		if sealift.KindOf(err) != sealift.KindDenied {
			return err
		}
		found = append(found, Amiss{row, err})
		return nil
	}
	for _, kind := range sweptKinds {
		names := s.all(ring.heads, tx, kind.name)
		there, err := kind.list(ctx, tx)
		if err != nil {
			return nil, 0, err
		}
		for _, r := range there {
			delete(names, r.RowName())
			if err := note(rowOf(kind.name, r.RowName()), v.CheckRow(ctx, tx, r)); err != nil {
				return nil, 0, err
			}
		}
		for name, is := range names {
			if is.tag == "" {
				continue
			}
			r, err := kind.read(ctx, tx, name)
			switch {
			case sealift.KindOf(err) == sealift.KindNotFound:
				err = checkStated(ctx, ring, tx, kind.name, name, "")
			case err == nil && r != nil:
				err = v.CheckRow(ctx, tx, r)
			case err == nil:
				err = s.refuse(ring.heads, tx, kind.name, name, is, "")
			}
			if err := note(rowOf(kind.name, name), err); err != nil {
				return nil, 0, err
			}
		}
	}
	return found, rows, v.sweepKeys(ctx, tx, s, note)
}

// sweepKeys does the same for keys.
func (v *Vault) sweepKeys(ctx context.Context, tx store.Tx, s *sight, note func(string, error) error) error {
	ring := v.ringFor(tx)
	names := s.all(ring.heads, tx, kindKey)
	keys, err := tx.Keys(ctx, store.KeyFilter{})
	if err != nil {
		return err
	}
	for _, k := range keys {
		name := Ref{k.ID, k.Version}.String()
		delete(names, name)
		_, err := checkRow(ctx, ring, tx, k)
		if err := note(rowOf(kindKey, name), err); err != nil {
			return err
		}
	}
	for name, is := range names {
		if is.tag == "" {
			continue
		}
		if err := note(rowOf(kindKey, name), s.refuse(ring.heads, tx, kindKey, name, is, "")); err != nil {
			return err
		}
	}
	return nil
}

// sweptKind is how the rows of a kind are found: those of list are all there are,
// and what it leaves out is found by name.
type sweptKind struct {
	name string
	list func(ctx context.Context, tx store.Tx) ([]store.Authentic, error)
	read func(ctx context.Context, tx store.Tx, name string) (store.Authentic, error)
}

var sweptKinds = []sweptKind{
	listed("token", func(ctx context.Context, tx store.Tx) ([]store.Token, error) { return tx.Tokens(ctx) }),
	listed("person", func(ctx context.Context, tx store.Tx) ([]store.Person, error) { return tx.Persons(ctx) }),
	listed("app", func(ctx context.Context, tx store.Tx) ([]store.App, error) { return tx.Apps(ctx) }),
	listed("policy", func(ctx context.Context, tx store.Tx) ([]store.Policy, error) { return tx.Policies(ctx) }),
	listed("denial", func(ctx context.Context, tx store.Tx) ([]store.Denial, error) { return tx.Denials(ctx) }),
	named("credential", func(ctx context.Context, tx store.Tx, name string) (store.Credential, error) {
		return tx.Credential(ctx, name)
	}),
	named("draft", func(ctx context.Context, tx store.Tx, name string) (store.Draft, error) { return tx.Draft(ctx, name) }),
	named("approval-request", func(ctx context.Context, tx store.Tx, name string) (store.ApprovalRequest, error) {
		return tx.ApprovalRequest(ctx, name)
	}),
	named("enrolment-token", func(ctx context.Context, tx store.Tx, name string) (store.EnrolmentToken, error) {
		return tx.EnrolmentToken(ctx, name)
	}),
	named("device", func(ctx context.Context, tx store.Tx, name string) (store.Device, error) {
		app, id, _ := strings.Cut(name, "/")
		return tx.Device(ctx, sealift.AppID(app), sealift.DeviceID(id))
	}),
	named("epoch", func(ctx context.Context, tx store.Tx, name string) (e store.Epoch, err error) {
		parts := strings.Split(name, "/")
		if len(parts) != 3 {
			return e, errStatement(-1, "it names an epoch %.80q", name)
		}
		number, err := strconv.ParseUint(parts[2], 10, 64)
		if err != nil || number == 0 { // which would be the newest
			return e, errStatement(-1, "it names an epoch %.80q", name)
		}
		return tx.Epoch(ctx, sealift.AppID(parts[0]), sealift.Channel(parts[1]), number)
	}),
	named("rollout", func(ctx context.Context, tx store.Tx, name string) (r store.Rollout, err error) {
		app, counter, _ := strings.Cut(name, "/")
		number, err := strconv.ParseUint(counter, 10, 63)
		if err != nil {
			return r, errStatement(-1, "it names a roll-out %.80q", name)
		}
		return tx.Rollout(ctx, sealift.AppID(app), sealift.Counter(number))
	}),
	named("channel-rules", func(ctx context.Context, tx store.Tx, name string) (store.ChannelRules, error) {
		app, channel, _ := strings.Cut(name, "/")
		return tx.ChannelRules(ctx, sealift.AppID(app), sealift.Channel(channel))
	}),
	named("assignment", func(ctx context.Context, tx store.Tx, name string) (store.Assignment, error) {
		app, device, _ := strings.Cut(name, "/")
		return tx.Assignment(ctx, sealift.AppID(app), sealift.DeviceID(device))
	}),
	named("channel-plan", func(ctx context.Context, tx store.Tx, name string) (store.ChannelPlan, error) {
		app, channel, _ := strings.Cut(name, "/")
		return tx.ChannelPlan(ctx, sealift.AppID(app), sealift.Channel(channel))
	}),
	named("capgo-bundle", func(ctx context.Context, tx store.Tx, name string) (b store.CapgoBundle, err error) {
		app, release, _ := strings.Cut(name, "/")
		digest, err := sealift.ParseDigest(release)
		if err != nil {
			return b, errStatement(-1, "it names a bundle %.80q", name)
		}
		return tx.CapgoBundle(ctx, sealift.AppID(app), digest)
	}),
	named("capgo-draft", func(ctx context.Context, tx store.Tx, name string) (store.CapgoDraft, error) {
		return tx.CapgoDraft(ctx, name)
	}),
	named("device-labels", func(ctx context.Context, tx store.Tx, name string) (store.DeviceLabels, error) {
		app, device, _ := strings.Cut(name, "/")
		return tx.DeviceLabels(ctx, sealift.AppID(app), sealift.DeviceID(device))
	}),
	named("channel-label", func(ctx context.Context, tx store.Tx, name string) (l store.ChannelLabel, err error) {
		app, label, _ := strings.Cut(name, "/")
		rows, err := tx.ChannelLabels(ctx, sealift.AppID(app))
		for _, row := range rows {
			if string(row.Label) == label {
				return row, nil
			}
		}
		if err == nil {
			err = sealift.Errorf(sealift.KindNotFound, "reading a label", "there is none")
		}
		return l, err
	}),
	named("approval", func(ctx context.Context, tx store.Tx, name string) (a store.Approval, err error) {
		request, person, _ := strings.Cut(name, "/")
		rows, err := tx.Approvals(ctx, request)
		for _, row := range rows {
			if row.Person == person {
				return row, nil
			}
		}
		if err == nil {
			err = sealift.Errorf(sealift.KindNotFound, "reading an approval", "there is none")
		}
		return a, err
	}),
}

// listed is a kind of which the store lists all rows.
func listed[R store.Authentic](kind string, list func(context.Context, store.Tx) ([]R, error)) sweptKind {
	return sweptKind{kind, func(ctx context.Context, tx store.Tx) ([]store.Authentic, error) {
		rows, err := list(ctx, tx)
		out := make([]store.Authentic, len(rows))
		for i, r := range rows {
			out[i] = r
		}
		return out, err
	}, func(context.Context, store.Tx, string) (store.Authentic, error) { return nil, nil }}
}

// named is a kind of which the store gives one row at a time.
func named[R store.Authentic](kind string, read func(context.Context, store.Tx, string) (R, error)) sweptKind {
	return sweptKind{kind, func(context.Context, store.Tx) ([]store.Authentic, error) { return nil, nil },
		func(ctx context.Context, tx store.Tx, name string) (store.Authentic, error) {
			r, err := read(ctx, tx, name)
			if err != nil {
				return nil, err
			}
			return r, nil
		}}
}
