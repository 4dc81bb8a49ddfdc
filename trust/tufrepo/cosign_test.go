package tufrepo_test

import (
	"bytes"
	"crypto"
	"testing"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/sealifttest"
	"github.com/sealift/sealift/trust/tufrepo"
)

// TestSignaturesFromDifferentPlaces: people sign one after the other, and only
// keys of the role count, each once.
func TestSignaturesFromDifferentPlaces(t *testing.T) {
	p := newPeople(t, 2, 3)
	root := p.root(1, p.keys...)
	content := []byte(`{"vault":"…"}`)
	sign := func(keys ...crypto.Signer) []byte {
		signed, err := tufrepo.SignTargets(tufrepo.Targets{Version: 7, Expires: start.Add(sealift.TargetsLife), Trust: content, Director: roleOf(sealifttest.NewKey())}, keys)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	add := func(targets []byte, keys ...crypto.Signer) []byte {
		more, err := tufrepo.AddTargetsSignatures(targets, keys)
		if err != nil {
			t.Fatal(err)
		}
		return more
	}
	want := func(targets []byte, missing int, signed ...bool) {
		t.Helper()
		s, err := tufrepo.TargetsSignatures(root, targets)
		if err != nil || s.Missing() != missing || s.Threshold != 2 || len(s.Keys) != 3 {
			t.Fatalf("%+v, %v; want %d missing", s, err, missing)
		}
		for i, is := range signed {
			if s.Signed[i] != is {
				t.Errorf("key %d signed is %t", i, s.Signed[i])
			}
		}
	}
	one := sign(p.keys[1])
	want(one, 1, false, true, false)
	if _, err := tufrepo.CheckTargets(root, one, content); err == nil {
		t.Error("one signature is enough")
	}
	want(add(one, p.keys[1]), 1, false, true, false)
	want(add(one, sealifttest.NewKey()), 1, false, true, false)
	two := add(one, p.keys[2])
	want(two, 0, false, true, true)
	if version, err := tufrepo.CheckTargets(root, two, content); err != nil || version != 7 {
		t.Errorf("%d, %v", version, err)
	}
	if info, err := tufrepo.ReadTargets(two); err != nil || info.Version != 7 || !info.Expires.Equal(start.Add(sealift.TargetsLife)) {
		t.Errorf("%+v, %v", info, err)
	}
	bent := bytes.Replace(two, []byte(`"version":7`), []byte(`"version":8`), 1)
	if bytes.Equal(bent, two) {
		t.Fatal("nothing was bent")
	}
	want(bent, 2, false, false, false)
	if _, err := tufrepo.AddTargetsSignatures([]byte("{"), p.keys); err == nil {
		t.Error("signed garbage")
	}
	if _, err := tufrepo.TargetsSignatures([]byte("{"), two); err == nil {
		t.Error("counted under a garbled root")
	}
	if _, err := tufrepo.TargetsSignatures(root, []byte("{}")); err == nil {
		t.Error("counted garbage")
	}
}
