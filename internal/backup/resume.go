package backup

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/blob"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/trust/tufrepo"
)

// Resuming says how a restored store is to go on.
type Resuming struct {
	Header Header
	By     audit.Actor
	Now    time.Time
	// Published is the published tree of before, where it survived; else nil.
	Published Tree
	// Blobs is where blobs go that the backup lacks and Published has.
	Blobs blob.Store
	// Missing are blobs that the backup lacks.
	Missing []sealift.Digest
}

// Resumed says what a restored store goes on with.
type Resumed struct {
	Restore  store.Restore
	Releases []string // that came back from the published tree
	// Losses says what was published and did not come back, a line each.
	Losses []string
	// Missing are blobs that are in neither the backup nor the published tree.
	Missing []sealift.Digest
	// Rollouts are those that the backup has as running or waiting, a line each. The
	// vault pauses them when it is opened: they may have been stopped since.
	Rollouts []string
}

// Resume makes a store whose rows came from a backup, and have the newest
// schema, go on above all that was published, in one transaction, of which the
// last entry of the log tells. Nothing is signed: the vault is sealed, and signs
// everything anew once it is open. A published tree that is of another vault or
// another history is KindConflict with reason "foreign-tree".
func Resume(ctx context.Context, tx store.Tx, r Resuming) (Resumed, error) {
	s := &resuming{Resuming: r, ctx: ctx, tx: tx, versions: map[string]int64{}, counters: map[sealift.AppID]sealift.Counter{}}
	s.out.Missing = r.Missing
	s.out.Restore = store.Restore{Restored: r.Now.UTC().Truncate(time.Microsecond), Created: r.Header.Created, Entries: r.Header.State.Entries}
	before, err := tx.Restores(ctx)
	if err != nil {
		return s.out, err
	}
	// Each has a time of its own, and the newest is this one, wherever the clock stands.
	if len(before) > 0 && !s.out.Restore.Restored.After(before[0].Restored) {
		s.out.Restore.Restored = before[0].Restored.Add(time.Microsecond)
	}
	if r.Published != nil {
		if err := s.published(); err != nil {
			return s.out, err
		}
	}
	for _, step := range []func() error{s.raiseVersions, s.raiseCounters, s.openRollouts} {
		if err := step(); err != nil {
			return s.out, err
		}
	}
	return s.out, s.record()
}

type resuming struct {
	Resuming
	ctx      context.Context
	tx       store.Tx
	versions map[string]int64 // published, by role
	counters map[sealift.AppID]sealift.Counter
	tree     *tufrepo.Published
	leaves   map[[32]byte][]byte // of entries that the published tree tells of, by their hashes
	out      Resumed
}

func (s *resuming) lose(format string, args ...any) {
	s.out.Losses = append(s.out.Losses, fmt.Sprintf(format, args...))
}

// raiseVersions sets the floors of what is signed online. Root and targets are
// people's, who go on from what they have.
func (s *resuming) raiseVersions() error {
	for _, role := range append([]string{"snapshot", "timestamp"}, tufrepo.Bins()...) {
		have, err := s.tx.Metadata(s.ctx, role)
		if err != nil {
			return err
		}
		if err := s.tx.RaiseVersion(s.ctx, role, max(have.Version, s.versions[role])+sealift.RestoreVersions); err != nil {
			return err
		}
	}
	return nil
}

func (s *resuming) raiseCounters() error {
	apps, err := s.tx.Apps(s.ctx)
	if err != nil {
		return err
	}
	for _, app := range apps {
		next, err := s.tx.NextCounter(s.ctx, app.ID) // the only way to read the last one
		if err != nil {
			return err
		}
		if err := s.tx.RaiseCounter(s.ctx, app.ID, max(next, s.counters[app.ID])+sealift.RestoreCounters); err != nil {
			return err
		}
	}
	return nil
}

// openRollouts says which roll-outs people will have to look at.
func (s *resuming) openRollouts() error {
	rows, err := s.tx.OpenRollouts(s.ctx)
	for _, r := range rows {
		s.out.Rollouts = append(s.out.Rollouts, fmt.Sprintf("%s %s of %s on %s, at %s percent", r.App, r.Version, r.Channel, r.Platform, r.Share))
	}
	return err
}

// record enters the restore into the log it goes on with.
func (s *resuming) record() error {
	restore := &s.out.Restore
	details := map[string]string{
		"backup": s.Header.Created.UTC().Format(time.RFC3339), "entries": fmt.Sprint(restore.Entries),
		"published": fmt.Sprint(s.Published != nil), "releases": clip(strings.Join(s.out.Releases, ", ")),
	}
	entry := audit.Entry{
		Time: restore.Restored, Actor: s.By, Action: audit.ActionRestore, Subject: "vault:" + string(s.Header.Vault), Result: audit.OK, Details: details,
	}
	size, err := s.tx.AuditSize(s.ctx)
	if err != nil {
		return err
	}
	entry.LoseEntries(size-restore.Lost, restore.Lost)
	details[audit.RestoreDetail] = restore.RowName()
	if _, err := audit.Append(s.ctx, s.tx, entry); err != nil {
		return err
	}
	return s.tx.PutRestore(s.ctx, *restore)
}

// clip bounds what an entry says of many things.
func clip(text string) string {
	const most = 4 << 10
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + " …"
	}
	return text
}
