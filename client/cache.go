package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/sealift/sealift"
)

// cache is the folder in which go-tuf keeps metadata, one file a role without
// a version in its name. go-tuf writes it by itself, without a sync, and gives
// up for good over a file that it cannot parse.
type cache struct {
	files Files
	own   bool // see inspect
}

const (
	quarantined = ".quarantined" // what a moved file's name ends in
	goTUFTemp   = "tuf_tmp"      // what the name of go-tuf's unfinished files begins with
)

// tidy removes what go-tuf left when it was interrupted.
func (c cache) tidy() {
	names, _ := c.files.Names(".")
	for _, name := range names {
		if strings.HasPrefix(name, goTUFTemp) {
			_ = c.files.RemoveAll(name)
		}
	}
}

// sweep moves every file aside that go-tuf chokes on, so that it is fetched
// anew, and reports whether there was one. It never fails: what cannot be
// moved go-tuf will report once more.
//
// To read everything costs as much as a whole check, so it is done when go-tuf
// failed, and not before: a file that it cannot parse makes it fail.
func (c cache) sweep() bool {
	swept := false
	names, _ := c.files.Names(".")
	for _, name := range names {
		if strings.HasSuffix(name, metadataSuffix) && c.check(name) != nil {
			c.moveAside(name)
			swept = true
		}
	}
	return swept
}

func (c cache) moveAside(name string) {
	_ = c.files.RemoveAll(name + quarantined)
	_ = c.files.Rename(name, name+quarantined)
}

func (c cache) check(name string) error {
	role := roleIn(name)
	data, err := c.files.ReadFile(name, maxMetadata(role))
	if err != nil {
		return err
	}
	if role == metadata.ROOT {
		_, err = parseRoot(data)
		return err
	}
	return inspect(role, data, c.own)
}

// parseRoot reads a root that is trusted for where it comes from. It must bear
// its own quorum's signatures all the same: a damaged one would otherwise be
// found out by go-tuf, over and over.
func parseRoot(data []byte) (*metadata.Metadata[metadata.RootType], error) {
	if err := inspect(metadata.ROOT, data, false); err != nil {
		return nil, err
	}
	root, err := metadata.Root().FromBytes(data)
	if err != nil {
		return nil, err
	}
	return root, guard(func() error { return root.VerifyDelegate(metadata.ROOT, root) })
}

// root returns the newest root at hand, for go-tuf to verify. Past the first
// run that is the cached one: go-tuf stores the root that it is opened with, so
// that an older one would throw the cached one away. embedded comes into play
// when nothing is cached, or when the app brought a newer one.
func (c cache) root(embedded []byte) ([]byte, error) {
	name := fileOf(metadata.ROOT)
	data, err := c.files.ReadFile(name, sealift.MaxRoot)
	switch version := rootVersion(data); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil || version == 0:
		c.moveAside(name)
	case version >= rootVersion(embedded):
		return data, nil
	}
	if embedded == nil {
		return nil, errors.New("there is no root.json to begin with")
	}
	if _, err := parseRoot(embedded); err != nil {
		return nil, fmt.Errorf("the root.json to begin with: %w", err)
	}
	return embedded, c.files.WriteFile(name, embedded, 0o644)
}

// rootVersion reads the version of a root, and nothing else of it; 0 is none.
func rootVersion(data []byte) int64 {
	var m struct {
		Signed struct {
			Type    string `json:"_type"`
			Version int64  `json:"version"`
		} `json:"signed"`
	}
	if err := json.Unmarshal(data, &m); err != nil || m.Signed.Type != metadata.ROOT {
		return 0
	}
	return m.Signed.Version
}

// sync makes the files of these roles durable.
func (c cache) sync(roles []string) error {
	if len(roles) == 0 {
		return nil
	}
	for _, role := range roles {
		if err := c.syncFile(fileOf(role)); err != nil {
			return err
		}
	}
	return c.files.Sync(".")
}

func (c cache) syncFile(name string) error {
	names, err := c.files.Names(".")
	if err != nil {
		return err
	}
	for _, have := range names {
		if have != name {
			continue // refused after it was fetched, so never written
		}
		file, err := c.files.Append(name)
		if err != nil {
			return err
		}
		return errors.Join(file.Sync(), file.Close())
	}
	return nil
}

// firstRoot is the name under which InitMetadata keeps the root that somebody
// trusted, for the day on which the cached one is damaged.
const firstRoot = "initial-root"

// InitMetadata makes root the root to begin with of the cache in dir, which
// OpenMetadata then finds without being given one. It is for those who have no
// other place to keep it. A dir that began with another root is KindConflict.
func InitMetadata(host Host, dir string, root []byte) error {
	const op = "starting a metadata folder"
	if _, err := parseRoot(root); err != nil {
		return sealift.Errorf(sealift.KindInvalid, op, "the root: %w", err).WithReason("root").
			WithHint("use a root.json that is signed by its own root keys")
	}
	files, err := host.Files(dir)
	if err != nil {
		return err
	}
	defer files.Close()
	if have, err := files.ReadFile(firstRoot, sealift.MaxRoot); err == nil && !bytes.Equal(have, root) {
		return sealift.Errorf(sealift.KindConflict, op, "%s began with another root", dir).
			WithHint("choose an empty folder")
	}
	for _, name := range []string{firstRoot, fileOf(metadata.ROOT)} {
		if err := files.WriteFile(name, root, 0o644); err != nil {
			return diskError(op, err)
		}
	}
	return nil
}
