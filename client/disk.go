package client

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"

	"github.com/sealift/sealift"
)

// Files implements Host. Names are resolved by os.Root, which refuses to leave
// the folder by "..", by an absolute name or through a link.
func (s *System) Files(dir string) (Files, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, diskError("opening "+dir, err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, diskError("opening "+dir, err)
	}
	return folder{root}, nil
}

// folder is Files on a real disk.
type folder struct{ root *os.Root }

// Lock implements Files. The lock goes with the process, however it ends.
func (f folder) Lock(name string) (io.Closer, error) {
	file, err := f.root.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lockFile(file); err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

// ReadFile implements Files.
func (f folder) ReadFile(name string, max int64) ([]byte, error) {
	file, err := f.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, max+1))
	if err == nil && int64(len(data)) > max {
		err = fmt.Errorf("%s is larger than %d bytes", name, max)
	}
	return data, err
}

// newSuffix ends the name of a file that is about to take another's place.
const newSuffix = ".new"

// WriteFile implements Files: a new file, synced, renamed over the old one,
// and the folder synced. One process writes at a time, so one name does for
// the new file, and a leftover of a crash is simply written over.
func (f folder) WriteFile(name string, data []byte, perm fs.FileMode) error {
	if err := f.writeNew(name+newSuffix, data, perm); err != nil {
		return err
	}
	if err := f.root.Rename(name+newSuffix, name); err != nil {
		return err
	}
	return f.Sync(path.Dir(name))
}

func (f folder) writeNew(name string, data []byte, perm fs.FileMode) error {
	if err := f.root.RemoveAll(name); err != nil {
		return err
	}
	file, err := f.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// Open implements Files.
func (f folder) Open(name string) (fs.File, error) { return f.root.Open(name) }

// Append implements Files.
func (f folder) Append(name string) (File, error) {
	return f.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
}

// Create implements Files.
func (f folder) Create(name string, perm fs.FileMode) (File, error) {
	return f.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
}

// MkdirAll implements Files.
func (f folder) MkdirAll(name string) error { return f.root.MkdirAll(name, 0o755) }

// Names implements Files.
func (f folder) Names(name string) ([]string, error) {
	dir, err := f.root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return dir.Readdirnames(-1)
}

// Sync implements Files.
func (f folder) Sync(name string) error {
	dir, err := f.root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Rename implements Files.
func (f folder) Rename(from, to string) error { return f.root.Rename(from, to) }

// RemoveAll implements Files.
func (f folder) RemoveAll(name string) error { return f.root.RemoveAll(name) }

// Link implements Files: a new link, renamed over the old one.
func (f folder) Link(target, name string) error {
	if err := f.root.RemoveAll(name + newSuffix); err != nil {
		return err
	}
	if err := f.root.Symlink(filepath.FromSlash(target), name+newSuffix); err != nil {
		return err
	}
	if err := f.root.Rename(name+newSuffix, name); err != nil {
		return err
	}
	return f.Sync(path.Dir(name))
}

// ReadLink implements Files.
func (f folder) ReadLink(name string) (string, error) {
	target, err := f.root.Readlink(name)
	return filepath.ToSlash(target), err
}

// Close implements Files.
func (f folder) Close() error { return f.root.Close() }

// diskError makes the typed error of a failed disk operation.
func diskError(op string, err error) error {
	var typed *sealift.Error
	switch {
	case errors.As(err, &typed):
		return err
	case errors.Is(err, syscall.ENOSPC):
		return sealift.Errorf(sealift.KindExhausted, op, "%w", err).WithReason("disk-full").
			WithHint("free some space on the disk and try again; what is installed stays as it is")
	case errors.Is(err, fs.ErrPermission):
		return sealift.Errorf(sealift.KindDenied, op, "%w", err).WithReason("permission").
			WithHint("run as the user that owns the folder, or choose another one")
	}
	return sealift.Errorf(sealift.KindInternal, op, "%w", err).WithReason("disk")
}
