// Package publisher is the publisher's side of a release: it seals a folder to
// the channel's epoch, signs for it with a key that exists for this one
// release, and takes it through the people-facing API.
//
//	open the folder, refuse what devices or app stores would refuse
//	first pass     the archive's SHA-256
//	patch bases    the vault says from what; what is at hand of it is looked up
//	refresh TUF    from the pinned root, for the channel's epoch key
//	reserve        the vault allocates the counter
//	second pass    archive → zstd → AES-256-GCM-HKDF → a temporary file
//	patches        each against an older archive, in a temporary file of its own
//	sign           leaf key, payload, certificate request; the key is dropped
//	for Capgo      the zip and each file, encrypted with a key of their own, uploaded
//	upload, submit the vault certifies and publishes, or waits for people first
//
// The content key is sealed to no key but the one that verified metadata
// names: a server in an attacker's hands gets no bundle. The root is pinned by
// the access token, which carries the SHA-256 of the vault's first root.json.
//
// A publisher holds no secret that decrypts, so it cannot fetch an older release:
// patches are made from what it kept itself (Archives), or what it is given.
//
// The leaf key never leaves this process's memory and is forgotten as soon as
// it has signed.
package publisher

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/bundle"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/trust"
)

// API is what publishing asks of the vault; *apiclient.Client has it.
type API interface {
	App(ctx context.Context, app sealift.AppID) (api.App, error)
	PatchBases(ctx context.Context, app sealift.AppID, channel sealift.Channel, platform sealift.Platform, have []sealift.Digest) ([]api.PatchBase, error)
	Reserve(ctx context.Context, app sealift.AppID, channel sealift.Channel, draft api.NewDraft) (api.Draft, error)
	CapgoKey(ctx context.Context, app sealift.AppID) (api.CapgoKey, error)
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
	// TempDir takes the sealed blobs until they are uploaded; "" is the system's.
	TempDir string
	// Archives keeps what is published, to make patches from; nil keeps nothing.
	Archives *Archives
	// Note tells people what they may want to know, Warn what they should; either
	// may be nil.
	Note, Warn func(format string, args ...any)
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
	Capgo    bool          // devices that run Capgo's plugin are to have it as well
	Bases    []Former      // older builds that are at hand, beside those kept; at most sealift.MaxPatches
}

// job is a request on its way.
type job struct {
	req    Request
	app    api.App
	source *bundle.Source
	id     bundle.Identity
	from   []Former // what there are patches from
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
	j, err := p.scan(ctx, req)
	if err != nil {
		return api.DraftDetail{}, err
	}
	if j.from, err = p.formers(ctx, j); err != nil {
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
	d, err := p.submit(ctx, j, epoch, draft)
	if err != nil {
		p.abandon(ctx, req.App, draft.ID, err)
		return api.DraftDetail{}, err
	}
	return d, nil
}

// scan opens the bundle, refuses it early where it would be refused late, and
// fixes its identity.
func (p *Publisher) scan(ctx context.Context, req Request) (j job, err error) {
	j.req = req
	if j.source, err = bundle.OpenSource(req.Bundle); err != nil {
		return j, err
	}
	if j.app, err = p.API.App(ctx, req.App); err != nil {
		return j, err
	}
	if j.app.Kind == api.AppKind("web") {
		if err := bundle.StorePolicy().Check(ctx, j.source); err != nil {
			return j, err
		}
	}
	if req.Capgo {
		if err := p.scanCapgo(ctx, j); err != nil {
			return j, err
		}
	}
	progress, done := p.stage("reading", j.source.Length())
	defer done()
	j.id, err = j.source.Digest(ctx, progress)
	return j, err
}

func (p *Publisher) stage(name string, total int64) (bundle.Progress, func()) {
	if p.Progress == nil {
		return nil, func() {}
	}
	return p.Progress(name, total)
}

func (p *Publisher) submit(ctx context.Context, j job, epoch *trust.Epoch, draft api.Draft) (api.DraftDetail, error) {
	key := bundle.NewContentKey()
	defer clear(key[:])
	full, err := p.seal(ctx, j, key)
	if err != nil {
		return api.DraftDetail{}, err
	}
	defer full.discard()
	patches, err := p.patches(ctx, j, key, full.blob.Length)
	if err != nil {
		return api.DraftDetail{}, err
	}
	defer discardAll(patches)
	all := append([]*sealedFile{full}, patches...)
	payload, err := p.payload(j, all, key, epoch, draft)
	if err != nil {
		return api.DraftDetail{}, err
	}
	submission, err := signWithLeaf(payload)
	if err != nil {
		return api.DraftDetail{}, err
	}
	if err := p.upload(ctx, j.req.App, all); err != nil {
		return api.DraftDetail{}, err
	}
	if j.req.Capgo {
		if submission.Capgo, err = p.capgo(ctx, j); err != nil {
			return api.DraftDetail{}, err
		}
		defer clear(submission.Capgo.Session)
	}
	d, err := p.API.Submit(ctx, j.req.App, draft.ID, submission)
	if sealift.KindOf(err) == sealift.KindNetwork && ctx.Err() == nil {
		// Nobody knows whether it went through; submitting the same again is
		// harmless and tells.
		d, err = p.API.Submit(ctx, j.req.App, draft.ID, submission)
	}
	return d, err
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
func (p *Publisher) payload(j job, sealed []*sealedFile, key bundle.ContentKey, epoch *trust.Epoch, draft api.Draft) ([]byte, error) {
	suite, err := bundle.ParseSuite(epoch.KEM, epoch.KDF, epoch.AEAD)
	if err != nil {
		return nil, err
	}
	pub, err := bundle.ParsePublicKey(suite, epoch.PublicKey)
	if err != nil {
		return nil, err
	}
	req := j.req
	sealedKey, err := bundle.SealContentKey(pub, key, bundle.ContentKeyInfo{App: req.App, Channel: req.Channel, Epoch: epoch.Number, Archive: j.id.Digest})
	if err != nil {
		return nil, err
	}
	vault, err := sealift.ParseVaultID(draft.Vault)
	if err != nil {
		return nil, fmt.Errorf("reserving the release: %w", err)
	}
	blobs := make([]trust.Blob, len(sealed))
	for i, s := range sealed {
		blobs[i] = s.blob
	}
	return (&trust.Release{
		Vault: vault, App: req.App, Channel: req.Channel, Platform: req.Platform, Runtime: req.Runtime,
		Version: req.Version, Counter: sealift.Counter(draft.Counter), Act: sealift.ActRelease, SignedAt: trust.At(p.Now()),
		Archive:    trust.Pointer{Digest: j.id.Digest, Length: j.id.Length},
		Blobs:      blobs,
		Epoch:      trust.EpochRef{Number: epoch.Number, PublicKey: pub.Digest()},
		ContentKey: trust.SealedKey{KEM: suite.KEM, KDF: suite.KDF, AEAD: suite.AEAD, Sealed: sealedKey},
		Urgent:     req.Urgent,
	}).Encode()
}
