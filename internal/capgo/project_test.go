package capgo_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/capgo"
)

func TestParseProject(t *testing.T) {
	p, err := capgo.ParseProject([]byte(`{"appId":"com.acme.shop","appName":"Shop","webDir":"www","plugins":{"Other":{"updateUrl":7},
		"CapacitorUpdater":{"autoUpdate":true,"defaultChannel":"beta","updateUrl":"https://a","future":[1]}}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := capgo.Updater{UpdateURL: "https://a", DefaultChannel: "beta"}
	if p.App != "com.acme.shop" || p.WebDir != "www" || p.Updater != want {
		t.Errorf("%+v", p)
	}
	if p, err = capgo.ParseProject([]byte(`{"appId":"com.acme.shop","plugins":{"CapacitorUpdater":{"appId":"com.acme.other"}}}`)); err != nil || p.App != "com.acme.other" {
		t.Errorf("%v, %v: the plugin's own id is what devices ask by", p, err)
	}
	for text, says := range map[string]string{
		``:          "ends too early",
		`[]`:        "should be an object",
		`{"appId":`: "ends too early",
		"// for all\n" + `{"appId":"com.acme.shop"}`:                                                                            "invalid character",
		`{"appId":"com.acme.shop"}`:                                                                                             "no settings of Capgo's plugin",
		`{"appId":"com.acme.shop","plugins":{"CapacitorUpdater":null}}`:                                                         "no settings of Capgo's plugin",
		`{"appId":"com.acme.shop","plugins":{"CapacitorUpdater":[]}}`:                                                           "should be an object",
		`{"appId":"com.acme.shop","plugins":[]}`:                                                                                "should be an object",
		`{"plugins":{"CapacitorUpdater":{}}}`:                                                                                   "no appId",
		`{"appId":"shop","plugins":{"CapacitorUpdater":{}}}`:                                                                    "reverse-DNS",
		`{"appId":7,"plugins":{"CapacitorUpdater":{}}}`:                                                                         "$.appId is a number, and should be text",
		`{"appId":"com.acme.shop","plugins":{"CapacitorUpdater":{"updateUrl":false}}}`:                                          "should be text",
		`{"appId":"com.acme.shop","plugins":{"CapacitorUpdater":{"updateURL":"https://a"}}}`:                                    "updateURL",
		`{"appId":"com.acme.shop","plugins":{"CapacitorUpdater":{"publicKey":"a","publicKey":"b"}}}`:                            "twice",
		`{"appId":"com.acme.shop","plugins":{"CapacitorUpdater":{}}}` + strings.Repeat(" ", 256<<10):                            "at most",
		`{"appId":"com.acme.shop","plugins":{"CapacitorUpdater":{}}}{}`:                                                         "after the document's end",
		`{"appId":"com.acme.shop","plugins":{"CapacitorUpdater":{"defaultChannel":"` + "\xff" + `"}}}`:                          "UTF-8",
		`{"appId":"com.acme.shop","plugins":{"CapacitorUpdater":` + strings.Repeat(`{"a":`, 40) + `1` + strings.Repeat(`}`, 42): "deep",
	} {
		_, err := capgo.ParseProject([]byte(text))
		if sealift.KindOf(err) != sealift.KindInvalid || !strings.Contains(err.Error()+sealift.HintOf(err), says) {
			t.Errorf("%.80s: %v, and not %q", text, err, says)
		}
	}
}

func TestProjectWith(t *testing.T) {
	to := []capgo.Setting{{Name: "updateUrl", To: "U"}, {Name: "publicKey", To: "a\nb & <c>"}}
	const values = `"updateUrl": "U",` + "\n      " + `"publicKey": "a\nb & <c>"`
	for text, want := range map[string]string{
		// Nothing but what is named changes: order, numbers, spaces, the file's end.
		`{ "appId":"a.b",
  "x": 1.50,  "plugins": {
    "Before": {"updateUrl": "stays"},
    "CapacitorUpdater": {
      "autoUpdate" : true,
      "updateUrl": "https://old", "z": [1, {"updateUrl": 2}]
    },
    "After": {}
  }
}
`: `{ "appId":"a.b",
  "x": 1.50,  "plugins": {
    "Before": {"updateUrl": "stays"},
    "CapacitorUpdater": {
      "autoUpdate" : true,
      "updateUrl": "U", "z": [1, {"updateUrl": 2}],
      "publicKey": "a\nb & <c>"
    },
    "After": {}
  }
}
`,
		// The last one is replaced, and one added behind it.
		`{"plugins":{"CapacitorUpdater":{"autoUpdate":false,"updateUrl":""}},"appId":"a.b"}`:                                         `{"plugins":{"CapacitorUpdater":{"autoUpdate":false,"updateUrl":"U","publicKey":"a\nb & <c>"}},"appId":"a.b"}`,
		`{"plugins":{"CapacitorUpdater":{}},"appId":"a.b"}`:                                                                          `{"plugins":{"CapacitorUpdater":{"updateUrl":"U","publicKey":"a\nb & <c>"}},"appId":"a.b"}`,
		"{\n  \"appId\": \"a.b\",\n  \"plugins\": {\n    \"CapacitorUpdater\": { \n }\n  }\n}":                                       "{\n  \"appId\": \"a.b\",\n  \"plugins\": {\n    \"CapacitorUpdater\": {\n      " + values + "\n    }\n  }\n}",
		"{\r\n\t\"appId\": \"a.b\", \"plugins\": {\r\n\t\t\"CapacitorUpdater\": {\r\n\t\t\t\"updateUrl\": null\r\n\t\t}\r\n\t}\r\n}": "{\r\n\t\"appId\": \"a.b\", \"plugins\": {\r\n\t\t\"CapacitorUpdater\": {\r\n\t\t\t\"updateUrl\": \"U\",\r\n\t\t\t\"publicKey\": \"a\\nb & <c>\"\r\n\t\t}\r\n\t}\r\n}",
	} {
		p, err := capgo.ParseProject([]byte(text))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		got, err := p.With(to)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("%s:\n%s", text, diff)
		}
	}
}

func FuzzProjectWith(f *testing.F) {
	f.Add(`{"appId":"a.b","plugins":{"CapacitorUpdater":{ "statsUrl" :1e3 , "x":"\u007b"}}}`)
	f.Add("{\"plugins\": \n {\"CapacitorUpdater\": {\n}},\"appId\":\"a.b\"}")
	want := capgo.Updater{UpdateURL: "https://a/updates", StatsURL: "https://a/stats", ChannelURL: "https://a/channel_self"}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := capgo.ParseProject([]byte(text))
		if err != nil {
			return
		}
		got, err := p.With(p.Changes(want))
		if err != nil {
			t.Fatal(err)
		}
		after, err := capgo.ParseProject(got)
		if err != nil || !json.Valid(got) || len(after.Changes(want)) > 0 {
			t.Fatalf("%s: %v", got, err)
		}
	})
}

func TestParsePublicKey(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	text := capgo.PublicPEM(&key.PublicKey)
	for _, same := range []string{text, strings.ReplaceAll(text, "\n", ""), strings.ReplaceAll(text, "\n", "\r\n")} {
		got, err := capgo.ParsePublicKey(same)
		if err != nil || !got.Equal(&key.PublicKey) {
			t.Errorf("%s: %v", same, err)
		}
		project, err := json.Marshal(map[string]any{"appId": "a.b", "plugins": map[string]any{"CapacitorUpdater": map[string]string{"publicKey": same}}})
		if err != nil {
			t.Fatal(err)
		}
		p, err := capgo.ParseProject(project)
		if err != nil {
			t.Fatal(err)
		}
		if c := p.Changes(capgo.Updater{StatsURL: "https://a", PublicKey: text}); len(c) != 1 || c[0].Name != "statsUrl" {
			t.Errorf("%v: the key is there", c)
		}
	}
	large, err := rsa.GenerateKey(rand.Reader, 3072)
	if err != nil {
		t.Fatal(err)
	}
	for _, other := range []string{"", "no key", strings.ReplaceAll(text, "RSA PUBLIC", "RSA PRIVATE"), strings.ReplaceAll(text, "MIIB", "MIIC"), text + text, capgo.PublicPEM(&large.PublicKey)} {
		if _, err := capgo.ParsePublicKey(other); sealift.KindOf(err) != sealift.KindInvalid {
			t.Errorf("%.80q: %v", other, err)
		}
	}
}
