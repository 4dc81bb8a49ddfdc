package release_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/sealift/sealift/internal/vault"
	"github.com/sealift/sealift/trust"
)

// TestAnchorsOfTheFirstDay: every key that devices must know beforehand has a
// standby, and the first ceremony vouched for both.
func TestAnchorsOfTheFirstDay(t *testing.T) {
	w, err := theWorld()
	if err != nil {
		t.Fatal(err)
	}
	a, err := w.service(nil).Anchors(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	states := map[string][]string{}
	for _, k := range a.Keys {
		document, _, _ := strings.Cut(k.Vouched, " ")
		if document != map[bool]string{true: "root", false: "targets"}[k.Purpose == "timestamp" || k.Purpose == "snapshot"] {
			t.Errorf("%s/%d is vouched for by %q", k.ID, k.Version, k.Vouched)
		}
		states[k.Purpose] = append(states[k.Purpose], k.State)
	}
	for _, p := range vault.Purposes() {
		if got := states[string(p)]; p.HasStandby() != (len(got) == 2 && got[0] == "active" && got[1] == "pre-active") {
			t.Errorf("%s: %v", p, got)
		}
	}
	parsed, err := trust.ParseTrust(a.Trust)
	if err != nil {
		t.Fatal(err)
	}
	want, err := w.anchors.Trust.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Trust, want) || len(parsed.ReleaseCAs) != 2 || len(parsed.DeviceCAs) != 2 || len(parsed.Log.Keys) != 2 {
		t.Errorf("trust.json would become %s", a.Trust)
	}
	if a.Vault != vaultID {
		t.Errorf("of vault %s", a.Vault)
	}
}
