package ceremony

import (
	"crypto/x509"
	"slices"
	"strings"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/trust"
)

// Defaults is the app of a Change that stands for all apps that trust.json does
// not name.
const Defaults sealift.AppID = ""

// Change is what people want to be different in the next trust.json. The CAs and
// log keys are those of the vault's anchors, whatever stood there before.
type Change struct {
	Floors  map[sealift.AppID]trust.Floor // raise; a part that is zero stays
	Revoke  []trust.Revocation
	AddCA   [][]byte         // release CAs, DER
	DropCA  []sealift.Digest // release CAs, by SHA-256 of their SubjectPublicKeyInfo
	Confirm *trust.Deny      // make all of this permanent

	AddCosigners  map[sealift.AppID][]trust.Cosigner
	DropCosigners map[sealift.AppID][]string // by trust.KeyID, or its beginning
	Needed        map[sealift.AppID]int      // how many of an app's co-signers must sign
}

const changeOp = "changing trust.json"

// Apply returns the trust.json that follows present, with the CAs and log keys of
// anchors. What may never be is refused: a floor that falls, a revocation that
// disappears, a threshold that nobody can fill, no release CA, a document that
// devices would not read.
func (c Change) Apply(present trust.Trust, anchors Anchors) (trust.Trust, error) {
	next := present
	next.ReleaseCAs, next.DeviceCAs, next.Log = slices.Clone(anchors.Trust.ReleaseCAs), anchors.Trust.DeviceCAs, anchors.Trust.Log
	next.Revoked = slices.Clone(present.Revoked)
	next.Apps = map[sealift.AppID]trust.AppTrust{}
	for app, own := range present.Apps {
		next.Apps[app] = own
	}
	for _, revoked := range slices.Concat(c.Revoke, c.confirmed().Revoked) {
		if !slices.Contains(next.Revoked, revoked) {
			next.Revoked = append(next.Revoked, revoked)
		}
	}
	for _, floors := range []map[sealift.AppID]trust.Floor{c.Floors, c.confirmed().Floors} {
		for app, floor := range floors {
			edit(&next, app, func(own *trust.AppTrust) { own.Floor = own.Floor.Or(floor) })
		}
	}
	if err := c.editCAs(&next); err != nil {
		return next, err
	}
	if err := c.editCosigners(&next); err != nil {
		return next, err
	}
	if err := c.lowered(present); err != nil {
		return next, err
	}
	if err := next.Follows(&present); err != nil {
		return next, sealift.Errorf(sealift.KindInvalid, changeOp, "%w", err).WithReason("trust").
			WithHint("see what stands there now with: sealift trust show")
	}
	return next, nil
}

func (c Change) confirmed() *trust.Deny {
	if c.Confirm == nil {
		return &trust.Deny{}
	}
	return c.Confirm
}

// lowered refuses a floor that was named and is under the present one: raising it
// would do nothing, and whoever named it meant something.
func (c Change) lowered(present trust.Trust) error {
	for app, floor := range c.Floors {
		have := present.Of(app).Floor
		if floor.Counter != 0 && floor.Counter < have.Counter || floor.Version != "" && have.Version != "" && floor.Version.Compare(have.Version) < 0 {
			return sealift.Errorf(sealift.KindInvalid, changeOp, "the floor of %s is higher already, and floors never fall", nameOf(app)).WithReason("floor").
				WithHint("see what stands there now with: sealift trust show")
		}
	}
	return nil
}

// edit changes what t says of an app. One that it does not name begins with the
// defaults, so that nothing that held for it is lost.
func edit(t *trust.Trust, app sealift.AppID, change func(*trust.AppTrust)) {
	own := t.Of(app)
	own.Cosigners = slices.Clone(own.Cosigners)
	change(&own)
	if app == Defaults {
		t.Defaults = own
	} else {
		t.Apps[app] = own
	}
}

func (c Change) editCAs(next *trust.Trust) error {
	for _, der := range c.AddCA {
		if _, err := trust.ParseCA(der); err != nil {
			return sealift.Errorf(sealift.KindInvalid, changeOp, "release CA: %w", err).WithReason("ca").
				WithHint("a release CA is self-signed, on P-384 or RSA-4096, and may certify leaves alone")
		}
		if !slices.ContainsFunc(next.ReleaseCAs, func(ca trust.CA) bool { return slices.Equal(ca.Certificate, der) }) {
			next.ReleaseCAs = append(next.ReleaseCAs, trust.CA{Certificate: der})
		}
	}
	for _, issuer := range slices.Concat(c.DropCA, c.confirmed().SuspendedCAs) {
		left := slices.DeleteFunc(slices.Clone(next.ReleaseCAs), func(ca trust.CA) bool { return issuerOf(ca) == issuer })
		if len(left) == len(next.ReleaseCAs) && slices.Contains(c.DropCA, issuer) {
			return sealift.Errorf(sealift.KindNotFound, changeOp, "there is no release CA %s", issuer).WithReason("ca").
				WithHint("see which there are with: sealift trust show")
		}
		next.ReleaseCAs = left
	}
	if len(next.ReleaseCAs) == 0 {
		return sealift.Errorf(sealift.KindInvalid, changeOp, "no release CA would be left: devices would take nothing any more").WithReason("ca").
			WithHint("let another one take its place first: sealift key rotate release-ca")
	}
	return nil
}

func issuerOf(ca trust.CA) sealift.Digest {
	cert, err := x509.ParseCertificate(ca.Certificate)
	if err != nil {
		return sealift.Digest{}
	}
	return trust.IssuerOf(cert)
}

func (c Change) editCosigners(next *trust.Trust) error {
	for app, dropped := range c.DropCosigners {
		for _, id := range dropped {
			found := 0
			edit(next, app, func(own *trust.AppTrust) {
				own.Cosigners = slices.DeleteFunc(own.Cosigners, func(k trust.Cosigner) bool {
					match := strings.HasPrefix(CosignerID(k), id)
					if match {
						found++
					}
					return match
				})
			})
			if id == "" || found != 1 {
				return sealift.Errorf(sealift.KindNotFound, changeOp, "%d co-signers of %s have a key whose id begins with %q", found, nameOf(app), id).WithReason("cosigner").
					WithHint("see which there are with: sealift trust show")
			}
		}
	}
	for app, added := range c.AddCosigners {
		edit(next, app, func(own *trust.AppTrust) {
			for _, k := range added {
				if !slices.ContainsFunc(own.Cosigners, func(have trust.Cosigner) bool { return slices.Equal(have.PublicKey, k.PublicKey) }) {
					own.Cosigners = append(own.Cosigners, k)
				}
			}
		})
	}
	for app, needed := range c.Needed {
		edit(next, app, func(own *trust.AppTrust) { own.CosignersNeeded = needed })
		if own := next.Of(app); needed < 0 || needed > len(own.Cosigners) {
			return sealift.Errorf(sealift.KindInvalid, changeOp, "%d signatures of %d co-signers cannot be had for %s", needed, len(own.Cosigners), nameOf(app)).WithReason("cosigners").
				WithHint("name as many keys with --cosigner, or ask for fewer with --cosigners-needed")
		}
	}
	return nil
}

// CosignerID is the trust.KeyID of a co-signer's key.
func CosignerID(k trust.Cosigner) string { return sealift.DigestOf(k.PublicKey).String() }

func nameOf(app sealift.AppID) string {
	if app == Defaults {
		return "the apps that are not named"
	}
	return string(app)
}
