package term

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift"
)

func noEnv(string) (string, bool) { return "", false }

func TestNothingForPeopleOffTerminal(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, stream := range []any{f, new(bytes.Buffer), nil, (*os.File)(nil)} {
		if IsTerminal(stream) {
			t.Errorf("%T is no terminal", stream)
		}
		if got := NewStyle(stream, noEnv).Red("no"); got != "no" {
			t.Errorf("colour on %T: %q", stream, got)
		}
	}
	var out bytes.Buffer
	p := NewProgress(&out, time.Now, "sealing", 10, InBytes)
	p.Add(3)
	p.Restart(5)
	p.SetTotal(7)
	p.Finish()
	if out.Len() != 0 {
		t.Errorf("progress off a terminal: %q", out.String())
	}
	if _, err := Prompt(t.Context(), &out, &out, "passphrase: "); sealift.ReasonOf(err) != "no-terminal" || out.Len() != 0 {
		t.Errorf("prompt off a terminal: %v, wrote %q", err, out.String())
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"größe 1.0":           "größe 1.0",
		"a\x1b[2Jb\nc\td\x00": "a?[2Jb?c?d?",
		"abc\u202Etxt.exe":    "abc?txt.exe",
		"x\u2028y\u0085":      "x?y?",
		"\xff\xfe":            "\uFFFD",
	} {
		if got := Clean(in); got != want {
			t.Errorf("Clean(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestTable(t *testing.T) {
	var out strings.Builder
	err := Table(&out, []string{"APP", "CHANNELS"}, [][]string{{"com.acme.shop", "2"}, {"b\x1b.c", ""}})
	if err != nil {
		t.Fatal(err)
	}
	want := "APP            CHANNELS\n" +
		"com.acme.shop  2\n" +
		"b?.c           -\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 10189: "10 KiB", 1<<20 - 1: "1.0 MiB",
		37 << 20: "37 MiB", 1 << 30: "1.0 GiB", 1<<63 - 1: "8.0 EiB", -2048: "-2.0 KiB",
	} {
		if got := Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %q, want %q", n, got, want)
		}
	}
}

// TestReadForeignSecretFile reads what TestReadSecretFile refuses for its mode alone,
// and says so.
func TestReadForeignSecretFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	for mode, says := range map[os.FileMode]string{0o600: "", 0o644: "mode 0644", 0o620: "mode 0620"} {
		if err := errors.Join(os.WriteFile(path, []byte("key\n"), 0o600), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		secret, loose, err := ReadForeignSecretFile(path, "key", 3)
		if err != nil || string(secret.Bytes()) != "key" {
			t.Errorf("%04o: %q, %v", mode, secret.Bytes(), err)
		}
		if (loose == nil) != (says == "") || loose != nil && !strings.Contains(loose.Error(), says) {
			t.Errorf("%04o: %v", mode, loose)
		}
		if _, err := ReadLongSecretFile(path, "key", 3); (err == nil) != (says == "") {
			t.Errorf("%04o: %v", mode, err)
		}
	}
	if _, _, err := ReadForeignSecretFile(path, "key", 2); err == nil {
		t.Error("a longer one was read")
	}
}

func TestReadSecretFile(t *testing.T) {
	dir := t.TempDir()
	for _, test := range []struct {
		name, content string
		mode          os.FileMode
		want          string
		wantErr       string
	}{
		{name: "plain", content: "hunter2", mode: 0o600, want: "hunter2"},
		{name: "newline", content: "hunter2\n", mode: 0o400, want: "hunter2"},
		{name: "one newline only", content: " hunter2 \n\n", mode: 0o600, want: " hunter2 \n"},
		{name: "Windows newline", content: "hunter2\r\n", mode: 0o600, want: "hunter2"},
		{name: "inner carriage return", content: "hunter2\r", mode: 0o600, want: "hunter2\r"},
		{name: "longest", content: strings.Repeat("x", MaxSecret) + "\n", mode: 0o600, want: strings.Repeat("x", MaxSecret)},
		{name: "longest, Windows", content: strings.Repeat("x", MaxSecret) + "\r\n", mode: 0o600, want: strings.Repeat("x", MaxSecret)},
		{name: "longest and more", content: strings.Repeat("x", MaxSecret) + "\r\nx", mode: 0o600, wantErr: "is longer than 1024 bytes"},
		{name: "too long", content: strings.Repeat("x", MaxSecret+1), mode: 0o600, wantErr: "is longer than 1024 bytes"},
		{name: "far too long", content: strings.Repeat("x", 1<<20), mode: 0o600, wantErr: "is longer than 1024 bytes"},
		{name: "empty", content: "", mode: 0o600, wantErr: "is empty"},
		{name: "newline alone", content: "\n", mode: 0o600, wantErr: "is empty"},
		{name: "group may read", content: "hunter2", mode: 0o640, wantErr: "may be read or written by others (mode 0640)"},
		{name: "world may read", content: "hunter2", mode: 0o604, wantErr: "(mode 0604)"},
		{name: "world may write", content: "hunter2", mode: 0o602, wantErr: "(mode 0602)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(dir, test.name)
			if err := os.WriteFile(path, []byte(test.content), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, test.mode); err != nil {
				t.Fatal(err)
			}
			got, err := ReadSecretFile(path, "passphrase")
			if test.wantErr == "" {
				if err != nil || string(got.Bytes()) != test.want {
					t.Errorf("got %q, %v", string(got.Bytes()), err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.wantErr) {
				t.Fatalf("got %v, want %q", err, test.wantErr)
			}
			if sealift.HintOf(err) == "" || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "xxx") {
				t.Errorf("error %q, hint %q", err, sealift.HintOf(err))
			}
		})
	}
}

func TestReadSecretFileThatIsNone(t *testing.T) {
	dir := t.TempDir()
	_, err := ReadSecretFile(filepath.Join(dir, "none"), "token")
	if sealift.KindOf(err) != sealift.KindNotFound || !strings.HasPrefix(err.Error(), "reading token: ") {
		t.Errorf("missing: %v", err)
	}
	if _, err := ReadSecretFile(dir, "token"); err == nil || !strings.Contains(err.Error(), "is not a file") {
		t.Errorf("folder: %v", err)
	}
	if _, err := ReadSecretFile("/dev/null", "token"); err == nil || !strings.Contains(err.Error(), "is not a file") {
		t.Errorf("device: %v", err)
	}
}

func TestReadSecretFileFromPipe(t *testing.T) {
	r, w, err := os.Pipe() // as a shell's <(…) makes
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := w.WriteString("hunter2\n"); err != nil {
		t.Fatal(err)
	}
	w.Close()
	got, err := ReadSecretFile(fmt.Sprintf("/dev/fd/%d", r.Fd()), "passphrase")
	if err != nil || string(got.Bytes()) != "hunter2" {
		t.Errorf("got %q, %v", string(got.Bytes()), err)
	}
}

func TestSecretDoesNotPrint(t *testing.T) {
	s := NewSecret([]byte("hunter2"))
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "s", s)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "s", s)
	encoded, err := json.Marshal(map[string]any{"s": s})
	if err != nil {
		t.Fatal(err)
	}
	holder := struct {
		Exported Secret
		private  Secret
	}{s, s}
	all := fmt.Sprintf("%s %v %q %x %X %d %+v %#v", s, s, s, s, s, s, s, s) + log.String() + string(encoded) +
		fmt.Sprintf("%v %+v %#v %v", holder, holder, holder, &holder)
	for _, leak := range []string{"hunter2", "68756e74", "68756E74", "104 117", "0x68", "aHVudGVyMg"} {
		if strings.Contains(all, leak) {
			t.Errorf("%q printed in %s", leak, all)
		}
	}
	s.Clear()
	if string(s.Bytes()) != strings.Repeat("\x00", 7) {
		t.Error("not cleared")
	}
}
