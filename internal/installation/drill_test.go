package installation_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"
	"golang.org/x/mod/sumdb/note"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/client"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/backup"
	"github.com/sealift/sealift/internal/blob"
	"github.com/sealift/sealift/internal/ceremony"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/installation"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlite"
	"github.com/sealift/sealift/trust"
	"github.com/sealift/sealift/trust/tufrepo"
)

// drill is an installation whose backup people can open, with devices of its
// own.
type drill struct {
	*bench
	identity *age.X25519Identity
	front    *httptest.Server // where devices find whichever server runs
}

func newDrill(t *testing.T) *drill {
	d := &drill{bench: newBench(t)}
	var err error
	d.identity, err = age.GenerateX25519Identity()
	d.check(err)
	d.front = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { d.i.Handler("test", nil).ServeHTTP(w, r) }))
	t.Cleanup(d.front.Close)
	d.makeApp("web")
	return d
}

var local = audit.Actor{Kind: audit.Person, ID: "local:test"}

func (d *drill) data() string { return filepath.Join(d.dir, "data") }

func (d *drill) backUp(name string) (installation.BackedUp, error) {
	return installation.BackUp(d.Context(), d.data(), installation.Backing{
		File: filepath.Join(d.dir, name), Recipients: []age.Recipient{d.identity.Recipient()}, Program: "test", By: local, Now: d.now,
	})
}

func (d *drill) mustBackUp(name string) installation.BackedUp {
	d.Helper()
	made, err := d.backUp(name)
	d.check(err)
	return made
}

func (d *drill) verify(name string) (installation.Examined, error) {
	return installation.VerifyBackup(d.Context(), installation.Examining{
		File: filepath.Join(d.dir, name), Identities: []age.Identity{d.identity}, Root: d.firstRoot(), By: local, Now: d.now(),
	})
}

// firstRoot is what devices were built with.
func (d *drill) firstRoot() []byte {
	root, err := os.ReadFile(filepath.Join(d.dir, "keys", "root.json"))
	d.check(err)
	return root
}

func (d *drill) restoring(name string) installation.Restoring {
	return installation.Restoring{
		File: filepath.Join(d.dir, name), Identities: []age.Identity{d.identity}, Data: d.data(), Root: d.firstRoot(), By: local,
		Options: installation.Options{Now: d.now},
	}
}

// lose stops the server and takes its data folder away. It returns where the
// published tree is now.
func (d *drill) lose() (published string) {
	d.Helper()
	d.server.Close()
	d.check(d.i.Close())
	published = filepath.Join(d.T.TempDir(), "public")
	d.check(os.Rename(filepath.Join(d.data(), "public"), published))
	d.check(os.RemoveAll(d.data()))
	return published
}

// device enrols a device that is built with the first root.
func (d *drill) device() *client.Device {
	d.Helper()
	dir := d.T.TempDir()
	token, _, err := d.api.CreateEnrolmentToken(d.Context(), app, api.NewEnrolmentToken{ExpiresIn: 3600})
	d.check(err)
	device, err := client.Open(client.Config{
		Server: d.front.URL, App: app, Channel: "production", Platform: "web", Runtime: "1.0.0",
		Dir: dir, Root: d.firstRoot(), Host: hostAt{client.NewSystem(), d.now},
	})
	d.check(err)
	d.Cleanup(func() { device.Close() })
	d.check(device.Enrol(d.Context(), token))
	return device
}

func (d *drill) takes(device *client.Device, version sealift.Version) {
	d.Helper()
	r, err := device.Update(d.Context())
	d.check(err)
	if r.Installed == nil || r.Installed.Version != version {
		d.Fatalf("installed %+v, want %s", r.Installed, version)
	}
}

func (d *drill) mustPublish(version sealift.Version) api.Release {
	d.Helper()
	r, err := d.publish(version)
	d.check(err)
	return r
}

// verifyLog verifies the log of the data folder by the keys of trust.json.
func (d *drill) verifyLog(kept ...[]byte) audit.Verified {
	d.Helper()
	db, err := sqlite.Open(d.Context(), filepath.Join(d.data(), "vault.db"))
	d.check(err)
	defer db.Close()
	var verified audit.Verified
	d.check(db.View(d.Context(), func(tx store.Tx) error {
		content, err := tx.Document(d.Context(), trust.TrustPath)
		if err != nil {
			return err
		}
		anchors, err := trust.ParseTrust(content)
		if err != nil {
			return err
		}
		var keys []note.Verifier
		for _, text := range anchors.Log.Keys {
			key, err := note.NewVerifier(text)
			if err != nil {
				return err
			}
			keys = append(keys, key)
		}
		verified, err = audit.Verify(d.Context(), tx, audit.Demands{Origin: trust.LogOrigin(anchors.Vault), Keys: note.VerifierList(keys...), Kept: kept})
		return err
	}))
	return verified
}

// TestDrillWithThePublishedTree: the database is lost and the published tree is
// not. Everything goes on: every device takes the next release, wherever it was,
// the log is the same one, and who was there when its contents were lost is told.
func TestDrillWithThePublishedTree(t *testing.T) {
	d := newDrill(t)
	v1 := d.mustPublish("1.0.0")
	onOne, onTwo, onThree := d.device(), d.device(), d.device()
	d.takes(onOne, "1.0.0")
	d.mustPublish("2.0.0")
	d.takes(onTwo, "2.0.0")
	d.clock = d.clock.Add(time.Hour)
	made := d.mustBackUp("a.backup")
	if made.Header.State.Releases[app] != 2 || made.Manifest.Blobs != 2 || len(made.Manifest.Missing) > 0 {
		t.Errorf("%+v, %+v", made.Header, made.Manifest)
	}
	_, err := d.api.Deny(d.Context(), api.NewDenial{Kind: api.DenialKindRelease, App: string(app), Release: v1.SHA256, Reason: "it leaks"})
	d.check(err)
	v3 := d.mustPublish("3.0.0")
	d.takes(onThree, "3.0.0")
	d.clock = d.clock.Add(time.Hour)
	d.check(d.i.Fresh(d.Context())) // one more timestamp, and a checkpoint
	published := d.lose()
	checkpoint, err := os.ReadFile(filepath.Join(published, "log", "checkpoint"))
	d.check(err)

	tree, err := blob.ReadFolder(published)
	d.check(err)
	defer tree.Close()
	r := d.restoring("a.backup")
	r.Published = backup.FolderTree{Store: tree}
	got, err := installation.Restore(d.Context(), r)
	d.check(err)
	if len(got.Releases) != 1 || !strings.HasSuffix(got.Releases[0], "3.0.0") || len(got.Losses) > 0 || !got.Restore.Known || got.Restore.Lost < 10 {
		t.Errorf("%+v", got.Resumed)
	}
	d.start()
	d.check(d.i.Fresh(d.Context()))
	if got := d.offered(); len(got) != 1 || got[0].Release.Digest.String() != v3.SHA256 {
		t.Errorf("offered %+v", got)
	}
	if _, err := d.publish("2.5.0"); sealift.KindOf(err) != sealift.KindVersion {
		t.Errorf("published below what is out there: %v", err)
	}
	// What was refused since the backup is refused still, and can be added to.
	if denials, err := d.api.Denials(d.Context()); err != nil || len(denials) != 1 || denials[0].State != api.DenialStateActive || denials[0].Serial != v1.Serial {
		t.Errorf("denials %+v, %v", denials, err)
	}
	_, err = d.api.Deny(d.Context(), api.NewDenial{Kind: api.DenialKindFloor, App: string(app), Version: "1.0.0", Reason: "x"})
	d.check(err)
	v4 := d.mustPublish("4.0.0")
	if v4.Counter <= v3.Counter+1000 {
		t.Errorf("counter %d after %d", v4.Counter, v3.Counter)
	}
	for _, device := range []*client.Device{onOne, onTwo, onThree} {
		d.takes(device, "4.0.0")
	}
	d.staysUp(onOne, onTwo, onThree)
	for _, release := range []string{v1.SHA256, v3.SHA256} { // whoever kept an old one can still ask
		if _, err := os.Stat(filepath.Join(d.data(), "public", "releases", release)); err != nil {
			t.Error(err)
		}
	}
	verified := d.verifyLog(checkpoint)
	if len(verified.Lost) != 1 || verified.Lost[0].First != made.Header.State.Entries || verified.Lost[0].Count != got.Restore.Lost {
		t.Errorf("lost %+v; the backup had %d entries, %d were lost", verified.Lost, made.Header.State.Entries, got.Restore.Lost)
	}
}

// TestBackupAfterANewRoot: any root that devices were built with vouches for a
// backup that was made later.
func TestBackupAfterANewRoot(t *testing.T) {
	d := newDrill(t)
	first := d.firstRoot()
	d.mustBackUp("before.backup")
	folder := d.keysFolder()
	p := d.proposeRoot(folder, ceremony.RootChange{})
	_, err := d.api.AcceptRoot(d.Context(), api.Ceremony{Root: p.Next})
	d.check(err)
	_, err = folder.Finish(p)
	d.check(err)
	d.mustBackUp("after.backup")
	for _, c := range []struct {
		name string
		root []byte
		want string
	}{{"after.backup", first, ""}, {"after.backup", p.Next, ""}, {"before.backup", first, ""}, {"before.backup", p.Next, "foreign-root"}} {
		_, err := installation.VerifyBackup(d.Context(), installation.Examining{
			File: filepath.Join(d.dir, c.name), Identities: []age.Identity{d.identity}, Root: c.root, By: local, Now: d.now(),
		})
		if sealift.ReasonOf(err) != c.want || (err == nil) != (c.want == "") {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// staysUp lets time pass: timestamps are renewed, and devices find nothing new.
func (d *drill) staysUp(devices ...*client.Device) {
	d.Helper()
	for range 3 {
		d.clock = d.clock.Add(2 * time.Hour)
		d.check(d.i.Fresh(d.Context()))
		for _, device := range devices {
			r, err := device.Update(d.Context())
			if err != nil || r.Outcome != client.OutcomeCurrent {
				d.Errorf("%+v, %v", r, err)
			}
		}
	}
}

// TestDrillWithTheBackupAlone: nothing is left but the backup. Devices that saw
// no more than it holds go on at once, and the others once people vouched for a
// new log.
func TestDrillWithTheBackupAlone(t *testing.T) {
	d := newDrill(t)
	d.mustPublish("1.0.0")
	onOne, onTwo, onThree := d.device(), d.device(), d.device()
	d.takes(onOne, "1.0.0")
	d.mustPublish("2.0.0")
	d.takes(onTwo, "2.0.0")
	d.mustBackUp("a.backup")
	for _, version := range []sealift.Version{"3.0.0", "3.0.1"} {
		d.mustPublish(version)
		d.takes(onThree, version)
	}
	v3 := d.mustPublish("3.0.2")
	d.takes(onThree, "3.0.2")
	for range 5 { // so that every version is above what the backup would reach again
		d.clock = d.clock.Add(sealift.TimestampPeriod)
		d.check(d.i.Fresh(d.Context()))
		_, err := onThree.Check(d.Context())
		d.check(err)
	}
	d.lose()

	got, err := installation.Restore(d.Context(), d.restoring("a.backup"))
	d.check(err)
	if got.Restore.Known || got.Restore.Lost != 0 {
		t.Errorf("%+v", got.Resumed)
	}
	d.start()
	d.check(d.i.Fresh(d.Context()))
	d.clock = d.clock.Add(time.Minute)
	v4 := d.mustPublish("4.0.0")
	if v4.Counter <= v3.Counter {
		t.Errorf("counter %d after %d", v4.Counter, v3.Counter)
	}
	d.takes(onOne, "4.0.0")
	d.takes(onTwo, "4.0.0")
	_, err = onThree.Update(d.Context())
	d.wantRefusal(err, sealift.KindSignature, "log")

	d.vouch()
	for _, device := range []*client.Device{onOne, onTwo} {
		r, err := device.Update(d.Context())
		if err != nil || r.Installed.Version != "4.0.0" {
			t.Errorf("%+v, %v", r, err)
		}
	}
	d.takes(onThree, "4.0.0")
	d.mustPublish("5.0.0")
	for _, device := range []*client.Device{onOne, onTwo, onThree, d.device()} {
		d.takes(device, "5.0.0")
	}
	d.staysUp(onOne, onTwo, onThree)
	if lost := d.verifyLog().Lost; len(lost) > 0 {
		t.Errorf("lost %+v: the log begins where the backup ends", lost)
	}
}

// vouch is the ceremony by which people name the keys that the vault has now.
func (d *drill) vouch() {
	d.Helper()
	anchors, err := d.i.Releases.Anchors(d.Context())
	d.check(err)
	var director []crypto.PublicKey
	for _, key := range anchors.Keys {
		if key.Purpose == "director" {
			pub, err := x509.ParsePKIXPublicKey(key.Public)
			d.check(err)
			director = append(director, pub)
		}
	}
	targets, err := tufrepo.SignTargets(tufrepo.Targets{
		Version: 2, Expires: d.now().Add(sealift.TargetsLife), Trust: anchors.Trust, Director: tufrepo.Role{Keys: director, Threshold: 1},
	}, []crypto.Signer{d.openKey("targets-1")})
	d.check(err)
	_, err = d.api.AcceptRoot(d.Context(), api.Ceremony{Targets: targets, Trust: anchors.Trust})
	d.check(err)
}

// openKey opens a person's key.
func (d *drill) openKey(name string) crypto.Signer {
	d.Helper()
	sealed, err := os.ReadFile(filepath.Join(d.dir, "keys", name+".key"))
	d.check(err)
	identity, err := age.NewScryptIdentity(passphrase)
	d.check(err)
	opened, err := age.Decrypt(armor.NewReader(bytes.NewReader(sealed)), identity)
	d.check(err)
	text, err := io.ReadAll(opened)
	d.check(err)
	block, _ := pem.Decode(text)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	d.check(err)
	return key.(crypto.Signer)
}

// restorerEnv makes this test binary restore: "BACKUP IDENTITY DATA".
const restorerEnv = "SEALIFT_TEST_RESTORER"

// runRestorer restores and says so.
func runRestorer(task string) error {
	words := strings.Fields(task)
	identity, err := age.ParseX25519Identity(words[1])
	if err != nil {
		return err
	}
	fmt.Println("begins")
	_, err = installation.Restore(context.Background(), installation.Restoring{
		File: words[0], Identities: []backup.Identity{identity}, Data: words[2], By: local,
	})
	if err == nil {
		fmt.Println("restored")
		os.Exit(0)
	}
	return err
}

// TestRestoreKilled kills a restore at any moment: either the data folder is
// there, whole, or nothing is that a server would start on.
func TestRestoreKilled(t *testing.T) {
	d := newDrill(t)
	d.mustPublish("1.0.0")
	d.mustBackUp("a.backup")
	d.lose()
	defer func() { // for the end of the test
		_, err := installation.Restore(context.Background(), d.restoring("a.backup"))
		d.check(err)
		d.start()
	}()
	self, err := os.Executable()
	d.check(err)
	kills, whole := 0, 0
	for window := 20 * time.Millisecond; window < time.Minute && whole < 2; window += window / 2 {
		cmd := exec.CommandContext(d.Context(), self)
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s %s", restorerEnv, filepath.Join(d.dir, "a.backup"), d.identity, d.data()))
		out, err := cmd.StdoutPipe()
		d.check(err)
		d.check(cmd.Start())
		lines := bufio.NewScanner(out)
		lines.Scan()
		killed := time.AfterFunc(window, func() { _ = cmd.Process.Kill() })
		restored := lines.Scan()
		killed.Stop()
		_ = cmd.Wait()
		_, err = os.Stat(d.data())
		switch {
		case restored && err != nil:
			t.Fatalf("said that it restored: %v", err)
		case err == nil:
			whole++
			i, err := installation.Open(d.Context(), d.data(), installation.Options{Now: d.now})
			d.check(err)
			d.check(i.Close())
			d.check(os.RemoveAll(d.data()))
		default:
			kills++
		}
		left, err := filepath.Glob(filepath.Join(d.dir, ".data-*"))
		d.check(err)
		for _, dir := range left {
			if i, err := installation.Open(d.Context(), dir, installation.Options{Now: d.now}); err == nil {
				t.Errorf("a server starts on %s", dir)
				d.check(i.Close())
			}
			d.check(os.RemoveAll(dir))
		}
	}
	t.Logf("killed %d times, came through %d times", kills, whole)
	if kills < 2 || whole < 1 {
		t.Errorf("killed %d times, came through %d times", kills, whole)
	}
}
