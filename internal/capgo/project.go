package capgo

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/strictjson"
)

// Project is what the capacitor.config.json of an app says to Capgo's plugin.
type Project struct {
	App     sealift.AppID // by which its devices ask: the plugin's appId, else the app's
	WebDir  string        // the folder that is built for the app; "" where it says nothing
	Updater Updater

	text []byte
}

// Updater are the plugin's settings that have to do with a server; "" for what is
// not set.
type Updater struct {
	AppID          string `json:"appId"`
	UpdateURL      string `json:"updateUrl"`
	StatsURL       string `json:"statsUrl"`
	ChannelURL     string `json:"channelUrl"`
	PublicKey      string `json:"publicKey"`
	DefaultChannel string `json:"defaultChannel"`
	// PrivateKey is what plugins before 6.2 were configured with, and nobody should
	// be: whoever has the app has it.
	PrivateKey string `json:"privateKey"`
}

// Setting is one setting of the plugin, and what it is to be.
type Setting struct {
	Name string `json:"name"`
	From string `json:"from"` // "" where it was not set
	To   string `json:"to"`
}

const (
	reading = "reading the app's configuration"
	section = "CapacitorUpdater"
)

// ParseProject reads a capacitor.config.json of at most sealift.MaxCapacitorConfig
// bytes. KindInvalid for what is none, is ambiguous, or has no settings of the plugin
// (reason "no-plugin").
func ParseProject(text []byte) (*Project, error) {
	var config struct {
		AppID   string `json:"appId"`
		WebDir  string `json:"webDir"`
		Plugins struct {
			Updater *Updater `json:"CapacitorUpdater"`
		} `json:"plugins"`
	}
	if err := strictjson.Unmarshal(text, sealift.MaxCapacitorConfig, &config); err != nil {
		return nil, sealift.Errorf(sealift.KindInvalid, reading, "%w", err).
			WithHint("it is JSON without comments, as the Capacitor CLI writes it, such as %s", example)
	}
	if config.Plugins.Updater == nil {
		return nil, sealift.Errorf(sealift.KindInvalid, reading, "it has no settings of Capgo's plugin").WithReason("no-plugin").
			WithHint("where the app has the plugin all the same, and goes by what it does without settings, add: %s", `"plugins": {"CapacitorUpdater": {}}`)
	}
	p := &Project{WebDir: config.WebDir, Updater: *config.Plugins.Updater, text: bytes.Clone(text)}
	id := p.Updater.AppID
	if id == "" {
		id = config.AppID
	}
	if id == "" {
		return nil, sealift.Errorf(sealift.KindInvalid, reading, "it has no appId").WithHint("it looks like %s", example)
	}
	var err error
	if p.App, err = sealift.ParseAppID(id); err != nil {
		return nil, sealift.Errorf(sealift.KindInvalid, reading, "appId: %w", err)
	}
	return p, nil
}

const example = `{"appId": "com.acme.shop", "plugins": {"CapacitorUpdater": {}}}`

// Changes returns what is to be different where the plugin is to go by want: of its
// URLs and its public key, those that want names.
func (p *Project) Changes(want Updater) []Setting {
	u := p.Updater
	key, err := ParsePublicKey(want.PublicKey)
	return slices.DeleteFunc([]Setting{
		{"updateUrl", u.UpdateURL, want.UpdateURL},
		{"statsUrl", u.StatsURL, want.StatsURL},
		{"channelUrl", u.ChannelURL, want.ChannelURL},
		{"publicKey", u.PublicKey, want.PublicKey},
	}, func(s Setting) bool {
		if s.Name == "publicKey" && err == nil { // in whichever lines: devices take them all
			has, err := ParsePublicKey(s.From)
			return err == nil && has.Equal(key)
		}
		return s.To == "" || s.From == s.To
	})
}

// With returns the text of the configuration with changes made, and every other byte
// as it was.
func (p *Project) With(changes []Setting) ([]byte, error) {
	const op = "changing the app's configuration"
	type edit struct {
		from, to int
		text     string
	}
	var edits []edit
	at, err := find(p.text, "plugins", section)
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInternal, op, "%w", err)
	}
	members, end, err := membersOf(p.text, at)
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInternal, op, "%w", err)
	}
	gap, colon := gapOf(p.text, at, len(members) > 0), ": "
	if gap == "" {
		colon = ":"
	}
	added := ""
	for _, c := range changes {
		value, err := quoted(c.To)
		if err != nil {
			return nil, sealift.Errorf(sealift.KindInternal, op, "%w", err)
		}
		if i := slices.IndexFunc(members, func(m member) bool { return m.key == c.Name }); i >= 0 {
			edits = append(edits, edit{members[i].from, members[i].to, value})
			continue
		}
		if added != "" || len(members) > 0 {
			added += ","
		}
		added += gap + `"` + c.Name + `"` + colon + value
	}
	if added != "" {
		last := edit{at + 1, at + 1, added}
		if len(members) > 0 {
			last.from, last.to = members[len(members)-1].to, members[len(members)-1].to
		} else { // what stood between the brackets is space
			last.to = end - 1
			last.text += strings.TrimSuffix(gap, "  ")
		}
		edits = append(edits, last)
	}
	// From the end, so that places before stay what they are; what is added behind a
	// value that is replaced comes before it in this order.
	slices.SortStableFunc(edits, func(a, b edit) int { return b.from - a.from })
	out := bytes.Clone(p.text)
	for _, e := range edits {
		out = slices.Concat(out[:e.from], []byte(e.text), out[e.to:])
	}
	if err := p.onlyChanged(out, changes); err != nil {
		return nil, sealift.Errorf(sealift.KindInternal, op, "%w", err)
	}
	return out, nil
}

// onlyChanged compares what a text means with what it was to mean.
func (p *Project) onlyChanged(text []byte, changes []Setting) error {
	was, is, wanted := map[string]any{}, map[string]any{}, map[string]string{}
	for _, side := range []struct {
		text []byte
		into *map[string]any
	}{{p.text, &was}, {text, &is}} {
		if err := strictjson.Unmarshal(side.text, 2*sealift.MaxCapacitorConfig, side.into); err != nil {
			return err
		}
	}
	for _, c := range changes {
		wanted[c.Name] = c.To
	}
	settings, ok := was["plugins"].(map[string]any)[section].(map[string]any)
	if !ok {
		return errors.New("the settings are no object")
	}
	for name, to := range wanted {
		settings[name] = to
	}
	if !reflect.DeepEqual(was, is) {
		return errors.New("the text would say something else as well")
	}
	return nil
}

// member is one member of an object: its name, and where its value stands.
type member struct {
	key      string
	from, to int
}

// membersOf reads the object that begins at a place of a text, up to where it ends.
func membersOf(text []byte, at int) (members []member, end int, err error) {
	dec := json.NewDecoder(bytes.NewReader(text[at:]))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return nil, 0, errors.New("no object")
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, 0, err
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, 0, err
		}
		to := at + int(dec.InputOffset())
		name, ok := key.(string)
		if from := to - len(value); ok && bytes.Equal(text[from:to], value) {
			members = append(members, member{name, from, to})
			continue
		}
		return nil, 0, errors.New("a member is not where it was read")
	}
	if _, err := dec.Token(); err != nil {
		return nil, 0, err
	}
	return members, at + int(dec.InputOffset()), nil
}

// find returns where the value stands that a path of names leads to.
func find(text []byte, path ...string) (int, error) {
	at := bytes.IndexByte(text, '{')
	for _, name := range path {
		members, _, err := membersOf(text, max(at, 0))
		if err != nil {
			return 0, err
		}
		i := slices.IndexFunc(members, func(m member) bool { return m.key == name })
		if i < 0 {
			return 0, errors.New("no " + name)
		}
		at = members[i].from
	}
	return at, nil
}

// gapOf is what stands before each member of the object at a place: a line's end and
// its indent, or nothing in a text of one line.
func gapOf(text []byte, at int, filled bool) string {
	if filled {
		return string(text[at+1 : at+1+bytes.IndexByte(text[at+1:], '"')])
	}
	start := bytes.LastIndexByte(text[:at], '\n') + 1
	if start == 0 {
		return ""
	}
	line := text[start:at]
	ends := "\n"
	if bytes.HasSuffix(text[:start], []byte("\r\n")) {
		ends = "\r\n"
	}
	return ends + string(line[:len(line)-len(bytes.TrimLeft(line, " \t"))]) + "  "
}

// quoted is s as JSON, with the characters of HTML as they are.
func quoted(s string) (string, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	err := enc.Encode(s)
	return strings.TrimSpace(out.String()), err
}

// ParsePublicKey reads what PublicPEM writes, also without its line breaks, as
// devices do. KindInvalid for anything else, and for a key that CheckKey refuses.
func ParsePublicKey(text string) (*rsa.PublicKey, error) {
	const op = "reading a public key for Capgo's plugin"
	body, begins := strings.CutPrefix(strings.TrimSpace(text), "-----BEGIN RSA PUBLIC KEY-----")
	body, ends := strings.CutSuffix(body, "-----END RSA PUBLIC KEY-----")
	der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(body), ""))
	if !begins || !ends || err != nil {
		return nil, sealift.Errorf(sealift.KindInvalid, op, "it is not one PEM block BEGIN RSA PUBLIC KEY")
	}
	key, err := x509.ParsePKCS1PublicKey(der)
	if err != nil {
		return nil, sealift.Errorf(sealift.KindInvalid, op, "%w", err)
	}
	return key, CheckKey(key)
}
