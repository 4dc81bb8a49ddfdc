//go:build unix

package client

import (
	"errors"
	"os"
	"syscall"

	"github.com/sealift/sealift"
)

// lockFile takes an advisory lock (flock), which the kernel gives back when
// the process ends.
func lockFile(file *os.File) error {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return sealift.Errorf(sealift.KindConflict, "locking "+file.Name(), "another process works in this folder").
			WithReason("locked").WithHint("wait for it to end, or give this one a folder of its own")
	}
	return err
}
