package vault

import (
	"context"
	"errors"

	"github.com/sealift/sealift/internal/store"
)

var errFault = errors.New("the disk is away")

// faultyStore fails where it is told to.
type faultyStore struct {
	store.Store
	failAppend bool // appending to the log
	failCommit bool // of transactions, until one fails
}

func (s *faultyStore) Update(ctx context.Context, fn func(store.Tx) error) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		if err := fn(&faultyTx{tx, s}); err != nil {
			return err
		}
		if s.failCommit {
			s.failCommit = false
			return errFault
		}
		return nil
	})
}

type faultyTx struct {
	store.Tx
	store *faultyStore
}

func (tx *faultyTx) AppendAudit(ctx context.Context, index int64, leaf []byte, first int64, hashes [][32]byte) error {
	if tx.store.failAppend {
		return errFault
	}
	return tx.Tx.AppendAudit(ctx, index, leaf, first, hashes)
}
