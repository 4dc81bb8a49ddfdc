package installation

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/backup"
	"github.com/sealift/sealift/internal/blob"
	"github.com/sealift/sealift/internal/config"
	"github.com/sealift/sealift/internal/store"
)

// Backing says what a backup is to be.
type Backing struct {
	File       string // that does not exist yet
	Recipients []backup.Recipient
	Program    string // version of this program
	By         audit.Actor
	Now        func() time.Time
}

// BackedUp is a backup that was made.
type BackedUp struct {
	Header   backup.Header
	Manifest backup.Manifest
	File     string
	Length   int64 // bytes
	Digest   sealift.Digest
}

// BackUp makes a backup of the installation in a data folder. A server may run
// on it meanwhile, and publish. KindNotFound where there is no vault; an existing
// file is KindConflict with reason "exists".
func BackUp(ctx context.Context, dir string, b Backing) (made BackedUp, err error) {
	published, err := blob.ReadFolder(filepath.Join(dir, config.PublicName))
	if err != nil {
		return made, err
	}
	defer func() { err = errors.Join(err, published.Close()) }()
	err = openBeside(ctx, dir, func(db store.Store) error {
		made, err = backUp(ctx, db, published, b)
		return err
	})
	return made, err
}

const backUpOp = "making a backup"

// backUp makes a backup and enters that into the log: before it is begun, since
// whoever copies all keys is to be known however it ends, and what came of it.
func backUp(ctx context.Context, db store.Store, published blob.Store, b Backing) (BackedUp, error) {
	if _, err := os.Lstat(b.File); !errors.Is(err, fs.ErrNotExist) {
		return BackedUp{}, sealift.Errorf(sealift.KindConflict, backUpOp, "%s exists already", b.File).
			WithReason("exists").WithHint("name a file that does not exist yet; nothing is overwritten")
	}
	begun := b.Now().UTC()
	entry := audit.Entry{Time: begun, Actor: b.By, Action: "backup.begin", Subject: "vault", Result: audit.OK, Details: map[string]string{
		"file": filepath.Base(b.File), "recipients": fmt.Sprint(len(b.Recipients)),
	}}
	err := db.Update(ctx, func(tx store.Tx) error { _, err := audit.Append(ctx, tx, entry); return err })
	if err != nil {
		return BackedUp{}, err
	}
	made, err := b.write(ctx, db, published, begun)
	row := store.Backup{Created: begun, File: b.File, Length: made.Length, Digest: made.Digest}
	entry.Action, entry.Time = "backup.create", b.Now().UTC()
	if err != nil {
		entry.Result, row.Problem = audit.Failed, err.Error()
		entry.Details["error"] = string(sealift.KindOf(err))
	} else {
		entry.Details["sha256"], entry.Details["length"] = made.Digest.String(), fmt.Sprint(made.Length)
		entry.Details["entries"] = fmt.Sprint(made.Header.State.Entries)
	}
	// Also where ctx is what ended it.
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTimeout)
	defer cancel()
	noted := db.Update(after, func(tx store.Tx) error {
		if _, err := audit.Append(after, tx, entry); err != nil {
			return err
		}
		err := tx.InsertBackup(after, row)
		for sealift.KindOf(err) == sealift.KindConflict { // a clock that stands still, or was put back
			row.Created = row.Created.Add(time.Microsecond)
			err = tx.InsertBackup(after, row)
		}
		return err
	})
	return made, errors.Join(err, noted)
}

// noteTimeout bounds the transaction that says what came of a backup.
const noteTimeout = 10 * time.Second

// write writes the file whole or not at all.
func (b Backing) write(ctx context.Context, db store.Store, published blob.Store, begun time.Time) (made BackedUp, err error) {
	dir, name := filepath.Split(filepath.Clean(b.File))
	out, err := os.CreateTemp(filepath.Clean(dir+"."), partialName(name)) // mode 0600
	if err != nil {
		return made, folderError(backUpOp, err)
	}
	defer os.Remove(out.Name()) // no-op once renamed
	hash := sha256.New()
	counted := &counter{}
	made.Header, made.Manifest, err = b.stream(ctx, db, published, io.MultiWriter(out, hash, counted), begun)
	if err == nil {
		if err = out.Sync(); err != nil {
			err = folderError(backUpOp, err)
		}
	}
	if closed := out.Close(); err == nil && closed != nil {
		err = folderError(backUpOp, closed)
	}
	if err != nil {
		return BackedUp{}, err
	}
	if err := errors.Join(os.Rename(out.Name(), b.File), syncDir(filepath.Dir(b.File))); err != nil {
		return BackedUp{}, folderError(backUpOp, err)
	}
	made.File, made.Length, made.Digest = b.File, counted.n, sealift.Digest(hash.Sum(nil))
	return made, nil
}

// partialName is the pattern of a backup that is being written.
func partialName(name string) string { return "." + name + ".*.partial" }

func (b Backing) stream(ctx context.Context, db store.Store, published blob.Store, out io.Writer, begun time.Time) (h backup.Header, m backup.Manifest, err error) {
	w, err := backup.NewWriter(out, b.Recipients, begun)
	if err != nil {
		return h, m, err
	}
	err = db.View(ctx, func(tx store.Tx) error {
		h, err = w.Rows(ctx, tx, b.Program)
		return err
	})
	if err != nil {
		return h, m, err
	}
	if err := w.Blobs(ctx, published); err != nil {
		return h, m, err
	}
	m, err = w.Close()
	return h, m, err
}

// counter counts what is written to it.
type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}
