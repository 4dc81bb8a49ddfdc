package bundle

import (
	"fmt"
	"io"

	"github.com/klauspost/compress"
	"github.com/klauspost/compress/zstd"

	"github.com/sealift/sealift"
)

const (
	// denseWindow is the window of dense frames: all that a device allows,
	// since bundles hold the same library in several files.
	denseWindow = sealift.MaxZstdWindow
	// quickWindow is the window of quick frames: one block, so that all
	// buffers of both sides stay in a core's cache.
	quickWindow = 128 << 10
)

// compressor writes zstd (RFC 8878) and picks, as it goes, one of two of the
// library's encoders. The dense one, about level 7 of the reference
// implementation, is what web assets deserve: compressed once, downloaded by
// each device. It is also slow on data that does not compress (media, fonts,
// archives), so when a whole window of input did not shrink, and history is
// thus worth nothing, the quick one takes over until a sample of the input
// looks compressible again.
//
// A change of encoder ends the frame and begins another; decoders read
// successive frames as one stream (RFC 8878, section 3.1).
type compressor struct {
	out     countingWriter
	dense   *zstd.Encoder
	quick   *zstd.Encoder // nil until it is needed
	current *zstd.Encoder
	barren  int // bytes of input in a row that did not shrink
}

func newCompressor(w io.Writer) (*compressor, error) {
	c := &compressor{out: countingWriter{w: w}}
	var err error
	if c.dense, err = newEncoder(zstd.SpeedBetterCompression, denseWindow); err != nil {
		return nil, err
	}
	c.begin(c.dense)
	return c, nil
}

// newEncoder makes an encoder that works in the caller's goroutine and writes
// no checksum: segments are authenticated, and the archive has its SHA-256.
func newEncoder(level zstd.EncoderLevel, window int) (*zstd.Encoder, error) {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithWindowSize(window),
		zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false))
	if err != nil {
		return nil, fmt.Errorf("starting zstd: %w", err)
	}
	return encoder, nil
}

func (c *compressor) begin(encoder *zstd.Encoder) {
	encoder.Reset(&c.out)
	c.current = encoder
	c.barren = 0
}

// Write takes one chunk: chunkSize bytes, or fewer at the very end.
func (c *compressor) Write(chunk []byte) (int, error) {
	if err := c.choose(chunk); err != nil {
		return 0, err
	}
	before := c.out.n
	n, err := c.current.Write(chunk)
	// The encoder has written this chunk's block, or it is the last chunk.
	if c.out.n-before < int64(len(chunk)-len(chunk)/32) {
		c.barren = 0
	} else {
		c.barren += len(chunk)
	}
	return n, err
}

func (c *compressor) choose(chunk []byte) (err error) {
	next := c.current
	switch {
	case c.current == c.dense && c.barren >= denseWindow:
		if c.quick == nil {
			if c.quick, err = newEncoder(zstd.SpeedFastest, quickWindow); err != nil {
				return err
			}
		}
		next = c.quick
	case c.current == c.quick && looksCompressible(chunk):
		next = c.dense
	}
	if next == c.current {
		return nil
	}
	if err := c.current.Close(); err != nil {
		return err
	}
	c.begin(next)
	return nil
}

// looksCompressible judges by a sample from the middle. Random bytes score
// under 0.09, deflated ones under 0.2 nearly always, base64 0.22, text and
// code 0.3 and more.
func looksCompressible(chunk []byte) bool {
	const sample, enough = 1 << 10, 0.2
	start := max(0, (len(chunk)-sample)/2)
	return compress.Estimate(chunk[start:min(start+sample, len(chunk))]) > enough
}

// Close ends the last frame.
func (c *compressor) Close() error { return c.current.Close() }

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
