//go:build unix

package config

import (
	"errors"
	"os"
	"syscall"
)

// tryLock takes an advisory lock that the kernel gives back when the process
// ends, however it ends. The file stays: to remove it would let two processes
// hold locks on two files of one name.
func tryLock(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errLocked
	}
	return err
}
