package witness

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/trust"
)

// The reasons why a witness did not cosign.
const (
	ReasonFork    = "fork"    // the log is another one than it saw, or shorter
	ReasonUnknown = "unknown" // it does not know the log or its key
	ReasonBusy    = "busy"    // it asked to be asked later
	ReasonAway    = "away"    // it was not reached, or did not do its work
	ReasonAnswer  = "answer"  // it answered what no witness answers
	ReasonClock   = "clock"   // its clock is far from ours
)

const askOp = "having the log cosigned"

func refused(kind sealift.Kind, reason, format string, args ...any) *sealift.Error {
	return sealift.Errorf(kind, askOp, format, args...).WithReason(reason)
}

func forked(format string, args ...any) error {
	return refused(sealift.KindIntegrity, ReasonFork, format, args...).
		WithHint("the log was cut off, changed, restored from an old backup, or signed by somebody else: compare with sealift audit verify and a checkpoint that was kept elsewhere")
}

// conflict is a witness that cosigned a checkpoint of another size last.
type conflict struct{ size int64 }

// Error implements error.
func (c conflict) Error() string { return fmt.Sprintf("it cosigned %d entries last", c.size) }

// delayed is an answer that says when to ask again.
type delayed struct {
	error
	after time.Duration
}

// Unwrap returns the answer.
func (d delayed) Unwrap() error { return d.error }

// submission is what is asked of a witness (C2SP tlog-witness, add-checkpoint).
type submission struct {
	old   int64
	proof tlog.TreeProof // from old to the checkpoint
	state state
}

// state is a signed checkpoint of the log, and who may sign one.
type state struct {
	tree   tlog.Tree
	note   []byte
	origin string
	keys   note.Verifiers
}

func (s submission) body() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "old %d\n", s.old)
	for _, h := range s.proof {
		b.WriteString(base64.StdEncoding.EncodeToString(h[:]) + "\n")
	}
	b.WriteString("\n")
	b.Write(s.state.note)
	return b.Bytes()
}

// asker talks to witnesses.
type asker struct {
	client *http.Client
	now    func() time.Time
}

func newAsker(transport http.RoundTripper, now func() time.Time) asker {
	return asker{&http.Client{
		Transport: transport,
		// A witness sends nobody elsewhere: its address is what people wrote down.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, now}
}

// ask submits a checkpoint and returns the cosignature. Errors are a conflict,
// or a *sealift.Error with one of the reasons above, perhaps delayed.
func (a asker) ask(ctx context.Context, p Peer, s submission) (trust.Cosignature, error) {
	ctx, cancel := context.WithTimeout(ctx, sealift.WitnessTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL+"/add-checkpoint", bytes.NewReader(s.body()))
	if err != nil {
		return trust.Cosignature{}, refused(sealift.KindInternal, ReasonAway, "%w", err)
	}
	req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	resp, err := a.client.Do(req)
	if err != nil {
		return trust.Cosignature{}, refused(sealift.KindNetwork, ReasonAway, "%w", err).WithHint("see whether %s is reached from here", p.URL)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, sealift.MaxWitnessAnswer+1))
	switch {
	case err != nil:
		return trust.Cosignature{}, refused(sealift.KindNetwork, ReasonAway, "reading its answer: %w", err)
	case len(answer) > sealift.MaxWitnessAnswer:
		return trust.Cosignature{}, refused(sealift.KindNetwork, ReasonAnswer, "an answer of more than %d bytes", sealift.MaxWitnessAnswer)
	case resp.StatusCode == http.StatusOK:
		return a.taken(p, s.state, answer)
	}
	return trust.Cosignature{}, a.refusal(resp, answer, s)
}

// refusal reads every answer but a cosignature.
func (a asker) refusal(resp *http.Response, answer []byte, s submission) error {
	said := fmt.Sprintf("it answers %s: %.200q", resp.Status, answer)
	switch resp.StatusCode {
	case http.StatusConflict:
		return conflicting(resp, answer, s, said)
	case http.StatusUnprocessableEntity:
		return forked("the log of %d entries is not one that the log of %d, which it cosigned, has grown to; %s", s.state.tree.N, s.old, said)
	case http.StatusForbidden, http.StatusNotFound:
		return refused(sealift.KindDenied, ReasonUnknown, "it does not know this log or its key; %s", said).
			WithHint("give whoever runs the witness the log's name and key, which sealift audit key prints, and check the URL")
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return delayed{refused(sealift.KindNetwork, ReasonBusy, "%s", said), a.retryAfter(resp)}
	case http.StatusOK:
	}
	if resp.StatusCode >= http.StatusInternalServerError {
		return refused(sealift.KindNetwork, ReasonAway, "%s", said)
	}
	return refused(sealift.KindNetwork, ReasonAnswer, "%s", said).WithHint("check the URL: it is what stands before /add-checkpoint")
}

// conflicting reads a 409: the size that the witness cosigned last, which may
// be ours with another hash.
func conflicting(resp *http.Response, answer []byte, s submission, said string) error {
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	digits, ended := strings.CutSuffix(string(answer), "\n")
	size, err := strconv.ParseInt(digits, 10, 64)
	if s.old == s.state.tree.N && (err != nil || size == s.old) {
		return forked("it cosigned another log of %d entries; %s", s.old, said)
	}
	if kind != "text/x.tlog.size" || !ended || err != nil || size < 0 || strconv.FormatInt(size, 10) != digits || size == s.old {
		return refused(sealift.KindNetwork, ReasonAnswer, "a conflict without the size that it cosigned last; %s", said)
	}
	return conflict{size}
}

// retryAfter is what the answer asks for (RFC 9110 section 10.2.3), 0 for
// nothing.
func (a asker) retryAfter(resp *http.Response) time.Duration {
	text := resp.Header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(a.now()))
	}
	return 0
}

// taken verifies what a witness answered with 200, as C2SP tlog-witness says:
// behind the checkpoint, as a signed note.
func (a asker) taken(p Peer, s state, answer []byte) (trust.Cosignature, error) {
	var none trust.Cosignature
	_, by, err := trust.ParseCosigned(append(bytes.Clone(s.note), answer...), s.origin, s.keys, []*trust.Witness{p.Key})
	if err == nil && len(by) == 0 {
		err = errors.New("none in it is by the witness's key")
	}
	if err != nil {
		return none, refused(sealift.KindIntegrity, ReasonAnswer, "its cosignature does not verify: %w", err).
			WithHint("check the witness's verifier key: its operator has it")
	}
	if off := by[0].Time.Sub(a.now()); off.Abs() > sealift.MaxWitnessClock {
		return none, refused(sealift.KindIntegrity, ReasonClock, "it cosigned at %s, %s from this clock", by[0].Time.Format(time.RFC3339), off.Round(time.Second)).
			WithHint("look at both clocks")
	}
	return by[0], nil
}
