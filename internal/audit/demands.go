package audit

import (
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/trust"
)

// Demands are what a log is held to when it is verified.
type Demands struct {
	Origin string         // the log's name
	Keys   note.Verifiers // one of which signed every checkpoint
	Kept   [][]byte       // checkpoints that were kept elsewhere: the log must begin with what they were signed for
	// Witnesses must have cosigned the newest of the log's own checkpoints; nil
	// demands none.
	Witnesses *trust.Quorum
	// See is told of each entry, in order, before the verdict; nil for nobody.
	See func(Record)
}

// parse reads a checkpoint and who cosigned it.
func (d Demands) parse(signed []byte) (trust.Checkpoint, []trust.Cosignature, error) {
	return trust.ParseCosigned(signed, d.Origin, d.Keys, d.Witnesses.Witnesses())
}

// Verified says what was verified.
type Verified struct {
	Tree        tlog.Tree
	Checkpoints int                 // how many signed states of the log the entries were compared with
	Cosigned    []trust.Cosignature // by which of Demands.Witnesses the newest checkpoint is cosigned
	Back        *Jump               // the first entry whose time goes back, if one does
	Lost        []Lost              // entries of which a restore left no more than the hashes
}

// MaxClockBack is by how much an entry may be older than one before it and pass
// for normal: an act is dated when it begins, and stands in the log behind what
// was recorded while it went on.
const MaxClockBack = 5 * time.Minute

// Jump is an entry whose time is before that of an entry that precedes it. The
// log is whole all the same: its order is that of its entries. But somebody set
// the server's clock back, or it was ahead before, and what the entries say of
// when things happened is not to be relied on around there.
type Jump struct {
	Index  int64
	Time   time.Time // of the entry
	Before time.Time // the latest time of the entries before it
}

// clock follows the times of entries.
type clock struct {
	latest time.Time
	back   *Jump // the first one of more than MaxClockBack
}

func (c *clock) see(index int64, leaf []byte) {
	at, ok := leafTime(leaf)
	if !ok {
		return
	}
	if c.back == nil && at.Before(c.latest.Add(-MaxClockBack)) {
		c.back = &Jump{index, at, c.latest}
	}
	if at.After(c.latest) {
		c.latest = at
	}
}

// leafTime reads the time of an Entry, which stands in one place (see Leaf).
func leafTime(leaf []byte) (time.Time, bool) {
	rest, ok := strings.CutPrefix(string(leaf[:min(len(leaf), len(leafHead)+len(timeForm))]), leafHead)
	if !ok {
		return time.Time{}, false
	}
	at, err := time.Parse(timeForm, rest)
	return at, err == nil
}

const leafHead = `{"v":1,"time":"`

// cosigners follows who cosigned the checkpoints of a log, the smallest first.
type cosigners struct {
	quorum *trust.Quorum
	size   int64 // of the newest
	by     []trust.Cosignature
	enough int64 // size of the newest that enough cosigned
}

func (c *cosigners) see(checkpoint trust.Checkpoint, by []trust.Cosignature) {
	c.size, c.by = checkpoint.Tree.N, by
	if c.quorum != nil && c.quorum.Check(by) == nil {
		c.enough = c.size
	}
}

// check demands that enough cosigned the newest.
func (c *cosigners) check() error {
	if c.quorum == nil {
		return nil
	}
	err := c.quorum.Check(c.by)
	if err == nil {
		return nil
	}
	vouched := "no checkpoint has enough"
	if c.enough > 0 {
		vouched = fmt.Sprintf("the newest one with enough is of %d", c.enough)
	}
	return sealift.Errorf(sealift.KindIntegrity, verifyOp, "the newest checkpoint, of %d entries: %w (%s)", c.size, err, vouched).WithReason("witness").
		WithHint("a checkpoint is cosigned some seconds after it is signed; see sealift audit witnesses and try again, and if it stays so ask the witnesses what they saw of this log")
}
