package sealifttest

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/bundle"
	"github.com/sealift/sealift/trust"
)

// Vector is one complete input of the four steps of package trust, with what
// must come of it: for implementers in other languages, who take the files in
// testdata/vectors. Everything is signed by real keys that were thrown away.
//
//	trust, deny, release, proof   the bytes of these files, as text
//	device                        what the device knows of itself
//	seen                          the log's state that it verified last: size and root hash (base64)
//	tiles                         the log's tiles, base64, by the path below the server's /v1/
//	now                           the later of the device's clock and its trusted time
//	epoch                         the private key of the release's epoch: KEM, KDF, AEAD and seed (base64)
//	blob                          what came in place of the full blob, base64
//	base                          the installed archive, base64, where blob is what came in place of
//	                              the patch against it; want says then why the patch is dropped
//	want                          kind and reason of the refusal; both empty if the release is taken
//	files                         the bundle's files and their SHA-256, if it is taken
//
// They are made by: go generate ./sealifttest
type Vector struct {
	Name    string            `json:"name"`
	Title   string            `json:"title"`
	Trust   string            `json:"trust"`
	Deny    string            `json:"deny"`
	Release string            `json:"release"`
	Proof   string            `json:"proof"`
	Device  VectorDevice      `json:"device"`
	Seen    trust.Seen        `json:"seen"`
	Tiles   map[string][]byte `json:"tiles"`
	Now     trust.Time        `json:"now"`
	Epoch   json.RawMessage   `json:"epoch"` // bundle.PrivateKey.MarshalSecret
	Blob    []byte            `json:"blob"`
	Base    []byte            `json:"base,omitempty"`
	Want    VectorWant        `json:"want"`
	Files   []VectorFile      `json:"files,omitempty"`
}

// VectorDevice is trust.Device in JSON.
type VectorDevice struct {
	App       sealift.AppID    `json:"app"`
	Channel   sealift.Channel  `json:"channel"`
	Platform  sealift.Platform `json:"platform"`
	Runtime   sealift.Version  `json:"runtime"`
	Confirmed sealift.Counter  `json:"confirmed"`           // the highest counter ever, 0 if none
	Installed *VectorInstalled `json:"installed,omitempty"` // absent if nothing is
}

// VectorInstalled is trust.Installed in JSON.
type VectorInstalled struct {
	Release sealift.Digest  `json:"release"` // SHA-256 of release.json
	Version sealift.Version `json:"version"`
	Sound   bool            `json:"sound"` // it still passes steps 1 and 2
}

// VectorWant is what must come of a Vector.
type VectorWant struct {
	Kind   sealift.Kind `json:"kind"`
	Reason string       `json:"reason"`
}

// VectorFile is one file of a bundle.
type VectorFile struct {
	Path       string         `json:"path"`
	Digest     sealift.Digest `json:"sha256"`
	Executable bool           `json:"executable"`
}

//go:generate go run ./internal/vectorgen testdata/vectors

//go:embed testdata/vectors/*.json
var vectors embed.FS

// Vectors returns the vectors that are kept in testdata/vectors, by name.
func Vectors() ([]Vector, error) {
	names, err := fs.Glob(vectors, "testdata/vectors/*.json")
	if err != nil {
		return nil, err
	}
	all := make([]Vector, len(names))
	for i, name := range names {
		data, err := vectors.ReadFile(name)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(data, &all[i]); err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
	}
	return all, nil
}

// Run takes the vector through the four steps and returns the bundle's files,
// or the refusal.
func (v Vector) Run() ([]VectorFile, error) {
	verified, err := v.verify()
	if err != nil {
		return nil, err
	}
	r := verified.Release
	want, base := r.Full(), sealift.DigestOf(v.Base)
	if v.Base != nil {
		want, _ = r.Patch(base)
	}
	if err := trust.CheckBlob(want, sealift.DigestOf(v.Blob), int64(len(v.Blob))); err != nil {
		return nil, err
	}
	epoch, err := bundle.ParseSecret(v.Epoch)
	if err != nil {
		return nil, err
	}
	id := bundle.Identity{Digest: r.Archive.Digest, Length: r.Archive.Length}
	key, err := bundle.OpenContentKey(epoch, r.ContentKey.Sealed,
		bundle.ContentKeyInfo{App: r.App, Channel: r.Channel, Epoch: r.Epoch.Number, Archive: id.Digest})
	if err != nil {
		return nil, err
	}
	var files vectorSink
	if v.Base == nil {
		err = bundle.Open(context.Background(), bytes.NewReader(v.Blob), id, r.App, key, &files, nil)
	} else {
		from := bundle.Base{Identity: bundle.Identity{Digest: base, Length: int64(len(v.Base))}, Archiver: bundle.Archive(bytes.NewReader(v.Base))}
		err = bundle.OpenPatch(context.Background(), bytes.NewReader(v.Blob), from, id, r.App, key, &files, nil)
	}
	if err != nil {
		return nil, err
	}
	return files, nil
}

func (v Vector) verify() (*trust.Verified, error) {
	t, err := trust.ParseTrust([]byte(v.Trust))
	if err != nil {
		return nil, err
	}
	deny, err := trust.ParseDeny([]byte(v.Deny))
	if err != nil {
		return nil, err
	}
	rules, err := trust.NewRules(t, deny, v.Device.App)
	if err != nil {
		return nil, err
	}
	file, err := trust.ParseReleaseFile([]byte(v.Release))
	if err != nil {
		return nil, err
	}
	device := trust.Device{
		App: v.Device.App, Channel: v.Device.Channel, Platform: v.Device.Platform, Runtime: v.Device.Runtime, Confirmed: v.Device.Confirmed,
	}
	if is := v.Device.Installed; is != nil {
		device.Installed = &trust.Installed{Release: is.Release, Version: is.Version, Sound: is.Sound}
	}
	return rules.Verify(device, trust.Evidence{Release: file, Proof: []byte(v.Proof), Seen: v.Seen, Tiles: vectorTiles(v.Tiles)}, v.Now.Time)
}

// vectorTiles is a tlog.TileReader.
type vectorTiles map[string][]byte

func (vectorTiles) Height() int                     { return trust.TileHeight }
func (vectorTiles) SaveTiles([]tlog.Tile, [][]byte) {}
func (t vectorTiles) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	all := make([][]byte, len(tiles))
	for i, tile := range tiles {
		if all[i] = t[trust.TilePath(tile)]; all[i] == nil {
			return nil, sealift.Errorf(sealift.KindNetwork, "reading the log's tiles", "%s is missing", trust.TilePath(tile))
		}
	}
	return all, nil
}

// vectorSink is a bundle.Sink.
type vectorSink []VectorFile

func (s *vectorSink) Create(path string, _ int64, executable bool) (io.WriteCloser, error) {
	return &vectorWriter{sink: s, file: VectorFile{Path: path, Executable: executable}}, nil
}

type vectorWriter struct {
	bytes.Buffer
	sink *vectorSink
	file VectorFile
}

// Close implements io.Closer.
func (w *vectorWriter) Close() error {
	w.file.Digest = sealift.DigestOf(w.Bytes())
	*w.sink = append(*w.sink, w.file)
	return nil
}
