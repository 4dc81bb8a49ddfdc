package capgo

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/sealift/sealift"
)

// Info is what a device says of itself with whatever it asks.
type Info struct {
	App        sealift.AppID
	Device     sealift.DeviceID
	Platform   sealift.Platform
	Running    sealift.Version // of the bundle that it runs; "" for the one in the store's build, and for what is no version
	Build      sealift.Version // of the store's build
	Plugin     sealift.Version
	Channel    sealift.Channel // that the app is configured with; "" for none, and for what cannot be one
	KeyID      string          // of the public key in the app; "" for none
	Production bool
	Emulator   bool
}

// fault is why a request cannot be served, as the plugin is told.
type fault struct {
	code    string // bounded: it is counted by
	message string // for whoever reads the app's log
}

// The codes of requests that say too little or nothing.
const (
	codeMalformed = "invalid_json_body"
	codeTooLarge  = "body_too_large"
	codeMissing   = "missing_info"
	codeSemver    = "semver_error"
	codePlugin    = "unsupported_plugin_version"
	codeApp       = "app_not_found"
	codeNoChannel = "no_channel"
)

// text is a string of JSON, or what a sender may have meant by another value.
type text string

// UnmarshalJSON implements json.Unmarshaler: a number or a truth value is its text;
// null, lists and objects are empty.
func (t *text) UnmarshalJSON(data []byte) error {
	switch data[0] {
	case '"':
		if inner := data[1 : len(data)-1]; bytes.IndexByte(inner, '\\') < 0 { // as nearly all are
			*t = text(bounded(string(inner)))
			return nil
		}
		var s string
		if err := json.Unmarshal(data, &s); err != nil {
			return err
		}
		*t = text(bounded(s))
	case 'n', '[', '{':
		*t = ""
	default:
		*t = text(bounded(string(data)))
	}
	return nil
}

// bounded is s without what no database takes, and with no more bytes than are kept.
func bounded(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, ""), "\x00", "")
	if len(s) > sealift.MaxCapgoText {
		s = s[:sealift.MaxCapgoText]
		for !utf8.ValidString(s) {
			s = s[:len(s)-1]
		}
	}
	return s
}

// flag is a truth value of JSON, or a number or a text that stands for one.
type flag struct{ said, is bool }

// UnmarshalJSON implements json.Unmarshaler.
func (f *flag) UnmarshalJSON(data []byte) error {
	var t text
	if err := t.UnmarshalJSON(data); err != nil {
		return err
	}
	switch strings.ToLower(string(t)) {
	case "true", "1", "yes":
		*f = flag{true, true}
	case "false", "0", "no":
		*f = flag{said: true}
	}
	return nil
}

// said are the fields that every request has, as they came.
type said struct {
	App         text `json:"app_id"`
	Device      text `json:"device_id"`
	Platform    text `json:"platform"`
	VersionName text `json:"version_name"`
	Build       text `json:"version_build"`
	Plugin      text `json:"plugin_version"`
	Channel     text `json:"defaultChannel"`
	KeyID       text `json:"key_id"`
	Production  flag `json:"is_prod"`
	Emulator    flag `json:"is_emulator"`
}

// fromQuery reads the same fields from a query, as GET has them.
func fromQuery(q url.Values) said {
	of := func(name string) text { return text(bounded(q.Get(name))) }
	truth := func(name string) (f flag) {
		quoted, err := json.Marshal(q.Get(name))
		if err == nil {
			err = f.UnmarshalJSON(quoted)
		}
		if err != nil {
			return flag{}
		}
		return f
	}
	return said{
		App: of("app_id"), Device: of("device_id"), Platform: of("platform"), VersionName: of("version_name"), Build: of("version_build"),
		Plugin: of("plugin_version"), Channel: of("defaultChannel"), KeyID: of("key_id"), Production: truth("is_prod"), Emulator: truth("is_emulator"),
	}
}

// unmarshal reads a body into what has lenient fields.
func unmarshal(body []byte, into any) *fault {
	if err := json.Unmarshal(body, into); err != nil {
		return &fault{codeMalformed, "the body is not a JSON object of the plugin"}
	}
	return nil
}

// listIn reads a list of at most most items, and of a longer one an item more. So what it
// takes in memory is bounded by what is wanted of it, and not by what was sent. Anything
// but a list is an empty one.
func listIn[T any](data []byte, most int) (list []T, err error) {
	d := json.NewDecoder(bytes.NewReader(data))
	if first, err := d.Token(); err != nil || first != json.Delim('[') {
		return nil, err
	}
	for d.More() && len(list) <= most {
		var item T
		if err := d.Decode(&item); err != nil {
			return nil, err
		}
		list = append(list, item)
	}
	return list, nil
}

// builtin is how a device names the bundle in the store's build.
const builtin = "builtin"

// identity reads who asks, and in which words it wants to be answered.
func (s *said) identity() (in Info, f *fault) {
	in, f = s.who()
	if f != nil {
		return in, f
	}
	if in.Platform == "" {
		return in, &fault{codeMissing, "platform is missing, or no platform"}
	}
	if in.Plugin == "" || in.Plugin.Compare(oldestPlugin) < 0 {
		return in, &fault{codePlugin, "plugin_version is missing, or below 5.0.0: update the plugin with the next build for the store"}
	}
	return in, nil
}

// who reads which device it is, and whatever else it says.
func (s *said) who() (in Info, f *fault) {
	app, err := sealift.ParseAppID(string(s.App))
	if err != nil {
		return in, &fault{codeMissing, "app_id is missing, or no app id"}
	}
	in.App = app
	var ok bool
	if in.Device, ok = deviceOf(string(s.Device)); !ok {
		return in, &fault{codeMissing, "device_id is missing"}
	}
	in.Platform, _ = sealift.ParsePlatform(strings.ToLower(string(s.Platform)))
	in.Running, _ = pad(string(s.VersionName))
	in.Build, _ = pad(string(s.Build))
	in.Plugin, _ = pad(string(s.Plugin))
	in.Channel, _ = sealift.ParseChannel(string(s.Channel)) // else it has none
	in.KeyID = string(s.KeyID)
	in.Production = s.Production.is || !s.Production.said
	in.Emulator = s.Emulator.is
	return in, nil
}

// info reads all that a decision looks at.
func (s *said) info() (Info, *fault) {
	in, f := s.identity()
	if f == nil && in.Build == "" {
		f = &fault{codeSemver, "version_build is missing, or not a version such as 1.2.3: set it as the store's version of the app"}
	}
	return in, f
}

var (
	uuidForm = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
	hexForm  = regexp.MustCompile(`^[0-9a-f]{32}$`)
)

// deviceOf returns the id of a device that calls itself so.
func deviceOf(name string) (sealift.DeviceID, bool) {
	name = strings.ToLower(strings.TrimSpace(name))
	switch {
	case name == "":
		return "", false
	case uuidForm.MatchString(name):
		return sealift.DeviceID(strings.ReplaceAll(name, "-", "")), true
	case hexForm.MatchString(name):
		return sealift.DeviceID(name), true
	}
	sum := sha256.Sum256([]byte(name))
	return sealift.DeviceID(hex.EncodeToString(sum[:16])), true
}

// pad reads a version that may have fewer numbers than three, a leading "v", leading
// zeros, a fourth number or build metadata; these are left out.
func pad(s string) (sealift.Version, bool) {
	s = strings.TrimPrefix(strings.TrimSpace(s), "v")
	s, _, _ = strings.Cut(s, "+")
	core, pre, hasPre := strings.Cut(s, "-")
	numbers := strings.Split(core, ".")
	if len(numbers) > 4 {
		return "", false
	}
	for len(numbers) < 3 {
		numbers = append(numbers, "0")
	}
	numbers = numbers[:3]
	for i, n := range numbers {
		if n == "" {
			return "", false
		}
		if numbers[i] = strings.TrimLeft(n, "0"); numbers[i] == "" {
			numbers[i] = "0"
		}
	}
	out := strings.Join(numbers, ".")
	if hasPre {
		out += "-" + pre
	}
	v, err := sealift.ParseVersion(out)
	return v, err == nil
}
