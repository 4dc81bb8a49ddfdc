package control

import (
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/api"
)

// The largest bodies are checked without HTTP, which takes seconds under the
// race detector.
func TestCeremonyLimits(t *testing.T) {
	root, targets, trust := make([]byte, sealift.MaxRoot), make([]byte, sealift.MaxTargets), make([]byte, sealift.MaxTarget)
	if err := checkCeremony(api.Ceremony{Root: root, Targets: targets, Trust: trust}); err != nil {
		t.Errorf("the largest: %v", err)
	}
	const base64 = 4.0 / 3
	if all := float64(len(root)+len(targets)+len(trust)) * base64; all > sealift.MaxCeremonyBody-1024 {
		t.Errorf("the largest does not fit in a body")
	}
	for _, bad := range []api.Ceremony{
		{Root: append(root, 0)}, {Root: root, Targets: append(targets, 0), Trust: trust}, {Root: root, Targets: targets, Trust: append(trust, 0)},
	} {
		if sealift.KindOf(checkCeremony(bad)) != sealift.KindInvalid {
			t.Error("one byte more is allowed")
		}
	}
}

func TestBlobLimits(t *testing.T) {
	for length, ok := range map[int64]bool{0: true, sealift.MaxBlob: true, sealift.MaxBlob + 1: false, -1: false} {
		if err := checkLength(length); (err == nil) != ok {
			t.Errorf("length %d: %v", length, err)
		}
	}
}
