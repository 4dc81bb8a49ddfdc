package backup

import (
	"context"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/trust"
)

// Format names the format of a backup; a reader refuses any other.
const Format = "sealift/backup/v1"

const (
	headerName   = "backup.json"
	manifestName = "manifest.json"
	rowsFolder   = "rows/"
	blobsFolder  = "blobs/"
)

// Header says what a backup is.
type Header struct {
	Format  string          `json:"format"`
	Vault   sealift.VaultID `json:"vault"`
	Root    sealift.Digest  `json:"root"`    // of the first root.json, which devices begin with
	Created time.Time       `json:"created"` // when it was begun
	Program string          `json:"program"` // version of the sealift that wrote it
	Schema  int64           `json:"schema"`  // number of the last migration
	Tables  []store.Table   `json:"tables"`  // in the order in which their rows follow
	State   State           `json:"state"`
}

// State is how far the vault had come: what the next of each must exceed, by
// what the backup alone knows.
type State struct {
	Entries    int64                             `json:"entries"`    // of the log
	Checkpoint int64                             `json:"checkpoint"` // entries that the newest checkpoint covers
	Versions   map[string]int64                  `json:"versions"`   // of the top-level roles of the TUF metadata
	Releases   map[sealift.AppID]sealift.Counter `json:"releases"`   // the newest of each app
}

// Manifest is what was written, to compare what is read with.
type Manifest struct {
	Parts   []Part           `json:"parts"`   // of rows, in their order
	Rows    map[string]int64 `json:"rows"`    // by table
	Blobs   int64            `json:"blobs"`   // how many; each is named by its own SHA-256
	Bytes   int64            `json:"bytes"`   // of all blobs
	Missing []sealift.Digest `json:"missing"` // blobs that rows name and that were not in the published tree
}

// Part is one piece of rows.
type Part struct {
	Name   string         `json:"name"`
	Length int64          `json:"length"` // bytes
	Digest sealift.Digest `json:"sha256"`
}

// describe reads what a header says of a store.
func describe(ctx context.Context, tx store.Tx) (h Header, err error) {
	content, err := tx.Document(ctx, trust.TrustPath)
	if err != nil {
		return h, err
	}
	trusted, err := trust.ParseTrust(content)
	if err != nil {
		return h, err
	}
	first, err := tx.Root(ctx, 1)
	if err != nil {
		return h, err
	}
	h = Header{Format: Format, Vault: trusted.Vault, Root: sealift.DigestOf(first.Content)}
	if h.Schema, err = tx.Schema(ctx); err != nil {
		return h, err
	}
	if h.Tables, err = tx.Tables(ctx); err != nil {
		return h, err
	}
	h.State, err = stateOf(ctx, tx)
	return h, err
}

func stateOf(ctx context.Context, tx store.Tx) (s State, err error) {
	s = State{Versions: map[string]int64{}, Releases: map[sealift.AppID]sealift.Counter{}}
	if s.Entries, err = tx.AuditSize(ctx); err != nil {
		return s, err
	}
	if s.Checkpoint, _, err = tx.LatestCheckpoint(ctx); err != nil {
		return s, err
	}
	for _, role := range []string{"root", "targets", "snapshot", "timestamp"} {
		m, err := tx.Metadata(ctx, role)
		if err != nil {
			return s, err
		}
		s.Versions[role] = m.Version
	}
	apps, err := tx.Apps(ctx)
	for _, app := range apps {
		newest, err := tx.Releases(ctx, app.ID, store.ReleaseFilter{Limit: 1})
		if err != nil {
			return s, err
		}
		if len(newest) > 0 {
			s.Releases[app.ID] = newest[0].Counter
		}
	}
	return s, err
}
