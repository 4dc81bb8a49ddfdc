package sealifttest

import (
	"archive/tar"
	"bytes"
	"net/http"
	"slices"
	"strings"

	"github.com/sealift/sealift"
)

// patchDeliveryAttacks are the attacks on blobs, on patches alone.
func patchDeliveryAttacks() []Attack {
	all := blobAttacks("patch", "a patch")
	for i := range all {
		all[i].patch, all[i].edge = true, onPatches(all[i].edge)
	}
	return all
}

// onPatches passes on all but patches.
func onPatches(behaviour func(*Hostile) (edge, error)) func(*Hostile) (edge, error) {
	return func(h *Hostile) (edge, error) {
		answer, err := behaviour(h)
		if err != nil {
			return nil, err
		}
		return func(in *http.Request, path string) http.HandlerFunc {
			if !h.isPatch(path) {
				return nil
			}
			return answer(in, path)
		}, nil
	}
}

// patchTheftAttacks are those of a thief of what signs releases, or mistakes of
// who does: the whole bundle and all signatures are in order, and the patch beside
// it is not.
func patchTheftAttacks() []Attack {
	return slices.Concat(patchSealAttacks(), patchHeadAttacks(), patchFrameAttacks(), patchArchiveAttacks())
}

func patchTheft(name, title, reason string, bend func(*patchDraft) error) Attack {
	return Attack{
		Name: "patch-" + name, Title: title, Stolen: stolenRelease, patch: true,
		Kind: sealift.KindIntegrity, Reasons: []string{reason},
		stage: func(w *World, next Spec) (func() error, error) {
			next.bendPatch = bend
			_, err := w.Publish(next)
			return func() error { return nil }, err
		},
	}
}

// patchSealAttacks are patches that were sealed for something else.
func patchSealAttacks() []Attack {
	return []Attack{
		patchTheft("for-another-base", "a patch that was sealed against another bundle", "authentication", func(d *patchDraft) error {
			d.base = sealift.DigestOf([]byte("another"))
			return nil
		}),
		patchTheft("for-another-bundle", "a patch that was sealed for another bundle", "authentication", func(d *patchDraft) error {
			d.archive = sealift.DigestOf([]byte("another"))
			return nil
		}),
		patchTheft("of-another-app", "a patch that was sealed for another app", "authentication", func(d *patchDraft) error {
			d.app = "com.acme.other"
			return nil
		}),
	}
}

// numbered writes one frame of the archive behind a head of other numbers.
func numbered(numbers func(d *patchDraft, frame uint64) []uint64) func(*patchDraft) error {
	return func(d *patchDraft) error {
		frame, err := d.frame(d.newer)
		d.plain = pair(frame, numbers(d, uint64(len(frame)))...)
		return err
	}
}

// patchHeadAttacks are patches whose list of pieces is none.
func patchHeadAttacks() []Attack {
	return []Attack{
		patchTheft("headless", "a patch without its list of pieces", "patch", func(d *patchDraft) (err error) {
			d.plain, err = d.frame(d.newer)
			return err
		}),
		patchTheft("long-head", "a patch whose list of pieces is longer than a device reads", "patch", func(d *patchDraft) error {
			d.plain = pair(nil, make([]uint64, sealift.MaxPatchHead+1)...)[:64] // it is not there to be read
			return nil
		}),
		patchTheft("pieces", "a patch with a piece from behind the end of what it is made against", "patch", numbered(func(d *patchDraft, frame uint64) []uint64 {
			return []uint64{uint64(len(d.newer)), frame, uint64(len(d.older)) - 1, 2}
		})),
		patchTheft("many-pieces", "a patch that repeats so many pieces that they fill the memory", "patch", numbered(func(d *patchDraft, frame uint64) []uint64 {
			numbers := []uint64{uint64(len(d.newer)), frame}
			for range 3 {
				numbers = append(numbers, 0, uint64(min(len(d.older), len(d.newer))))
			}
			return numbers
		})),
		patchTheft("oversized", "a patch that says of itself that it unpacks to more than was signed", "patch", numbered(func(d *patchDraft, frame uint64) []uint64 {
			return []uint64{uint64(len(d.newer)) + 512, frame}
		})),
	}
}

// framed puts another frame in the place of the archive's.
func framed(frame func(d *patchDraft) ([]byte, error)) func(*patchDraft) error {
	return func(d *patchDraft) error {
		other, err := frame(d)
		d.plain = pair(other, uint64(len(d.newer)), uint64(len(other)))
		return err
	}
}

// patchFrameAttacks are patches that unpack to something else than they say, or to
// nothing.
func patchFrameAttacks() []Attack {
	return []Attack{
		patchTheft("bomb", "a patch that unpacks to more than it says", "window", framed(func(d *patchDraft) ([]byte, error) { return d.frame(make([]byte, 128<<10)) })),
		patchTheft("shorter", "a patch that unpacks to less than it says", "shorter", framed(func(d *patchDraft) ([]byte, error) { return d.frame(d.newer[:1024]) })),
		patchTheft("window", "a patch that takes more memory to unpack than a device gives", "window", framed(func(*patchDraft) ([]byte, error) { return hugeWindow, nil })),
		patchTheft("uncompressed", "a patch that is not compressed", "compression", framed(func(*patchDraft) ([]byte, error) { return make([]byte, 64), nil })),
		patchTheft("cut", "a patch without its end", "shorter", func(d *patchDraft) error {
			d.plain = d.plain[:len(d.plain)-1]
			return nil
		}),
		patchTheft("trailing", "a patch with something after its end", "trailing", func(d *patchDraft) error {
			d.plain = append(d.plain, "more"...)
			return nil
		}),
	}
}

// patchArchiveAttacks are patches that make another bundle.
func patchArchiveAttacks() []Attack {
	return []Attack{
		patchTheft("replaced", "a patch that makes another bundle of the signed length", "digest", func(d *patchDraft) error {
			return d.write(filling("index.html", d))
		}),
		patchTheft("dotdot", "a patch that makes a bundle with a file in the folder above it", "path", func(d *patchDraft) error {
			return d.write(filling("../evil", d))
		}),
		patchTheft("link", "a patch that makes a bundle with a symbolic link out of it", "link", func(d *patchDraft) error {
			link := archiveOf(special(tar.TypeSymlink, "a", "/etc/passwd"))
			return d.write(append(link[:512], filling("index.html", d)[512:]...))
		}),
	}
}

// filling is an archive of one file, as long as the patch's own.
func filling(name string, d *patchDraft) []byte {
	return bytes.Clone(archiveOf(page(name, strings.Repeat("x", len(d.newer)-3*512))))
}
