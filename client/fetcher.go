package client

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/sealift/sealift"
)

// tufFetcher is what go-tuf fetches by, in place of its own client that has no
// timeout.
type tufFetcher struct {
	// ctx is that of the call under way: go-tuf's interface has no place for it.
	ctx  context.Context
	wire *wire
	own  bool // see inspect
	// rootsDone is called when there is no newer root.
	rootsDone func()
	fetched   []string // roles, since taken was last called
}

// DownloadFile implements fetcher.Fetcher of go-tuf. The length that go-tuf
// allows may come from signed metadata, so it is bounded once more.
func (f *tufFetcher) DownloadFile(address string, maxLength int64, _ time.Duration) ([]byte, error) {
	role := roleAt(address)
	data, err := f.wire.get(f.ctx, address, min(max(maxLength, 0), maxMetadata(role)))
	if role == metadata.ROOT && isNotFound(err) {
		f.rootsDone()
	}
	if err != nil {
		return nil, err
	}
	if err := inspect(role, data, f.own); err != nil {
		return nil, sealift.Errorf(sealift.KindMetadata, "reading "+address, "%w", err).WithReason("malformed").
			WithHint("check that the address is that of a Sealift server")
	}
	f.fetched = append(f.fetched, role)
	return data, nil
}

// taken returns the roles fetched since it was called last.
func (f *tufFetcher) taken() []string {
	roles := slices.Compact(f.fetched)
	f.fetched = nil
	return roles
}

// metadataError gives an error of go-tuf its type. One that is typed already,
// being ours from beneath go-tuf, stays as it is.
func metadataError(op string, err error) error {
	var typed *sealift.Error
	if err == nil || errors.As(err, &typed) {
		return err
	}
	e := sealift.Errorf(sealift.KindMetadata, op, "%w", err)
	var expired *metadata.ErrExpiredMetadata
	var version *metadata.ErrBadVersionNumber
	var unsigned *metadata.ErrUnsignedMetadata
	var mismatch *metadata.ErrLengthOrHashMismatch
	switch {
	case errors.As(err, &expired):
		return e.WithReason("expired").WithHint("the server's metadata was not renewed in time, or this machine's clock is ahead; what is installed stays as it is")
	case errors.As(err, &version):
		return e.WithReason("rollback").WithHint("the server shows an older state than before, or a mixed one; try again later and tell its owner")
	case errors.As(err, &unsigned):
		return e.WithReason("unsigned").WithHint("what the server shows is not signed by those whom root.json names; check that the root and the server belong together")
	case errors.As(err, &mismatch):
		return e.WithReason("mismatch").WithHint("the server shows a mixed state; try again later and tell its owner")
	}
	return e.WithReason("malformed").WithHint("check that the root and the server belong together")
}
