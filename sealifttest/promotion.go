package sealifttest

import (
	"crypto/x509"
	"strings"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/trust"
)

// promotionAttacks are on what the vault makes of a release in another channel.
func promotionAttacks() []Attack {
	return []Attack{
		{
			Name: "promotion-for-another-channel", Title: "an honest promotion to another channel, offered in this one", Stolen: stolenDirector,
			Kind: sealift.KindVersion, Reasons: []string{"channel"}, stage: publishing(Spec{Channel: "staging", Act: sealift.ActPromotion}),
		},
		{
			Name: "promotion-as-release", Title: "a promotion under a leaf that was certified for a release", Stolen: stolenRelease,
			Kind: sealift.KindChain, Reasons: []string{"binding"}, stage: actMixedUp(sealift.ActPromotion, sealift.ActRelease),
		},
		{
			Name: "release-as-promotion", Title: "a release under a leaf that was certified for a promotion", Stolen: stolenRelease,
			Kind: sealift.KindChain, Reasons: []string{"binding"}, stage: actMixedUp(sealift.ActRelease, sealift.ActPromotion),
		},
		{
			Name: "content-key-of-another-channel", Title: "a promotion whose content key is sealed to the epoch of the channel that it came from", Stolen: stolenRelease,
			Kind: sealift.KindIntegrity, Reasons: []string{"content_key"}, stage: notResealed,
		},
	}
}

// actMixedUp publishes a release of act under a leaf that binds everything as it is,
// but for another act.
func actMixedUp(act, bound sealift.Act) func(*World, Spec) (func() error, error) {
	return publishing(Spec{Act: act, BendTemplate: func(c *x509.Certificate) {
		uri := *c.URIs[0]
		uri.Opaque = strings.Replace(uri.Opaque, "/"+string(act)+"/", "/"+string(bound)+"/", 1)
		c.URIs[0] = &uri
	}})
}

// notResealed moves a release of another channel on, archive and blobs, with the
// content key as it is.
func notResealed(w *World, next Spec) (func() error, error) {
	tested := next
	tested.Channel = "staging"
	source, err := w.Prepare(tested)
	if err != nil {
		return nil, err
	}
	return publishing(Spec{Act: sealift.ActPromotion, BendRelease: func(r *trust.Release) {
		r.Archive, r.Blobs, r.ContentKey = source.Release.Archive, source.Release.Blobs, source.Release.ContentKey
	}})(w, next)
}
