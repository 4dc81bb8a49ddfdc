package vault

import (
	"context"
	"errors"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
)

// Act runs do in one transaction with the entry e about it, whose time, actor
// and action the caller gives and which do completes. Where do returns nil, the
// change and the entry are durable together. What do refuses is an entry as
// well, after its transaction is rolled back, with the error's reason; what could
// not be done for want of a disk or a database, or because the vault is sealed, is
// not: it can hardly be written.
func (v *Vault) Act(ctx context.Context, e audit.Entry, do func(tx *Tx, e *audit.Entry) error) error {
	if e.Details == nil {
		e.Details = map[string]string{}
	}
	var refusal error
	err := v.Update(ctx, func(tx *Tx) error {
		if refusal = do(tx, &e); refusal != nil {
			return refusal
		}
		e.Result = audit.OK
		_, err := audit.Append(ctx, tx, e)
		return err
	})
	if refusal == nil || !isRefusal(refusal) {
		return err
	}
	e.Result, e.Details["reason"] = audit.Refused, reasonIn(refusal)
	failed := v.store.Update(ctx, func(tx store.Tx) error {
		_, err := audit.Append(ctx, tx, e)
		return err
	})
	if failed != nil {
		return errors.Join(err, failed)
	}
	return err
}

// isRefusal reports whether err says no, and not that something is broken.
func isRefusal(err error) bool {
	switch sealift.KindOf(err) {
	case sealift.KindInternal, sealift.KindExhausted, sealift.KindNetwork, sealift.KindSealed:
		return false
	}
	return true
}

// reasonIn is the word for machines in an error, or else its kind.
func reasonIn(err error) string {
	if r := sealift.ReasonOf(err); r != "" {
		return r
	}
	return string(sealift.KindOf(err))
}

// VaultID names the vault whose transaction it is; empty while it is sealed.
func (tx *Tx) VaultID() sealift.VaultID {
	if tx.ring == nil {
		return ""
	}
	return tx.ring.vault
}
