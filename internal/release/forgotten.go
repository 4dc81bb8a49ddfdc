package release

import (
	"context"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
)

// Forgotten returns the versions of root.json and targets.json with which a device
// believes none of the keys of a purpose that the newest ones leave out: the newest
// themselves. 0 is for the document that does not matter.
//
// KindInvalid for a purpose whose old versions do not end with what devices
// believe: an epoch's are in use while something is sealed to them, and the log's
// are believed for ever.
func (s *Service) Forgotten(ctx context.Context, tx store.DocumentTx, p vault.Purpose) (root, targets int64, err error) {
	role, into := metadata.TARGETS, &targets
	switch p {
	case vault.PurposeSnapshot, vault.PurposeTimestamp:
		role, into = metadata.ROOT, &root
	case vault.PurposeDirector, vault.PurposeReleaseCA, vault.PurposeDeviceCA:
	default:
		return 0, 0, sealift.Errorf(sealift.KindInvalid, "asking the fleet about a key", "no device is asked before a key for purpose %s ends", p).WithReason(vault.ReasonPurpose).
			WithHint("retire it by its date alone, or destroy it: sealift key destroy KEY --version N --reason TEXT")
	}
	m, err := tx.Metadata(ctx, role)
	*into = m.Version
	return root, targets, err
}
