package capgo

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sealift/sealift"
)

func TestPad(t *testing.T) {
	for text, want := range map[string]sealift.Version{
		"1": "1.0.0", "1.0": "1.0.0", "1.2.3": "1.2.3", "v1.2.3": "1.2.3", " 1.2.3 ": "1.2.3", "1.2.3+45": "1.2.3", "1.2.3.4": "1.2.3",
		"01.002.0003": "1.2.3", "1.0.0-rc.1": "1.0.0-rc.1", "2-beta": "2.0.0-beta", "0": "0.0.0",
		"": "", "builtin": "", "1..2": "", "1.2.": "", "1.2.3.4.5": "", "one": "", "1.x": "", "-1": "", "1.2.3-": "", "1.0.0-01": "",
		strings.Repeat("9", 70): "",
	} {
		if got, ok := pad(text); got != want || ok != (want != "") {
			t.Errorf("%q is %q, %t; want %q", text, got, ok, want)
		}
	}
}

func TestDeviceOf(t *testing.T) {
	const id = "b3b8a1f05c1d4e7a8f3e2d4c6b8a0f1e"
	for _, name := range []string{someDevice, strings.ToUpper(someDevice), " " + someDevice + "\n", id} {
		if got, ok := deviceOf(name); got != id || !ok {
			t.Errorf("%q is %s, %t", name, got, ok)
		}
	}
	if _, ok := deviceOf(" "); ok {
		t.Error("nothing is a device")
	}
	one, _ := deviceOf("my phone")
	other, _ := deviceOf("your phone")
	if _, err := sealift.ParseDeviceID(string(one)); err != nil || one == other {
		t.Errorf("%s, %s, %v", one, other, err)
	}
}

func TestInfo(t *testing.T) {
	read := func(body string) (Info, string) {
		var s said
		if f := unmarshal([]byte(body), &s); f != nil {
			return Info{}, f.code
		}
		in, f := s.info()
		if f != nil {
			return in, f.code
		}
		return in, ""
	}
	all := Info{
		App: shop, Device: "b3b8a1f05c1d4e7a8f3e2d4c6b8a0f1e", Platform: "android", Running: "1.2.0", Build: "1.0.0", Plugin: "8.51.23",
		Channel: "beta", KeyID: "MIIBCgKCAQEAxYz01234", Production: true,
	}
	for name, test := range map[string]struct {
		body string
		bend func(*Info)
		code string
	}{
		"whole":                {body: infoWith("version_name", "1.2.0", "defaultChannel", "beta")},
		"numbers for versions": {body: infoWith("version_name", "1.2", "version_build", "1", "defaultChannel", "beta")},
		"texts for truth":      {body: infoWith("version_name", "1.2.0", "defaultChannel", "beta", "is_prod", `"false"`, "is_emulator", "1"), bend: func(i *Info) { i.Production, i.Emulator = false, true }},
		"null for truth":       {body: infoWith("version_name", "1.2.0", "defaultChannel", "beta", "is_prod", "null", "is_emulator", "{}")},
		"no prod":              {body: infoWith("version_name", "1.2.0", "defaultChannel", "beta", "is_prod", "-")},
		"builtin":              {body: infoWith("defaultChannel", "beta"), bend: func(i *Info) { i.Running = "" }},
		"null for a text":      {body: infoWith("version_name", "1.2.0", "defaultChannel", "null", "key_id", "null"), bend: func(i *Info) { i.Channel, i.KeyID = "", "" }},
		"a list for a text":    {body: infoWith("version_name", "1.2.0", "defaultChannel", "[1]", "key_id", "{}"), bend: func(i *Info) { i.Channel, i.KeyID = "", "" }},
		"no such channel name": {body: infoWith("version_name", "1.2.0", "defaultChannel", "Pro Duction"), bend: func(i *Info) { i.Channel = "" }},
		"upper case":           {body: infoWith("version_name", "1.2.0", "defaultChannel", "beta", "platform", "Android", "device_id", strings.ToUpper(someDevice))},
		"no app":               {body: infoWith("app_id", "-"), code: codeMissing},
		"no app id":            {body: infoWith("app_id", "shop"), code: codeMissing},
		"no device":            {body: infoWith("device_id", ""), code: codeMissing},
		"no platform":          {body: infoWith("platform", "7.5"), code: codeMissing},
		"no plugin":            {body: infoWith("plugin_version", "-"), code: codePlugin},
		"old plugin":           {body: infoWith("plugin_version", "4.59.0"), code: codePlugin},
		"no build":             {body: infoWith("version_build", "-"), code: codeSemver},
		"a build in words":     {body: infoWith("version_build", "release"), code: codeSemver},
		"a list":               {body: "[" + infoWith() + "]", code: codeMalformed},
		"no JSON":              {body: "app_id=com.acme.shop", code: codeMalformed},
		"nothing":              {body: "", code: codeMalformed},
		"cut":                  {body: infoWith()[:100], code: codeMalformed},
		"deep":                 {body: strings.Repeat("[", 20_000), code: codeMalformed},
	} {
		got, code := read(test.body)
		want := all
		if test.bend != nil {
			test.bend(&want)
		}
		if code != test.code || code == "" && got != want {
			t.Errorf("%s: %+v, %q; want %+v, %q", name, got, code, want, test.code)
		}
	}
}

func TestFromQuery(t *testing.T) {
	var s said
	if f := unmarshal([]byte(infoWith("version_name", "1.2.0", "is_emulator", "true")), &s); f != nil {
		t.Fatal(f.code)
	}
	q := url.Values{
		"app_id": {string(shop)}, "device_id": {someDevice}, "platform": {"android"}, "version_name": {"1.2.0"}, "version_build": {"1.0.0"},
		"plugin_version": {"8.51.23"}, "defaultChannel": {""}, "key_id": {"MIIBCgKCAQEAxYz01234"}, "is_prod": {"true"}, "is_emulator": {"1"},
	}
	if got := fromQuery(q); got != s {
		t.Errorf("%+v, want %+v", got, s)
	}
	if got := fromQuery(url.Values{"is_prod": {"\xff\""}}); got.Production.said {
		t.Errorf("%+v", got)
	}
}

func TestBounded(t *testing.T) {
	long := bounded(strings.Repeat("ü", 300))
	if len(long) > sealift.MaxCapgoText || !utf8.ValidString(long) {
		t.Errorf("%d bytes, %q", len(long), long)
	}
	if got := bounded("a\x00b\xffc"); got != "abc" {
		t.Errorf("%q", got)
	}
}

func FuzzInfo(f *testing.F) {
	f.Add(infoWith())
	f.Add(infoWith("version_name", "[]", "is_prod", "1.5", "plugin_version", "99999999999999999999.1"))
	f.Fuzz(func(t *testing.T, body string) {
		var s said
		if unmarshal([]byte(body), &s) != nil {
			return
		}
		in, fault := s.info()
		if fault != nil {
			return
		}
		if _, err := sealift.ParseAppID(string(in.App)); err != nil {
			t.Error(err)
		}
		if _, err := sealift.ParseDeviceID(string(in.Device)); err != nil {
			t.Error(err)
		}
		for _, v := range []sealift.Version{in.Build, in.Plugin} {
			if _, err := sealift.ParseVersion(string(v)); err != nil {
				t.Error(err)
			}
		}
		app := appWith(channelWith("production", candidateOf(t, "2.0.0", 2, nil)))
		d := app.Decide(&in, "", func(sealift.Digest) bool { return false })
		reply, err := d.reply(&in)
		if err != nil || !json.Valid(reply) {
			t.Errorf("%s, %v", reply, err)
		}
	})
}

func FuzzEvents(f *testing.F) {
	f.Add("[" + infoWith("action", "set", "timestamp", "1772366400000", "metadata", `{"a":"b"}`) + "]")
	f.Add(infoWith("action", "windows_path_fail", "version_name", "1.2.3:a\\b"))
	f.Add(`[1,{},null,{"action":7,"timestamp":-1e400}]`)
	f.Fuzz(func(t *testing.T, body string) {
		events, _, fault := eventsIn([]byte(body))
		if fault != nil {
			return
		}
		for i := range events {
			in, f := events[i].who()
			if f != nil {
				continue
			}
			e := events[i].event(&in, events[i].splitPath(), noon)
			for _, text := range []string{e.Action, e.Version, e.Old, e.Detail} {
				if len(text) > sealift.MaxCapgoText || !utf8.ValidString(text) || strings.Contains(text, "\x00") {
					t.Errorf("%q", text)
				}
			}
			if e.At.Year() < 1970 || e.At.Year() > 9999 {
				t.Error(e.At)
			}
		}
	})
}
