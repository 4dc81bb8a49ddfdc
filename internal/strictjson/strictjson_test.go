package strictjson

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sealift/sealift"
)

type inner struct {
	Serial string `json:"serial"`
}

type document struct {
	Version  int              `json:"version"`
	At       time.Time        `json:"at,omitzero"`
	List     []inner          `json:"list,omitempty"`
	Named    map[string]inner `json:"named,omitempty"`
	Ptr      *inner           `json:"ptr,omitempty"`
	Base                      // read through
	Hidden   string           `json:"-"`
	Untagged string
	Binary   []byte   `json:"binary,omitempty"`
	Chain    [][]byte `json:"chain,omitempty"`
}

// Base is embedded.
type Base struct {
	Issuer string `json:"issuer,omitempty"`
}

func TestUnmarshal(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	deep := nested(40)
	for _, c := range []struct{ name, in, want string }{
		{"plain", `{"version":1,"list":[{"serial":"a"}]}`, ""},
		{"unknown key", `{"version":1,"later":{"x":[1,{}]}}`, ""},
		{"own decoder", `{"at":"2026-11-23T00:00:00Z"}`, ""},
		{"null", ` null `, "null in place"},
		{"empty", ``, "ends too early"},
		{"cut", `{"version":1`, "unexpected EOF|ends too early"},
		{"trailing", `{"version":1}{}`, "after the document's end"},
		{"twice", `{"version":1,"version":2}`, `key "version" twice`},
		{"twice by escape", `{"version":1,"\u0076ersion":2}`, `key "version" twice`},
		{"twice in a list", `{"list":[{"serial":"a","serial":"b"}]}`, `key "serial" twice`},
		{"case", `{"Version":1}`, `spelled "version"`},
		{"case in a list", `{"list":[{"Serial":"a"}]}`, `$.list[0]`},
		{"case in a map", `{"named":{"x":{"SERIAL":"a"}}}`, `$.named.x`},
		{"case behind a pointer", `{"ptr":{"seriaL":"a"}}`, `$.ptr`},
		{"not UTF-8", "{\"version\":1,\"x\":\"\xff\"}", "not UTF-8"},
		{"deep", `{"x":` + deep + `}`, "nested deeper"},
		{"as deep as allowed", `{"x":` + nested(sealift.MaxJSONDepth) + `}`, ""},
		{"one deeper", `{"x":` + nested(sealift.MaxJSONDepth+1) + `}`, "nested deeper"},
		{"as long as allowed", `{"x":"` + strings.Repeat("a", 1024-8) + `"}`, ""},
		{"one longer", `{"x":"` + strings.Repeat("a", 1024-7) + `"}`, "at most 1024"},
		{"case of an embedded field", `{"Issuer":"a"}`, `spelled "issuer"`},
		{"case that only Unicode folds", `{"li\u017ft":[]}`, `spelled "list"`},
		{"case of a field without a tag", `{"untagged":"a"}`, `spelled "Untagged"`},
		{"field that is no key", `{"hidden":"a","Hidden":"a","-":"a"}`, ""},
		{"twice in what is unknown", `{"later":[0,{"":{"x":1,"x":1}}]}`, `key "x" twice in $.later[1].`},
		{"null as a field", `{"version":1,"list":null,"ptr":null}`, ""},
		{"a list", `[]`, "$ is a list, and should be an object"},
		{"a string", `"x"`, "$ is text, and should be an object"},
		{"comma at the end", `{"version":1,}`, "invalid character"},
		{"closed wrongly", `{"list":[1}`, "invalid character"},
		{"half a surrogate pair", `{"x":"\ud83d"}`, "half a surrogate"},
		{"the other half", `{"x":"a\udc00b"}`, "half a surrogate"},
		{"two first halves", `{"x":"\ud83d\ud83d"}`, "half a surrogate"},
		{"halves apart", `{"x":"\ud83d.\ude00"}`, "half a surrogate"},
		{"half in a key", `{"\uD83D":1}`, "half a surrogate"},
		{"half at the end of a string", `{"x":"\ud83d","y":"\ude00"}`, "half a surrogate"},
		{"a whole pair", `{"x":"\ud83d\ude00"}`, ""},
		{"an escaped backslash", `{"x":"\\ud83d \\\\ud83d"}`, ""},
		{"other escapes", `{"x":"\u00e9\n\"\\"}`, ""},
		{"binary", `{"binary":"/+8=","chain":["","AAA="]}`, ""},
		{"binary that is null", `{"binary":null}`, ""},
		{"binary with idle bits", `{"binary":"/+9="}`, "$.binary"},
		{"binary with a line break", `{"binary":"/+\n8="}`, "$.binary"},
		{"binary in a list with idle bits", `{"chain":["","AAB="]}`, "$.chain[1]"},
		{"binary without padding", `{"binary":"/+8"}`, "illegal base64"},
		{"binary in the URL alphabet", `{"binary":"_-8="}`, "illegal base64"},
		{"binary as a list", `{"binary":[1,2]}`, "$.binary"},
		{"wrong type", `{"version":"1"}`, "$.version is text, and should be a whole number"},
		{"too long", `{"version":1,"x":"` + strings.Repeat("a", 2000) + `"}`, "at most 1024"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var doc document
			err := Unmarshal([]byte(c.in), 1024, &doc)
			if c.want == "" {
				if err != nil {
					t.Fatalf("Unmarshal(%s) = %v, want nil", c.in, err)
				}
				return
			}
			if err == nil {
				t.Fatalf("Unmarshal(%s) = nil, want an error with %q", c.in, c.want)
			}
			for _, want := range strings.Split(c.want, "|") {
				if strings.Contains(err.Error(), want) {
					return
				}
			}
			t.Fatalf("Unmarshal(%s) = %v, want %q", c.in, err, c.want)
		})
	}
}

func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte(`{"version":1,"list":[{"serial":"a"}],"named":{"k":{"serial":"b"}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var doc, plain document
		if err := Unmarshal(data, 1<<16, &doc); err != nil {
			return
		}
		// What is taken here, every other reader takes too, and sees the same.
		if err := json.Unmarshal(data, &plain); err != nil || !reflect.DeepEqual(doc, plain) {
			t.Errorf("%q: encoding/json reads %+v (%v), Unmarshal %+v", data, plain, err, doc)
		}
		upper := bytes.ToUpper(data)
		if bytes.Contains(data, []byte(`"version"`)) && Unmarshal(upper, 1<<16, new(document)) == nil && json.Valid(upper) {
			t.Errorf("%q is taken in upper case", upper)
		}
	})
}

func TestUnmarshalKnown(t *testing.T) {
	for in, want := range map[string]string{
		`{"version":1,"list":[{"serial":"a"}],"issuer":"i","binary":"AAA="}`: "",
		`{"later":1}`:                       `unknown field "later"`,
		`{"list":[{"serial":"a","x":1}]}`:   `unknown field "x"`,
		`{"named":{"any":{"later":1}}}`:     `unknown field "later"`,
		`{"ptr":{"later":{}}}`:              `unknown field "later"`,
		`{"-":"a"}`:                         `unknown field "-"`,
		`{"Version":1}`:                     `spelled "version"`,
		`{"version":1,"version":1}`:         `key "version" twice in $`,
		`{"version":"1"}`:                   "should be a whole number",
		`{"at":"2026-11-23T00:00:00Z"}`:     "",
		`{"named":{"later":{"serial":""}}}`: "",
	} {
		err := UnmarshalKnown([]byte(in), 1024, new(document))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", in, err, want)
		}
		// It refuses no less than who reads it with encoding/json alone.
		decoder := json.NewDecoder(strings.NewReader(in))
		decoder.DisallowUnknownFields()
		if plain := decoder.Decode(new(document)); err == nil && plain != nil {
			t.Errorf("%s is taken, and encoding/json says %v", in, plain)
		}
	}
}
