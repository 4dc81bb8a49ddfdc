package service

import (
	"context"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/rollout"
)

// Promotions moves tested releases on to another channel.
type Promotions interface {
	// Promote makes a draft of each release that want names, in the channel that it
	// goes to: the same archive and blobs under the next counter, with the content
	// key sealed to that channel's epoch. A draft for which nothing is missing is
	// certified and published at once; the others wait, as a publisher's do. It is all
	// or nothing. KindNotFound if there is no such app, channel or release;
	// KindConflict with reason "version" if all of it is in that channel already,
	// "waiting" if it was submitted there and waits, "phase" if its roll-out is
	// stopped; and the error of a device that would refuse the release, in either
	// channel.
	Promote(ctx context.Context, by access.Caller, app sealift.AppID, want Promotion) (Promoted, error)
}

// Promotion says which releases are to be moved on.
type Promotion struct {
	From, To sealift.Channel
	Version  sealift.Version
	Platform sealift.Platform // "" for all that the version is on
	Plan     *rollout.Plan    // with which the roll-outs begin; nil for that of To
	Hold     bool             // they begin paused
}

// Promoted is what came of a promotion.
type Promoted struct {
	Drafts  []DraftDetail // by counter
	Already []Release     // were in that channel before, and were left alone
}
