package capgo

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/sealift/sealift"
)

// noise is what nothing compresses.
func noise(n int) []byte {
	out := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(out) // never fails
	return out
}

// site is a bundle, in the order of its paths.
func site() (paths []string, contents map[string][]byte) {
	contents = map[string][]byte{
		"assets/app.js":   []byte(strings.Repeat("CapacitorUpdater.notifyAppReady(); ", 400)),
		"assets/logo.png": noise(10_000),
		"ch/über.html":    []byte("<p>ü</p>"),
		"index.html":      []byte("<!doctype html><script src=assets/app.js></script>"),
		"old.js.br":       []byte("was compressed by the build"),
		"small.js":        []byte(strings.Repeat("a", brotliFrom-1)),
	}
	return []string{"assets/app.js", "assets/logo.png", "ch/über.html", "index.html", "old.js.br", "small.js"}, contents
}

func entries(paths []string, contents map[string][]byte) (out []Entry) {
	for _, p := range paths {
		out = append(out, Entry{p, int64(len(contents[p])), sealift.DigestOf(contents[p])})
	}
	return out
}

// packed is a bundle as it lies in the published tree.
type packed struct {
	session Session
	plan    Plan
	zip     []byte
	files   [][]byte
	entries []Entry
}

func pack(t testing.TB) packed {
	t.Helper()
	session, err := ParseSession([]byte(strings.Repeat("k", 32)))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	p := NewPacker(session, &out)
	paths, contents := site()
	got := packed{session: session, entries: entries(paths, contents)}
	for _, path := range paths {
		sealed, file, err := p.Add(path, contents[path])
		if err != nil {
			t.Fatal(err)
		}
		if file.SHA256 != sealift.DigestOf(sealed) || file.Size != int64(len(sealed)) {
			t.Errorf("%s: %+v", path, file)
		}
		got.files = append(got.files, sealed)
	}
	if got.plan, err = p.Close(); err != nil {
		t.Fatal(err)
	}
	got.zip = out.Bytes()
	if !p.CallsReady || got.plan.Zip.SHA256 != sealift.DigestOf(got.zip) || got.plan.Zip.Size != int64(len(got.zip)) {
		t.Errorf("%t, %+v", p.CallsReady, got.plan.Zip)
	}
	return got
}

func TestPack(t *testing.T) {
	p := pack(t)
	var names []string
	for i, f := range p.plan.Files {
		names = append(names, f.Name)
		if err := CheckFile(p.session, f.Name, bytes.NewReader(p.files[i]), f.Size, p.entries[i]); err != nil {
			t.Error(err)
		}
		if f.Plain != p.entries[i].SHA256 {
			t.Errorf("%s: %v", f.Name, f.Plain)
		}
	}
	if got := strings.Join(names, " "); got != "assets/app.js.br assets/logo.png ch/über.html index.html old.js.br.br small.js" {
		t.Errorf("names: %s", got)
	}
	plain, err := p.session.Open(p.zip)
	if err != nil {
		t.Fatal(err)
	}
	digest, err := CheckZip(bytes.NewReader(plain), int64(len(plain)), p.entries)
	if err != nil || digest != p.plan.Zip.Plain || digest != sealift.DigestOf(plain) {
		t.Errorf("zip: %v, %v", digest, err)
	}
	if again := pack(t); !bytes.Equal(again.zip, p.zip) {
		t.Error("two zips of the same files differ")
	}
	readFromFront(t, plain)
}

// readFromFront reads a zip as Android's ZipInputStream does: header by header, with
// no look at the directory.
func readFromFront(t *testing.T, plain []byte) {
	t.Helper()
	paths, contents := site()
	for _, path := range paths {
		if len(plain) < 30 || string(plain[:4]) != "PK\x03\x04" {
			t.Fatalf("no header for %s", path)
		}
		flags, method := binary.LittleEndian.Uint16(plain[6:]), binary.LittleEndian.Uint16(plain[8:])
		sum, deflated, size := binary.LittleEndian.Uint32(plain[14:]), binary.LittleEndian.Uint32(plain[18:]), binary.LittleEndian.Uint32(plain[22:])
		name, extra := binary.LittleEndian.Uint16(plain[26:]), binary.LittleEndian.Uint16(plain[28:])
		if wantFlags := map[bool]uint16{true: utf8Flag}[strings.Contains(path, "ü")]; flags != wantFlags || method != 8 || extra != 0 || string(plain[30:30+name]) != path {
			t.Errorf("%s: flags %#x, method %d, extra %d", path, flags, method, extra)
		}
		plain = plain[30+name:]
		content, err := io.ReadAll(flate.NewReader(bytes.NewReader(plain[:deflated])))
		if err != nil || !bytes.Equal(content, contents[path]) || int(size) != len(content) || sum != crc32.ChecksumIEEE(content) {
			t.Errorf("%s: %v", path, err)
		}
		plain = plain[deflated:]
	}
	if string(plain[:4]) != "PK\x01\x02" {
		t.Error("something between the files and the directory")
	}
}

func TestCheckZipRefuses(t *testing.T) {
	p := pack(t)
	plain, err := p.session.Open(p.zip)
	if err != nil {
		t.Fatal(err)
	}
	check := func(name string, data []byte, files []Entry) {
		t.Helper()
		_, err := CheckZip(bytes.NewReader(data), int64(len(data)), files)
		if sealift.KindOf(err) != sealift.KindIntegrity || sealift.ReasonOf(err) != "zip" {
			t.Errorf("%s: %v", name, err)
		}
	}
	bent := func(bend func(e []Entry) []Entry) []Entry { return bend(append([]Entry(nil), p.entries...)) }
	check("a file less", plain, bent(func(e []Entry) []Entry { return e[1:] }))
	check("another path", plain, bent(func(e []Entry) []Entry { e[0].Path = "assets/bpp.js"; return e }))
	check("another size", plain, bent(func(e []Entry) []Entry { e[0].Size++; return e }))
	check("another content", plain, bent(func(e []Entry) []Entry { e[0].SHA256[0] ^= 1; return e }))
	check("nothing", nil, p.entries)
	check("something in front", append([]byte("x"), plain...), p.entries)
	check("something behind", append(bytes.Clone(plain), 'x'), p.entries)
	// Every byte of a local header, which no reader of the directory looks at.
	for i := range 30 + len("assets/app.js") {
		data := bytes.Clone(plain)
		data[i] ^= 1
		check(fmt.Sprintf("byte %d of the first header", i), data, p.entries)
	}

	// What archive/zip writes by itself: descriptors behind the entries, and stored
	// entries.
	_, contents := site()
	for name, h := range map[string]zip.FileHeader{"descriptors": {Method: zip.Deflate}, "stored": {Method: zip.Store}, "extra": {Method: zip.Deflate, Extra: []byte{1, 2, 0, 0}}} {
		var out bytes.Buffer
		w := zip.NewWriter(&out)
		for _, e := range p.entries {
			h := h
			h.Name = e.Path
			f, err := w.CreateHeader(&h)
			if err == nil {
				_, err = f.Write(contents[e.Path])
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		check(name, out.Bytes(), p.entries)
	}

	// Something behind the end of a deflated entry, where a reader from the front
	// looks for the next.
	var out bytes.Buffer
	w := newZipWriter(&out)
	for _, e := range p.entries {
		content := contents[e.Path]
		var small bytes.Buffer
		deflate, _ := flate.NewWriter(&small, 1) // a level there is
		_, _ = deflate.Write(content)            // to memory
		_ = deflate.Close()
		small.WriteString("more")
		f, err := w.begin(e.Path, crc32.ChecksumIEEE(content), int64(small.Len()), e.Size)
		if err == nil {
			_, err = f.Write(small.Bytes())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	check("more in an entry", out.Bytes(), p.entries)
}

func TestCheckFileRefuses(t *testing.T) {
	p := pack(t)
	other := Session{key: [16]byte{1}}
	for name, err := range map[string]error{
		"another key":     CheckFile(other, "index.html", bytes.NewReader(p.files[3]), p.plan.Files[3].Size, p.entries[3]),
		"another file":    CheckFile(p.session, "index.html", bytes.NewReader(p.files[5]), p.plan.Files[5].Size, p.entries[3]),
		"another name":    CheckFile(p.session, "index.htm", bytes.NewReader(p.files[3]), p.plan.Files[3].Size, p.entries[3]),
		"not compressed":  CheckFile(p.session, "index.html.br", bytes.NewReader(p.files[3]), p.plan.Files[3].Size, p.entries[3]),
		"compressed":      CheckFile(p.session, "assets/app.js", bytes.NewReader(p.files[0]), p.plan.Files[0].Size, p.entries[0]),
		"half of it":      CheckFile(p.session, "assets/logo.png", bytes.NewReader(p.files[1][:4096]), 4096, p.entries[1]),
		"not whole block": CheckFile(p.session, "index.html", bytes.NewReader(p.files[3]), p.plan.Files[3].Size-1, p.entries[3]),
		"more behind it":  CheckFile(p.session, "assets/app.js.br", bytes.NewReader(behind(t, p)), int64(len(behind(t, p))), p.entries[0]),
	} {
		if sealift.KindOf(err) != sealift.KindIntegrity || sealift.ReasonOf(err) != "file" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// behind is the compressed file with something behind it.
func behind(t *testing.T, p packed) []byte {
	t.Helper()
	plain, err := p.session.Open(p.files[0])
	if err != nil {
		t.Fatal(err)
	}
	return p.session.Seal(append(plain, "more"...))
}

func TestCheckFilesRefuses(t *testing.T) {
	many := make([]Entry, sealift.MaxCapgoFiles+1)
	for i := range many {
		many[i] = Entry{Path: fmt.Sprintf("%05d", i), Size: 1}
	}
	large := make([]Entry, sealift.MaxCapgoZip/sealift.MaxCapgoFile+1)
	for i := range large {
		large[i] = Entry{Path: fmt.Sprint(i), Size: sealift.MaxCapgoFile}
	}
	for name, files := range map[string][]Entry{
		"no index":     {{Path: "www/index.html", Size: 1}},
		"nothing":      nil,
		"space":        {{Path: "a b", Size: 1}, {Path: "index.html", Size: 1}},
		"backslash":    {{Path: `a\b`, Size: 1}, {Path: "index.html", Size: 1}},
		"dots":         {{Path: "a/../b", Size: 1}, {Path: "index.html", Size: 1}},
		"empty":        {{Path: "a", Size: 0}, {Path: "index.html", Size: 1}},
		"order":        {{Path: "index.html", Size: 1}, {Path: "a", Size: 1}},
		"twice":        {{Path: "index.html", Size: 1}, {Path: "index.html", Size: 1}},
		"a large file": {{Path: "a", Size: sealift.MaxCapgoFile + 1}, {Path: "index.html", Size: 1}},
		"many files":   many,
		"large files":  large,
	} {
		err := CheckFiles(files)
		if sealift.KindOf(err) != sealift.KindInvalid || sealift.ReasonOf(err) != "capgo" || sealift.HintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := CheckFiles(pack(t).entries); err != nil {
		t.Error(err)
	}
	p := NewPacker(Session{}, io.Discard)
	if _, _, err := p.Add("a", nil); sealift.ReasonOf(err) != "capgo" {
		t.Errorf("packing nothing: %v", err)
	}
	if _, err := p.Close(); sealift.ReasonOf(err) != "capgo" {
		t.Errorf("packing no index: %v", err)
	}
}

func TestCallsReady(t *testing.T) {
	p := NewPacker(Session{}, io.Discard)
	for _, path := range []string{"README.md", "index.html"} {
		content := "notifyAppReady"
		if path == Index {
			content = "<p>"
		}
		if _, _, err := p.Add(path, []byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if p.CallsReady {
		t.Error("a text mentions it")
	}
}

func FuzzCheckZip(f *testing.F) {
	p := pack(f)
	plain, err := p.session.Open(p.zip)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(plain)
	f.Fuzz(func(t *testing.T, data []byte) {
		digest, err := CheckZip(bytes.NewReader(data), int64(len(data)), p.entries)
		if err == nil && digest != sealift.DigestOf(data) {
			t.Error("another digest")
		}
	})
}

func FuzzCheckFile(f *testing.F) {
	p := pack(f)
	f.Add(p.files[0])
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := CheckFile(p.session, p.plan.Files[0].Name, bytes.NewReader(data), int64(len(data)), p.entries[0]); err == nil && len(data) > 1<<20 {
			t.Error("a bomb")
		}
	})
}
