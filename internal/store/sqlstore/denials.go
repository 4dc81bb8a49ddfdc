package sqlstore

import (
	"context"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlstore/sqlcgen"
)

// InsertDenial implements store.DenialTx.
func (t *tx) InsertDenial(ctx context.Context, d store.Denial) error {
	rows, err := t.q.InsertDenial(ctx, sqlcgen.InsertDenialParams(denialRow(d)))
	return t.added(ctx, "storing denial "+d.ID, rows, err)
}

// Denial implements store.DenialTx.
func (t *tx) Denial(ctx context.Context, id string) (store.Denial, error) {
	row, err := t.q.Denial(ctx, id)
	if err != nil {
		return store.Denial{}, t.fail(ctx, "reading denial "+id, err)
	}
	return denialOf(row), nil
}

// Denials implements store.DenialTx.
func (t *tx) Denials(ctx context.Context) ([]store.Denial, error) {
	rows, err := t.q.Denials(ctx)
	return collect(rows, t.fail(ctx, "listing denials", err), denialOf)
}

// UpdateDenial implements store.DenialTx.
func (t *tx) UpdateDenial(ctx context.Context, d store.Denial, oldMAC []byte) error {
	op := "changing denial " + d.ID
	r := denialRow(d)
	rows, err := t.q.UpdateDenial(ctx, sqlcgen.UpdateDenialParams{
		ID: r.ID, Kind: r.Kind, App: r.App, Counter: r.Counter, Version: r.Version, Issuer: r.Issuer, Serial: r.Serial,
		Reason: r.Reason, Creator: r.Creator, Created: r.Created, State: r.State, Changed: r.Changed, Mac: r.Mac, OldMac: some(oldMAC),
	})
	if err != nil || rows > 0 {
		return t.fail(ctx, op, err)
	}
	if _, err := t.Denial(ctx, d.ID); err != nil {
		return err
	}
	return sealift.Errorf(sealift.KindConflict, op, "it has changed meanwhile")
}

func denialRow(d store.Denial) sqlcgen.Denial {
	return sqlcgen.Denial{
		ID: d.ID, Kind: string(d.Kind), App: string(d.App), Counter: number(d.Counter), Version: string(d.Version),
		Issuer: d.Issuer[:], Serial: d.Serial, Reason: d.Reason, Creator: d.Creator, Created: micros(d.Created),
		State: string(d.State), Changed: micros(d.Changed), Mac: some(d.MAC),
	}
}

func denialOf(r sqlcgen.Denial) store.Denial {
	return store.Denial{
		ID: r.ID, Kind: store.DenialKind(r.Kind), App: sealift.AppID(r.App), Counter: sealift.Counter(r.Counter), Version: sealift.Version(r.Version),
		Issuer: digest(r.Issuer), Serial: r.Serial, Reason: r.Reason, Creator: r.Creator, Created: moment(r.Created),
		State: store.DenialState(r.State), Changed: moment(r.Changed), MAC: bare(r.Mac),
	}
}
