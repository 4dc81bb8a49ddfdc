package term

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// readAll returns what screen's owner wrote, once no more comes.
func readAll(t *testing.T, keyboard *os.File) string {
	t.Helper()
	if err := keyboard.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	var all bytes.Buffer
	_, err := all.ReadFrom(keyboard)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	return all.String()
}

// waitFor reads until want was written.
func waitFor(t *testing.T, keyboard *os.File, want string) {
	t.Helper()
	if err := keyboard.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	var got []byte
	one := make([]byte, 1)
	for !strings.Contains(string(got), want) {
		if _, err := keyboard.Read(one); err != nil {
			t.Fatalf("%v after %q", err, got)
		}
		got = append(got, one[0])
	}
}

func typed(t *testing.T, keyboard *os.File, s string) {
	t.Helper()
	if _, err := keyboard.WriteString(s); err != nil {
		t.Fatal(err)
	}
}

func TestStyleOnTerminal(t *testing.T) {
	_, screen := openPTY(t, 80)
	for _, test := range []struct {
		env  map[string]string
		want string
	}{
		{nil, "\x1b[31mno\x1b[0m"},
		{map[string]string{"NO_COLOR": ""}, "\x1b[31mno\x1b[0m"},
		{map[string]string{"NO_COLOR": "1"}, "no"},
		{map[string]string{"TERM": "dumb"}, "no"},
	} {
		env := func(name string) (string, bool) { v, ok := test.env[name]; return v, ok }
		if got := NewStyle(screen, env).Red("no"); got != test.want {
			t.Errorf("with %v: %q, want %q", test.env, got, test.want)
		}
	}
}

func TestProgressDraws(t *testing.T) {
	keyboard, screen := openPTY(t, 100)
	clock := time.Unix(0, 0)
	p := NewProgress(screen, func() time.Time { return clock }, "sealing\x1b", 4<<20, InBytes)
	p.Add(1 << 10)
	if got := readAll(t, keyboard); got != "" {
		t.Errorf("drawn at once: %q", got)
	}
	clock = clock.Add(time.Second)
	p.Add(1<<20 - 1<<10)
	p.Add(1) // too soon after
	if got, want := readAll(t, keyboard), "\rsealing?  [######------------------]  25%  1.0 MiB of 4.0 MiB  1.0 MiB/s  3s left\x1b[K"; got != want {
		t.Errorf("drawn:\n%q, want\n%q", got, want)
	}
	p.Finish()
	p.Finish()
	clock = clock.Add(time.Second)
	p.Add(1 << 20)
	if got, want := readAll(t, keyboard), "\r\x1b[K"; got != want {
		t.Errorf("at the end: %q, want %q", got, want)
	}
}

func TestProgressOfItemsResumed(t *testing.T) {
	keyboard, screen := openPTY(t, 50)
	clock := time.Unix(0, 0)
	p := NewProgress(screen, func() time.Time { return clock }, "files", 0, InItems)
	p.Restart(90)
	p.SetTotal(100)
	clock = clock.Add(2 * time.Second)
	p.Add(2)
	if got, want := readAll(t, keyboard), "\rfiles   92%  92 of 100  8s left\x1b[K"; got != want {
		t.Errorf("drawn:\n%q, want\n%q", got, want)
	}
}

func TestProgressFitsItsTerminal(t *testing.T) {
	for _, columns := range []uint16{1, 12, 79, 200} {
		keyboard, screen := openPTY(t, columns)
		clock := time.Unix(0, 0)
		p := NewProgress(screen, func() time.Time { return clock }, "uploading übergröße", 3<<30, InBytes)
		clock = clock.Add(time.Hour)
		p.Add(5 << 30) // more than there is
		line := strings.TrimSuffix(strings.TrimPrefix(readAll(t, keyboard), "\r"), "\x1b[K")
		if n := utf8.RuneCountInString(line); n >= int(columns) || !utf8.ValidString(line) {
			t.Errorf("%d characters on %d columns: %q", n, columns, line)
		}
	}
}

// prompted runs prompt on a terminal on which keys are typed once wait was
// shown, and returns what it read, its error, and what was shown after that.
func prompted(t *testing.T, prompt func(ctx context.Context, in io.Reader, out io.Writer, prompt string) (Secret, error), keys string) (secret, wrong, shown string) {
	t.Helper()
	keyboard, screen := openPTY(t, 80)
	done := make(chan struct{})
	var err error
	var s Secret
	go func() {
		defer close(done)
		s, err = prompt(t.Context(), screen, screen, "passphrase: ")
	}()
	waitFor(t, keyboard, "passphrase: ")
	typed(t, keyboard, keys)
	<-done
	shown = readAll(t, keyboard)
	typed(t, keyboard, "echo")
	waitFor(t, keyboard, "echo") // the terminal is as it was
	return string(s.Bytes()), errText(err), shown
}

func TestPrompt(t *testing.T) {
	for _, test := range []struct{ keys, want, wrong string }{
		{keys: "hunter2\r", want: "hunter2"},
		{keys: "hunterr\x7f2\r", want: "hunter2"},
		{keys: "größe ☃\r", want: "größe ☃"},
		{keys: "\r", wrong: "asking on the terminal: nothing was typed"},
		{keys: "hunter2\x03", wrong: "asking on the terminal: context canceled"},
		{keys: strings.Repeat("hunter2", 147) + "\r", wrong: "asking on the terminal: it is longer than 1024 bytes"},
	} {
		got, wrong, shown := prompted(t, Prompt, test.keys)
		if got != test.want || wrong != test.wrong {
			t.Errorf("after %q: %q, %s", test.keys, got, wrong)
		}
		if strings.Contains(shown, "hunter") {
			t.Errorf("echoed: %q", shown)
		}
	}
}

func TestPromptNew(t *testing.T) {
	for _, test := range []struct{ keys, want, wrong string }{
		{keys: "one\rone\r", want: "one"}, // typed ahead
		{keys: "one\rtwo\r", wrong: "asking on the terminal: the two differ"},
		{keys: "one\r\r", wrong: "asking on the terminal: nothing was typed"},
		{keys: "one\r\x03", wrong: "asking on the terminal: context canceled"},
	} {
		got, wrong, shown := prompted(t, PromptNew, test.keys)
		if got != test.want || wrong != test.wrong {
			t.Errorf("after %q: %q, %s", test.keys, got, wrong)
		}
		if !strings.Contains(shown, "again: ") || strings.Contains(shown, "one") {
			t.Errorf("shown: %q", shown)
		}
	}
}

func TestPromptInterrupted(t *testing.T) {
	keyboard, screen := openPTY(t, 80)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Prompt(ctx, screen, screen, "passphrase: "); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	typed(t, keyboard, "seen\n") // also ends the read that was left behind
	waitFor(t, keyboard, "seen") // the terminal echoes again
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
