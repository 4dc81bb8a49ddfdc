package client

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"sync"

	"github.com/sealift/sealift"
)

// syncWorkers is how many files are synced at a time while the next ones are
// written: a disk takes many syncs at once for hardly more than one.
const syncWorkers = 4

// folderSink is a bundle.Sink that writes into a folder. Nothing of it is
// durable before finish returned nil.
type folderSink struct {
	files Files
	dir   string
	dirs  map[string]bool // made, all within dir

	queue   chan File
	workers sync.WaitGroup
	mu      sync.Mutex
	err     error // the first one of the workers
}

// newFolderSink makes an empty folder in the place of what was there.
func newFolderSink(files Files, dir string) (*folderSink, error) {
	if err := files.RemoveAll(dir); err != nil {
		return nil, err
	}
	if err := files.MkdirAll(dir); err != nil {
		return nil, err
	}
	s := &folderSink{files: files, dir: dir, dirs: map[string]bool{dir: true}, queue: make(chan File)}
	for range syncWorkers {
		s.workers.Go(s.syncFiles)
	}
	return s, nil
}

func (s *folderSink) syncFiles() {
	for f := range s.queue {
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			s.mu.Lock()
			s.err = errors.Join(s.err, err)
			s.mu.Unlock()
		}
	}
}

const sinkOp = "writing the bundle"

// Create implements bundle.Sink. Package bundle has checked the name; that one
// which is taken, or leads out of the folder, is an error here as well.
func (s *folderSink) Create(name string, _ int64, executable bool) (io.WriteCloser, error) {
	if !fs.ValidPath(name) {
		return nil, sealift.Errorf(sealift.KindIntegrity, sinkOp, "%q is no path within a bundle", name).WithReason("path")
	}
	full := path.Join(s.dir, name)
	if err := s.makeDir(path.Dir(full)); err != nil {
		return nil, diskError(sinkOp, err)
	}
	mode := fs.FileMode(0o644)
	if executable {
		mode = 0o755
	}
	f, err := s.files.Create(full, mode)
	if err != nil {
		return nil, diskError(sinkOp, err)
	}
	return &sinkFile{f, s}, nil
}

func (s *folderSink) makeDir(dir string) error {
	if s.dirs[dir] {
		return nil
	}
	if err := s.files.MkdirAll(dir); err != nil {
		return err
	}
	for ; !s.dirs[dir]; dir = path.Dir(dir) {
		s.dirs[dir] = true
	}
	return nil
}

// sinkFile is a file of the bundle while it is written.
type sinkFile struct {
	File
	sink *folderSink
}

// Write implements io.Writer.
func (f *sinkFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	if err != nil {
		return n, diskError(sinkOp, err)
	}
	return n, nil
}

// Close hands the file to a worker, which syncs and closes it.
func (f *sinkFile) Close() error {
	f.sink.queue <- f.File
	return nil
}

// finish waits until all files are durable and makes their folders so.
func (s *folderSink) finish() error {
	s.abandon()
	err := s.err
	// The longest names first: a folder after those in it.
	for _, dir := range slices.Backward(slices.Sorted(maps.Keys(s.dirs))) {
		if err == nil {
			err = s.files.Sync(dir)
		}
	}
	if err == nil {
		err = s.files.Sync(path.Dir(s.dir))
	}
	if err != nil {
		return diskError(sinkOp, err)
	}
	return nil
}

// abandon ends the workers. Only the first call does anything.
func (s *folderSink) abandon() {
	if s.queue != nil {
		close(s.queue)
		s.workers.Wait()
		s.queue = nil
	}
}
