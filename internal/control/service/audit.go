package service

import (
	"context"
	"time"

	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
)

// Log lets people read the vault's log. Each of its methods is an entry, too.
type Log interface {
	// Entries returns at most want.Limit entries that match every field of
	// want, newest first. next is where to go on, with Before; 0 at the log's
	// beginning. A page may be empty though there is more.
	Entries(ctx context.Context, by access.Caller, want Entries) (entries []audit.Record, next int64, err error)
	// BeginExport signs the log as it stands.
	BeginExport(ctx context.Context, by access.Caller) (LogExport, error)
	// Leaves returns leaves from index first on, at most limit, as many as fit
	// into one answer; none where the log ends before first.
	Leaves(ctx context.Context, by access.Caller, first int64, limit int) ([]audit.Stored, error)
	// Checkpoints returns signed states of the log of at least so many entries,
	// the smallest first.
	Checkpoints(ctx context.Context, by access.Caller, least int64) ([]Checkpoint, error)
	// Prove returns one entry and the C2SP tlog-proof that it stands in the
	// log; KindNotFound where the log ends before it.
	Prove(ctx context.Context, by access.Caller, index int64) (leaf audit.Stored, proof []byte, err error)
}

// Entries says which entries are wanted.
type Entries struct {
	Limit        int    // 1 to sealift.MaxPage
	Before       int64  // only with a smaller index; 0 for all
	Action       string // this one, or those that begin with it and a full stop; "" for all
	Key          string // id of a key; "" for all
	Actor        string // id of an actor; "" for all
	Result       audit.Result
	Since, Until time.Time // not before, and before; zero for all
}

// Checkpoint is a signed state of the log.
type Checkpoint struct {
	Size int64
	Note []byte // C2SP tlog-checkpoint
}

// LogExport is what an export begins with.
type LogExport struct {
	Origin     string
	Keys       []string // verifier keys of the log, as trust.json has them
	Checkpoint Checkpoint
}

// Witnesses are who cosigns the log.
type Witnesses interface {
	// Witnesses returns what is known of each, in the order in which the server
	// was told of them.
	Witnesses(ctx context.Context, by access.Caller) ([]Witness, error)
}

// Witness is a witness of the log and how it stands with it.
type Witness struct {
	Name     string
	Key      string    // its verifier key (C2SP signed-note, type 4)
	URL      string    // where it is asked
	Size     int64     // entries that it cosigned last; 0 for none
	Cosigned time.Time // when, by its own clock; zero for never
	Reason   string    // why it did not cosign when it was asked last; "" if it did
	Problem  string    // the same for people
	Since    time.Time // since when; zero where there is no problem
}
