package bench

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/bundle"
	"github.com/sealift/sealift/internal/blob"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/internal/publisher"
	"github.com/sealift/sealift/trust"
)

const (
	app     sealift.AppID   = "com.example.bench"
	channel sealift.Channel = "production"

	sourceFiles, sourceFileSize = 64, 16 << 20
	sourceMiB                   = sourceFiles * sourceFileSize >> 20
)

// makeSource writes a bundle of 1 GiB that does not compress, the same one each
// time, and an index.html.
func makeSource(tb testing.TB, dir string) {
	check(tb, os.MkdirAll(dir, 0o755))
	check(tb, os.WriteFile(filepath.Join(dir, "index.html"), []byte("<h1>bench</h1>\n"), 0o644))
	content := make([]byte, sourceFileSize)
	random := rand.NewChaCha8([32]byte{1})
	for i := range sourceFiles {
		_, _ = random.Read(content) // never fails
		check(tb, os.WriteFile(filepath.Join(dir, sourceName(i)), content, 0o644))
	}
}

func sourceName(i int) string {
	return "media-" + string(rune('a'+i/26)) + string(rune('a'+i%26)) + ".bin"
}

// baseline reads, hashes, writes and syncs the bytes of a folder: one file, one
// sync, and no more work than that.
func baseline(o order) (err error) {
	out, err := os.Create(filepath.Join(o.Out, "baseline"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	sum := sha256.New()
	buffer := make([]byte, 128<<10)
	err = fs.WalkDir(os.DirFS(o.Source), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		in, err := os.Open(filepath.Join(o.Source, name))
		if err != nil {
			return err
		}
		defer in.Close()
		_, err = io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(sum, out)}, struct{ io.Reader }{in}, buffer)
		return err
	})
	if err != nil {
		return err
	}
	sum.Sum(nil)
	return out.Sync()
}

// seal publishes a folder with package bundle alone: both passes, into one file
// that is synced.
func seal(o order) (err error) {
	ctx := context.Background()
	folder, err := os.OpenRoot(o.Source)
	if err != nil {
		return err
	}
	defer folder.Close()
	source, err := bundle.OpenSource(folder.FS())
	if err != nil {
		return err
	}
	if err := bundle.StorePolicy().Check(ctx, source); err != nil {
		return err
	}
	id, err := source.Digest(ctx, nil)
	if err != nil {
		return err
	}
	out, err := os.Create(filepath.Join(o.Out, "sealed"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if _, err := bundle.Seal(ctx, out, source, id, app, bundle.NewContentKey(), nil); err != nil {
		return err
	}
	return out.Sync()
}

// publish publishes a folder as "sealift publish" does, with a folder for a
// server: seal into a temporary file, sign, and copy into a blob store, which
// compares the SHA-256 of what it gets and syncs it.
func publish(o order) (err error) {
	folder, err := os.OpenRoot(o.Source)
	if err != nil {
		return err
	}
	defer folder.Close()
	tree, err := blob.OpenFolder(filepath.Join(o.Out, "published"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tree.Close()) }()
	channelKey, err := bundle.GenerateKey(bundle.DefaultSuite)
	if err != nil {
		return err
	}
	p := publisher.Publisher{API: localFolder{tree}, Epochs: oneEpoch{channelKey.Public()}, Now: time.Now, TempDir: o.Out}
	_, err = p.Publish(context.Background(), publisher.Request{
		App: app, Channel: channel, Platform: "web", Runtime: sealift.AnyRuntime, Version: "1.0.0", Bundle: folder.FS(),
	})
	return err
}

// localFolder is a server that takes all that it is given.
type localFolder struct{ tree blob.Store }

func (f localFolder) App(context.Context, sealift.AppID) (api.App, error) {
	return api.App{ID: string(app), Kind: api.AppKindWeb}, nil
}

func (f localFolder) PatchBases(context.Context, sealift.AppID, sealift.Channel, sealift.Platform, []sealift.Digest) ([]api.PatchBase, error) {
	return nil, nil
}

func (f localFolder) CapgoKey(context.Context, sealift.AppID) (api.CapgoKey, error) {
	return api.CapgoKey{}, nil // nothing here is for Capgo's plugin
}

func (f localFolder) Reserve(context.Context, sealift.AppID, sealift.Channel, api.NewDraft) (api.Draft, error) {
	return api.Draft{ID: "draft", Vault: "00112233445566778899aabbccddeeff", Counter: 1}, nil
}

func (f localFolder) UploadBlob(ctx context.Context, _ sealift.AppID, digest sealift.Digest, length int64, r io.Reader) error {
	return f.tree.Put(ctx, "blobs/"+digest.String(), r, &blob.Expect{Digest: digest, Length: length})
}

func (f localFolder) Submit(ctx context.Context, _ sealift.AppID, _ string, s api.Submission) (api.DraftDetail, error) {
	_, err := trust.ParseReleaseEnvelope(s.Envelope)
	return api.DraftDetail{State: api.DraftStatePublished, Release: &api.Release{}}, err
}

func (f localFolder) Abandon(context.Context, sealift.AppID, string) error { return nil }

// oneEpoch is what verified metadata would say.
type oneEpoch struct{ key bundle.PublicKey }

func (e oneEpoch) Epoch(context.Context, sealift.AppID, sealift.Channel) (*trust.Epoch, error) {
	return &trust.Epoch{
		App: app, Channel: channel, Number: 1,
		KEM: e.key.KEM, KDF: e.key.KDF, AEAD: e.key.AEAD, PublicKey: e.key.Bytes,
	}, nil
}
