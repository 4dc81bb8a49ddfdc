package store

import (
	"context"
	"encoding/hex"

	"github.com/sealift/sealift"
)

// CapgoTx keeps what devices that run Capgo's plugin are told of a release.
type CapgoTx interface {
	// PutCapgoBundle writes that of a release, over the one before; KindNotFound if
	// there is no such release.
	PutCapgoBundle(ctx context.Context, b CapgoBundle) error
	// CapgoBundle returns that of a release, or KindNotFound where it has none.
	CapgoBundle(ctx context.Context, app sealift.AppID, release sealift.Digest) (CapgoBundle, error)
	// PutCapgoDraft writes that of a draft, over the one before; KindNotFound if
	// there is no such draft.
	PutCapgoDraft(ctx context.Context, d CapgoDraft) error
	// CapgoDraft returns that of a draft, or KindNotFound where it has none.
	CapgoDraft(ctx context.Context, draft string) (CapgoDraft, error)
	// DeleteCapgoDraft removes it; that there is none is no error.
	DeleteCapgoDraft(ctx context.Context, draft string) error
}

// Columns implements Authentic.
func (b CapgoBundle) Columns() (kind string, columns []string) {
	return "capgo-bundle", []string{b.Release.String(), string(b.App), hex.EncodeToString(b.Document), column(b.Created)}
}

// Tag implements Authentic.
func (b CapgoBundle) Tag() []byte { return b.MAC }

// RowName implements Authentic.
func (b CapgoBundle) RowName() string { return named(string(b.App), b.Release.String()) }

// Columns implements Authentic.
func (d CapgoDraft) Columns() (kind string, columns []string) {
	return "capgo-draft", []string{d.Draft, hex.EncodeToString(d.Document), d.Source.String(), column(d.Created)}
}

// Tag implements Authentic.
func (d CapgoDraft) Tag() []byte { return d.MAC }

// RowName implements Authentic.
func (d CapgoDraft) RowName() string { return d.Draft }
