package release

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
	"github.com/sealift/sealift/trust/tufrepo"
)

const denyOp = "refusing it at once"

// Deny implements service.Denials.
func (s *Service) Deny(ctx context.Context, by access.Caller, want service.NewDenial) (service.Denial, error) {
	made, err := vault.Do(ctx, s.vault, func(tx *vault.Tx) (store.Denial, error) {
		row, err := s.denial(ctx, tx, want)
		if err != nil {
			return row, err
		}
		return s.deny(ctx, tx, by.Actor(), row)
	})
	if err != nil {
		return service.Denial{}, s.refuse(ctx, by, "deny.add", string(want.App), map[string]string{"kind": string(want.Kind), "reason-given": want.Reason}, err)
	}
	return denialOf(made), s.Flush(ctx)
}

// denial finds what is to be refused.
func (s *Service) denial(ctx context.Context, tx store.Tx, want service.NewDenial) (store.Denial, error) {
	row := store.Denial{Kind: store.DenialKind(want.Kind), App: want.App, Reason: want.Reason}
	switch want.Kind {
	case service.DenyRelease:
		return row, s.fillRelease(ctx, tx, &row, want.Release)
	case service.DenyCA:
		row.Issuer = want.Issuer
		return row, knownCA(ctx, tx, want.Issuer)
	case service.DenyFloor:
		row.Counter, row.Version = want.Counter, want.Version
		_, err := s.findApp(ctx, tx, want.App)
		if err == nil {
			err = checkFloor(ctx, tx, want.App, trust.Floor{Counter: want.Counter, Version: want.Version}, want.Force)
		}
		return row, err
	}
	return row, sealift.Errorf(sealift.KindInvalid, denyOp, "%.40q is nothing that can be refused", want.Kind)
}

// fillRelease names a release by its certificate, as devices see it: what stands
// in other columns of its row may be anybody's.
func (s *Service) fillRelease(ctx context.Context, tx store.Tx, row *store.Denial, which service.Which) error {
	if _, err := s.findApp(ctx, tx, row.App); err != nil {
		return err
	}
	r, err := findRelease(ctx, tx, row.App, which)
	if err != nil {
		return err
	}
	file, _, err := fileIn(r) // or who revokes one release revokes another
	if err != nil {
		return err
	}
	rules, err := rulesOf(ctx, tx, row.App)
	if err != nil {
		return err
	}
	leaf, err := rules.LeafOf(file)
	row.Issuer, row.Serial, row.Counter, row.Version = leaf.Issuer, leaf.Serial, r.Counter, r.Version
	return err
}

// knownCA refuses what is no release CA that devices believe.
func knownCA(ctx context.Context, tx store.DocumentTx, issuer sealift.Digest) error {
	anchors, err := trustOf(ctx, tx)
	if err != nil {
		return err
	}
	for _, ca := range anchors.ReleaseCAs {
		if cert, err := trust.ParseCA(ca.Certificate); err == nil && trust.IssuerOf(cert) == issuer {
			return nil
		}
	}
	return sealift.Errorf(sealift.KindNotFound, denyOp, "trust.json has no release CA %s", issuer).WithReason("ca").
		WithHint("see which there are with: sealift trust show")
}

// SuspendCA lets devices refuse all that a release CA certified, at once; it is
// no error where they do so already. It is for whoever finds in the transaction
// tx that the CA's key is in wrong hands. Flush afterwards.
func (s *Service) SuspendCA(ctx context.Context, tx *vault.Tx, actor audit.Actor, issuer sealift.Digest, reason string) error {
	_, err := s.deny(ctx, tx, actor, store.Denial{Kind: store.DenyCA, Issuer: issuer, Reason: reason})
	if sealift.ReasonOf(err) == reasonDenied {
		return nil
	}
	return err
}

const reasonDenied = "denied"

// deny writes a denial and lets the director sign it.
func (s *Service) deny(ctx context.Context, tx *vault.Tx, actor audit.Actor, row store.Denial) (store.Denial, error) {
	rows, err := s.standing(ctx, tx)
	if err != nil {
		return row, err
	}
	if len(rows) >= sealift.MaxDenials {
		return row, sealift.Errorf(sealift.KindExhausted, denyOp, "%d denials wait to be confirmed, at most %d are allowed", len(rows), sealift.MaxDenials).
			WithReason("denials").WithHint("hold a ceremony that confirms them: sealift trust propose --confirm-denials")
	}
	before := denyOfRows(rows)
	if after := denyOfRows(append(slices.Clone(rows), row)); same(before, after) {
		return row, errDenied()
	}
	anchors, err := trustOf(ctx, tx)
	if err != nil {
		return row, err
	}
	if confirmed(anchors, row) {
		return row, errDenied()
	}
	if row, err = s.insertDenial(ctx, tx, actor, row); err != nil {
		return row, err
	}
	return row, s.directDeny(ctx, tx, actor, append(rows, row))
}

func (s *Service) insertDenial(ctx context.Context, tx *vault.Tx, actor audit.Actor, row store.Denial) (_ store.Denial, err error) {
	row.ID, row.Creator, row.Created, row.State = newDraftID()[:16], actor.ID, s.now().UTC(), store.DenialActive
	row.Changed = row.Created
	if row.MAC, err = tx.Authenticate(row); err != nil {
		return row, err
	}
	if err := tx.InsertDenial(ctx, row); err != nil {
		return row, err
	}
	return row, recordAs(ctx, tx, row.Created, actor, "deny.add", string(row.App), denialDetails(row))
}

// restoreDenials brings rows and deny.json together after a restore, which has the
// rows of the backup and may have a deny.json that was published since: what either
// refuses stays refused. Who did it since the backup, and why, is lost.
func (s *Service) restoreDenials(ctx context.Context, tx *vault.Tx, actor audit.Actor) error {
	rows, err := s.activeDenials(ctx, tx)
	if err != nil {
		return err
	}
	published, err := denyOf(ctx, tx)
	if err != nil {
		return err
	}
	for _, row := range rowsOfDeny(published) {
		if same(denyOfRows(rows), denyOfRows(append(slices.Clone(rows), row))) {
			continue
		}
		if row, err = s.insertDenial(ctx, tx, actor, row); err != nil {
			return err
		}
		rows = append(rows, row)
	}
	content, err := denyOfRows(rows).Encode()
	if err != nil {
		return err
	}
	return tx.SetDocument(ctx, trust.DenyPath, content)
}

// rowsOfDeny is what rows would say the same as d.
func rowsOfDeny(d *trust.Deny) (rows []store.Denial) {
	const reason = "published before a restore"
	for _, r := range d.Revoked {
		rows = append(rows, store.Denial{Kind: store.DenyRelease, Issuer: r.Issuer, Serial: r.Serial, Reason: reason})
	}
	for _, issuer := range d.SuspendedCAs {
		rows = append(rows, store.Denial{Kind: store.DenyCA, Issuer: issuer, Reason: reason})
	}
	for _, app := range slices.Sorted(maps.Keys(d.Floors)) {
		rows = append(rows, store.Denial{Kind: store.DenyFloor, App: app, Counter: d.Floors[app].Counter, Version: d.Floors[app].Version, Reason: reason})
	}
	return rows
}

func errDenied() error {
	return sealift.Errorf(sealift.KindConflict, denyOp, "devices refuse it already").WithReason(reasonDenied).
		WithHint("see what they refuse with: sealift deny list, and sealift trust show")
}

func denialDetails(d store.Denial) map[string]string {
	details := map[string]string{"denial": d.ID, "kind": string(d.Kind), "reason-given": d.Reason, vault.RowDetail: vault.RowTag(d.MAC)}
	if d.Counter > 0 {
		details["counter"] = fmt.Sprint(d.Counter)
	}
	if d.Version != "" {
		details["version"] = string(d.Version)
	}
	if !d.Issuer.IsZero() {
		details["issuer"] = "sha256:" + d.Issuer.String()
	}
	if d.Serial != "" {
		details["serial"] = d.Serial
	}
	return details
}

// LiftDenial implements service.Denials.
func (s *Service) LiftDenial(ctx context.Context, by access.Caller, id, reason string) (service.Denial, error) {
	const op = "taking a denial back"
	lifted, err := vault.Do(ctx, s.vault, func(tx *vault.Tx) (store.Denial, error) {
		rows, err := s.standing(ctx, tx)
		if err != nil {
			return store.Denial{}, err
		}
		i := slices.IndexFunc(rows, func(d store.Denial) bool { return d.ID == id })
		if i < 0 {
			d, err := tx.Denial(ctx, id)
			if sealift.KindOf(err) == sealift.KindNotFound {
				return d, sealift.Errorf(sealift.KindNotFound, op, "there is no denial %.80q", id).WithReason("denial").WithHint("see which there are with: sealift deny list")
			}
			if err != nil {
				return d, err
			}
			return d, sealift.Errorf(sealift.KindConflict, op, "it is %s already", d.State).WithReason("denial").
				WithHint("what people wrote into trust.json stays there")
		}
		d := rows[i]
		if err := s.setDenial(ctx, tx, &d, store.DenialLifted); err != nil {
			return d, err
		}
		details := denialDetails(d)
		details["reason-given"] = reason
		if err := recordAs(ctx, tx, s.now(), by.Actor(), "deny.lift", string(d.App), details); err != nil {
			return d, err
		}
		return d, s.directDeny(ctx, tx, by.Actor(), slices.Delete(rows, i, i+1))
	})
	if err != nil {
		return service.Denial{}, s.refuse(ctx, by, "deny.lift", id, map[string]string{"reason-given": reason}, err)
	}
	return denialOf(lifted), s.Flush(ctx)
}

func (s *Service) setDenial(ctx context.Context, tx *vault.Tx, d *store.Denial, to store.DenialState) (err error) {
	old := d.MAC
	d.State, d.Changed = to, s.now().UTC()
	if d.MAC, err = tx.Authenticate(*d); err != nil {
		return err
	}
	return tx.UpdateDenial(ctx, *d, old)
}

// Denials implements service.Denials.
func (s *Service) Denials(ctx context.Context) ([]service.Denial, error) {
	return view(ctx, s.store, func(tx store.Tx) ([]service.Denial, error) {
		rows, err := tx.Denials(ctx)
		out := make([]service.Denial, len(rows))
		for i, row := range rows {
			out[i] = denialOf(row)
			out[i].Forged = sealift.KindOf(s.vault.CheckRow(ctx, tx, row)) == sealift.KindDenied
		}
		return out, err
	})
}

func denialOf(d store.Denial) service.Denial {
	return service.Denial{
		ID: d.ID, Kind: service.DenialKind(d.Kind), App: d.App, Counter: d.Counter, Version: d.Version, Issuer: d.Issuer, Serial: d.Serial,
		Reason: d.Reason, Creator: d.Creator, Created: d.Created, State: service.DenialState(d.State), Changed: d.Changed,
	}
}

// activeDenials returns the denials that are active, of rows that are all the
// vault's.
func (s *Service) activeDenials(ctx context.Context, tx store.Tx) ([]store.Denial, error) {
	all, err := tx.Denials(ctx)
	if err == nil {
		err = vault.CheckWhole(ctx, s.vault, tx, all)
	}
	if err != nil {
		return nil, err
	}
	var rows []store.Denial
	for _, d := range all {
		if err := s.vault.CheckRow(ctx, tx, d); err != nil {
			return nil, err
		}
		if d.State == store.DenialActive {
			rows = append(rows, d)
		}
	}
	return rows, nil
}

// standing returns the rows that make up deny.json. It holds them against what
// the director signed: whoever takes a row away, or brings a lifted one back, by
// SQL would else have the next signature say so, too.
func (s *Service) standing(ctx context.Context, tx store.Tx) ([]store.Denial, error) {
	rows, err := s.activeDenials(ctx, tx)
	if err != nil {
		return nil, err
	}
	want, err := denyOfRows(rows).Encode()
	if err != nil {
		return nil, err
	}
	have, err := tx.Document(ctx, trust.DenyPath)
	if err != nil {
		return nil, err
	}
	signed, err := isSigned(ctx, tx, trust.DenyPath, have)
	if err != nil {
		return nil, err
	}
	if !signed || !bytes.Equal(have, want) {
		return nil, sealift.Errorf(sealift.KindDenied, denyOp, "the denials in the database are not those that the director signed").WithReason(vault.ReasonForged).
			WithHint("somebody changed the database: look at who can write to it, and at sealift audit list --action deny")
	}
	return rows, nil
}

// denyOfRows is deny.json over the rows, in one spelling.
func denyOfRows(rows []store.Denial) *trust.Deny {
	d := &trust.Deny{Revoked: []trust.Revocation{}, SuspendedCAs: []sealift.Digest{}, Floors: map[sealift.AppID]trust.Floor{}}
	for _, row := range rows {
		switch row.Kind {
		case store.DenyRelease:
			d.Revoked = append(d.Revoked, trust.Revocation{Issuer: row.Issuer, Serial: row.Serial})
		case store.DenyCA:
			d.SuspendedCAs = append(d.SuspendedCAs, row.Issuer)
		case store.DenyFloor:
			d.Floors[row.App] = d.Floors[row.App].Or(trust.Floor{Counter: row.Counter, Version: row.Version})
		}
	}
	slices.SortFunc(d.Revoked, func(a, b trust.Revocation) int {
		return strings.Compare(a.Issuer.String()+a.Serial, b.Issuer.String()+b.Serial)
	})
	slices.SortFunc(d.SuspendedCAs, func(a, b sealift.Digest) int { return bytes.Compare(a[:], b[:]) })
	d.Revoked, d.SuspendedCAs = slices.Compact(d.Revoked), slices.Compact(d.SuspendedCAs)
	return d
}

func same(a, b *trust.Deny) bool {
	one, errA := a.Encode()
	other, errB := b.Encode()
	return errA == nil && errB == nil && bytes.Equal(one, other)
}

func (s *Service) directDeny(ctx context.Context, tx *vault.Tx, actor audit.Actor, rows []store.Denial) error {
	content, err := denyOfRows(rows).Encode()
	if err != nil {
		return err
	}
	return s.direct(ctx, tx, actor, []tufrepo.Target{{Path: trust.DenyPath, Content: content}})
}

// confirmed reports whether t itself refuses what the denial does.
func confirmed(t *trust.Trust, d store.Denial) bool {
	switch d.Kind {
	case store.DenyRelease:
		return slices.Contains(t.Revoked, trust.Revocation{Issuer: d.Issuer, Serial: d.Serial})
	case store.DenyCA:
		return !slices.ContainsFunc(t.ReleaseCAs, func(ca trust.CA) bool {
			cert, err := trust.ParseCA(ca.Certificate)
			return err == nil && trust.IssuerOf(cert) == d.Issuer
		})
	}
	floor := t.Of(d.App).Floor
	return floor == floor.Or(trust.Floor{Counter: d.Counter, Version: d.Version})
}

// confirmDenials takes what the new trust.json holds out of deny.json, and
// returns what that is then. An installation's first ceremony makes it.
func (s *Service) confirmDenials(ctx context.Context, tx *vault.Tx, actor audit.Actor) (tufrepo.Target, error) {
	out := tufrepo.Target{Path: trust.DenyPath}
	rows := []store.Denial{}
	if _, err := tx.Document(ctx, trust.DenyPath); sealift.KindOf(err) != sealift.KindNotFound {
		if rows, err = s.standing(ctx, tx); err != nil {
			return out, err
		}
	}
	anchors, err := trustOf(ctx, tx)
	if err != nil {
		return out, err
	}
	var left []store.Denial
	for _, row := range rows {
		if !confirmed(anchors, row) {
			left = append(left, row)
			continue
		}
		if err := s.setDenial(ctx, tx, &row, store.DenialConfirmed); err != nil {
			return out, err
		}
		if err := recordAs(ctx, tx, s.now(), actor, "deny.confirm", string(row.App), denialDetails(row)); err != nil {
			return out, err
		}
	}
	out.Content, err = denyOfRows(left).Encode()
	return out, err
}
