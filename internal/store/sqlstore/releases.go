package sqlstore

import (
	"context"
	"fmt"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlstore/sqlcgen"
)

// InsertBlob implements store.ReleaseTx.
func (t *tx) InsertBlob(ctx context.Context, b store.Blob) error {
	_, err := t.refusable(ctx, func() (int64, error) {
		return none(t.q.InsertBlob(ctx, sqlcgen.InsertBlobParams{App: string(b.App), Digest: b.Digest[:], Length: b.Length, Created: micros(b.Created)}))
	})
	return t.fail(ctx, "noting blob "+b.Digest.String(), err)
}

// Blob implements store.ReleaseTx.
func (t *tx) Blob(ctx context.Context, app sealift.AppID, d sealift.Digest) (store.Blob, error) {
	row, err := t.q.Blob(ctx, sqlcgen.BlobParams{App: string(app), Digest: d[:]})
	if err != nil {
		return store.Blob{}, t.fail(ctx, fmt.Sprintf("looking up blob %v of %s", d, app), err)
	}
	return store.Blob{App: sealift.AppID(row.App), Digest: digest(row.Digest), Length: row.Length, Created: moment(row.Created)}, nil
}

// InsertRelease implements store.ReleaseTx.
func (t *tx) InsertRelease(ctx context.Context, r store.Release) error {
	rows, err := t.refusable(ctx, func() (int64, error) { return t.q.InsertRelease(ctx, sqlcgen.InsertReleaseParams(releaseRow(r))) })
	return t.added(ctx, fmt.Sprintf("storing release %d of %s", r.Counter, r.App), rows, err)
}

// Release implements store.ReleaseTx.
func (t *tx) Release(ctx context.Context, app sealift.AppID, d sealift.Digest) (store.Release, error) {
	row, err := t.q.Release(ctx, sqlcgen.ReleaseParams{App: string(app), Digest: d[:]})
	if err != nil {
		return store.Release{}, t.fail(ctx, fmt.Sprintf("reading release %v of %s", d, app), err)
	}
	return releaseOf(row), nil
}

// Releases implements store.ReleaseTx.
func (t *tx) Releases(ctx context.Context, app sealift.AppID, f store.ReleaseFilter) ([]store.Release, error) {
	p := sqlcgen.ReleasesParams{
		App: string(app), Channel: string(f.Channel), Platform: string(f.Platform), Runtime: string(f.Runtime),
		Version: string(f.Version), Counter: number(f.Counter), Act: string(f.Act), Before: number(f.Before), Most: int64(f.Limit),
	}
	if f.Before == 0 {
		p.Before = beyond
	}
	if f.Limit <= 0 {
		p.Most = beyond
	}
	rows, err := t.q.Releases(ctx, p)
	return collect(rows, t.fail(ctx, "listing releases of "+string(app), err), releaseOf)
}

// SetProof implements store.ReleaseTx.
func (t *tx) SetProof(ctx context.Context, app sealift.AppID, d sealift.Digest, proof []byte) error {
	rows, err := t.q.SetProof(ctx, sqlcgen.SetProofParams{Proof: some(proof), App: string(app), Digest: d[:]})
	return t.changed(ctx, fmt.Sprintf("proving release %v of %s anew", d, app), rows, err)
}

func releaseRow(r store.Release) sqlcgen.Release {
	return sqlcgen.Release{
		App: string(r.App), Channel: string(r.Channel), Platform: string(r.Platform), Runtime: string(r.Runtime),
		Version: string(r.Version), Counter: number(r.Counter), Act: string(r.Act), Digest: r.Digest[:],
		Payload: r.Payload[:], SignedAt: micros(r.SignedAt), Created: micros(r.Created), Archive: r.Archive[:],
		ArchiveSize: r.ArchiveSize, Blob: r.Blob[:], BlobSize: r.BlobSize, LogIndex: r.LogIndex,
		Issuer: r.Issuer[:], Serial: r.Serial, Proof: some(r.Proof), File: some(r.File),
	}
}

func releaseOf(r sqlcgen.Release) store.Release {
	return store.Release{
		Coordinates: coordinates(r.App, r.Channel, r.Platform, r.Runtime, r.Version),
		Digest:      digest(r.Digest), Payload: digest(r.Payload), Counter: sealift.Counter(r.Counter), Act: sealift.Act(r.Act),
		SignedAt: moment(r.SignedAt), Created: moment(r.Created), Archive: digest(r.Archive), ArchiveSize: r.ArchiveSize,
		Blob: digest(r.Blob), BlobSize: r.BlobSize, File: bare(r.File), Proof: bare(r.Proof), LogIndex: r.LogIndex,
		Issuer: digest(r.Issuer), Serial: r.Serial,
	}
}
