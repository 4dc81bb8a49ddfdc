package capgo

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/capgo"
)

// android is the CryptoCipher of a release of the plugin, compiled, for one app.
type android struct {
	*app
	v2 bool // it reads V2 hashes
}

func compile(a *app) *android {
	a.t.Helper()
	java, err := filepath.Abs("java")
	a.check(err)
	out, err := exec.Command("javac", "-nowarn", "-d", a.path("classes"),
		filepath.Join(peer(a.t, "plugin-"+a.plugin), "android/src/main/java/ee/forgr/capacitor_updater/CryptoCipher.java"),
		filepath.Join(java, "android/util/Base64.java"), filepath.Join(java, "ee/forgr/capacitor_updater/Logger.java"), filepath.Join(java, "ee/forgr/capacitor_updater/Peer.java")).CombinedOutput()
	if err != nil {
		a.t.Fatalf("%v: %s", err, out)
	}
	a.write("public.pem", []byte(capgo.PublicPEM(&a.key.PublicKey)))
	return &android{a, strings.HasPrefix(a.plugin, "7.27.")}
}

// hash is the one of its generation.
func (d *android) hash(v3, v2 string) string {
	if d.v2 {
		return v2
	}
	return v3
}

// taken is what CryptoCipher made of a file.
type taken struct {
	plain    []byte // decrypted
	checksum string // what the checksum decodes to
	own      string // the checksum that it computes of the plain file
	keyID    string // "none" where the release computes none
}

func (d *android) take(sealed []byte, sessionKey, checksum string) (taken, error) {
	d.t.Helper()
	d.write("file", sealed)
	out, err := exec.Command("java", "-cp", d.path("classes"), "ee.forgr.capacitor_updater.Peer", d.path("public.pem"), d.path("file"), sessionKey, checksum).Output()
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if err != nil || len(lines) != 3 {
		return taken{}, err
	}
	return taken{d.read("file"), lines[0], lines[1], lines[2]}, nil
}

// takes is take of what must be taken: plain is the digest that the checksum stands for.
func (d *android) takes(what string, sealed []byte, sessionKey, checksum string, plain sealift.Digest) []byte {
	d.t.Helper()
	got, err := d.take(sealed, sessionKey, checksum)
	if err != nil || got.checksum != plain.String() || got.own != sealift.DigestOf(got.plain).String() {
		d.t.Fatalf("%s: %q, %q, %v", what, got.checksum, got.own, err)
	}
	if id := capgo.KeyID(&d.key.PublicKey); got.keyID != "none" && got.keyID != id {
		d.t.Errorf("%s: key id %s, not %s", what, got.keyID, id)
	}
	return got.plain
}

// The plugin's Android code takes what Sealift made: session key, checksum of its
// generation, ciphertext, key id. It takes no hash of the other generation.
func TestTheirAndroidCode(t *testing.T) {
	for _, version := range []string{"8.51.23", "8.43.8", "7.27.8"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			d := compile(newApp(t, version))
			p := pack(d.app)
			b := p.bundle
			if got := d.takes("zip", p.zip, b.SessionKey, d.hash(b.ChecksumV3, b.ChecksumV2), p.plan.Zip.Plain); sealift.DigestOf(got) != p.plan.Zip.Plain {
				t.Error("the zip is decrypted to something else")
			}
			for i, f := range b.Manifest {
				got := d.takes(f.Name, p.files[i], b.SessionKey, d.hash(f.HashV3, f.HashV2), p.plan.Files[i].Plain)
				if capgo.Path(f.Name) == f.Name && string(got) != site[i].content {
					t.Errorf("%s is decrypted to something else", f.Name)
				}
			}
			if got, err := d.take(p.zip, b.SessionKey, d.hash(b.ChecksumV2, b.ChecksumV3)); err == nil && got.checksum == p.plan.Zip.Plain.String() {
				t.Errorf("it takes the hash of the other generation: %+v", got)
			}
		})
	}
}
