package installation

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/ceremony"
	"github.com/sealift/sealift/internal/config"
	"github.com/sealift/sealift/internal/release"
	"github.com/sealift/sealift/internal/vault"
)

// Founding says what to found.
type Founding struct {
	Data, Keys  string       // folders that do not exist yet
	Store       config.Store // where the rows are to be; zero for a file in Data
	Quorum      ceremony.Quorum
	Passphrases ceremony.Passphrases              // also asked for VaultKey, unless Shares are wanted
	Unseal      vault.Sealer                      // seals the vault in place of a passphrase or Shares; nil for these
	Shares      Sharing                           // seal the vault under shares in place of a passphrase
	Recovery    Sharing                           // keep the recovery path as shares in place of a recovery key
	Tokens      ceremony.Tokens                   // reaches people's keys in tokens; may be nil
	Places      ceremony.Places                   // which of people's keys are made in tokens
	InTokens    map[vault.Purpose]release.InToken // the vault's keys that are made in tokens; Options.Tokens reaches them
	Options     Options
}

// VaultKey is the name under which Founding.Passphrases is asked for the
// passphrase that seals the vault.
const VaultKey = "vault"

// Founded is a new installation's identity.
type Founded struct {
	Vault    sealift.VaultID
	Root     sealift.Digest // of the first root.json
	Token    string         // path of the owner's token, readable by its owner only
	Recovery string         // path of the vault's recovery key, readable by its owner only; or of the folder of recovery shares
	RootFile string         // path of root.json, for devices
	SameDisk bool           // keys and data share a file system
}

const (
	tokenName    = "owner.token"
	recoveryName = "recovery.key"
)

// Found makes a data folder and a keys folder. Both appear whole or not at all:
// they are made beside their places and moved there at the end, keys first, so
// that an interruption leaves no server without its keys. A database is left as
// empty as it was if the founding comes to nothing; only a process that is killed
// cannot see to that.
func Found(ctx context.Context, f Founding) (_ Founded, err error) {
	const op = "founding the installation"
	if err := f.checkFolders(op); err != nil {
		return Founded{}, err
	}
	data, err := beside(f.Data)
	if err != nil {
		return Founded{}, folderError(op, err)
	}
	defer os.RemoveAll(data)
	keys, err := beside(f.Keys)
	if err != nil {
		return Founded{}, folderError(op, err)
	}
	defer os.RemoveAll(keys)
	sealing, undo, err := f.seal(newVaultID())
	if err != nil {
		return Founded{}, err
	}
	defer sealing.clear()
	var empty func() error // the database
	founded := false
	defer func() {
		if founded {
			return
		}
		undo()
		if empty != nil {
			err = errors.Join(err, empty())
		}
	}()
	out, empty, err := f.found(ctx, sealing, data, filepath.Join(keys, "keys"))
	if err != nil {
		return Founded{}, err
	}
	out.SameDisk = sameDisk(data, keys)
	for _, move := range [][2]string{{filepath.Join(keys, "keys"), f.Keys}, {data, f.Data}} {
		if err := os.Rename(move[0], move[1]); err != nil {
			return Founded{}, folderError(op, err)
		}
		if err := syncDir(filepath.Dir(move[1])); err != nil {
			return Founded{}, folderError(op, err)
		}
	}
	out.Token, out.RootFile = filepath.Join(f.Keys, tokenName), filepath.Join(f.Keys, "root.json")
	if out.Recovery = filepath.Join(f.Keys, recoveryName); f.Recovery.wanted() {
		out.Recovery = f.Recovery.Dir
	}
	founded = true
	return out, nil
}

// checkFolders refuses folders that are there, or that are in each other.
func (f Founding) checkFolders(op string) error {
	folders := []string{f.Data, f.Keys}
	for _, s := range []Sharing{f.Shares, f.Recovery} {
		if s.wanted() {
			folders = append(folders, s.Dir)
		}
	}
	for i, dir := range folders {
		if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
			return errExists(op, dir)
		}
		for _, other := range folders[:i] {
			if within(dir, other) || within(other, dir) {
				return sealift.Errorf(sealift.KindInvalid, op, "%s and %s are one folder, or one is in the other", other, dir).
					WithHint("keep the keys, and shares of the vault, in folders of their own, on other disks")
			}
		}
	}
	return nil
}

// newSeal is what a new vault is sealed under.
type newSeal struct {
	vault    sealift.VaultID
	secrets  vault.Secrets
	recovery vault.RecoveryKey // nil where shares are in its place
	clear    func()
}

// seal makes what the vault is to be sealed under. Shares are on disk when it
// returns; undo removes them.
func (f Founding) seal(id sealift.VaultID) (s newSeal, undo func(), err error) {
	var undos, clears []func()
	undo = func() {
		for _, fn := range undos {
			fn()
		}
	}
	s = newSeal{vault: id, clear: func() {
		for _, fn := range clears {
			fn()
		}
	}}
	deal := func(of Sharing) (vault.Sealer, error) {
		d, undo, err := of.Deal(id)
		if err != nil {
			return nil, err
		}
		undos, clears = append(undos, undo), append(clears, d.Clear)
		return d, nil
	}
	if f.Unseal != nil {
		s.secrets.Unseal = f.Unseal
	} else if f.Shares.wanted() {
		s.secrets.Unseal, err = deal(f.Shares)
	} else {
		var passphrase []byte
		passphrase, err = f.Passphrases(VaultKey, true)
		s.secrets.Unseal = vault.Passphrase(passphrase)
	}
	if err == nil && f.Recovery.wanted() {
		s.secrets.Recovery, err = deal(f.Recovery)
	} else if err == nil {
		s.recovery = vault.NewRecoveryKey()
		s.secrets.Recovery = s.recovery
		clears = append(clears, func() { clear(s.recovery) })
	}
	if err != nil {
		undo()
		s.clear()
	}
	return s, undo, err
}

// found makes the contents of both folders. empty, if it is not nil, takes away
// what is in neither.
func (f Founding) found(ctx context.Context, with newSeal, data, keys string) (out Founded, empty func() error, err error) {
	i, empty, err := f.create(ctx, data)
	if err != nil {
		return out, empty, err
	}
	defer func() { err = errors.Join(err, i.Close()) }()
	out, err = f.fill(ctx, i, with, keys)
	return out, empty, err
}

// create makes an installation in which there is nothing.
func (f Founding) create(ctx context.Context, dir string) (_ *Installation, empty func() error, err error) {
	if err := f.Store.Save(dir); err != nil {
		return nil, nil, err
	}
	data, err := config.OpenData(dir)
	if err != nil {
		return nil, nil, err
	}
	db, empty, err := createStore(ctx, dir, f.Store)
	if err != nil {
		return nil, nil, errors.Join(err, data.Close())
	}
	i, err := assemble(data, db, f.Options)
	if err != nil {
		return nil, empty, errors.Join(err, data.Close())
	}
	return i, empty, nil
}

func (f Founding) fill(ctx context.Context, i *Installation, with newSeal, keys string) (out Founded, err error) {
	out.Vault = with.vault
	anchors, err := i.Releases.Found(ctx, out.Vault, with.secrets, f.InTokens)
	if err != nil {
		return out, err
	}
	_, outcome, err := ceremony.Found(keys, f.Quorum, f.Tokens, f.Places, anchors, f.Passphrases, i.now())
	if err != nil {
		return out, err
	}
	out.Root = sealift.DigestOf(outcome.Root)
	token := access.NewToken(access.KindOwner, out.Root)
	if err := writeSecret(filepath.Join(keys, tokenName), []byte(token.Reveal()+"\n")); err != nil {
		return out, folderError("writing the owner's token", err)
	}
	if with.recovery != nil {
		if err := writeSecret(filepath.Join(keys, recoveryName), append(with.recovery, '\n')); err != nil {
			return out, folderError("writing the recovery key", err)
		}
	}
	return out, i.Releases.Open(ctx, outcome, token)
}

// within reports whether a folder is another one or in it, by their names.
func within(dir, other string) bool {
	a, errA := filepath.Abs(dir)
	b, errB := filepath.Abs(other)
	if errA != nil || errB != nil {
		return false // making the folders will fail as well, and say why
	}
	rel, err := filepath.Rel(b, a)
	return err == nil && filepath.IsLocal(rel)
}

func newVaultID() sealift.VaultID {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails (crypto/rand)
	return sealift.VaultID(hex.EncodeToString(id))
}

// beside makes an empty folder, 0700, on the file system where dir will be.
func beside(dir string) (string, error) {
	parent := filepath.Dir(filepath.Clean(dir))
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", err
	}
	return os.MkdirTemp(parent, "."+filepath.Base(dir)+"-")
}

func writeSecret(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Sync(), f.Close())
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func folderError(op string, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return sealift.Errorf(sealift.KindDenied, op, "%w", err).WithHint("choose folders that you may write to")
	case errors.Is(err, fs.ErrNotExist):
		return sealift.Errorf(sealift.KindNotFound, op, "%w", err).WithHint("check the path")
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return sealift.Errorf(sealift.KindExhausted, op, "%w", err).WithHint("free some room and run it again; nothing was kept")
	}
	return sealift.Errorf(sealift.KindInternal, op, "%w", err)
}
