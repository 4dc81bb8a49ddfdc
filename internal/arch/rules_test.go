package arch

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"
)

const root = "../.." // of the module

// rules are the checks of a parsed tree, each with a fixture of its name in
// testdata.
var rules = map[string]func(tree) []finding{
	"layers":       checkLayers,
	"modules":      checkModules,
	"pure":         checkPure,
	"package-docs": checkPackageDocs,
	"symbol-docs":  checkSymbolDocs,
	"length":       checkLength,
	"names":        checkNames,
	"comments":     checkComments,
	"messages":     checkMessages,
	"init":         checkInit,
	"process":      checkProcess,
	"test-only":    checkTestOnly,
	"skips":        checkSkips,
}

// TestModule holds the module to every rule.
func TestModule(t *testing.T) {
	all, err := load(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 10 {
		t.Fatalf("only %d Go files found", len(all))
	}
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		t.Run(name, func(t *testing.T) {
			for _, f := range rules[name](all) {
				t.Error(f)
			}
		})
	}
}

// TestRules shows each rule red and green: it finds what its fixture marks with
// // want "regexp" at the end of a line, and nothing else.
func TestRules(t *testing.T) {
	for name, rule := range rules {
		t.Run(name, func(t *testing.T) {
			fixture, want := readFixture(t, filepath.Join("testdata", name+".txtar"))
			if len(want) == 0 {
				t.Fatal("the fixture breaks nothing")
			}
			for _, f := range rule(fixture) {
				place := fmt.Sprintf("%s:%d", f.path, f.line)
				pattern, expected := want[place]
				switch {
				case !expected:
					t.Errorf("not expected: %s", f)
				case !regexp.MustCompile(pattern).MatchString(f.text):
					t.Errorf("%s, want %q", f, pattern)
				}
				want[place] = "" // more than one finding a line is fine
			}
			for place, pattern := range want {
				if pattern != "" {
					t.Errorf("%s: nothing found, want %q", place, pattern)
				}
			}
		})
	}
	fixtures, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(fixtures) != len(rules) {
		t.Errorf("%d fixtures for %d rules (%v)", len(fixtures), len(rules), err)
	}
}

var wantMark = regexp.MustCompile(`[ \t]*// want ("(?:[^"\\]|\\.)*")$`)

// readFixture parses the module in a txtar archive, with its marks taken out,
// and returns them by "path:line". A line "{{n}}" stands for n empty lines.
func readFixture(t *testing.T, archive string) (tree, map[string]string) {
	t.Helper()
	ar, err := txtar.ParseFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	fsys, want := fstest.MapFS{}, map[string]string{}
	for _, f := range ar.Files {
		lines := strings.Split(repeated.ReplaceAllStringFunc(string(f.Data), emptyLines), "\n")
		for i, line := range lines {
			if m := wantMark.FindStringSubmatch(line); m != nil {
				pattern, err := strconv.Unquote(m[1])
				if err != nil {
					t.Fatal(err)
				}
				want[fmt.Sprintf("%s:%d", f.Name, i+1)] = pattern
				lines[i] = strings.TrimSuffix(line, m[0])
			}
		}
		fsys[f.Name] = &fstest.MapFile{Data: []byte(strings.Join(lines, "\n"))}
	}
	all, err := load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return all, want
}

var repeated = regexp.MustCompile(`(?m)^\{\{(\d+)\}\}$`)

func emptyLines(mark string) string {
	n, err := strconv.Atoi(strings.Trim(mark, "{}"))
	if err != nil {
		panic(err) // the pattern has digits only
	}
	return strings.Repeat("\n", n-1)
}
