package client

import (
	"io"
	"io/fs"
	"net"
	"net/http"
	"time"

	"github.com/sealift/sealift"
)

// Host is all that the library asks of the machine it runs on. System is the
// one for real machines; an app may wrap it to bring its own clock, its own
// way to the network or its own storage.
type Host interface {
	// Now is the machine's clock, in its local time, which QuietHours go by. It
	// may be wrong in either direction: see trusted time in the package comment.
	Now() time.Time
	// Transport carries HTTP requests. Redirects, caps, deadlines and rates are
	// the library's own and hold for any transport.
	Transport() http.RoundTripper
	// Files opens the folder dir, making it (0700) if it is missing. Nothing
	// outside of it is ever touched.
	Files(dir string) (Files, error)
}

// Files is a folder and what the library does in it. Names are slash-separated
// and relative to the folder; one that leads out of it is an error. A missing
// file is fs.ErrNotExist.
//
// WriteFile, Link and Sync are the durable steps: when they return nil, a
// power cut does not undo them, and when it comes before, the old content is
// still whole.
type Files interface {
	// Lock takes the folder's lock of that name for this process until the
	// Closer is closed, or fails at once with KindConflict.
	Lock(name string) (io.Closer, error)
	// ReadFile reads a file of at most max bytes.
	ReadFile(name string, max int64) ([]byte, error)
	// WriteFile puts data in place of what the file held, all or nothing.
	WriteFile(name string, data []byte, perm fs.FileMode) error
	// Open opens a file for reading.
	Open(name string) (fs.File, error)
	// Append opens a file for writing at its end, making it (0600) if missing.
	Append(name string) (File, error)
	// Create makes a new file; one that is there already is an error.
	Create(name string, perm fs.FileMode) (File, error)
	// MkdirAll makes a folder (0755) and those above it.
	MkdirAll(name string) error
	// Names lists a folder; a missing one is empty.
	Names(name string) ([]string, error)
	// Sync makes the entries of a folder durable.
	Sync(name string) error
	// Rename moves a file to a name that is free.
	Rename(from, to string) error
	// RemoveAll removes a file or a folder with all it holds, if it is there.
	RemoveAll(name string) error
	// Link points the symbolic link name at target, in one step even if it
	// pointed elsewhere.
	Link(target, name string) error
	// ReadLink says where a symbolic link points.
	ReadLink(name string) (string, error)
	// Close gives the folder back.
	Close() error
}

// File is a file that is being written.
type File interface {
	io.WriteCloser
	// Stat says how long the file is.
	Stat() (fs.FileInfo, error)
	// Truncate cuts the file to size bytes.
	Truncate(size int64) error
	// Sync makes the content durable.
	Sync() error
}

// System is the Host of a real machine: its clock, its network and its disk.
type System struct {
	transport http.RoundTripper
}

// NewSystem returns a System with a connection pool of its own, bounded as
// limits.go says, that honours the proxy settings of the environment.
func NewSystem() *System {
	dialer := &net.Dialer{Timeout: sealift.ConnectTimeout, KeepAlive: 30 * time.Second}
	return &System{&http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    sealift.ConnectTimeout,
		ResponseHeaderTimeout:  sealift.IdleTimeout,
		MaxResponseHeaderBytes: sealift.MaxHeader,
		MaxIdleConnsPerHost:    2,
		IdleConnTimeout:        90 * time.Second,
		// What is signed is the bytes as they are stored: nothing is decoded
		// underway, and a small answer cannot grow to a large one.
		DisableCompression: true,
	}}
}

// Now implements Host.
func (s *System) Now() time.Time { return time.Now() }

// Transport implements Host.
func (s *System) Transport() http.RoundTripper { return s.transport }
