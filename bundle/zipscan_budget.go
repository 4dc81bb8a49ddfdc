package bundle

import (
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"io"

	"github.com/sealift/sealift"
)

// errZipBudget says that the zips of a bundle are too much work to look into.
var errZipBudget = errors.New("more zip entries than the check for native code looks at")

// zipBudget is what may still be spent on the zips of one bundle. All scanners
// of the bundle share it: any number of headers may name the same compressed
// data, and that may hold headers again, so that a few bytes of zips within
// zips would multiply a budget that each had for itself.
type zipBudget struct {
	ctx context.Context // ends the scan

	headers    int // left to the bundle
	inflations int // left to the bundle
	ofFile     int // inflations left to the file

	source   bytes.Reader
	inflater io.ReadCloser // reads source; kept, since its window is large
	inflated [zipInflated]byte
}

func newZipBudget(ctx context.Context) *zipBudget {
	return &zipBudget{ctx: ctx, headers: sealift.MaxZipHeaders, inflations: sealift.MaxInflations}
}

// nextFile begins a file of the bundle.
func (z *zipBudget) nextFile() { z.ofFile = sealift.MaxFileInflations }

// header pays for looking at a header. Its errors, and those of inflate, are
// errZipBudget and the context's.
func (z *zipBudget) header() error { return z.spend(&z.headers) }

// inflate pays for the beginning of an entry and returns it, as far as it can
// be inflated. The bytes are good until the next call.
func (z *zipBudget) inflate(data []byte) ([]byte, error) {
	if err := z.spend(&z.ofFile, &z.inflations); err != nil {
		return nil, err
	}
	z.source.Reset(data)
	if z.inflater == nil {
		z.inflater = flate.NewReader(&z.source)
	} else if err := z.inflater.(flate.Resetter).Reset(&z.source, nil); err != nil {
		return nil, err
	}
	n, _ := io.ReadFull(z.inflater, z.inflated[:]) // what is damaged ends early
	return z.inflated[:n], nil
}

func (z *zipBudget) spend(budgets ...*int) error {
	if err := z.ctx.Err(); err != nil {
		return err
	}
	for _, left := range budgets {
		if *left == 0 {
			return errZipBudget
		}
		*left--
	}
	return nil
}
