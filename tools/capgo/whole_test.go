package capgo

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/capgo"
)

// reply is what a server answers a device that asks for updates.
type reply struct {
	Version, URL, Checksum, Error string
	SessionKey                    string `json:"session_key"`
	Manifest                      []struct {
		Name string `json:"file_name"`
		Hash string `json:"file_hash"`
		URL  string `json:"download_url"`
	}
}

// offered asks until something is offered: the server looks for what is new every few
// seconds.
func (s *server) offered(plugin, keyID string) (r reply) {
	s.t.Helper()
	for range 300 { // thirty seconds
		if r = s.check(plugin, keyID); r.Error == "" {
			return r
		}
		time.Sleep(100 * time.Millisecond)
	}
	s.t.Fatalf("after 30 seconds: %+v", r)
	return r
}

// check asks as a device does that runs the store's bundle.
func (s *server) check(plugin, keyID string) (r reply) {
	s.t.Helper()
	info, err := json.Marshal(map[string]any{
		"platform": "android", "device_id": "b3b8a1f0-5c1d-4e7a-8f3e-2d4c6b8a0f1e", "app_id": "com.acme.shop", "custom_id": "", "version_build": "1.0.0", "version_code": "17",
		"version_os": "14", "version_name": "builtin", "plugin_version": plugin, "is_emulator": false, "is_prod": true, "key_id": keyID,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	answer, err := http.Post(s.base+"/capgo/updates", "application/json", bytes.NewReader(info))
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(&r); err != nil {
		s.t.Fatal(err)
	}
	return r
}

// fetch downloads what a reply names, from this server and no other.
func (s *server) fetch(url string) []byte {
	s.t.Helper()
	if !strings.HasPrefix(url, s.base+"/") {
		s.t.Fatalf("%q is not on the server", url)
	}
	answer, err := http.Get(url)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		s.t.Fatalf("%s: %s, %v", url, answer.Status, err)
	}
	return content
}

// The whole way: a project's key comes into the vault, its folder is published, a device
// asks and fetches, and the plugin's own code decrypts zip and files to what was
// published, by the reply for its version.
func TestFromFolderToDevice(t *testing.T) {
	program := os.Getenv("SEALIFT")
	if program == "" {
		t.Fatal("SEALIFT does not name the program: run scripts/e2e.sh, or see this package's comment")
	}
	for _, version := range []string{"8.51.23", "7.27.8"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			d := compile(newApp(t, version))
			s := serve(t, program)
			d.movesTo(s)
			said := s.run("publish", d.path("www"), "--app", "com.acme.shop", "--channel", "production", "--version", "1.2.3", "--platform", "android", "--capgo")
			if id := capgo.KeyID(&d.key.PublicKey); !strings.Contains(said, "3 files one by one; for key "+id) {
				t.Errorf("%s", said)
			}
			d.updates(s)
		})
	}
}

// movesTo has a server read the project, as Capgo's own program left it.
func (d *android) movesTo(s *server) {
	d.t.Helper()
	d.check(os.Chmod(d.path(".capgo_key_v2"), 0o600)) // they write it for everybody to read, and Sealift warns of that
	s.run("capgo", "import", d.dir, "--owner", "alice", "--url", s.base)
	if public := s.run("capgo", "key", "public", "--app", "com.acme.shop"); strings.TrimSpace(public) != strings.TrimSpace(string(d.read(".capgo_key_v2.pub"))) {
		d.t.Errorf("%s", public)
	}
	type config struct {
		Plugins struct{ CapacitorUpdater struct{ PublicKey string } }
	}
	var theirs, ours config
	d.check(json.Unmarshal(d.read("capacitor.config.json"), &theirs))
	d.check(json.Unmarshal([]byte(s.run("capgo", "key", "public", "--app", "com.acme.shop", "--config", "--url", s.base)), &ours))
	if ours != theirs {
		d.t.Errorf("the block is %+v, theirs %+v", ours, theirs)
	}
}

// updates has the device take what the server offers, as a zip and file by file.
func (d *android) updates(s *server) {
	d.t.Helper()
	r := s.offered(d.plugin, capgo.KeyID(&d.key.PublicKey))
	if r.Version != "1.2.3" || len(r.Manifest) != len(site) {
		d.t.Fatalf("%+v", r)
	}
	sealed := s.fetch(r.URL)
	got, err := d.take(sealed, r.SessionKey, r.Checksum)
	if err != nil || got.checksum != got.own {
		d.t.Fatalf("the zip is taken for %s, and is %s: %v", got.checksum, got.own, err)
	}
	archive, err := zip.NewReader(bytes.NewReader(got.plain), int64(len(got.plain)))
	d.check(err)
	for _, f := range site {
		file, err := archive.Open(f.path)
		d.check(err)
		if content, err := io.ReadAll(file); err != nil || string(content) != f.content {
			d.t.Errorf("%s in the zip: %v", f.path, err)
		}
	}
	for i, f := range r.Manifest {
		content := d.takes(f.Name, s.fetch(f.URL), r.SessionKey, f.Hash, sealift.DigestOf([]byte(site[i].content)))
		if capgo.Path(f.Name) != f.Name {
			d.write("small", content)
			content = d.decompress("small")
		}
		if capgo.Path(f.Name) != site[i].path || string(content) != site[i].content {
			d.t.Errorf("%s is not %s", f.Name, site[i].path)
		}
	}
}
