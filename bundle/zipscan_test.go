package bundle

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/sealift/sealift"
)

// sharing builds n local headers of deflated entries, one after the other. The
// name of each reaches to the end of the last, so that data is the data of all.
func sharing(n int, data string) string {
	var file []byte
	for i := range n {
		header := make([]byte, localSize)
		copy(header, zipLocal)
		binary.LittleEndian.PutUint16(header[8:], zip.Deflate)
		binary.LittleEndian.PutUint16(header[26:], uint16((n-1-i)*localSize))
		file = append(file, header...)
	}
	return string(file) + data
}

func deflated(t *testing.T, content string) string {
	t.Helper()
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// nested builds a file of one entry that holds n headers on each of three
// levels: 1 + n + n² + n³ inflations.
func nested(t *testing.T, n int) string {
	t.Helper()
	data := deflated(t, "x")
	for range sealift.MaxZipDepth {
		data = deflated(t, sharing(n, data))
	}
	return sharing(1, data)
}

// spent is what was taken from a budget.
func spent(b *zipBudget) (headers, inflations int) {
	return sealift.MaxZipHeaders - b.headers, sealift.MaxInflations - b.inflations
}

func tooMany(t *testing.T, who string, err error) {
	t.Helper()
	if sealift.KindOf(err) != sealift.KindInvalid || sealift.ReasonOf(err) != "too_many_entries" || sealift.HintOf(err) == "" {
		t.Errorf("%s says %v, want too_many_entries", who, err)
	}
}

// However zips lie within a file, and share their bytes, the work on them is
// the budget of the file. No scanner of the first comes near it, all together
// are over it; the second is about the most that an entry can hold.
func TestNestedZipsShareTheFilesBudget(t *testing.T) {
	for _, n := range []int{26, 90} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			file := nested(t, n)
			budget := newZipBudget(t.Context())
			look := newInspector(budget)
			look.take([]byte(file))
			found, err := look.finish()
			headers, inflations := spent(budget)
			if !errors.Is(err, errZipBudget) || found != "" || inflations != sealift.MaxFileInflations || headers > inflations {
				t.Fatalf("a file of %d bytes: %q, %v after %d headers and %d inflations", len(file), found, err, headers, inflations)
			}
			bundle := tree{indexFile: {Content: "<!doctype html>"}, "a.zip": {Content: file}}
			tooMany(t, "the publisher's check", checkSource(t, bundle))
			tooMany(t, "the vault's check", checkSink(t, bundle, len(file)))
			tooMany(t, "the vault's check, byte by byte", checkSink(t, bundle, 1))
		})
	}
}

// Files that are within their budgets have the bundle's budget in common.
func TestZipsOfABundleShareItsBudget(t *testing.T) {
	file := nested(t, 24)
	fit := sealift.MaxInflations / (1 + 24 + 24*24 + 24*24*24)
	bundle := tree{indexFile: {Content: "<!doctype html>"}}
	for i := range fit + 1 {
		if i == fit {
			if err := checkSource(t, bundle); err != nil {
				t.Errorf("%d files: %v", i, err)
			}
			if err := checkSink(t, bundle, len(file)); err != nil {
				t.Errorf("%d files: %v", i, err)
			}
		}
		bundle[fmt.Sprintf("%d.zip", i)] = leaf{Content: file}
	}
	tooMany(t, "the publisher's check", checkSource(t, bundle))
	tooMany(t, "the vault's check", checkSink(t, bundle, len(file)))
}

// Headers cost without an inflation too: these are central ones.
func TestZipHeadersOfABundleAreBounded(t *testing.T) {
	header := zipCentral + strings.Repeat("\x00", centralSize-len(zipCentral))
	file := "PK\x03\x04" + strings.Repeat("\x00", localSize) + strings.Repeat(header, sealift.MaxZipHeaders/4)
	bundle := tree{indexFile: {Content: "<!doctype html>"}, "0": {Content: file}, "1": {Content: file}, "2": {Content: file}}
	if err := checkSource(t, bundle); err != nil {
		t.Error(err)
	}
	bundle["3"] = leaf{Content: file}
	tooMany(t, "the publisher's check", checkSource(t, bundle))
	tooMany(t, "the vault's check", checkSink(t, bundle, len(file)))
}

// countdown is a context that ends when it was asked a number of times.
type countdown struct {
	context.Context
	left int
}

func (c *countdown) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}

// A few hundred bytes can be a lot of work: the context ends that as well.
func TestContextEndsTheScanOfAZip(t *testing.T) {
	budget := newZipBudget(&countdown{t.Context(), 100})
	look := newInspector(budget)
	look.take([]byte(nested(t, 24)))
	_, err := look.finish()
	headers, inflations := spent(budget)
	if !errors.Is(err, context.Canceled) || headers+inflations != 100 {
		t.Errorf("%v after %d headers and %d inflations", err, headers, inflations)
	}
}

// Open, whose sink has no context of its own, passes it on.
func TestContextOfOpenEndsTheScanOfAZip(t *testing.T) {
	sink := StorePolicy().Sink(tree{})
	file := nested(t, 24)
	p := &parcel{key: ContentKey{1}, app: testApp}
	p.addFile(File{Path: "a.zip", Size: int64(len(file))}, file)
	p.archive = append(p.archive, make([]byte, tarTrailer)...)
	p.seal(t)
	err := Open(&countdown{t.Context(), 100}, bytes.NewReader(p.sealed), p.id, p.app, p.key, sink, nil)
	headers, inflations := spent(sink.budget)
	if !errors.Is(err, context.Canceled) || inflations == 0 || headers+inflations >= 100 {
		t.Errorf("%v after %d headers and %d inflations", err, headers, inflations)
	}
}

// Names of 64 KiB that share their bytes are looked at by their ends alone.
func TestLongZipNames(t *testing.T) {
	long := strings.Repeat("n", 60_000)
	for name, want := range map[string]bool{
		long + "/AndroidManifest.xml": true, long + "/classes2.dex": true, "Payload/Shop.app/" + long: true,
		long + ".xml": false, long: false,
	} {
		if found := zipOf([]byte(name)); (found != "") != want {
			t.Errorf("…%s: %q", name[len(name)-20:], found)
		}
	}
}

// Real zips have thousands of entries, and zips of their own.
func TestLargeHonestZipsAreAllowed(t *testing.T) {
	page := strings.Repeat("<p>all that is said here is said in words</p>", 20)
	photo := make([]byte, 2<<10)
	rand.NewChaCha8([32]byte{7}).Read(photo) // never fails
	letter := zipFile(t, map[string]string{"[Content_Types].xml": "<Types/>", "a.xml": page, "b.xml": page, "c.jpeg": string(photo)})
	office := zipOfMany(t, 5000, page, string(photo))
	bundle := tree{indexFile: {Content: "x"}, "a.docx": {Content: office}, "b.docx": {Content: office}, "all.zip": {Content: zipOfMany(t, 500, letter)}}
	if err := checkSource(t, bundle); err != nil {
		t.Error(err)
	}
	if err := checkSink(t, bundle, chunkSize); err != nil {
		t.Error(err)
	}
}

// zipOfMany builds a zip that holds each of the contents n times, deflated.
func zipOfMany(t *testing.T, n int, contents ...string) string {
	t.Helper()
	var file bytes.Buffer
	w := zip.NewWriter(&file)
	for c, content := range contents {
		packed := deflated(t, content)
		for i := range n {
			entry, err := w.CreateRaw(&zip.FileHeader{
				Name: fmt.Sprintf("%d/%d", c, i), Method: zip.Deflate, CRC32: crc32.ChecksumIEEE([]byte(content)),
				CompressedSize64: uint64(len(packed)), UncompressedSize64: uint64(len(content)),
			})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(entry, packed); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.String()
}
