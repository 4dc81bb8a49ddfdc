package vault

import (
	"golang.org/x/sys/unix"

	"github.com/sealift/sealift"
)

// newPage maps an anonymous page, excludes it from core dumps and asks the
// kernel to keep it out of swap. A process whose RLIMIT_MEMLOCK is 0 goes on
// without the last: Status says so.
func newPage() (*page, error) {
	b, err := unix.Mmap(-1, 0, pageSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInternal, "reserving memory for the root key", "%w", err)
	}
	p := newPageOf(b, unmap)
	if err := unix.Madvise(b, unix.MADV_DONTDUMP); err != nil {
		unmap(b)
		return nil, sealift.Errorf(sealift.KindInternal, "keeping the root key out of core dumps", "%w", err)
	}
	p.locked = unix.Mlock(b) == nil
	return p, nil
}

// unmap gives a page back, which unlocks it too. An error would mean that the
// address was never ours; there is nothing left to do about it.
func unmap(b []byte) { _ = unix.Munmap(b) }

// HardenProcess sets PR_SET_DUMPABLE to 0: the kernel writes no core dump of
// this process, and other processes of the same user can neither trace it nor
// read its /proc/<pid>/mem. A server calls it once, before it unseals. It
// fails with KindInternal if the kernel refuses.
func HardenProcess() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return sealift.Errorf(sealift.KindInternal, "forbidding core dumps", "%w", err)
	}
	return nil
}
