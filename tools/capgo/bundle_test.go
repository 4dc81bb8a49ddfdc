package capgo

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/capgo"
)

// packed is the site as Sealift packs it.
type packed struct {
	session capgo.Session
	bundle  capgo.Bundle
	plan    capgo.Plan
	zip     []byte
	files   [][]byte
}

func pack(a *app) (p packed) {
	a.t.Helper()
	var err error
	p.session, err = capgo.ParseSession([]byte("sixteen-byte-keysixteen-byte-iv!"))
	a.check(err)
	var out bytes.Buffer
	packer := capgo.NewPacker(p.session, &out)
	for _, f := range site {
		sealed, _, err := packer.Add(f.path, []byte(f.content))
		a.check(err)
		p.files = append(p.files, sealed)
	}
	p.plan, err = packer.Close()
	a.check(err)
	p.zip = out.Bytes()
	p.bundle, err = p.plan.Bundle("1.2.3", &a.key.PublicKey, p.session, a.encode)
	a.check(err)
	return p
}

// generations are a plugin that reads V3 hashes and one that reads V2, each with the
// hash that it reads.
var generations = []struct {
	plugin string
	hash   func(v3, v2 string) string
}{
	{"8.51.23", func(v3, _ string) string { return v3 }},
	{"7.27.8", func(_, v2 string) string { return v2 }},
}

// Capgo's own program decrypts what Sealift encrypts, zip and files, and finds their
// hashes; and no other.
func TestTheyDecryptOurs(t *testing.T) {
	for _, g := range generations {
		t.Run(g.plugin, func(t *testing.T) {
			t.Parallel()
			a := newApp(t, g.plugin)
			p := pack(a)
			opens := func(name string, sealed, plain []byte, checksum string, matches bool) {
				t.Helper()
				a.write(name, sealed)
				_, said := a.run("bundle", "decrypt", name, p.bundle.SessionKey, "--checksum", checksum)
				if !a.exists(name+"_decrypted.zip") || !bytes.Equal(a.read(name+"_decrypted.zip"), plain) {
					t.Fatalf("%s is not decrypted: %s", name, said)
				}
				if strings.Contains(said, "Checksum matches") != matches {
					t.Errorf("%s, matching %t: %s", name, matches, said)
				}
			}
			plain, err := p.session.Open(p.zip)
			a.check(err)
			opens("bundle.zip", p.zip, plain, g.hash(p.bundle.ChecksumV3, p.bundle.ChecksumV2), true)
			opens("wrong.zip", p.zip, plain, g.hash(p.bundle.Manifest[0].HashV3, p.bundle.Manifest[0].HashV2), false)
			for i, f := range p.bundle.Manifest {
				small, err := p.session.Open(p.files[i])
				a.check(err)
				name := strings.ReplaceAll(f.Name, "/", "-")
				compressed := strings.HasSuffix(f.Name, capgo.Brotli)
				opens(name, p.files[i], small, g.hash(f.HashV3, f.HashV2), !compressed) // the hash is of what is installed
				if compressed {
					small = a.decompress(name + "_decrypted.zip")
				}
				if string(small) != site[i].content {
					t.Errorf("%s has become something else", f.Name)
				}
			}
		})
	}
}

// decompress has Node.js undo brotli.
func (a *app) decompress(name string) []byte {
	a.t.Helper()
	out, err := exec.Command("node", "-e", "process.stdout.write(require('zlib').brotliDecompressSync(require('fs').readFileSync(process.argv[1])))", a.path(name)).Output()
	a.check(err)
	return out
}

// Sealift decrypts what Capgo's own program encrypts, and for the same key, vector and
// session key writes the same bytes.
func TestWeDecryptTheirs(t *testing.T) {
	for _, g := range generations {
		t.Run(g.plugin, func(t *testing.T) {
			t.Parallel()
			a := newApp(t, g.plugin)
			a.run("bundle", "zip", "com.acme.shop", "--bundle", "1.2.3", "--path", "www", "--name", "theirs.zip", "--json")
			a.write("one-file", []byte(site[1].content))
			for _, name := range []string{"theirs.zip", "one-file"} {
				a.sameAs(g.hash, name)
			}
			archive, err := zip.NewReader(bytes.NewReader(a.read("theirs.zip")), int64(len(a.read("theirs.zip"))))
			a.check(err)
			for _, f := range site {
				file, err := archive.Open(f.path)
				a.check(err)
				content, err := io.ReadAll(file)
				if err != nil || string(content) != f.content {
					t.Errorf("%s: %v", f.path, err)
				}
			}
		})
	}
}

// sameAs has Capgo's own program encrypt a file, and compares.
func (a *app) sameAs(hash func(v3, v2 string) string, name string) {
	a.t.Helper()
	plain := a.read(name)
	digest := sealift.DigestOf(plain)
	stdout, all := a.run("bundle", "encrypt", name, digest.String(), "--json")
	var theirs struct{ Checksum, Filename, IvSessionKey string }
	if err := json.Unmarshal([]byte(stdout[max(0, strings.Index(stdout, "{")):]), &theirs); err != nil {
		a.t.Fatalf("%v: %s", err, all)
	}
	sealed := a.read(theirs.Filename)
	vector, encoded, _ := strings.Cut(theirs.IvSessionKey, ":")
	iv, err := base64.StdEncoding.DecodeString(vector)
	a.check(err)
	block, err := base64.StdEncoding.DecodeString(encoded)
	a.check(err)
	session, err := capgo.ParseSession(append(a.decode(block), iv...))
	a.check(err)
	if opened, err := session.Open(sealed); err != nil || !bytes.Equal(opened, plain) {
		a.t.Errorf("%s: decrypted something else: %v", name, err)
	}
	if !bytes.Equal(session.Seal(plain), sealed) {
		a.t.Errorf("%s: encrypts to other bytes", name)
	}
	blob := capgo.Blob{SHA256: sealift.DigestOf(sealed), Size: int64(len(sealed))}
	plan := capgo.Plan{Zip: capgo.Content{Plain: digest, Blob: blob}, Files: []capgo.Content{{Name: capgo.Index, Plain: digest, Blob: blob}}}
	ours, err := plan.Bundle("1.2.3", &a.key.PublicKey, session, a.encode)
	a.check(err)
	if ours.SessionKey != theirs.IvSessionKey || hash(ours.ChecksumV3, ours.ChecksumV2) != theirs.Checksum {
		a.t.Errorf("%s: session key %s, checksum %s; theirs %+v", name, ours.SessionKey, hash(ours.ChecksumV3, ours.ChecksumV2), theirs)
	}
}
