package blob

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"
	"time"

	"github.com/sealift/sealift"
)

// tempDir holds unfinished files, inside the folder so that a rename never
// crosses file systems. CheckKey refuses it as an element of a key.
const tempDir = ".tmp"

// Folder is a Store in a folder of a local file system: key a/b is file a/b.
// Folders are made 0755 and files 0644, less the umask: everything in the
// published tree is ciphertext or public. Folders that Delete leaves empty
// stay. Every access goes through an os.Root, so a symbolic link that points
// outside the folder is refused, not followed.
type Folder struct {
	root *os.Root
}

var _ Store = (*Folder)(nil)

// OpenFolder opens the store in dir, which it makes if its parent is there,
// and deletes what an interrupted Put left behind. One process may have a
// folder open for writing at a time, since it would delete what another one is
// about to rename. Close it after use.
func OpenFolder(dir string) (*Folder, error) {
	const op = "opening published tree"
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, folderError(op, err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, folderError(op, err)
	}
	f := &Folder{root: root}
	if err := f.clean(); err != nil {
		_ = root.Close()
		return nil, folderError(op, err)
	}
	return f, nil
}

// ReadFolder opens the store in dir for reading, also while another process
// writes to it. What Put does with it is undefined.
func ReadFolder(dir string) (*Folder, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, folderError("opening published tree", err)
	}
	return &Folder{root: root}, nil
}

// Close gives the folder's descriptor back; opened Files stay readable.
func (f *Folder) Close() error { return f.root.Close() }

func (f *Folder) clean() error {
	if err := f.root.RemoveAll(tempDir); err != nil {
		return err
	}
	if err := f.root.Mkdir(tempDir, 0o700); err != nil {
		return err
	}
	return f.syncDir(".")
}

// Put implements Store: a file in .tmp is written, checked and fsynced, renamed
// to its key, and the folder that now names it is fsynced.
func (f *Folder) Put(ctx context.Context, key string, r io.Reader, want *Expect) error {
	const op = "storing file"
	if err := CheckKey(key); err != nil {
		return err
	}
	temp := path.Join(tempDir, rand.Text())
	if err := f.writeTemp(ctx, temp, r, want); err != nil {
		_ = f.root.Remove(temp) // it may not be there; the next OpenFolder takes what stays
		return folderError(op+" "+key, err)
	}
	if err := f.publish(temp, key); err != nil {
		_ = f.root.Remove(temp)
		return folderError(op+" "+key, err)
	}
	return nil
}

func (f *Folder) writeTemp(ctx context.Context, temp string, r io.Reader, want *Expect) (err error) {
	file, err := f.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := copyChecked(ctx, file, r, want); err != nil {
		return err
	}
	return file.Sync()
}

// publish gives a finished file its key. Folders on the way are made one by
// one, each fsynced into its parent: a rename into a folder that a power cut
// takes away would be lost with it.
func (f *Folder) publish(temp, key string) error {
	dir := path.Dir(key)
	if err := f.makeDir(dir); err != nil {
		return err
	}
	if err := f.root.Rename(temp, key); err != nil {
		return err
	}
	return f.syncDir(dir)
}

func (f *Folder) makeDir(dir string) error {
	if dir == "." {
		return nil
	}
	if info, err := f.root.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	parent := path.Dir(dir)
	if err := f.makeDir(parent); err != nil {
		return err
	}
	if err := f.root.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return f.syncDir(parent)
}

func (f *Folder) syncDir(dir string) error {
	d, err := f.root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Open implements Store.
func (f *Folder) Open(ctx context.Context, key string) (File, error) {
	op := "opening file " + key
	if err := CheckKey(key); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, folderError(op, err)
	}
	// O_NONBLOCK: a fifo that somebody put there must not hang the edge.
	file, err := f.root.OpenFile(key, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, folderError(op, err)
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		_ = file.Close()
		return nil, folderError(op, err)
	}
	return &folderFile{File: file, size: info.Size(), modTime: info.ModTime()}, nil
}

// Exists implements Store.
func (f *Folder) Exists(ctx context.Context, key string) (bool, error) {
	op := "looking for file " + key
	if err := CheckKey(key); err != nil {
		return false, err
	}
	if err := ctx.Err(); err != nil {
		return false, folderError(op, err)
	}
	info, err := f.root.Stat(key)
	if isAbsent(err) {
		return false, nil
	}
	if err != nil {
		return false, folderError(op, err)
	}
	return info.Mode().IsRegular(), nil
}

// Delete implements Store.
func (f *Folder) Delete(ctx context.Context, key string) error {
	exists, err := f.Exists(ctx, key) // a folder of other keys is not ours to remove
	if err != nil || !exists {
		return err
	}
	if err := f.root.Remove(key); err != nil && !isAbsent(err) {
		return folderError("deleting file "+key, err)
	}
	if err := f.syncDir(path.Dir(key)); err != nil {
		return folderError("deleting file "+key, err)
	}
	return nil
}

type folderFile struct {
	*os.File
	size    int64
	modTime time.Time
}

func (f *folderFile) Size() int64        { return f.size }
func (f *folderFile) ModTime() time.Time { return f.modTime }

// isAbsent also counts ENOTDIR: a key below another key's file is not there.
func isAbsent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// folderError classes what the file system said. An error that has a kind, such
// as one of the reader's, keeps it.
func folderError(op string, err error) error {
	var classed *sealift.Error
	switch {
	case errors.As(err, &classed):
		return &sealift.Error{Kind: classed.Kind, Op: op, Reason: classed.Reason, Err: err}
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):
		return sealift.Errorf(sealift.KindExhausted, op, "%w", err).WithReason("disk_full").
			WithHint("make room on the disk that holds the data folder, or raise its quota, and try again")
	case errors.Is(err, syscall.EISDIR), errors.Is(err, fs.ErrExist):
		return sealift.Errorf(sealift.KindConflict, op, "the key is a folder of other keys: %w", err)
	case isAbsent(err):
		return sealift.Errorf(sealift.KindNotFound, op, "%w", err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return sealift.Errorf(sealift.KindInternal, op, "%w", err).
			WithHint("let the user that runs the server write to the data folder")
	}
	return sealift.Errorf(sealift.KindInternal, op, "%w", err)
}
