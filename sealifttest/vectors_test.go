package sealifttest_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/sealifttest"
)

// TestVectors: the vectors that implementers in other languages run say of us
// what they say of them.
func TestVectors(t *testing.T) {
	all, err := sealifttest.Vectors()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range all {
		files, err := v.Run()
		if sealift.KindOf(err) != v.Want.Kind || sealift.ReasonOf(err) != v.Want.Reason {
			t.Errorf("%s: got %v, want %v", v.Name, err, v.Want)
		}
		if diff := cmp.Diff(v.Files, files); diff != "" {
			t.Errorf("%s:\n%s", v.Name, diff)
		}
		if v.Name == "" || v.Title == "" || (v.Want.Kind == "") != (len(v.Files) > 0) {
			t.Errorf("%s: %q, %d files", v.Name, v.Title, len(v.Files))
		}
	}
}

// TestVectorsAreOfNow: the kept vectors are those that would be made today.
func TestVectorsAreOfNow(t *testing.T) {
	kept, err := sealifttest.Vectors()
	if err != nil {
		t.Fatal(err)
	}
	made, err := sealifttest.MakeVectors(start)
	if err != nil {
		t.Fatal(err)
	}
	wants := func(all []sealifttest.Vector) map[string]sealifttest.VectorWant {
		m := map[string]sealifttest.VectorWant{}
		for _, v := range all {
			m[v.Name] = v.Want
		}
		return m
	}
	if diff := cmp.Diff(wants(made), wants(kept)); diff != "" || len(wants(made)) != len(made) {
		t.Errorf("run go generate ./sealifttest:\n%s", diff)
	}
}
