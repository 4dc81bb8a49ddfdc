package audit

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/sealift/sealift/internal/strictjson"
)

const someHash = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

// TestEntryLine has the lines of an Exporter be read without JSON, and others not.
func TestEntryLine(t *testing.T) {
	for _, leaf := range []string{"x", "{\"v\":1}\n", "a\\b \"c\" ü\n", "<&>"} {
		var out bytes.Buffer
		e, err := NewExporter(&out, "o", 1, nil)
		if err == nil {
			err = e.Entry(Stored{Index: 7, Leaf: []byte(leaf)})
		}
		if err == nil {
			err = e.Flush()
		}
		if err != nil {
			t.Fatal(err)
		}
		_, line, _ := strings.Cut(out.String(), "\n")
		got, ok := entryLine([]byte(strings.TrimSuffix(line, "\n")))
		if !ok || *got.Index != 7 || *got.Leaf != leaf || got.Hash != someHash || got.Lost || got.Checkpoint != "" {
			t.Errorf("%q: %+v, %v", leaf, got, ok)
		}
	}
	for _, line := range []string{
		``, `{`, `{"index":`, `{"index":,"hash":"a","leaf":"x"}`, `{"index":07,"hash":"a","leaf":"x"}`, `{"index":-1,"hash":"a","leaf":"x"}`,
		`{"index":9223372036854775808,"hash":"a","leaf":"x"}`, `{"index":7,"hash":"","leaf":"x"}`, `{"index":7,"hash":"a","leaf":"x`,
		`{"index":7,"hash":"a","leaf":"x\"}`, `{"index":7,"hash":"a","leaf":"x","lost":true}`, `{"index":7,"hash":"a","leaf":"\u0041"}`,
		`{"index":7,"hash":"a","leaf":"` + "\xff" + `"}`, `{"index":7,"hash":"a","leaf":"` + "\x01" + `"}`, `{"index":7,"hash":"a","leaf":"x","leaf":"y"}`,
		`{"index":7 ,"hash":"a","leaf":"x"}`, `{"index":7,"hash":"a","lost":true}`,
	} {
		if got, ok := entryLine([]byte(line)); ok {
			t.Errorf("%q is %+v", line, got)
		}
	}
}

// FuzzEntryLine holds what is read without JSON to what JSON says.
func FuzzEntryLine(f *testing.F) {
	f.Add([]byte(`{"index":7,"hash":"` + someHash + `","leaf":"{\"v\":1}\n"}`))
	f.Add([]byte(`{"index":0,"hash":"a","leaf":"\\"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		got, ok := entryLine(line)
		if !ok {
			return
		}
		var want exportLine
		if err := strictjson.Unmarshal(line, maxExportLine, &want); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, and JSON says %+v, %v", line, got, want, err)
		}
	})
}
