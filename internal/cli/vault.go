package cli

import (
	"context"
	"fmt"
	"os/user"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/control/apiclient"
	"github.com/sealift/sealift/internal/installation"
	"github.com/sealift/sealift/internal/term"
	"github.com/sealift/sealift/internal/vault"
)

type vaultCmd struct {
	Init   initCmd        `cmd:"" help:"Make a vault with all that belongs to it: the same as sealift init."`
	Status vaultStatusCmd `cmd:"" help:"Say whether the vault is sealed, what opens it, and how far people have come with it."`
	Unseal vaultUnsealCmd `cmd:"" help:"Give a passphrase, a recovery key or a share to a server whose vault is sealed."`
	Seal   vaultSealCmd   `cmd:"" help:"Seal a server's vault at once: nothing is signed until it is unsealed."`
	Rekey  vaultRekeyCmd  `cmd:"" help:"Exchange what opens the vault, for another of its kind or of another. No key is made anew."`
	Rotate vaultRotateCmd `cmd:"" name:"rotate-kek" help:"Exchange a server's key-encryption key; all that is under it is moved to the new one while the vault works."`
	Move   vaultMoveCmd   `cmd:"" help:"Make the standby of one of the vault's own keys in a PKCS#11 token, in another one, or in software."`
	Drill  vaultDrillCmd  `cmd:"" help:"Prove that the recovery key, or shares, open the vault. Nothing changes but the log."`
}

// newVaultKey is the name of the next passphrase for --passphrase-file.
const newVaultKey = "new"

type vaultStatusCmd struct {
	Data string     `placeholder:"DIR" help:"Folder that sealift init made; a server may run on it. Without it: ask the server."`
	API  APIOptions `embed:""`
}

// vaultStatus is what anyone may know.
type vaultStatus struct {
	Vault       sealift.VaultID `json:"vault"`
	Sealed      *bool           `json:"sealed,omitempty"` // of a server
	Recoverable bool            `json:"recoverable"`
	Unseal      api.SealWay     `json:"unseal"`
	Recovery    api.SealWay     `json:"recovery"`
	TokenKey    string          `json:"tokenKey,omitempty"` // of a data folder: the URI of the key that opens it
}

// Run implements the command.
func (c *vaultStatusCmd) Run(ctx context.Context, std *IO) error { return runVaultStatus(ctx, std, *c) }

func runVaultStatus(ctx context.Context, std *IO, opts vaultStatusCmd) error {
	if opts.Data != "" {
		return installation.WithVault(ctx, opts.Data, func(v *vault.Vault) error {
			s, err := v.Status(ctx)
			if err != nil {
				return err
			}
			if !s.Recoverable {
				std.Warn("there is no recovery path\nmake one with: sealift vault rekey --data %s --recovery-out FILE", opts.Data)
			}
			return vaultStatus{Vault: s.Vault, Recoverable: s.Recoverable, Unseal: wayOf(s.Unseal), Recovery: wayOf(s.Recovery), TokenKey: s.Unseal.Token}.print(std)
		})
	}
	client, err := opts.API.unsigned(std)
	if err != nil {
		return err
	}
	s, err := client.Status(ctx)
	if err != nil {
		return err
	}
	status := vaultStatus{Vault: sealift.VaultID(s.Vault), Sealed: &s.Sealed, Recoverable: s.Recovery != nil, Unseal: s.Unseal}
	if s.Recovery != nil {
		status.Recovery = *s.Recovery
	}
	return status.print(std)
}

// unsigned returns a client for what needs no token.
func (o APIOptions) unsigned(std *IO) (*apiclient.Client, error) {
	server, err := o.OpenUnsigned(std)
	if err != nil {
		return nil, err
	}
	return apiclient.New(server.Base.String(), server)
}

func (s vaultStatus) print(std *IO) error {
	rows := [][]string{{"vault", string(s.Vault)}}
	if s.Sealed != nil {
		state := "unsealed"
		if *s.Sealed {
			state = "sealed"
		}
		rows = append(rows, []string{"state", state})
	}
	recovery := describeWay(s.Recovery, vault.PathRecovery)
	if s.Recoverable {
		recovery += "; prove it with: sealift vault drill"
	}
	rows = append(rows, []string{"unseal", describeWay(s.Unseal, vault.PathUnseal)}, []string{"recovery", recovery})
	if s.TokenKey != "" {
		rows = append(rows, []string{"token key", s.TokenKey})
	}
	return std.Print(s, Table([]string{"FIELD", "VALUE"}, rows))
}

// describeWay says what opens a vault on a path, and how far people have come.
func describeWay(w api.SealWay, p vault.Path) string {
	text := vault.Way{Sealer: w.Sealer, Threshold: w.Threshold, Shares: w.Shares}.Describe(p)
	if w.Set != "" {
		text += " of set " + w.Set
	}
	if w.Given > 0 {
		text += fmt.Sprintf("; given so far: %d", w.Given)
	}
	return text
}

func wayOf(w vault.Way) api.SealWay {
	return api.SealWay{Sealer: w.Sealer, Threshold: w.Threshold, Shares: w.Shares, Set: w.Set, Given: w.Given}
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
	Data         string   `required:"" placeholder:"DIR" help:"Folder that sealift init made, or a restored copy; a server may run on it."`
	RecoveryFile string   `placeholder:"FILE" help:"File with the recovery key, readable by you only. Without it: a prompt."`
	ShareFile    []string `name:"share-file" placeholder:"FILE" help:"File with one share, in place of a recovery key. Repeat it for as many as are needed."`
}

// Run implements the command.
func (c *vaultDrillCmd) Run(ctx context.Context, std *IO) error { return runVaultDrill(ctx, std, *c) }

func runVaultDrill(ctx context.Context, std *IO, opts vaultDrillCmd) error {
	if err := vault.HardenProcess(); err != nil {
		return err
	}
	with, done, err := opts.open(ctx, std)
	if err != nil {
		return err
	}
	defer done()
	by, now := localActor(), std.Now()
	var path vault.Path
	err = installation.WithVault(ctx, opts.Data, func(v *vault.Vault) (err error) {
		path, err = v.Drill(ctx, with, by, now)
		return err
	})
	if err != nil {
		return err
	}
	proven := "the recovery key opens"
	if len(opts.ShareFile) > 0 {
		proven = fmt.Sprintf("these %s shares open", path)
	}
	return std.Print(map[string]any{"ok": true, "path": path.String(), "at": now.UTC()}, Println("%s the vault; the log says so", proven))
}

func (c vaultDrillCmd) open(ctx context.Context, std *IO) (vault.Opener, func(), error) {
	switch {
	case len(c.ShareFile) > 0 && c.RecoveryFile != "":
		return nil, nil, usage("one thing at a time is proven").WithHint("use --recovery-file FILE or --share-file FILE")
	case len(c.ShareFile) > 0:
		return readShares(c.ShareFile)
	}
	secret, err := readRecovery(ctx, std, c.RecoveryFile)
	if err != nil {
		return nil, nil, err
	}
	return vault.SecretOf(secret.Bytes()), secret.Clear, nil
}

func readRecovery(ctx context.Context, std *IO, path string) (term.Secret, error) {
	if path != "" {
		return term.ReadSecretFile(path, "recovery key")
	}
	if !term.IsTerminal(std.In) {
		return term.Secret{}, sealift.Errorf(sealift.KindInvalid, "reading the recovery key", "none was given, and there is no terminal to ask on").
			WithHint("name its file: --recovery-file FILE; or those of shares: --share-file FILE --share-file FILE …")
	}
	return term.Prompt(ctx, std.In, std.Err, "recovery key: ")
}
