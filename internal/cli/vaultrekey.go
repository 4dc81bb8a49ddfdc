package cli

import (
	"context"
	"errors"
	"os"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/installation"
	"github.com/sealift/sealift/internal/vault"
)

type vaultRekeyCmd struct {
	NewPassphrase bool           `aliases:"to-passphrase" help:"Seal it under a new passphrase, whatever it was sealed under: it comes from --passphrase-file new=FILE, or a prompt. Also --to-passphrase."`
	ToShares      int            `placeholder:"N" help:"Seal it under N new shares, whatever it was sealed under."`
	ToPKCS11      string         `name:"to-pkcs11" placeholder:"URI" help:"Seal it under a new AES-256 key in a PKCS#11 token, whatever it was sealed under: 'pkcs11:token=NAME;object=LABEL'."`
	RecoveryOut   string         `placeholder:"FILE" help:"Exchange the recovery key, or make the first one: write the new one there. The file must not exist."`
	Sharing       rekeySharing   `embed:""`
	Opening       openingOptions `embed:""`
}

// rekeySharing are the flags of sharingOptions but --shares, which rekey calls
// by where it leads.
type rekeySharing struct {
	ShareThreshold    int    `placeholder:"M" help:"How many of the new shares open it. Without it: more than half."`
	SharesOut         string `placeholder:"DIR" help:"Folder for their files; it must not exist."`
	RecoveryShares    int    `placeholder:"N" help:"Exchange the recovery path for N new shares."`
	RecoveryThreshold int    `placeholder:"M" help:"How many of them open the vault. Without it: more than half."`
	RecoverySharesOut string `placeholder:"DIR" help:"Folder for their files; it must not exist."`
}

// Run implements the command.
func (c *vaultRekeyCmd) Run(ctx context.Context, std *IO) error { return runVaultRekey(ctx, std, *c) }

func runVaultRekey(ctx context.Context, std *IO, opts vaultRekeyCmd) (err error) {
	plan, err := opts.plan()
	if err != nil {
		return err
	}
	if err := opts.Opening.Passphrases.Check(installation.VaultKey, newVaultKey); err != nil {
		return err
	}
	if err := vault.HardenProcess(); err != nil {
		return err
	}
	current, done, err := opts.Opening.open(ctx, std)
	if err != nil {
		return err
	}
	defer done()
	next, made, err := plan.make(ctx, std)
	if err != nil {
		return err
	}
	defer made.clear()
	by, now := localActor(), std.Now()
	err = installation.WithVault(ctx, opts.Opening.Data, func(v *vault.Vault) error { return v.Rekey(ctx, current, next, by, now) })
	if err != nil {
		if refusedForSure(err) {
			made.undo()
		}
		return err
	}
	return std.Print(map[string]any{
		"newPassphrase": opts.NewPassphrase, "token": opts.ToPKCS11, "recoveryKey": opts.RecoveryOut, "shares": plan.shares.Dir, "recoveryShares": plan.recovery.Dir,
	}, Println("%s", plan.text()))
}

// rekeyPlan is what a re-key exchanges for what.
type rekeyPlan struct {
	vaultRekeyCmd
	shares, recovery installation.Sharing // zero for none
}

// plan refuses options that name nothing, or two things for one path.
func (c vaultRekeyCmd) plan() (p rekeyPlan, err error) {
	p.vaultRekeyCmd = c
	if p.shares, err = sharing("to-shares", "share-threshold", "shares-out", c.ToShares, c.Sharing.ShareThreshold, c.Sharing.SharesOut); err != nil {
		return p, err
	}
	p.recovery, err = recoverySharing(c.Sharing.RecoveryShares, c.Sharing.RecoveryThreshold, c.Sharing.RecoverySharesOut)
	toShares, toRecoveryShares := p.shares.Dir != "", p.recovery.Dir != ""
	switch {
	case err != nil:
		return p, err
	case c.NewPassphrase && toShares, c.ToPKCS11 != "" && (c.NewPassphrase || toShares):
		return p, usage("the vault opens with a passphrase, with shares or by a token").WithHint("use one of --new-passphrase, --to-shares N and --to-pkcs11 URI")
	case c.RecoveryOut != "" && toRecoveryShares:
		return p, usage("the recovery path is one key or shares").WithHint("use --recovery-out FILE or --recovery-shares N")
	case c.ToPKCS11 != "":
		return p, checkNewKey(c.ToPKCS11)
	case !c.NewPassphrase && !toShares && c.RecoveryOut == "" && !toRecoveryShares:
		return p, usage("nothing is to be exchanged").
			WithHint("use --new-passphrase, --to-shares N or --to-pkcs11 URI for what opens the vault, --recovery-out FILE or --recovery-shares N for its recovery")
	}
	return p, nil
}

// made is what was read or made for a re-key.
type made struct{ clears, undos []func() }

func (m *made) clear() {
	for _, fn := range m.clears {
		fn()
	}
}

// undo removes what was written.
func (m *made) undo() {
	for _, fn := range m.undos {
		fn()
	}
}

// make reads or makes the next secrets. Those that are made are on disk when it
// returns, before the vault knows of them.
func (p rekeyPlan) make(ctx context.Context, std *IO) (next vault.Secrets, m *made, err error) {
	m = new(made)
	defer func() {
		if err != nil {
			m.undo()
			m.clear()
		}
	}()
	if p.NewPassphrase {
		secret, err := p.Opening.Passphrases.Read(ctx, std, PassphraseUse{Key: newVaultKey, New: true})
		if err != nil {
			return next, m, err
		}
		m.clears = append(m.clears, secret.Clear)
		next.Unseal = vault.Passphrase(secret.Bytes())
	}
	if p.ToPKCS11 != "" {
		if next.Unseal, err = p.inToken(ctx, std, m); err != nil {
			return next, m, err
		}
	}
	if p.shares.Dir != "" {
		if next.Unseal, err = p.deal(ctx, p.shares, m); err != nil {
			return next, m, err
		}
	}
	switch {
	case p.recovery.Dir != "":
		next.Recovery, err = p.deal(ctx, p.recovery, m)
	case p.RecoveryOut != "":
		key := vault.NewRecoveryKey()
		var undo func()
		if undo, err = keepRecovery(p.RecoveryOut, key); err == nil {
			m.undos = append(m.undos, undo)
		}
		m.clears, next.Recovery = append(m.clears, func() { clear(key) }), key
	}
	return next, m, err
}

// inToken makes a key in a token.
func (p rekeyPlan) inToken(ctx context.Context, std *IO, m *made) (vault.Sealer, error) {
	tokens, err := p.Opening.Reach.Tokens(std, p.ToPKCS11)
	if err != nil {
		return nil, err
	}
	m.clears = append(m.clears, func() { _ = tokens.Close() }) // what was asked of it is done
	keys := &newTokenKeys{Tokens: tokens}
	m.undos = append(m.undos, func() { _ = keys.undo(ctx) })
	return keys.sealer(ctx, p.ToPKCS11)
}

func (p rekeyPlan) deal(ctx context.Context, s installation.Sharing, m *made) (vault.Sealer, error) {
	var id sealift.VaultID
	err := installation.WithVault(ctx, p.Opening.Data, func(v *vault.Vault) error {
		status, err := v.Status(ctx)
		id = status.Vault
		return err
	})
	if err != nil {
		return nil, err
	}
	deal, undo, err := s.Deal(id)
	if err != nil {
		return nil, err
	}
	m.undos, m.clears = append(m.undos, undo), append(m.clears, deal.Clear)
	return deal, nil
}

// text says what follows.
func (p rekeyPlan) text() string {
	text := "exchanged"
	if p.NewPassphrase {
		text += "\n  what opened the vault before opens it no more; a running server goes on, and wants the new passphrase at its next start"
	}
	if p.ToPKCS11 != "" {
		text += "\n  what opened the vault before opens it no more; a running server goes on, and at its next start opens it by the token: tell it how to reach that with --pkcs11"
	}
	if p.shares.Dir != "" {
		text += "\n  what opened the vault before opens it no more; a running server goes on, and starts sealed the next time" +
			"\n  the shares are in " + p.shares.Dir + ": " + dealt(p.shares)
	}
	if p.recovery.Dir != "" {
		text += "\n  the recovery shares are in " + p.recovery.Dir + ": " + dealt(p.recovery)
	}
	if p.RecoveryOut != "" {
		text += "\n  the new recovery key is in " + p.RecoveryOut + ": print it, lock it away, remove the file"
	}
	return text
}

// refusedForSure reports whether the vault said no. After any other error it may
// have taken the new secret, which must then not be thrown away.
func refusedForSure(err error) bool {
	switch sealift.KindOf(err) {
	case sealift.KindSealed, sealift.KindInvalid, sealift.KindConflict, sealift.KindNotFound, sealift.KindDenied:
		return err != nil
	}
	return false
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
