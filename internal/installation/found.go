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
	"github.com/sealift/sealift/internal/vault"
)

// Founding says what to found.
type Founding struct {
	Data, Keys  string // folders that do not exist yet
	Quorum      ceremony.Quorum
	Passphrases ceremony.Passphrases // also asked for VaultKey
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
	Recovery string         // path of the vault's recovery key, readable by its owner only
	RootFile string         // path of root.json, for devices
	SameDisk bool           // keys and data share a file system
}

const (
	tokenName    = "owner.token"
	recoveryName = "recovery.key"
)

// Found makes a data folder and a keys folder. Both appear whole or not at all:
// they are made beside their places and moved there at the end, keys first, so
// that an interruption leaves no server without its keys.
func Found(ctx context.Context, f Founding) (Founded, error) {
	const op = "founding the installation"
	for _, dir := range []string{f.Data, f.Keys} {
		if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
			return Founded{}, sealift.Errorf(sealift.KindConflict, op, "%s exists already", dir).
				WithReason("exists").WithHint("choose folders that do not exist yet; an installation is never overwritten")
		}
	}
	if within(f.Data, f.Keys) || within(f.Keys, f.Data) {
		return Founded{}, sealift.Errorf(sealift.KindInvalid, op, "%s and %s are one folder, or one is in the other", f.Data, f.Keys).
			WithHint("keep the keys in a folder of their own, on another disk")
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
	out, err := f.found(ctx, data, filepath.Join(keys, "keys"))
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
	out.Recovery = filepath.Join(f.Keys, recoveryName)
	return out, nil
}

func (f Founding) found(ctx context.Context, data, keys string) (out Founded, err error) {
	passphrase, err := f.Passphrases(VaultKey, true)
	if err != nil {
		return out, err
	}
	folder, err := config.OpenData(data)
	if err != nil {
		return out, err
	}
	i, err := open(ctx, folder, f.Options)
	if err != nil {
		return out, errors.Join(err, folder.Close())
	}
	defer func() { err = errors.Join(err, i.Close()) }()
	out.Vault = newVaultID()
	recovery := vault.NewRecoveryKey()
	defer clear(recovery)
	anchors, err := i.Releases.Found(ctx, out.Vault, vault.Secrets{Unseal: vault.Passphrase(passphrase), Recovery: recovery})
	if err != nil {
		return out, err
	}
	_, outcome, err := ceremony.Found(keys, f.Quorum, anchors, f.Passphrases, i.now())
	if err != nil {
		return out, err
	}
	out.Root = sealift.DigestOf(outcome.Root)
	token := access.NewToken(access.KindOwner, out.Root)
	if err := writeSecret(filepath.Join(keys, tokenName), []byte(token.Reveal()+"\n")); err != nil {
		return out, folderError("writing the owner's token", err)
	}
	if err := writeSecret(filepath.Join(keys, recoveryName), append(recovery, '\n')); err != nil {
		return out, folderError("writing the recovery key", err)
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
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return sealift.Errorf(sealift.KindExhausted, op, "%w", err).WithHint("free some room and run it again; nothing was kept")
	}
	return sealift.Errorf(sealift.KindInternal, op, "%w", err)
}
