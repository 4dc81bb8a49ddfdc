package installation_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/bundle"
	"github.com/sealift/sealift/internal/backup"
	"github.com/sealift/sealift/internal/blob"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/installation"
	"github.com/sealift/sealift/internal/publisher"
)

// bigPage is a bundle that is long enough for a patch to be worth it.
func bigPage(version sealift.Version) fstest.MapFS {
	text := []byte("<h1>" + version + "</h1>")
	r := rand.New(rand.NewPCG(1, 2))
	for range 4000 {
		text = append(text, byte('a'+r.IntN(26)))
	}
	return fstest.MapFS{"index.html": {Data: text}}
}

// publishBig publishes a big page, with a patch from that of another version if one
// is given.
func (d *drill) publishBig(platform sealift.Platform, version, from sealift.Version) api.Release {
	d.Helper()
	d.clock = d.clock.Add(time.Minute)
	req := request(version)
	req.Bundle, req.Platform = bigPage(version), platform
	if from != "" {
		older, err := bundle.OpenSource(bigPage(from))
		d.check(err)
		id, err := older.Digest(d.Context(), nil)
		d.check(err)
		req.Bases = []publisher.Former{{Name: string(from), Base: bundle.Base{Identity: id, Archiver: older}}}
	}
	r, err := d.publisher().Publish(d.Context(), req)
	d.check(err)
	if (len(r.Patches) == 1) != (from != "") {
		d.Fatalf("%s has %d patches", version, len(r.Patches))
	}
	return r
}

// What was published after the backup comes back with its patches; one that is lost
// with the machine costs nothing else.
func TestPatchesAfterARestore(t *testing.T) {
	d := newDrill(t)
	d.publishBig("web", "1.0.0", "")
	before := d.publishBig("web", "1.1.0", "1.0.0")
	d.mustBackUp("a.backup")
	after := d.publishBig("web", "1.2.0", "1.1.0")
	lost := d.publishBig("ios", "1.2.0", "1.1.0")
	published := d.lose()
	d.check(os.Remove(filepath.Join(published, "blobs", lost.Patches[0].Blob.SHA256)))

	tree, err := blob.ReadFolder(published)
	d.check(err)
	defer tree.Close()
	r := d.restoring("a.backup")
	r.Published = backup.FolderTree{Store: tree}
	got, err := installation.Restore(d.Context(), r)
	d.check(err)
	if len(got.Losses) > 0 || len(got.Releases) != 2 {
		t.Errorf("%+v", got.Resumed)
	}
	d.start()
	d.check(d.i.Fresh(d.Context()))
	for _, r := range []struct {
		api.Release
		patch bool
	}{{before, true}, {after, true}, {lost, false}} {
		_, err := os.Stat(filepath.Join(d.data(), "public", "blobs", r.Patches[0].Blob.SHA256))
		if (err == nil) != r.patch {
			t.Errorf("the patch of %s for %s: %v", r.Version, r.Platform, err)
		}
	}
	d.publishBig("web", "1.3.0", "1.2.0")
}
