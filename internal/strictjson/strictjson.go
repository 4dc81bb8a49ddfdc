// Package strictjson decodes signed documents so that every reader of the same
// bytes sees the same values.
//
// encoding/json takes the last of two equal keys, matches keys without regard
// to case, replaces broken UTF-8 and halves of surrogate pairs, and reads any
// depth. Each of these lets a
// signer mean one thing and a verifier read another. Unmarshal refuses:
//
//   - more than max bytes, bytes that are not UTF-8, anything after the value;
//   - an escape of half a surrogate pair ("\ud800"), which is no character;
//   - nesting deeper than sealift.MaxJSONDepth;
//   - an object with two equal keys, or with a key that equals a field's name
//     only when case is ignored;
//   - binary (a []byte) that is not the one base64 text of its bytes: standard
//     alphabet, padding, no line breaks, no idle bits (RFC 4648 section 3.5);
//   - null in place of the document.
//
// Unknown keys are read over: whether a document may hold them is for the
// document to say (its "critical" list).
package strictjson

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/sealift/sealift"
)

// Unmarshal decodes data, of at most max bytes, into the struct that v points
// to. Errors say what is wrong and where; they are not yet *sealift.Error,
// since only the caller knows what was being read.
func Unmarshal(data []byte, max int, v any) error { return unmarshal(data, max, v, false) }

// UnmarshalKnown is Unmarshal for what the reader knows all keys of: an object that
// becomes a struct and has a key that is no field is refused as well.
func UnmarshalKnown(data []byte, max int, v any) error { return unmarshal(data, max, v, true) }

func unmarshal(data []byte, max int, v any, known bool) error {
	if len(data) > max {
		return fmt.Errorf("%d bytes, at most %d are allowed", len(data), max)
	}
	if !utf8.Valid(data) {
		return errors.New("not UTF-8")
	}
	if string(bytes.TrimSpace(data)) == "null" {
		return errors.New("null in place of a document")
	}
	if err := checkShape(data); err != nil {
		return err
	}
	if err := checkEscapes(data); err != nil {
		return err
	}
	if err := checkKeys(data, reflect.TypeOf(v), "$", known); err != nil {
		return err
	}
	return mistyped(json.Unmarshal(data, v))
}

// checkShape reads all tokens once: syntax, depth, duplicate keys and trailing
// data.
func checkShape(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := checkValue(dec, 0); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("data after the document's end")
	}
	return nil
}

func checkValue(dec *json.Decoder, depth int) error {
	if depth > sealift.MaxJSONDepth {
		return fmt.Errorf("nested deeper than %d", sealift.MaxJSONDepth)
	}
	token, err := dec.Token()
	if err != nil {
		return syntax(err)
	}
	delim, isDelim := token.(json.Delim)
	if !isDelim {
		return nil
	}
	seen := map[string]bool{}
	for i := 0; dec.More(); i++ {
		key := ""
		if delim == '{' {
			token, err := dec.Token()
			if err != nil {
				return syntax(err)
			}
			key = token.(string) // the decoder yields nothing else here
			if seen[key] {
				return &doubled{key: key}
			}
			seen[key] = true
		}
		if err := checkValue(dec, depth+1); err != nil {
			return within(err, delim, key, i)
		}
	}
	_, err = dec.Token()
	return syntax(err)
}

// doubled is a key that an object has twice.
type doubled struct{ key, path string }

func (d *doubled) Error() string { return fmt.Sprintf("key %q twice in $%s", d.key, d.path) }

// within says of an error in a value which key of an object it is of, or which
// element of a list.
func within(err error, delim json.Delim, key string, i int) error {
	if d, ok := err.(*doubled); ok {
		step := "." + key
		if delim == '[' {
			step = fmt.Sprintf("[%d]", i)
		}
		d.path = step + d.path
	}
	return err
}

func syntax(err error) error {
	if err == io.EOF {
		return errors.New("the document ends too early")
	}
	return err
}

// checkEscapes reads the escapes of data, which is valid JSON: a backslash
// stands only in strings.
func checkEscapes(data []byte) error {
	for i := 0; i < len(data); i++ {
		if data[i] != '\\' {
			continue
		}
		first := escaped(data[i:])
		switch {
		case first < 0:
			i++ // of two bytes
		case !utf16.IsSurrogate(first):
			i += unicodeEscape - 1
		case utf16.DecodeRune(first, escaped(data[i+unicodeEscape:])) == utf8.RuneError:
			return errors.New("half a surrogate pair")
		default:
			i += 2*unicodeEscape - 1
		}
	}
	return nil
}

// unicodeEscape is the length of "\uXXXX".
const unicodeEscape = 6

// escaped returns the UTF-16 unit of a Unicode escape at the start of data, -1
// if there is none.
func escaped(data []byte) rune {
	if len(data) < unicodeEscape || data[0] != '\\' || data[1] != 'u' {
		return -1
	}
	unit, err := strconv.ParseUint(string(data[2:unicodeEscape]), 16, 16)
	if err != nil {
		return -1
	}
	return rune(unit)
}

// checkKeys walks data along the type t and refuses keys that encoding/json
// would match to a field only by folding case, those that match none if all are to
// be known, and binary in a second spelling.
func checkKeys(data []byte, t reflect.Type, path string, known bool) error {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil || decodesItself(t) || plain(t) {
		return nil
	}
	switch t.Kind() {
	case reflect.Struct:
		var object map[string]json.RawMessage
		if json.Unmarshal(data, &object) != nil {
			return nil // not an object: json.Unmarshal into v reports it
		}
		fields := fieldsOf(t)
		for key, value := range object {
			if field, ok := fields[key]; ok {
				if err := checkKeys(value, field, path+"."+key, known); err != nil {
					return err
				}
				continue
			}
			for name := range fields {
				if strings.EqualFold(name, key) {
					return fmt.Errorf("key %q in %s, which is spelled %q", key, path, name)
				}
			}
			if known {
				return fmt.Errorf("unknown field %q", key)
			}
		}
	case reflect.Map:
		return checkElements(data, t, path, known, &map[string]json.RawMessage{})
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return checkBinary(data, path)
		}
		return checkElements(data, t, path, known, &[]json.RawMessage{})
	}
	return nil
}

func checkBinary(data []byte, path string) error {
	var text *string                        // nil for null
	if json.Unmarshal(data, &text) != nil { // encoding/json takes a list of numbers too
		return fmt.Errorf("%s is not base64", path)
	}
	if text == nil {
		return nil
	}
	binary, err := base64.StdEncoding.DecodeString(*text)
	if err != nil {
		return nil // json.Unmarshal into v reports it
	}
	if base64.StdEncoding.EncodeToString(binary) != *text {
		return fmt.Errorf("the base64 in %s is not the one that its bytes have", path)
	}
	return nil
}

// plain reports whether nothing of a t can be spelled in two ways: numbers, texts, and
// lists and maps of these, of which a device's state has hundreds.
func plain(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Slice, reflect.Array:
		return t.Elem().Kind() != reflect.Uint8 && plain(t.Elem())
	case reflect.Map:
		return plain(t.Elem())
	case reflect.Struct, reflect.Pointer, reflect.Interface:
		return false
	}
	return true
}

func checkElements(data []byte, t reflect.Type, path string, known bool, into any) error {
	if json.Unmarshal(data, into) != nil {
		return nil // json.Unmarshal into v reports it
	}
	switch elements := into.(type) {
	case *map[string]json.RawMessage:
		for key, value := range *elements {
			if err := checkKeys(value, t.Elem(), path+"."+key, known); err != nil {
				return err
			}
		}
	case *[]json.RawMessage:
		for i, value := range *elements {
			if err := checkKeys(value, t.Elem(), fmt.Sprintf("%s[%d]", path, i), known); err != nil {
				return err
			}
		}
	}
	return nil
}

// fieldsOf is Fields, worked out once for each type.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	if known, ok := fieldsKnown.Load(t); ok {
		return known.(map[string]reflect.Type)
	}
	fields := Fields(t)
	fieldsKnown.Store(t, fields)
	return fields
}

var fieldsKnown sync.Map // of map[string]reflect.Type by reflect.Type, none of which changes

var unmarshalerType = reflect.TypeFor[json.Unmarshaler]()

// decodesItself reports whether t brings its own decoder (time.Time,
// json.RawMessage), whose keys are not fields. It is worked out once for each type.
func decodesItself(t reflect.Type) bool {
	if known, ok := decodersKnown.Load(t); ok {
		return known.(bool)
	}
	does := t.Implements(unmarshalerType) || reflect.PointerTo(t).Implements(unmarshalerType)
	decodersKnown.Store(t, does)
	return does
}

var decodersKnown sync.Map // of bool by reflect.Type

// Fields returns the JSON keys of the struct type t and the type of each.
// Embedded structs without a key of their own are read through.
func Fields(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-" || !f.IsExported() && !f.Anonymous:
		case f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct:
			for key, inner := range Fields(f.Type) {
				fields[key] = inner
			}
		case name == "":
			fields[f.Name] = f.Type
		default:
			fields[name] = f.Type
		}
	}
	return fields
}
