package cli_test

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sealift/sealift/internal/store/postgrestest"
)

// TestScripts runs testdata/script against the program as people get it, built
// once. Beyond testscript's own commands, a script has:
//
//	exits CODE PROGRAM ARGS…     run, and want exactly this exit code
//	json stdout|stderr|FILE PATH [VALUE]
//	                             the JSON at PATH (keys and indexes joined by
//	                             dots) exists, and is VALUE, in its last line
//	getjson NAME FILE PATH       set $NAME to what json would compare with VALUE
//	await FILE [PATH VALUE]      wait until FILE (a pattern) is there, with VALUE
//	freeport NAME                set $NAME to a free port of 127.0.0.1
//	reachable URL                wait until URL answers 200
//	post URL FILE OUT PATH VALUE post FILE, with its $NAMES replaced, as an app does, until
//	                             the answer has VALUE, and write it to OUT
//	founded [shop]               see fixtures
//	selfsigned CERT KEY          make a certificate for 127.0.0.1
//	bend DATABASE SQL            change rows behind a server's back
//	database FILE|stop|start     write the connection string of an empty
//	                             PostgreSQL schema; stop and start the server that
//	                             all scripts share
//	bigfile FILE MIB             make a file that does not compress
//	damage flip|halve FILE…      flip the bit in the middle, or cut it off there
//	accept FILE NAME, code NAME STEPS, confirm FILE
//	                             see people_world_test.go
//	settoken FILE                set $SEALIFT_TOKEN to what FILE holds
//	lossy NAME N METHOD SUFFIX   set $NAME to a way to the server on which N answers
//	                             to METHOD …SUFFIX get lost; or, with a last word
//	                             unasked, N requests
//	witness NAME LOGKEYS FILE    start a witness of the log whose keys are in LOGKEYS,
//	                             and add a line for it to FILE
//	softtoken NAME               make a SoftHSM2 token in the folder NAME.token; $REACH
//	                             says how to reach it, NAME.token/pin holds its PIN
//	world, attack                see world_test.go
func TestScripts(t *testing.T) {
	fixtures := newFixtures(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", fixtures.bin+string(os.PathListSeparator)+env.Getenv("PATH"))
			env.Setenv("NO_PROXY", "127.0.0.1,localhost")
			env.Setenv("HOME", filepath.Join(env.WorkDir, "home")) // the publisher's cache is there
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"accept":     cmdAccept,
			"approve":    cmdApprove,
			"attack":     cmdAttack,
			"await":      cmdAwait,
			"bend":       cmdBend,
			"bigfile":    cmdBigFile,
			"code":       cmdCode,
			"confirm":    cmdConfirm,
			"damage":     cmdDamage,
			"database":   cmdDatabase,
			"eventually": cmdEventually,
			"exits":      cmdExits,
			"founded":    fixtures.cmdFounded,
			"freeport":   cmdFreePort,
			"getjson":    cmdGetJSON,
			"json":       cmdJSON,
			"lossy":      cmdLossy,
			"passkey":    cmdPasskey,
			"post":       cmdPost,
			"reachable":  cmdReachable,
			"selfsigned": cmdSelfSigned,
			"rootca":     cmdRootCA,
			"settoken":   cmdSetToken,
			"witness":    cmdWitness,
			"softtoken":  fixtures.cmdSoftToken,
			"world":      cmdWorld,
		},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

func TestMain(m *testing.M) { os.Exit(postgrestest.Main(m.Run, os.Stderr)) }

func cmdDatabase(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: database FILE|stop|start")
	}
	cluster := postgrestest.Start(ts)
	switch args[0] {
	case "stop":
		cluster.Stop(ts)
	case "start":
		cluster.Run(ts)
	default:
		ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(cluster.Schema(ts)+"\n"), 0o600))
	}
}

// buildProgram builds sealift as "make build" does, without the race detector,
// so that both share their cache.
func buildProgram(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-X main.version=v0.0.0-test",
		"-o", dir+string(filepath.Separator), "github.com/sealift/sealift/cmd/sealift")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building sealift: %v\n%s", err, out)
	}
	return dir
}

func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got, err := 0, ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	default:
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func cmdJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 && len(args) != 3 {
		ts.Fatalf("usage: [!] json stdout|stderr|FILE PATH [VALUE]")
	}
	got, found := readJSON(ts, args[0], args[1])
	holds := found && (len(args) == 2 || got == args[2])
	if holds == neg {
		ts.Fatalf("%s is %s", args[1], got)
	}
}

// readJSON returns what stands at path in the last line of a file.
func readJSON(ts *testscript.TestScript, file, path string) (text string, found bool) {
	lines := strings.Split(strings.TrimSpace(ts.ReadFile(file)), "\n")
	var v any
	ts.Check(json.Unmarshal([]byte(lines[len(lines)-1]), &v))
	return at(v, strings.Split(path, "."))
}

func cmdGetJSON(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: getjson NAME FILE PATH")
	}
	text, found := readJSON(ts, args[1], args[2])
	if !found {
		ts.Fatalf("there is no %s", args[2])
	}
	ts.Setenv(args[0], text)
}

// at returns what stands at path in v: a string as it is, all else as JSON.
func at(v any, path []string) (text string, found bool) {
	for _, key := range path {
		switch x := v.(type) {
		case map[string]any:
			v, found = x[key]
			if !found {
				return "nothing", false
			}
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(x) {
				return "nothing", false
			}
			v = x[i]
		default:
			return "nothing", false
		}
	}
	if s, ok := v.(string); ok {
		return s, true
	}
	data, err := json.Marshal(v)
	return string(data), err == nil
}

// portsTaken counts the ports that scripts were given: none is given twice.
var portsTaken atomic.Int32

// cmdFreePort gives a port that is free, and below those (32768 and up) from
// which Linux takes one for whoever dials.
func cmdFreePort(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: freeport NAME")
	}
	ts.Setenv(args[0], strconv.Itoa(freePort(ts)))
}

func freePort(ts *testscript.TestScript) int {
	for range 1000 {
		port := 20_000 + (os.Getpid()*50+int(portsTaken.Add(1)))%12_000
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			ts.Check(listener.Close())
			return port
		}
	}
	ts.Fatalf("no port is free")
	return 0
}

func cmdReachable(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: reachable URL")
	}
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	var last error
	for range 300 { // 30 seconds: the machine may be busy
		resp, err := client.Get(args[0])
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
			err = errors.New(resp.Status)
		}
		last = err
		time.Sleep(100 * time.Millisecond)
	}
	ts.Fatalf("%s is not reachable: %v", args[0], last)
}

func cmdPost(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 5 {
		ts.Fatalf("usage: post URL FILE OUT PATH VALUE")
	}
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	body, last := os.Expand(ts.ReadFile(args[1]), ts.Getenv), ""
	for range 300 { // 30 seconds: the machine may be busy
		resp, err := client.Post(args[0], "application/json", strings.NewReader(body))
		ts.Check(err)
		answer, err := io.ReadAll(resp.Body)
		ts.Check(errors.Join(err, resp.Body.Close(), os.WriteFile(ts.MkAbs(args[2]), answer, 0o600)))
		if text, ok := readJSON(ts, args[2], args[3]); ok && text == args[4] && resp.StatusCode == http.StatusOK {
			return
		}
		last = resp.Status + ": " + string(answer)
		time.Sleep(100 * time.Millisecond)
	}
	ts.Fatalf("waited in vain: %s", last)
}

func cmdBend(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: bend DATABASE SQL")
	}
	db, err := sql.Open("sqlite", ts.MkAbs(args[0])+"?_pragma=busy_timeout(5000)")
	ts.Check(err)
	defer db.Close()
	result, err := db.Exec(args[1])
	ts.Check(err)
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		ts.Fatalf("%s changed %d rows, %v", args[1], n, err)
	}
}
