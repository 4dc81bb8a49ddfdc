package pkcs11

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sealift/sealift"
)

// URI is a PKCS #11 URI (RFC 7512). An attribute that is empty matches all.
type URI struct {
	Token, Manufacturer, Model, Serial string  // of the token (CK_TOKEN_INFO)
	Slot                               *uint64 // slot-id
	Object                             string  // CKA_LABEL of the key
	ID                                 []byte  // CKA_ID of the key
	Type                               string  // "private", "public" or "secret-key"

	ModulePath string // module-path: the vendor's library, an absolute path
	PINSource  string // pin-source: an absolute path, written plainly or as a file URI
}

const scheme = "pkcs11:"

// parseOp is what ParseURI was doing.
const parseOp = "reading a PKCS #11 URI"

// ParseURI reads a PKCS #11 URI of at most sealift.MaxTokenURI bytes. Beyond
// RFC 7512 it is strict: an attribute that it does not act on is refused, since
// passing over one would match more than was meant, and so is one that stands
// twice, text that is not printable UTF-8, and a path that is not absolute.
//
// "pin-value" is refused: a PIN in a URI is a secret in an argument. So are a
// pin-source that is a command, and module-name, whose meaning depends on the
// machine. Errors are KindInvalid with reason "pkcs11-uri" and quote no value.
func ParseURI(s string) (URI, error) {
	u, err := parseURI(s)
	if err != nil {
		e := sealift.Errorf(sealift.KindInvalid, parseOp, "%w", err).WithReason(ReasonURI)
		if hint := sealift.HintOf(err); hint != "" {
			return URI{}, e
		}
		return URI{}, e.WithHint("a token is pkcs11:token=NAME?module-path=FILE&pin-source=file:FILE, a key in it pkcs11:token=NAME;object=LABEL")
	}
	return u, nil
}

func parseURI(s string) (u URI, err error) {
	if len(s) > sealift.MaxTokenURI {
		return u, fmt.Errorf("%d bytes; at most %d are allowed", len(s), sealift.MaxTokenURI)
	}
	rest, ok := strings.CutPrefix(s, scheme)
	if !ok {
		return u, fmt.Errorf("it does not begin with %s", scheme)
	}
	path, query, _ := strings.Cut(rest, "?")
	seen := map[string]bool{}
	if err := u.eachAttribute(path, ";", ":[]@!$'()*+,=&", seen, u.setPath); err != nil {
		return URI{}, err
	}
	return u, u.eachAttribute(query, "&", ":[]@!$'()*+,=/?|", seen, u.setQuery)
}

// eachAttribute splits a component and hands each attribute to set, decoded.
// plain lists what may stand in a value as itself beside the unreserved
// characters of RFC 3986.
func (u *URI) eachAttribute(component, separator, plain string, seen map[string]bool, set func(name, value string) error) error {
	if component == "" {
		return nil
	}
	for attribute := range strings.SplitSeq(component, separator) {
		name, raw, ok := strings.Cut(attribute, "=")
		switch {
		case !ok || raw == "":
			return fmt.Errorf("attribute %.40q has no value", name)
		case seen[name]:
			return fmt.Errorf("attribute %.40q stands twice", name)
		}
		seen[name] = true
		value, err := decode(raw, plain)
		if err == nil {
			err = set(name, value)
		}
		if err != nil {
			return fmt.Errorf("attribute %.40q: %w", name, err)
		}
	}
	return nil
}

func decode(raw, plain string) (string, error) {
	for _, b := range []byte(raw) {
		if !isUnreserved(b) && b != '%' && strings.IndexByte(plain, b) < 0 {
			return "", fmt.Errorf("byte %#02x must be written as %%%02X", b, b)
		}
	}
	return url.PathUnescape(raw)
}

func isUnreserved(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || strings.IndexByte("-._~", b) >= 0
}

func (u *URI) setPath(name, value string) error {
	switch name {
	case "token":
		return setText(&u.Token, value, 32) // the lengths are those of CK_TOKEN_INFO
	case "manufacturer":
		return setText(&u.Manufacturer, value, 32)
	case "model":
		return setText(&u.Model, value, 16)
	case "serial":
		return setText(&u.Serial, value, 16)
	case "object":
		return setText(&u.Object, value, sealift.MaxKeyLabel)
	case "id":
		if len(value) > maxID {
			return fmt.Errorf("%d bytes; at most %d are allowed", len(value), maxID)
		}
		u.ID = []byte(value)
		return nil
	case "slot-id":
		n, err := strconv.ParseUint(value, 10, 64)
		if err != nil {
			return fmt.Errorf("it is no number")
		}
		u.Slot = &n
		return nil
	case "type":
		if value != "private" && value != "public" && value != "secret-key" {
			return fmt.Errorf("keys are private, public or secret-key")
		}
		u.Type = value
		return nil
	case "pin-source", "pin-value", "module-name", "module-path":
		return fmt.Errorf("it belongs behind a question mark")
	}
	return fmt.Errorf("it is not supported, and passing over it would match more than is meant")
}

// maxID bounds a CKA_ID: tokens take 20 bytes and more; ours are 16.
const maxID = 64

func (u *URI) setQuery(name, value string) error {
	switch name {
	case "module-path":
		if !filepath.IsAbs(value) {
			return fmt.Errorf("it is no absolute path")
		}
		return setText(&u.ModulePath, filepath.Clean(value), sealift.MaxTokenURI)
	case "pin-source":
		path := value
		if rest, ok := strings.CutPrefix(value, "file:"); ok {
			path = strings.TrimPrefix(rest, "//")
		}
		if strings.HasPrefix(value, "|") || !filepath.IsAbs(path) {
			return sealift.Errorf(sealift.KindInvalid, "", "it is no file").WithHint("name a file that holds the PIN alone, readable by you only: pin-source=file:/etc/sealift/pin")
		}
		return setText(&u.PINSource, filepath.Clean(path), sealift.MaxTokenURI)
	case "pin-value":
		return sealift.Errorf(sealift.KindInvalid, "", "a PIN never stands in an argument or a file of settings").WithHint("write it into a file that only you may read, and name that: pin-source=file:FILE; change the PIN if others may have seen it")
	case "module-name":
		return sealift.Errorf(sealift.KindInvalid, "", "it is not supported").WithHint("name the library's file: module-path=/usr/lib/…")
	}
	return fmt.Errorf("it is not supported")
}

func setText(field *string, value string, most int) error {
	switch {
	case len(value) > most:
		return fmt.Errorf("%d bytes; at most %d are allowed", len(value), most)
	case !utf8.ValidString(value):
		return fmt.Errorf("it is not UTF-8")
	case strings.ContainsFunc(value, unicode.IsControl):
		return fmt.Errorf("it holds a control character")
	}
	*field = value
	return nil
}

// Names returns the URI without how to reach the token: what names it or a key
// in it, and is kept.
func (u URI) Names() URI {
	u.ModulePath, u.PINSource = "", ""
	return u
}

// OfToken returns what names the token alone.
func (u URI) OfToken() URI {
	return URI{Token: u.Token, Manufacturer: u.Manufacturer, Model: u.Model, Serial: u.Serial, Slot: u.Slot}
}

// NamesKey reports whether the URI names a key and not just a token.
func (u URI) NamesKey() bool { return u.Object != "" || len(u.ID) > 0 }

// String writes the URI in the one form that this package writes: attributes in
// a fixed order, every byte of an id and every reserved one of a text escaped.
func (u URI) String() string {
	var path, query []string
	text := func(to *[]string, name, value string) {
		if value != "" {
			*to = append(*to, name+"="+escape(value, isUnreserved))
		}
	}
	text(&path, "token", u.Token)
	text(&path, "manufacturer", u.Manufacturer)
	text(&path, "model", u.Model)
	text(&path, "serial", u.Serial)
	if u.Slot != nil {
		path = append(path, "slot-id="+strconv.FormatUint(*u.Slot, 10))
	}
	text(&path, "object", u.Object)
	if len(u.ID) > 0 {
		path = append(path, "id="+escape(string(u.ID), func(byte) bool { return false }))
	}
	text(&path, "type", u.Type)
	if u.ModulePath != "" {
		query = append(query, "module-path="+escape(u.ModulePath, inPath))
	}
	if u.PINSource != "" {
		query = append(query, "pin-source=file:"+escape(u.PINSource, inPath))
	}
	out := scheme + strings.Join(path, ";")
	if len(query) > 0 {
		out += "?" + strings.Join(query, "&")
	}
	return out
}

func escape(value string, plain func(byte) bool) string {
	var b strings.Builder
	for _, c := range []byte(value) {
		if plain(c) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func inPath(b byte) bool { return isUnreserved(b) || b == '/' }

// reaches reports whether a key of the URI other can be in the token that u
// tells how to reach: no attribute of the token contradicts.
func (u URI) reaches(other URI) bool {
	for _, pair := range [][2]string{{u.Token, other.Token}, {u.Manufacturer, other.Manufacturer}, {u.Model, other.Model}, {u.Serial, other.Serial}} {
		if pair[0] != "" && pair[1] != "" && pair[0] != pair[1] {
			return false
		}
	}
	return u.Slot == nil || other.Slot == nil || *u.Slot == *other.Slot
}
