package config

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/sealift/sealift"
)

// Data is a data folder that this process has to itself.
type Data struct {
	dir  string
	lock *os.File
}

// DatabaseName is the file of the vault's rows in a data folder.
const DatabaseName = "vault.db"

// PublicName is the folder of the published tree in a data folder.
const PublicName = "public"

// OpenData checks that dir is a folder that nobody else may enter, and takes it
// for this process: KindNotFound if it is not there, KindDenied with reason
// "permissions" if others may enter it, KindConflict with reason "locked" while
// another process has it. Close it; a crash closes it too.
func OpenData(dir string) (*Data, error) {
	const op = "opening the data folder"
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, sealift.Errorf(sealift.KindNotFound, op, "there is no %s", dir).
			WithHint("make it with: sealift init --data %s --keys DIR", dir)
	case err != nil:
		return nil, sealift.Errorf(sealift.KindDenied, op, "%w", err).WithHint("run as the owner of %s", dir)
	case !info.IsDir():
		return nil, sealift.Errorf(sealift.KindInvalid, op, "%s is not a folder", dir).
			WithHint("name the folder that sealift init made")
	case info.Mode().Perm()&0o077 != 0:
		return nil, sealift.Errorf(sealift.KindDenied, op, "others may enter %s (mode %04o)", dir, info.Mode().Perm()).
			WithReason("permissions").WithHint("if sealift init made it: chmod 700 %s; else name the folder that it made", dir)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, sealift.Errorf(sealift.KindDenied, op, "%w", err).WithHint("run as the owner of %s", dir)
	}
	if err := tryLock(lock); err != nil {
		_ = lock.Close()
		if errors.Is(err, errLocked) {
			return nil, sealift.Errorf(sealift.KindConflict, op, "another process has %s open", dir).
				WithReason("locked").WithHint("stop the server that runs on it, or wait until it has stopped")
		}
		return nil, sealift.Errorf(sealift.KindInternal, op, "locking %s: %w", lock.Name(), err)
	}
	return &Data{dir: dir, lock: lock}, nil
}

// Close lets other processes have the folder.
func (d *Data) Close() error { return d.lock.Close() }

// Dir is the folder itself.
func (d *Data) Dir() string { return d.dir }

// Public is the path of the published tree.
func (d *Data) Public() string { return filepath.Join(d.dir, PublicName) }

var errLocked = errors.New("locked")
