package sealift_test

import (
	"strings"
	"testing"

	"golang.org/x/mod/semver"
	"pgregory.net/rapid"

	"github.com/sealift/sealift"
)

// anyVersion draws versions that are near each other, so that ties in each
// part are common.
func anyVersion() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		number := rapid.SampledFrom([]string{"0", "1", "2", "10", "11", "4294967296"})
		v := strings.Join(rapid.SliceOfN(number, 3, 3).Draw(t, "core"), ".")
		pre := rapid.SliceOfN(rapid.SampledFrom([]string{"0", "1", "10", "9", "a", "A", "rc", "rc1", "-", "0a", "99999999999999999999"}), 0, 3).Draw(t, "pre")
		if len(pre) > 0 {
			v += "-" + strings.Join(pre, ".")
		}
		return v
	}).Filter(func(v string) bool { return len(v) <= 64 })
}

func TestVersionComparesAsSemver(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyVersion().Draw(t, "a"), anyVersion().Draw(t, "b")
		v, err := sealift.ParseVersion(a)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := v.Compare(sealift.Version(b)), semver.Compare("v"+a, "v"+b); got != want {
			t.Errorf("%s.Compare(%s) = %d, x/mod/semver says %d", a, b, got, want)
		}
		if v.Compare(sealift.Version(b)) != -sealift.Version(b).Compare(v) {
			t.Errorf("%s and %s compare differently from both sides", a, b)
		}
	})
}

func FuzzParseVersion(f *testing.F) {
	for _, s := range []string{"1.2.3", "1.2.3-rc.1", "01.2.3", "1.2", "v1.2.3", "1.2.3+b", "1.2.3-", "1.2.3-01", "1.2.3-0a", "1.2.3-é"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		_, err := sealift.ParseVersion(s)
		// x/mod/semver takes "v1" and "v1.2" for short forms, and build metadata.
		want := semver.IsValid("v"+s) && strings.Count(strings.SplitN(s, "-", 2)[0], ".") == 2 && semver.Build("v"+s) == "" && len(s) <= 64
		if (err == nil) != want {
			t.Errorf("ParseVersion(%q) = %v; x/mod/semver and our additions say %v", s, err, want)
		}
	})
}

func TestParseVersion(t *testing.T) {
	for _, good := range []string{"0.0.0", "1.4.0", "1.4.0-rc.1", "1.0.0--", "1.0.0-0", "1.0.0-0a", "1.0.0-x-y", "1.0.0-" + strings.Repeat("a", 58)} {
		if v, err := sealift.ParseVersion(good); err != nil || string(v) != good {
			t.Errorf("ParseVersion(%q) = %q, %v", good, v, err)
		}
	}
	for _, bad := range []string{
		"", "1", "1.2", "1.2.3.4", "v1.2.3", "1.2.3+build", "01.2.3", "1.02.3", "1.2.03", "1.2.3-", "1.2.3-a..b", "1.2.3-01", "1.2.3-é",
		" 1.2.3", "1.2.3\n", "-1.2.3", "1.2.3-" + strings.Repeat("a", 59),
	} {
		wantInvalid(t, bad, func() (any, error) { v, err := sealift.ParseVersion(bad); return v, err })
	}
}

func TestRuntimeRange(t *testing.T) {
	for _, c := range []struct {
		text    string
		in, out []sealift.Version
	}{
		{text: "*", in: []sealift.Version{"0.0.0", "1.0.0-rc.1", "99.0.0"}},
		{text: "=1.2.3", in: []sealift.Version{"1.2.3"}, out: []sealift.Version{"1.2.2", "1.2.4", "1.2.3-rc"}},
		{text: "<2.0.0", in: []sealift.Version{"1.9.9", "2.0.0-rc.1"}, out: []sealift.Version{"2.0.0", "2.0.1"}},
		{text: "<=2.0.0", in: []sealift.Version{"2.0.0", "1.0.0"}, out: []sealift.Version{"2.0.1"}},
		{text: ">2.0.0", in: []sealift.Version{"2.0.1"}, out: []sealift.Version{"2.0.0", "2.0.0-rc.1"}},
		{text: ">=2.0.0", in: []sealift.Version{"2.0.0", "10.0.0"}, out: []sealift.Version{"1.9.9", "2.0.0-rc.1"}},
		{text: ">=2.1.0 <3.0.0", in: []sealift.Version{"2.1.0", "2.9.0"}, out: []sealift.Version{"2.0.9", "3.0.0"}},
		{text: ">=1.0.0 <3.0.0 >2.0.0 =2.5.0", in: []sealift.Version{"2.5.0"}, out: []sealift.Version{"2.4.0", "2.6.0"}},
		{text: ">3.0.0 <2.0.0", out: []sealift.Version{"1.0.0", "2.5.0", "4.0.0"}},
	} {
		r, err := sealift.ParseRuntimeRange(c.text)
		if err != nil {
			t.Errorf("ParseRuntimeRange(%q): %v", c.text, err)
			continue
		}
		for _, v := range c.in {
			if !r.Contains(v) {
				t.Errorf("%q does not contain %s", c.text, v)
			}
		}
		for _, v := range c.out {
			if r.Contains(v) {
				t.Errorf("%q contains %s", c.text, v)
			}
		}
	}
	for _, bad := range []string{
		"", " ", "**", "1.0.0", ">= 1.0.0", ">=1.0.0  <2.0.0", ">=1.0.0,<2.0.0", "^1.0.0", "~1.0.0", "==1.0.0", "<>1.0.0", ">=1.0", ">=1.0.0 ",
		"* >=1.0.0", ">=v1.0.0", strings.TrimSpace(strings.Repeat(">1.0.0 ", 9)),
	} {
		wantInvalid(t, bad, func() (any, error) { r, err := sealift.ParseRuntimeRange(bad); return r, err })
	}
}
