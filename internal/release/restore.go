package release

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
	"github.com/sealift/sealift/trust/tufrepo"
)

// restores returns the restores of the store, the newest first, none of which
// something else wrote: the vault's own rows, and what was noted while it was
// sealed, of which an entry of the log tells.
func (s *Service) restores(ctx context.Context, tx restoreRows) ([]store.Restore, error) {
	all, err := tx.Restores(ctx)
	for _, r := range all {
		if err := s.checkRestore(ctx, tx, r); err != nil {
			return nil, err
		}
	}
	return all, err
}

// restoreRows is where restores are found, and held against the log.
type restoreRows interface {
	store.RestoreTx
	store.AuditTx
}

func (s *Service) checkRestore(ctx context.Context, tx restoreRows, r store.Restore) error {
	err := s.vault.CheckRow(ctx, tx, r)
	untouched := len(r.MAC) == 0 && !r.Directed && !r.Settled && r.LogVersion == 0
	if sealift.ReasonOf(err) != vault.ReasonForged || !untouched {
		return err
	}
	if s.vault.CheckGone(ctx, tx, r) != nil {
		return err // the vault was at it before, and somebody put the row back
	}
	records, err := audit.Records(ctx, tx, r.Entries+r.Lost, 1)
	if err != nil {
		return err
	}
	if len(records) == 1 && records[0].Index == r.Entries+r.Lost && records[0].Entry != nil {
		if e := records[0].Entry; e.Action == audit.ActionRestore && e.Result == audit.OK && e.Details[audit.RestoreDetail] == r.RowName() {
			return nil
		}
	}
	return sealift.Errorf(sealift.KindDenied, "reading the row of the restore of "+r.Restored.Format(time.RFC3339), "the log has no entry of it").
		WithReason(vault.ReasonForged).
		WithHint("somebody changed the database: look at who can write to it, and at sealift audit list --action %s", audit.ActionRestore)
}

// newestRestore returns the last restore of the store; ok is false where it
// never was.
func (s *Service) newestRestore(ctx context.Context, tx restoreRows) (r store.Restore, ok bool, err error) {
	all, err := s.restores(ctx, tx)
	if err != nil || len(all) == 0 {
		return r, false, err
	}
	return all[0], true, nil
}

// newLog returns the first version of the log key that is of the present log: one
// that a restore began, or 0.
func (s *Service) newLog(ctx context.Context, tx restoreRows) (version uint64, err error) {
	all, err := s.restores(ctx, tx)
	for _, r := range all {
		version = max(version, r.LogVersion)
	}
	return version, err
}

// putRestore writes how far the vault has come.
func putRestore(ctx context.Context, tx *vault.Tx, r store.Restore) (err error) {
	if r.MAC, err = tx.Authenticate(r); err != nil {
		return err
	}
	return tx.PutRestore(ctx, r)
}

// demandContinued refuses to certify before a restored vault did what is left to
// do: what was reserved before is not given up yet.
func (s *Service) demandContinued(ctx context.Context, tx restoreRows) error {
	r, ok, err := s.newestRestore(ctx, tx)
	if err == nil && ok && !r.Directed {
		err = sealift.Errorf(sealift.KindConflict, "publishing", "the vault was restored, and is not done with going on from there").
			WithReason("restoring").WithHint("try again in a minute; if it is the same then, the server's log says why")
	}
	return err
}

// Continue does what a restore left to do and a sealed vault could not: it gives
// up what was reserved, and signs everything online anew, above all that was
// published. Where the log cannot go on as devices saw it, it makes the keys of a
// new one, for people to vouch for. Without a restore it does nothing.
func (s *Service) Continue(ctx context.Context) error {
	r, ok, err := s.restored(ctx)
	if err != nil || !ok || r.Directed {
		return err
	}
	err = s.vault.Update(ctx, func(tx *vault.Tx) error { return s.goOn(ctx, tx, System("restore")) })
	if err != nil {
		return err
	}
	return s.Flush(ctx)
}

func (s *Service) restored(ctx context.Context) (r store.Restore, ok bool, err error) {
	err = s.store.View(ctx, func(tx store.Tx) (err error) {
		r, ok, err = s.newestRestore(ctx, tx)
		return err
	})
	return r, ok, err
}

func (s *Service) goOn(ctx context.Context, tx *vault.Tx, actor audit.Actor) error {
	r, ok, err := s.newestRestore(ctx, tx)
	if err != nil || !ok || r.Directed { // somebody else was faster
		return err
	}
	drafts, err := tx.UnfinishedDrafts(ctx)
	if err != nil {
		return err
	}
	for _, d := range drafts {
		if err := s.giveUp(ctx, tx, actor, d, "release.abandon"); err != nil {
			return err
		}
	}
	if !r.Known {
		if r.LogVersion, err = s.makeLogKeys(ctx, tx, actor); err != nil {
			return err
		}
	}
	if err := s.restoreDenials(ctx, tx, actor); err != nil {
		return err
	}
	if err := s.checkEpochs(ctx, tx); err != nil {
		return err
	}
	paused, err := s.pauseOpen(ctx, tx, actor)
	if err != nil {
		return err
	}
	if err := s.directAll(ctx, tx, actor); err != nil {
		return err
	}
	r.Directed, r.Settled = true, r.Known
	if err := putRestore(ctx, tx, r); err != nil {
		return err
	}
	return recordAs(ctx, tx, s.now(), actor, "backup.continue", "vault", map[string]string{
		"drafts": fmt.Sprint(len(drafts)), "rollouts": fmt.Sprint(paused), "new-log": fmt.Sprint(!r.Known),
	})
}

// pauseOpen pauses every roll-out that the backup has as running or waiting, and makes
// the offers anew for the director to sign: somebody, or the failures of devices, may
// have stopped it since, and nobody here knows. It returns how many there were.
func (s *Service) pauseOpen(ctx context.Context, tx *vault.Tx, actor audit.Actor) (n int, err error) {
	open, err := tx.OpenRollouts(ctx)
	if err != nil {
		return 0, err
	}
	changed := map[string]store.Coordinates{}
	for _, row := range open {
		if err := s.vault.CheckRow(ctx, tx, row); err != nil {
			return 0, err
		}
		of, err := rolloutOf(row)
		if err != nil {
			return 0, err
		}
		next, err := of.State.Pause(s.now().UTC())
		if err != nil {
			return 0, err
		}
		if err := s.putRollout(ctx, tx, actor, &row, of.Plan, next, "rollout.pause", map[string]string{"reason-given": "the vault was restored from a backup"}); err != nil {
			return 0, err
		}
		changed[trust.OfferPath(row.App, row.Channel, row.Platform)] = row.Coordinates
	}
	for _, path := range slices.Sorted(maps.Keys(changed)) {
		of := changed[path]
		// What the published tree had is signed again as it is, like every document.
		offered, err := offerOf(ctx, tx, of.App, of.Channel, of.Platform)
		if err != nil {
			return 0, err
		}
		offer, err := s.composeAfter(ctx, tx, of.App, of.Channel, of.Platform, offered)
		if err != nil {
			return 0, err
		}
		if err := tx.SetDocument(ctx, offer.Path, offer.Content); err != nil {
			return 0, err
		}
	}
	return len(open), nil
}

// checkEpochs refuses an epoch.json that names another key than the vault made for
// the channel: publishers seal to what the director signs next.
func (s *Service) checkEpochs(ctx context.Context, tx *vault.Tx) error {
	apps, err := tx.Apps(ctx)
	if err != nil {
		return err
	}
	for _, app := range apps {
		channels, err := tx.Channels(ctx, app.ID)
		if err != nil {
			return err
		}
		for _, channel := range channels {
			if err := s.checkEpochFile(ctx, tx, app.ID, channel.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Service) checkEpochFile(ctx context.Context, tx *vault.Tx, app sealift.AppID, channel sealift.Channel) error {
	path := trust.EpochPath(app, channel)
	content, err := tx.Document(ctx, path)
	if err != nil {
		return err
	}
	e, err := s.epochOf(ctx, tx, app, channel, 0)
	if err != nil {
		return err
	}
	want, err := epochFile(e)
	if err != nil || bytes.Equal(want, content) {
		return err
	}
	return sealift.Errorf(sealift.KindDenied, "going on from a restore", "%s names another key than that of the channel", path).
		WithReason(vault.ReasonForged).
		WithHint("somebody changed the database: look at who can write to it; the way back is a backup from before")
}

// makeLogKeys makes the first key of a new log and its standby. Nothing is signed
// by them before people vouched for them.
func (s *Service) makeLogKeys(ctx context.Context, tx *vault.Tx, actor audit.Actor) (first uint64, err error) {
	for range 2 {
		info, err := s.makeStandby(ctx, tx, actor, keyOf(vault.PurposeLog).ID, nil, "a restore ended the log that devices saw")
		if err != nil {
			return 0, err
		}
		if first == 0 {
			first = info.Version
		}
	}
	return first, nil
}

// directAll signs all online metadata anew over the documents as they are, and
// has everything written.
func (s *Service) directAll(ctx context.Context, tx *vault.Tx, actor audit.Actor) error {
	_, checkpoint, tiles, err := s.checkpoint(ctx, tx, actor)
	if err != nil {
		return err
	}
	if err := outLog(ctx, tx, checkpoint, tiles); err != nil {
		return err
	}
	paths, err := tx.Documents(ctx)
	if err != nil {
		return err
	}
	var all []tufrepo.Target
	for _, path := range paths {
		if path == trust.TrustPath {
			continue // people's
		}
		content, err := tx.Document(ctx, path)
		if err != nil {
			return err
		}
		all = append(all, tufrepo.Target{Path: path, Content: content})
	}
	if err := s.directBefore(ctx, tx, actor, all, s.now().AddDate(100, 0, 0)); err != nil {
		return err
	}
	root, err := tx.Metadata(ctx, metadata.ROOT)
	if err != nil {
		return err
	}
	return s.checkWhole(ctx, tx, root.Content)
}

// beginLog lets a new log begin where people have just vouched for one: their
// trust.json names keys of it alone, so that devices forget what they saw of the
// one before. It returns the offers anew, whose releases it proves again under
// the new key.
func (s *Service) beginLog(ctx context.Context, tx *vault.Tx, actor audit.Actor) ([]tufrepo.Target, error) {
	r, ok, err := s.newestRestore(ctx, tx)
	if err != nil || !ok || r.Settled || r.LogVersion == 0 {
		return nil, err
	}
	versions, err := s.vault.List(ctx, tx, vault.Filter{ID: keyOf(vault.PurposeLog).ID})
	if err != nil {
		return nil, err
	}
	if vouched, err := onlyNewLog(ctx, tx, versions, r.LogVersion); err != nil || !vouched {
		return nil, err
	}
	for _, info := range versions {
		var err error
		switch {
		case info.Version == r.LogVersion:
			_, err = s.vault.Transition(ctx, tx, info.Ref, vault.PreActive, vault.Active, actor, "people vouched for the new log", s.now())
		case info.Version < r.LogVersion && info.State == vault.Active:
			_, err = s.vault.Transition(ctx, tx, info.Ref, vault.Active, vault.Deactivated, actor, "a restore ended its log", s.now())
		case info.Version < r.LogVersion && info.State == vault.PreActive:
			_, err = s.vault.Transition(ctx, tx, info.Ref, vault.PreActive, vault.Destroyed, actor, "a restore ended its log", s.now())
		}
		if err != nil {
			return nil, err
		}
	}
	r.Settled = true
	if err := putRestore(ctx, tx, r); err != nil {
		return nil, err
	}
	size, last, err := tx.LatestCheckpoint(ctx)
	if err != nil {
		return nil, err
	}
	if err := recordAs(ctx, tx, s.now(), actor, "log.begin", "log", map[string]string{
		"version": fmt.Sprint(r.LogVersion), "last-checkpoint": "sha256:" + sealift.DigestOf(last).String(), "last-size": fmt.Sprint(size),
	}); err != nil {
		return nil, err
	}
	changes, size, err := s.proveOffers(ctx, tx, actor)
	if err != nil {
		return nil, err
	}
	// Those before are signed by keys that nobody vouches for any more.
	_, err = tx.DropCheckpoints(ctx, size)
	return changes, err
}

// onlyNewLog reports whether trust.json names keys of the new log and no others.
func onlyNewLog(ctx context.Context, tx store.DocumentTx, versions []vault.KeyInfo, first uint64) (bool, error) {
	anchors, err := trustOf(ctx, tx)
	if err != nil {
		return false, err
	}
	own := map[string]bool{}
	for _, info := range versions {
		if info.Version < first {
			continue
		}
		text, err := logVerifierKey(anchors.Vault, info)
		if err != nil {
			return false, err
		}
		own[text] = true
	}
	for _, key := range anchors.Log.Keys {
		if !own[key] {
			return false, nil
		}
	}
	return len(anchors.Log.Keys) > 0, nil
}

// proveOffers proves every release that is offered anew, under the log's key of
// now, and returns the offers that name the new proofs, and the size of the log
// that they are for.
func (s *Service) proveOffers(ctx context.Context, tx *vault.Tx, actor audit.Actor) (changes []tufrepo.Target, size int64, err error) {
	tree, signed, tiles, err := s.checkpoint(ctx, tx, actor)
	if err != nil {
		return nil, 0, err
	}
	if err := outLog(ctx, tx, signed, tiles); err != nil {
		return nil, 0, err
	}
	paths, err := tx.Documents(ctx)
	if err != nil {
		return nil, 0, err
	}
	for _, path := range paths {
		app, channel, platform, ok := trust.ParseOfferPath(path)
		if !ok {
			continue
		}
		candidates, err := signedOffer(ctx, tx, app, channel, platform)
		if err != nil {
			return nil, 0, err
		}
		for i := range candidates {
			if candidates[i].Proof, err = s.proveAnew(ctx, tx, app, candidates[i].Release.Digest, tree, signed); err != nil {
				return nil, 0, err
			}
		}
		content, err := (&trust.Offer{App: app, Channel: channel, Platform: platform, Candidates: candidates}).Encode()
		if err != nil {
			return nil, 0, err
		}
		changes = append(changes, tufrepo.Target{Path: path, Content: content})
	}
	return changes, tree.N, nil
}

// proveAnew replaces the proof of a release by one under another checkpoint.
func (s *Service) proveAnew(ctx context.Context, tx *vault.Tx, app sealift.AppID, release sealift.Digest, tree tlog.Tree, signed []byte) (trust.Pointer, error) {
	row, err := tx.Release(ctx, app, release)
	if err != nil {
		return trust.Pointer{}, err
	}
	proof, err := audit.Prove(ctx, tx, row.LogIndex, tree, signed)
	if err != nil {
		return trust.Pointer{}, err
	}
	if err := tx.SetProof(ctx, app, release, proof); err != nil {
		return trust.Pointer{}, err
	}
	p := trust.Pointer{Digest: sealift.DigestOf(proof), Length: int64(len(proof))}
	return p, tx.AppendOutbox(ctx, "proofs/"+p.Digest.String(), proof)
}
