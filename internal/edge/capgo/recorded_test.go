package capgo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/sealift/sealift"
)

// recordedApp has a public channel, one that devices may ask for, and a private one.
// A release of it was revoked.
func recordedApp(t testing.TB) *App {
	production := channelWith("production", candidateOf(t, "2.0.0", 20, nil))
	for _, line := range production.Lines {
		line.Runs["2.0.0"] = Run{Release: digestOf("2.0.0", 20), Counter: 20, Offered: true}
		line.Runs["2.5.0"] = Run{Release: digestOf("2.5.0", 25), Counter: 25, Refused: true}
	}
	beta, vip := channelWith("beta"), channelWith("vip")
	beta.SelfAssign = true
	vip.Rules.Private = true
	return appWith(production, beta, vip)
}

// TestRecorded replays what plugins of each generation send, and compares the answers
// field by field and type by type.
func TestRecorded(t *testing.T) {
	files, err := filepath.Glob("testdata/recorded/*.txtar")
	if err != nil || len(files) < 9 {
		t.Fatalf("%d recordings, %v", len(files), err)
	}
	app := recordedApp(t)
	b := bundleOf("2.0.0")
	number := func(c sealift.Channel) string { return fmt.Sprint(app.Channels[c].Number(shop)) }
	as := strings.NewReplacer("{{zip}}", b.Zip.SHA256.String(), "{{js}}", b.Manifest[0].SHA256.String(), "{{html}}", b.Manifest[1].SHA256.String(),
		"{{zipV2}}", b.ChecksumV2, "{{zipV3}}", b.ChecksumV3, "{{sessionKey}}", b.SessionKey, "{{jsV2}}", b.Manifest[0].HashV2, "{{jsV3}}", b.Manifest[0].HashV3,
		"{{htmlV2}}", b.Manifest[1].HashV2, "{{htmlV3}}", b.Manifest[1].HashV3, "{{beta}}", number("beta"), "{{production}}", number("production"))
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			recording, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			w := newWorld(t, app)
			for i := 0; i < len(recording.Files); i += 2 {
				asked, want := recording.Files[i], recording.Files[i+1]
				method, path, _ := strings.Cut(asked.Name, " ")
				body := as.Replace(strings.TrimSpace(string(asked.Data)))
				code, got := w.send(method, path, body)
				if code != http.StatusOK {
					t.Errorf("%s %s: %d: %s", asked.Name, body, code, got)
					continue
				}
				if diff := cmp.Diff(exactly(t, []byte(as.Replace(string(want.Data)))), exactly(t, []byte(got))); diff != "" {
					t.Errorf("%s %s:\n%s", asked.Name, body, diff)
				}
			}
		})
	}
}

// exactly is JSON with its numbers as they are written.
func exactly(t *testing.T, data []byte) (v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v: %s", err, data)
	}
	return v
}
