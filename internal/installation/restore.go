package installation

import (
	"context"
	"errors"
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
	"github.com/sealift/sealift/internal/store/sqlite"
)

// Restoring says what to restore, and where to.
type Restoring struct {
	File       string
	Identities []backup.Identity
	Data       string // a folder that does not exist yet, or is empty
	// Root is a root.json that the backup must have, as devices were built with;
	// nil is whichever it has.
	Root []byte
	// Published is the published tree of before, where it survived; else nil.
	Published backup.Tree
	By        audit.Actor
	Options   Options
}

// Restored says what came of it.
type Restored struct {
	Header   backup.Header
	Manifest backup.Manifest
	backup.Resumed
}

const restoreOp = "restoring"

// Restore makes a data folder from a backup. It appears whole, verified and able
// to go on, or not at all: it is made beside its place, and moved there at the
// end. The errors are those of backup.Read, backup.Resume and VerifyBackup;
// KindConflict with reason "exists" for a folder that is not empty.
func Restore(ctx context.Context, r Restoring) (Restored, error) {
	if r.Options.Now == nil {
		r.Options.Now = time.Now
	}
	if err := checkEmpty(r.Data); err != nil {
		return Restored{}, err
	}
	outer, err := beside(r.Data)
	if err != nil {
		return Restored{}, folderError(restoreOp, err)
	}
	defer os.RemoveAll(outer)
	// One more folder down: what a killed process leaves is no data folder.
	data := filepath.Join(outer, "restoring")
	if err := os.Mkdir(data, 0o700); err != nil {
		return Restored{}, folderError(restoreOp, err)
	}
	out, err := r.restore(ctx, data)
	if err != nil {
		return out, err
	}
	if err := errors.Join(syncDir(data), os.Rename(data, r.Data), syncDir(filepath.Dir(filepath.Clean(r.Data)))); err != nil {
		return out, folderError(restoreOp, err)
	}
	return out, nil
}

func checkEmpty(dir string) error {
	names, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return folderError(restoreOp, err)
	case len(names) > 0:
		return sealift.Errorf(sealift.KindConflict, restoreOp, "%s exists already, and is not empty", dir).
			WithReason("exists").WithHint("choose a folder that does not exist yet; an installation is never overwritten")
	}
	return nil
}

func (r Restoring) restore(ctx context.Context, data string) (out Restored, err error) {
	public := filepath.Join(data, config.PublicName)
	published, err := blob.OpenFolder(public)
	if err != nil {
		return out, err
	}
	out.Header, out.Manifest, err = load(ctx, r.File, r.Identities, filepath.Join(data, config.DatabaseName), published)
	if err = errors.Join(err, published.Close()); err != nil {
		return out, err
	}
	folder, err := config.OpenData(data)
	if err != nil {
		return out, err
	}
	i, err := openIn(ctx, folder, r.Options)
	if err != nil {
		return out, errors.Join(err, folder.Close())
	}
	defer func() { err = errors.Join(err, i.Close()) }()
	if _, err := examine(ctx, i.store, out.Header, r.Root); err != nil {
		return out, err
	}
	err = i.store.Update(ctx, func(tx store.Tx) (err error) {
		out.Resumed, err = backup.Resume(ctx, tx, backup.Resuming{
			Header: out.Header, By: r.By, Now: i.now(), Published: r.Published, Blobs: i.published, Missing: out.Manifest.Missing,
		})
		return err
	})
	if err != nil {
		return out, err
	}
	return out, i.Releases.Republish(ctx)
}

// load reads a backup into a new database, at the schema of its day, and its
// blobs into a store of them, or nowhere if that is nil.
func load(ctx context.Context, file string, identities []backup.Identity, database string, blobs blob.Store) (backup.Header, backup.Manifest, error) {
	in, err := os.Open(file)
	if err != nil {
		return backup.Header{}, backup.Manifest{}, folderError("opening the backup", err)
	}
	defer in.Close()
	into := &loading{database: database, blobs: blobs, give: make(chan func(store.Tx) error), done: make(chan error, 1)}
	h, m, err := backup.Read(ctx, in, identities, into)
	return h, m, into.end(err)
}

// loading takes a backup in. The database is opened when its schema is known,
// and filled in one transaction, which runs beside the reading.
type loading struct {
	database string
	blobs    blob.Store
	db       *sqlite.DB
	give     chan func(store.Tx) error // what the transaction is to do next
	done     chan error                // its end
	ended    error
}

// Begin implements backup.Into.
func (l *loading) Begin(ctx context.Context, h backup.Header) (err error) {
	if l.db, err = sqlite.OpenAt(ctx, l.database, h.Schema); err != nil {
		return err
	}
	go func() {
		l.done <- l.db.Update(ctx, func(tx store.Tx) error {
			for do := range l.give {
				if err := do(tx); err != nil {
					return err
				}
			}
			return nil
		})
	}()
	return nil
}

// within runs do in the transaction.
func (l *loading) within(do func(store.Tx) error) error {
	result := make(chan error, 1)
	select {
	case l.give <- func(tx store.Tx) error {
		err := do(tx)
		result <- err
		return err
	}:
		return <-result
	case l.ended = <-l.done:
		l.done <- l.ended
		return l.ended
	}
}

// Row implements backup.Into.
func (l *loading) Row(ctx context.Context, table store.Table, values []any) error {
	return l.within(func(tx store.Tx) error { return tx.FillRow(ctx, table, values) })
}

// Blob implements backup.Into.
func (l *loading) Blob(ctx context.Context, digest sealift.Digest, length int64, r io.Reader) error {
	if l.blobs == nil {
		return nil
	}
	return l.blobs.Put(ctx, "blobs/"+digest.String(), r, &blob.Expect{Digest: digest, Length: length})
}

// errUnread rolls the transaction back.
var errUnread = errors.New("the backup was not read to its end")

// end commits what was read, if that ended well.
func (l *loading) end(err error) error {
	if l.db == nil {
		return err
	}
	if err != nil {
		_ = l.within(func(store.Tx) error { return errUnread })
	}
	close(l.give)
	filled := <-l.done
	if err == nil {
		err = filled
	}
	return errors.Join(err, l.db.Close())
}
