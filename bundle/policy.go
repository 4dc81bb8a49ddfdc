package bundle

import (
	"context"
	"errors"
	"io"

	"github.com/sealift/sealift"
)

// Policy says what a bundle may hold. The publisher applies it to a Source and
// the vault to what it unpacks, and both run the same inspection. The zero
// Policy allows everything.
type Policy struct {
	// RefuseNative keeps machine code and bytecode for other virtual machines
	// out: the app stores let an app fetch interpreted code only. It goes by
	// content, never by name.
	RefuseNative bool
	// RequireIndex wants an index.html at the top, where a web app starts.
	RequireIndex bool
}

// StorePolicy is the policy for apps that come from an app store.
func StorePolicy() Policy { return Policy{RefuseNative: true, RequireIndex: true} }

const (
	opPolicy  = "checking store policy"
	indexFile = "index.html"
)

// Check reads of each file as much as it takes to know: the beginning of most,
// and all of a zip. A bundle that breaks the policy is KindInvalid with Reason
// "no_index", "native_code" or "too_many_entries": a zip, or the zips of the
// bundle together, take more work than sealift.MaxZipHeaders and those beside it
// allow. Other errors are those of Source.Digest.
func (p Policy) Check(ctx context.Context, src *Source) error {
	index := false
	buffer := make([]byte, chunkSize)
	budget := newZipBudget(ctx)
	for f := range src.Files() {
		index = index || f.Path == indexFile
		if err := p.checkFile(budget, src, f, buffer); err != nil {
			return err
		}
	}
	return p.checkIndex(index)
}

func (p Policy) checkFile(budget *zipBudget, src *Source, f File, buffer []byte) error {
	if !p.RefuseNative {
		return nil
	}
	in, err := src.fsys.Open(f.Path)
	if err != nil {
		return unreadable(opPolicy, f.Path, err)
	}
	defer in.Close() // read only: nothing to lose
	look := newInspector(budget)
	for !look.done {
		if err := budget.ctx.Err(); err != nil {
			return err
		}
		n, err := readSome(in, buffer)
		look.take(buffer[:n])
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return unreadable(opPolicy, f.Path, err)
		}
	}
	found, err := look.finish()
	return verdict(f.Path, found, err)
}

func (p Policy) checkIndex(found bool) error {
	if !p.RequireIndex || found {
		return nil
	}
	return sealift.Errorf(sealift.KindInvalid, opPolicy, "there is no index.html at the top of the bundle").
		WithReason("no_index").WithHint("publish the folder that the build wrote, such as dist or www, not the project around it; or declare the app a device app")
}

// verdict returns nil if nothing was found.
func verdict(path, found string, err error) error {
	switch {
	case errors.Is(err, errZipBudget):
		return sealift.Errorf(sealift.KindInvalid, opPolicy, "%s: %w", quote(path), err).
			WithReason("too_many_entries").WithHint("leave the zip out, publish what it holds as files, or store its entries without compression")
	case err != nil:
		return err
	case found == "":
		return nil
	}
	return sealift.Errorf(sealift.KindInvalid, opPolicy, "%s is %s", quote(path), found).
		WithReason("native_code").WithHint("app stores let an app fetch interpreted code only: leave the file out and ship it with the app, or declare the app a device app")
}

// Sink returns a Sink that applies the policy to what passes to next. The
// caller asks its Finish after Open returned nil.
func (p Policy) Sink(next Sink) *PolicySink {
	return &PolicySink{policy: p, next: next, budget: newZipBudget(context.Background())}
}

// PolicySink is a Sink that refuses what its Policy refuses, with the errors
// of Policy.Check, at the latest when the file in question is closed.
type PolicySink struct {
	policy Policy
	next   Sink
	index  bool
	budget *zipBudget
}

// within makes ctx end the inspection too, which may go on for a while over
// the bytes of a single Write. Open calls it.
func (s *PolicySink) within(ctx context.Context) { s.budget.ctx = ctx }

// Create implements Sink.
func (s *PolicySink) Create(path string, size int64, executable bool) (io.WriteCloser, error) {
	s.index = s.index || path == indexFile
	file, err := s.next.Create(path, size, executable)
	if err != nil || !s.policy.RefuseNative {
		return file, err
	}
	return &inspectedFile{path: path, left: size, look: newInspector(s.budget), WriteCloser: file}, nil
}

// Finish returns what can only be known at the end.
func (s *PolicySink) Finish() error { return s.policy.checkIndex(s.index) }

// inspectedFile is a file of a PolicySink. Nothing more is written to the file
// beneath once something was found.
type inspectedFile struct {
	io.WriteCloser
	path string
	left int64 // bytes still to come
	look *inspector
}

func (f *inspectedFile) Write(b []byte) (int, error) {
	f.look.take(b)
	found, err := f.look.found, f.look.err
	if f.left -= int64(len(b)); f.left <= 0 {
		found, err = f.look.finish()
	}
	if err := verdict(f.path, found, err); err != nil {
		return 0, err
	}
	return f.WriteCloser.Write(b)
}
