package release_test

import (
	"bytes"
	"context"
	"crypto"
	"maps"
	"slices"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/control/service"
	"github.com/sealift/sealift/internal/store"
	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust"
	"github.com/sealift/sealift/trust/tufrepo"
)

// TestAcceptRoot is one test, since there is one chain of roots.
func TestAcceptRoot(t *testing.T) {
	b := newBench(t)
	sign := func(bend func(*tufrepo.Root), signers ...crypto.Signer) []byte {
		next := b.root
		next.Version = 2
		if bend != nil {
			bend(&next)
		}
		signed, err := tufrepo.SignRoot(next, append(signers, b.people))
		b.check(err)
		return signed
	}
	one := func(key crypto.Signer) tufrepo.Role {
		return tufrepo.Role{Keys: []crypto.PublicKey{key.Public()}, Threshold: 1}
	}
	stranger := sealifttest.NewKey()
	present, before := b.trusted()
	at := func(counter sealift.Counter) trust.Trust {
		t := *present
		t.Apps = map[sealift.AppID]trust.AppTrust{}
		maps.Copy(t.Apps, present.Apps)
		t.Apps[b.app] = trust.AppTrust{Floor: trust.Floor{Counter: counter}}
		return t
	}
	floors, lower := at(5), at(4)
	foreign := b.anchors.Trust
	foreign.Vault = "ffffffffffffffffffffffffffffffff"
	with := func(root []byte, version int64, t trust.Trust) service.Ceremony { // version 1 is the present one
		targets, trustJSON, err := b.targets(before+version-1, t)
		b.check(err)
		return service.Ceremony{Root: root, Targets: targets, Trust: trustJSON}
	}
	current, err := b.Root(b.Context())
	b.check(err)

	refused := func(what, reason string, outcome service.Ceremony) {
		t.Helper()
		before := b.timestamp()
		_, err := b.AcceptRoot(b.Context(), alice, outcome)
		wantRefusal(t, what, err, sealift.KindMetadata, reason)
		if now, err := b.Root(b.Context()); err != nil || !bytes.Equal(now, current) {
			t.Errorf("%s: it is published all the same (%v)", what, err)
		}
		if !bytes.Equal(before, b.timestamp()) {
			t.Errorf("%s: something was signed", what)
		}
	}
	refused("skipped version", "root", service.Ceremony{Root: sign(func(r *tufrepo.Root) { r.Version = 3 })})
	refused("the same version", "root", service.Ceremony{Root: sign(func(r *tufrepo.Root) { r.Version = 1; r.Expires = r.Expires.AddDate(1, 0, 0) })})
	unsigned, err := tufrepo.SignRoot(tufrepo.Root{Version: 2, Expires: b.root.Expires, Root: one(stranger), Targets: b.root.Targets, Snapshot: b.root.Snapshot, Timestamp: b.root.Timestamp}, []crypto.Signer{stranger})
	b.check(err)
	refused("not by the present quorum", "root", service.Ceremony{Root: unsigned})
	refused("not by its own quorum", "root", service.Ceremony{Root: sign(func(r *tufrepo.Root) { r.Root = one(stranger) })})
	refused("garbled", "root", service.Ceremony{Root: []byte("{")})
	refused("foreign snapshot key", "online", service.Ceremony{Root: sign(func(r *tufrepo.Root) { r.Snapshot = one(stranger) })})
	refused("foreign timestamp key", "online", service.Ceremony{Root: sign(func(r *tufrepo.Root) { r.Timestamp = one(stranger) })})
	refused("foreign targets key, old targets.json", "targets", service.Ceremony{Root: sign(func(r *tufrepo.Root) { r.Targets = one(stranger) })})
	refused("targets.json of a stranger", "targets", service.Ceremony{Root: sign(nil), Targets: []byte("{}"), Trust: []byte("{}")})
	bent := with(sign(nil), 2, floors)
	bent.Trust = append(slices.Clone(bent.Trust), ' ')
	refused("another trust.json than the signed one", "targets", bent)
	refused("trust.json of another vault", "trust", with(sign(nil), 2, foreign))
	refused("nothing but a trust.json under the wrong version", "targets", with(nil, 1, floors))
	noCA := floors
	noCA.ReleaseCAs = noCA.ReleaseCAs[1:] // the standby alone
	refused("a trust.json without the release CA in use", "online", with(nil, 2, noCA))
	noLog := floors
	noLog.Log.Keys = noLog.Log.Keys[1:]
	refused("a trust.json without the log key in use", "online", with(nil, 2, noLog))
	noDeviceCA := floors
	noDeviceCA.DeviceCAs = noDeviceCA.DeviceCAs[1:]
	refused("a trust.json without the device CA in use", "online", with(nil, 2, noDeviceCA))
	refused("a root that is over", "expired", service.Ceremony{Root: sign(func(r *tufrepo.Root) { r.Expires = b.clock })})

	accepted, err := b.AcceptRoot(b.Context(), alice, with(sign(nil), 2, floors))
	b.check(err)
	if accepted.Version != 2 {
		t.Errorf("version %d", accepted.Version)
	}
	current, err = b.Root(b.Context())
	b.check(err)
	again, err := b.AcceptRoot(b.Context(), alice, service.Ceremony{Root: current})
	if err != nil || again.Version != accepted.Version || again.Digest != accepted.Digest {
		t.Errorf("accepted again: %v, %v", again, err)
	}
	if again, err := b.AcceptRoot(b.Context(), alice, with(nil, 2, floors)); err != nil || again.Targets != accepted.Targets || again.Digest != accepted.Digest {
		t.Errorf("its targets.json accepted again: %v, %v", again, err)
	}
	third := sign(func(r *tufrepo.Root) { r.Version = 3 })
	refused("a floor that falls", "trust", with(third, 3, lower))
	refused("an older targets.json", "targets", with(third, 1, floors))

	// A new root key takes over, and what was refused before is refused still.
	accepted, err = b.AcceptRoot(b.Context(), alice, service.Ceremony{Root: sign(func(r *tufrepo.Root) { r.Version = 3; r.Root = one(stranger) }, stranger)})
	if err != nil || accepted.Version != 3 {
		t.Fatalf("%v, %v", accepted, err)
	}
	current, err = b.Root(b.Context())
	b.check(err)
	refused("the old root key alone", "root", service.Ceremony{Root: sign(func(r *tufrepo.Root) { r.Version = 4 })})

	// Under the new floor counters below 5 are not published any more.
	w := b.reserve("1.0.0")
	b.upload(w)
	b.sign(w)
	_, err = b.submit(w)
	wantRefusal(t, "below the floor", err, sealift.KindVersion, "floor")
	for range 4 {
		w = b.reserve("1.0.0")
	}
	b.upload(w)
	b.sign(w)
	if r, err := b.submit(w); err != nil || r.Counter < 5 {
		t.Errorf("above the floor: %v, %v", r.Counter, err)
	}
}

// timestamp returns the newest timestamp.
func (b *bench) timestamp() (content []byte) {
	b.Helper()
	b.view(func(tx store.Tx) error {
		m, err := tx.Metadata(context.Background(), "timestamp")
		content = m.Content
		return err
	})
	return content
}
