package bench

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// describeMachine says what of a machine the figures depend on.
func describeMachine(tb testing.TB) string {
	words := []string{fmt.Sprintf("%d cores", runtime.NumCPU()), runtime.GOOS + "/" + runtime.GOARCH, runtime.Version()}
	info, err := os.ReadFile("/proc/cpuinfo")
	check(tb, err)
	for _, feature := range []struct{ flag, name string }{{"sha_ni", "SHA-NI"}, {"vaes", "VAES"}} {
		has := "no "
		if slices.Contains(strings.Fields(string(info)), feature.flag) {
			has = ""
		}
		words = append(words, has+feature.name)
	}
	return strings.Join(words, ", ")
}

// watchMachine returns a function that says how many cores, on average since
// now, were busy with other things than this benchmark and its children: on a
// machine where that is much, figures of time are worth little.
func watchMachine(tb testing.TB) (others func() float64) {
	begin, all, own := time.Now(), busyTime(tb), processorTime()+childrenTime()
	return func() float64 {
		ours := processorTime() + childrenTime() - own
		return max(0, busyTime(tb)-all-ours) / time.Since(begin).Seconds()
	}
}

// ticks is how many a second there are in what the kernel says: USER_HZ.
const ticks = 100

// busyTime is the seconds that all cores together were not idle (proc_stat(5)).
func busyTime(tb testing.TB) (seconds float64) {
	stat, err := os.ReadFile("/proc/stat")
	check(tb, err)
	var user, nice, system, idle, wait, irq, softirq int64
	_, err = fmt.Sscanf(string(stat), "cpu %d %d %d %d %d %d %d", &user, &nice, &system, &idle, &wait, &irq, &softirq)
	check(tb, err)
	return float64(user+nice+system+irq+softirq) / ticks
}

// busyOf is the processor time of a process that runs (proc_pid_stat(5)).
func busyOf(tb testing.TB, pid int) (seconds float64) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	check(tb, err)
	_, rest, _ := strings.Cut(string(stat), ") ") // behind the name, which may be anything
	fields := strings.Fields(rest)
	var user, system float64
	_, err = fmt.Sscan(fields[11]+" "+fields[12], &user, &system)
	check(tb, err)
	return (user + system) / ticks
}

func processorTime() float64 { return usageOf(syscall.RUSAGE_SELF) }

// childrenTime is the processor time of children that have ended.
func childrenTime() float64 { return usageOf(syscall.RUSAGE_CHILDREN) }

func usageOf(who int) float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(who, &usage); err != nil {
		panic(err) // it knows no reason to fail
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}
