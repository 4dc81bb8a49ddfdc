package release

import (
	"context"
	"reflect"
	"strconv"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
)

// ChangeApp implements service.Apps.
func (s *Service) ChangeApp(ctx context.Context, by access.Caller, id sealift.AppID, change service.AppChange) (service.App, error) {
	details := map[string]string{}
	row, err := vault.Do(ctx, s.vault, func(tx *vault.Tx) (store.App, error) {
		before, err := s.findApp(ctx, tx, id)
		if err != nil {
			return before, err
		}
		row := settle(before, change, details)
		if reflect.DeepEqual(row, before) {
			return row, nil
		}
		if row.MAC, err = tx.Authenticate(row); err != nil {
			return row, err
		}
		if err := tx.UpdateApp(ctx, row, before.MAC); err != nil {
			return row, err
		}
		details[vault.RowDetail] = vault.RowTag(row.MAC)
		return row, record(ctx, tx, s.now(), by, "app.change", string(id), details)
	})
	if err != nil {
		return service.App{}, s.refuse(ctx, by, "app.change", string(id), details, err)
	}
	return appOf(row), nil
}

// settle returns row with change, and notes for people what was asked for.
func settle(row store.App, change service.AppChange, details map[string]string) store.App {
	if change.Patches != nil {
		row.Patches, details["patches"] = *change.Patches, strconv.Itoa(*change.Patches)
	}
	if change.PatchLimit != nil {
		row.PatchLimit, details["patch-limit"] = *change.PatchLimit, strconv.FormatInt(*change.PatchLimit, 10)
	}
	if change.BlastRadius != nil {
		row.BlastRadius, details["blast-radius"] = *change.BlastRadius, strconv.FormatInt(*change.BlastRadius, 10)
	}
	return row
}
