// Package service is the border between the people-facing API and what answers
// it: the services that the API calls, and the values that cross. It knows
// nothing of HTTP, so that a service can implement it without seeing any.
//
// Every call that changes something is told who asks, for its audit entry. By
// then the caller is signed in and the role table allowed the action, and every
// name and number has its form; whether the named thing exists, and whether the
// vault is unsealed, is the service's to say. Every error is an *sealift.Error.
package service

import (
	"context"
	"io"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/trust"
)

// Apps keeps apps and their channels.
type Apps interface {
	// CreateApp makes an app; KindConflict if its id is taken.
	CreateApp(ctx context.Context, by access.Caller, app NewApp) (App, error)
	// ChangeApp changes an app's settings, or KindNotFound. To what is so already
	// it is a repetition, and no error.
	ChangeApp(ctx context.Context, by access.Caller, id sealift.AppID, change AppChange) (App, error)
	// App returns one app, or KindNotFound.
	App(ctx context.Context, id sealift.AppID) (App, error)
	// Apps returns every app, by id.
	Apps(ctx context.Context) ([]App, error)
	// CreateChannel makes a channel with its first epoch; KindConflict if the
	// app has one of that name, KindNotFound if there is no such app.
	CreateChannel(ctx context.Context, by access.Caller, app sealift.AppID, name sealift.Channel) (Channel, error)
	// Channels returns every channel of app, by name, or KindNotFound.
	Channels(ctx context.Context, app sealift.AppID) ([]Channel, error)
	// Channel returns one channel of app, or KindNotFound.
	Channel(ctx context.Context, app sealift.AppID, name sealift.Channel) (Channel, error)
	// ChangeChannel sets what change names, and tells devices. KindNotFound if there
	// is no such channel; KindConflict with reason "default" if the default were
	// archived by it; KindDenied if by may not open what is private.
	ChangeChannel(ctx context.Context, by access.Caller, app sealift.AppID, name sealift.Channel, change ChannelChange) (Channel, error)
}

// Enrolment decides who may enrol devices.
type Enrolment interface {
	// CreateEnrolmentToken makes a token for app, or KindNotFound. The secret
	// in it is returned this once.
	CreateEnrolmentToken(ctx context.Context, by access.Caller, app sealift.AppID, token NewEnrolmentToken) (EnrolmentToken, error)
}

// Publishing takes a release from its reservation to the devices.
type Publishing interface {
	// Reserve allocates the next counter of the app for one release.
	// KindNotFound if there is no such app or channel, KindConflict with reason
	// "version" if the version is published or reserved already. A plan other than
	// the channel's is for who may set that.
	Reserve(ctx context.Context, by access.Caller, want Reservation) (Draft, error)
	// UploadBlob stores the sealed blob that r yields, which must have the
	// given digest and length, else KindIntegrity. Storing one that is there
	// already is no error. r is bounded by length and need not be drained.
	UploadBlob(ctx context.Context, by access.Caller, app sealift.AppID, digest sealift.Digest, length int64, r io.Reader) error
	// PatchBases returns the older releases that one for a channel and platform
	// should have patches from: those with an archive in wanted, as far as there are
	// such, then those that devices run; as many as the app says. KindNotFound if
	// there is no such app or channel.
	PatchBases(ctx context.Context, app sealift.AppID, channel sealift.Channel, platform sealift.Platform, wanted []sealift.Digest) ([]PatchBase, error)
	// Submit takes a draft of app, or refuses it with the error that a device
	// would refuse it with. It is certified and published at once if nothing is
	// missing, else it waits. Submitting the same again answers the same.
	Submit(ctx context.Context, by access.Caller, app sealift.AppID, draft string, what Submission) (DraftDetail, error)
	// Abandon gives a draft up; its counter is never used again. KindNotFound
	// if there is none, KindConflict if it is published.
	Abandon(ctx context.Context, by access.Caller, app sealift.AppID, draft string) error
}

// Drafts shows the drafts that wait, and takes what they wait for.
type Drafts interface {
	// Drafts returns the submitted drafts of app that wait, the oldest first,
	// or KindNotFound if there is no such app.
	Drafts(ctx context.Context, app sealift.AppID) ([]DraftDetail, error)
	// Draft returns one draft of app, or KindNotFound.
	Draft(ctx context.Context, app sealift.AppID, draft string) (DraftDetail, error)
	// Cosign takes the co-signatures of an envelope over the draft's payload,
	// and certifies and publishes the draft if nothing else is missing.
	// KindSignature if it is over something else or by no co-signer of the app,
	// KindConflict if the draft does not wait.
	Cosign(ctx context.Context, by access.Caller, app sealift.AppID, draft string, envelope []byte) (DraftDetail, error)
}

// Denials refuses at once what devices should not take: in deny.json, which the
// director signs, until people confirm it in the next trust.json.
type Denials interface {
	// Deny refuses a release, all that a release CA certified, or all of an app
	// under a floor. KindNotFound if there is no such release, CA or app;
	// KindConflict with reason "denied" if it is refused already.
	// A floor that leaves devices of some channel and platform with nothing of what
	// is offered there is KindConflict with reason "unserved", unless it is forced.
	Deny(ctx context.Context, by access.Caller, want NewDenial) (Denial, error)
	// Floor returns the floor of app and who is under it, or how that would be with
	// one more floor; KindNotFound if there is no such app.
	Floor(ctx context.Context, app sealift.AppID, asked trust.Floor) (AppFloor, error)
	// Denials returns every denial there ever was, by creation.
	Denials(ctx context.Context) ([]Denial, error)
	// LiftDenial takes one back that people have not confirmed. KindNotFound if
	// there is none, KindConflict if it does not stand any more.
	LiftDenial(ctx context.Context, by access.Caller, id, reason string) (Denial, error)
}

// Releases shows what is published.
type Releases interface {
	// Releases returns at most page.Limit releases of app, newest counter
	// first, or KindNotFound if there is no such app.
	Releases(ctx context.Context, app sealift.AppID, page Page) ([]Release, error)
	// Release returns the one release of app that which names; KindNotFound if
	// there is none, KindConflict with reason "ambiguous" if a version is published
	// more than once.
	Release(ctx context.Context, app sealift.AppID, which Which) (ReleaseDetail, error)
	// ReleaseKeys returns the keys that were made for releases of app alone, as
	// Releases returns those. KindSealed, since what became of them is in rows that
	// the vault vouches for.
	ReleaseKeys(ctx context.Context, app sealift.AppID, page Page) ([]ReleaseKeys, error)
}

// Roots keeps the chain of TUF roots.
type Roots interface {
	// Root returns the bytes of the newest root.json.
	Root(ctx context.Context) ([]byte, error)
	// Documents returns the signed documents that say whom devices trust.
	Documents(ctx context.Context) (Documents, error)
	// AcceptRoot publishes the outcome of an offline ceremony: the next
	// root.json, targets.json with its trust.json, or all three. KindMetadata
	// if they do not verify or do not follow on from the present ones.
	AcceptRoot(ctx context.Context, by access.Caller, outcome Ceremony) (Root, error)
	// Anchors returns the public keys of the vault that people should vouch for
	// in the next ceremony.
	Anchors(ctx context.Context) (Anchors, error)
}

// Vault tells its state.
type Vault interface {
	// Status works in a sealed vault too.
	Status(ctx context.Context) (Status, error)
	// Sealed is what Status says of that, from memory: it is asked at every call.
	Sealed() bool
}

// Seal opens and seals the vault. Nobody is signed in while it is sealed: from is
// the IP address of whoever asks.
type Seal interface {
	// Unseal takes a passphrase or a recovery key, which opens the vault at once, or
	// a share, which is kept until there are enough. KindConflict with reason
	// "unsealed" if it is open; KindExhausted with reason "rate" for whom that comes
	// too often; KindSealed or KindInvalid with one of package vault's reasons for
	// what does not open it.
	Unseal(ctx context.Context, from string, secret []byte) (Progress, error)
	// ResetUnseal forgets the shares that were given. Whoever asks shows one of the
	// vault's. The errors are those of Unseal.
	ResetUnseal(ctx context.Context, from string, share []byte) error
	// Seal forgets the keys at once: from then on nothing is signed and nobody is
	// answered until it is unsealed again.
	Seal(ctx context.Context, by access.Caller) error
	// RotateKEK makes a new key-encryption key, which seals from now on, and moves
	// to it what it gets to in a while. KindInvalid for the reason, KindConflict with
	// reason "rotating" while an earlier one is not finished.
	RotateKEK(ctx context.Context, by access.Caller, reason string) (Rotation, error)
	// ContinueRotation goes on with it for a while. KindNotFound if kek is not the
	// one that seals.
	ContinueRotation(ctx context.Context, by access.Caller, kek string) (Rotation, error)
}
