package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/internal/store/sqlstore/sqlcgen"
)

// rootRole is the role of which every version is kept: a device follows root
// from the one that it knows.
const rootRole = "root"

// Metadata implements store.DocumentTx.
func (t *tx) Metadata(ctx context.Context, role string) (store.Metadata, error) {
	row, err := t.q.Metadata(ctx, role)
	if err != nil {
		return store.Metadata{}, t.fail(ctx, "reading metadata of "+role, err)
	}
	return metadataOf(row), nil
}

// Root implements store.DocumentTx.
func (t *tx) Root(ctx context.Context, version int64) (store.Metadata, error) {
	row, err := t.q.MetadataVersion(ctx, sqlcgen.MetadataVersionParams{Role: rootRole, Version: version})
	if err != nil {
		return store.Metadata{}, t.fail(ctx, fmt.Sprintf("reading root version %d", version), err)
	}
	return metadataOf(row), nil
}

func metadataOf(r sqlcgen.Metadata) store.Metadata {
	return store.Metadata{Role: r.Role, Version: r.Version, Expires: moment(r.Expires), Content: bare(r.Content)}
}

// SetMetadata implements store.DocumentTx.
func (t *tx) SetMetadata(ctx context.Context, m store.Metadata) error {
	op := fmt.Sprintf("storing version %d of %s", m.Version, m.Role)
	switch newest, err := t.q.NewestVersion(ctx, m.Role); {
	case err == nil && m.Version <= newest:
		return sealift.Errorf(sealift.KindConflict, op, "the newest one is %d", newest)
	case err != nil && !errors.Is(err, sql.ErrNoRows):
		return t.fail(ctx, op, err)
	}
	err := t.q.InsertMetadata(ctx, sqlcgen.InsertMetadataParams{Role: m.Role, Version: m.Version, Expires: micros(m.Expires), Content: some(m.Content)})
	if err == nil && m.Role != rootRole {
		err = t.q.TrimMetadata(ctx, sqlcgen.TrimMetadataParams{Role: m.Role, Version: m.Version})
	}
	return t.fail(ctx, op, err)
}

// Document implements store.DocumentTx.
func (t *tx) Document(ctx context.Context, path string) ([]byte, error) {
	content, err := t.q.Document(ctx, path)
	return bare(content), t.fail(ctx, "reading document "+path, err)
}

// SetDocument implements store.DocumentTx.
func (t *tx) SetDocument(ctx context.Context, path string, content []byte) error {
	if len(content) == 0 {
		return t.fail(ctx, "removing document "+path, t.q.DeleteDocument(ctx, path))
	}
	err := t.q.SetDocument(ctx, sqlcgen.SetDocumentParams{Path: path, Content: content})
	return t.fail(ctx, "storing document "+path, err)
}

// AppendOutbox implements store.DocumentTx.
func (t *tx) AppendOutbox(ctx context.Context, key string, content []byte) error {
	err := t.q.AppendOutbox(ctx, sqlcgen.AppendOutboxParams{Place: key, Content: some(content)})
	return t.fail(ctx, "queueing file "+key, err)
}

// Outbox implements store.DocumentTx.
func (t *tx) Outbox(ctx context.Context, limit int) ([]store.Outgoing, error) {
	rows, err := t.q.Outbox(ctx, most(limit))
	return collect(rows, t.fail(ctx, "reading queued files", err), func(r sqlcgen.Outbox) store.Outgoing {
		return store.Outgoing{Seq: r.Seq, Key: r.Place, Content: bare(r.Content)}
	})
}

// CountOutbox implements store.DocumentTx.
func (t *tx) CountOutbox(ctx context.Context) (int64, error) {
	n, err := t.q.CountOutbox(ctx)
	return n, t.fail(ctx, "counting queued files", err)
}

// TrimOutbox implements store.DocumentTx.
func (t *tx) TrimOutbox(ctx context.Context, seq int64) error {
	return t.fail(ctx, "removing queued files", t.q.TrimOutbox(ctx, seq))
}
