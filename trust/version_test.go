package trust_test

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust"
)

func TestScope(t *testing.T) {
	for reason, spec := range map[string]sealifttest.Spec{
		"app":      {App: "com.acme.other"},
		"channel":  {Channel: "staging"},
		"platform": {Platform: "ios"},
		"runtime":  {Runtime: ">=3.0.0"},
		"vault": {BendRelease: func(r *trust.Release) {
			r.Vault = "0123456789abcdef0123456789abcdef"
		}},
	} {
		t.Run(reason, func(t *testing.T) {
			b := newBench(t)
			b.T = t
			b.refuse(b.prepare(spec), sealift.KindVersion, reason)
		})
	}
}

func TestNoDowngrade(t *testing.T) {
	b := newBench(t)
	first := b.prepare(sealifttest.Spec{Version: "1.0.0"})
	b.take(first)
	b.take(b.prepare(sealifttest.Spec{Version: "1.1.0"}))

	b.refuse(first, sealift.KindVersion, "counter") // replayed
	b.refuse(b.prepare(sealifttest.Spec{Version: "1.0.5"}), sealift.KindVersion, "not-newer")
	b.refuse(b.prepare(sealifttest.Spec{Version: "1.1.0"}), sealift.KindVersion, "not-newer")
	b.refuse(b.prepare(sealifttest.Spec{Version: "1.2.0", Counter: 2}), sealift.KindVersion, "counter")
	b.refuse(b.prepare(sealifttest.Spec{Version: "1.2.0", Counter: 3 + sealift.MaxCounterStep}), sealift.KindVersion, "counter-step")
	b.take(b.prepare(sealifttest.Spec{Version: "1.2.0", Counter: 2 + sealift.MaxCounterStep}))
}

func TestFloors(t *testing.T) {
	b := newBench(t)
	p := b.prepare(sealifttest.Spec{Version: "1.5.0", Counter: 5})
	for name, raise := range map[string]func(trust.Floor){
		"trust.json": func(f trust.Floor) { b.world.Trust.Apps["com.acme.shop"] = trust.AppTrust{Floor: f} },
		"defaults":   func(f trust.Floor) { b.world.Trust.Defaults = trust.AppTrust{Floor: f} },
		"deny.json":  func(f trust.Floor) { b.world.Deny.Floors["com.acme.shop"] = f },
	} {
		t.Run(name, func(t *testing.T) {
			b := &bench{t, b.world, b.device, b.seen}
			raise(trust.Floor{Counter: 6})
			b.refuse(p, sealift.KindVersion, "floor")
			raise(trust.Floor{Version: "1.5.1"})
			b.refuse(p, sealift.KindVersion, "floor")
			raise(trust.Floor{Counter: 5, Version: "1.5.0"})
			b.take(p)
			delete(b.world.Trust.Apps, "com.acme.shop")
			b.world.Trust.Defaults = trust.AppTrust{}
			delete(b.world.Deny.Floors, "com.acme.shop")
		})
	}
}

func TestRollback(t *testing.T) {
	b := newBench(t)
	b.take(b.prepare(sealifttest.Spec{Version: "1.0.0"}))
	bad := b.prepare(sealifttest.Spec{Version: "1.1.0"})
	back := &trust.Rollback{From: []sealift.Digest{bad.Candidate.Release.Digest}, NotAfter: trust.At(start.Add(time.Hour)), Reason: "white screen"}
	rollback := b.prepare(sealifttest.Spec{Version: "1.0.0", Act: sealift.ActRollback, Rollback: back})

	// On 1.0.0 still: the roll-back names another release.
	b.refuse(rollback, sealift.KindVersion, "rollback-from")
	b.take(bad)
	under := b.device
	b.world.Trust.Apps["com.acme.shop"] = trust.AppTrust{Floor: trust.Floor{Version: "1.1.0"}}
	b.refuse(rollback, sealift.KindVersion, "floor") // never under the floor
	delete(b.world.Trust.Apps, "com.acme.shop")

	b.take(rollback)
	b.refuse(bad, sealift.KindVersion, "counter") // no way forward to the bad one again

	// Fixed, and the old roll-back replayed.
	b.take(b.prepare(sealifttest.Spec{Version: "1.2.0"}))
	b.refuse(rollback, sealift.KindVersion, "counter")

	// In time only.
	b.device = under
	b.world.Advance(time.Hour + time.Second)
	b.refuse(rollback, sealift.KindVersion, "rollback-expired")

	// A new device has nothing to go back from: to it this is a release.
	b.device.Installed, b.device.Confirmed = nil, 0
	b.take(rollback)
}

// TestRecoveryFromFastForward: a thief of the release CA drives the counter and
// the version up; once the leaf is revoked, the device takes honest releases.
func TestRecoveryFromFastForward(t *testing.T) {
	b := newBench(t)
	b.take(b.prepare(sealifttest.Spec{Version: "1.0.0", Counter: 1}))
	thief := b.prepare(sealifttest.Spec{Version: "99.0.0", Counter: 900_000})
	honest := b.prepare(sealifttest.Spec{Version: "1.1.0", Counter: 2})
	b.take(thief)
	b.refuse(honest, sealift.KindVersion, "counter")

	leaf, err := x509.ParseCertificate(thief.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	b.world.Trust.Revoked = append(b.world.Trust.Revoked, trust.Revocation{Issuer: trust.IssuerOf(b.world.ReleaseCA.Certificate), Serial: trust.SerialOf(leaf)})
	file, err := trust.ParseReleaseFile(thief.ReleaseJSON)
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.rules().Authenticate(trust.Evidence{Release: file, Proof: thief.Proof, Seen: b.seen, Tiles: tiles{b.world}})
	b.wantRefusal(err, sealift.KindChain, "revoked")
	b.device.Installed.Sound = false
	b.take(honest)

	b.world.Trust.Apps["com.acme.shop"] = trust.AppTrust{Floor: trust.Floor{Counter: 50}}
	b.device.Installed.Sound = false
	b.refuse(b.prepare(sealifttest.Spec{Version: "1.2.0", Counter: 3}), sealift.KindVersion, "floor")
}

func TestUnder(t *testing.T) {
	b := newBench(t)
	b.world.Trust.Defaults = trust.AppTrust{Floor: trust.Floor{Counter: 3, Version: "1.5.0"}}
	rules := b.rules()
	for _, c := range []struct {
		counter sealift.Counter
		version sealift.Version
		want    bool
	}{{3, "1.5.0", false}, {2, "1.5.0", true}, {3, "1.5.0-rc.1", true}, {4, "2.0.0", false}} {
		if got := rules.Under(c.counter, c.version); got != c.want {
			t.Errorf("Under(%d, %s) = %v, want %v", c.counter, c.version, got, c.want)
		}
	}
}
