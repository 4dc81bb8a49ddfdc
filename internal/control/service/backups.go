package service

import (
	"context"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
)

// Backups tell how it stands with backups, and with a restore.
type Backups interface {
	Backups(ctx context.Context, by access.Caller) (BackupStatus, error)
}

// BackupStatus is what is known of backups.
type BackupStatus struct {
	Every   time.Duration // how often the server makes one; 0 for never by itself
	Backups []Backup      // the newest of them, newest first
	Restore *Restore      // the last one; nil for none
}

// Backup is one that was made, or that could not be.
type Backup struct {
	Created time.Time
	File    string // by its path on the server's machine
	Length  int64  // bytes
	Digest  sealift.Digest
	Problem string // why there is none; empty for a good one
}

// Restore is the coming back of the vault from a backup.
type Restore struct {
	Restored time.Time
	Created  time.Time // when the backup was begun
	Lost     int64     // log entries of which the hashes alone are known
	Directed bool      // everything online was signed anew since
	// NewLog is whether devices that saw more of the log follow only once people
	// have vouched for a new one, and Settled whether there is nothing left to
	// do.
	NewLog, Settled bool
}
