package witness

import (
	"bytes"
	"context"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/trust"
)

// keep puts a cosignature into the row of its checkpoint, and publishes that if
// it still is the newest.
func (k *Keeper) keep(ctx context.Context, size int64, cosignature trust.Cosignature) error {
	err := k.cfg.Store.Update(ctx, func(tx store.Tx) error {
		rows, err := tx.Checkpoints(ctx, size, 1)
		if err != nil {
			return err
		}
		if len(rows) == 0 || rows[0].Size != size {
			return sealift.Errorf(sealift.KindIntegrity, "keeping a cosignature", "the checkpoint of %d entries is gone", size).WithReason("checkpoint").
				WithHint("somebody changed the database: see sealift audit verify --data DIR")
		}
		signed := trust.AddCosignatures(rows[0].Note, cosignature)
		if err := tx.InsertCheckpoint(ctx, size, signed); err != nil {
			return err
		}
		newest, _, err := tx.LatestCheckpoint(ctx)
		if err != nil || newest != size {
			return err
		}
		return tx.AppendOutbox(ctx, trust.CheckpointPath, signed)
	})
	if err != nil {
		return err
	}
	return k.cfg.Publish(ctx)
}

// refuse notes why a witness did not cosign. That the log forked is an entry,
// once for as long as it lasts.
func (k *Keeper) refuse(ctx context.Context, i int, problem error) error {
	now, reason := k.cfg.Now().UTC(), sealift.ReasonOf(problem)
	before := k.status(i)
	k.set(i, func(w *service.Witness) {
		if w.Reason == "" {
			w.Since = now
		}
		w.Reason, w.Problem = reason, problem.Error()
		if reason == "" {
			w.Reason = ReasonAway
		}
	})
	if reason != ReasonFork || before.Reason == ReasonFork {
		return nil
	}
	return k.cfg.Store.Update(ctx, func(tx store.Tx) error {
		_, err := audit.Append(ctx, tx, audit.Entry{
			Time: now, Actor: audit.Actor{Kind: audit.System, ID: "witness"}, Action: "log.witness", Subject: before.Name,
			Details: map[string]string{"reason": reason, "problem": clip(problem.Error())}, Result: audit.Refused,
		})
		return err
	})
}

// clip bounds what is recorded of an error, which a witness has a hand in.
func clip(text string) string { return text[:min(len(text), sealift.MaxReason)] }

// recallWindow is how many entries recall goes back at first, and then twice as
// many again: a checkpoint an hour with its entries, for some weeks.
const recallWindow = 10_000

// recall reads from the checkpoints what each witness cosigned last.
func (k *Keeper) recall(ctx context.Context) error {
	return k.cfg.Store.View(ctx, func(tx store.Tx) error {
		end, _, err := tx.LatestCheckpoint(ctx)
		if sealift.KindOf(err) == sealift.KindNotFound {
			return nil
		}
		if err != nil {
			return err
		}
		for end, window := end+1, int64(recallWindow); end > 0; window *= 2 {
			first := max(0, end-window)
			missing, err := k.recallFrom(ctx, tx, first, end)
			if err != nil || !missing {
				return err
			}
			end = first
		}
		return nil
	})
}

// recallFrom looks at the checkpoints of first to end entries for witnesses of
// which nothing is known yet, and says whether some are left.
func (k *Keeper) recallFrom(ctx context.Context, tx store.Tx, first, end int64) (missing bool, err error) {
	origin, keys, err := audit.Keys(ctx, tx)
	if err != nil {
		return false, err
	}
	found := map[int]service.Witness{}
	for first < end {
		rows, err := tx.Checkpoints(ctx, first, 256)
		if err != nil {
			return false, err
		}
		if len(rows) == 0 {
			break
		}
		for _, row := range rows {
			if first = row.Size + 1; row.Size >= end {
				break
			}
			for i, p := range k.cfg.Peers {
				if k.status(i).Size > 0 || !bytes.Contains(row.Note, []byte("\n— "+p.Key.Name()+" ")) {
					continue
				}
				if c, by, err := trust.ParseCosigned(row.Note, origin, keys, []*trust.Witness{p.Key}); err == nil && len(by) > 0 {
					found[i] = service.Witness{Size: c.Tree.N, Cosigned: by[0].Time}
				}
			}
		}
	}
	for i, w := range found {
		k.set(i, func(known *service.Witness) { known.Size, known.Cosigned = w.Size, w.Cosigned })
	}
	for i := range k.cfg.Peers {
		missing = missing || k.status(i).Size == 0
	}
	return missing, nil
}
