// Package publisher is the publisher's side of a release: it seals a folder to
// the channel's epoch, signs for it with a key that exists for this one
// release, and takes it through the people-facing API.
//
//	open the folder, refuse what devices or app stores would refuse
//	first pass     the archive's SHA-256
//	refresh TUF    from the pinned root, for the channel's epoch key
//	reserve        the vault allocates the counter
//	second pass    archive → zstd → AES-256-GCM-HKDF → a temporary file
//	sign           leaf key, payload, certificate request; the key is dropped
//	upload, submit the vault certifies and publishes, or waits for people first
//
// The content key is sealed to no key but the one that verified metadata
// names: a server in an attacker's hands gets no bundle. The root is pinned by
// the access token, which carries the SHA-256 of the vault's first root.json.
//
// The leaf key never leaves this process's memory and is forgotten as soon as
// it has signed.
package publisher

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/bundle"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/trust"
)

// API is what publishing asks of the vault; *apiclient.Client has it.
type API interface {
	App(ctx context.Context, app sealift.AppID) (api.App, error)
	Reserve(ctx context.Context, app sealift.AppID, channel sealift.Channel, draft api.NewDraft) (api.Draft, error)
	UploadBlob(ctx context.Context, app sealift.AppID, digest sealift.Digest, length int64, r io.Reader) error
	Submit(ctx context.Context, app sealift.AppID, draft string, submission api.Submission) (api.DraftDetail, error)
	Abandon(ctx context.Context, app sealift.AppID, draft string) error
}

// Epochs yields a channel's current epoch from verified metadata.
type Epochs interface {
	Epoch(ctx context.Context, app sealift.AppID, channel sealift.Channel) (*trust.Epoch, error)
}

// Publisher publishes releases.
type Publisher struct {
	API    API
	Epochs Epochs
	Now    func() time.Time
	// TempDir takes the sealed blob until it is uploaded; "" is the system's.
	TempDir string
	// Progress returns what is told of one stage's bytes; nil for nothing. The
	// second function ends the stage.
	Progress func(stage string, total int64) (bundle.Progress, func())
}

// Request says what to publish.
type Request struct {
	App      sealift.AppID
	Channel  sealift.Channel
	Platform sealift.Platform
	Runtime  sealift.RuntimeRange
	Version  sealift.Version
	Bundle   fs.FS
	Urgent   *trust.Urgent // nil for one that can wait
	Plan     []byte        // JSON of the plan with which its roll-out begins; nil for the channel's
	Hold     bool          // its roll-out begins paused
}

// ReasonWaiting is the reason of a KindConflict error about a release that was
// submitted and waits for what people have yet to do.
const ReasonWaiting = "waiting"

// Publish is Submit where nothing else is wanted than the release. One that
// waits is a KindConflict with ReasonWaiting; it goes on waiting.
func (p *Publisher) Publish(ctx context.Context, req Request) (api.Release, error) {
	d, err := p.Submit(ctx, req)
	switch {
	case err != nil:
		return api.Release{}, err
	case d.Release == nil:
		return api.Release{}, sealift.Errorf(sealift.KindConflict, "publishing "+d.App+" "+d.Version, "it was submitted, and waits").
			WithReason(ReasonWaiting).WithHint("see for what with: sealift release pending --app %s", d.App)
	}
	return *d.Release, nil
}

// Submit takes one release as far as the vault lets it go: to the devices, or
// until people have done what it waits for. On an error nothing of it is visible
// to a device, and the same version may be published again.
func (p *Publisher) Submit(ctx context.Context, req Request) (api.DraftDetail, error) {
	source, id, err := p.scan(ctx, req)
	if err != nil {
		return api.DraftDetail{}, err
	}
	epoch, err := p.Epochs.Epoch(ctx, req.App, req.Channel)
	if err != nil {
		return api.DraftDetail{}, err
	}
	draft, err := p.API.Reserve(ctx, req.App, req.Channel, api.NewDraft{
		Platform: string(req.Platform), Runtime: string(req.Runtime), Version: string(req.Version), Act: api.Act(sealift.ActRelease),
		Plan: req.Plan, Hold: req.Hold,
	})
	if err != nil {
		return api.DraftDetail{}, err
	}
	d, err := p.submit(ctx, req, source, id, epoch, draft)
	if err != nil {
		p.abandon(ctx, req.App, draft.ID, err)
		return api.DraftDetail{}, err
	}
	return d, nil
}

// scan opens the bundle, refuses it early where it would be refused late, and
// fixes its identity.
func (p *Publisher) scan(ctx context.Context, req Request) (*bundle.Source, bundle.Identity, error) {
	source, err := bundle.OpenSource(req.Bundle)
	if err != nil {
		return nil, bundle.Identity{}, err
	}
	app, err := p.API.App(ctx, req.App)
	if err != nil {
		return nil, bundle.Identity{}, err
	}
	if app.Kind == api.AppKind("web") {
		if err := bundle.StorePolicy().Check(ctx, source); err != nil {
			return nil, bundle.Identity{}, err
		}
	}
	progress, done := p.stage("reading", source.Length())
	defer done()
	id, err := source.Digest(ctx, progress)
	return source, id, err
}

func (p *Publisher) stage(name string, total int64) (bundle.Progress, func()) {
	if p.Progress == nil {
		return nil, func() {}
	}
	return p.Progress(name, total)
}

func (p *Publisher) submit(ctx context.Context, req Request, source *bundle.Source, id bundle.Identity, epoch *trust.Epoch, draft api.Draft) (api.DraftDetail, error) {
	sealed, err := os.CreateTemp(p.TempDir, "sealift-*.sealed") // mode 0600
	if err != nil {
		return api.DraftDetail{}, tempError(sealift.KindInvalid, err)
	}
	defer os.Remove(sealed.Name())
	defer sealed.Close()
	key := bundle.NewContentKey()
	defer clear(key[:])
	blob, err := p.seal(ctx, sealed, source, id, req.App, key)
	if err != nil {
		return api.DraftDetail{}, err
	}
	payload, err := p.payload(req, id, blob, key, epoch, draft)
	if err != nil {
		return api.DraftDetail{}, err
	}
	submission, err := signWithLeaf(payload)
	if err != nil {
		return api.DraftDetail{}, err
	}
	if err := p.upload(ctx, req.App, blob, sealed); err != nil {
		return api.DraftDetail{}, err
	}
	d, err := p.API.Submit(ctx, req.App, draft.ID, submission)
	if sealift.KindOf(err) == sealift.KindNetwork && ctx.Err() == nil {
		// Nobody knows whether it went through; submitting the same again is
		// harmless and tells.
		d, err = p.API.Submit(ctx, req.App, draft.ID, submission)
	}
	return d, err
}

func (p *Publisher) seal(ctx context.Context, dst io.Writer, source *bundle.Source, id bundle.Identity, app sealift.AppID, key bundle.ContentKey) (bundle.Blob, error) {
	progress, done := p.stage("sealing", source.Length())
	defer done()
	blob, err := bundle.Seal(ctx, dst, source, id, app, key, progress)
	if sealift.KindOf(err) == sealift.KindInternal && ctx.Err() == nil {
		err = tempError(sealift.KindInternal, err)
	}
	return blob, err
}

// tempError says of the temporary file that there is no room, where that is
// what is wrong.
func tempError(otherwise sealift.Kind, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		otherwise = sealift.KindExhausted
	}
	return sealift.Errorf(otherwise, "writing the temporary file", "%w", err).WithHint("point TMPDIR to a folder that is there, with room for the bundle")
}

func (p *Publisher) upload(ctx context.Context, app sealift.AppID, blob bundle.Blob, sealed *os.File) error {
	if _, err := sealed.Seek(0, io.SeekStart); err != nil {
		return sealift.Errorf(sealift.KindInternal, "reading the sealed bundle", "%w", err)
	}
	progress, done := p.stage("uploading", blob.Length)
	defer done()
	return p.API.UploadBlob(ctx, app, blob.Digest, blob.Length, &counted{r: sealed, total: blob.Length, progress: progress})
}

// counted tells how much was read.
type counted struct {
	r           io.Reader
	done, total int64
	progress    bundle.Progress
}

// Read implements io.Reader.
func (c *counted) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.done += int64(n)
	if c.progress != nil {
		c.progress(c.done, c.total)
	}
	return n, err
}

// abandonTimeout bounds tidying up after what went wrong already.
const abandonTimeout = 10 * time.Second

// abandon gives the draft up, so that the next publish need not wait. That it
// could not is worth no words beside why: another publish takes its place.
func (p *Publisher) abandon(ctx context.Context, app sealift.AppID, draft string, why error) {
	if sealift.ReasonOf(why) == "unwritten" {
		return // it is published, and will be visible by itself
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abandonTimeout)
	defer cancel()
	_ = p.API.Abandon(ctx, app, draft)
}

// payload is what the leaf signs.
func (p *Publisher) payload(req Request, id bundle.Identity, blob bundle.Blob, key bundle.ContentKey, epoch *trust.Epoch, draft api.Draft) ([]byte, error) {
	suite, err := bundle.ParseSuite(epoch.KEM, epoch.KDF, epoch.AEAD)
	if err != nil {
		return nil, err
	}
	pub, err := bundle.ParsePublicKey(suite, epoch.PublicKey)
	if err != nil {
		return nil, err
	}
	sealedKey, err := bundle.SealContentKey(pub, key, bundle.ContentKeyInfo{App: req.App, Channel: req.Channel, Epoch: epoch.Number, Archive: id.Digest})
	if err != nil {
		return nil, err
	}
	vault, err := sealift.ParseVaultID(draft.Vault)
	if err != nil {
		return nil, fmt.Errorf("reserving the release: %w", err)
	}
	return (&trust.Release{
		Vault: vault, App: req.App, Channel: req.Channel, Platform: req.Platform, Runtime: req.Runtime,
		Version: req.Version, Counter: sealift.Counter(draft.Counter), Act: sealift.ActRelease, SignedAt: trust.At(p.Now()),
		Archive:    trust.Pointer{Digest: id.Digest, Length: id.Length},
		Blobs:      []trust.Blob{{Kind: trust.BlobFull, Digest: blob.Digest, Length: blob.Length}},
		Epoch:      trust.EpochRef{Number: epoch.Number, PublicKey: pub.Digest()},
		ContentKey: trust.SealedKey{KEM: suite.KEM, KDF: suite.KDF, AEAD: suite.AEAD, Sealed: sealedKey},
		Urgent:     req.Urgent,
	}).Encode()
}
