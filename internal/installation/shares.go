package installation

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/vault"
)

// Sharing says to seal a path of the vault under shares. The zero value says
// not to.
type Sharing struct {
	Shares    int    // how many to make
	Threshold int    // how many of them open the vault
	Dir       string // folder for their files, which does not exist yet
	Path      vault.Path
}

// wanted reports whether shares are to be made.
func (s Sharing) wanted() bool { return s != Sharing{} }

// Deal makes shares for a vault and writes each to a file of its own in a new
// folder, 0600 and synced, so that they are on disk before the vault knows of
// them. undo removes the folder again. The caller clears the deal. Errors are
// those of vault.NewDeal, KindConflict with reason "exists" if the folder is
// there, and those of writing.
func (s Sharing) Deal(id sealift.VaultID) (deal *vault.Deal, undo func(), err error) {
	if _, err := os.Lstat(s.Dir); !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, errExists("writing the shares", s.Dir)
	}
	temporary, err := beside(s.Dir)
	if err != nil {
		return nil, nil, folderError("writing the shares", err)
	}
	if deal, err = s.deal(id, temporary); err == nil {
		if err = s.place(temporary); err == nil {
			return deal, func() { _ = os.RemoveAll(s.Dir) }, nil
		}
		deal.Clear()
	}
	return nil, nil, errors.Join(err, os.RemoveAll(temporary))
}

// deal makes shares and writes them into an empty folder.
func (s Sharing) deal(id sealift.VaultID, dir string) (*vault.Deal, error) {
	deal, err := vault.NewDeal(id, s.Threshold, s.Shares)
	if err != nil {
		return nil, err
	}
	for i, text := range deal.Texts() {
		err := writeSecret(filepath.Join(dir, s.name(i+1)), append(text, '\n'))
		clear(text)
		if err != nil {
			deal.Clear()
			return nil, folderError("writing the shares", err)
		}
	}
	return deal, nil
}

// place moves the folder of the shares to where it belongs.
func (s Sharing) place(dir string) error {
	err := errors.Join(syncDir(dir), os.Rename(dir, s.Dir))
	if err == nil {
		err = syncDir(filepath.Dir(filepath.Clean(s.Dir)))
	}
	if err != nil {
		return folderError("writing the shares", err)
	}
	return nil
}

// name is the name of the file of share i.
func (s Sharing) name(i int) string {
	return fmt.Sprintf("%s-share-%02d-of-%02d", s.Path, i, s.Shares)
}

func errExists(op, dir string) error {
	return sealift.Errorf(sealift.KindConflict, op, "%s exists already", dir).
		WithReason("exists").WithHint("choose folders that do not exist yet; an installation is never overwritten")
}
