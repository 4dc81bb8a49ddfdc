package bundle

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/sealift/sealift"
)

// zipFile builds a zip of the given entries; a name that begins with "=" is
// stored, all others are deflated.
func zipFile(t *testing.T, entries map[string]string) string {
	t.Helper()
	var file bytes.Buffer
	w := zip.NewWriter(&file)
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		header := &zip.FileHeader{Name: name, Method: zip.Deflate}
		if stored, ok := strings.CutPrefix(name, "="); ok {
			header.Name, header.Method = stored, zip.Store
		}
		entry, err := w.CreateHeader(header)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(entry, entries[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.String()
}

// peFile builds the headers of a Windows binary, the PE header at the offset.
func peFile(offset int) string {
	file := make([]byte, offset+200)
	copy(file, "MZ")
	binary.LittleEndian.PutUint32(file[60:], uint32(offset))
	copy(file[offset:], "PE\x00\x00\x64\x86")
	return string(file)
}

func TestNativeCodeIsRefused(t *testing.T) {
	elf := "\x7fELF\x02\x01\x01" + strings.Repeat("\x00", 200)
	class := "\xca\xfe\xba\xbe\x00\x00\x00\x34" + strings.Repeat("\x00", 100)
	padding := strings.Repeat("nothing to see ", 30_000)
	jar := map[string]string{"META-INF/": "", "META-INF/MANIFEST.MF": "Manifest-Version: 1.0\n"}
	for name, content := range map[string]string{
		"elf":                   elf,
		"tiny elf":              "\x7fELF",
		"mach-o 32":             "\xce\xfa\xed\xfe\x0c\x00\x00\x00",
		"mach-o 64":             "\xcf\xfa\xed\xfe\x0c\x00\x00\x01" + strings.Repeat("\x00", 100),
		"mach-o big-endian":     "\xfe\xed\xfa\xce\x00\x00\x00\x12",
		"mach-o 64 big-endian":  "\xfe\xed\xfa\xcf\x00\x00\x00\x12",
		"fat mach-o":            "\xca\xfe\xba\xbe\x00\x00\x00\x02\x01\x00\x00\x07",
		"fat mach-o 64":         "\xca\xfe\xba\xbf\x00\x00\x00\x02",
		"pe":                    peFile(128),
		"pe with a long stub":   peFile(300_000),
		"dex":                   "dex\n035\x00" + strings.Repeat("\x00", 100),
		"compact dex":           "cdex001\x00",
		"class":                 class,
		"jar":                   zipFile(t, jar),
		"apk":                   zipFile(t, map[string]string{"AndroidManifest.xml": "\x03\x00", "res/a": padding}),
		"apk, manifest last":    zipFile(t, map[string]string{"0": padding, "=1": padding, "classes2.dex": "x"}),
		"aab":                   zipFile(t, map[string]string{"base/manifest/AndroidManifest.xml": "x"}),
		"ipa":                   zipFile(t, map[string]string{"Payload/Shop.app/Info.plist": "x"}),
		"zip of an elf":         zipFile(t, map[string]string{"lib/x.so": elf}),
		"zip of a stored elf":   zipFile(t, map[string]string{"=lib/x.so": elf}),
		"zip of a class":        zipFile(t, map[string]string{"com/acme/A.class": class}),
		"zip of a pe":           zipFile(t, map[string]string{"setup.exe": peFile(128)}),
		"zip of a stored zip":   zipFile(t, map[string]string{"=a.zip": zipFile(t, map[string]string{"x/y": elf})}),
		"zip of a deflated jar": zipFile(t, map[string]string{"a.zip": zipFile(t, jar)}),
		"split archive":         "PK\x07\x08" + zipFile(t, jar),
	} {
		t.Run(name, func(t *testing.T) {
			bundle := tree{indexFile: {Content: "<!doctype html>"}, "assets/logo.png": {Content: content}}
			if err := checkSource(t, bundle); sealift.ReasonOf(err) != "native_code" || sealift.KindOf(err) != sealift.KindInvalid {
				t.Errorf("the publisher's check says %v", err)
			}
			if err := checkSink(t, bundle, len(content)); sealift.ReasonOf(err) != "native_code" {
				t.Errorf("the vault's check says %v", err)
			}
			if err := checkSink(t, bundle, 1); sealift.ReasonOf(err) != "native_code" {
				t.Errorf("the vault's check, byte by byte, says %v", err)
			}
		})
	}
}

func TestInterpretedCodeIsAllowed(t *testing.T) {
	for name, content := range map[string]string{
		"empty":                 "",
		"short":                 "M",
		"html":                  "<!doctype html><script src=a.js></script>",
		"wasm":                  "\x00asm\x01\x00\x00\x00" + strings.Repeat("\x00", 100),
		"text that begins MZ":   "MZ is how a DOS header begins, and this text points to no PE header at all, does it?" + strings.Repeat(" ", 100),
		"dos header, no pe":     "MZ" + strings.Repeat("\x00", 300),
		"text about dex":        "dex\nis short for index",
		"epub":                  zipFile(t, map[string]string{"=mimetype": "application/epub+zip", "META-INF/container.xml": "<container/>", "OEBPS/a.xhtml": "<html/>"}),
		"docx":                  zipFile(t, map[string]string{"[Content_Types].xml": "<Types/>", "_rels/.rels": "x", "word/document.xml": "x"}),
		"xlsx":                  zipFile(t, map[string]string{"[Content_Types].xml": "<Types/>", "xl/workbook.xml": "x"}),
		"odt":                   zipFile(t, map[string]string{"=mimetype": "application/vnd.oasis.opendocument.text", "META-INF/manifest.xml": "x", "content.xml": "x"}),
		"zip of zips":           zipFile(t, map[string]string{"=a.zip": zipFile(t, map[string]string{"a": "b"}), "b.zip": zipFile(t, map[string]string{"a": "b"})}),
		"empty zip":             zipFile(t, nil),
		"zip cut in its header": zipFile(t, map[string]string{"abcdefgh": "x"})[:34],
		"zip with a long name":  zipFile(t, map[string]string{strings.Repeat("n", 65_000): "x"}),
		"script that names it":  "#!/bin/sh\nunzip -l x.jar META-INF/MANIFEST.MF",
	} {
		t.Run(name, func(t *testing.T) {
			bundle := tree{indexFile: {Content: "<!doctype html>"}, "a": {Content: content}}
			if err := checkSource(t, bundle); err != nil {
				t.Error(err)
			}
			for _, step := range []int{1, 7, len(content) + 1} {
				if err := checkSink(t, bundle, step); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestIndexIsRequired(t *testing.T) {
	bundle := tree{"dist/index.html": {Content: "x"}, "package.json": {Content: "{}"}}
	for name, err := range map[string]error{"publisher": checkSource(t, bundle), "vault": checkSink(t, bundle, 10)} {
		if sealift.ReasonOf(err) != "no_index" || sealift.HintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDeviceAppsMayHoldAnything(t *testing.T) {
	source, err := OpenSource(tree{"bin/app": {Content: "\x7fELF", Executable: true}}.fs())
	if err != nil {
		t.Fatal(err)
	}
	if err := (Policy{}).Check(t.Context(), source); err != nil {
		t.Error(err)
	}
}

// Zips within zips are looked into up to a depth: there are zips that hold
// themselves.
func TestZipDepthIsBounded(t *testing.T) {
	file := "\x7fELF" + strings.Repeat("\x00", 60)
	for depth := range sealift.MaxZipDepth + 4 {
		look := newInspector(newZipBudget(t.Context()))
		look.take([]byte(file))
		found, err := look.finish()
		if want := depth <= sealift.MaxZipDepth+1; (found != "") != want || err != nil {
			t.Errorf("an ELF binary within %d zips: %q, %v", depth, found, err)
		}
		file = zipFile(t, map[string]string{"a": file})
	}
}

func checkSource(t *testing.T, bundle tree) error {
	t.Helper()
	source, err := OpenSource(bundle.fs())
	if err != nil {
		t.Fatal(err)
	}
	return StorePolicy().Check(t.Context(), source)
}

// checkSink unpacks a bundle as Open would, step bytes at a time, and holds
// the Sink to passing on what it allows.
func checkSink(t *testing.T, bundle tree, step int) error {
	t.Helper()
	got := tree{}
	sink := StorePolicy().Sink(got)
	for _, path := range slices.Sorted(maps.Keys(bundle)) {
		content := []byte(bundle[path].Content)
		file, err := sink.Create(path, int64(len(content)), false)
		if err != nil {
			return err
		}
		for piece := range slices.Chunk(content, max(step, 1)) {
			if _, err := file.Write(piece); err != nil {
				return err
			}
		}
		if err := file.Close(); err != nil {
			return err
		}
	}
	if !maps.Equal(got, bundle) {
		t.Error("the files changed on their way")
	}
	return sink.Finish()
}
