package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTUFDownload(t *testing.T) {
	c := startConformant(t)
	c.addTarget("targets", "target_file.txt", "target file contents")
	c.addTarget("targets", "path/to/a/target_file.txt", "in a folder")
	c.publish("targets", "snapshot", "timestamp")
	c.want(0, c.refresh())
	if got := c.downloaded(); len(got) != 0 {
		t.Fatalf("a refresh downloaded %v", got)
	}
	c.want(0, c.download("target_file.txt"))
	c.want(0, c.download("path/to/a/target_file.txt", "target_file.txt"))
	want := map[string]string{"target_file.txt": "target file contents", "path%2Fto%2Fa%2Ftarget_file.txt": "in a folder"}
	if diff := cmp.Diff(want, c.downloaded()); diff != "" {
		t.Errorf("downloaded (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"target_file.txt", "path/to/a/target_file.txt"}, c.askedFor); diff != "" {
		t.Errorf("requests; what is there must not be fetched again (-want +got):\n%s", diff)
	}
}

func TestTUFDownloadSubstituted(t *testing.T) {
	c := startConformant(t)
	c.addTarget("targets", "one", "target file contents")
	c.addTarget("targets", "two", "content")
	c.publish("targets", "snapshot", "timestamp")
	c.want(0, c.download("one"))
	c.artifacts["one"].content = []byte("malicious")
	c.artifacts["two"].content = []byte("malicious")
	c.want(0, c.download("one")) // from the folder
	c.want(1, c.download("two"))
	c.want(1, c.download("two", "one"))
	if diff := cmp.Diff(map[string]string{"one": "target file contents"}, c.downloaded()); diff != "" {
		t.Errorf("downloaded (-want +got):\n%s", diff)
	}
	// One that was changed on the disk is fetched again.
	c.must(os.WriteFile(filepath.Join(c.targetDir, "one"), []byte("damaged"), 0o644))
	c.artifacts["one"].content = []byte("target file contents")
	c.want(0, c.download("one"))
	if diff := cmp.Diff(map[string]string{"one": "target file contents"}, c.downloaded()); diff != "" {
		t.Errorf("downloaded (-want +got):\n%s", diff)
	}
}

func TestTUFDownloadChanging(t *testing.T) {
	c := startConformant(t)
	want := map[string]string{}
	for i := range 11 {
		name, content := fmt.Sprintf("new-%d", i), fmt.Sprintf("contents %d", i)
		c.addTarget("targets", "file", content)
		c.addTarget("targets", name, content)
		c.publish("targets", "snapshot", "timestamp")
		if i%5 != 0 {
			continue // the client sees some versions only
		}
		c.want(0, c.download("file"))
		c.want(0, c.download(name))
		want["file"], want[name] = content, content
		c.artifacts["file"].content = []byte("malicious")
		c.publish("targets", "snapshot", "timestamp")
		c.download("file")
		if diff := cmp.Diff(want, c.downloaded()); diff != "" {
			t.Fatalf("round %d: downloaded (-want +got):\n%s", i, diff)
		}
	}
}

func TestTUFDownloadHashes(t *testing.T) {
	for _, algorithms := range [][]string{{"sha256"}, {"sha512"}, {"sha256", "sha512"}} {
		t.Run(strings.Join(algorithms, "+"), func(t *testing.T) {
			c := startConformant(t)
			c.addTarget("targets", "file", "content", algorithms...)
			c.publish("targets", "snapshot", "timestamp")
			c.want(0, c.download("file"))
			if diff := cmp.Diff(map[string]string{"file": "content"}, c.downloaded()); diff != "" {
				t.Errorf("downloaded (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("unknown", func(t *testing.T) {
		c := startConformant(t)
		c.addTarget("targets", "file", "content", "unknown-hash")
		c.publish("targets", "snapshot", "timestamp")
		c.want(1, c.download("file"))
		if got := c.downloaded(); len(got) != 0 {
			t.Errorf("downloaded %v", got)
		}
	})
}
