package installation_test

import (
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/api"
)

// TestRevokedStaysOff: a device refuses a revoked release with the error of the
// chain, and stays on what it has; a suspended CA takes all that it certified
// with it.
func TestRevokedStaysOff(t *testing.T) {
	b := newBench(t)
	b.makeApp("web")
	first, err := b.publish("1.0.0")
	b.check(err)
	d := b.device()
	d.update()
	second, err := b.publish("1.1.0")
	b.check(err)
	_, err = b.api.Deny(b.Context(), api.NewDenial{Kind: api.DenialKindRelease, App: string(app), Release: second.SHA256, Reason: "it leaks"})
	b.check(err)
	b.wantRefusal(d.try(), sealift.KindChain, "revoked")
	d.wantInstalled(first.SHA256)

	third, err := b.publish("1.0.1") // to who never took the revoked one, any newer one will do
	b.check(err)
	d.update()
	d.wantInstalled(third.SHA256)
	keys, err := b.api.Keys(b.Context(), api.ListKeysParams{Purpose: "release-ca", State: "active"})
	b.check(err)
	_, err = b.api.Deny(b.Context(), api.NewDenial{Kind: api.DenialKindCa, Issuer: keys[0].Public, Reason: "stolen"})
	b.check(err)
	fresh := b.device()
	b.wantRefusal(fresh.try(), sealift.KindChain, "ca-suspended")
	fresh.wantInstalled("")
	d.wantInstalled(third.SHA256)
	_, err = b.publish("1.2.0")
	b.wantRefusal(err, sealift.KindChain, "ca-suspended")
}
