package vault

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
)

// The methods below are those of store.Tx that write rows with a MAC. Each notes
// what it wrote, for the statement that ends the transaction; one that writes a
// row anew refuses where there should be one: somebody deleted it.

// insertRow writes a row that is not there. One that the log says is there was
// deleted by somebody: nothing of the transaction remains then.
func (tx *Tx) insertRow(ctx context.Context, kind, name string, mac []byte, write func() error) error {
	gone := checkStated(ctx, tx.ring, tx, kind, name, "")
	if gone != nil && sealift.ReasonOf(gone) != ReasonDeleted {
		return gone
	}
	if err := tx.write(kind, name, mac, write); err != nil {
		return err // as where it is there after all
	}
	tx.bad = cmp.Or(tx.bad, gone)
	return gone
}

// write writes a row over the one before, or deletes it if mac is nil.
func (tx *Tx) write(kind, name string, mac []byte, write func() error) error {
	if err := tx.ring.present(); err != nil {
		return err
	}
	if err := write(); err != nil {
		return err
	}
	tx.wrote[rowOf(kind, name)] = RowTag(mac)
	return nil
}

func insert[R store.Authentic](ctx context.Context, tx *Tx, r R, write func(context.Context, R) error) error {
	kind, _ := r.Columns()
	return tx.insertRow(ctx, kind, r.RowName(), r.Tag(), func() error { return write(ctx, r) })
}

func update[R store.Authentic](ctx context.Context, tx *Tx, r R, old []byte, write func(context.Context, R, []byte) error) error {
	kind, _ := r.Columns()
	return tx.write(kind, r.RowName(), r.Tag(), func() error { return write(ctx, r, old) })
}

// put is update of a row that is written over whatever is there.
func put[R store.Authentic](ctx context.Context, tx *Tx, r R, write func(context.Context, R) error) error {
	kind, _ := r.Columns()
	return tx.write(kind, r.RowName(), r.Tag(), func() error { return write(ctx, r) })
}

// putOver is put of a row of which read is what looking for it came to: where
// there is none it is insert.
func putOver[R store.Authentic](ctx context.Context, tx *Tx, r R, read error, write func(context.Context, R) error) error {
	switch {
	case sealift.KindOf(read) == sealift.KindNotFound:
		return insert(ctx, tx, r, write)
	case read != nil:
		return read
	}
	return put(ctx, tx, r, write)
}

func (tx *Tx) delete(ctx context.Context, like store.Authentic, write func(context.Context, string) error) error {
	kind, _ := like.Columns()
	return tx.write(kind, like.RowName(), nil, func() error { return write(ctx, like.RowName()) })
}

// InsertKey implements store.KeyTx.
func (tx *Tx) InsertKey(ctx context.Context, k store.Key) error {
	tx.read = nil
	return tx.insertRow(ctx, kindKey, Ref{k.ID, k.Version}.String(), k.MAC, func() error { return tx.Tx.InsertKey(ctx, k) })
}

// UpdateKey implements store.KeyTx.
func (tx *Tx) UpdateKey(ctx context.Context, k store.Key, oldMAC []byte) error {
	tx.read = nil
	return tx.write(kindKey, Ref{k.ID, k.Version}.String(), k.MAC, func() error { return tx.Tx.UpdateKey(ctx, k, oldMAC) })
}

// kindKey is the kind of the rows of keys, which no store.Authentic is.
const kindKey = "key"

// InsertApp implements store.AppTx.
func (tx *Tx) InsertApp(ctx context.Context, a store.App) error {
	return insert(ctx, tx, a, tx.Tx.InsertApp)
}

// UpdateApp implements store.AppTx.
func (tx *Tx) UpdateApp(ctx context.Context, a store.App, oldMAC []byte) error {
	return update(ctx, tx, a, oldMAC, tx.Tx.UpdateApp)
}

// InsertEpoch implements store.AppTx.
func (tx *Tx) InsertEpoch(ctx context.Context, e store.Epoch) error {
	return insert(ctx, tx, e, tx.Tx.InsertEpoch)
}

// InsertDraft implements store.ReleaseTx.
func (tx *Tx) InsertDraft(ctx context.Context, d store.Draft) error {
	return insert(ctx, tx, d, tx.Tx.InsertDraft)
}

// UpdateDraft implements store.ReleaseTx.
func (tx *Tx) UpdateDraft(ctx context.Context, d store.Draft, from store.DraftState) error {
	return put(ctx, tx, d, func(ctx context.Context, d store.Draft) error { return tx.Tx.UpdateDraft(ctx, d, from) })
}

// InsertDenial implements store.DenialTx.
func (tx *Tx) InsertDenial(ctx context.Context, d store.Denial) error {
	return insert(ctx, tx, d, tx.Tx.InsertDenial)
}

// UpdateDenial implements store.DenialTx.
func (tx *Tx) UpdateDenial(ctx context.Context, d store.Denial, oldMAC []byte) error {
	return update(ctx, tx, d, oldMAC, tx.Tx.UpdateDenial)
}

// InsertRollout implements store.RolloutTx.
func (tx *Tx) InsertRollout(ctx context.Context, r store.Rollout) error {
	return insert(ctx, tx, r, tx.Tx.InsertRollout)
}

// UpdateRollout implements store.RolloutTx.
func (tx *Tx) UpdateRollout(ctx context.Context, r store.Rollout, oldMAC []byte) error {
	return update(ctx, tx, r, oldMAC, tx.Tx.UpdateRollout)
}

// PutChannelPlan implements store.PlanTx.
func (tx *Tx) PutChannelPlan(ctx context.Context, p store.ChannelPlan) error {
	_, err := tx.ChannelPlan(ctx, p.App, p.Channel)
	return putOver(ctx, tx, p, err, tx.Tx.PutChannelPlan)
}

// PutDeviceLabels implements store.LabelTx.
func (tx *Tx) PutDeviceLabels(ctx context.Context, l store.DeviceLabels) error {
	return put(ctx, tx, l, tx.Tx.PutDeviceLabels)
}

// PutChannelLabel implements store.LabelTx.
func (tx *Tx) PutChannelLabel(ctx context.Context, l store.ChannelLabel) error {
	return put(ctx, tx, l, tx.Tx.PutChannelLabel)
}

// PutCapgoBundle implements store.CapgoTx.
func (tx *Tx) PutCapgoBundle(ctx context.Context, b store.CapgoBundle) error {
	_, err := tx.CapgoBundle(ctx, b.App, b.Release)
	return putOver(ctx, tx, b, err, tx.Tx.PutCapgoBundle)
}

// PutCapgoDraft implements store.CapgoTx.
func (tx *Tx) PutCapgoDraft(ctx context.Context, d store.CapgoDraft) error {
	_, err := tx.CapgoDraft(ctx, d.Draft)
	return putOver(ctx, tx, d, err, tx.Tx.PutCapgoDraft)
}

// DeleteCapgoDraft implements store.CapgoTx.
func (tx *Tx) DeleteCapgoDraft(ctx context.Context, draft string) error {
	return tx.delete(ctx, store.CapgoDraft{Draft: draft}, tx.Tx.DeleteCapgoDraft)
}

// InsertToken implements store.TokenTx.
func (tx *Tx) InsertToken(ctx context.Context, t store.Token) error {
	return insert(ctx, tx, t, tx.Tx.InsertToken)
}

// UpdateToken implements store.TokenTx.
func (tx *Tx) UpdateToken(ctx context.Context, t store.Token, oldMAC []byte) error {
	return update(ctx, tx, t, oldMAC, tx.Tx.UpdateToken)
}

// InsertEnrolmentToken implements store.TokenTx.
func (tx *Tx) InsertEnrolmentToken(ctx context.Context, t store.EnrolmentToken) error {
	return insert(ctx, tx, t, tx.Tx.InsertEnrolmentToken)
}

// UpdateEnrolmentToken implements store.TokenTx.
func (tx *Tx) UpdateEnrolmentToken(ctx context.Context, t store.EnrolmentToken, oldMAC []byte) error {
	return update(ctx, tx, t, oldMAC, tx.Tx.UpdateEnrolmentToken)
}

// InsertPerson implements store.PeopleTx.
func (tx *Tx) InsertPerson(ctx context.Context, p store.Person) error {
	return insert(ctx, tx, p, tx.Tx.InsertPerson)
}

// UpdatePerson implements store.PeopleTx.
func (tx *Tx) UpdatePerson(ctx context.Context, p store.Person, oldMAC []byte) error {
	return update(ctx, tx, p, oldMAC, tx.Tx.UpdatePerson)
}

// InsertCredential implements store.PeopleTx.
func (tx *Tx) InsertCredential(ctx context.Context, c store.Credential) error {
	return insert(ctx, tx, c, tx.Tx.InsertCredential)
}

// UpdateCredential implements store.PeopleTx.
func (tx *Tx) UpdateCredential(ctx context.Context, c store.Credential, oldMAC []byte) error {
	return update(ctx, tx, c, oldMAC, tx.Tx.UpdateCredential)
}

// DeleteCredential implements store.PeopleTx.
func (tx *Tx) DeleteCredential(ctx context.Context, id string) error {
	return tx.delete(ctx, store.Credential{ID: id}, tx.Tx.DeleteCredential)
}

// InsertSession implements store.PeopleTx.
func (tx *Tx) InsertSession(ctx context.Context, s store.Session) error {
	return insert(ctx, tx, s, tx.Tx.InsertSession)
}

// DeleteSession implements store.PeopleTx.
func (tx *Tx) DeleteSession(ctx context.Context, id string) error {
	return tx.delete(ctx, store.Session{ID: id}, tx.Tx.DeleteSession)
}

// PruneSessions implements store.PeopleTx.
func (tx *Tx) PruneSessions(ctx context.Context, before time.Time) (n int64, err error) {
	persons, err := tx.Persons(ctx)
	if err != nil {
		return 0, err
	}
	for _, p := range persons {
		sessions, err := tx.Sessions(ctx, p.ID)
		if err != nil {
			return 0, err
		}
		for _, s := range sessions {
			if !s.Expires.Before(before) {
				continue
			}
			if err := tx.DeleteSession(ctx, s.ID); err != nil {
				return 0, err
			}
			n++
		}
	}
	return n, nil
}

// PutPolicy implements store.ApprovalTx.
func (tx *Tx) PutPolicy(ctx context.Context, p store.Policy) error {
	rows, err := tx.Policies(ctx)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(rows, func(row store.Policy) bool { return row.RowName() == p.RowName() }) {
		return put(ctx, tx, p, tx.Tx.PutPolicy)
	}
	return insert(ctx, tx, p, tx.Tx.PutPolicy)
}

// InsertApprovalRequest implements store.ApprovalTx.
func (tx *Tx) InsertApprovalRequest(ctx context.Context, r store.ApprovalRequest) error {
	return insert(ctx, tx, r, tx.Tx.InsertApprovalRequest)
}

// UpdateApprovalRequest implements store.ApprovalTx.
func (tx *Tx) UpdateApprovalRequest(ctx context.Context, r store.ApprovalRequest, oldMAC []byte) error {
	return update(ctx, tx, r, oldMAC, tx.Tx.UpdateApprovalRequest)
}

// InsertApproval implements store.ApprovalTx.
func (tx *Tx) InsertApproval(ctx context.Context, a store.Approval) error {
	return insert(ctx, tx, a, tx.Tx.InsertApproval)
}

// PutDevice implements store.DeviceTx.
func (tx *Tx) PutDevice(ctx context.Context, d store.Device) error {
	_, err := tx.Device(ctx, d.App, d.ID)
	return putOver(ctx, tx, d, err, tx.Tx.PutDevice)
}

// PutChannelRules implements store.ChannelTx.
func (tx *Tx) PutChannelRules(ctx context.Context, r store.ChannelRules) error {
	_, err := tx.ChannelRules(ctx, r.App, r.Channel)
	return putOver(ctx, tx, r, err, tx.Tx.PutChannelRules)
}

// PutAssignment implements store.ChannelTx.
func (tx *Tx) PutAssignment(ctx context.Context, a store.Assignment) error {
	_, err := tx.Assignment(ctx, a.App, a.Device)
	return putOver(ctx, tx, a, err, tx.Tx.PutAssignment)
}

// PutRestore implements store.RestoreTx.
func (tx *Tx) PutRestore(ctx context.Context, r store.Restore) error {
	return put(ctx, tx, r, tx.Tx.PutRestore)
}

// maxStated bounds the rows of one statement, in bytes: it is a leaf of the log.
const maxStated = 12 << 10

// state ends a transaction with what it wrote.
func (tx *Tx) state(ctx context.Context) error {
	if tx.bad != nil {
		return tx.bad
	}
	if len(tx.wrote) == 0 && !tx.first {
		return nil
	}
	seen, err := sightOf(ctx, tx.ring, tx)
	if err != nil {
		return err
	}
	before, rows, size := seen.newest, map[string]string{}, 0
	add := func() error {
		s, err := tx.stateRows(ctx, before, rows)
		if err != nil {
			return err
		}
		tx.stated = append(tx.stated, s)
		before, rows, size = s.link(), map[string]string{}, 0
		return nil
	}
	for _, row := range slices.Sorted(maps.Keys(tx.wrote)) {
		if size > maxStated {
			if err := add(); err != nil {
				return err
			}
		}
		rows[row] = tx.wrote[row]
		size += len(row) + len(tx.wrote[row])
	}
	if err := add(); err != nil {
		return err
	}
	return tx.SetStatement(ctx, before.entry)
}

// stateRows appends one statement behind another.
func (tx *Tx) stateRows(ctx context.Context, before link, rows map[string]string) (s statement, err error) {
	s = statement{Statement: audit.Statement{Before: before.entry, All: tx.first && before.entry < 0, Rows: rows}}
	if s.entry, err = tx.AuditSize(ctx); err != nil {
		return s, err
	}
	if s.entry <= before.entry {
		return s, errStatement(before.entry, "it was written, and the log ends at %d now", s.entry)
	}
	if s.MAC, err = s.mac(tx.ring, before); err != nil {
		return s, err
	}
	leaf, err := s.Leaf()
	if err != nil {
		return s, sealift.Errorf(sealift.KindInternal, "stating rows", "%w", err)
	}
	_, err = audit.AppendLeaf(ctx, tx, leaf)
	return s, err
}
