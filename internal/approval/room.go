package approval

import (
	"context"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
)

// room refuses one request more where too many wait: of the person who answers for
// it, or where none does of the requester, or of all. What waits in vain is voided
// first.
func (b *Board) room(ctx context.Context, tx *vault.Tx, requester, person string) error {
	rows, err := tx.ApprovalRequests(ctx, store.ApprovalFilter{State: store.ApprovalOpen, Limit: sealift.MaxOpenRequests})
	if err != nil {
		return err
	}
	all, own := 0, 0
	for _, r := range rows {
		ended, err := b.endStale(ctx, tx, r)
		if err != nil {
			return err
		}
		if ended {
			continue
		}
		all++
		if r.Person == person && (person != "" || r.Requester == requester) {
			own++
		}
	}
	full := func(who string, n int) error {
		return sealift.Errorf(sealift.KindExhausted, "asking for approval", "%d requests %s wait already", n, who).WithReason("requests").
			WithHint("look at them with: sealift approval list; and take back or reject what nobody needs, with: sealift approval reject ID --reason TEXT")
	}
	switch {
	case own >= sealift.MaxOwnRequests:
		return full("of yours and of your tokens", own)
	case all >= sealift.MaxOpenRequests:
		return full("of everybody", all)
	}
	return nil
}

// endStale voids a request that can come to nothing, and reports whether it did. One
// that something else wrote, or whose policy something else wrote, stays as it is.
func (b *Board) endStale(ctx context.Context, tx *vault.Tx, r store.ApprovalRequest) (bool, error) {
	if b.vault.CheckRow(ctx, tx, r) != nil {
		return false, nil
	}
	policy, err := b.policyOf(ctx, tx, proposalOf(r))
	if sealift.KindOf(err) == sealift.KindDenied {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	stale := b.stale(r, policy)
	if stale == "" {
		return false, nil
	}
	return true, b.end(ctx, tx, &r, store.ApprovalVoid, stale, System())
}

// Prune voids the requests that can come to nothing any more, so that the log says
// so within the hour.
func (b *Board) Prune(ctx context.Context) error {
	return b.vault.Update(ctx, func(tx *vault.Tx) error {
		for _, state := range []store.ApprovalState{store.ApprovalOpen, store.ApprovalGranted} {
			rows, err := tx.ApprovalRequests(ctx, store.ApprovalFilter{State: state, Limit: sealift.MaxOpenRequests})
			if err != nil {
				return err
			}
			for _, r := range rows {
				if _, err := b.endStale(ctx, tx, r); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
