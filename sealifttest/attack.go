package sealifttest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sealift/sealift"
)

// Attack is something that somebody tries on a device, and how the device must
// refuse it. A test of a device is one loop over Attacks:
//
//	world, _ := sealifttest.New(now)
//	hostile := sealifttest.NewHostile(world)          // serve it to the device
//	first, _ := world.Baseline()                      // the device takes this one
//	for a.Lure() { … }                                // see Lure
//	honest, _ := a.Stage(world, next)                 // the world moves on, or the thief
//	_ = hostile.Mount(a)                              // the edge turns
//	device.Update()                                   // refused: a.Kind, one of a.Reasons
//	hostile.Unmount(); honest()                       // and the device takes next
//
// An attack that needs no stolen key (Delivery) can be mounted before any
// server: wrap a reverse proxy with NewHostile.
type Attack struct {
	Name  string // of words and hyphens: "blob-tampered"
	Title string // one line that a person understands
	// Stolen is what the attacker holds besides the delivery: "" is nothing.
	Stolen string
	// Kind and Reasons are how the device refuses: with this kind, and one of
	// these reasons; any reason will do where none is named.
	Kind    sealift.Kind
	Reasons []string
	// Fresh attacks are on what a device fetches once and keeps. They bite a
	// device that is new to the server. Stage makes them bite every device.
	Fresh bool
	// Later is how far the device's clock goes on before it meets the attack.
	// Stage moves the World's time on by as much.
	Later time.Duration

	patch bool // one of PatchAttacks
	lure  func(*World) error
	stage func(*World, Spec) (honest func() error, err error)
	edge  func(*Hostile) (edge, error) // nil: the edge does nothing of its own
}

// Delivery reports whether the attack needs nothing but the delivery, so that
// Mount alone makes it, before any server.
func (a Attack) Delivery() bool { return a.stage == nil }

// Lured reports whether the device must update once between Lure and Stage,
// which it does without an error and without a new release.
func (a Attack) Lured() bool { return a.lure != nil }

// Lure does what the device must have met before the attack; most attacks have
// none.
func (a Attack) Lure(w *World) error {
	if a.lure == nil {
		return nil
	}
	return a.lure(w)
}

// Stage makes the World ready for the attack. For a delivery attack it
// publishes next, honestly; else it does what the thief does instead. After
// Unmount, calling honest makes the World one whose next release the device
// must take.
func (a Attack) Stage(w *World, next Spec) (honest func() error, err error) {
	w.Advance(a.Later)
	if a.patch {
		if next.Bases = w.Offered(); next.Bases == nil {
			return nil, errors.New("nothing was offered yet that a device could have installed")
		}
	}
	if a.stage != nil {
		return a.stage(w, next)
	}
	if a.Fresh {
		if err := w.Renew(); err != nil {
			return nil, fmt.Errorf("renewing: %w", err)
		}
	}
	_, err = w.Publish(next)
	return func() error { return w.Direct() }, err
}

// Refused says whether err is the refusal that the attack must meet, and if
// not, what is wrong with it. What is longer than what was signed may be given
// up as nonsense from the network before it is looked at.
func (a Attack) Refused(err error) error {
	kind, reason := sealift.KindOf(err), sealift.ReasonOf(err)
	tooLong := a.Delivery() && a.Kind == sealift.KindMetadata && kind == sealift.KindNetwork && reason == "too-long"
	if !tooLong && !a.meets(kind, reason) {
		return fmt.Errorf("attack %s: got %q/%q (%v), want %q/%q", a.Name, kind, reason, err, a.Kind, a.Reasons)
	}
	return nil
}

// Dropped is Refused for one of PatchAttacks: kind and reason are why the device
// dropped the patch, empty if it did not.
func (a Attack) Dropped(kind sealift.Kind, reason string) error {
	if !a.meets(kind, reason) {
		return fmt.Errorf("attack %s: the patch was dropped for %q/%q, want %q/%q", a.Name, kind, reason, a.Kind, a.Reasons)
	}
	return nil
}

func (a Attack) meets(kind sealift.Kind, reason string) bool {
	return kind == a.Kind && (len(a.Reasons) == 0 || slices.Contains(a.Reasons, reason))
}

// PatchAttacks returns the attacks that are on a patch alone, and must not keep a
// device from the release: it drops the patch, which Dropped judges, takes the
// whole bundle and installs what Stage published. A device that takes no patches
// fetches none, and meets none of them. They come after the World offered
// something that the device has installed.
//
// The attacks on blobs among Attacks are on patches and whole bundles alike: a
// device that drops the patch of a release meets the same again, and refuses.
func PatchAttacks() []Attack { return slices.Concat(patchDeliveryAttacks(), patchTheftAttacks()) }

// Attacks returns the catalogue, in the order in which a device meets what is
// attacked: a single device can go through all delivery attacks in a row, each
// time offered the same release. Names are unique.
func Attacks() []Attack {
	return slices.Concat(
		documentAttacks(), answerAttacks(), blobAttacks("blob", "a bundle"),
		stolenOnlineKeyAttacks(), assignmentAttacks(), stolenReleaseKeyAttacks(), promotionAttacks(), rollbackAttacks(), logAttacks(), stolenVaultKeyAttacks(), archiveAttacks(),
	)
}
