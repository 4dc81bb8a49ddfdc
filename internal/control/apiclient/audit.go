package apiclient

import (
	"context"
	"net/http"

	"github.com/sealift/sealift/internal/control/api"
)

// Entries returns a page of the log's entries, newest first.
func (c *Client) Entries(ctx context.Context, page api.ListEntriesParams) (api.EntryList, error) {
	return decoded[api.EntryList](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.ListEntries(ctx, &page) })
}

// BeginExport has the log signed as it stands.
func (c *Client) BeginExport(ctx context.Context) (api.LogExport, error) {
	return decoded[api.LogExport](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.BeginExport(ctx) })
}

// Leaves returns leaves of the log from index first on: some, or none where it
// ends before.
func (c *Client) Leaves(ctx context.Context, first int64) ([]api.Leaf, error) {
	list, err := decoded[api.LeafList](ctx, func(ctx context.Context) (*http.Response, error) {
		return c.api.ListLeaves(ctx, &api.ListLeavesParams{First: first})
	})
	return list.Leaves, err
}

// Checkpoints returns signed states of the log of at least so many entries, the
// smallest first: some, or none where there are none.
func (c *Client) Checkpoints(ctx context.Context, least int64) ([]api.Checkpoint, error) {
	list, err := decoded[api.CheckpointList](ctx, func(ctx context.Context) (*http.Response, error) {
		return c.api.ListCheckpoints(ctx, &api.ListCheckpointsParams{Least: least})
	})
	return list.Checkpoints, err
}

// Backups returns how it stands with backups, and with a restore.
func (c *Client) Backups(ctx context.Context) (api.BackupStatus, error) {
	return decoded[api.BackupStatus](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.ListBackups(ctx) })
}

// Witnesses returns who cosigns the log.
func (c *Client) Witnesses(ctx context.Context) ([]api.Witness, error) {
	list, err := decoded[api.WitnessList](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.ListWitnesses(ctx) })
	return list.Witnesses, err
}

// ProveEntry returns one entry with the proof that it stands in the log.
func (c *Client) ProveEntry(ctx context.Context, index int64) (api.ProvenEntry, error) {
	return decoded[api.ProvenEntry](ctx, func(ctx context.Context) (*http.Response, error) { return c.api.ProveEntry(ctx, index) })
}
