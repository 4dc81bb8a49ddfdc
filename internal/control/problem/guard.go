package problem

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/sealift/sealift"
)

// Trace is what is known of one request. Guard puts it into the request's
// context.
type Trace struct {
	ID  string // random; also the answer's X-Request-Id
	Who string // who asks, as handlers find out; for the log only
}

type traceKey struct{}

// TraceOf returns the trace of the request that ctx belongs to; an empty one if
// Guard did not see it.
func TraceOf(ctx context.Context) *Trace {
	if t, ok := ctx.Value(traceKey{}).(*Trace); ok {
		return t
	}
	return new(Trace)
}

// Answer answers r with err as a problem document, and logs what the document
// does not say.
func Answer(w http.ResponseWriter, r *http.Request, err error, log *slog.Logger) {
	id := TraceOf(r.Context()).ID
	if staysInside(err) {
		log.Error("request failed", "id", id, "method", r.Method, "path", cut(r.URL.Path), "error", err.Error())
	}
	Write(w, err, id)
}

// Guard gives every request an id, logs it at level once it is answered, and
// turns a panic of next into a problem document, or into a broken connection
// where the answer has begun. The log has neither headers, queries nor bodies.
func Guard(log *slog.Logger, level slog.Level, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		trace := &Trace{ID: rand.Text()}
		r = r.WithContext(context.WithValue(r.Context(), traceKey{}, trace))
		w.Header().Set("X-Request-Id", trace.ID)
		rec := &recorder{ResponseWriter: w}
		start := time.Now()
		defer func() {
			if cause := recover(); cause != nil {
				recovered(rec, r, cause, log)
			}
			log.Log(r.Context(), level, "request", "id", trace.ID, "method", r.Method, "path", cut(r.URL.Path),
				"status", rec.status, "bytes", rec.bytes, "took", time.Since(start), "from", r.RemoteAddr, "who", trace.Who)
		}()
		next.ServeHTTP(rec, r)
	})
}

func recovered(rec *recorder, r *http.Request, cause any, log *slog.Logger) {
	if cause == http.ErrAbortHandler { // as net/http compares it
		panic(cause)
	}
	log.Error("panic", "id", TraceOf(r.Context()).ID, "cause", cause, "stack", string(debug.Stack()))
	if rec.status != 0 {
		panic(http.ErrAbortHandler) // half an answer must not look like a whole one
	}
	Write(rec, sealift.Errorf(sealift.KindInternal, "answering", "panic"), TraceOf(r.Context()).ID)
}

// cut bounds what outsiders can write into the log with one request.
func cut(s string) string {
	const most = 256
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= http.StatusOK {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(p)
	r.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
