package installation_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift/internal/backup"
	"github.com/sealift/sealift/internal/installation"
)

// TestSchedule lets days pass: a backup a day, the newest are kept, a failure
// keeps the old ones and is told, and files of others are left alone.
func TestSchedule(t *testing.T) {
	d := newDrill(t)
	d.stop()
	dir := t.TempDir()
	schedule := &installation.Schedule{Dir: dir, Recipients: []backup.Recipient{d.identity.Recipient()}, Every: 24 * time.Hour, Keep: 2, KeepFor: 60 * time.Hour}
	start := func() {
		var err error
		d.i, err = installation.Open(d.Context(), d.data(), installation.Options{Now: d.now, Backups: schedule})
		d.check(err)
	}
	start()
	for _, name := range []string{"mine.backup", "sealift-00000000000000000000000000000000-20200101T000000Z.backup"} {
		d.check(os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	made := func() (names []string) {
		entries, err := os.ReadDir(dir)
		d.check(err)
		for _, e := range entries {
			if !strings.HasPrefix(e.Name(), "mine") && !strings.HasPrefix(e.Name(), "sealift-0000") {
				names = append(names, e.Name())
			}
		}
		return names
	}
	for day, want := range []int{1, 2, 3, 3, 3} { // two, and what is younger than 60 hours
		d.check(d.i.BackUpIfDue(d.Context()))
		d.check(d.i.BackUpIfDue(d.Context())) // not due again
		if got := made(); len(got) != want {
			t.Errorf("day %d: %q", day, got)
		}
		d.clock = d.clock.Add(24 * time.Hour)
	}
	last := made()
	if _, err := os.Stat(filepath.Join(dir, "mine.backup")); err != nil {
		t.Error(err)
	}

	// The disk refuses: the old ones stay, and the API says so; it is tried again
	// soon, and works when there is room.
	d.check(os.Chmod(dir, 0o700))
	schedule.Dir = filepath.Join(dir, "gone")
	if err := d.i.BackUpIfDue(d.Context()); err == nil {
		t.Fatal("made a backup in a folder that is not there")
	}
	status, err := d.i.BackupStatus(d.Context())
	d.check(err)
	if len(status.Backups) != 6 || status.Backups[0].Problem == "" || status.Backups[1].Problem != "" || status.Every != 24*time.Hour {
		t.Errorf("%+v", status)
	}
	if got := made(); len(got) != len(last) {
		t.Errorf("%q, before %q", got, last)
	}
	schedule.Dir = dir
	d.check(d.i.BackUpIfDue(d.Context())) // not yet
	d.clock = d.clock.Add(16 * time.Minute)
	// What a killed server left is swept up.
	partial := filepath.Join(dir, "."+last[0]+".123.partial")
	d.check(os.WriteFile(partial, []byte("half"), 0o600))
	d.check(d.i.BackUpIfDue(d.Context()))
	newest := made()
	if status, err = d.i.BackupStatus(d.Context()); err != nil || status.Backups[0].Problem != "" || filepath.Base(status.Backups[0].File) != newest[len(newest)-1] {
		t.Errorf("%+v, %v", status, err)
	}
	if _, err := os.Stat(partial); err == nil {
		t.Error("half a backup was left")
	}
	name := newest[len(newest)-1]
	_, err = installation.VerifyBackup(d.Context(), installation.Examining{
		File: filepath.Join(dir, name), Identities: []backup.Identity{d.identity}, Root: d.firstRoot(), By: local, Now: d.now(),
	})
	d.check(err)
	d.check(d.i.Close())
	d.start()
}
