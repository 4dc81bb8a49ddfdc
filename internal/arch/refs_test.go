package arch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"unicode"
)

var (
	mdLink    = regexp.MustCompile(`\]\(([^)\s#]*)(?:#([^)\s]+))?\)`)
	mdHeading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	namedTest = regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z]\w*\b…?`)
	aTest     = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Z]\w*)\(`)
)

// checkReferences looks in the named documents of fsys for what is not there: a
// file or a section that a link leads to, a section that the document's own index
// leaves out, and a test that is named as the proof of something.
func checkReferences(fsys fs.FS, files []string) (found []finding, err error) {
	tests, documents := map[string]bool{}, map[string]string{}
	for _, name := range files {
		if ext := path.Ext(name); ext != ".go" && ext != ".md" {
			continue
		}
		data, err := fs.ReadFile(fsys, name)
		switch {
		case errors.Is(err, fs.ErrNotExist): // deleted, not yet committed
		case err != nil:
			return nil, err
		case path.Ext(name) == ".md":
			documents[name] = string(data)
		default:
			for _, m := range aTest.FindAllSubmatch(data, -1) {
				tests[string(m[1])] = true
			}
		}
	}
	for _, name := range files {
		for _, section := range unlisted(documents[name]) {
			found = append(found, finding{name, 1, fmt.Sprintf("its index leaves out %q", section)})
		}
		for i, line := range strings.Split(documents[name], "\n") {
			for _, m := range mdLink.FindAllStringSubmatch(line, -1) {
				if wrong := wrongLink(fsys, documents, name, m[1], m[2]); wrong != "" {
					found = append(found, finding{name, i + 1, wrong})
				}
			}
			for _, test := range namedTest.FindAllString(line, -1) {
				if !tests[test] && !strings.HasSuffix(test, "…") { // the beginning of names
					found = append(found, finding{name, i + 1, fmt.Sprintf("names %s, and there is no such test", test)})
				}
			}
		}
	}
	return found, nil
}

// unlisted returns the sections that a document's index leaves out. It has one if
// two or more links to sections of its own stand before the first of them.
func unlisted(text string) (missing []string) {
	const mark = "\n## "
	intro, sections, _ := strings.Cut(text, mark)
	listed := map[string]bool{}
	for _, m := range mdLink.FindAllStringSubmatch(intro, -1) {
		if m[1] == "" {
			listed[m[2]] = true
		}
	}
	if len(listed) < 2 || sections == "" {
		return nil
	}
	for _, section := range strings.Split(sections, mark) {
		heading, _, _ := strings.Cut(section, "\n")
		if !listed[anchor(heading)] {
			missing = append(missing, heading)
		}
	}
	return missing
}

// wrongLink says what of a link in the document named from is not there.
func wrongLink(fsys fs.FS, documents map[string]string, from, to, section string) string {
	target := path.Join(path.Dir(from), to)
	switch {
	case strings.Contains(to, ":"): // elsewhere
		return ""
	case to == "":
		target = from
	default:
		if _, err := fs.Stat(fsys, target); err != nil {
			return fmt.Sprintf("links to %s, which is not there", to)
		}
	}
	text, ok := documents[target]
	if section == "" || !ok {
		return ""
	}
	for _, m := range mdHeading.FindAllStringSubmatch(text, -1) {
		if anchor(m[1]) == section {
			return ""
		}
	}
	return fmt.Sprintf("links to #%s of %s, which has no such section", section, target)
}

// anchor is how a link names a heading.
func anchor(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, heading)
}

func TestReferences(t *testing.T) {
	found, err := checkReferences(os.DirFS(root), trackedFiles(t, root))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		t.Error(f)
	}
}

func TestReferencesGoRed(t *testing.T) {
	fsys := fstest.MapFS{
		"a_test.go": &fstest.MapFile{Data: []byte("package a\n\nfunc TestGood(t *testing.T) {}\n")},
		"README.md": &fstest.MapFile{Data: []byte("# A\n[b](docs/b.md#1-be-here) [c](docs/c.md)\n[d](docs/b.md#gone) [e](#a) [f](#b) [g](https://example.com/x#y)\n")},
		"docs/d.md": &fstest.MapFile{Data: []byte("# D\n[a](#a) [b](#b)\n## A\n## B\n## Left, out\n### Below\n")},
		"docs/b.md": &fstest.MapFile{Data: []byte("## 1. Be, here\n`TestGood`, `TestGone`, TestGo… [up](../README.md)\n")},
	}
	found, err := checkReferences(fsys, []string{"a_test.go", "README.md", "docs/b.md", "docs/d.md", "deleted.md"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range found {
		got = append(got, f.String())
	}
	want := []string{
		"README.md:2: links to docs/c.md, which is not there",
		"README.md:3: links to #gone of docs/b.md, which has no such section",
		"README.md:3: links to #b of README.md, which has no such section",
		"docs/b.md:2: names TestGone, and there is no such test",
		`docs/d.md:1: its index leaves out "Left, out"`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
