package sealift

import "testing"

func TestSample(t *testing.T) {
	for r, want := range map[RuntimeRange]bool{
		"*": true, ">=2.1.0 <3.0.0": true, ">1.0.0": true, "<1.0.0": true, "<=0.0.0-0": true, "=1.2.3": true,
		">1.0.0 <1.0.1": true, ">1.9.9 <2.0.0": true, ">1.0.0-rc.1 <1.0.0-rc.2": true, ">99999999999999999999.0.9 <99999999999999999999.0.11": true,
		"<0.0.0-0": false, ">2.0.0 <1.0.0": false, "=1.0.0 =2.0.0": false, ">=1.0.0 <1.0.0": false,
	} {
		if _, err := ParseRuntimeRange(string(r)); err != nil {
			t.Fatal(err)
		}
		v, ok := r.Sample()
		if ok != want || ok && !r.Contains(v) {
			t.Errorf("%q: %q, %v; want %v", r, v, ok, want)
		}
	}
}

func TestOverlaps(t *testing.T) {
	for _, c := range []struct {
		r, s RuntimeRange
		want bool
	}{
		{"*", "*", true}, {"*", ">=2.0.0", true}, {">=2.0.0", "*", true}, {"<2.0.0", ">=2.0.0", false},
		{"<=2.0.0", ">=2.0.0", true}, {">=0.0.0", "*", true}, {">=1.0.0 <2.0.0", ">=1.5.0 <3.0.0", true}, {"=1.0.0", "=1.0.1", false},
	} {
		if got := c.r.Overlaps(c.s); got != c.want {
			t.Errorf("%q.Overlaps(%q) = %v, want %v", c.r, c.s, got, c.want)
		}
	}
}
