package ceremony_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/sealift/sealift/internal/ceremony"
)

// TestReviewOfGarbage puts null, and values of other kinds, in the place of each
// value of what a stranger's proposal holds: it is refused or reviewed, and nothing
// panics.
func TestReviewOfGarbage(t *testing.T) {
	t.Parallel()
	ann, ben, _ := round(t)
	p, err := ann.ProposeRoot(ceremony.RootChange{Drop: []string{"targets-3"}}, theAnchors(t), words, foundedAt)
	check(t, err)
	for name, part := range map[string]func(*ceremony.Proposal) *[]byte{
		"root.json":    func(p *ceremony.Proposal) *[]byte { return &p.Next },
		"targets.json": func(p *ceremony.Proposal) *[]byte { return &p.Targets },
		"trust.json":   func(p *ceremony.Proposal) *[]byte { return &p.Trust },
	} {
		seen := 0
		bendEach(t, *part(p), func(path string, bent []byte) {
			seen++
			defer func() {
				if r := recover(); r != nil {
					t.Errorf("%s with another %s: panic: %v", name, path, r)
				}
			}()
			other := *p
			*part(&other) = bent
			_, _ = ben.Review(&other)
			_, _ = ben.Needs(&other)
			_, _ = other.Digest()
			_, _ = ben.Finish(&other)
		})
		if seen < 30 {
			t.Errorf("%s: %d values", name, seen)
		}
	}
}

// bendEach calls do with data in which one value is another one, for each value.
func bendEach(t *testing.T, data []byte, do func(path string, bent []byte)) {
	t.Helper()
	var document any
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	check(t, dec.Decode(&document))
	try := func(path string) {
		bent, err := json.Marshal(document)
		check(t, err)
		do(path, bent)
	}
	var walk func(path string, value any, set func(any))
	walk = func(path string, value any, set func(any)) {
		for _, other := range []any{nil, "", map[string]any{"": nil}} {
			set(other)
			try(path)
		}
		set(value)
		switch value := value.(type) {
		case map[string]any:
			for _, key := range slices.Sorted(maps.Keys(value)) {
				walk(path+"."+key, value[key], func(other any) { value[key] = other })
			}
		case []any:
			for i := range value {
				walk(path+"[]", value[i], func(other any) { value[i] = other })
			}
		}
	}
	walk("$", document, func(other any) { document = other })
}
