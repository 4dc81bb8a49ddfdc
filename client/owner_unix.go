//go:build unix

package client

import (
	"io/fs"
	"os"
	"syscall"

	"github.com/sealift/sealift"
)

// checkFolder refuses a device's folder that somebody else may change: who may
// put another state.json, link or bundle there needs to break nothing.
func checkFolder(files Files, dir string) error {
	const op = "opening a device"
	folder, err := files.Open(".")
	if err != nil {
		return diskError(op, err)
	}
	defer folder.Close()
	info, err := folder.Stat()
	if err != nil {
		return diskError(op, err)
	}
	return checkOwner(info, dir, os.Geteuid())
}

// checkOwner is checkFolder for a process of the user uid. Storage that is no
// file system of this machine names no owner.
func checkOwner(info fs.FileInfo, dir string, uid int) error {
	const op = "opening a device"
	if mode := info.Mode().Perm(); mode&0o022 != 0 {
		return sealift.Errorf(sealift.KindDenied, op, "others may write to %s: its mode is %#o", dir, mode).WithReason("permission").
			WithHint("chmod go-w it if nobody has; otherwise begin with an empty folder and enrol anew")
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && int64(stat.Uid) != int64(uid) {
		return sealift.Errorf(sealift.KindDenied, op, "%s belongs to user %d, this process is of user %d", dir, stat.Uid, uid).WithReason("permission").
			WithHint("run as the user that owns the folder, or choose another one")
	}
	return nil
}
