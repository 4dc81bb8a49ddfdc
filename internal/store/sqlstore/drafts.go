package sqlstore

import (
	"context"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlstore/sqlcgen"
)

// InsertDraft implements store.ReleaseTx.
func (t *tx) InsertDraft(ctx context.Context, d store.Draft) error {
	rows, err := t.refusable(ctx, func() (int64, error) { return t.q.InsertDraft(ctx, sqlcgen.InsertDraftParams(draftRow(d))) })
	return t.added(ctx, "storing draft "+d.ID, rows, err)
}

// Draft implements store.ReleaseTx.
func (t *tx) Draft(ctx context.Context, id string) (store.Draft, error) {
	row, err := t.q.Draft(ctx, id)
	if err != nil {
		return store.Draft{}, t.fail(ctx, "reading draft "+id, err)
	}
	return draftOf(row), nil
}

// UpdateDraft implements store.ReleaseTx.
func (t *tx) UpdateDraft(ctx context.Context, d store.Draft, from store.DraftState) error {
	op := "changing draft " + d.ID
	r := draftRow(d)
	rows, err := t.refusable(ctx, func() (int64, error) {
		return t.q.UpdateDraft(ctx, sqlcgen.UpdateDraftParams{
			App: r.App, Channel: r.Channel, Platform: r.Platform, Runtime: r.Runtime, Version: r.Version,
			Counter: r.Counter, Act: r.Act, State: r.State, Requester: r.Requester,
			Created: r.Created, Expires: r.Expires, Submitted: r.Submitted, Release: r.Release,
			Mac: r.Mac, Csr: r.Csr, Envelope: r.Envelope, Plan: r.Plan, Hold: r.Hold, Source: r.Source,
			ID: r.ID, OldState: string(from),
		})
	})
	if err != nil || rows > 0 {
		return t.fail(ctx, op, err)
	}
	now, err := t.Draft(ctx, d.ID)
	if err != nil {
		return err
	}
	return sealift.Errorf(sealift.KindConflict, op, "it is %s, not %s", now.State, from)
}

// OpenDrafts implements store.ReleaseTx.
func (t *tx) OpenDrafts(ctx context.Context, of store.Coordinates) ([]store.Draft, error) {
	rows, err := t.q.OpenDrafts(ctx, sqlcgen.OpenDraftsParams{
		App: string(of.App), Channel: string(of.Channel), Platform: string(of.Platform),
		Runtime: string(of.Runtime), Version: string(of.Version),
	})
	return collect(rows, t.fail(ctx, "listing open drafts of "+string(of.App), err), draftOf)
}

// SubmittedDrafts implements store.ReleaseTx.
func (t *tx) SubmittedDrafts(ctx context.Context, app sealift.AppID) ([]store.Draft, error) {
	rows, err := t.q.SubmittedDrafts(ctx, string(app))
	return collect(rows, t.fail(ctx, "listing submitted drafts", err), draftOf)
}

func draftRow(d store.Draft) sqlcgen.Draft {
	return sqlcgen.Draft{
		ID: d.ID, App: string(d.App), Channel: string(d.Channel), Platform: string(d.Platform),
		Runtime: string(d.Runtime), Version: string(d.Version), Counter: number(d.Counter), Act: string(d.Act),
		State: string(d.State), Requester: d.Requester, Created: micros(d.Created), Expires: micros(d.Expires),
		Submitted: micros(d.Submitted), Release: d.Release[:], Mac: some(d.MAC), Csr: some(d.CSR), Envelope: some(d.Envelope),
		Plan: some(d.Plan), Hold: flag(d.Hold), Source: d.Source[:],
	}
}

func draftOf(r sqlcgen.Draft) store.Draft {
	return store.Draft{
		ID: r.ID, Coordinates: coordinates(r.App, r.Channel, r.Platform, r.Runtime, r.Version),
		Counter: sealift.Counter(r.Counter), Act: sealift.Act(r.Act), State: store.DraftState(r.State),
		Requester: r.Requester, Created: moment(r.Created), Expires: moment(r.Expires),
		Submitted: moment(r.Submitted), Release: digest(r.Release), MAC: bare(r.Mac), CSR: bare(r.Csr), Envelope: bare(r.Envelope),
		Plan: bare(r.Plan), Hold: r.Hold != 0, Source: digest(r.Source),
	}
}

func coordinates(app, channel, platform, runtime, version string) store.Coordinates {
	return store.Coordinates{
		App: sealift.AppID(app), Channel: sealift.Channel(channel), Platform: sealift.Platform(platform),
		Runtime: sealift.RuntimeRange(runtime), Version: sealift.Version(version),
	}
}

// UnfinishedDrafts implements store.ReleaseTx.
func (t *tx) UnfinishedDrafts(ctx context.Context) ([]store.Draft, error) {
	rows, err := t.q.UnfinishedDrafts(ctx)
	return collect(rows, t.fail(ctx, "listing unfinished drafts", err), draftOf)
}
