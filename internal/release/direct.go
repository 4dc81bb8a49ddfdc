package release

import (
	"context"
	"errors"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
	"github.com/sealift/sealift/trust/tufrepo"
)

// direct publishes changes of the director's targets: it signs the bins they
// are in, the snapshot and the timestamp, keeps all of it as rows, and puts the
// files into the outbox with the timestamp last.
func (s *Service) direct(ctx context.Context, tx *vault.Tx, actor audit.Actor, changes []tufrepo.Target) error {
	return s.directBefore(ctx, tx, actor, changes, s.now().Add(sealift.BinsLife/2))
}

func (s *Service) directBefore(ctx context.Context, tx *vault.Tx, actor audit.Actor, changes []tufrepo.Target, renewBefore time.Time) error {
	for _, change := range changes {
		if err := tx.SetDocument(ctx, change.Path, change.Content); err != nil {
			return err
		}
	}
	current := func(role string) ([]byte, error) {
		m, err := tx.Metadata(ctx, role)
		if sealift.KindOf(err) == sealift.KindNotFound {
			return nil, nil
		}
		return m.Content, err
	}
	above, err := tx.VersionFloors(ctx)
	if err != nil {
		return err
	}
	var update *tufrepo.Update
	err = s.withOnline(ctx, tx, actor, func(keys tufrepo.Online) (err error) {
		keys.Above = above
		update, err = tufrepo.Direct(current, changes, keys, s.now(), renewBefore)
		return err
	})
	if errors.Is(err, tufrepo.ErrForeignBin) {
		return sealift.Errorf(sealift.KindDenied, "signing what is current", "%w", err).WithReason(vault.ReasonForged).
			WithHint("somebody changed the database: look at who can write to it; the way back is a backup from before")
	}
	if err != nil {
		return sealift.Errorf(kindOr(err, sealift.KindInternal), "signing what is current", "%w", err)
	}
	for _, role := range update.Roles {
		err := tx.SetMetadata(ctx, store.Metadata{Role: role.Role, Version: role.Version, Expires: role.Expires, Content: role.Content})
		if err != nil {
			return err
		}
	}
	for _, file := range update.Files {
		if err := tx.AppendOutbox(ctx, file.Path, file.Content); err != nil {
			return err
		}
	}
	return nil
}

// kindOr keeps the kind of an error that has one.
func kindOr(err error, other sealift.Kind) sealift.Kind {
	if kind := sealift.KindOf(err); kind != sealift.KindInternal {
		return kind
	}
	return other
}

// Renew signs the timestamp anew, with a checkpoint of the log, and whatever
// ends in less than half of its life: bins, the snapshot, the certificate of
// the answer key. It is due every sealift.TimestampPeriod.
func (s *Service) Renew(ctx context.Context) error {
	actor := System("director")
	err := s.vault.Update(ctx, func(tx *vault.Tx) error {
		_, checkpoint, tiles, err := s.checkpoint(ctx, tx, actor)
		if err != nil {
			return err
		}
		if err := outLog(ctx, tx, checkpoint, tiles); err != nil {
			return err
		}
		if err := s.renewAnswers(ctx, tx, actor); err != nil {
			return err
		}
		return s.direct(ctx, tx, actor, nil)
	})
	if err != nil {
		return err
	}
	return s.Flush(ctx)
}

// NextRenewal returns when Renew is due: a period after the newest timestamp
// was signed.
func (s *Service) NextRenewal(ctx context.Context) (time.Time, error) {
	issued, _, err := s.Timestamp(ctx)
	if err != nil {
		return time.Time{}, err
	}
	return issued.Add(sealift.TimestampPeriod), nil
}

// Timestamp returns when the newest timestamp was signed, and when it ends.
func (s *Service) Timestamp(ctx context.Context) (issued, expires time.Time, err error) {
	m, err := view(ctx, s.store, func(tx store.Tx) (store.Metadata, error) { return tx.Metadata(ctx, "timestamp") })
	if err != nil {
		return issued, expires, err
	}
	if issued, err = tufrepo.IssuedAt(m.Content); err != nil {
		return issued, expires, sealift.Errorf(sealift.KindInternal, "reading the newest timestamp", "%w", err)
	}
	return issued, m.Expires, nil
}

// checkpoint signs the log as it stands; the entry of that very signature comes
// after it, for the next one to cover. It returns the tiles that changed since
// the checkpoint before.
func (s *Service) checkpoint(ctx context.Context, tx *vault.Tx, actor audit.Actor) (tree tlog.Tree, signed []byte, tiles []audit.Tile, err error) {
	before, _, err := tx.LatestCheckpoint(ctx)
	if err != nil && sealift.KindOf(err) != sealift.KindNotFound {
		return tree, nil, nil, err
	}
	err = s.withLog(ctx, tx, actor, func(origin string, key note.Signer) (err error) {
		tree, signed, err = audit.SignCheckpoint(ctx, tx, origin, key)
		return err
	})
	if err != nil {
		return tree, nil, nil, err
	}
	tiles, err = audit.NewTiles(ctx, tx, before, tree.N)
	return tree, signed, tiles, err
}

// outLog puts tiles and then the checkpoint that covers them into the outbox.
func outLog(ctx context.Context, tx store.DocumentTx, checkpoint []byte, tiles []audit.Tile) error {
	for _, tile := range tiles {
		if err := tx.AppendOutbox(ctx, tile.Path, tile.Content); err != nil {
			return err
		}
	}
	return tx.AppendOutbox(ctx, trust.CheckpointPath, checkpoint)
}

// isSigned reports whether the bin of a path lists a document as it is in the
// database, or none where that has none, which is nil. Whether the director signed
// the bin shows when it is gone on from (tufrepo.ErrForeignBin).
func isSigned(ctx context.Context, tx store.DocumentTx, path string, document []byte) (bool, error) {
	bin, err := tx.Metadata(ctx, tufrepo.BinOf(path))
	if err != nil {
		return false, err
	}
	digest, listed, err := tufrepo.Lookup(bin.Content, path)
	return listed == (document != nil) && (!listed || digest == sealift.DigestOf(document)), err
}

// trustOf reads the trust.json that devices have now.
func trustOf(ctx context.Context, tx store.DocumentTx) (*trust.Trust, error) {
	data, err := tx.Document(ctx, trust.TrustPath)
	if err != nil {
		return nil, err
	}
	return trust.ParseTrust(data)
}

func denyOf(ctx context.Context, tx store.DocumentTx) (*trust.Deny, error) {
	data, err := tx.Document(ctx, trust.DenyPath)
	if err != nil {
		return nil, err
	}
	return trust.ParseDeny(data)
}
