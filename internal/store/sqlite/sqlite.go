// Package sqlite keeps a store in one SQLite file.
//
// The file has a write-ahead log beside it (path-wal, path-shm), and both are
// part of the store: copying the file alone while it is open loses rows, and
// whoever opens and closes it in the same process, by other means than this
// package, takes SQLite's locks off it (sqlite.org/howtocorrupt.html, section
// 2.2). A transaction is in the log and fsynced when Update returns (WAL with
// synchronous=FULL), so that neither a killed process nor a power cut takes it
// back. What is deleted or overwritten is zeroed (secure_delete), and so gone
// from the file once the log has been written back to it.
//
// One connection writes; Updates wait for it in turn, and those that wait share
// one commit, and so one fsync. Views read on a few others, each on the state it
// first looked at, and neither wait for Updates nor hold them up. Another process
// may have the file open as well: its writes are waited for, up to
// sealift.StoreBusyTimeout.
//
// The schema is in migrations, and Open brings a file up to date. What is done
// with it is in package sqlstore.
package sqlite

import (
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlstore"
)

// DB is a store in a SQLite file. It is safe for concurrent use. The last of its
// connections to be closed writes the log back to the file and removes it.
type DB struct {
	*sqlstore.DB
}

var _ store.Store = (*DB)(nil)
