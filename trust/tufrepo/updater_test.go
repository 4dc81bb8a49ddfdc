package tufrepo_test

import (
	"crypto"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/config"
	"github.com/theupdateframework/go-tuf/v2/metadata/updater"

	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust"
	"github.com/sealift/sealift/trust/tufrepo"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// newUpdater is go-tuf's own client, with a cache of its own, of what edge
// serves.
func newUpdater(t *testing.T, w *sealifttest.World, edge http.Handler) *updater.Updater {
	t.Helper()
	server := httptest.NewServer(edge)
	t.Cleanup(server.Close)
	cfg, err := config.New(server.URL+"/v1/metadata", w.FirstRoot())
	if err != nil {
		t.Fatal(err)
	}
	cfg.LocalMetadataDir, cfg.RemoteTargetsURL, cfg.PrefixTargetsWithHash = t.TempDir(), server.URL+"/v1/targets", true
	cfg.LocalTargetsDir = filepath.Join(cfg.LocalMetadataDir, "targets")
	u, err := updater.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	u.UnsafeSetRefTime(w.Now())
	return u
}

// TestUpdaterReads: go-tuf's own client takes what this package writes, through
// a change of every key.
func TestUpdaterReads(t *testing.T) {
	w, err := sealifttest.New(start)
	if err != nil {
		t.Fatal(err)
	}
	p, err := w.Publish(sealifttest.Spec{Version: "1.0.0"})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.ReplaceOnlineKeys(); err != nil {
		t.Fatal(err)
	}
	u := newUpdater(t, w, w)
	if err := u.Refresh(); err != nil {
		t.Fatal(err)
	}
	if len(u.GetTopLevelTargets()) != 1 || u.GetTopLevelTargets()[trust.TrustPath] == nil {
		t.Errorf("top-level targets: %v", u.GetTopLevelTargets())
	}
	r := p.Release
	for _, path := range []string{trust.DenyPath, trust.EpochPath(r.App, r.Channel), trust.OfferPath(r.App, r.Channel, r.Platform)} {
		info, err := u.GetTargetInfo(path)
		if err != nil {
			t.Fatal(err)
		}
		_, content, err := u.DownloadTarget(info, filepath.Join(t.TempDir(), "target"), "")
		if err != nil {
			t.Fatal(err)
		}
		if got := w.File(tufrepo.TargetPath(path, content)); string(got) != string(content) {
			t.Errorf("%s: downloaded %q, published %q", path, content, got)
		}
	}
	issued, ok := u.GetTrustedMetadataSet().Timestamp.Signed.UnrecognizedFields[tufrepo.Issued].(string)
	if at, err := trust.ParseIssued(issued); !ok || err != nil || !at.Equal(w.Now()) {
		t.Errorf("issued %q: %v", issued, err)
	}
}

// TestBinsCannotBeSwapped: an edge that serves another bin, which the same key
// signed, does not make a target vanish.
func TestBinsCannotBeSwapped(t *testing.T) {
	w, err := sealifttest.New(start)
	if err != nil {
		t.Fatal(err)
	}
	own := tufrepo.BinOf(trust.DenyPath)
	for path := range w.Files() {
		if !strings.HasPrefix(path, "metadata/") || !strings.Contains(path, ".bins-") || strings.HasSuffix(path, own+".json") {
			continue
		}
		u := newUpdater(t, w, http.HandlerFunc(func(out http.ResponseWriter, in *http.Request) {
			if strings.HasSuffix(in.URL.Path, own+".json") {
				in = in.Clone(in.Context())
				in.URL.Path = "/v1/" + path
			}
			w.ServeHTTP(out, in)
		}))
		if err := u.Refresh(); err != nil {
			t.Fatal(err)
		}
		if _, err := u.GetTargetInfo(trust.DenyPath); !errors.Is(err, &metadata.ErrBadVersionNumber{}) {
			t.Fatalf("deny.json looked for in %s: %v, want a bad version", path, err)
		}
	}
}

// TestBinsHaveVersionsOfTheirOwn, now and after any number of changes.
func TestBinsHaveVersionsOfTheirOwn(t *testing.T) {
	w, err := sealifttest.New(start)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := w.Redirect(); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]string{}
	for path := range w.Files() {
		version, name, ok := strings.Cut(strings.TrimPrefix(path, "metadata/"), ".bins-")
		if !ok {
			continue
		}
		if seen[version] != "" {
			t.Errorf("%s and bins-%s both have version %s", seen[version], name, version)
		}
		seen[version] = "bins-" + name
	}
	if len(seen) != 4*len(tufrepo.Bins()) {
		t.Errorf("%d versions of bins", len(seen))
	}
}

// tufSigner fits a key to go-tuf.
type tufSigner struct{ key crypto.Signer }

func (s tufSigner) PublicKey(...signature.PublicKeyOption) (crypto.PublicKey, error) {
	return s.key.Public(), nil
}

func (s tufSigner) SignMessage(message io.Reader, _ ...signature.SignOption) ([]byte, error) {
	data, err := io.ReadAll(message)
	if err != nil {
		return nil, err
	}
	return s.key.Sign(rand.Reader, data, crypto.Hash(0)) // Ed25519
}
