package simulate

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/rollout"
)

// step is the grain of simulated time.
const step = time.Minute

// start is when every simulation begins; the date means nothing.
var start = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// Run plays one roll-out until it is over, halted, or until nothing can happen
// any more. It returns ctx's error when that ends.
func Run(ctx context.Context, m Model) (Result, error) {
	if err := m.check(); err != nil {
		return Result{}, err
	}
	f := newFleet(m)
	for f.minute = 0; f.minute <= f.end(); f.minute++ {
		if f.minute%1024 == 0 && ctx.Err() != nil {
			return Result{}, ctx.Err()
		}
		if f.look(); !f.state.Phase.Offered() || f.state.Phase == rollout.Finished {
			break
		}
		for _, e := range f.due() {
			if f.happen(e); f.state.Phase == rollout.Halted {
				break
			}
		}
	}
	return f.result(), nil
}

// fleet is one roll-out under way.
type fleet struct {
	Model
	rand       *rand.Rand
	state      rollout.State
	minute     int64
	events     map[int64][]event // by minute
	devices    []rollout.Device
	candidates []rollout.Candidate
	slices     []rollout.Slice // by the hour in which devices took the release
	total      rollout.Counts
	unseen     int // devices that said how it went since the last look
	broken     int
	course     []Point
	verdict    rollout.Verdict
}

// event is that a device looks for an update, or is known to have ended one.
type event struct {
	device  int32
	outcome int8  // looks, confirms, or fails as rollout.Kinds[outcome]
	hour    int32 // in which it took the release
}

const (
	looks    = -2
	confirms = -1
)

func newFleet(m Model) *fleet {
	f := &fleet{Model: m, rand: rand.New(rand.NewPCG(m.Seed, 0x5ea11f7)), state: rollout.Start(start), events: map[int64][]event{}}
	salt := fmt.Sprintf("simulation %d", m.Seed)
	f.candidates = []rollout.Candidate{
		{Release: sealift.DigestOf([]byte("new")), Version: "1.1.0", Counter: 2, Runtime: sealift.AnyRuntime, Salt: salt},
		{Release: sealift.DigestOf([]byte("old")), Version: "1.0.0", Counter: 1, Runtime: sealift.AnyRuntime, Share: sealift.Everybody},
	}
	for n := range m.Devices {
		sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(n)))
		f.devices = append(f.devices, rollout.Device{
			ID: sealift.DeviceID(hex.EncodeToString(sum[:16])), Runtime: "1.0.0",
			Installed: sealift.DigestOf([]byte("old")), Version: "1.0.0", Confirmed: 1,
		})
		f.at(time.Duration(f.rand.Float64()*float64(m.Check)), event{int32(n), looks, 0})
	}
	return f
}

// end is the minute after which nothing more happens: all stages, and as long
// again as silence may last.
func (f *fleet) end() int64 {
	all := time.Duration(f.Plan.Halt.Silence) + 2*f.Report + 2*f.Check
	for _, s := range f.Plan.Stages {
		all += time.Duration(s.Duration) + 2*step
	}
	return int64(all / step)
}

func (f *fleet) now() time.Time { return start.Add(time.Duration(f.minute) * step) }

// at lets e happen later, in the next minute at the earliest.
func (f *fleet) at(later time.Duration, e event) {
	minute := f.minute + max(1, int64(later/step))
	f.events[minute] = append(f.events[minute], e)
}

func (f *fleet) due() []event {
	now := f.events[f.minute]
	delete(f.events, f.minute)
	return now
}

// around returns a time between half of and one and a half times the mean.
func (f *fleet) around(mean time.Duration) time.Duration {
	return time.Duration((0.5 + f.rand.Float64()) * float64(mean))
}

func (f *fleet) happen(e event) {
	if e.outcome == looks {
		f.check(e.device)
		return
	}
	slice := &f.slices[e.hour]
	if e.outcome == confirms {
		slice.New.Confirmed++
		f.total.Confirmed++
	} else {
		slice.New.Failed[e.outcome]++
		f.total.Failed[e.outcome]++
	}
	if f.unseen++; f.unseen >= f.Look {
		f.look()
	}
}

// check is a device that looks for an update.
func (f *fleet) check(device int32) {
	if f.devices[device].Choose(f.candidates) != 0 {
		f.at(f.around(f.Check), event{device, looks, 0})
		return
	}
	hour := int(f.minute / 60)
	for len(f.slices) <= hour {
		f.slices = append(f.slices, rollout.Slice{})
	}
	f.slices[hour].New.Taken++
	f.total.Taken++
	outcome, after := int8(confirms), f.around(f.Report)
	switch r := f.rand.Float64(); {
	case r < f.FailureRate:
		f.broken++
		outcome = int8(f.Failure.Kind())
	case f.rand.Float64() < f.Offline:
		outcome = int8(rollout.Silent.Kind())
	}
	if outcome == int8(rollout.Silent.Kind()) {
		after = time.Duration(f.Plan.Halt.Silence)
	}
	f.at(after, event{device, outcome, int32(hour)})
}

// look is the server: it judges, moves the roll-out, and says who may take the
// release from now on. Somebody is always there to let it go on.
func (f *fleet) look() {
	f.unseen = 0
	for i := range f.slices {
		f.slices[i].Due = time.Duration(f.minute)*step >= time.Duration(i+1)*time.Hour+time.Duration(f.Plan.Halt.Silence)
	}
	f.verdict = f.Plan.Halt.Judge(f.slices)
	known := rollout.Known{Verdict: f.verdict, Confirmed: f.total.Confirmed, Fleet: f.Devices, Cap: f.Cap}
	was := f.state
	for {
		next := f.Plan.Advance(f.state, f.now(), known)
		if next.Phase == rollout.Waiting && !f.verdict.Warns() {
			next, _ = f.Plan.Approve(next, f.now()) // it waits, so it can be approved
		}
		if next == f.state {
			break
		}
		f.state = next
	}
	f.candidates[0].Share = f.Plan.Reached(f.state, known)
	if f.state.Phase != was.Phase || f.state.Stage != was.Stage || f.minute%15 == 0 {
		f.note()
	}
}

func (f *fleet) note() {
	at := time.Duration(f.minute) * step
	p := Point{
		At: at, Seconds: int64(at / time.Second), Share: f.candidates[0].Share, Taken: f.total.Taken, Confirmed: f.total.Confirmed,
		Failed: f.total.Failures(), Phase: f.state.Phase, Stage: f.state.Stage,
	}
	if n := len(f.course); n > 1 && (f.course[n-1].At == at || p.same(f.course[n-1]) && p.same(f.course[n-2])) {
		f.course = f.course[:n-1] // of a time in which nothing happens, its two ends are enough
	}
	f.course = append(f.course, p)
}

func (f *fleet) result() Result {
	f.note()
	r := Result{Phase: f.state.Phase, Took: time.Duration(f.minute) * step, Exposed: f.total.Taken, Broken: f.broken, Verdict: f.verdict, Course: f.course}
	r.Seconds = int64(r.Took / time.Second)
	if e := f.verdict.Halts(); e != nil {
		r.Why = e.String()
	}
	return r
}
