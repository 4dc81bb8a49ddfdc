package vault

import (
	"context"
	"crypto/hmac"
	"encoding/hex"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
)

// ReasonForged is the reason of a KindDenied error about a row that something
// other than the vault wrote or changed.
const ReasonForged = "forged"

// authenticMessage is what the MAC of a row is over that is no key's.
func authenticMessage(r store.Authentic) []byte {
	kind, columns := r.Columns()
	fields := make([][]byte, 0, 1+len(columns))
	fields = append(fields, []byte(kind))
	for _, c := range columns {
		fields = append(fields, []byte(c))
	}
	return join("sealift/vault/row/v1", fields...)
}

// Authenticate returns the MAC that r is to bear, 32 bytes. KindSealed while
// the vault is.
func (tx *Tx) Authenticate(r store.Authentic) ([]byte, error) {
	return tx.ring.rowMAC(authenticMessage(r))
}

// RowDetail is the detail under which an entry about a row names the MAC that
// the row had after it, for people: what counts is the statement behind the entry.
const RowDetail = "row"

// RowTag writes a row's MAC for an entry.
func RowTag(mac []byte) string { return hex.EncodeToString(mac) }

// CheckRow refuses a row, read in tx, that is not the vault's: KindDenied with
// ReasonForged where its MAC is not that of its columns, and with ReasonPutBack
// where it is one that the vault wrote once, and changed or deleted since. The
// error names the kind of row and its name. KindSealed while the vault is;
// KindConflict with ReasonMeanwhile where tx, which only reads, began before the
// row was changed.
func (v *Vault) CheckRow(ctx context.Context, tx Log, r store.Authentic) error {
	ring := v.ringFor(tx)
	mac, err := ring.rowMAC(authenticMessage(r))
	if err != nil {
		return err
	}
	kind, _ := r.Columns()
	if len(r.Tag()) == 0 && young[kind] && !ring.heads.isAll() {
		return checkStated(ctx, ring, tx, kind, r.RowName(), "")
	}
	if !hmac.Equal(mac, r.Tag()) {
		return sealift.Errorf(sealift.KindDenied, "reading the row of "+kind+" "+clip(r.RowName()), "it was not written by the vault").
			WithReason(ReasonForged).
			WithHint("somebody changed the database: look at who can write to it, and at sealift audit list --action %s", kind)
	}
	return checkStated(ctx, ring, tx, kind, r.RowName(), RowTag(mac))
}

// young are the kinds that had no MAC before there were statements. In a vault of
// before, such a row is believed as long as nothing is said of it.
var young = map[string]bool{"epoch": true, "enrolment-token": true, "restore": true}

// CheckGone refuses with KindDenied and ReasonDeleted where a row that tx has not
// got should be there.
func (v *Vault) CheckGone(ctx context.Context, tx Log, r store.Authentic) error {
	kind, _ := r.Columns()
	return checkStated(ctx, v.ringFor(tx), tx, kind, r.RowName(), "")
}

// CheckFound checks what looking for a row in tx came to, row and err: a row that is
// there as CheckRow does, and that there is none, a KindNotFound, as CheckGone. It
// returns the row, or none, which has its name, and whether there is one.
func CheckFound[R store.Authentic](ctx context.Context, v *Vault, tx Log, none, row R, err error) (R, bool, error) {
	switch {
	case sealift.KindOf(err) == sealift.KindNotFound:
		return none, false, v.CheckGone(ctx, tx, none)
	case err != nil:
		return none, false, err
	}
	return row, true, v.CheckRow(ctx, tx, row)
}

// CheckWhole refuses with KindDenied and ReasonDeleted where rows of tx, which are
// all of a kind, lack one that should be there. like is any row of that kind. The
// rows themselves are not checked.
func CheckWhole[R store.Authentic](ctx context.Context, v *Vault, tx Log, rows []R) error {
	var like R
	kind, _ := like.Columns()
	ring := v.ringFor(tx)
	if err := ring.present(); err != nil {
		return err
	}
	s, err := sightOf(ctx, ring, tx)
	if err != nil {
		return err
	}
	there := make(map[string]bool, len(rows))
	for _, r := range rows {
		there[r.RowName()] = true
	}
	for name, said := range s.all(ring.heads, tx, kind) {
		if said.tag != "" && !there[name] {
			return s.refuse(ring.heads, tx, kind, name, said, "")
		}
	}
	return nil
}
