package vault

import (
	"context"
	"errors"
	"maps"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
)

// Act runs do in one transaction with the entry e about it, whose time, actor
// and action the caller gives and which do completes. Where do returns nil, the
// change and the entry are durable together. What do refuses is an entry as
// well: see Refuse.
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
	if refusal == nil {
		return err
	}
	return v.Refuse(ctx, e, err)
}

// Refuse enters into the log that what e is about was refused, after its
// transaction was rolled back, with the reason in why, and returns why, marked
// as audit.Entered. What could not be done for want of a disk, a database or a
// network, or because the vault is sealed, is no refusal and no entry: it could
// hardly be written. If the entry cannot be written, that is joined to why.
func (v *Vault) Refuse(ctx context.Context, e audit.Entry, why error) error {
	if !isRefusal(why) {
		return why
	}
	e.Result, e.Details = audit.Refused, maps.Clone(e.Details)
	if e.Details == nil {
		e.Details = map[string]string{}
	}
	e.Details["reason"] = reasonIn(why)
	failed := v.store.Update(ctx, func(tx store.Tx) error {
		_, err := audit.Append(ctx, tx, e)
		return err
	})
	if failed != nil {
		return errors.Join(why, failed)
	}
	return audit.Entered(why)
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
