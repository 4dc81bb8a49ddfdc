package vault

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The kernel is asked what it makes of the page: "dd" is left out of core
// dumps, "lo" is locked.
func TestPageIsLockedAndNotDumped(t *testing.T) {
	p, err := newPage()
	if err != nil {
		t.Fatal(err)
	}
	defer p.wipe()
	flags := vmFlags(t, uintptr(unsafe.Pointer(&p.bytes()[0])))
	if !strings.Contains(flags, " dd") {
		t.Errorf("flags %q: the page is in core dumps", flags)
	}
	if strings.Contains(flags, " lo") != p.locked {
		t.Errorf("flags %q, locked %v", flags, p.locked)
	}
}

func vmFlags(t *testing.T, address uintptr) string {
	t.Helper()
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	inside := false
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var from, to uintptr
		if n, _ := fmt.Sscanf(lines.Text(), "%x-%x ", &from, &to); n == 2 {
			inside = from <= address && address < to
		}
		if flags, ok := strings.CutPrefix(lines.Text(), "VmFlags:"); ok && inside {
			return flags
		}
	}
	t.Fatal("the page is not mapped")
	return ""
}

func TestHardenProcess(t *testing.T) {
	before, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := HardenProcess(); err != nil {
		t.Fatal(err)
	}
	now, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil || now != 0 {
		t.Errorf("dumpable: %d, %v", now, err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, uintptr(before), 0, 0, 0); err != nil {
		t.Error(err)
	}
}
