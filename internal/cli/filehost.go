package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/client"
)

// fileHostBase stands where a server's address would; nothing listens there.
const fileHostBase = "http://metadata.invalid/v1/"

// fileHost is a client.Host whose server is a folder, so that metadata at rest
// is verified by the code that verifies a server's. It takes two layouts: that of a device's cache (root.json, bins-00.json, targets/<sha256>) and that of
// the published tree (metadata/1.root.json, targets/…/<sha256>.offer.json), of
// which also the metadata folder alone will do.
type fileHost struct {
	*client.System
	now   func() time.Time
	files fs.FS
}

func newFileHost(now func() time.Time, dir string) (*fileHost, error) {
	const op = "opening the metadata folder"
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, sealift.Errorf(sealift.KindNotFound, op, "%w", err).WithHint("name a device's tuf folder, or the public folder of a server")
	}
	// Open until the program ends. OpenRoot keeps links from leading out of it.
	return &fileHost{client.NewSystem(), now, root.FS()}, nil
}

// Now implements client.Host.
func (h *fileHost) Now() time.Time { return h.now() }

// Transport implements client.Host.
func (h *fileHost) Transport() http.RoundTripper { return h }

var (
	versioned = regexp.MustCompile(`^([0-9]+)\.(.+)$`)
	prefixed  = regexp.MustCompile(`^([0-9a-f]{64})\.`)
)

// RoundTrip implements http.RoundTripper: 200 with the file, or 404.
func (h *fileHost) RoundTrip(req *http.Request) (*http.Response, error) {
	name := strings.TrimPrefix(req.URL.Path, "/v1/")
	for _, candidate := range layouts(name) {
		data, err := fs.ReadFile(h.files, candidate.name)
		if errors.Is(err, fs.ErrNotExist) || err == nil && !candidate.holds(data) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return answer(req, http.StatusOK, data), nil
	}
	return answer(req, http.StatusNotFound, nil), nil
}

func answer(req *http.Request, status int, data []byte) *http.Response {
	return &http.Response{
		Status: fmt.Sprintf("%d %s", status, http.StatusText(status)), StatusCode: status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{},
		Body: io.NopCloser(bytes.NewReader(data)), ContentLength: int64(len(data)), Request: req,
	}
}

// place is where a file may be, and what tells that it is the one.
type place struct {
	name  string
	holds func([]byte) bool
}

func always([]byte) bool { return true }

// layouts lists the places of what a server has at name, the best first.
func layouts(name string) []place {
	base := path.Base(name)
	places := []place{{name, always}, {base, always}}
	if m := versioned.FindStringSubmatch(base); m != nil && strings.HasPrefix(name, "metadata/") {
		// A cache has no version in the name. An older file in the place of a
		// newer one would be an error, where its absence is none: the newest
		// root is found by asking for the one after it.
		places = append(places, place{m[2], func(data []byte) bool { return versionOf(data) == m[1] }})
	}
	if m := prefixed.FindStringSubmatch(base); m != nil {
		places = append(places, place{"targets/" + m[1], always})
	}
	return places
}

// versionOf returns what TUF metadata says its version is; "" if it says none.
func versionOf(data []byte) string {
	var m struct {
		Signed struct {
			Version json.Number `json:"version"`
		} `json:"signed"`
	}
	_ = json.Unmarshal(data, &m) // the device's code will say what is wrong with it
	return m.Signed.Version.String()
}
