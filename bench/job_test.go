package bench

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// jobVariable makes this program do one job in place of tests: its arguments
// are JSON on standard input, what it measured is JSON on standard output.
const jobVariable = "SEALIFT_BENCH_JOB"

// order is what a job works on; each takes what it needs.
type order struct {
	Source  string   `json:"source,omitempty"` // the folder that is published
	Base    string   `json:"base,omitempty"`   // the folder that was published before
	Out     string   `json:"out,omitempty"`    // a folder for what comes of it
	Command []string `json:"command,omitempty"`
}

// measure is what a job says of itself.
type measure struct {
	Seconds float64 `json:"seconds"` // on the wall
	CPU     float64 `json:"cpu"`     // seconds of processor time, user and system
	Peak    float64 `json:"peak"`    // most resident memory, MiB
	Output  string  `json:"output,omitempty"`
}

// jobs are what runs in a process of its own. Each gets a stopwatch, which it
// starts when its preparations are done.
var jobs = map[string]func(o order) (measure, error){
	"baseline":   timed(baseline),
	"seal":       timed(seal),
	"make-patch": timed(makePatch),
	"open-patch": timed(openPatch),
	"publish":    timed(publish),
	"program":    program,
	"verify-log": timed(verifyLog),
	"bare":       timed(serveBare),
}

func runJob(name string) error {
	job := jobs[name]
	if job == nil {
		return fmt.Errorf("there is no job %q", name)
	}
	var o order
	if err := json.NewDecoder(os.Stdin).Decode(&o); err != nil {
		return err
	}
	m, err := job(o)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(m)
}

// do runs a job after everything written before has reached the disk.
func do(tb testing.TB, name string, o order) measure {
	tb.Helper()
	input, err := json.Marshal(o)
	check(tb, err)
	self, err := os.Executable()
	check(tb, err)
	syscall.Sync()
	cmd := exec.CommandContext(tb.Context(), self)
	cmd.Env = append(os.Environ(), jobVariable+"="+name)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(input), os.Stderr
	output, err := cmd.Output()
	if err != nil {
		tb.Fatalf("%s: %v", name, err)
	}
	var m measure
	check(tb, json.Unmarshal(output, &m))
	return m
}

// timed measures work that is done in this process.
func timed(work func(order) error) func(order) (measure, error) {
	return func(o order) (measure, error) {
		begin, busy := time.Now(), processorTime()
		if err := work(o); err != nil {
			return measure{}, err
		}
		m := measure{Seconds: time.Since(begin).Seconds(), CPU: processorTime() - busy}
		var err error
		m.Peak, err = peakMemory()
		return m, err
	}
}

// program measures another program, from its start to its end. It is a job, of
// a process that is itself small: Linux counts what the parent had resident
// into the peak of the child.
func program(o order) (measure, error) {
	cmd := exec.Command(o.Command[0], o.Command[1:]...)
	cmd.Stderr = os.Stderr
	begin := time.Now()
	output, err := cmd.Output()
	if err != nil {
		return measure{}, fmt.Errorf("%s: %w", strings.Join(o.Command, " "), err)
	}
	state := cmd.ProcessState
	return measure{
		Seconds: time.Since(begin).Seconds(),
		CPU:     (state.UserTime() + state.SystemTime()).Seconds(),
		Peak:    float64(state.SysUsage().(*syscall.Rusage).Maxrss) / 1024, // KiB on Linux
		Output:  string(output),
	}, nil
}

// peakMemory reads the greatest resident set of this process, in MiB.
func peakMemory() (float64, error) { return peakOf("self") }

// peakOf is peakMemory of a process that still runs.
func peakOf(pid string) (float64, error) { return statusOf(pid, "VmHWM:") }

// residentOf is what a process has resident now, in MiB.
func residentOf(pid string) (float64, error) { return statusOf(pid, "VmRSS:") }

func statusOf(pid, field string) (float64, error) {
	status, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, field); ok {
			var kib float64
			_, err := fmt.Sscanf(value, "%f kB", &kib)
			return kib / 1024, err
		}
	}
	return 0, errors.New("the kernel does not say " + field)
}
