package sqlstore

import (
	"context"

	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlstore/sqlcgen"
)

// RaiseVersion implements store.RestoreTx.
func (t *tx) RaiseVersion(ctx context.Context, role string, least int64) error {
	return t.fail(ctx, "raising the version of "+role, t.q.RaiseVersion(ctx, sqlcgen.RaiseVersionParams{Role: role, Version: least}))
}

// VersionFloors implements store.RestoreTx.
func (t *tx) VersionFloors(ctx context.Context) (map[string]int64, error) {
	rows, err := t.q.VersionFloors(ctx)
	if err != nil {
		return nil, t.fail(ctx, "reading the versions to go on above", err)
	}
	floors := make(map[string]int64, len(rows))
	for _, r := range rows {
		floors[r.Role] = r.Version
	}
	return floors, nil
}

// InsertBackup implements store.RestoreTx.
func (t *tx) InsertBackup(ctx context.Context, b store.Backup) error {
	rows, err := t.q.InsertBackup(ctx, sqlcgen.InsertBackupParams{
		Created: micros(b.Created), File: b.File, Length: b.Length, Digest: b.Digest[:], Problem: b.Problem,
	})
	return t.added(ctx, "noting a backup", rows, err)
}

// Backups implements store.RestoreTx.
func (t *tx) Backups(ctx context.Context, limit int) ([]store.Backup, error) {
	rows, err := t.q.Backups(ctx, most(limit))
	return collect(rows, t.fail(ctx, "listing backups", err), func(r sqlcgen.Backup) store.Backup {
		return store.Backup{Created: moment(r.Created), File: r.File, Length: r.Length, Digest: digest(r.Digest), Problem: r.Problem}
	})
}

// PutRestore implements store.RestoreTx.
func (t *tx) PutRestore(ctx context.Context, r store.Restore) error {
	return t.fail(ctx, "noting a restore", t.q.PutRestore(ctx, sqlcgen.PutRestoreParams{
		Restored: micros(r.Restored), Created: micros(r.Created), Entries: r.Entries, Lost: r.Lost,
		Known: flag(r.Known), Directed: flag(r.Directed), LogVersion: number(r.LogVersion), Settled: flag(r.Settled), Mac: some(r.MAC),
	}))
}

// Restores implements store.RestoreTx.
func (t *tx) Restores(ctx context.Context) ([]store.Restore, error) {
	rows, err := t.q.Restores(ctx)
	return collect(rows, t.fail(ctx, "listing restores", err), func(r sqlcgen.Restore) store.Restore {
		return store.Restore{
			Restored: moment(r.Restored), Created: moment(r.Created), Entries: r.Entries, Lost: r.Lost,
			Known: r.Known != 0, Directed: r.Directed != 0, LogVersion: uint64(r.LogVersion), Settled: r.Settled != 0, MAC: bare(r.Mac),
		}
	})
}

// Documents implements store.DocumentTx.
func (t *tx) Documents(ctx context.Context) ([]string, error) {
	paths, err := t.q.Documents(ctx)
	return paths, t.fail(ctx, "listing documents", err)
}
