package arch

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// graph says which package may import which: graph[a][b] is true where a may
// import b. It is closed: who may import a may import what a imports.
type graph map[string]map[string]bool

// parseGraph reads an import policy in the language of Go's internal/dag:
//
//	a, b < c, d;    c and d may import a and b
//	e < f < g;      is e < f; f < g;
//	i !< j;         j may never import i, whatever else is said
//	# comment
//
// Every name stands on the right of exactly one "<", before it stands on the
// left of any, so that the text reads from the bottom up and holds no cycle.
// NONE on the left is nothing.
func parseGraph(text string) (graph, error) {
	g := graph{}
	var never [][2]string
	for _, rule := range strings.Split(stripComments(text), ";") {
		if strings.TrimSpace(rule) == "" {
			continue
		}
		if left, right, ok := strings.Cut(rule, "!<"); ok {
			for _, low := range names(left) {
				for _, high := range names(right) {
					never = append(never, [2]string{low, high})
				}
			}
			continue
		}
		if err := g.add(strings.Split(rule, "<")); err != nil {
			return nil, fmt.Errorf("in %q: %w", strings.Join(strings.Fields(rule), " "), err)
		}
	}
	for _, pair := range never {
		if g[pair[0]] == nil || g[pair[1]] == nil {
			return nil, fmt.Errorf("%s !< %s: both must be defined", pair[0], pair[1])
		}
		if g[pair[1]][pair[0]] {
			return nil, fmt.Errorf("%s !< %s does not hold", pair[0], pair[1])
		}
	}
	return g, nil
}

func (g graph) add(chain []string) error {
	if len(chain) < 2 {
		return fmt.Errorf("no <")
	}
	for i, list := range chain[1:] {
		below := map[string]bool{}
		for _, low := range names(chain[i]) {
			if low == "NONE" {
				continue
			}
			if g[low] == nil {
				return fmt.Errorf("%s is used before it is defined", low)
			}
			below[low] = true
			for further := range g[low] {
				below[further] = true
			}
		}
		for _, high := range names(list) {
			if g[high] != nil || below[high] {
				return fmt.Errorf("%s is defined twice", high)
			}
			g[high] = below
		}
	}
	return nil
}

func names(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune(", \t\n", r) })
}

func stripComments(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i], _, _ = strings.Cut(line, "#")
	}
	return strings.Join(lines, "\n")
}

// node returns the name that dir has in the policy: its own, else that of the
// nearest folder above it, so that a package may be divided without a word here.
func (g graph) node(dir string) (name string, ok bool) {
	if dir == "." {
		dir = "sealift"
	}
	for {
		if g[dir] != nil {
			return dir, true
		}
		i := strings.LastIndex(dir, "/")
		if i < 0 {
			return "", false
		}
		dir = dir[:i]
	}
}

// below returns the named packages and all that they may import, sorted.
func (g graph) below(tops string) []string {
	var all []string
	for _, top := range names(tops) {
		all = append(all, top)
		for low := range g[top] {
			all = append(all, low)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func TestGraph(t *testing.T) {
	g, err := parseGraph(`
		NONE < a;      # bottom
		a < b, c < d;
		a < e;
		d !< e; b !< c;
	`)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(g.below("d, e")); got != "[a b c d e]" {
		t.Errorf("below d, e: %s", got)
	}
	for pair, want := range map[string]bool{"d a": true, "d b": true, "b a": true, "a b": false, "e b": false, "b c": false} {
		p := strings.Fields(pair)
		if g[p[0]][p[1]] != want {
			t.Errorf("%s may import %s: %v, want %v", p[0], p[1], !want, want)
		}
	}
	for dir, want := range map[string]string{"b": "b", "b/deep/down": "b", "bb": "", "x/b": ""} {
		if got, _ := g.node(dir); got != want {
			t.Errorf("node of %s: %q, want %q", dir, got, want)
		}
	}
	for text, want := range map[string]string{
		"NONE < a; b < c;":               "b is used before it is defined",
		"NONE < a; NONE < a;":            "a is defined twice",
		"NONE < a < b < a;":              "a is defined twice",
		"NONE < a < b; a !< b;":          "a !< b does not hold",
		"NONE < a < b < c; a !< c;":      "a !< c does not hold",
		"NONE < a; x !< a;":              "both must be defined",
		"NONE < a; a":                    "no <",
		"NONE < a, b; a < c; b < c;":     "c is defined twice",
		"NONE < a; a < internal/x < a/y": "",
	} {
		_, err := parseGraph(text)
		if got := fmt.Sprint(err); want != "" && !strings.Contains(got, want) || want == "" && err != nil {
			t.Errorf("%s: %s, want %q", text, got, want)
		}
	}
}
