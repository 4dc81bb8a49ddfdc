package pkcs11_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/pkcs11"
)

func TestParseURI(t *testing.T) {
	slot := uint64(7)
	for text, want := range map[string]pkcs11.URI{
		"pkcs11:": {},
		"pkcs11:token=My%20token;object=ca;type=private":                    {Token: "My token", Object: "ca", Type: "private"},
		"pkcs11:id=%00%ff;slot-id=7;serial=a:b&c":                           {ID: []byte{0, 0xff}, Slot: &slot, Serial: "a:b&c"},
		"pkcs11:manufacturer=X;model=Y":                                     {Manufacturer: "X", Model: "Y"},
		"pkcs11:token=t?module-path=/usr/lib/a.so&pin-source=file:/etc/pin": {Token: "t", ModulePath: "/usr/lib/a.so", PINSource: "/etc/pin"},
		"pkcs11:token=t?pin-source=file:///etc/pin":                         {Token: "t", PINSource: "/etc/pin"},
		"pkcs11:token=t?pin-source=%2Fetc%2Fpin":                            {Token: "t", PINSource: "/etc/pin"},
	} {
		got, err := pkcs11.ParseURI(text)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", text, err, diff)
		}
	}
}

func TestParseURIRefusals(t *testing.T) {
	for text, wrong := range map[string]string{
		"":                           "does not begin",
		"PKCS11:token=a":             "does not begin",
		"token=a":                    "does not begin",
		"pkcs11:token":               "no value",
		"pkcs11:token=":              "no value",
		"pkcs11:;token=a":            "no value",
		"pkcs11:token=a;":            "no value",
		"pkcs11:token=a;token=a":     "twice",
		"pkcs11:id=%0":               "escape",
		"pkcs11:token=a b":           "%20",
		"pkcs11:token=ä":             "must be written",
		"pkcs11:token=%00":           "control",
		"pkcs11:token=%ff":           "UTF-8",
		"pkcs11:token=a/b":           "%2F",
		"pkcs11:slot-id=-1":          "number",
		"pkcs11:type=cert":           "private, public or secret-key",
		"pkcs11:colour=red":          "not supported",
		"pkcs11:x-vendor=red":        "not supported",
		"pkcs11:library-version=2.6": "not supported",
		"pkcs11:pin-source=file:pin": "question mark",
		"pkcs11:token=" + strings.Repeat("a", 33):    "33 bytes",
		"pkcs11:model=" + strings.Repeat("a", 17):    "17 bytes",
		"pkcs11:id=" + strings.Repeat("%00", 65):     "65 bytes",
		"pkcs11:object=" + strings.Repeat("a", 3000): "bytes; at most",
		"pkcs11:?module-path=lib.so":                 "absolute",
		"pkcs11:?module-name=softhsm2":               "not supported",
		"pkcs11:?pin-value=1234":                     "never stands in an argument",
		"pkcs11:?pin-source=|cat%20pin":              "no file",
		"pkcs11:?pin-source=%7Ccat":                  "no file",
		"pkcs11:?pin-source=file:pin":                "no file",
		"pkcs11:?pin-source=file://host/":            "no file",
		"pkcs11:?max=1":                              "not supported",
	} {
		u, err := pkcs11.ParseURI(text)
		if err == nil {
			t.Errorf("%q: %+v", text, u)
			continue
		}
		if !strings.Contains(err.Error(), wrong) || sealift.KindOf(err) != sealift.KindInvalid || sealift.ReasonOf(err) != pkcs11.ReasonURI || sealift.HintOf(err) == "" {
			t.Errorf("%q: %v (%s), want %q", text, err, sealift.HintOf(err), wrong)
		}
		if strings.Contains(err.Error(), "1234") {
			t.Errorf("%q: the error quotes the PIN", text)
		}
	}
}

// TestURIRoundTrip: what is written reads as what it was.
func TestURIRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := func(name string, most int) string {
			return rapid.StringOfN(rapid.RuneFrom([]rune("aZ09-._~ /;?&=%+ä€|:")), 0, -1, most).Draw(t, name)
		}
		u := pkcs11.URI{
			Token: text("token", 32), Manufacturer: text("manufacturer", 32), Model: text("model", 16), Serial: text("serial", 16),
			Object: text("object", 80), Type: rapid.SampledFrom([]string{"", "private", "secret-key"}).Draw(t, "type"),
		}
		if id := rapid.SliceOfN(rapid.Byte(), 0, 64).Draw(t, "id"); len(id) > 0 {
			u.ID = id
		}
		if rapid.Bool().Draw(t, "reach") {
			u.ModulePath, u.PINSource = filepath.Clean("/"+text("module", 40)), filepath.Clean("/"+text("pin", 40))
		}
		got, err := pkcs11.ParseURI(u.String())
		if diff := cmp.Diff(u, got); diff != "" || err != nil {
			t.Fatalf("%s: %v\n%s", u, err, diff)
		}
		if again := got.String(); again != u.String() {
			t.Fatalf("%s became %s", u, again)
		}
	})
}
