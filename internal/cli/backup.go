package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/backup"
	"github.com/sealift/sealift/internal/installation"
	"github.com/sealift/sealift/internal/term"
	"github.com/sealift/sealift/internal/vault"
)

type backupCmd struct {
	Keygen  backupKeygenCmd  `cmd:"" help:"Make a recovery identity, for a person to keep: what opens backups."`
	Create  backupCreateCmd  `cmd:"" help:"Write all of an installation into one encrypted file. A server may run, and publish."`
	Verify  backupVerifyCmd  `cmd:"" help:"Prove that a backup can be restored. Nothing stays."`
	Restore backupRestoreCmd `cmd:"" help:"Make a data folder from a backup, which goes on above all that was published."`
}

type backupKeygenCmd struct {
	Out string `required:"" placeholder:"FILE" help:"Where to write the identity, readable by you only. The file must not exist."`
}

// Run implements the command.
func (c *backupKeygenCmd) Run(std *IO) error {
	content, recipient, err := backup.NewIdentity(std.Now())
	if err != nil {
		return err
	}
	defer clear(content)
	out, err := newSecretFile(c.Out)
	if err != nil {
		return err
	}
	_, err = out.Write(content)
	if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
		return errors.Join(sealift.Errorf(sealift.KindExhausted, "writing the identity", "%w", err), os.Remove(c.Out))
	}
	std.Note("the identity is in %s: keep it where no backup is, and never on the server", c.Out)
	return std.Print(map[string]any{"file": c.Out, "recipient": recipient}, Println("%s", recipient))
}

// IdentityOptions are the flags of a command that opens a backup.
type IdentityOptions struct {
	Identity []string `required:"" placeholder:"FILE" help:"File with an identity that opens the backup, readable by you only. May be repeated."`
	Root     string   `placeholder:"FILE" help:"A root.json of the vault, such as devices were built with: the backup must have it. Without it, whoever knows the recipients could have made the backup."`
}

func (o IdentityOptions) read(std *IO) (identities []backup.Identity, root []byte, err error) {
	for _, path := range o.Identity {
		secret, err := term.ReadLongSecretFile(path, "identity", sealift.MaxRecipients)
		if err != nil {
			return nil, nil, err
		}
		more, err := backup.Identities(secret.Bytes())
		secret.Clear()
		if err != nil {
			return nil, nil, err
		}
		identities = append(identities, more...)
	}
	if o.Root == "" {
		std.Warn("nothing vouches for the backup but itself\nname the root.json that devices were built with: --root FILE")
		return identities, nil, nil
	}
	root, err = readRootFile(o.Root)
	return identities, root, err
}

type backupCreateCmd struct {
	Data       string `required:"" placeholder:"DIR" help:"Folder that sealift init made; a server may run on it, and goes on."`
	Out        string `required:"" placeholder:"FILE" help:"The backup. The file must not exist."`
	Recipients string `required:"" placeholder:"FILE" help:"Who can open it: age recipients, one a line, as sealift backup keygen prints them."`
}

// Run implements the command.
func (c *backupCreateCmd) Run(ctx context.Context, std *IO) error {
	recipients, err := backup.Recipients(c.Recipients)
	if err != nil {
		return err
	}
	made, err := installation.BackUp(ctx, c.Data, installation.Backing{
		File: c.Out, Recipients: recipients, Program: std.Build.Version, By: localActor(), Now: std.Now,
	})
	if err != nil {
		return err
	}
	warnMissing(std, made.Manifest.Missing)
	return std.Print(toldBackup(made.Header, made.Manifest, map[string]any{"file": made.File, "length": made.Length, "sha256": made.Digest}), func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s, %d bytes, SHA-256 %s\n%s", made.File, made.Length, made.Digest, describeBackup(made.Header, made.Manifest))
		return err
	})
}

func warnMissing(std *IO, missing []sealift.Digest) {
	if len(missing) > 0 {
		std.Warn("%d blobs that releases name are not in the published tree, the first is %s\nif somebody took them away on purpose, all is well", len(missing), missing[0])
	}
}

func toldBackup(h backup.Header, m backup.Manifest, more map[string]any) map[string]any {
	more["vault"], more["root"], more["created"], more["schema"] = h.Vault, h.Root, h.Created, h.Schema
	more["state"], more["rows"], more["blobs"], more["missing"] = h.State, m.Rows, m.Blobs, m.Missing
	return more
}

func describeBackup(h backup.Header, m backup.Manifest) string {
	rows := int64(0)
	for _, n := range m.Rows {
		rows += n
	}
	return fmt.Sprintf("  vault        %s\n  first root   sha256:%s\n  of           %s\n  log entries  %d\n  timestamp    version %d\n  rows         %d\n  blobs        %d of %d bytes\n",
		h.Vault, h.Root, h.Created.Format(time.RFC3339), h.State.Entries, h.State.Versions["timestamp"], rows, m.Blobs, m.Bytes)
}

type backupVerifyCmd struct {
	File         string            `arg:"" help:"The backup."`
	Identities   IdentityOptions   `embed:""`
	Drill        bool              `help:"Prove that the vault in it opens, too: by its passphrase, or with --recovery-file by its recovery key."`
	RecoveryFile string            `placeholder:"FILE" help:"File with the recovery key, readable by you only: the drill opens the vault by it."`
	Passphrases  PassphraseOptions `embed:""`
}

// Run implements the command.
func (c *backupVerifyCmd) Run(ctx context.Context, std *IO) error {
	return runBackupVerify(ctx, std, *c)
}

func runBackupVerify(ctx context.Context, std *IO, opts backupVerifyCmd) error {
	if err := opts.Passphrases.Check(installation.VaultKey); err != nil {
		return err
	}
	e := installation.Examining{File: opts.File, By: localActor(), Now: std.Now()}
	var err error
	if e.Identities, e.Root, err = opts.Identities.read(std); err != nil {
		return err
	}
	if opts.Drill || opts.RecoveryFile != "" {
		if err := vault.HardenProcess(); err != nil {
			return err
		}
		secret, err := opts.secret(ctx, std)
		if err != nil {
			return err
		}
		defer secret.Clear()
		e.Drill = vault.SecretOf(secret.Bytes())
	}
	got, err := installation.VerifyBackup(ctx, e)
	if err != nil {
		return err
	}
	warnMissing(std, got.Manifest.Missing)
	warnLost(std, got.Log.Lost)
	drilled := e.Drill != nil
	return std.Print(toldBackup(got.Header, got.Manifest, map[string]any{"ok": true, "drill": drilled, "file": opts.File, "length": got.Length, "sha256": got.Digest}), func(w io.Writer) error {
		said := "it can be restored"
		if drilled {
			said += ", and its vault opens"
		}
		_, err := fmt.Fprintf(w, "%s\n%s, %d bytes, SHA-256 %s\n%s", said, opts.File, got.Length, got.Digest, describeBackup(got.Header, got.Manifest))
		return err
	})
}

func (c backupVerifyCmd) secret(ctx context.Context, std *IO) (term.Secret, error) {
	if c.RecoveryFile != "" {
		return term.ReadSecretFile(c.RecoveryFile, "recovery key")
	}
	return c.Passphrases.Read(ctx, std, PassphraseUse{Key: installation.VaultKey, Shared: true})
}

type backupRestoreCmd struct {
	File       string          `arg:"" help:"The backup."`
	Data       string          `required:"" placeholder:"DIR" help:"Folder to make. It must not exist, or be empty."`
	Published  string          `placeholder:"DIR|URL" help:"The published tree of before, where it survived: a folder, or the address of a server or CDN that still shows it. What was published after the backup is taken from it."`
	Identities IdentityOptions `embed:""`
	Store      StoreOptions    `embed:""`
}

// Run implements the command.
func (c *backupRestoreCmd) Run(ctx context.Context, std *IO) error {
	return runBackupRestore(ctx, std, *c)
}

func runBackupRestore(ctx context.Context, std *IO, opts backupRestoreCmd) error {
	r := installation.Restoring{File: opts.File, Data: opts.Data, By: localActor(), Options: installation.Options{Now: std.Now}}
	var err error
	if r.Store, err = opts.Store.Read(); err != nil {
		return err
	}
	if r.Identities, r.Root, err = opts.Identities.read(std); err != nil {
		return err
	}
	if opts.Published != "" {
		tree, closer, err := backup.OpenTree(opts.Published, treeClient())
		if err != nil {
			return err
		}
		defer closer.Close()
		r.Published = tree
	}
	got, err := installation.Restore(ctx, r)
	if err != nil {
		return err
	}
	warnMissing(std, got.Missing)
	for _, loss := range got.Losses {
		std.Warn("not restored: %s", loss)
	}
	if got.Restore.Lost > 0 {
		std.Warn("of %d log entries after the backup only the hashes are known: sealift audit verify says which", got.Restore.Lost)
	}
	std.Warn("tokens, people and devices are as they were at %s: revoke again what was revoked since; devices that enrolled since enrol again", got.Header.Created.Format(time.RFC3339))
	if len(got.Rollouts) > 0 {
		std.Warn("these roll-outs are paused when the server starts, since they may have been stopped after the backup:\n%s\nlook at each, then resume it or not: sealift rollout list --app ID", strings.Join(got.Rollouts, "\n"))
	}
	if !got.Restore.Known {
		std.Warn("devices that saw a release after the backup refuse the log as it is now\nafter the server's start hold a ceremony that names its new log keys: sealift trust propose")
	}
	return std.Print(toldBackup(got.Header, got.Manifest, map[string]any{
		"data": opts.Data, "lostEntries": got.Restore.Lost, "releases": slices.Clip(got.Releases), "losses": got.Losses, "newLog": !got.Restore.Known,
		"rollouts": append([]string{}, got.Rollouts...),
	}), func(w io.Writer) error {
		text := fmt.Sprintf("restored to %s\n%s", opts.Data, describeBackup(got.Header, got.Manifest))
		if len(got.Releases) > 0 {
			text += "  published since the backup, and back: " + strings.Join(got.Releases, ", ") + "\n"
		}
		_, err := fmt.Fprintf(w, "%s  next: sealift server --data %s\n", text, filepath.Clean(opts.Data))
		return err
	})
}

// treeClient returns what reads a published tree over the network: no redirects,
// as devices have it.
func treeClient() func(base string) backup.Tree {
	client := &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, ResponseHeaderTimeout: sealift.MetadataTimeout, TLSHandshakeTimeout: sealift.ConnectTimeout},
	}
	return func(base string) backup.Tree { return backup.ServerTree{Base: base, Client: client} }
}
