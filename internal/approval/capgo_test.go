package approval

import (
	"context"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/store"
)

// capgoDrafts is a store of one draft, of which nothing else is read.
type capgoDrafts struct {
	draftTx
	row *store.CapgoDraft
}

func (c capgoDrafts) CapgoDraft(context.Context, string) (store.CapgoDraft, error) {
	if c.row == nil {
		return store.CapgoDraft{}, sealift.Errorf(sealift.KindNotFound, "reading", "there is none")
	}
	return *c.row, nil
}

// Who approves a release is told that devices with Capgo's plugin get it, and which.
func TestApprovalNamesCapgo(t *testing.T) {
	plain, err := releaseOf(t.Context(), capgoDrafts{}, store.Draft{ID: "d1"}, sealift.Digest{1})
	if _, said := plain.Parameters["capgo"]; err != nil || said {
		t.Errorf("%+v, %v", plain.Parameters, err)
	}
	seen := map[string]bool{}
	for _, row := range []store.CapgoDraft{{Document: []byte("one")}, {Document: []byte("two")}, {Source: sealift.Digest{3}}} {
		p, err := releaseOf(t.Context(), capgoDrafts{row: &row}, store.Draft{ID: "d1"}, sealift.Digest{1})
		if err != nil || p.Parameters["capgo"] == "" || len(p.Parameters["capgo-sha256"]) != 64 || seen[p.Parameters["capgo-sha256"]] {
			t.Errorf("%+v: %+v, %v", row, p.Parameters, err)
		}
		seen[p.Parameters["capgo-sha256"]] = true
	}
}
