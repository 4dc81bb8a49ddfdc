package sealifttest

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/trust"
)

const (
	stolenDirector  = "the director's key"
	stolenRelease   = "what signs releases"
	stolenTimestamp = "the snapshot and timestamp keys"
	stolenLog       = "the log key"
)

// publishing stages a release of a thief in the place of the honest one: spec,
// with next's scope and version where it has none of its own.
func publishing(spec Spec) func(*World, Spec) (func() error, error) {
	return func(w *World, next Spec) (func() error, error) {
		return func() error { _, err := w.Publish(next); return err }, publishAs(w, spec, next)
	}
}

// publishAs offers a bent release to the devices of next.
func publishAs(w *World, spec, next Spec) error {
	next.scoped()
	if spec.Version == "" {
		spec.Version = next.Version
	}
	if spec.Bundle == nil && spec.Archive == nil {
		spec.Bundle, spec.Archive = next.Bundle, next.Archive
	}
	used := w.used(next.App)
	p, err := w.Prepare(spec)
	if err != nil {
		return err
	}
	if spec.Counter != 0 {
		w.setUsed(next.App, used) // the vault knows nothing of the thief's
	}
	p.Candidate = tempting(p.Candidate)
	return w.Offer(next.App, next.Channel, next.Platform, p.Candidate)
}

// tempting lies about a release, so that every device looks at it: a candidate
// that tells the truth would be passed over.
func tempting(c trust.Candidate) trust.Candidate {
	c.Version, c.Counter, c.From, c.Runtime = "999.0.0", math.MaxInt64, nil, sealift.AnyRuntime
	return c
}

// stolenOnlineKeyAttacks are those of a thief of keys that the vault uses from
// day to day: who can direct devices, but not author.
func stolenOnlineKeyAttacks() []Attack {
	offering := func(which func(*World) *Published) func(*World, Spec) (func() error, error) {
		return func(w *World, next Spec) (func() error, error) {
			old := which(w)
			if old == nil {
				return nil, errors.New("call Baseline before")
			}
			honest := func() error { _, err := w.Publish(next); return err }
			return honest, w.Offer(old.Release.App, old.Release.Channel, old.Release.Platform, tempting(old.Candidate))
		}
	}
	return []Attack{
		{
			Name: "release-downgraded", Title: "an old release, offered again", Stolen: stolenDirector,
			Kind: sealift.KindVersion, Reasons: []string{"counter"},
			stage: offering(func(w *World) *Published { return w.published(sealift.ActRelease) }),
		},
		{
			Name: "rollback-replayed", Title: "an old roll-back, offered again", Stolen: stolenDirector,
			Kind: sealift.KindVersion, Reasons: []string{"counter"},
			stage: offering(func(w *World) *Published { return w.published(sealift.ActRollback) }),
		},
		{
			Name: "offer-of-another-app", Title: "the offer of another app in the place of this one's", Stolen: stolenDirector,
			Kind: sealift.KindMetadata, stage: foreignOffer,
		},
		{
			Name: "fast-forward", Title: "timestamp and snapshot of version 2,000,000,000, then honest ones again", Stolen: stolenTimestamp,
			Kind: sealift.KindMetadata, lure: (*World).FastForward, stage: backFromFastForward,
		},
	}
}

func foreignOffer(w *World, next Spec) (func() error, error) {
	next.scoped()
	own := next
	own.App = "com.acme.other"
	p, err := w.Prepare(own)
	if err != nil {
		return nil, err
	}
	content, err := (&trust.Offer{App: own.App, Channel: next.Channel, Platform: next.Platform, Candidates: []trust.Candidate{p.Candidate}}).Encode()
	if err != nil {
		return nil, err
	}
	return func() error { _, err := w.Publish(next); return err },
		w.Direct(target(trust.OfferPath(next.App, next.Channel, next.Platform), content))
}

// backFromFastForward publishes with the versions that the vault knows: to a
// device that saw the thief's they go back. Honest is what the vault does about
// it: new online keys in the next root.
func backFromFastForward(w *World, next Spec) (func() error, error) {
	w.forgetFastForward()
	_, err := w.Publish(next)
	return w.ReplaceOnlineKeys, err
}

// stolenReleaseKeyAttacks are those of a thief of what signs releases, or of a
// part of it.
func stolenReleaseKeyAttacks() (all []Attack) {
	add := func(name, title, stolen string, kind sealift.Kind, reason string, stage func(*World, Spec) (func() error, error)) {
		all = append(all, Attack{Name: name, Title: title, Stolen: stolen, Kind: kind, Reasons: []string{reason}, stage: stage})
	}
	chain := func(name, title, reason string, bend func(*x509.Certificate)) {
		add(name, title, stolenRelease, sealift.KindChain, reason, publishing(Spec{BendTemplate: bend}))
	}
	scope := func(name, title, reason string, spec Spec) {
		add(name, title, stolenRelease, sealift.KindVersion, reason, publishing(spec))
	}
	add("leaf-of-another-ca", "a release whose leaf another CA certified", stolenDirector, sealift.KindChain, "unknown-ca", foreignCA)
	chain("leaf-without-eku", "a release whose leaf is not for code signing", "eku", func(c *x509.Certificate) { c.ExtKeyUsage = nil })
	chain("leaf-for-servers", "a release whose leaf is for TLS servers too", "eku", func(c *x509.Certificate) {
		c.ExtKeyUsage = append(c.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	})
	chain("leaf-long-lived", "a release whose leaf lives a year", "profile", func(c *x509.Certificate) { c.NotAfter = c.NotBefore.AddDate(1, 0, 0) })
	chain("leaf-expired", "a release signed after its leaf expired", "expired", func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = c.NotBefore.Add(-time.Hour), c.NotAfter.Add(-time.Hour)
	})
	add("leaf-revoked", "a release whose leaf was revoked", stolenRelease, sealift.KindChain, "revoked", revokedLeaf)
	add("ca-suspended", "a release under a CA that was suspended", stolenRelease, sealift.KindChain, "ca-suspended", suspendedCA)
	add("leaf-for-another-payload", "a leaf used for another payload than it binds", stolenRelease, sealift.KindChain, "binding",
		publishing(Spec{BendPayload: func(p []byte) []byte { return append(bytes.Clone(p), '\n') }}))
	add("payload-type", "a release signed as another type of document", stolenRelease, sealift.KindSignature, "payload-type",
		publishing(Spec{PayloadType: trust.RequestPayloadType}))
	add("vault-authors-alone", "a release by the vault itself, with co-signatures by keys that it made, and one for another release",
		"every key of the vault", sealift.KindSignature, "cosigners", authorsAlone)
	add("cosigners-missing", "a release without the co-signers that the app demands", stolenRelease, sealift.KindSignature, "cosigners", cosigners)

	scope("for-another-app", "a release for another app", "app", Spec{App: "com.acme.other"})
	scope("for-another-channel", "a release for another channel", "channel", Spec{Channel: "staging"})
	scope("for-another-platform", "a release for another platform", "platform", Spec{Platform: "ios"})
	scope("for-another-runtime", "a release for another runtime", "runtime", Spec{Runtime: ">=99.0.0"})
	scope("for-another-vault", "a release of another vault", "vault", Spec{BendRelease: func(r *trust.Release) {
		r.Vault = "0123456789abcdef0123456789abcdef"
	}})
	scope("version-older", "an older version under a new counter", "not-newer", Spec{Version: "0.1.0"})
	scope("counter-used-up", "a counter so high that none could follow", "counter-step", Spec{Counter: 1 << 40})
	add("under-the-floor", "a release under the floor", stolenRelease, sealift.KindVersion, "floor", underFloor)
	add("rollback-expired", "a roll-back after its end", stolenRelease, sealift.KindVersion, "rollback-expired", rollback(-time.Hour))
	add("rollback-from-another", "a roll-back from a release that the device does not run", stolenRelease, sealift.KindVersion, "rollback-from", rollback(time.Hour))
	return append(all, resealed())
}

func foreignCA(w *World, next Spec) (func() error, error) {
	ca, err := NewCA("release CA", w.Now())
	if err != nil {
		return nil, err
	}
	return publishing(Spec{CA: ca})(w, next)
}

func revokedLeaf(w *World, next Spec) (func() error, error) {
	honest, err := publishing(Spec{})(w, next)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(w.newest().Certificate)
	if err != nil {
		return nil, err
	}
	w.Deny.Revoked = append(w.Deny.Revoked, trust.Revocation{Issuer: trust.IssuerOf(w.ReleaseCA.Certificate), Serial: trust.SerialOf(leaf)})
	return honest, w.Direct()
}

// suspendedCA is what happens at once after a theft; honest is the standby.
func suspendedCA(w *World, next Spec) (func() error, error) {
	if _, err := publishing(Spec{})(w, next); err != nil {
		return nil, err
	}
	standby, err := NewCA("standby release CA", w.Now())
	if err != nil {
		return nil, err
	}
	w.Trust.ReleaseCAs = append(w.Trust.ReleaseCAs, trust.CA{Certificate: standby.Certificate.Raw})
	w.Deny.SuspendedCAs = append(w.Deny.SuspendedCAs, trust.IssuerOf(w.ReleaseCA.Certificate))
	if err := w.SignTargets(); err != nil {
		return nil, err
	}
	return func() error { w.ReleaseCA = standby; _, err := w.Publish(next); return err }, w.Direct()
}

func cosigners(w *World, next Spec) (func() error, error) {
	next.scoped()
	keys, err := w.demandCosigners(next.App, 2)
	if err != nil {
		return nil, err
	}
	_, err = publishing(Spec{Cosigners: keys[:1]})(w, next)
	next.Cosigners = keys
	return func() error { _, err := w.Publish(next); return err }, err
}

// demandCosigners lets people say in trust.json that all of some new keys must
// co-sign the app's releases.
func (w *World) demandCosigners(app sealift.AppID, n int) (keys []crypto.Signer, err error) {
	own := trust.AppTrust{CosignersNeeded: n}
	for range n {
		key := NewKey()
		cosigner, err := trust.CheckCosigner(key.Public())
		if err != nil {
			return nil, err
		}
		keys, own.Cosigners = append(keys, key), append(own.Cosigners, cosigner)
	}
	w.Trust.Apps[app] = own
	return keys, w.SignTargets()
}

// authorsAlone is what whoever has the running vault can do where an app demands
// co-signers: everything but their signatures. It brings some by keys of its own,
// and one that a co-signer gave for another release.
func authorsAlone(w *World, next Spec) (func() error, error) {
	next.scoped()
	keys, err := w.demandCosigners(next.App, 2)
	if err != nil {
		return nil, err
	}
	first := &replayer{Signer: keys[0]}
	earlier := Spec{App: next.App, Channel: next.Channel, Platform: next.Platform, Version: next.Version + "-rc.1", Cosigners: []crypto.Signer{first}}
	if _, err := w.Prepare(earlier); err != nil {
		return nil, err
	}
	_, err = publishing(Spec{Cosigners: []crypto.Signer{first, NewKey(), NewKey()}})(w, next)
	next.Cosigners = keys
	return func() error { _, err := w.Publish(next); return err }, err
}

// replayer signs once, and says the same for ever.
type replayer struct {
	crypto.Signer
	said []byte
}

// Sign implements crypto.Signer.
func (r *replayer) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) (signature []byte, err error) {
	if r.said == nil {
		r.said, err = r.Signer.Sign(rand, digest, opts)
	}
	return r.said, err
}

func underFloor(w *World, next Spec) (func() error, error) {
	next.scoped()
	w.Deny.Floors[next.App] = trust.Floor{Version: next.Version}
	return publishing(Spec{Version: next.Version + "-rc.1"})(w, next)
}

// rollback authorises the way back from a release that the device never ran,
// until so long after now.
func rollback(end time.Duration) func(*World, Spec) (func() error, error) {
	return func(w *World, next Spec) (func() error, error) {
		return publishing(Spec{Version: "0.9.0", Act: sealift.ActRollback, Rollback: &trust.Rollback{
			From: []sealift.Digest{sealift.DigestOf(nil)}, NotAfter: trust.At(w.Now().Add(end)), Reason: "white screen",
		}})(w, next)
	}
}

// resealed is the attack of another enrolled device, which knows the content
// key as they all do, together with the edge.
func resealed() Attack {
	var forged []byte
	return Attack{
		Name: "blob-resealed", Title: "a bundle that another enrolled device sealed with the true content key",
		Stolen: "a device", Kind: sealift.KindIntegrity, Reasons: []string{reasonBlobLength, reasonBlobDigest},
		stage: func(w *World, next Spec) (func() error, error) {
			p, err := w.Publish(next)
			if err != nil {
				return nil, err
			}
			archive := archiveOf(page("index.html", "<h1>resealed</h1>"))
			packed, err := pack(bytes.NewReader(archive))
			if err != nil {
				return nil, err
			}
			forged, err = encrypt(packed, p.ContentKey, associatedData("full", p.Release.App, p.Release.Archive.Digest, nil))
			return func() error { return nil }, err
		},
		edge: func(*Hostile) (edge, error) {
			return on(blobDocument, func(out http.ResponseWriter, _ *http.Request) { _, _ = out.Write(forged) }), nil
		},
	}
}

// logAttacks are those of a thief of the log key who shows another history.
func logAttacks() []Attack {
	fork := func(name, title string, rewrite func(w *World, size int64) error) Attack {
		return Attack{
			Name: name, Title: title, Stolen: stolenLog, Kind: sealift.KindSignature, Reasons: []string{reasonLog},
			stage: func(w *World, next Spec) (func() error, error) {
				size, restore := w.saveLog()
				if err := rewrite(w, size); err != nil {
					return nil, err
				}
				_, err := w.Publish(next)
				return func() error { restore(); _, err := w.Publish(next); return err }, err
			},
		}
	}
	return []Attack{
		fork("log-forked", "a log of another history, longer than the one the device saw", func(w *World, size int64) error {
			w.ForkLog(0)
			for n := range size {
				if err := w.AppendLog(fmt.Appendf(nil, "another history %d\n", n)); err != nil {
					return err
				}
			}
			return nil
		}),
		fork("log-truncated", "a log that forgot its last entries", func(w *World, size int64) error {
			w.ForkLog(size / 2)
			return nil
		}),
		{
			Name: "log-begun-anew", Title: "a log begun anew under a key that no trust.json vouches for", Stolen: stolenDirector,
			Kind: sealift.KindSignature, Reasons: []string{reasonLog}, stage: logBegunAnew,
		},
		{
			Name: "log-left-out", Title: "a release that is not in the log", Stolen: stolenRelease,
			Kind: sealift.KindSignature, Reasons: []string{reasonLog}, stage: publishing(Spec{SkipLog: true}),
		},
	}
}

// logBegunAnew is what people do after a restore that lost entries, done by
// somebody who has no targets key.
func logBegunAnew(w *World, next Spec) (func() error, error) {
	size, restore := w.saveLog()
	own, _, err := newLogKey(w.Vault)
	if err != nil {
		return nil, err
	}
	honest := w.LogKey
	w.ForkLog(size / 2)
	w.LogKey = own
	_, err = w.Publish(next)
	return func() error { restore(); w.LogKey = honest; _, err := w.Publish(next); return err }, err
}
