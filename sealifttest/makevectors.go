package sealifttest

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/trust"
)

// MakeVectors makes all Vectors anew, with new keys, and runs each of them.
func MakeVectors(now time.Time) ([]Vector, error) {
	w, err := New(now)
	if err != nil {
		return nil, err
	}
	first, err := w.Baseline()
	if err != nil {
		return nil, err
	}
	device := VectorDevice{
		App: Default.App, Channel: Default.Channel, Platform: Default.Platform, Runtime: "2.0.0",
		Confirmed: first.Release.Counter, Installed: &VectorInstalled{Release: first.Candidate.Release.Digest, Version: first.Release.Version, Sound: true},
	}
	maker := vectorMaker{world: w, device: device}
	fresh := device
	fresh.Confirmed, fresh.Installed = 0, nil
	v, err := maker.vector(w, fresh, "good-first", "a new device takes a release")
	if err != nil {
		return nil, err
	}
	if maker.seen, err = v.state(); err != nil {
		return nil, err
	}
	maker.all = append(maker.all, v)
	if err := errors.Join(maker.good(), maker.bent(), maker.stolen(), maker.patches()); err != nil {
		return nil, err
	}
	for i := range maker.all {
		v := &maker.all[i]
		files, err := v.Run()
		if sealift.KindOf(err) != v.Want.Kind || sealift.ReasonOf(err) != v.Want.Reason {
			return nil, fmt.Errorf("vector %s: got %v, want %v", v.Name, err, v.Want)
		}
		v.Files = files
	}
	return maker.all, nil
}

// vectorMaker holds a World whose device has taken the Baseline.
type vectorMaker struct {
	world  *World
	device VectorDevice
	seen   trust.Seen
	all    []Vector
}

// state returns the log's state after the vector was taken.
func (v Vector) state() (trust.Seen, error) {
	verified, err := v.verify()
	if err != nil {
		return trust.Seen{}, err
	}
	return verified.Log, nil
}

// vector collects what a device of w is offered now.
func (m *vectorMaker) vector(w *World, device VectorDevice, name, title string) (Vector, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	v := Vector{Name: name, Title: title, Device: device, Seen: m.seen, Now: trust.At(w.now), Tiles: map[string][]byte{}}
	t, err := w.Trust.Encode()
	if err != nil {
		return v, err
	}
	deny, err := w.Deny.Encode()
	if err != nil {
		return v, err
	}
	p := w.offered
	v.Trust, v.Deny, v.Release, v.Proof = string(t), string(deny), string(p.ReleaseJSON), string(p.Proof)
	v.Blob = w.files["blobs/"+p.Release.Full().Digest.String()]
	for _, older := range w.history {
		if patch, ok := p.Release.Patch(sealift.DigestOf(older.Archive)); ok {
			v.Base, v.Blob = older.Archive, w.files["blobs/"+patch.Digest.String()]
		}
	}
	for path, tile := range w.files {
		if strings.HasPrefix(path, "log/tile/") {
			v.Tiles[path] = tile
		}
	}
	v.Epoch, err = w.epochs[trust.EpochPath(p.Release.App, p.Release.Channel)][p.Release.Epoch.Number-1].MarshalSecret()
	return v, err
}

// add makes a vector of a World that change changed.
func (m *vectorMaker) add(name, title string, want VectorWant, change func(*World, *VectorDevice) error) error {
	w, device := m.world.Clone(), m.device
	installed := *device.Installed
	device.Installed = &installed
	if err := change(w, &device); err != nil {
		return fmt.Errorf("making %s: %w", name, err)
	}
	v, err := m.vector(w, device, name, title)
	v.Want = want
	m.all = append(m.all, v)
	return err
}

func (m *vectorMaker) good() error {
	publish := func(spec Spec) func(*World, *VectorDevice) error {
		return func(w *World, _ *VectorDevice) error { _, err := w.Publish(spec); return err }
	}
	archive := archiveOf(executable("bin/run", "#!/bin/sh\n"), page("empty", ""), page("index.html", "<h1>1.1.0</h1>\n"),
		page(strings.Repeat("long/", 30)+"name.txt", "a path that takes both fields of a header\n"))
	rollback := &trust.Rollback{From: []sealift.Digest{m.device.Installed.Release}, NotAfter: trust.At(m.world.Now().Add(time.Hour)), Reason: "white screen"}
	return errors.Join(
		m.add("good-next", "a device takes the next release", VectorWant{}, publish(Spec{Version: "1.1.0"})),
		m.add("good-files", "a release with an empty file, an executable one and a long path", VectorWant{}, publish(Spec{Version: "1.1.0", Archive: archive})),
		m.add("good-rollback", "a device goes back by authority", VectorWant{}, publish(Spec{Version: "0.9.0", Act: sealift.ActRollback, Rollback: rollback})),
		m.add("good-promotion", "a device takes what was moved on from another channel", VectorWant{}, publish(Spec{Version: "1.1.0", Act: sealift.ActPromotion})),
		m.add("good-reissue", "a device takes what was issued anew above a hotfix", VectorWant{}, publish(Spec{Version: "1.1.0", Act: sealift.ActReissue})),
		m.add("good-runtime", "a release for a range that holds the device's runtime", VectorWant{}, publish(Spec{Version: "1.1.0", Runtime: ">=2.0.0 <3.0.0"})),
		m.add("good-cosigned", "a release with the co-signers that the app demands", VectorWant{}, func(w *World, _ *VectorDevice) error {
			honest, err := cosigners(w, Spec{Version: "1.1.0"})
			if err != nil {
				return err
			}
			return honest()
		}),
		m.add("good-recovery", "a device that followed a thief takes a lower counter", VectorWant{}, func(w *World, d *VectorDevice) error {
			d.Confirmed, d.Installed.Version, d.Installed.Sound = 900_000, "99.0.0", false
			_, err := w.Publish(Spec{Version: "1.1.0"})
			return err
		}),
	)
}

// executable is page with the executable bit.
func executable(name, content string) entry {
	e := page(name, content)
	e.Mode = 0o755
	return e
}

// bent are vectors of what the delivery could do to the last two inputs.
func (m *vectorMaker) bent() error {
	bend := func(name, title, reason string, change func(*Vector)) error {
		err := m.add(name, title, VectorWant{sealift.KindIntegrity, reason}, func(w *World, _ *VectorDevice) error {
			_, err := w.Publish(Spec{Version: "1.1.0"})
			return err
		})
		change(&m.all[len(m.all)-1])
		return err
	}
	return errors.Join(
		bend("blob-tampered", "a bundle with one bit flipped", reasonBlobDigest, func(v *Vector) { v.Blob = garble(v.Blob) }),
		bend("blob-truncated", "the first half of a bundle", reasonBlobLength, func(v *Vector) { v.Blob = v.Blob[:len(v.Blob)/2] }),
		bend("blob-longer", "a bundle with a byte more", reasonBlobLength, func(v *Vector) { v.Blob = append(bytes.Clone(v.Blob), 0) }),
		bend("release-stripped", "release.json without its signatures", "unsigned", func(v *Vector) {
			v.Release, v.Want.Kind = string(strip([]byte(v.Release))), sealift.KindSignature
		}),
		m.add("signed-by-another", "a release whose signature is another key's", VectorWant{sealift.KindSignature, "signature"}, func(w *World, _ *VectorDevice) error {
			p, err := w.Publish(Spec{Version: "1.1.0"})
			if err != nil {
				return err
			}
			return p.signAgain(w.published(sealift.ActRelease).Leaf)
		}),
	)
}

// signAgain signs the payload by another key and keeps the leaf.
func (p *Published) signAgain(key crypto.Signer) error {
	envelope, err := trust.Sign(trust.ReleasePayloadType, p.Payload, key)
	if err != nil {
		return err
	}
	signed, err := trust.ParseReleaseEnvelope(envelope)
	if err != nil {
		return err
	}
	leaf, err := x509.ParseCertificate(p.Certificate)
	if err != nil {
		return err
	}
	p.ReleaseJSON, err = trust.AssembleRelease(signed, leaf.Raw)
	return err
}

// stolen are vectors of the attacks with stolen keys on a release.
func (m *vectorMaker) stolen() error {
	for _, a := range Attacks() {
		if a.stage == nil || a.edge != nil || a.lure != nil || a.Fresh || a.Kind == sealift.KindMetadata {
			continue
		}
		err := m.add(a.Name, a.Title, VectorWant{a.Kind, a.Reasons[0]}, func(w *World, _ *VectorDevice) error {
			_, err := a.Stage(w, Spec{Version: "1.1.0"})
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// patches are vectors of patches against what the device has installed.
func (m *vectorMaker) patches() error {
	publish := func(bend func(*patchDraft) error) func(*World, *VectorDevice) error {
		return func(w *World, _ *VectorDevice) error {
			_, err := w.Publish(Spec{Version: "1.1.0", Bases: w.Offered(), bendPatch: bend})
			return err
		}
	}
	bend := func(name, title, reason string, change func(*Vector)) error {
		err := m.add(name, title, VectorWant{sealift.KindIntegrity, reason}, publish(nil))
		change(&m.all[len(m.all)-1])
		return err
	}
	err := errors.Join(
		m.add("good-patch", "a patch without pieces", VectorWant{}, publish(nil)),
		m.add("good-patch-pieces", "a patch whose dictionary ends with two pieces of the older archive", VectorWant{}, publish((*patchDraft).writePieces)),
		bend("patch-tampered", "a patch with one bit flipped", reasonBlobDigest, func(v *Vector) { v.Blob = garble(v.Blob) }),
		bend("patch-truncated", "the first half of a patch", reasonBlobLength, func(v *Vector) { v.Blob = v.Blob[:len(v.Blob)/2] }),
	)
	for _, a := range patchTheftAttacks() {
		err = errors.Join(err, m.add(a.Name, a.Title, VectorWant{a.Kind, a.Reasons[0]}, func(w *World, _ *VectorDevice) error {
			_, err := a.Stage(w, Spec{Version: "1.1.0"})
			return err
		}))
	}
	return err
}
