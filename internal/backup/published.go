package backup

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/audit"
	"github.com/sealift/sealift/internal/blob"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/trust"
	"github.com/sealift/sealift/trust/tufrepo"
)

const publishedOp = "going on from the published tree"

func foreign(format string, args ...any) error {
	return sealift.Errorf(sealift.KindConflict, publishedOp, format, args...).WithReason("foreign-tree").
		WithHint("name the newest published tree of the vault that the backup is of; or leave --published out, which the operations guide explains")
}

// published takes over what the surviving tree shows beyond the backup.
func (s *resuming) published() error {
	root, err := s.tx.Metadata(s.ctx, "root")
	if err != nil {
		return err
	}
	s.tree, err = tufrepo.ReadPublished(root.Content, func(path string, most int64) ([]byte, error) {
		return get(s.ctx, s.Published, path, most)
	})
	var own *sealift.Error
	switch {
	case errors.As(err, &own), s.ctx.Err() != nil:
		return err
	case err != nil:
		return foreign("%w", err)
	}
	for role, m := range s.tree.Roles {
		s.versions[role] = m.Version
	}
	rules, err := s.people()
	if err != nil {
		return err
	}
	if s.versions["timestamp"] > s.Header.State.Versions["timestamp"] {
		if err := s.documents(rules); err != nil {
			return err
		}
	}
	if err := s.log(rules.anchors); err != nil {
		return err
	}
	s.out.Restore.Known = true
	return s.fetchMissing()
}

// anchored is whom devices trust by now.
type anchored struct {
	anchors *trust.Trust
	deny    *trust.Deny
}

// people takes over what people signed since: roots, and targets.json with
// trust.json.
func (s *resuming) people() (a anchored, err error) {
	for _, root := range s.tree.Roots {
		if err := s.tx.SetMetadata(s.ctx, store.Metadata(root)); err != nil {
			return a, err
		}
	}
	have, err := s.tx.Metadata(s.ctx, "targets")
	if err != nil {
		return a, err
	}
	content, err := s.tx.Document(s.ctx, trust.TrustPath)
	if err != nil {
		return a, err
	}
	if s.versions["targets"] > have.Version {
		if err := s.tx.SetMetadata(s.ctx, store.Metadata(s.tree.Roles["targets"])); err != nil {
			return a, err
		}
		content = s.tree.Trust
		if err := s.tx.SetDocument(s.ctx, trust.TrustPath, content); err != nil {
			return a, err
		}
	}
	if a.anchors, err = trust.ParseTrust(content); err != nil {
		return a, err
	}
	if a.anchors.Vault != s.Header.Vault {
		return a, foreign("it is of vault %s, the backup is of %s", a.anchors.Vault, s.Header.Vault)
	}
	deny, ok := s.tree.Documents[trust.DenyPath]
	if !ok {
		return a, foreign("it has no deny.json")
	}
	a.deny, err = trust.ParseDeny(deny)
	return a, err
}

// documents takes over what the director published since: what is denied, and
// what is offered, with the releases that are.
func (s *resuming) documents(rules anchored) error {
	if err := s.tx.SetDocument(s.ctx, trust.DenyPath, s.tree.Documents[trust.DenyPath]); err != nil {
		return err
	}
	for _, path := range slices.Sorted(maps.Keys(s.tree.Documents)) {
		app, channel, platform, ok := trust.ParseOfferPath(path)
		if !ok {
			continue
		}
		offer, err := trust.ParseOffer(s.tree.Documents[path], app, channel, platform)
		if err != nil {
			return foreign("%w", err)
		}
		whole := true
		for _, c := range offer.Candidates {
			err := s.release(rules, app, channel, c)
			var lost lostError
			switch {
			case errors.As(err, &lost):
				s.lose("%s: %s", path, lost)
				whole = false
			case err != nil:
				return err
			}
		}
		if whole {
			if err := s.tx.SetDocument(s.ctx, path, s.tree.Documents[path]); err != nil {
				return err
			}
		}
	}
	return nil
}

// lostError says why a release that was published does not come back.
type lostError string

func (e lostError) Error() string { return string(e) }

// release brings back a release that is offered and that the backup lacks, after
// verifying it as a device does.
func (s *resuming) release(rules anchored, app sealift.AppID, channel sealift.Channel, c trust.Candidate) error {
	if _, err := s.tx.Release(s.ctx, app, c.Release.Digest); sealift.KindOf(err) != sealift.KindNotFound {
		return err // there already
	}
	name := "release " + c.Release.Digest.String()
	file, err := get(s.ctx, s.Published, "releases/"+c.Release.Digest.String(), sealift.MaxRelease)
	if err != nil {
		return err
	}
	proof, err := get(s.ctx, s.Published, "proofs/"+c.Proof.Digest.String(), sealift.MaxProof)
	if err != nil {
		return err
	}
	if sealift.DigestOf(file) != c.Release.Digest || sealift.DigestOf(proof) != c.Proof.Digest {
		return lostError(name + " or its proof is not in the published tree")
	}
	verified, err := authenticate(rules, app, file, proof)
	if err != nil {
		return lostError(fmt.Sprintf("%s does not verify: %s", name, err))
	}
	r := verified.Release
	s.counters[app] = max(s.counters[app], r.Counter)
	name = fmt.Sprintf("%s/%s/%s %s", r.App, r.Channel, r.Platform, r.Version)
	epoch, err := s.tx.Epoch(s.ctx, app, channel, r.Epoch.Number)
	if sealift.KindOf(err) == sealift.KindNotFound || err == nil && r.Epoch.PublicKey != sealift.DigestOf(epoch.PublicKey) {
		return lostError(name + " was sealed to a key that was made after the backup: devices that have it keep it, no other will")
	}
	if err != nil {
		return err
	}
	blobs, err := s.fetchBlobs(r)
	if err != nil {
		return err
	}
	return s.insert(verified, file, proof, name, blobs)
}

// fetchBlobs fetches the blobs of a release and returns those that are there. A
// patch that is lost is no loss: devices take the full blob in its place.
func (s *resuming) fetchBlobs(r *trust.Release) (there []trust.Blob, err error) {
	for _, b := range r.Blobs {
		err := s.fetchBlob(b.Digest, b.Length)
		var lost lostError
		switch {
		case err == nil:
			there = append(there, b)
		case b.Kind == trust.BlobFull || !errors.As(err, &lost):
			return nil, err
		}
	}
	return there, nil
}

// authenticate verifies a release without a floor: a device that took it is not
// to be stranded.
func authenticate(rules anchored, app sealift.AppID, file, proof []byte) (*trust.Verified, error) {
	known, err := trust.NewRules(rules.anchors, rules.deny, app)
	if err != nil {
		return nil, err
	}
	parsed, err := trust.ParseReleaseFile(file)
	if err != nil {
		return nil, err
	}
	return known.Authenticate(trust.Evidence{Release: parsed, Proof: proof})
}

func (s *resuming) insert(v *trust.Verified, file, proof []byte, name string, blobs []trust.Blob) error {
	r, full := v.Release, v.Release.Full()
	parsed, err := trust.ParseProof(proof)
	if err != nil {
		return err
	}
	row := store.Release{
		Coordinates: store.Coordinates{App: r.App, Channel: r.Channel, Platform: r.Platform, Runtime: r.Runtime, Version: r.Version},
		Digest:      v.Digest, Payload: v.Payload, Counter: r.Counter, Act: r.Act, SignedAt: r.SignedAt.Time, Created: r.SignedAt.Time,
		Archive: r.Archive.Digest, ArchiveSize: r.Archive.Length, Blob: full.Digest, BlobSize: full.Length,
		File: file, Proof: proof, LogIndex: parsed.Index, Issuer: v.Issuer, Serial: v.Serial,
	}
	err = s.tx.InsertRelease(s.ctx, row)
	if kind := sealift.KindOf(err); kind == sealift.KindConflict || kind == sealift.KindNotFound {
		return lostError(fmt.Sprintf("%s: %s", name, err))
	}
	if err != nil {
		return err
	}
	for _, b := range blobs {
		if err := s.tx.InsertBlob(s.ctx, store.Blob{App: r.App, Digest: b.Digest, Length: b.Length, Created: s.Now.UTC()}); err != nil {
			return err
		}
	}
	leaf := trust.LogEntry(v.Payload)
	if s.leaves == nil {
		s.leaves = map[[32]byte][]byte{}
	}
	s.leaves[tlog.RecordHash(leaf)] = leaf
	s.out.Releases = append(s.out.Releases, name)
	return nil
}

// fetchBlob copies a blob from the published tree, if it is not there yet.
func (s *resuming) fetchBlob(digest sealift.Digest, length int64) error {
	key := blobsFolder + digest.String()
	if there, err := s.Blobs.Exists(s.ctx, key); there || err != nil {
		return err
	}
	from, err := s.Published.Open(s.ctx, key)
	if sealift.KindOf(err) == sealift.KindNotFound {
		return lostError("blob " + digest.String() + " is not in the published tree")
	}
	if err != nil {
		return err
	}
	defer from.Close()
	err = s.Blobs.Put(s.ctx, key, from, &blob.Expect{Digest: digest, Length: length})
	if sealift.KindOf(err) == sealift.KindIntegrity {
		return lostError("blob " + digest.String() + " of the published tree is damaged")
	}
	return err
}

// fetchMissing brings back blobs that the backup lacks.
func (s *resuming) fetchMissing() error {
	var still []sealift.Digest
	for _, digest := range s.out.Missing {
		err := s.fetchNamed(digest)
		var lost lostError
		switch {
		case errors.As(err, &lost):
			still = append(still, digest)
		case err != nil:
			return err
		}
	}
	s.out.Missing = still
	return nil
}

// fetchNamed fetches a blob whose length is with any app that noted it.
func (s *resuming) fetchNamed(digest sealift.Digest) error {
	apps, err := s.tx.Apps(s.ctx)
	if err != nil {
		return err
	}
	for _, app := range apps {
		b, err := s.tx.Blob(s.ctx, app.ID, digest)
		if sealift.KindOf(err) == sealift.KindNotFound {
			continue
		}
		if err != nil {
			return err
		}
		return s.fetchBlob(digest, b.Length)
	}
	return lostError("no app has it")
}

// log goes on with the log as it was published: the same tree, of which the
// backup holds the beginning.
func (s *resuming) log(anchors *trust.Trust) error {
	signed, err := get(s.ctx, s.Published, trust.CheckpointPath, sealift.MaxProof)
	if err != nil {
		return err
	}
	var keys []note.Verifier
	for _, text := range anchors.Log.Keys {
		key, err := note.NewVerifier(text)
		if err != nil {
			return sealift.Errorf(sealift.KindMetadata, publishedOp, "a log key of trust.json: %w", err)
		}
		keys = append(keys, key)
	}
	c, err := trust.ParseCheckpoint(signed, trust.LogOrigin(anchors.Vault), note.VerifierList(keys...))
	if err != nil {
		return foreign("log/checkpoint: %w", err)
	}
	have, err := audit.Tree(s.ctx, s.tx)
	if err != nil {
		return err
	}
	if c.Tree.N <= have.N {
		return s.within(c.Tree)
	}
	reader := tlog.TileHashReader(c.Tree, tiles{s.ctx, s.Published})
	proof, err := tlog.ProveTree(c.Tree.N, have.N, reader)
	if err != nil {
		return foreign("reading the log's tiles: %w", err)
	}
	if err := tlog.CheckTree(proof, c.Tree.N, c.Tree.Hash, have.N, have.Hash); err != nil {
		return foreign("its log is not the one that the backup holds the beginning of: %w", err)
	}
	if err := s.extend(reader, have.N, c.Tree); err != nil {
		return err
	}
	return s.tx.InsertCheckpoint(s.ctx, c.Tree.N, signed)
}

// within checks that a checkpoint is of a beginning of the log there is.
func (s *resuming) within(tree tlog.Tree) error {
	root, err := tlog.TreeHash(tree.N, audit.HashReader(s.ctx, s.tx))
	if err != nil {
		return err
	}
	if root != tree.Hash {
		return foreign("its log of %d entries is not a beginning of the one in the backup", tree.N)
	}
	return nil
}

// extend appends the entries from index first on, of which the published tree
// has the hashes.
func (s *resuming) extend(reader tlog.HashReader, first int64, tree tlog.Tree) error {
	const batch = 1 << trust.TileHeight
	for at := first; at < tree.N; {
		n := min(batch-at%batch, tree.N-at) // a tile
		indexes := make([]int64, n)
		for i := range indexes {
			indexes[i] = tlog.StoredHashIndex(0, at+int64(i))
		}
		hashes, err := reader.ReadHashes(indexes)
		if err != nil {
			return foreign("reading the log's tiles: %w", err)
		}
		for _, hash := range hashes {
			if leaf, known := s.leaves[hash]; known {
				_, err = audit.AppendLeaf(s.ctx, s.tx, leaf)
			} else {
				_, err = audit.AppendHash(s.ctx, s.tx, hash)
			}
			if err != nil {
				return err
			}
		}
		at += n
	}
	s.out.Restore.Lost = tree.N - first
	now, err := audit.Tree(s.ctx, s.tx)
	if err == nil && now != tree {
		err = sealift.Errorf(sealift.KindInternal, publishedOp, "the log of %d entries came out otherwise than it was published", tree.N)
	}
	return err
}

// OpenTree opens a published tree by what a person calls it: a URL, or the
// path of a folder. Close it.
func OpenTree(name string, server func(base string) Tree) (Tree, io.Closer, error) {
	if strings.HasPrefix(name, "https://") || strings.HasPrefix(name, "http://") {
		return server(name), io.NopCloser(nil), nil
	}
	folder, err := blob.ReadFolder(name)
	if err != nil {
		return nil, nil, err
	}
	return FolderTree{folder}, folder, nil
}
