package publisher_test

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/bundle"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/publisher"
	"github.com/sealift/sealift/trust"
)

const app = sealift.AppID("com.acme.shop")

// vault is a vault's API that notes what it was asked.
type vault struct {
	kind     string
	asked    []string
	blob     []byte
	what     api.Submission
	submit   func(call int) error
	upload   func() error
	draft    api.Draft
	submits  int
	canceled bool // when Abandon came
	waits    bool // what is submitted waits
	bases    []api.PatchBase
	have     []sealift.Digest // that it was told of
	blobs    map[sealift.Digest][]byte
	patches  int64
	mu       sync.Mutex // files for Capgo's plugin come several at a time
	capgoKey error
	session  []byte // that was submitted, before it is cleared
	limit    int64  // of archives; 0 is the default
}

func newVault() *vault {
	return &vault{kind: "web", draft: api.Draft{ID: "d1", Counter: 7, Vault: strings.Repeat("0", 32)}}
}

func (v *vault) App(_ context.Context, id sealift.AppID) (api.App, error) {
	v.asked = append(v.asked, "app")
	return api.App{ID: string(id), Kind: api.AppKind(v.kind), Patches: v.patches, PatchLimit: cmp.Or(v.limit, sealift.DefaultPatchLimit)}, nil
}

func (v *vault) PatchBases(_ context.Context, _ sealift.AppID, _ sealift.Channel, _ sealift.Platform, have []sealift.Digest) ([]api.PatchBase, error) {
	v.asked = append(v.asked, "bases")
	v.have = have
	return v.bases, nil
}

func (v *vault) Reserve(context.Context, sealift.AppID, sealift.Channel, api.NewDraft) (api.Draft, error) {
	v.asked = append(v.asked, "reserve")
	return v.draft, nil
}

func (v *vault) CapgoKey(context.Context, sealift.AppID) (api.CapgoKey, error) {
	v.asked = append(v.asked, "key")
	return api.CapgoKey{}, v.capgoKey
}

func (v *vault) UploadBlob(_ context.Context, _ sealift.AppID, digest sealift.Digest, _ int64, r io.Reader) (err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asked = append(v.asked, "upload")
	if v.upload != nil {
		return v.upload()
	}
	blob, err := io.ReadAll(r)
	if v.blob = blob; v.blobs == nil {
		v.blobs = map[sealift.Digest][]byte{}
	}
	v.blobs[digest] = blob
	return err
}

func (v *vault) Submit(_ context.Context, _ sealift.AppID, draft string, what api.Submission) (api.DraftDetail, error) {
	v.asked = append(v.asked, "submit "+draft)
	v.submits++
	v.what = what
	if what.Capgo != nil {
		v.session = bytes.Clone(what.Capgo.Session)
	}
	if v.submit != nil {
		if err := v.submit(v.submits); err != nil {
			return api.DraftDetail{}, err
		}
	}
	if v.waits {
		return api.DraftDetail{ID: draft, State: api.DraftStateSubmitted, Version: "1.0.0"}, nil
	}
	return api.DraftDetail{ID: draft, State: api.DraftStatePublished, Version: "1.0.0", Release: &api.Release{Version: "1.0.0"}}, nil
}

func (v *vault) Abandon(ctx context.Context, _ sealift.AppID, draft string) error {
	v.asked = append(v.asked, "abandon "+draft)
	v.canceled = ctx.Err() != nil
	return nil
}

// oneEpoch is a channel's epoch, however it became known.
type oneEpoch struct {
	key *bundle.PrivateKey
	err error
}

func (e oneEpoch) Epoch(context.Context, sealift.AppID, sealift.Channel) (*trust.Epoch, error) {
	pub := e.key.Public()
	return &trust.Epoch{App: app, Channel: "production", Number: 3, KEM: pub.Suite.KEM, KDF: pub.Suite.KDF, AEAD: pub.Suite.AEAD, PublicKey: pub.Bytes}, e.err
}

func newPublisher(t *testing.T, v *vault) (*publisher.Publisher, *bundle.PrivateKey) {
	t.Helper()
	key, err := bundle.GenerateKey(bundle.DefaultSuite)
	if err != nil {
		t.Fatal(err)
	}
	return &publisher.Publisher{API: v, Epochs: oneEpoch{key: key}, Now: time.Now, TempDir: t.TempDir()}, key
}

func request() publisher.Request {
	return publisher.Request{
		App: app, Channel: "production", Platform: "web", Runtime: sealift.AnyRuntime, Version: "1.0.0",
		Bundle: fstest.MapFS{"index.html": {Data: []byte("<h1>1.0.0</h1>")}},
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantRefusal(t *testing.T, err error, kind sealift.Kind, reason string) {
	t.Helper()
	if err == nil || sealift.KindOf(err) != kind || sealift.ReasonOf(err) != reason {
		t.Errorf("got %v (%s/%s), want %s/%s", err, sealift.KindOf(err), sealift.ReasonOf(err), kind, reason)
	}
}

func wantAsked(t *testing.T, v *vault, want ...string) {
	t.Helper()
	if diff := gocmp.Diff(want, v.asked); diff != "" {
		t.Error(diff)
	}
}

// wantNoFiles wants nothing left of the sealed blob.
func wantNoFiles(t *testing.T, p *publisher.Publisher) {
	t.Helper()
	left, err := os.ReadDir(p.TempDir)
	if err != nil || len(left) > 0 {
		t.Errorf("left in the temporary folder: %v, %v", left, err)
	}
}

// files takes what is opened and keeps it.
type files map[string]*bytes.Buffer

func (f files) Create(path string, _ int64, _ bool) (io.WriteCloser, error) {
	f[path] = new(bytes.Buffer)
	return closer{f[path]}, nil
}

type closer struct{ io.Writer }

func (closer) Close() error { return nil }
