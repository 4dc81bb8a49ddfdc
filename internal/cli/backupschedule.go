package cli

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/backup"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/installation"
)

// BackupOptions are the flags by which a server makes backups by itself.
type BackupOptions struct {
	Dir        string        `placeholder:"DIR" help:"Folder for backups that the server makes by itself; on another disk. Without it: none."`
	Recipients string        `placeholder:"FILE" help:"Who can open them: age recipients, one a line, as sealift backup keygen prints them."`
	Every      time.Duration `default:"24h" placeholder:"DURATION" help:"How often, an hour at the least."`
	Keep       int           `default:"7" placeholder:"N" help:"How many of the newest are kept."`
	KeepFor    time.Duration `placeholder:"DURATION" help:"Keep those that are younger than this, too."`
}

// schedule checks that the flags go together; nil is none.
func (o BackupOptions) schedule(std *IO) (*installation.Schedule, error) {
	const op = "reading the flags of backups"
	switch {
	case o.Dir == "" && o.Recipients == "":
		return nil, nil
	case o.Dir == "" || o.Recipients == "":
		return nil, sealift.Errorf(sealift.KindInvalid, op, "--backup-dir and --backup-recipients go together").WithHint("give both, or neither")
	case o.Every < time.Hour:
		return nil, sealift.Errorf(sealift.KindInvalid, op, "a backup every %s is more than the disk and the log bear", o.Every).WithHint("use --backup-every 1h or more")
	case o.Keep < 1 || o.KeepFor < 0:
		return nil, sealift.Errorf(sealift.KindInvalid, op, "--backup-keep %d keeps nothing", o.Keep).WithHint("keep one at the least")
	}
	recipients, err := backup.Recipients(o.Recipients)
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(o.Dir); err != nil || !info.IsDir() {
		return nil, sealift.Errorf(sealift.KindNotFound, op, "there is no folder %s", o.Dir).WithHint("make it, for the user that the server runs as: mkdir -m 700 %s", o.Dir)
	}
	return &installation.Schedule{Dir: o.Dir, Recipients: recipients, Every: o.Every, Keep: o.Keep, KeepFor: o.KeepFor, Program: std.Build.Version}, nil
}

// vouchForLog says how devices come to follow a new log.
const vouchForLog = "hold the ceremony that names its new log keys: sealift trust propose --help"

// warnOfRestore says what a restore left for people to do.
func warnOfRestore(ctx context.Context, std *IO, i *installation.Installation) error {
	s, err := i.BackupStatus(ctx)
	if err == nil && s.Restore != nil && !s.Restore.Settled && s.Restore.NewLog {
		std.Warn("the vault was restored from a backup of %s alone: devices that saw a release since refuse its log\n%s", s.Restore.Created.UTC().Format(time.RFC3339), vouchForLog)
	}
	return err
}

// backups looks how old the last good backup is, and what a restore left to do.
func (d *doctor) backups(ctx context.Context) {
	s, err := d.client.Backups(ctx)
	if err != nil {
		d.unseen("backups", err)
		return
	}
	d.lastBackup(s)
	switch r := s.Restore; {
	case r == nil || r.Settled:
	case !r.Directed:
		d.found("restore", stateFailed, "the vault was restored at %s, and has signed nothing anew since", toMinute(r.Restored)).Hint = "see the server's log"
	case r.NewLog:
		d.found("restore", stateFailed, "devices that saw a release after the backup of %s refuse the log as it is since the restore", toMinute(r.Created)).Hint = vouchForLog
	}
}

func toMinute(at time.Time) string { return at.UTC().Format("2006-01-02 15:04Z") }

func (d *doctor) lastBackup(s api.BackupStatus) {
	const check = "backups"
	var good *api.Backup
	for i := range s.Backups {
		if s.Backups[i].Problem == "" {
			good = &s.Backups[i]
			break
		}
	}
	every := time.Duration(s.Every) * time.Second
	switch {
	case good == nil && len(s.Backups) == 0:
		d.found(check, stateWarning, "none was ever made").Hint = "make one with: sealift backup create, or by itself: sealift server --backup-dir DIR --backup-recipients FILE"
	case good == nil:
		d.found(check, stateFailed, "none could be made; the last try, at %s: %s", toMinute(s.Backups[0].Created), s.Backups[0].Problem).Hint = "see the server's log, and the disk that they are on"
	default:
		age := d.now.Sub(good.Created)
		said := fmt.Sprintf("the last good one was begun at %s, %s ago", toMinute(good.Created), age.Round(time.Minute))
		problem := s.Backups[0].Problem
		switch {
		case problem != "":
			d.found(check, stateFailed, "%s; since then: %s", said, problem).Hint = "see the server's log, and the disk that they are on"
		case every > 0 && age > 2*every:
			d.found(check, stateFailed, "%s, and one is due every %s", said, every).Hint = "see the server's log"
		case age > 8*24*time.Hour:
			d.found(check, stateWarning, "%s", said).Hint = "make one now: sealift backup create; or by itself: sealift server --backup-dir DIR --backup-recipients FILE"
		default:
			d.found(check, stateOK, "%s", said)
		}
	}
}
