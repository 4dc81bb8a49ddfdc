package sealift_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"testing"

	"github.com/sealift/sealift"
)

func TestErrorText(t *testing.T) {
	err := sealift.Errorf(sealift.KindNotFound, "opening vault", "reading %s: %w", "record", fs.ErrNotExist).WithHint("run %s", "init").WithReason("missing")
	if got, want := err.Error(), "opening vault: reading record: file does not exist"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if !errors.Is(err, fs.ErrNotExist) || errors.Is(err, io.EOF) {
		t.Error("the cause is not found")
	}
	if err.Kind != sealift.KindNotFound || err.Hint != "run init" || err.Reason != "missing" {
		t.Errorf("%+v", err)
	}
	if got := (&sealift.Error{Kind: sealift.KindInternal, Err: io.EOF}).Error(); got != "EOF" {
		t.Errorf("without an operation: %q", got)
	}
}

// TestErrorThroughWraps: kind of the outermost Error, reason and hint of the
// outermost that has one, through any wrapping.
func TestErrorThroughWraps(t *testing.T) {
	inner := sealift.Errorf(sealift.KindChain, "step 1", "no CA").WithReason("unknown-ca").WithHint("inner hint")
	plain := sealift.Errorf(sealift.KindNetwork, "fetching", "%w", inner)
	hinted := sealift.Errorf(sealift.KindRollback, "updating", "%w", fmt.Errorf("more: %w", inner)).WithHint("outer hint")
	for _, c := range []struct {
		name         string
		err          error
		kind         sealift.Kind
		reason, hint string
	}{
		{"nil", nil, "", "", ""},
		{"foreign", io.EOF, sealift.KindInternal, "", ""},
		{"ours", inner, sealift.KindChain, "unknown-ca", "inner hint"},
		{"wrapped", fmt.Errorf("x: %w", inner), sealift.KindChain, "unknown-ca", "inner hint"},
		{"ours in ours", plain, sealift.KindNetwork, "unknown-ca", "inner hint"},
		{"wrapped ours in ours", fmt.Errorf("x: %w", plain), sealift.KindNetwork, "unknown-ca", "inner hint"},
		{"outer hint", hinted, sealift.KindRollback, "unknown-ca", "outer hint"},
		{"joined", errors.Join(io.EOF, inner), sealift.KindChain, "unknown-ca", "inner hint"},
		{"ours, nothing in it", sealift.Errorf(sealift.KindDenied, "x", "y"), sealift.KindDenied, "", ""},
	} {
		if got := sealift.KindOf(c.err); got != c.kind {
			t.Errorf("%s: kind %q, want %q", c.name, got, c.kind)
		}
		if got := sealift.ReasonOf(c.err); got != c.reason {
			t.Errorf("%s: reason %q, want %q", c.name, got, c.reason)
		}
		if got := sealift.HintOf(c.err); got != c.hint {
			t.Errorf("%s: hint %q, want %q", c.name, got, c.hint)
		}
	}
}
