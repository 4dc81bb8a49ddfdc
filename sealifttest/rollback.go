package sealifttest

import (
	"crypto/x509"
	"errors"
	"strings"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/trust"
)

// rollbackAttacks are on what takes devices back, and on what is issued anew.
func rollbackAttacks() []Attack {
	return []Attack{
		{
			Name: "rollback-under-the-floor", Title: "a roll-back from what the device runs, to what is under the floor", Stolen: stolenRelease,
			Kind: sealift.KindVersion, Reasons: []string{"floor"}, stage: backUnderFloor,
		},
		{
			Name: "rollback-as-release", Title: "a roll-back from what the device runs, under a leaf that was certified for a release", Stolen: stolenRelease,
			Kind: sealift.KindChain, Reasons: []string{"binding"}, stage: backFromInstalled(func(s *Spec, _ *Published) {
				s.BendTemplate = func(c *x509.Certificate) {
					uri := *c.URIs[0]
					uri.Opaque = strings.Replace(uri.Opaque, "/"+string(sealift.ActRollback)+"/", "/"+string(sealift.ActRelease)+"/", 1)
					c.URIs[0] = &uri
				}
			}),
		},
		{
			Name: "reissue-as-rollback", Title: "an older version, issued anew above what the device runs", Stolen: stolenRelease,
			Kind: sealift.KindVersion, Reasons: []string{"not-newer"}, stage: publishing(Spec{Version: "0.9.0", Act: sealift.ActReissue}),
		},
		{
			Name: "reissue-of-another-archive", Title: "what the device runs, issued anew with another archive", Stolen: stolenRelease,
			Kind: sealift.KindVersion, Reasons: []string{"not-newer"}, stage: backFromInstalled(func(s *Spec, have *Published) {
				s.Act, s.Rollback, s.Version = sealift.ActReissue, nil, have.Release.Version
			}),
		},
	}
}

// backFromInstalled publishes a roll-back that names what was offered last, as bend
// changes it.
func backFromInstalled(bend func(s *Spec, have *Published)) func(*World, Spec) (func() error, error) {
	return func(w *World, next Spec) (func() error, error) {
		offered := w.Offered()
		if len(offered) == 0 {
			return nil, errors.New("call Baseline before")
		}
		have := offered[0]
		spec := Spec{Version: "0.9.0", Act: sealift.ActRollback, Rollback: &trust.Rollback{
			From: []sealift.Digest{have.Candidate.Release.Digest}, NotAfter: trust.At(w.Now().Add(time.Hour)), Reason: "white screen",
		}}
		bend(&spec, have)
		return publishing(spec)(w, next)
	}
}

func backUnderFloor(w *World, next Spec) (func() error, error) {
	return backFromInstalled(func(s *Spec, have *Published) {
		w.Deny.Floors[have.Release.App] = trust.Floor{Version: have.Release.Version}
	})(w, next)
}
