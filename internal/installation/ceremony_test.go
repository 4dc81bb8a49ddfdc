package installation_test

import (
	"bytes"
	"crypto"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/ceremony"
	"github.com/sealift/sealift/internal/control/api"
	"github.com/sealift/sealift/trust/tufrepo"
)

// hold holds a ceremony of one person over the root, and publishes it.
func (d *drill) hold(folder *ceremony.Folder, change ceremony.RootChange) *ceremony.Proposal {
	d.Helper()
	p := d.proposeRoot(folder, change)
	_, err := d.api.AcceptRoot(d.Context(), api.Ceremony{Root: p.Next, Targets: p.Targets, Trust: p.Trust})
	d.check(err)
	_, err = folder.Finish(p)
	d.check(err)
	return p
}

// TestTargetsKeyReplaced: a targets key is lost, and another one takes its place
// while devices are behind by two roots. They go on, and so does who is new; what
// the lost key signs counts no more.
func TestTargetsKeyReplaced(t *testing.T) {
	d := newDrill(t)
	d.mustPublish("1.0.0")
	behind := d.device()
	d.takes(behind, "1.0.0")
	old, err := targetsKey()
	d.check(err)
	folder := d.keysFolder() // for all of it: a key that was opened need not be again
	d.hold(folder, ceremony.RootChange{})
	p := d.hold(folder, ceremony.RootChange{Replace: []string{"targets-1"}})
	if next, err := tufrepo.ReadRoot(p.Next); err != nil || next.Version != 3 || p.Targets == nil {
		t.Fatalf("%+v, %v, targets.json of %d bytes", next, err, len(p.Targets))
	}
	d.mustPublish("2.0.0")
	d.takes(behind, "2.0.0")
	d.takes(d.device(), "2.0.0") // it is built with the newest root

	before, info, err := folder.Documents()
	d.check(err)
	trustJSON, err := before.Encode()
	d.check(err)
	forged, err := tufrepo.SignTargets(tufrepo.Targets{
		Version: info.Version + 1, Expires: d.now().Add(sealift.TargetsLife), Trust: trustJSON, Director: tufrepo.Role{Keys: d.anchors().Director, Threshold: 1},
	}, []crypto.Signer{old})
	d.check(err)
	_, err = d.api.AcceptRoot(d.Context(), api.Ceremony{Targets: forged, Trust: trustJSON})
	d.wantRefusal(err, sealift.KindMetadata, "targets")

	// The new key signs what comes next, and devices follow.
	q, err := folder.Propose(*before, d.anchors(), d.now())
	d.check(err)
	d.check(folder.Sign(q, sayPassphrase))
	accepted, err := d.api.AcceptRoot(d.Context(), api.Ceremony{Targets: q.Targets, Trust: q.Trust})
	d.check(err)
	if accepted.Targets != info.Version+1 || bytes.Equal(q.Targets, forged) {
		t.Errorf("%+v", accepted)
	}
	d.mustPublish("2.1.0")
	d.takes(behind, "2.1.0")
}
