package vault

import (
	"context"
	"crypto/hmac"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
)

// Rows is what the vault asks of a transaction to look at keys. Both a *Tx and
// a read-only store.Tx have it.
type Rows interface {
	Log
	Key(ctx context.Context, id string, version uint64) (store.Key, error)
	Keys(ctx context.Context, filter store.KeyFilter) ([]store.Key, error)
}

// rowMessage is what the MAC of a key's row is over: every column but the MAC.
// Rows of before a later form's columns were there have an earlier form, and so has
// every row in which they are empty.
func rowMessage(r store.Key) []byte {
	fields := [][]byte{
		[]byte(r.ID), number(r.Version), []byte(r.Purpose), []byte(r.Algorithm), []byte(r.Provider),
		[]byte(r.Owner), []byte(r.Label), []byte(r.State),
		moment(r.Created), moment(r.NotBefore), moment(r.NotAfter), moment(r.Changed),
		r.Public, r.Certificate, r.DataKey, r.Private, []byte(r.KEK),
	}
	second := append(fields, []byte(r.App), truth(r.Imported), truth(r.Exportable), moment(r.RetireAt))
	switch {
	case r.FleetWindow != 0:
		return join("sealift/vault/key-row/v3", append(second, number(uint64(r.FleetWindow)))...)
	case r.App == "" && !r.Imported && !r.Exportable && r.RetireAt.IsZero():
		return join("sealift/vault/key-row/v1", fields...)
	}
	return join("sealift/vault/key-row/v2", second...)
}

// truth encodes a bool as the number 0 or 1.
func truth(b bool) []byte {
	if b {
		return number(1)
	}
	return number(0)
}

// moment encodes a time as the store keeps it: microseconds since 1970.
func moment(t time.Time) []byte { return number(uint64(t.UnixMicro())) }

// stored is t as the store gives it back.
func stored(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// checkRow refuses a row whose MAC is not that of its columns, or which is not
// the one that was written last.
func checkRow(ctx context.Context, ring *keyring, rows Log, r store.Key) (KeyInfo, error) {
	info := infoOf(r)
	mac, err := ring.rowMAC(rowMessage(r))
	if err != nil {
		return KeyInfo{}, err
	}
	if !hmac.Equal(mac, r.MAC) {
		return KeyInfo{}, errTampered(info.Ref, "its columns do not match its MAC")
	}
	if err := checkStated(ctx, ring, rows, kindKey, info.Ref.String(), RowTag(mac)); err != nil {
		return KeyInfo{}, err
	}
	if info.Provider != ProviderPKCS11 || len(r.Private) == 0 {
		return info, nil
	}
	name, err := material(ring, r)
	info.Token = string(name)
	return info, err
}

// checkRead is checkRow of a row that was read from rows. Until it is written, the
// same transaction need not read and check it again.
func checkRead(ctx context.Context, ring *keyring, rows Rows, r store.Key) (KeyInfo, error) {
	info, err := checkRow(ctx, ring, rows, r)
	if tx, ok := rows.(*Tx); ok && err == nil {
		tx.read = &checkedKey{r, info}
	}
	return info, err
}

// readRow reads one version and checks it.
func readRow(ctx context.Context, ring *keyring, rows Rows, ref Ref) (store.Key, KeyInfo, error) {
	if err := ring.present(); err != nil {
		return store.Key{}, KeyInfo{}, err
	}
	if tx, ok := rows.(*Tx); ok && tx.read != nil && tx.read.info.Ref == ref {
		return tx.read.row, tx.read.info, ctx.Err()
	}
	r, err := rows.Key(ctx, ref.ID, ref.Version)
	if sealift.KindOf(err) == sealift.KindNotFound {
		return r, KeyInfo{}, errUnknownKey(ref)
	}
	if err != nil {
		return r, KeyInfo{}, err
	}
	info, err := checkRead(ctx, ring, rows, r)
	return r, info, err
}

// versionsOf reads all versions of a key, oldest first and at least one. The
// caller checks those that it goes by.
func versionsOf(ctx context.Context, ring *keyring, rows Rows, id string) ([]store.Key, error) {
	if err := ring.present(); err != nil {
		return nil, err
	}
	if id == "" { // which would match every key
		return nil, errUnknownKey(Ref{})
	}
	versions, err := rows.Keys(ctx, store.KeyFilter{ID: id})
	if err == nil && len(versions) == 0 {
		err = errUnknownKey(Ref{ID: id})
	}
	return versions, err
}

// insertRow puts the MAC of its columns into a new row, writes it, and adds it
// to the event: by the log, a row that is put back to what it once was can be
// told from the row that is.
func insertRow(ctx context.Context, tx *Tx, r store.Key, e *event) (KeyInfo, error) {
	if err := authenticateRow(tx.ring, &r, e); err != nil {
		return KeyInfo{}, err
	}
	if err := tx.InsertKey(ctx, r); err != nil {
		return KeyInfo{}, err
	}
	return checkRow(ctx, tx.ring, tx, r)
}

// updateRow does the same for a changed row, written over the one that was
// read.
func updateRow(ctx context.Context, tx *Tx, r store.Key, e *event) (KeyInfo, error) {
	old := r.MAC
	tx.ring.forgetSigner(old)
	if err := authenticateRow(tx.ring, &r, e); err != nil {
		return KeyInfo{}, err
	}
	if err := tx.UpdateKey(ctx, r, old); err != nil {
		return KeyInfo{}, err
	}
	return checkRow(ctx, tx.ring, tx, r)
}

func authenticateRow(ring *keyring, r *store.Key, e *event) (err error) {
	if r.MAC, err = ring.rowMAC(rowMessage(*r)); err == nil {
		*e = e.detail(RowDetail, RowTag(r.MAC))
	}
	return err
}

func infoOf(r store.Key) KeyInfo {
	return KeyInfo{
		Ref:     Ref{ID: r.ID, Version: r.Version},
		Purpose: Purpose(r.Purpose), Algorithm: Algorithm(r.Algorithm), Provider: r.Provider,
		Owner: r.Owner, Label: r.Label, State: State(r.State), Changed: r.Changed,
		Created: r.Created, NotBefore: r.NotBefore, NotAfter: r.NotAfter,
		Public: r.Public, Certificate: r.Certificate,
		App: r.App, Imported: r.Imported, Exportable: r.Exportable, RetireAt: r.RetireAt,
		FleetWindow: time.Duration(r.FleetWindow) * time.Second,
	}
}

// material returns the private key of a row in the clear; the caller clears it.
func material(ring *keyring, r store.Key) ([]byte, error) {
	private, err := ring.open(sealed{r.KEK, r.DataKey, r.Private}, keyBinding(r.ID, r.Version, Purpose(r.Purpose)))
	if err != nil && sealift.KindOf(err) != sealift.KindSealed {
		return nil, errTampered(Ref{r.ID, r.Version}, "its private key: %w", err)
	}
	return private, err
}
