package installation

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/backup"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/release"
	"github.com/sealift/sealift/internal/store"
)

// Schedule says when a serving installation makes backups by itself, and how
// long they are kept.
type Schedule struct {
	Dir        string // a folder for them; files of other names in it are left alone
	Recipients []backup.Recipient
	Every      time.Duration
	Keep       int           // how many of the newest are kept at least
	KeepFor    time.Duration // those younger than this are kept besides
	Program    string        // version of this program
}

const (
	// backupLook is how often the server looks whether a backup is due.
	backupLook = time.Minute
	// backupRetry is how long after a failure it tries again.
	backupRetry = 15 * time.Minute
	// backupForm is the time in a backup's name.
	backupForm = "20060102T150405Z"
	// backupsShown is how many Backups returns.
	backupsShown = 10
)

// keepBackups makes a backup whenever the last good one is older than the
// schedule says, until ctx ends. What goes wrong is logged, in the vault's log as
// well, and tried again.
func (i *Installation) keepBackups(ctx context.Context) {
	if i.schedule == nil {
		return
	}
	tick := time.NewTicker(backupLook)
	defer tick.Stop()
	for {
		if err := i.backUpIfDue(ctx); err != nil && ctx.Err() == nil {
			i.log.Error("making a backup", "error", err, "hint", sealift.HintOf(err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// backUpIfDue makes a backup if one is due, and removes those that nobody wants
// any more, never before there is a new one.
func (i *Installation) backUpIfDue(ctx context.Context) error {
	rows, vaultID, err := i.backups(ctx, 1)
	if err != nil {
		return err
	}
	now := i.now().UTC()
	if len(rows) > 0 {
		wait := i.schedule.Every
		if rows[0].Problem != "" {
			wait = min(wait, backupRetry)
		}
		if now.Before(rows[0].Created.Add(wait)) {
			return nil
		}
	}
	prefix := "sealift-" + string(vaultID) + "-"
	i.sweep(prefix)
	made, err := backUp(ctx, i.store, i.published, Backing{
		File: filepath.Join(i.schedule.Dir, prefix+now.Format(backupForm)+".backup"), Recipients: i.schedule.Recipients,
		Program: i.schedule.Program, By: release.System("backup"), Now: i.now,
	})
	if err != nil {
		return err
	}
	i.log.Info("made a backup", "file", made.File, "bytes", made.Length, "missing", len(made.Manifest.Missing))
	return i.removeOld(ctx, prefix, now)
}

// backups returns the newest rows of backups, and whose they are.
func (i *Installation) backups(ctx context.Context, most int) (rows []store.Backup, id sealift.VaultID, err error) {
	status, err := i.Vault.Status(ctx)
	if err != nil {
		return nil, "", err
	}
	err = i.store.View(ctx, func(tx store.Tx) error {
		rows, err = tx.Backups(ctx, most)
		return err
	})
	return rows, status.Vault, err
}

// sweep removes what a killed server left half written. Nobody else writes files
// of this name: one process has a data folder.
func (i *Installation) sweep(prefix string) {
	left, err := filepath.Glob(filepath.Join(i.schedule.Dir, "."+prefix+"*.partial"))
	if err != nil {
		return
	}
	for _, path := range left {
		_ = os.Remove(path) // the next one tries again
	}
}

// removeOld removes the backups of this vault that are neither among the newest nor
// young.
func (i *Installation) removeOld(ctx context.Context, prefix string, now time.Time) error {
	entries, err := os.ReadDir(i.schedule.Dir)
	if err != nil {
		return folderError("removing old backups", err)
	}
	own := regexp.MustCompile(`^` + regexp.QuoteMeta(prefix) + `([0-9]{8}T[0-9]{6}Z)\.backup$`)
	var names []string // their order is that of their times
	for _, entry := range entries {
		if own.MatchString(entry.Name()) && entry.Type().IsRegular() {
			names = append(names, entry.Name())
		}
	}
	slices.Sort(names)
	var removed []string
	for _, name := range names[:max(0, len(names)-i.schedule.Keep)] {
		made, err := time.Parse(backupForm, own.FindStringSubmatch(name)[1])
		if err != nil || now.Sub(made) < i.schedule.KeepFor {
			continue
		}
		if err := os.Remove(filepath.Join(i.schedule.Dir, name)); err != nil {
			return folderError("removing old backups", err)
		}
		removed = append(removed, name)
	}
	if len(removed) == 0 {
		return nil
	}
	return i.store.Update(ctx, func(tx store.Tx) error {
		_, err := audit.Append(ctx, tx, audit.Entry{
			Time: now, Actor: release.System("backup"), Action: "backup.remove", Subject: "vault", Result: audit.OK,
			Details: map[string]string{"files": strings.Join(removed[max(0, len(removed)-backupsShown):], ", "), "count": fmt.Sprint(len(removed))},
		})
		return err
	})
}

// Backups implements service.Backups.
func (i *Installation) Backups(ctx context.Context, _ access.Caller) (service.BackupStatus, error) {
	return i.BackupStatus(ctx)
}

// BackupStatus says how it stands with backups, and with a restore.
func (i *Installation) BackupStatus(ctx context.Context) (service.BackupStatus, error) {
	var out service.BackupStatus
	if i.schedule != nil {
		out.Every = i.schedule.Every
	}
	err := i.store.View(ctx, func(tx store.Tx) error {
		rows, err := tx.Backups(ctx, backupsShown)
		if err != nil {
			return err
		}
		for _, row := range rows {
			out.Backups = append(out.Backups, service.Backup(row))
		}
		restores, err := tx.Restores(ctx)
		if err != nil || len(restores) == 0 {
			return err
		}
		r := restores[0]
		out.Restore = &service.Restore{
			Restored: r.Restored, Created: r.Created, Lost: r.Lost, Directed: r.Directed, NewLog: !r.Known, Settled: r.Settled,
		}
		return nil
	})
	return out, err
}
