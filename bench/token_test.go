package bench

import (
	"fmt"
	"testing"
)

// maxDetour is how much longer a signature may take through the helper than in
// this process: 1/0.9.
const maxDetour = 1.11

// measureToken compares signatures by a PKCS#11 token through the helper with
// those by its module in the process itself.
func measureToken(b *testing.B, r *report) {
	say("signing with RSA-4096 in a token, directly and through the helper")
	got := goBench(b, "./cmd/sealift-pkcs11", "BenchmarkRSA4096", "1x", "CGO_ENABLED=1")
	s := r.section("A key in a PKCS#11 token")
	for _, callers := range []struct{ words, suffix string }{{"one caller", ""}, {"four callers", "4"}} {
		direct, helper := got["direct"+callers.suffix+"/s"], got["helper"+callers.suffix+"/s"]
		s.target("RSA-4096 through the helper, "+callers.words, direct/helper, maxDetour, "×",
			fmt.Sprintf("%.0f signatures a second, %.0f directly: %.2f of the rate", helper, direct, helper/direct))
	}
	s.remark("× is time by `sealift-pkcs11` over time by the module in one's own process: PSS with SHA-512 in SoftHSM2, medians of 7 turns of 1.5 s. Through the helper each signature is also checked with its public key.")
}
