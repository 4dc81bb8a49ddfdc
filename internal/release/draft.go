package release

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/access"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/blob"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/vault"
)

// reserver is who reserves, and of which app.
type reserver struct {
	id  string
	app sealift.AppID
}

// Reserve allocates the next counter of the app for one release.
func (s *Service) Reserve(ctx context.Context, by access.Caller, want service.Reservation) (service.Draft, error) {
	if want.Act != sealift.ActRelease {
		return service.Draft{}, sealift.Errorf(sealift.KindInvalid, "reserving a release", "a publisher cannot reserve a %s", want.Act).WithReason("act")
	}
	status, err := s.vault.Status(ctx)
	if err != nil {
		return service.Draft{}, err
	}
	of := store.Coordinates{App: want.App, Channel: want.Channel, Platform: want.Platform, Runtime: want.Runtime, Version: want.Version}
	now := s.now().UTC()
	if err := s.admit(by, want.App, "reserving a release"); err != nil {
		return service.Draft{}, err
	}
	d := store.Draft{ID: newDraftID(), Coordinates: of, Act: want.Act, State: store.DraftReserved, Requester: by.ID, Created: now, Expires: now.Add(sealift.MaxPublishAge), Hold: want.Hold}
	if want.Plan != nil {
		if d.Plan, err = want.Plan.Encode(); err != nil {
			return service.Draft{}, err
		}
	}
	err = s.vault.Update(ctx, func(tx *vault.Tx) error {
		if _, err := s.findChannel(ctx, tx, want.App, want.Channel); err != nil {
			return err
		}
		if err := s.demandTakes(ctx, tx, of, want.Act); err != nil {
			return err
		}
		if err := checkFree(ctx, tx, of); err != nil {
			return err
		}
		if err := s.abandonOpen(ctx, tx, by, of); err != nil {
			return err
		}
		if d.Counter, err = nextCounter(ctx, tx, want.App); err != nil {
			return err
		}
		if d.MAC, err = tx.Authenticate(d); err != nil {
			return err
		}
		if err := tx.InsertDraft(ctx, d); err != nil {
			return err
		}
		return record(ctx, tx, now, by, "release.reserve", subjectOf(of), map[string]string{"counter": fmt.Sprint(d.Counter), "draft": d.ID, vault.RowDetail: vault.RowTag(d.MAC)})
	})
	return service.Draft{ID: d.ID, Counter: d.Counter, Vault: status.Vault, Expires: d.Expires}, err
}

// admit bounds how many counters one caller takes of an app.
func (s *Service) admit(by access.Caller, app sealift.AppID, op string) error {
	wait, ok := s.reserved.Admit(reserver{by.ID, app}, s.now().UTC())
	if ok {
		return nil
	}
	return sealift.Errorf(sealift.KindExhausted, op, "%s has reserved %d of %s in this hour", by.ID, sealift.ReservationsPerHour, app).
		WithReason("rate").WithHint("do it again in %d minutes; find out why so many were reserved and not published: sealift audit list --action release", int(wait/time.Minute)+1)
}

// nextCounter allocates a counter, and keeps those who reserve and never publish
// from driving it further up than a device follows in one step.
func nextCounter(ctx context.Context, tx store.Tx, app sealift.AppID) (sealift.Counter, error) {
	next, err := tx.NextCounter(ctx, app)
	if err != nil {
		return 0, err
	}
	newest, err := tx.Releases(ctx, app, store.ReleaseFilter{Limit: 1})
	if err != nil {
		return 0, err
	}
	var published sealift.Counter
	if len(newest) > 0 {
		published = newest[0].Counter
	}
	if next > published+sealift.MaxReservations {
		return 0, sealift.Errorf(sealift.KindExhausted, "reserving a release", "%d counters were reserved since the last release", next-published-1).
			WithReason("counter").WithHint("publish what is reserved; find out which token reserves and never publishes")
	}
	return next, nil
}

// checkFree refuses coordinates that are published already.
func checkFree(ctx context.Context, tx store.ReleaseTx, of store.Coordinates) error {
	found, err := publishedAt(ctx, tx, of)
	if err == nil && found != nil {
		return errPublished(of, found.Counter)
	}
	return err
}

// publishedAt returns the newest release of coordinates; nil where there is none.
func publishedAt(ctx context.Context, tx store.ReleaseTx, of store.Coordinates) (*store.Release, error) {
	found, err := tx.Releases(ctx, of.App, store.ReleaseFilter{Channel: of.Channel, Platform: of.Platform, Runtime: of.Runtime, Version: of.Version, Limit: 1})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}

func errPublished(of store.Coordinates, counter sealift.Counter) error {
	return sealift.Errorf(sealift.KindConflict, "publishing "+subjectOf(of), "version %s is published already, as counter %d", of.Version, counter).
		WithReason("version").
		WithHint("releases never change; publish the new files under a higher --version")
}

// abandonOpen gives up what an interrupted publish left: the files of its
// version may have changed since, and its counter costs nothing. One that was
// submitted and waits is another matter: people may have signed it.
func (s *Service) abandonOpen(ctx context.Context, tx *vault.Tx, by access.Caller, of store.Coordinates) error {
	open, err := tx.OpenDrafts(ctx, of)
	if err != nil {
		return err
	}
	for _, d := range open {
		if d.State == store.DraftSubmitted && !s.now().After(d.Expires) {
			return sealift.Errorf(sealift.KindConflict, "publishing "+subjectOf(of), "version %s was submitted already, as counter %d, and waits", of.Version, d.Counter).
				WithReason("waiting").
				WithHint("see for what: sealift release pending --app %s; or give it up: sealift release cancel %s --app %s", of.App, d.ID, of.App)
		}
		if err := s.giveUp(ctx, tx, by.Actor(), d, "release.abandon"); err != nil {
			return err
		}
	}
	return nil
}

// giveUp abandons a draft that is reserved or submitted. Even one whose row
// something else wrote: it is the vault's own from then on, and harmless.
func (s *Service) giveUp(ctx context.Context, tx *vault.Tx, actor audit.Actor, d store.Draft, action string) error {
	from := d.State
	d.State = store.DraftAbandoned
	if err := s.approvals.EndForRelease(ctx, tx, actor, d); err != nil {
		return err
	}
	if err := s.forgetCapgo(ctx, tx, actor, d); err != nil {
		return err
	}
	details := map[string]string{"draft": d.ID, "counter": fmt.Sprint(d.Counter)}
	if err := s.setDraft(ctx, tx, &d, from, details); err != nil {
		return err
	}
	return recordAs(ctx, tx, s.now(), actor, action, subjectOf(d.Coordinates), details)
}

// setDraft writes a changed draft, which was in state from, with its new MAC,
// and names that in the details of the entry about it.
func (s *Service) setDraft(ctx context.Context, tx *vault.Tx, d *store.Draft, from store.DraftState, details map[string]string) (err error) {
	if d.MAC, err = tx.Authenticate(*d); err != nil {
		return err
	}
	details[vault.RowDetail] = vault.RowTag(d.MAC)
	return tx.UpdateDraft(ctx, *d, from)
}

func subjectOf(of store.Coordinates) string {
	return fmt.Sprintf("%s/%s/%s %s", of.App, of.Channel, of.Platform, of.Version)
}

func newDraftID() string {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails (crypto/rand)
	return hex.EncodeToString(id)
}

// Abandon gives a draft up; its counter is never used again.
func (s *Service) Abandon(ctx context.Context, by access.Caller, app sealift.AppID, draft string) error {
	return s.vault.Update(ctx, func(tx *vault.Tx) error {
		d, err := anyDraft(ctx, tx, app, draft)
		if err != nil {
			return err
		}
		switch d.State {
		case store.DraftAbandoned:
			return nil
		case store.DraftPublished:
			return errPublished(d.Coordinates, d.Counter)
		}
		return s.giveUp(ctx, tx, by.Actor(), d, "release.abandon")
	})
}

// findDraft returns a draft of app that the vault wrote.
func (s *Service) findDraft(ctx context.Context, tx store.Tx, app sealift.AppID, id string) (store.Draft, error) {
	d, err := anyDraft(ctx, tx, app, id)
	if err == nil {
		err = s.vault.CheckRow(ctx, tx, d)
	}
	return d, err
}

func anyDraft(ctx context.Context, tx store.ReleaseTx, app sealift.AppID, id string) (store.Draft, error) {
	d, err := tx.Draft(ctx, id)
	if err == nil && d.App != app {
		err = sealift.Errorf(sealift.KindNotFound, "", "it is of another app")
	}
	if sealift.KindOf(err) == sealift.KindNotFound {
		return d, sealift.Errorf(sealift.KindNotFound, "looking up the draft", "there is no draft %q of %s", id, app).WithReason("draft")
	}
	return d, err
}

// UploadBlob stores a sealed blob in the published tree. It is ciphertext that
// no document names yet.
func (s *Service) UploadBlob(ctx context.Context, by access.Caller, app sealift.AppID, digest sealift.Digest, length int64, r io.Reader) error {
	_, err := view(ctx, s.store, func(tx store.Tx) (store.App, error) { return s.findApp(ctx, tx, app) })
	if err != nil {
		return err
	}
	if err := s.demandUnsealed(ctx); err != nil {
		return err
	}
	key := "blobs/" + digest.String()
	switch file, err := s.published.Open(ctx, key); {
	case err == nil:
		defer file.Close()
		length = file.Size() // it is there already, under its digest
	case sealift.KindOf(err) != sealift.KindNotFound:
		return err
	default:
		if err := s.published.Put(ctx, key, r, &blob.Expect{Digest: digest, Length: length}); err != nil {
			return err
		}
	}
	return s.noteBlob(ctx, by, store.Blob{App: app, Digest: digest, Length: length, Created: s.now().UTC()})
}

func (s *Service) noteBlob(ctx context.Context, by access.Caller, b store.Blob) error {
	return s.store.Update(ctx, func(tx store.Tx) error {
		if err := tx.InsertBlob(ctx, b); err != nil {
			return err
		}
		return record(ctx, tx, b.Created, by, "blob.upload", "sha256:"+b.Digest.String(), map[string]string{"app": string(b.App), "length": fmt.Sprint(b.Length)})
	})
}

// demandUnsealed refuses work whose end the vault could not sign.
func (s *Service) demandUnsealed(ctx context.Context) error {
	status, err := s.vault.Status(ctx)
	if err != nil || !status.Sealed {
		return err
	}
	return sealift.Errorf(sealift.KindSealed, "publishing", "the vault is sealed").WithReason("sealed").WithHint("unseal it: restart sealift server with its passphrase")
}
