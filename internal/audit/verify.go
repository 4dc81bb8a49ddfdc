package audit

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/trust"
)

// verifyBatch is how many leaves Verify holds at a time.
const verifyBatch = 256

// Verify recomputes the log from its first leaf, compares every stored hash
// with it, and the tree with every checkpoint of the store and with those that
// were kept elsewhere. It holds 40 bytes for each of those, and a few leaves.
//
// Its error is of KindIntegrity: with reason "log" it names the first bad
// entry, or the first entries among which there is one; with reason
// "checkpoint" it is a checkpoint that does not verify; with reason "witness"
// the newest checkpoint lacks cosignatures. What was verified comes with it, as
// far as that goes.
func Verify(ctx context.Context, tx store.AuditTx, d Demands) (Verified, error) {
	v := verifier{ctx: ctx, tx: tx, Demands: d, cosigners: cosigners{quorum: d.Witnesses}}
	unread, err := v.readCheckpoints()
	if err != nil {
		return Verified{}, err
	}
	signed := len(v.signed)
	if err := v.entries(); err != nil {
		return Verified{}, err
	}
	out := Verified{Tree: v.tree.tree(), Checkpoints: signed, Cosigned: v.cosigners.by, Back: v.clock.back, Lost: v.losses.found}
	if unread != nil { // a bad entry says more than a bad checkpoint
		return out, unread
	}
	return out, v.cosigners.check()
}

const verifyOp = "verifying the log"

func bad(index int64, format string, args ...any) error {
	return sealift.Errorf(sealift.KindIntegrity, verifyOp, "entry %d %s", index, fmt.Sprintf(format, args...)).
		WithReason("log").
		WithHint("compare with a backup or an exported log; entries before %d are as their hashes say", index)
}

// verifier is one run of Verify.
type verifier struct {
	Demands
	ctx       context.Context
	tx        store.AuditTx
	tree      spine
	losses    losses
	clock     clock
	cosigners cosigners
	signed    []tlog.Tree // what the checkpoints say of larger trees, by size
	covered   int64       // size of the last checkpoint that the entries agreed with
}

// readCheckpoints collects what checkpoints say. unread is about the first one
// that does not verify; the others were read all the same.
func (v *verifier) readCheckpoints() (unread, err error) {
	for least := int64(0); ; {
		stored, err := v.tx.Checkpoints(v.ctx, least, verifyBatch)
		if err != nil {
			return nil, err
		}
		if len(stored) == 0 {
			break
		}
		for _, c := range stored {
			read, by := v.readCheckpoint(c.Note, &unread)
			if read.Tree.N != c.Size && unread == nil {
				unread = badCheckpoint(fmt.Errorf("the one kept for %d entries is of %d", c.Size, read.Tree.N))
			}
			v.cosigners.see(read, by)
			least = c.Size + 1
		}
	}
	for _, signed := range v.Kept {
		v.readCheckpoint(signed, &unread)
	}
	slices.SortFunc(v.signed, func(a, b tlog.Tree) int { return cmp.Compare(a.N, b.N) })
	return unread, nil
}

func (v *verifier) readCheckpoint(signed []byte, unread *error) (trust.Checkpoint, []trust.Cosignature) {
	c, by, err := v.parse(signed)
	if err != nil {
		*unread = cmp.Or(*unread, badCheckpoint(err))
		return trust.Checkpoint{}, nil
	}
	v.signed = append(v.signed, c.Tree)
	return c, by
}

func badCheckpoint(err error) error {
	return sealift.Errorf(sealift.KindIntegrity, verifyOp, "a checkpoint does not verify: %w", err).WithReason("checkpoint")
}

// entries checks all leaves and all hashes.
func (v *verifier) entries() error {
	if err := v.compare(); err != nil { // with a checkpoint of nothing
		return err
	}
	for {
		rows, err := v.tx.AuditEntries(v.ctx, v.tree.size, verifyBatch)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return v.end()
		}
		if err := v.batch(rows); err != nil {
			return err
		}
	}
}

// batch checks leaves that follow those before, and the hashes stored with them,
// which follow one another as they do.
func (v *verifier) batch(rows []store.AuditEntry) error {
	first, n := v.tree.size, int64(len(rows))
	from := tlog.StoredHashCount(first)
	indexes := make([]int64, tlog.StoredHashCount(first+n)-from)
	for i := range indexes {
		indexes[i] = from + int64(i)
	}
	hashes, err := v.tx.AuditHashes(v.ctx, indexes)
	lacks := sealift.KindOf(err) == sealift.KindNotFound
	if err != nil && !lacks {
		return err
	}
	for _, row := range rows {
		if row.Index != v.tree.size {
			return bad(v.tree.size, "is missing")
		}
		own := int(tlog.StoredHashCount(row.Index+1) - tlog.StoredHashCount(row.Index))
		var stored [][32]byte
		if lacks { // some, and it has to be known whose
			at := tlog.StoredHashCount(row.Index) - from
			stored, err = v.tx.AuditHashes(v.ctx, indexes[at:at+int64(own)])
			switch {
			case sealift.KindOf(err) == sealift.KindNotFound:
				return bad(row.Index, "has lost its hashes")
			case err != nil:
				return err
			}
		} else {
			stored, hashes = hashes[:own], hashes[own:]
		}
		if err := v.entry(row, stored); err != nil {
			return err
		}
	}
	return nil
}

// entry checks one leaf, the hashes that it completes, by level, and the
// checkpoints that end with it.
func (v *verifier) entry(row store.AuditEntry, stored [][32]byte) error {
	if err := v.losses.see(row.Index, row.Leaf); err != nil {
		return err
	}
	leaf := tlog.RecordHash(row.Leaf)
	if len(row.Leaf) == 0 { // lost: its hash is all there is, and the tree's to judge
		leaf = stored[0]
	}
	hashes := v.tree.add(leaf)
	if stored[0] != hashes[0] {
		return bad(row.Index, "was changed or moved: its hash is not the one that was stored with it")
	}
	for level := 1; level < len(hashes); level++ {
		if first := row.Index + 1 - 1<<level; stored[level] != hashes[level] {
			return bad(first, "or one up to %d was changed together with its hash: the hash over them is another", row.Index)
		}
	}
	v.clock.see(row.Index, row.Leaf)
	if v.See != nil {
		v.See(recordOf(row.Index, row.Leaf))
	}
	return v.compare()
}

// compare compares the tree with the checkpoints of its size. Many of them
// narrow down where a change is that no hash shows.
func (v *verifier) compare() error {
	for len(v.signed) > 0 && v.signed[0].N == v.tree.size {
		if v.signed[0].Hash != v.tree.tree().Hash {
			return another(v.covered, v.tree.size, "")
		}
		v.covered = v.tree.size
		v.signed = v.signed[1:]
	}
	return nil
}

// another is about entries that agree with the hashes beside them, and not with
// a checkpoint; those up to covered agreed with one.
func another(covered, size int64, where string) error {
	return bad(covered, "or one up to %d was changed, moved or left out together with the hashes beside it: the checkpoint of %d entries %swas signed for others",
		size-1, size, where)
}

// end looks for what should have come after the last leaf.
func (v *verifier) end() error {
	if err := v.losses.end(); err != nil {
		return err
	}
	if n := len(v.signed); n > 0 {
		return bad(v.tree.size, "is missing: the log ends before it, and a checkpoint covers %d entries", v.signed[n-1].N)
	}
	_, err := v.tx.AuditHashes(v.ctx, []int64{tlog.StoredHashIndex(0, v.tree.size)})
	if err == nil {
		return bad(v.tree.size, "is missing: the log ends before it, and its hash is still there")
	}
	if sealift.KindOf(err) == sealift.KindNotFound {
		return nil
	}
	return err
}

// spine is the right edge of a growing tree, which is all that is needed to
// grow it: the roots of its complete subtrees, largest first.
type spine struct {
	size  int64
	roots []tlog.Hash
}

// add adds the hash of a leaf and returns the hashes that it completes, by
// level.
func (s *spine) add(h tlog.Hash) []tlog.Hash {
	completed := []tlog.Hash{h}
	for n := s.size; n&1 == 1; n >>= 1 {
		last := len(s.roots) - 1
		h = tlog.NodeHash(s.roots[last], h)
		s.roots = s.roots[:last]
		completed = append(completed, h)
	}
	s.roots = append(s.roots, h)
	s.size++
	return completed
}

func (s *spine) tree() tlog.Tree {
	if s.size == 0 {
		return tlog.Tree{Hash: tlog.Hash(sealift.DigestOf(nil))} // RFC 6962 section 2.1
	}
	last := len(s.roots) - 1
	root := s.roots[last]
	for i := last - 1; i >= 0; i-- {
		root = tlog.NodeHash(s.roots[i], root)
	}
	return tlog.Tree{N: s.size, Hash: root}
}

// VerifyProof checks that leaf stands in the log by a C2SP tlog-proof, and
// returns where, and what its checkpoint is. The error is KindIntegrity with
// reason "log", or "witness" where the checkpoint lacks cosignatures.
func VerifyProof(leaf, proof []byte, d Demands) (index int64, v Verified, err error) {
	p, err := trust.ParseProof(proof)
	if err != nil {
		return 0, v, notProven(err)
	}
	c, by, err := d.parse(p.Checkpoint)
	if err != nil {
		return 0, v, notProven(fmt.Errorf("its checkpoint: %w", err))
	}
	if err := tlog.CheckRecord(p.Hashes, c.Tree.N, c.Tree.Hash, p.Index, tlog.RecordHash(leaf)); err != nil {
		return 0, v, notProven(fmt.Errorf("the entry is not the one at %d: %w", p.Index, err))
	}
	cosigners := cosigners{quorum: d.Witnesses}
	cosigners.see(c, by)
	return p.Index, Verified{Tree: c.Tree, Checkpoints: 1, Cosigned: by}, cosigners.check()
}

func notProven(err error) error {
	return sealift.Errorf(sealift.KindIntegrity, "checking a log proof", "%w", err).WithReason("log").
		WithHint("entry and proof belong together as sealift audit prove wrote them")
}
