package release

import (
	"context"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
)

const (
	// entriesBatch is how many entries Journal.Entries reads at a time.
	entriesBatch = 500
	// checkpointsPage is the most that Journal.Checkpoints returns.
	checkpointsPage = 1000
)

// Journal lets people read the log. It is a service.Log.
type Journal struct{ releases *Service }

// NewJournal returns the log of the vault that s publishes for. It signs
// checkpoints as s does, and publishes them with it.
func NewJournal(s *Service) *Journal { return &Journal{s} }

// Entries implements service.Log. It looks at sealift.MaxEntriesLooked entries
// at the most.
func (j *Journal) Entries(ctx context.Context, by access.Caller, want service.Entries) (entries []audit.Record, next int64, err error) {
	if err := j.note(ctx, by, "log.list", "", wanted(want)); err != nil {
		return nil, 0, err
	}
	err = j.releases.store.View(ctx, func(tx store.Tx) error {
		entries, next, err = find(ctx, tx, want)
		return err
	})
	return entries, next, err
}

// find goes back through the log.
func find(ctx context.Context, tx store.AuditTx, want service.Entries) (found []audit.Record, next int64, err error) {
	end, err := tx.AuditSize(ctx)
	if err != nil {
		return nil, 0, err
	}
	if want.Before > 0 {
		end = min(end, want.Before)
	}
	for looked := int64(0); end > 0; {
		first := max(0, end-entriesBatch)
		records, err := audit.Records(ctx, tx, first, int(end-first))
		if err != nil {
			return nil, 0, err
		}
		for i := len(records) - 1; i >= 0; i-- {
			if matches(want, records[i]) {
				found = append(found, records[i])
			}
			if len(found) == want.Limit {
				return found, records[i].Index, nil
			}
		}
		looked += end - first
		if end = first; looked >= sealift.MaxEntriesLooked {
			return found, end, nil
		}
	}
	return found, 0, nil
}

func matches(want service.Entries, r audit.Record) bool {
	e := r.Entry
	if e == nil { // a release, a statement, or what was lost: it has none of what is asked for but its action
		return want.Key == "" && want.Actor == "" && want.Result == "" && want.Since.IsZero() && want.Until.IsZero() &&
			(want.Action == "" || want.Action == r.Action())
	}
	return (want.Action == "" || e.Action == want.Action || strings.HasPrefix(e.Action, want.Action+".")) &&
		(want.Key == "" || e.Key == want.Key) &&
		(want.Actor == "" || e.Actor.ID == want.Actor) &&
		(want.Result == "" || e.Result == want.Result) &&
		!e.Time.Before(want.Since) && (want.Until.IsZero() || e.Time.Before(want.Until))
}

// wanted says in an entry what was asked for.
func wanted(want service.Entries) map[string]string {
	details := map[string]string{}
	for name, value := range map[string]string{"action": want.Action, "key": want.Key, "actor": want.Actor, "result": string(want.Result)} {
		if value != "" {
			details[name] = value
		}
	}
	for name, at := range map[string]time.Time{"since": want.Since, "until": want.Until} {
		if !at.IsZero() {
			details[name] = at.UTC().Format(time.RFC3339)
		}
	}
	if want.Before > 0 {
		details["before"] = strconv.FormatInt(want.Before, 10)
	}
	return details
}

// note enters a reading into the log.
func (j *Journal) note(ctx context.Context, by access.Caller, action, subject string, details map[string]string) error {
	return j.releases.store.Update(ctx, func(tx store.Tx) error {
		return record(ctx, tx, j.releases.now(), by, action, subject, details)
	})
}

// BeginExport implements service.Log.
func (j *Journal) BeginExport(ctx context.Context, by access.Caller) (service.LogExport, error) {
	s := j.releases
	out, err := vault.Do(ctx, s.vault, func(tx *vault.Tx) (out service.LogExport, err error) {
		if err := record(ctx, tx, s.now(), by, "log.export", "", nil); err != nil {
			return out, err
		}
		trusted, err := trustOf(ctx, tx)
		if err != nil {
			return out, err
		}
		tree, signed, err := j.sign(ctx, tx, by)
		return service.LogExport{
			Origin: trust.LogOrigin(trusted.Vault), Keys: trusted.Log.Keys, Checkpoint: service.Checkpoint{Size: tree.N, Note: signed},
		}, err
	})
	if err != nil {
		return out, err
	}
	return out, s.Flush(ctx)
}

// sign signs the log as it stands, and has the checkpoint published.
func (j *Journal) sign(ctx context.Context, tx *vault.Tx, by access.Caller) (tlog.Tree, []byte, error) {
	tree, signed, tiles, err := j.releases.checkpoint(ctx, tx, by.Actor())
	if err == nil {
		err = outLog(ctx, tx, signed, tiles)
	}
	return tree, signed, err
}

// Leaves implements service.Log.
func (j *Journal) Leaves(ctx context.Context, by access.Caller, first int64, limit int) ([]audit.Stored, error) {
	err := j.note(ctx, by, "log.read", "", map[string]string{"first": strconv.FormatInt(first, 10), "limit": strconv.Itoa(limit)})
	if err != nil {
		return nil, err
	}
	return view(ctx, j.releases.store, func(tx store.Tx) ([]audit.Stored, error) { return audit.Leaves(ctx, tx, first, limit) })
}

// Checkpoints implements service.Log. They are public, so that reading them is
// no entry.
func (j *Journal) Checkpoints(ctx context.Context, _ access.Caller, least int64) ([]service.Checkpoint, error) {
	return view(ctx, j.releases.store, func(tx store.Tx) ([]service.Checkpoint, error) {
		rows, err := tx.Checkpoints(ctx, least, checkpointsPage)
		out := make([]service.Checkpoint, len(rows))
		for i, row := range rows {
			out[i] = service.Checkpoint{Size: row.Size, Note: row.Note}
		}
		return out, err
	})
}

// Prove implements service.Log.
func (j *Journal) Prove(ctx context.Context, by access.Caller, index int64) (leaf audit.Stored, proof []byte, err error) {
	s := j.releases
	err = s.vault.Update(ctx, func(tx *vault.Tx) error {
		leaves, err := audit.Leaves(ctx, tx, index, 1)
		if err == nil && (len(leaves) == 0 || leaves[0].Index != index) {
			err = sealift.Errorf(sealift.KindNotFound, "proving a log entry", "the log has no entry %d", index).WithReason("entry").
				WithHint("see the entries there are with: sealift audit list")
		}
		if err != nil {
			return err
		}
		if leaf = leaves[0]; len(leaf.Leaf) == 0 {
			return sealift.Errorf(sealift.KindNotFound, "proving a log entry", "what entry %d says was lost before a restore", index).WithReason("lost").
				WithHint("see which were, and when: sealift audit list --action backup.restore")
		}
		if err := record(ctx, tx, s.now(), by, "log.prove", strconv.FormatInt(index, 10), nil); err != nil {
			return err
		}
		tree, signed, err := j.sign(ctx, tx, by)
		if err == nil {
			proof, err = audit.Prove(ctx, tx, index, tree, signed)
		}
		return err
	})
	if err != nil {
		return audit.Stored{}, nil, err
	}
	return leaf, proof, s.Flush(ctx)
}
