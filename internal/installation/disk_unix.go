//go:build unix

package installation

import (
	"os"
	"syscall"
)

// sameDisk reports whether two folders are on one file system.
func sameDisk(a, b string) bool {
	one, err1 := os.Stat(a)
	two, err2 := os.Stat(b)
	if err1 != nil || err2 != nil {
		return false
	}
	x, ok1 := one.Sys().(*syscall.Stat_t)
	y, ok2 := two.Sys().(*syscall.Stat_t)
	return ok1 && ok2 && x.Dev == y.Dev
}
