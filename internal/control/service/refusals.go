package service

import (
	"context"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
)

// Refusals enters into the log what the API refuses before a service is asked, or
// where none has entered it.
type Refusals interface {
	// Refused enters that somebody was refused, within sealift.RefusalTime, whatever
	// becomes of the request meanwhile. Of a flood it enters few, with how many
	// there were. An error says that there is no entry, or not yet; the refusal
	// stands.
	Refused(ctx context.Context, what Refusal) error
}

// Refusal is what a caller was refused whose secret is, or was, a good one.
type Refusal struct {
	By        access.Caller // of one whose secret counts no more: ID, Kind, Session and Address alone
	Action    access.Action // that they asked for
	App       sealift.AppID // on which; empty for none in particular, or for what is no app id
	Operation string        // of the API: "POST /api/v1/tokens"
	Reason    string        // for machines
}
