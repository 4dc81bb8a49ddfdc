package trust

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/sealift/sealift"
	"github.com/sealift/sealift/internal/strictjson"
)

// decode reads one signed document of at most max bytes into doc, and refuses
// it if it names a critical field that doc does not have.
func decode(data []byte, max int, doc any) error {
	if err := strictjson.Unmarshal(data, max, doc); err != nil {
		return err
	}
	var head struct {
		Critical []string `json:"critical"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return err
	}
	known := strictjson.Fields(reflect.TypeOf(doc).Elem())
	for _, name := range head.Critical {
		if _, ok := known[name]; !ok || name == "critical" {
			return fmt.Errorf("critical field %q is not known here", name)
		}
	}
	return nil
}

// encode writes a document the way it is signed: one line of JSON, keys in the
// order of the struct, no HTML escapes, a newline at the end.
func encode(doc any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(doc); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// Time is an instant in a signed document: RFC 3339 in UTC with whole seconds
// and a "Z", so that one instant has one spelling.
type Time struct{ time.Time }

// At returns t in UTC, cut to whole seconds.
func At(t time.Time) Time { return Time{t.UTC().Truncate(time.Second)} }

const timeForm = "2006-01-02T15:04:05Z"

// MarshalJSON implements json.Marshaler.
func (t Time) MarshalJSON() ([]byte, error) {
	return []byte(`"` + t.UTC().Format(timeForm) + `"`), nil
}

// UnmarshalJSON implements json.Unmarshaler and refuses every other spelling.
func (t *Time) UnmarshalJSON(data []byte) error {
	parsed, err := time.Parse(`"`+timeForm+`"`, string(data))
	if err != nil || parsed.Format(`"`+timeForm+`"`) != string(data) {
		return fmt.Errorf("time %.40s is not of the form 2026-01-31T12:00:00Z", data)
	}
	t.Time = parsed
	return nil
}

// ParseIssued reads the "issued" field of timestamp metadata, which has the
// form of Time.
func ParseIssued(s string) (time.Time, error) {
	var t Time
	if err := t.UnmarshalJSON([]byte(`"` + s + `"`)); err != nil {
		return time.Time{}, err
	}
	return t.Time, nil
}

// strictBase64 decodes standard base64 with padding and refuses every other
// spelling of the same bytes: the library beneath would also take the URL
// alphabet.
func strictBase64(s string) ([]byte, error) {
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil, err
	}
	if base64.StdEncoding.EncodeToString(b) != s {
		return nil, fmt.Errorf("not the canonical base64 of its bytes")
	}
	return b, nil
}

// malformed is the error of every document that cannot be read.
func malformed(kind sealift.Kind, op string, err error) *sealift.Error {
	return sealift.Errorf(kind, op, "%w", err).WithReason("malformed")
}

// reason is an error that knows the word machines call it by.
type reason struct {
	error
	word string
}

// Unwrap returns the cause.
func (r reason) Unwrap() error { return r.error }

func reasoned(word string, err error) error { return reason{err, word} }

// refusal makes the error of a step: its reason is the one that err carries,
// or fallback.
func refusal(kind sealift.Kind, op, fallback string, err error) *sealift.Error {
	word := fallback
	var r reason
	if errors.As(err, &r) {
		word = r.word
	}
	return sealift.Errorf(kind, op, "%w", err).WithReason(word)
}
