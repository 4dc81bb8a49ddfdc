package installation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/backup"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlite"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
	"github.com/sealift/sealift/trust/tufrepo"
)

// Examining says which backup to verify, and how.
type Examining struct {
	File       string
	Identities []backup.Identity
	Root       []byte       // as in Restoring
	Drill      vault.Opener // opens the vault in it, to prove that it can be; or nil
	By         audit.Actor
	Now        time.Time
}

// Examined says what a backup holds, all of which was verified.
type Examined struct {
	Header   backup.Header
	Manifest backup.Manifest
	Length   int64          // of the file, bytes
	Digest   sealift.Digest // of the file, as the entry backup.create has it
	Log      audit.Verified
}

// VerifyBackup reads a backup to its end in a temporary place, and verifies it:
// every digest, the schema, the chain of roots, all signed metadata, the log from
// its first entry on, the seal record, and with Drill that the vault opens.
// Nothing stays. Errors are those of backup.Read; KindIntegrity where what it
// holds does not verify, with reason "foreign-root" where none of its roots is
// Root; and those of vault.Unseal.
func VerifyBackup(ctx context.Context, e Examining) (out Examined, err error) {
	dir, err := os.MkdirTemp("", "sealift-verify-") // mode 0700
	if err != nil {
		return out, folderError(verifyOp, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	database := filepath.Join(dir, "backup.db")
	create := func(ctx context.Context, schema int64) (store.Store, error) {
		return sqlite.OpenAt(ctx, database, schema)
	}
	file, err := load(ctx, e.File, e.Identities, create, nil)
	if err != nil {
		return out, err
	}
	out.Header, out.Manifest, out.Length, out.Digest = file.header, file.manifest, file.length, file.digest
	db, err := sqlite.Open(ctx, database)
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if out.Log, err = examine(ctx, db, out.Header, e.Root); err != nil || e.Drill == nil {
		return out, err
	}
	v := vault.New(db)
	defer v.Close()
	if err := v.Unseal(ctx, e.Drill, e.By, e.Now); err != nil {
		return out, err
	}
	return out, nil
}

const verifyOp = "verifying the backup"

func unsound(format string, args ...any) error {
	return sealift.Errorf(sealift.KindIntegrity, verifyOp, format, args...).WithReason("unsound").
		WithHint("do not restore it: take the backup before it, and look for who could write to the server's database or to the backups")
}

// examine verifies what a store says, from the first root on: who is trusted,
// what is published, the log, and how the vault is sealed.
func examine(ctx context.Context, db store.Store, h backup.Header, root []byte) (log audit.Verified, err error) {
	err = db.View(ctx, func(tx store.Tx) error {
		if err := examineRoots(ctx, tx, h, root); err != nil {
			return err
		}
		anchors, err := examineMetadata(ctx, tx, h)
		if err != nil {
			return err
		}
		var keys []note.Verifier
		for _, text := range anchors.Log.Keys {
			key, err := note.NewVerifier(text)
			if err != nil {
				return unsound("a log key of trust.json: %w", err)
			}
			keys = append(keys, key)
		}
		log, err = audit.Verify(ctx, tx, audit.Demands{Origin: trust.LogOrigin(anchors.Vault), Keys: note.VerifierList(keys...)})
		return err
	})
	if err != nil {
		return log, err
	}
	if log.Tree.N != h.State.Entries {
		return log, unsound("the log has %d entries, its description says %d", log.Tree.N, h.State.Entries)
	}
	v := vault.New(db)
	defer v.Close()
	status, err := v.Status(ctx)
	if err == nil && status.Vault != h.Vault {
		err = unsound("it is sealed as vault %s, its description says %s", status.Vault, h.Vault)
	}
	return log, err
}

// examineRoots follows the roots from the first one on. One of them must be the
// expected one: those before it led to it, and those after it follow from it.
func examineRoots(ctx context.Context, tx store.Tx, h backup.Header, expected []byte) error {
	newest, err := tx.Metadata(ctx, "root")
	if err != nil {
		return err
	}
	var before []byte
	known := expected == nil
	for version := int64(1); version <= newest.Version; version++ {
		m, err := tx.Root(ctx, version)
		if err != nil {
			return unsound("root version %d: %w", version, err)
		}
		if _, err := tufrepo.CheckRoot(before, m.Content); err != nil {
			return unsound("root version %d: %w", version, err)
		}
		if version == 1 && sealift.DigestOf(m.Content) != h.Root {
			return unsound("its first root is not the one in its description")
		}
		known = known || bytes.Equal(m.Content, expected)
		before = m.Content
	}
	if !known {
		return sealift.Errorf(sealift.KindIntegrity, verifyOp, "the root.json that you named is none of its %d, of which the first has SHA-256 %s", newest.Version, h.Root).
			WithReason("foreign-root").WithHint("name a root.json of this vault that is no younger than the backup, such as the one that its devices were built with; if you did, the backup is of another vault, or forged")
	}
	return nil
}

func examineMetadata(ctx context.Context, tx store.Tx, h backup.Header) (*trust.Trust, error) {
	read := func(role string) ([]byte, error) {
		m, err := tx.Metadata(ctx, role)
		return m.Content, err
	}
	root, rootErr := read("root")
	targets, targetsErr := read("targets")
	trusted, trustErr := tx.Document(ctx, trust.TrustPath)
	if err := errors.Join(rootErr, targetsErr, trustErr); err != nil {
		return nil, err
	}
	if _, err := tufrepo.CheckTargets(root, targets, trusted); err != nil {
		return nil, unsound("targets.json: %w", err)
	}
	if err := tufrepo.CheckOnline(root, targets, read); err != nil {
		return nil, unsound("%w", err)
	}
	anchors, err := trust.ParseTrust(trusted)
	if err == nil && anchors.Vault != h.Vault {
		err = fmt.Errorf("trust.json is of vault %s, its description says %s", anchors.Vault, h.Vault)
	}
	if err != nil {
		return nil, unsound("%w", err)
	}
	return anchors, nil
}
