package pkcs11_test

import (
	"bytes"
	"context"
	"crypto"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/pkcs11"
	"github.com/sealift/sealift/internal/pkcs11/pkcs11test"
)

// signing keeps RSA-4096 signatures going on a token, and tells of each.
func signing(t *testing.T, tokens *pkcs11.Tokens, key pkcs11.Key) (results chan error, stop func()) {
	t.Helper()
	pub := public(t, key)
	results = make(chan error)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 3 { // so that one is under way at any time
		all.Go(func() {
			for ctx.Err() == nil {
				_, err := tokens.Sign(context.Background(), key.URI, pub, make([]byte, 32), crypto.SHA256)
				select {
				case results <- err:
				case <-ctx.Done():
				}
			}
		})
	}
	return results, func() { cancel(); all.Wait() }
}

// next waits for a result that is as wanted.
func next(t *testing.T, results chan error, wanted func(error) bool, what string) error {
	t.Helper()
	var last error
	for limit := time.After(20 * time.Second); ; {
		select {
		case last = <-results:
			if wanted(last) {
				return last
			}
		case <-limit:
			t.Fatalf("no %s; the last result was %v", what, last)
		}
	}
}

func worked(err error) bool { return err == nil }
func broke(err error) bool  { return err != nil }

// TestKilled kills the helper in the middle of a signature: that one fails
// with words, and the next is made by another helper.
func TestKilled(t *testing.T) {
	token := pkcs11test.NewToken(t, "killed")
	tokens := token.Open(t)
	key := generate(t, tokens, token.Key("k"), pkcs11.RSA4096)
	results, stop := signing(t, tokens, key)
	defer stop()
	for range 3 {
		next(t, results, worked, "signature")
		before := tokens.Processes()
		if len(before) != 1 {
			t.Fatalf("helpers %v", before)
		}
		if err := syscall.Kill(before[0], syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		err := next(t, results, broke, "error")
		want(t, err, sealift.KindNetwork, pkcs11.ReasonHelper)
		if sealift.HintOf(err) == "" {
			t.Error("no hint")
		}
		next(t, results, worked, "signature after the death")
		if after := tokens.Processes(); len(after) != 1 || after[0] == before[0] {
			t.Errorf("helpers %v, before %v", after, before)
		}
	}
}

// TestPulled takes the token away in the middle of signatures and puts it back:
// first the token alone, then all that the module knows of.
func TestPulled(t *testing.T) {
	token := pkcs11test.NewToken(t, "pulled")
	tokens := token.Open(t)
	key := generate(t, tokens, token.Key("k"), pkcs11.RSA4096)
	time.Sleep(pkcs11.RestartDelay) // a helper that has just begun is not renewed
	results, stop := signing(t, tokens, key)
	defer stop()
	next(t, results, worked, "signature")
	inside, err := filepath.Glob(filepath.Join(token.Folder, "*"))
	if err != nil || len(inside) != 1 {
		t.Fatal(inside, err)
	}
	back := move(t, inside[0], token.Folder+".away")
	for range 3 { // the first already says what is wrong
		want(t, next(t, results, broke, "error"), sealift.KindNetwork, pkcs11.ReasonAbsent)
	}
	back()
	next(t, results, worked, "signature with the token back")

	time.Sleep(pkcs11.RestartDelay)
	back = move(t, token.Folder, token.Folder+".away")
	for range 3 { // SoftHSM2 says now that there is no token, now that it cannot work
		if err := next(t, results, broke, "error"); sealift.KindOf(err) != sealift.KindNetwork || sealift.HintOf(err) == "" {
			t.Errorf("%v (%s)", err, sealift.KindOf(err))
		}
	}
	back()
	next(t, results, worked, "signature with all tokens back")
}

func move(t *testing.T, from, to string) (back func()) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if err := os.Rename(to, from); err != nil {
			t.Fatal(err)
		}
	}
}

// stopped reports whether a process is (proc_pid_stat(5): state T).
func stopped(t *testing.T, pid int) bool {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Contains(stat, []byte(") T "))
}

// TestHung stops the helper, as a module that hangs does: the request ends by
// its deadline, or the caller's, and the next one works.
func TestHung(t *testing.T) {
	t.Parallel()
	token := pkcs11test.NewToken(t, "hung")
	tokens := token.Open(t)
	key := generate(t, tokens, token.Key("k"), pkcs11.ECDSAP256)
	pub := public(t, key)
	sign := func(ctx context.Context) error {
		_, err := tokens.Sign(ctx, key.URI, pub, make([]byte, 32), crypto.SHA256)
		return err
	}
	hang := func() {
		pid := tokens.Processes()[0]
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		for !stopped(t, pid) { // a signal takes a moment
			time.Sleep(time.Millisecond)
		}
	}
	hang()
	begin := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := sign(ctx); err != context.DeadlineExceeded {
		t.Error(err)
	}
	want(t, sign(t.Context()), sealift.KindNetwork, pkcs11.ReasonTimeout)
	if took := time.Since(begin); took > sealift.TokenTimeout+10*time.Second {
		t.Errorf("it took %v", took)
	}
	if err := sign(t.Context()); err != nil {
		t.Error(err)
	}
	// A second death without a good answer in between would cost a pause.
	if got := len(tokens.Processes()); got != 1 {
		t.Errorf("%d helpers", got)
	}
}

// script writes a program that stands in for the helper.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "helper")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestNoHelper has helpers that do not start, say nothing, nonsense, or that
// they are of another release, and modules that are none.
func TestNoHelper(t *testing.T) {
	token := pkcs11test.NewToken(t, "none")
	loose := filepath.Join(t.TempDir(), "loose.so")
	if err := os.WriteFile(loose, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(loose, 0o622); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		helper, module, says string
	}{
		"absent":         {filepath.Join(t.TempDir(), "absent"), "", "no such file"},
		"ends at once":   {script(t, "exit 3"), "", "says nothing"},
		"nonsense":       {script(t, `printf '\000\000\000\004null' >&3`), "", "null"},
		"too long":       {script(t, `printf '\377\377\377\377' >&3`), "", "at most"},
		"other release":  {script(t, `printf '\000\000\000\016{"protocol":9}' >&3; sleep 5`), "", "protocol 9"},
		"module absent":  {pkcs11test.Helper(t), "/nowhere/lib.so", "no such file"},
		"module nothing": {pkcs11test.Helper(t), "/etc/passwd", "no PKCS#11 module"},
		"module loose":   {pkcs11test.Helper(t), loose, "others may change"},
		"module folder":  {pkcs11test.Helper(t), "/etc", "no file"},
	} {
		t.Run(name, func(t *testing.T) {
			o := token.Options(t)
			o.Helper = c.helper
			if c.module != "" {
				o.Tokens[0].ModulePath = c.module
			}
			tokens, err := pkcs11.New(o)
			if err != nil {
				t.Fatal(err)
			}
			defer tokens.Close()
			_, err = tokens.Keys(t.Context(), token.Reach.String())
			want(t, err, sealift.KindNetwork, pkcs11.ReasonHelper)
			if !strings.Contains(err.Error(), c.says) || sealift.HintOf(err) == "" {
				t.Errorf("%v (%s), want %q", err, sealift.HintOf(err), c.says)
			}
			// It is not started again and again.
			_, err = tokens.Keys(t.Context(), token.Reach.String())
			if !strings.Contains(err.Error(), "after a pause") {
				t.Errorf("the second time: %v", err)
			}
		})
	}
}

// TestEnvironment: what is Sealift's own stays out of the helper.
func TestEnvironment(t *testing.T) {
	out := filepath.Join(t.TempDir(), "env")
	tokens, err := pkcs11.New(pkcs11.Options{
		Helper: script(t, "env >"+out+"; echo \"$@\" >>"+out),
		Tokens: []pkcs11.URI{{Token: "t", ModulePath: "/m", PINSource: "/p"}},
		Env:    []string{"SOFTHSM2_CONF=here", "SEALIFT_PASSPHRASE=secret", "SEALIFT_TOKEN=secret"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer tokens.Close()
	_, err = tokens.Keys(t.Context(), "pkcs11:token=t")
	want(t, err, sealift.KindNetwork, pkcs11.ReasonHelper)
	got, err := os.ReadFile(out)
	if err != nil || strings.Contains(string(got), "secret") || !strings.Contains(string(got), "SOFTHSM2_CONF=here") || !strings.Contains(string(got), "--module /m\n") {
		t.Errorf("%s, %v", got, err)
	}
}

// TestHelperEndsWithItsParent: closing the tokens leaves no process.
func TestHelperEndsWithItsParent(t *testing.T) {
	token := pkcs11test.NewToken(t, "end")
	tokens, err := pkcs11.New(token.Options(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tokens.Keys(t.Context(), token.Reach.String()); err != nil {
		t.Fatal(err)
	}
	id := tokens.Processes()[0]
	if err := tokens.Close(); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(id, 0); err != syscall.ESRCH {
		t.Errorf("process %d: %v", id, err)
	}
	_, err = tokens.Keys(t.Context(), token.Reach.String())
	want(t, err, sealift.KindInternal, pkcs11.ReasonHelper)
}
