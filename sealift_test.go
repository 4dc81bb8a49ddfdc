package sealift_test

import (
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/sealift/sealift"
)

// wantInvalid demands a refusal with a hint, that quotes what it read and not
// more than a little of it, and gives no value.
func wantInvalid(t *testing.T, read string, parse func() (any, error)) {
	t.Helper()
	v, err := parse()
	switch {
	case sealift.KindOf(err) != sealift.KindInvalid || sealift.HintOf(err) == "" || err == nil:
		t.Errorf("%.50q: %v, hint %q", read, err, sealift.HintOf(err))
	case len(err.Error()) > 400:
		t.Errorf("%.50q: an error of %d bytes", read, len(err.Error()))
	case !reflect.ValueOf(v).IsZero():
		t.Errorf("%.50q: refused, and yet %v", read, v)
	}
}

func TestParseNames(t *testing.T) {
	long := func(n int) string { return strings.Repeat("a", n) }
	for name, c := range map[string]struct {
		parse     func(string) (any, error)
		good, bad []string
	}{
		"app": {
			func(s string) (any, error) { v, err := sealift.ParseAppID(s); return v, err },
			[]string{"a.b", "com.acme.shop", "com.acme.Shop_2-x", "0.1", long(63) + "." + long(64)},
			[]string{"", "a", "ab", "shop", ".a", "a.", "a..b", "a.-b", "a._b", "a b.c", "a/b.c", "a.b\n", "ä.b", long(64) + "." + long(64)},
		},
		"channel": {
			func(s string) (any, error) { v, err := sealift.ParseChannel(s); return v, err },
			[]string{"a", "0", "production", "a-b", "a_b", "a--b", long(64)},
			[]string{"", "-a", "a-", "_a", "a_", "A", "a.b", "a/b", "a b", "a\n", "é", long(65)},
		},
		"platform": {
			func(s string) (any, error) { v, err := sealift.ParsePlatform(s); return v, err },
			[]string{"a", "ios", "android", "linux-arm64", long(32)},
			[]string{"", "-a", "a-", "a_b", "iOS", "a/b", "a.b", "a\n", long(33)},
		},
		"vault": {
			func(s string) (any, error) { v, err := sealift.ParseVaultID(s); return v, err },
			[]string{strings.Repeat("0f", 16)},
			[]string{"", strings.Repeat("0F", 16), strings.Repeat("0f", 15), strings.Repeat("0f", 17), strings.Repeat("0g", 16), strings.Repeat("0f", 16) + "\n"},
		},
		"device": {
			func(s string) (any, error) { v, err := sealift.ParseDeviceID(s); return v, err },
			[]string{strings.Repeat("0f", 16)},
			[]string{"", strings.Repeat("0F", 16), strings.Repeat("0f", 15), strings.Repeat("0f", 17), strings.Repeat("0g", 16), strings.Repeat("0f", 16) + "\n"},
		},
		"act": {
			func(s string) (any, error) { v, err := sealift.ParseAct(s); return v, err },
			[]string{"release", "rollback", "promotion", "reissue"},
			[]string{"", "Release", "release ", "install"},
		},
		"digest": {
			func(s string) (any, error) { v, err := sealift.ParseDigest(s); return v, err },
			[]string{strings.Repeat("0f", 32)},
			[]string{"", strings.Repeat("0F", 32), strings.Repeat("0f", 31), strings.Repeat("0f", 33), strings.Repeat("0g", 32), "sha256:" + strings.Repeat("0f", 32), long(10_000)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, good := range c.good {
				if v, err := c.parse(good); err != nil || reflect.ValueOf(v).Kind() == reflect.String && reflect.ValueOf(v).String() != good {
					t.Errorf("%q: %v, %v", good, v, err)
				}
			}
			for _, bad := range c.bad {
				wantInvalid(t, bad, func() (any, error) { return c.parse(bad) })
			}
		})
	}
}

func TestDeviceIDOf(t *testing.T) {
	// SHA-256 of nothing begins so.
	if got, want := sealift.DeviceIDOf(nil), sealift.DeviceID("e3b0c44298fc1c149afbf4c8996fb924"); got != want {
		t.Errorf("DeviceIDOf(nothing) = %s, want %s", got, want)
	}
}

func TestDigest(t *testing.T) {
	const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" // FIPS 180-4's example
	d := sealift.DigestOf([]byte("abc"))
	if d.String() != abc {
		t.Errorf("DigestOf(abc) = %s", d)
	}
	streamed, n, err := sealift.DigestReader(iotest.OneByteReader(strings.NewReader("abc")))
	if streamed != d || n != 3 || err != nil {
		t.Errorf("DigestReader(abc) = %s, %d, %v", streamed, n, err)
	}
	broken := errors.New("broken")
	if _, _, err := sealift.DigestReader(iotest.ErrReader(broken)); err != broken {
		t.Errorf("DigestReader of a broken reader: %v", err)
	}
	if _, _, err := sealift.DigestReader(io.LimitReader(iotest.ErrReader(broken), 0)); err != nil {
		t.Errorf("DigestReader of nothing: %v", err)
	}
	if d.IsZero() || !(sealift.Digest{}).IsZero() {
		t.Error("IsZero")
	}

	text, err := json.Marshal(map[string]sealift.Digest{"a": d})
	if err != nil || string(text) != `{"a":"`+abc+`"}` {
		t.Errorf("%s, %v", text, err)
	}
	var back map[string]sealift.Digest
	if err := json.Unmarshal(text, &back); err != nil || back["a"] != d {
		t.Errorf("%v, %v", back, err)
	}
	for _, bad := range []string{strings.ToUpper(abc), abc[1:], ""} {
		before := d
		if err := before.UnmarshalText([]byte(bad)); sealift.KindOf(err) != sealift.KindInvalid || before != d {
			t.Errorf("UnmarshalText(%q): %v, and the digest is %s", bad, err, before)
		}
	}
}
