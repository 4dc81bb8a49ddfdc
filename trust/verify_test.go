package trust_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"testing"
	"testing/fstest"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

var site = fstest.MapFS{"index.html": {Data: []byte("<h1>shop</h1>")}}

// bench is a world with one device of it.
type bench struct {
	*testing.T
	world  *sealifttest.World
	device trust.Device
	seen   trust.Seen
}

func newBench(t *testing.T) *bench {
	t.Helper()
	w, err := sealifttest.New(start)
	if err != nil {
		t.Fatal(err)
	}
	d := trust.Device{App: "com.acme.shop", Channel: "production", Platform: "web", Runtime: "2.0.0"}
	return &bench{t, w, d, trust.Seen{}}
}

func (b *bench) prepare(spec sealifttest.Spec) *sealifttest.Published {
	b.Helper()
	if spec.Bundle == nil {
		spec.Bundle = site
	}
	if spec.Version == "" {
		spec.Version = "1.0.0"
	}
	p, err := b.world.Prepare(spec)
	if err != nil {
		b.Fatal(err)
	}
	return p
}

func (b *bench) rules() *trust.Rules {
	b.Helper()
	rules, err := trust.NewRules(&b.world.Trust, &b.world.Deny, b.device.App)
	if err != nil {
		b.Fatal(err)
	}
	return rules
}

func (b *bench) verify(release, proof []byte) (*trust.Verified, error) {
	b.Helper()
	file, err := trust.ParseReleaseFile(release)
	if err != nil {
		return nil, err
	}
	return b.rules().Verify(b.device, trust.Evidence{Release: file, Proof: proof, Seen: b.seen, Tiles: tiles{b.world}}, b.world.Now())
}

// take verifies a release and lets the device confirm it.
func (b *bench) take(p *sealifttest.Published) {
	b.Helper()
	v, err := b.verify(p.ReleaseJSON, p.Proof)
	if err != nil {
		b.Fatalf("a good release: %v", err)
	}
	b.seen = v.Log
	b.device.Confirmed = max(b.device.Confirmed, v.Release.Counter)
	b.device.Installed = &trust.Installed{Release: v.Digest, Version: v.Release.Version, Sound: true}
}

func (b *bench) refuse(p *sealifttest.Published, kind sealift.Kind, reason string) {
	b.Helper()
	_, err := b.verify(p.ReleaseJSON, p.Proof)
	b.wantRefusal(err, kind, reason)
}

func (b *bench) wantRefusal(err error, kind sealift.Kind, reason string) {
	b.Helper()
	if sealift.KindOf(err) != kind || sealift.ReasonOf(err) != reason || err == nil {
		b.Errorf("got %v (%s/%s), want a refusal of %s/%s", err, sealift.KindOf(err), sealift.ReasonOf(err), kind, reason)
	}
}

// tiles reads a world's log as a device does.
type tiles struct{ w *sealifttest.World }

func (tiles) Height() int                         { return trust.TileHeight }
func (tiles) SaveTiles(_ []tlog.Tile, _ [][]byte) {}
func (t tiles) ReadTiles(want []tlog.Tile) ([][]byte, error) {
	out := make([][]byte, len(want))
	for i, tile := range want {
		if out[i] = t.w.File(trust.TilePath(tile)); out[i] == nil {
			return nil, sealift.Errorf(sealift.KindNetwork, "reading a tile", "%s: 404", trust.TilePath(tile))
		}
	}
	return out, nil
}

func TestGoodReleasesInOrder(t *testing.T) {
	b := newBench(t)
	for _, version := range []sealift.Version{"1.0.0", "1.1.0", "2.0.0-rc.1", "2.0.0"} {
		b.take(b.prepare(sealifttest.Spec{Version: version}))
	}
	if b.device.Confirmed != 4 {
		t.Errorf("confirmed counter %d, want 4", b.device.Confirmed)
	}
}

func TestChain(t *testing.T) {
	foreign, err := sealifttest.NewCA("release CA", start)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		spec   sealifttest.Spec
		reason string
	}{
		"leaf of another CA": {sealifttest.Spec{CA: foreign}, "unknown-ca"},
		"leaf without EKU":   {sealifttest.Spec{BendTemplate: func(c *x509.Certificate) { c.ExtKeyUsage = nil }}, "eku"},
		"leaf for servers": {sealifttest.Spec{BendTemplate: func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		}}, "eku"},
		"leaf for code signing and more": {sealifttest.Spec{BendTemplate: func(c *x509.Certificate) {
			c.ExtKeyUsage = append(c.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
		}}, "eku"},
		"leaf that lives an hour": {sealifttest.Spec{BendTemplate: func(c *x509.Certificate) {
			c.NotAfter = c.NotBefore.Add(time.Hour)
		}}, "profile"},
		"leaf that is a CA": {sealifttest.Spec{BendTemplate: func(c *x509.Certificate) { c.IsCA = true }}, "profile"},
		"leaf with another key usage": {sealifttest.Spec{BendTemplate: func(c *x509.Certificate) {
			c.KeyUsage |= x509.KeyUsageKeyEncipherment
		}}, "profile"},
		"leaf with a second name": {sealifttest.Spec{BendTemplate: func(c *x509.Certificate) {
			c.DNSNames = []string{"acme.com"}
		}}, "profile"},
		"expired at signedAt": {sealifttest.Spec{BendTemplate: func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = c.NotBefore.Add(-time.Hour), c.NotAfter.Add(-time.Hour)
		}}, "expired"},
		"not yet valid at signedAt": {sealifttest.Spec{BendTemplate: func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = c.NotBefore.Add(time.Hour), c.NotAfter.Add(time.Hour)
		}}, "expired"},
		"signed before its CA was made": {sealifttest.Spec{SignedAt: start.AddDate(0, 0, -2)}, "expired"},
		"another payload than the bound one": {sealifttest.Spec{BendPayload: func(p []byte) []byte {
			return bytes.Replace(p, []byte(`"1.0.0"`), []byte(`"1.0.1"`), 1)
		}}, "binding"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.T = t
			b.refuse(b.prepare(c.spec), sealift.KindChain, c.reason)
		})
	}
}

// TestBinding bends each field that the SAN binds, while the digest still
// matches the payload.
func TestBinding(t *testing.T) {
	for name, bend := range map[string]func(*trust.Binding){
		"app":      func(x *trust.Binding) { x.App = "com.acme.other" },
		"channel":  func(x *trust.Binding) { x.Channel = "staging" },
		"platform": func(x *trust.Binding) { x.Platform = "ios" },
		"counter":  func(x *trust.Binding) { x.Counter++ },
		"act":      func(x *trust.Binding) { x.Act = sealift.ActReissue },
		"payload":  func(x *trust.Binding) { x.Payload[0] ^= 1 },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.T = t
			p := b.prepare(sealifttest.Spec{})
			binding := trust.BindingOf(&p.Release, p.Payload)
			bend(&binding)
			template, err := trust.LeafTemplate(binding, p.Release.SignedAt.Time)
			if err != nil {
				t.Fatal(err)
			}
			leaf, err := trust.Issue(template, b.world.ReleaseCA.Certificate, p.Leaf.Public(), b.world.ReleaseCA.Key)
			if err != nil {
				t.Fatal(err)
			}
			signed, err := signRelease(p.Payload, p.Leaf)
			if err != nil {
				t.Fatal(err)
			}
			p.ReleaseJSON, err = trust.AssembleRelease(signed, leaf)
			if err != nil {
				t.Fatal(err)
			}
			b.refuse(p, sealift.KindChain, "binding")
		})
	}
}

func TestRevocation(t *testing.T) {
	b := newBench(t)
	p := b.prepare(sealifttest.Spec{})
	leaf, err := x509.ParseCertificate(p.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	issuer := trust.IssuerOf(b.world.ReleaseCA.Certificate)
	revocation := trust.Revocation{Issuer: issuer, Serial: trust.SerialOf(leaf)}

	b.world.Trust.Revoked = append(b.world.Trust.Revoked, revocation)
	b.refuse(p, sealift.KindChain, "revoked")

	b.world.Trust.Revoked = nil
	b.world.Deny.Revoked = append(b.world.Deny.Revoked, revocation)
	b.refuse(p, sealift.KindChain, "revoked")

	b.world.Deny.Revoked = nil
	b.world.Deny.SuspendedCAs = append(b.world.Deny.SuspendedCAs, issuer)
	b.refuse(p, sealift.KindChain, "ca-suspended")

	b.world.Deny.SuspendedCAs = nil
	b.world.Trust.Revoked = []trust.Revocation{{Issuer: sealift.DigestOf(nil), Serial: revocation.Serial}}
	b.take(p) // the serial of another issuer's certificate
}

func TestSignature(t *testing.T) {
	b := newBench(t)
	p := b.prepare(sealifttest.Spec{})

	unsigned, err := signRelease(p.Payload, p.Leaf)
	if err != nil {
		t.Fatal(err)
	}
	file, err := trust.AssembleRelease(unsigned, p.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	at, end := bytes.Index(file, []byte(`"signatures":[`)), bytes.LastIndex(file, []byte(`]`))
	stripped := append(append(append([]byte{}, file[:at]...), `"signatures":[`...), file[end:]...)
	_, err = b.verify(stripped, p.Proof)
	b.wantRefusal(err, sealift.KindSignature, "unsigned")

	other := b.prepare(sealifttest.Spec{Version: "1.0.1"})
	wrongKey, err := signRelease(p.Payload, other.Leaf)
	if err != nil {
		t.Fatal(err)
	}
	file, err = trust.AssembleRelease(wrongKey, p.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.verify(file, p.Proof)
	b.wantRefusal(err, sealift.KindSignature, "signature")

	b.refuse(b.prepare(sealifttest.Spec{PayloadType: "application/vnd.sealift.release.v2+json"}), sealift.KindSignature, "payload-type")
	b.take(p)
}

func TestCosigners(t *testing.T) {
	b := newBench(t)
	keys := []crypto.Signer{sealifttest.NewKey(), sealifttest.NewKey(), sealifttest.NewKey()}
	own := trust.AppTrust{CosignersNeeded: 2}
	for _, key := range keys {
		spki, err := x509.MarshalPKIXPublicKey(key.Public())
		if err != nil {
			t.Fatal(err)
		}
		own.Cosigners = append(own.Cosigners, trust.Cosigner{Algorithm: trust.Ed25519, PublicKey: spki})
	}
	b.world.Trust.Apps["com.acme.shop"] = own
	b.refuse(b.prepare(sealifttest.Spec{}), sealift.KindSignature, "cosigners")
	b.refuse(b.prepare(sealifttest.Spec{Cosigners: keys[:1]}), sealift.KindSignature, "cosigners")
	b.refuse(b.prepare(sealifttest.Spec{Cosigners: []crypto.Signer{keys[0], keys[0]}}), sealift.KindSignature, "cosigners")
	b.refuse(b.prepare(sealifttest.Spec{Cosigners: []crypto.Signer{keys[0], sealifttest.NewKey()}}), sealift.KindSignature, "cosigners")
	b.take(b.prepare(sealifttest.Spec{Cosigners: keys[1:]}))
}

func TestLog(t *testing.T) {
	b := newBench(t)
	b.refuse(b.prepare(sealifttest.Spec{SkipLog: true}), sealift.KindSignature, "log")

	p := b.prepare(sealifttest.Spec{})
	_, err := b.verify(p.ReleaseJSON, nil)
	b.wantRefusal(err, sealift.KindSignature, "log")
	file, err := trust.ParseReleaseFile(p.ReleaseJSON)
	if err != nil {
		t.Fatal(err)
	}
	rules := b.rules()
	_, leaf, err := rules.CheckChain(file)
	if err != nil {
		t.Fatal(err)
	}
	for i := range p.Proof { // no byte of a proof is idle
		bent := bytes.Clone(p.Proof)
		bent[i] ^= 1
		if _, err := rules.CheckSignature(trust.Evidence{Release: file, Proof: bent}, leaf); sealift.KindOf(err) != sealift.KindSignature {
			t.Fatalf("a proof with byte %d bent: %v", i, err)
		}
	}
	strange, err := sealifttest.New(start)
	if err != nil {
		t.Fatal(err)
	}
	honest := b.world.LogKey
	b.world.LogKey = strange.LogKey
	b.refuse(b.prepare(sealifttest.Spec{}), sealift.KindSignature, "log")
	b.world.LogKey = honest
	b.take(b.prepare(sealifttest.Spec{}))
}

func TestLogHistory(t *testing.T) {
	b := newBench(t)
	early := b.prepare(sealifttest.Spec{})
	for range 300 { // more than one tile
		if err := b.world.AppendLog([]byte("an entry of the vault\n")); err != nil {
			t.Fatal(err)
		}
	}
	b.take(b.prepare(sealifttest.Spec{Version: "1.1.0"}))
	size := b.seen.Size

	// An older checkpoint that is a prefix of what was seen is no fork, and
	// what was seen stays.
	b.device.Confirmed = 0
	b.device.Installed = nil
	b.take(early)
	if b.seen.Size != size {
		t.Errorf("the seen log shrank to %d of %d", b.seen.Size, size)
	}
	b.device.Confirmed, b.device.Installed = 0, nil

	b.world.ForkLog(100) // truncated, then grown past what the device saw
	for range 300 {
		if err := b.world.AppendLog([]byte("another history\n")); err != nil {
			t.Fatal(err)
		}
	}
	b.refuse(b.prepare(sealifttest.Spec{Version: "2.0.0"}), sealift.KindSignature, "log")

	b.world.ForkLog(size - 1) // the same size, another root
	b.refuse(b.prepare(sealifttest.Spec{Version: "2.0.1"}), sealift.KindSignature, "log")

	b.world.ForkLog(50) // shorter than what the device saw, and not its prefix
	b.refuse(b.prepare(sealifttest.Spec{Version: "2.0.2"}), sealift.KindSignature, "log")
}

// signRelease signs a payload, as a publisher submits it.
func signRelease(payload []byte, keys ...crypto.Signer) (*trust.SignedPayload, error) {
	envelope, err := trust.Sign(trust.ReleasePayloadType, payload, keys...)
	if err != nil {
		return nil, err
	}
	return trust.ParseReleaseEnvelope(envelope)
}
