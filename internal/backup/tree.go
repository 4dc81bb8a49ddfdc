package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/blob"
	"github.com/sealift/sealift/trust"
)

// Tree is a published tree that survived: a folder, or a server that still shows
// it. What it says is verified by those who ask.
type Tree interface {
	// Open opens a file by its path below /v1/; KindNotFound if it is not there.
	Open(ctx context.Context, path string) (io.ReadCloser, error)
}

// FolderTree is the published tree in a store of blobs.
type FolderTree struct{ Store blob.Store }

// Open implements Tree.
func (t FolderTree) Open(ctx context.Context, path string) (io.ReadCloser, error) {
	return t.Store.Open(ctx, path)
}

// ServerTree is the published tree that an edge or a CDN serves: its base URL
// without "/v1/", and the client to ask by. An answer that delivers nothing for
// sealift.IdleTimeout is given up.
type ServerTree struct {
	Base   string
	Client *http.Client
}

// Open implements Tree.
func (t ServerTree) Open(ctx context.Context, path string) (io.ReadCloser, error) {
	address := strings.TrimSuffix(t.Base, "/") + "/v1/" + path
	op := "fetching " + address
	ctx, cancel := context.WithCancel(ctx)
	idle := time.AfterFunc(sealift.IdleTimeout, cancel)
	file := &answer{idle: idle, cancel: cancel}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		cancel()
		return nil, sealift.Errorf(sealift.KindInvalid, op, "%w", err).WithHint("use a form such as https://updates.example.com")
	}
	resp, err := t.Client.Do(req)
	if err != nil {
		cancel()
		return nil, sealift.Errorf(sealift.KindNetwork, op, "%w", err).WithReason("unreachable").WithHint("check the address; or name a folder that holds the published tree")
	}
	file.ReadCloser = resp.Body
	switch resp.StatusCode {
	case http.StatusOK:
		return file, nil
	case http.StatusNotFound, http.StatusGone:
		return nil, errors.Join(sealift.Errorf(sealift.KindNotFound, op, "it is not there"), file.Close())
	}
	return nil, errors.Join(sealift.Errorf(sealift.KindNetwork, op, "the server answers %s", resp.Status).WithReason("status").
		WithHint("check the address; or name a folder that holds the published tree"), file.Close())
}

// answer is the body of an answer that must keep coming.
type answer struct {
	io.ReadCloser
	idle   *time.Timer
	cancel context.CancelFunc
}

// Read implements io.Reader.
func (a *answer) Read(p []byte) (int, error) {
	n, err := a.ReadCloser.Read(p)
	a.idle.Reset(sealift.IdleTimeout)
	return n, err
}

// Close implements io.Closer.
func (a *answer) Close() error {
	a.idle.Stop()
	a.cancel()
	return a.ReadCloser.Close()
}

// get reads a small file; nil if it is not there.
func get(ctx context.Context, t Tree, path string, most int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, sealift.MetadataTimeout)
	defer cancel()
	file, err := t.Open(ctx, path)
	if sealift.KindOf(err) == sealift.KindNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, most+1))
	switch {
	case err != nil:
		return nil, ioError("reading "+path, err)
	case int64(len(data)) > most:
		return nil, sealift.Errorf(sealift.KindIntegrity, "reading "+path, "it has more than %d bytes", most).WithReason("too-long")
	}
	return data, nil
}

// tiles reads a tree's hash tiles (C2SP tlog-tiles) for tlog, which
// authenticates them.
type tiles struct {
	ctx  context.Context // tlog's interface has no place for it
	tree Tree
}

// Height implements tlog.TileReader.
func (t tiles) Height() int { return trust.TileHeight }

// SaveTiles implements tlog.TileReader: there is no cache.
func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

// ReadTiles implements tlog.TileReader.
func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	out := make([][]byte, len(wanted))
	for i, tile := range wanted {
		data, err := get(t.ctx, t.tree, trust.TilePath(tile), sealift.MaxLogTile)
		if full := 1 << trust.TileHeight; err == nil && data == nil && tile.W < full {
			length := tile.W * tlog.HashSize
			tile.W = full // its beginning may no longer be kept apart
			data, err = get(t.ctx, t.tree, trust.TilePath(tile), sealift.MaxLogTile)
			data = data[:min(length, len(data))]
		}
		if err == nil && data == nil {
			err = fmt.Errorf("%s is not there", trust.TilePath(tile))
		}
		if err != nil {
			return nil, err
		}
		out[i] = data
	}
	return out, nil
}
