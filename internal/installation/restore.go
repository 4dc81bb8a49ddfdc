package installation

import (
	"context"
	"crypto/sha256"
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
	"github.com/sealift/sealift/internal/store/postgres"
)

// Restoring says what to restore, and where to.
type Restoring struct {
	File       string
	Identities []backup.Identity
	Data       string       // a folder that does not exist yet, or is empty
	Store      config.Store // where the rows are to be; zero for a file in Data
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
// end. A database is left as empty as it was if the restore comes to nothing; only
// a process that is killed cannot see to that. The errors are those of
// backup.Read, backup.Resume and VerifyBackup; KindConflict with reason "exists"
// for a folder or a database that is not empty.
func Restore(ctx context.Context, r Restoring) (_ Restored, err error) {
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
	out, undo, err := r.restore(ctx, data)
	defer func() {
		if err != nil && undo != nil {
			err = errors.Join(err, undo())
		}
	}()
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

// restore makes the contents of the folder. undo, if it is not nil, takes away
// what is not in it.
func (r Restoring) restore(ctx context.Context, data string) (out Restored, undo func() error, err error) {
	if err := r.Store.Save(data); err != nil {
		return out, nil, err
	}
	published, err := blob.OpenFolder(filepath.Join(data, config.PublicName))
	if err != nil {
		return out, nil, err
	}
	create := func(ctx context.Context, schema int64) (db store.Store, err error) {
		db, undo, err = createStoreAt(ctx, data, r.Store, schema)
		return db, err
	}
	file, err := load(ctx, r.File, r.Identities, create, published)
	out.Header, out.Manifest = file.header, file.manifest
	if err = errors.Join(err, published.Close()); err != nil {
		return out, undo, err
	}
	return out, undo, r.goOn(ctx, data, &out)
}

// goOn has a folder that was filled go on above all that was published.
func (r Restoring) goOn(ctx context.Context, data string, out *Restored) error {
	folder, err := config.OpenData(data)
	if err != nil {
		return err
	}
	i, err := openIn(ctx, folder, r.Options, postgres.Options{Alone: true, Patient: true})
	if err != nil {
		return errors.Join(err, folder.Close())
	}
	return errors.Join(r.resume(ctx, i, out), i.Close())
}

func (r Restoring) resume(ctx context.Context, i *Installation, out *Restored) error {
	if _, err := examine(ctx, i.store, out.Header, r.Root); err != nil {
		return err
	}
	err := i.store.Update(ctx, func(tx store.Tx) (err error) {
		out.Resumed, err = backup.Resume(ctx, tx, backup.Resuming{
			Header: out.Header, By: r.By, Now: i.now(), Published: r.Published, Blobs: i.published, Missing: out.Manifest.Missing,
		})
		return err
	})
	if err != nil {
		return err
	}
	return i.Releases.Republish(ctx)
}

// creating makes the store that a backup is read into, at a schema.
type creating func(ctx context.Context, schema int64) (store.Store, error)

// loaded is a backup that was read to its end.
type loaded struct {
	header   backup.Header
	manifest backup.Manifest
	length   int64 // of the file, bytes
	digest   sealift.Digest
}

// load reads a backup into a new store, at the schema of its day, and its blobs
// into a store of them, or nowhere if that is nil.
func load(ctx context.Context, file string, identities []backup.Identity, create creating, blobs blob.Store) (out loaded, err error) {
	in, err := os.Open(file)
	if err != nil {
		return out, folderError("opening the backup", err)
	}
	defer in.Close()
	hash, length := sha256.New(), &counter{}
	into := &loading{create: create, blobs: blobs, give: make(chan func(store.Tx) error), done: make(chan error, 1)}
	out.header, out.manifest, err = backup.Read(ctx, io.TeeReader(in, io.MultiWriter(hash, length)), identities, into)
	out.length, out.digest = length.n, sealift.Digest(hash.Sum(nil))
	return out, into.end(err)
}

// loading takes a backup in. The store is made when its schema is known, and
// filled in one transaction, which runs beside the reading.
type loading struct {
	create creating
	blobs  blob.Store
	db     store.Store
	give   chan func(store.Tx) error // what the transaction is to do next
	done   chan error                // its end
	ended  error
}

// Begin implements backup.Into.
func (l *loading) Begin(ctx context.Context, h backup.Header) error {
	db, err := l.create(ctx, h.Schema)
	if sealift.ReasonOf(err) == "newer-schema" {
		return sealift.Errorf(sealift.KindConflict, "reading the backup", "it was made by Sealift %.40q, which is newer than this one: %w", h.Program, err).
			WithReason("newer-schema").WithHint("use the Sealift that made it, or a later one")
	}
	if err != nil {
		return err
	}
	l.db = db
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
