package bundle

import (
	"cmp"
	"context"
	"io"
	"slices"

	"github.com/sealift/sealift"
)

// entry is one file within an archive: header, content and padding.
type entry struct {
	path     string
	from, to int
}

// relations finds, for a file of the new archive, the file of the older one
// that it most likely was, also if it was renamed, as builds do that put a hash
// of the content in the name. Files are compared by sketches: the least of the
// hashes of all their 64-byte windows (Broder, On the resemblance and
// containment of documents, 1997). What is found only decides how short a patch
// becomes.
type relations struct {
	entries []entry
	byPath  map[string]int
	owners  []owner // sorted by hash, then file
}

// owner says that a file's sketch has the hash.
type owner struct {
	hash uint64
	file int32
}

const (
	// sketchSize is how many hashes a sketch has: the resemblance of two files is
	// known to about a sixth, enough to tell a file from its neighbours.
	sketchSize = 32
	// commonHash is how many files may share a hash that still tells something: a
	// licence's text is in all of them.
	commonHash = 32
)

// newRelations reads the older archive, and refuses it as Open does.
func newRelations(ctx context.Context, old []byte) (*relations, error) {
	list := &entryList{}
	reader := tarReader{sink: list, left: int64(len(old))}
	defer reader.abandon()
	for rest := old; len(rest) > 0; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n := min(len(rest), chunkSize)
		if err := reader.take(rest[:n]); err != nil {
			return nil, err
		}
		rest = rest[n:]
	}
	if err := reader.finish(); err != nil {
		return nil, err
	}
	r := &relations{entries: list.entries, byPath: make(map[string]int, len(list.entries))}
	for i, e := range r.entries {
		r.byPath[e.path] = i
		for _, hash := range sketch(old[e.from:e.to]) {
			r.owners = append(r.owners, owner{hash, int32(i)})
		}
	}
	slices.SortFunc(r.owners, func(a, b owner) int {
		return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.file, b.file))
	})
	return r, nil
}

// find returns the index of the older file that e of the new archive resembles
// most, or -1. The same path counts double, and what follows the last one found
// decides between equals: copies of one file lie in the same order.
func (r *relations) find(archive []byte, e entry, last int) int {
	scores := map[int]float64{}
	for _, hash := range sketch(archive[e.from:e.to]) {
		i, _ := slices.BinarySearchFunc(r.owners, hash, func(o owner, h uint64) int { return cmp.Compare(o.hash, h) })
		n := 0
		for i+n < len(r.owners) && r.owners[i+n].hash == hash && n <= commonHash {
			n++
		}
		if n > commonHash {
			continue
		}
		for _, o := range r.owners[i : i+n] {
			scores[int(o.file)] += 1 / float64(n)
		}
	}
	if same, ok := r.byPath[e.path]; ok {
		scores[same] = 2*scores[same] + 1
	}
	if _, ok := scores[last+1]; ok {
		scores[last+1] *= 1.01
	}
	best := -1
	for file, score := range scores {
		if best < 0 || score > scores[best] || score == scores[best] && file < best {
			best = file
		}
	}
	return best
}

// of returns the older file that e resembles most, an empty one if none does.
func (r *relations) of(archive []byte, e entry) entry {
	if i := r.find(archive, e, -2); i >= 0 {
		return r.entries[i]
	}
	return entry{}
}

// pieces returns the older files that those of a group resemble, in the group's
// order, each once, neighbours as one piece, as far as readHead takes them.
func (r *relations) pieces(archive []byte, group []entry) []piece {
	var pieces []piece
	taken := map[int]bool{}
	left := 2 * (group[len(group)-1].to - group[0].from)
	last, head := -2, 2*pieceHead
	for _, e := range group {
		i := r.find(archive, e, last)
		if i < 0 || taken[i] {
			continue
		}
		older := piece{r.entries[i].from, r.entries[i].to - r.entries[i].from}
		if older.length > left || head+pieceHead > sealift.MaxPatchHead {
			continue
		}
		taken[i] = true
		left -= older.length
		if n := len(pieces) - 1; n >= 0 && pieces[n].offset+pieces[n].length == older.offset {
			pieces[n].length += older.length
		} else {
			pieces = append(pieces, older)
			head += pieceHead
		}
		last = i
	}
	return pieces
}

// sketch returns the sketchSize least different hashes of b's windows, sorted.
// The hash is Gear (Xia et al., Ddelta, 2014): shifted by a bit with each byte,
// it depends on the last 64.
func sketch(b []byte) []uint64 {
	least := make([]uint64, 0, sketchSize+1)
	var hash uint64
	for _, c := range b {
		hash = hash<<1 + gear[c]
		if len(least) == sketchSize && hash >= least[sketchSize-1] {
			continue
		}
		at, found := slices.BinarySearch(least, hash)
		if found {
			continue
		}
		least = slices.Insert(least, at, hash)
		least = least[:min(len(least), sketchSize)]
	}
	return least
}

// gear has a number for each byte: SplitMix64's first 256 (Steele et al., Fast
// splittable pseudorandom number generators, 2014). They need not be secret.
var gear = func() (table [256]uint64) {
	state := uint64(0)
	for i := range table {
		state += 0x9e3779b97f4a7c15
		z := (state ^ state>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		table[i] = z ^ z>>31
	}
	return table
}()

// entryList is a Sink that remembers where each file is.
type entryList struct{ entries []entry }

func (l *entryList) Create(path string, size int64, executable bool) (io.WriteCloser, error) {
	from := 0
	if n := len(l.entries); n > 0 {
		from = l.entries[n-1].to
	}
	l.entries = append(l.entries, entry{path, from, from + int(entryLength(File{path, size, executable}))})
	return nowhere{}, nil
}

type nowhere struct{}

func (nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (nowhere) Close() error                { return nil }
