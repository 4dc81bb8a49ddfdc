package installation

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/config"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlite"
)

// VerifyLog verifies the log in a data folder, against its own checkpoints and
// those that were kept elsewhere, all signed by one of keys. A server may run
// on the folder meanwhile: what is verified is one state of it. Errors are
// those of audit.Verify, and KindNotFound where there is no vault.
func VerifyLog(ctx context.Context, dir, origin string, keys note.Verifiers, kept ...[]byte) (tree tlog.Tree, err error) {
	path := filepath.Join(dir, config.DatabaseName)
	if _, err := os.Stat(path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return tree, sealift.Errorf(sealift.KindNotFound, "opening the data folder", "%s holds no vault", dir).
				WithHint("name the folder that sealift init made with --data")
		}
		return tree, sealift.Errorf(sealift.KindDenied, "opening the data folder", "%w", err).WithHint("run as the owner of %s", dir)
	}
	db, err := sqlite.Open(ctx, path)
	if err != nil {
		return tree, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	err = db.View(ctx, func(tx store.Tx) error {
		tree, err = audit.Verify(ctx, tx, origin, keys, kept...)
		return err
	})
	return tree, err
}
