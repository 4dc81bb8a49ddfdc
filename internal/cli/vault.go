package cli

import (
	"context"
	"errors"
	"os"
	"os/user"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/installation"
	"github.com/sealift/sealift/internal/term"
	"github.com/sealift/sealift/internal/vault"
)

type vaultCmd struct {
	Status vaultStatusCmd `cmd:"" help:"Say what opens the vault of a data folder."`
	Rekey  vaultRekeyCmd  `cmd:"" help:"Exchange the vault's passphrase or its recovery key. No key is made anew."`
	Drill  vaultDrillCmd  `cmd:"" help:"Prove that the recovery key opens the vault. Nothing changes but the log."`
}

// newVaultKey is the name of the next passphrase for --passphrase-file.
const newVaultKey = "new"

type vaultStatusCmd struct {
	Data string `required:"" placeholder:"DIR" help:"Folder that sealift init made; a server may run on it."`
}

// vaultStatus is what anyone who may read the folder may know.
type vaultStatus struct {
	Vault       sealift.VaultID `json:"vault"`
	Recoverable bool            `json:"recoverable"`
}

// Run implements the command.
func (c *vaultStatusCmd) Run(ctx context.Context, std *IO) error {
	return installation.WithVault(ctx, c.Data, func(v *vault.Vault) error {
		s, err := v.Status(ctx)
		if err != nil {
			return err
		}
		if !s.Recoverable {
			std.Warn("there is no recovery key\nmake one with: sealift vault rekey --data %s --recovery-out FILE", c.Data)
		}
		recovery := "none"
		if s.Recoverable {
			recovery = "recovery key; prove it with: sealift vault drill"
		}
		return std.Print(vaultStatus{s.Vault, s.Recoverable}, Table([]string{"FIELD", "VALUE"}, [][]string{
			{"vault", string(s.Vault)}, {"unseal", "passphrase"}, {"recovery", recovery},
		}))
	})
}

type vaultRekeyCmd struct {
	Data          string            `required:"" placeholder:"DIR" help:"Folder that sealift init made; a server may run on it, and goes on."`
	NewPassphrase bool              `help:"Exchange the passphrase: the new one comes from --passphrase-file new=FILE, or a prompt."`
	RecoveryOut   string            `placeholder:"FILE" help:"Exchange the recovery key, or make the first one: write the new one there. The file must not exist."`
	Passphrases   PassphraseOptions `embed:""`
}

// Run implements the command.
func (c *vaultRekeyCmd) Run(ctx context.Context, std *IO) error { return runVaultRekey(ctx, std, *c) }

func runVaultRekey(ctx context.Context, std *IO, opts vaultRekeyCmd) (err error) {
	if !opts.NewPassphrase && opts.RecoveryOut == "" {
		return usage("nothing is to be exchanged").WithHint("use --new-passphrase, --recovery-out FILE, or both")
	}
	if err := opts.Passphrases.Check(installation.VaultKey, newVaultKey); err != nil {
		return err
	}
	if err := vault.HardenProcess(); err != nil {
		return err
	}
	current, err := opts.Passphrases.Read(ctx, std, PassphraseUse{Key: installation.VaultKey, Shared: true})
	if err != nil {
		return err
	}
	defer current.Clear()
	var next vault.Secrets
	if opts.NewPassphrase {
		secret, err := opts.Passphrases.Read(ctx, std, PassphraseUse{Key: newVaultKey, New: true})
		if err != nil {
			return err
		}
		defer secret.Clear()
		next.Unseal = vault.Passphrase(secret.Bytes())
	}
	if opts.RecoveryOut != "" {
		key := vault.NewRecoveryKey()
		defer clear(key)
		next.Recovery = key
		var undo func()
		if undo, err = keepRecovery(opts.RecoveryOut, key); err != nil {
			return err
		}
		defer func() {
			if refusedForSure(err) {
				undo()
			}
		}()
	}
	by, now := localActor(), std.Now()
	err = installation.WithVault(ctx, opts.Data, func(v *vault.Vault) error { return v.Rekey(ctx, vault.SecretOf(current.Bytes()), next, by, now) })
	if err != nil {
		return err
	}
	return std.Print(map[string]any{"newPassphrase": opts.NewPassphrase, "recoveryKey": opts.RecoveryOut}, Println("%s", rekeyed(opts)))
}

// refusedForSure reports whether the vault said no. After any other error it may
// have taken the new key, which must then not be thrown away.
func refusedForSure(err error) bool {
	switch sealift.KindOf(err) {
	case sealift.KindSealed, sealift.KindInvalid, sealift.KindConflict, sealift.KindNotFound, sealift.KindDenied:
		return err != nil
	}
	return false
}

func rekeyed(opts vaultRekeyCmd) string {
	text := "exchanged"
	if opts.NewPassphrase {
		text += "\n  the passphrase of before opens the vault no more; a running server goes on, and wants the new one at its next start"
	}
	if opts.RecoveryOut != "" {
		text += "\n  the new recovery key is in " + opts.RecoveryOut + ": print it, lock it away, remove the file"
	}
	return text
}

// keepRecovery writes a recovery key to disk before the vault knows it: one that
// nobody has must not be the only way back. undo removes it again.
func keepRecovery(path string, key []byte) (undo func(), err error) {
	f, err := newSecretFile(path)
	if err != nil {
		return nil, err
	}
	_, err = f.Write(append(key[:len(key):len(key)], '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		err = errors.Join(err, os.Remove(path))
		return nil, sealift.Errorf(sealift.KindExhausted, "writing the recovery key", "%w", err)
	}
	return func() { _ = os.Remove(path) }, nil
}

// localActor is whoever runs a command on the server's own machine.
func localActor() audit.Actor {
	id := "local"
	if u, err := user.Current(); err == nil {
		id += ":" + u.Username
	}
	return audit.Actor{Kind: audit.Person, ID: id}
}

type vaultDrillCmd struct {
	Data         string `required:"" placeholder:"DIR" help:"Folder that sealift init made, or a restored copy; a server may run on it."`
	RecoveryFile string `placeholder:"FILE" help:"File with the recovery key, readable by you only. Without it: a prompt."`
}

// Run implements the command.
func (c *vaultDrillCmd) Run(ctx context.Context, std *IO) error { return runVaultDrill(ctx, std, *c) }

func runVaultDrill(ctx context.Context, std *IO, opts vaultDrillCmd) error {
	if err := vault.HardenProcess(); err != nil {
		return err
	}
	secret, err := readRecovery(ctx, std, opts.RecoveryFile)
	if err != nil {
		return err
	}
	defer secret.Clear()
	by, now := localActor(), std.Now()
	err = installation.WithVault(ctx, opts.Data, func(v *vault.Vault) error {
		_, err := v.Drill(ctx, vault.SecretOf(secret.Bytes()), by, now)
		return err
	})
	if err != nil {
		return err
	}
	return std.Print(map[string]any{"ok": true, "at": now.UTC()}, Println("the recovery key opens the vault; the log says so"))
}

func readRecovery(ctx context.Context, std *IO, path string) (term.Secret, error) {
	if path != "" {
		return term.ReadSecretFile(path, "recovery key")
	}
	if !term.IsTerminal(std.In) {
		return term.Secret{}, sealift.Errorf(sealift.KindInvalid, "reading the recovery key", "none was given, and there is no terminal to ask on").
			WithHint("name its file: --recovery-file FILE")
	}
	return term.Prompt(ctx, std.In, std.Err, "recovery key: ")
}
