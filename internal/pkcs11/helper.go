package pkcs11

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os/exec"
	"slices"
	"sync"
	"time"

	"github.com/sealift/sealift"
)

// The pauses before a helper that keeps dying is started again.
const (
	RestartDelay    = 250 * time.Millisecond
	MaxRestartDelay = 30 * time.Second
)

// helper keeps one sealift-pkcs11 for one module going.
type helper struct {
	program, module string
	env             []string
	log             *slog.Logger

	mu       sync.Mutex
	run      *run      // nil: none was started yet, or the last one was given up
	retired  []*run    // given up, with something under way yet
	deaths   int       // without an answer in between
	earliest time.Time // of the next start
	last     error     // why the last one did not start
	closed   bool
}

// run is one process of the helper. Everything that waits for it ends when done
// is closed, and cause then says why.
type run struct {
	began   time.Time
	process *exec.Cmd
	conn    net.Conn
	writing sync.Mutex
	ended   chan struct{} // closed when the process has been waited for

	mu      sync.Mutex
	next    uint64
	pending map[uint64]chan Reply
	retired bool // to end when nothing is pending
	done    chan struct{}
	cause   error
}

// do sends a request and waits for its reply: at most for life, after which the
// helper is ended, or until ctx is done, whereupon the reply is let go. born is
// the run that answered.
func (h *helper) do(ctx context.Context, r Request, life time.Duration) (reply Reply, born *run, err error) {
	if err := ctx.Err(); err != nil {
		return Reply{}, nil, err
	}
	now, err := h.running(ctx)
	if err != nil {
		return Reply{}, nil, err
	}
	timer := time.NewTimer(life)
	defer timer.Stop()
	id, answer, err := now.send(r)
	if err != nil {
		return Reply{}, now, err
	}
	defer now.drop(id)
	select {
	case reply = <-answer:
		h.answered(now)
		return reply, now, nil
	case <-now.done:
		return Reply{}, now, errDied(now.cause)
	case <-timer.C:
		h.end(now, errTimeout())
		return Reply{}, now, errTimeout()
	case <-ctx.Done():
		return Reply{}, now, ctx.Err()
	}
}

// running returns the present run, and starts one where there is none.
func (h *helper) running(ctx context.Context) (*run, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, sealift.Errorf(sealift.KindInternal, "asking the PKCS#11 helper", "it was closed").WithReason(ReasonHelper)
	}
	if h.run != nil && !h.run.isDone() {
		return h.run, nil
	}
	if h.run != nil {
		h.died()
	}
	if time.Now().Before(h.earliest) {
		return nil, errBackoff(h.program, h.last)
	}
	fresh, err := h.start(ctx)
	if err != nil {
		h.deaths, h.last = h.deaths+1, err
		h.pause()
		return nil, err
	}
	h.run, h.last = fresh, nil
	return fresh, nil
}

// died notes that the present run has ended. The first death costs no pause.
func (h *helper) died() {
	h.log.Warn("the PKCS#11 helper ended", "module", h.module, "cause", h.run.cause)
	h.last, h.run = h.run.cause, nil
	h.deaths++
	if h.deaths > 1 {
		h.pause()
	}
}

func (h *helper) pause() {
	delay := MaxRestartDelay
	if n := h.deaths - 1; n < 7 {
		delay = min(delay, RestartDelay<<n)
	}
	h.earliest = time.Now().Add(delay)
}

// answered notes that a run is of use: its death is again a first one.
func (h *helper) answered(r *run) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.run == r {
		h.deaths = 0
	}
}

// end gives a run up, for the next request to start another.
func (h *helper) end(r *run, cause error) {
	r.fail(cause)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.run == r {
		h.died()
	}
}

// renew lets the next request start another run, and ends this one when nothing
// is under way in it any more: the module may serve other tokens too. It is no
// death. A run that began within RestartDelay is fresh enough.
func (h *helper) renew(r *run) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.run != r || time.Since(r.began) < RestartDelay {
		return
	}
	h.run = nil
	h.retired = append(slices.DeleteFunc(h.retired, (*run).isDone), r)
	r.retire()
}

// close ends the helper for good and waits for its process.
func (h *helper) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	if h.run != nil {
		h.retired = append(h.retired, h.run)
	}
	for _, r := range h.retired {
		r.fail(errors.New("it was closed"))
		<-r.ended
	}
	h.run, h.retired = nil, nil
}

// start starts a process and reads its greeting.
func (h *helper) start(ctx context.Context) (*run, error) {
	conn, process, err := h.launch()
	if err != nil {
		return nil, errStart(h.program, err)
	}
	r := &run{began: time.Now(), process: process, conn: conn, pending: map[uint64]chan Reply{}, done: make(chan struct{}), ended: make(chan struct{})}
	go r.wait()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Now()) })
	err = r.greet()
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		r.fail(err)
		return nil, errors.Join(ctx.Err(), err)
	}
	go r.read()
	go func() {
		<-r.ended // also where something that it started keeps the socket open
		r.fail(io.EOF)
	}()
	return r, nil
}

func (r *run) greet() error {
	if err := r.conn.SetReadDeadline(time.Now().Add(sealift.TokenStartTimeout)); err != nil {
		return errStart(r.process.Path, err)
	}
	var hello Greeting
	switch err := ReadFrame(r.conn, &hello); {
	case err != nil:
		return errStart(r.process.Path, fmt.Errorf("it says nothing: %w", err))
	case hello.Protocol != Protocol:
		return errStart(r.process.Path, fmt.Errorf("it speaks protocol %d, not %d: it is of another release", hello.Protocol, Protocol))
	case hello.Error != "":
		return errModule(hello.Error)
	}
	return r.conn.SetReadDeadline(time.Time{})
}

// wait collects the process when it has ended.
func (r *run) wait() {
	_ = r.process.Wait() // what it has to say, it says in its greeting and replies
	close(r.ended)
}

// fail ends a run: whatever waits for it gets cause. The first cause counts.
func (r *run) fail(cause error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.isDone() {
		return
	}
	r.cause = cause
	close(r.done)
	_ = r.conn.Close()
	_ = r.process.Process.Kill() // it may hang in a module; one that has ended says so
}

// send writes a request under an id of its own.
func (r *run) send(request Request) (id uint64, answer chan Reply, err error) {
	answer = make(chan Reply, 1)
	r.mu.Lock()
	r.next++
	id = r.next
	r.pending[id] = answer
	r.mu.Unlock()
	request.ID = id
	r.writing.Lock()
	err = WriteFrame(r.conn, request)
	r.writing.Unlock()
	var long errFrame
	switch {
	case errors.As(err, &long):
		r.drop(id)
		return 0, nil, sealift.Errorf(sealift.KindInvalid, "asking the PKCS#11 helper", "%w", err)
	case err != nil:
		r.drop(id)
		r.fail(err)
		return 0, nil, errDied(err)
	}
	return id, answer, nil
}

// drop forgets a request. The last one of a retired run ends it.
func (r *run) drop(id uint64) {
	r.mu.Lock()
	delete(r.pending, id)
	over := r.retired && len(r.pending) == 0
	r.mu.Unlock()
	if over {
		r.fail(errRetired)
	}
}

// retire ends a run once nothing is pending in it.
func (r *run) retire() {
	r.mu.Lock()
	r.retired = true
	over := len(r.pending) == 0
	r.mu.Unlock()
	if over {
		r.fail(errRetired)
	}
}

var errRetired = errors.New("its token was away")

func (r *run) isDone() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// read hands replies to who waits for them, until the connection ends.
func (r *run) read() {
	for {
		var reply Reply
		if err := ReadFrame(r.conn, &reply); err != nil {
			r.fail(err)
			return
		}
		r.mu.Lock()
		if answer, ok := r.pending[reply.ID]; ok {
			select {
			case answer <- reply:
			default: // a second reply to one request, which nobody asked for
			}
		}
		r.mu.Unlock()
	}
}
