package vault

import (
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
// the row had after it: by it, one that is put back to what it once was can be
// told.
const RowDetail = "row"

// RowTag writes a row's MAC for an entry.
func RowTag(mac []byte) string { return hex.EncodeToString(mac) }

// CheckRow refuses a row whose MAC is not that of its columns: KindDenied with
// ReasonForged, which names the kind of row and its first column. KindSealed
// while the vault is.
func (v *Vault) CheckRow(r store.Authentic) error {
	mac, err := v.ring.Load().rowMAC(authenticMessage(r))
	if err != nil {
		return err
	}
	if hmac.Equal(mac, r.Tag()) {
		return nil
	}
	kind, columns := r.Columns()
	return sealift.Errorf(sealift.KindDenied, "reading the row of "+kind+" "+clip(columns[0]), "it was not written by the vault").
		WithReason(ReasonForged).
		WithHint("somebody changed the database: look at who can write to it, and at sealift audit list --action %s", kind)
}
