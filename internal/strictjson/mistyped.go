package strictjson

import (
	"cmp"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
)

// mistyped says of a value of the wrong type what it is and what it should be, in
// the words of JSON: whoever wrote it knows no types of Go.
func mistyped(err error) error {
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) {
		return err
	}
	path := "$"
	if wrong.Field != "" {
		path += "." + wrong.Field
	}
	named := map[string]string{"string": "text", "number": "a number", "bool": "true or false", "object": "an object", "array": "a list"}
	return fmt.Errorf("%s is %s, and should be %s", path, cmp.Or(named[wrong.Value], wrong.Value), wanted(wrong.Type))
}

var textType = reflect.TypeFor[encoding.TextUnmarshaler]()

// wanted names what JSON writes a value of t as.
func wanted(t reflect.Type) string {
	if reflect.PointerTo(t).Implements(textType) {
		return "text"
	}
	switch t.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number, and none below 0"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return "text in base64"
		}
		return "a list"
	case reflect.Struct, reflect.Map:
		return "an object"
	}
	return "text"
}
