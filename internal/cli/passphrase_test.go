package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"

	"github.com/sealift/sealift"
)

func TestPassphrase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "root-1")
	if err := os.WriteFile(path, []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	opts := PassphraseOptions{PassphraseFile: map[string]string{"root-1": path}}
	for _, test := range []struct {
		use         PassphraseUse
		env         []string
		want, wrong string
	}{
		{use: PassphraseUse{Key: "root-1", Shared: true}, env: []string{"SEALIFT_PASSPHRASE=from-env"}, want: "from-file"},
		{use: PassphraseUse{Key: "root-2", Shared: true}, env: []string{"SEALIFT_PASSPHRASE=from-env"}, want: "from-env"},
		{use: PassphraseUse{Key: "root-2"}, env: []string{"SEALIFT_PASSPHRASE=from-env"}, wrong: "name its file: --passphrase-file root-2=FILE"},
		{use: PassphraseUse{Key: "root-2", Shared: true}, wrong: "--passphrase-file root-2=FILE, or set SEALIFT_PASSPHRASE"},
		{use: PassphraseUse{Key: "root-2", Shared: true}, env: []string{"SEALIFT_PASSPHRASE="}, wrong: "or set SEALIFT_PASSPHRASE"},
	} {
		std, _, _ := testIO(test.env...)
		got, err := opts.Read(t.Context(), &std, test.use)
		if test.wrong == "" {
			if err != nil || string(got.Bytes()) != test.want {
				t.Errorf("%+v: %q, %v", test.use, string(got.Bytes()), err)
			}
			continue
		}
		if hint := sealift.HintOf(err); hint != test.wrong && !strings.Contains(hint, test.wrong) || sealift.ReasonOf(err) != "no-passphrase" {
			t.Errorf("%+v: %v, hint %q", test.use, err, hint)
		}
	}
	std, _, _ := testIO("SEALIFT_PASSPHRASE=" + strings.Repeat("x", 1025))
	if _, err := opts.Read(t.Context(), &std, PassphraseUse{Key: "root-2", Shared: true}); err == nil || !strings.Contains(err.Error(), "longer than 1024 bytes") {
		t.Errorf("too long: %v", err)
	}
}

func TestPassphraseFlag(t *testing.T) {
	var line struct {
		PassphraseOptions
	}
	k, err := kong.New(&line)
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"--passphrase-file", "root-1=/a;b=c,d", "--passphrase-file=targets=/dev/fd/3"}
	if _, err := k.Parse(args); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"root-1": "/a;b=c,d", "targets": "/dev/fd/3"}
	if diff := cmp.Diff(want, line.PassphraseFile); diff != "" {
		t.Error(diff)
	}
	if err := line.Check("root-1", "targets", "vault"); err != nil {
		t.Error(err)
	}
	if err := line.Check("root-1"); sealift.HintOf(err) != "here it asks for those of root-1" || !strings.Contains(err.Error(), `of "targets" is not asked for`) {
		t.Errorf("got %v", err)
	}
}
