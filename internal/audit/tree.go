package audit

import (
	"context"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/trust"
)

// Keys returns the log's name and the keys that may sign its checkpoints, as the
// trust.json in tx names them.
func Keys(ctx context.Context, tx store.DocumentTx) (origin string, keys note.Verifiers, err error) {
	data, err := tx.Document(ctx, trust.TrustPath)
	if err != nil {
		return "", nil, err
	}
	anchors, err := trust.ParseTrust(data)
	if err != nil {
		return "", nil, err
	}
	var list []note.Verifier
	for _, text := range anchors.Log.Keys {
		key, err := note.NewVerifier(text)
		if err != nil {
			return "", nil, sealift.Errorf(sealift.KindInternal, "reading the log's keys", "%w", err)
		}
		list = append(list, key)
	}
	return trust.LogOrigin(anchors.Vault), note.VerifierList(list...), nil
}

// AppendLeaf adds a leaf as it is and returns its index.
func AppendLeaf(ctx context.Context, tx store.AuditTx, leaf []byte) (int64, error) {
	size, err := tx.AuditSize(ctx)
	if err != nil {
		return 0, err
	}
	return size, appendHashed(ctx, tx, size, leaf, tlog.RecordHash(leaf))
}

// AppendHash adds a leaf of which only the hash (RFC 6962 section 2.1) is known,
// as after a restore, and returns its index. It is kept as an empty one, which
// no act ever is; Verify takes it where a restore says so (Entry.LoseEntries).
func AppendHash(ctx context.Context, tx store.AuditTx, hash tlog.Hash) (int64, error) {
	size, err := tx.AuditSize(ctx)
	if err != nil {
		return 0, err
	}
	return size, appendHashed(ctx, tx, size, nil, hash)
}

func appendHashed(ctx context.Context, tx store.AuditTx, size int64, leaf []byte, hash tlog.Hash) error {
	hashes, err := tlog.StoredHashesForRecordHash(size, hash, HashReader(ctx, tx))
	if err != nil {
		return sealift.Errorf(sealift.KindInternal, "appending to the log", "%w", err)
	}
	stored := make([][32]byte, len(hashes))
	for i, h := range hashes {
		stored[i] = h
	}
	return tx.AppendAudit(ctx, size, leaf, tlog.StoredHashCount(size), stored)
}

// HashReader reads the log's hashes in tx.
func HashReader(ctx context.Context, tx store.AuditTx) tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		stored, err := tx.AuditHashes(ctx, indexes)
		if err != nil {
			return nil, err
		}
		hashes := make([]tlog.Hash, len(stored))
		for i, h := range stored {
			hashes[i] = h
		}
		return hashes, nil
	})
}

// Tree returns the log's size and root hash.
func Tree(ctx context.Context, tx store.AuditTx) (tlog.Tree, error) {
	size, err := tx.AuditSize(ctx)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := tlog.TreeHash(size, HashReader(ctx, tx))
	if err != nil {
		return tlog.Tree{}, sealift.Errorf(sealift.KindInternal, "hashing the log", "%w", err)
	}
	return tlog.Tree{N: size, Hash: root}, nil
}

// SignCheckpoint signs the log as it stands in tx and keeps the checkpoint. key
// is of the log's name (C2SP tlog-checkpoint), which is origin.
func SignCheckpoint(ctx context.Context, tx store.AuditTx, origin string, key note.Signer) (tlog.Tree, []byte, error) {
	if key.Name() != origin {
		return tlog.Tree{}, nil, sealift.Errorf(sealift.KindInternal, "signing a checkpoint", "the key is of %q, not of %q", key.Name(), origin)
	}
	tree, err := Tree(ctx, tx)
	if err != nil {
		return tree, nil, err
	}
	signed, err := note.Sign(&note.Note{Text: trust.Checkpoint{Origin: origin, Tree: tree}.Text()}, key)
	if err != nil {
		return tree, nil, sealift.Errorf(sealift.KindInternal, "signing a checkpoint", "%w", err)
	}
	return tree, signed, tx.InsertCheckpoint(ctx, tree.N, signed)
}

// Prove returns the C2SP tlog-proof that the leaf at index stands in the tree
// of a signed checkpoint.
func Prove(ctx context.Context, tx store.AuditTx, index int64, tree tlog.Tree, checkpoint []byte) ([]byte, error) {
	hashes, err := tlog.ProveRecord(tree.N, index, HashReader(ctx, tx))
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInternal, "proving a log entry", "%w", err)
	}
	proof := trust.Proof{Index: index, Hashes: hashes, Checkpoint: checkpoint}
	return proof.Encode(), nil
}

// ProveTree returns the proof (RFC 6962 section 2.1.2) that the log of size is
// one that the log of older, at least 1, has grown to; tlog.CheckTree checks it.
func ProveTree(ctx context.Context, tx store.AuditTx, older, size int64) (tlog.TreeProof, error) {
	proof, err := tlog.ProveTree(size, older, HashReader(ctx, tx))
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInternal, "proving the log's growth", "%w", err)
	}
	return proof, nil
}

// Tile is a hash tile and where it is published.
type Tile struct {
	Path    string
	Content []byte
}

// NewTiles returns the tiles that change when the log grows from one size to
// another: the full ones and, at each level, the partial one at its end.
func NewTiles(ctx context.Context, tx store.AuditTx, from, to int64) ([]Tile, error) {
	var out []Tile
	for _, tile := range tlog.NewTiles(trust.TileHeight, from, to) {
		content, err := tlog.ReadTileData(tile, HashReader(ctx, tx))
		if err != nil {
			return nil, sealift.Errorf(sealift.KindInternal, "reading tile "+trust.TilePath(tile), "%w", err)
		}
		out = append(out, Tile{trust.TilePath(tile), content})
	}
	return out, nil
}
