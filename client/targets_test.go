package client_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/trust"
	"github.com/sealift/sealift/trust/tufrepo"
)

// trust.json counts only where the people at the top list it.
func TestTopLevelOnly(t *testing.T) {
	r := newRepository(t)
	r.must(r.all2())
	r.must(r.world.Direct()) // a fresh timestamp
	// The director may not sign trust.json: put a target by another name into
	// each of the two places and look for it in the other one.
	_, err := r.seen.TopLevel(t.Context(), trust.DenyPath)
	r.refused(err, sealift.KindMetadata, "missing")
	_, err = r.seen.Delegated(t.Context(), trust.TrustPath)
	r.refused(err, sealift.KindMetadata, "malformed")
	_, err = r.seen.Delegated(t.Context(), "nothing/of/this/name")
	r.refused(err, sealift.KindNotFound, "missing")
}

func (r *repository) all2() error {
	if err := r.refresh(); err != nil {
		return err
	}
	_, err := r.seen.Delegated(r.Context(), trust.DenyPath)
	return err
}

func TestTargetSubstituted(t *testing.T) {
	r := newRepository(t)
	r.must(r.refresh())
	content := r.world.File(tufrepo.TargetPath(trust.DenyPath, denyBytes(r)))
	if content == nil {
		t.Fatal("deny.json is not where it should be")
	}
	path := tufrepo.TargetPath(trust.DenyPath, content)
	for _, bad := range [][]byte{nil, bytes.Replace(content, []byte("n"), []byte("m"), 1), content[:len(content)-1]} {
		r.world.SetFile(path, bad)
		if bad == nil {
			r.world.SetFile(path, []byte{})
		}
		_, err := r.seen.Delegated(t.Context(), trust.DenyPath)
		r.refused(err, sealift.KindMetadata, "mismatch")
	}
	r.world.SetFile(path, append(bytes.Clone(content), ' '))
	_, err := r.seen.Delegated(t.Context(), trust.DenyPath)
	r.refused(err, sealift.KindNetwork, "too-long")
	r.world.SetFile(path, content)
	_, err = r.seen.Delegated(t.Context(), trust.DenyPath)
	r.must(err)
}

func denyBytes(r *repository) []byte {
	data, err := r.world.Deny.Encode()
	r.must(err)
	return data
}

// Small targets do not pile up.
func TestTargetsPruned(t *testing.T) {
	r := newRepository(t)
	r.must(r.refresh())
	r.must(os.Mkdir(filepath.Join(r.dir, "targets"), 0o755))
	for i := range sealift.MaxCachedTargets {
		r.must(os.WriteFile(filepath.Join(r.dir, "targets", fmt.Sprint(i)), nil, 0o644))
	}
	_, err := r.seen.Delegated(t.Context(), trust.DenyPath)
	r.must(err)
	entries, err := os.ReadDir(filepath.Join(r.dir, "targets"))
	r.must(err)
	if len(entries) > sealift.MaxCachedTargets {
		t.Errorf("%d targets are kept, want %d at most", len(entries), sealift.MaxCachedTargets)
	}
}
