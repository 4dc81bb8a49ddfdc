package release

import (
	"context"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
	"github.com/sealift/sealift/trust/tufrepo"
)

// Assign has the director sign on which channels devices are, in the transaction tx,
// and takes the documents of those away of whom there is nothing to say any more.
// Flush afterwards.
func (s *Service) Assign(ctx context.Context, tx *vault.Tx, by audit.Actor, signed []trust.Assignment, gone []sealift.DeviceID) error {
	changes := make([]tufrepo.Target, 0, len(signed)+len(gone))
	for i := range signed {
		content, err := signed[i].Encode()
		if err != nil {
			return err
		}
		changes = append(changes, tufrepo.Target{Path: trust.AssignPath(signed[i].Device), Content: content})
	}
	for _, id := range gone {
		changes = append(changes, tufrepo.Target{Path: trust.AssignPath(id)})
	}
	return s.direct(ctx, tx, by, changes)
}
