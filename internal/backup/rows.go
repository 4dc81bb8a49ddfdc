package backup

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// appendRow appends a row as one line. A value that is none of a store is an
// error, as is a text that JSON would change.
func appendRow(out []byte, values []any) ([]byte, error) {
	out = append(out, '[')
	for i, value := range values {
		if i > 0 {
			out = append(out, ',')
		}
		switch v := value.(type) {
		case int64:
			out = strconv.AppendInt(out, v, 10)
		case string:
			if !utf8.ValidString(v) {
				return nil, fmt.Errorf("column %d holds a text that is not UTF-8", i)
			}
			text, err := json.Marshal(v)
			if err != nil {
				return nil, err
			}
			out = append(out, text...)
		case []byte:
			out = append(out, `["`...)
			out = base64.StdEncoding.AppendEncode(out, v)
			out = append(out, `"]`...)
		default:
			return nil, fmt.Errorf("column %d holds a %T", i, value)
		}
	}
	return append(out, "]\n"...), nil
}

// parseRow reads what appendRow wrote.
func parseRow(line []byte) ([]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.UseNumber()
	var fields []any
	if err := decoder.Decode(&fields); err != nil {
		return nil, err
	}
	if decoder.InputOffset() != int64(len(line)) {
		return nil, fmt.Errorf("something stands behind the row")
	}
	for i, field := range fields {
		value, err := parseValue(field)
		if err != nil {
			return nil, fmt.Errorf("column %d: %w", i, err)
		}
		fields[i] = value
	}
	return fields, nil
}

func parseValue(field any) (any, error) {
	switch v := field.(type) {
	case json.Number:
		return strconv.ParseInt(v.String(), 10, 64)
	case string:
		return v, nil
	case []any:
		if len(v) == 1 {
			if text, ok := v[0].(string); ok {
				data, err := base64.StdEncoding.Strict().DecodeString(text)
				if data == nil {
					data = []byte{} // bytes, and not NULL
				}
				return data, err
			}
		}
	}
	return nil, fmt.Errorf("it is no number, text or bytes")
}
