package bundle

import (
	"bufio"
	"io/fs"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sealift/sealift"
)

func TestPathsAllowed(t *testing.T) {
	for _, path := range []string{
		"a", "index.html", "a/b/c.js", ".well-known/assetlinks.json", "..a", "a..b", "...b", "[id].js", "a b.js", "~a", "-", "@scope/x",
		"é", "日本/語.html", "😀.png", "console.js", "com.js", "com0", "com10.js", "lpt.js", "auxiliary", "nullable.js", "con-1.js",
		strings.Repeat("n", sealift.MaxPathElement), strings.Repeat("d/", sealift.MaxPath/2-1) + "ab",
	} {
		if problem := checkPath(path); problem != "" {
			t.Errorf("%q: %s", path, problem)
		}
	}
}

func TestPathsRefused(t *testing.T) {
	for _, path := range []string{
		"", "/", "/a", "a/", "a//b", ".", "..", "./a", "a/.", "a/..", "../a", "a/../b", `a\b`, `C:\a`, "C:a", "a\x00b", "a\nb", "a\x7f", "a\u0085",
		"a\xffb", "\xed\xa0\x80", "a.", "a /b", "a./b", "nul", "NUL", "Nul.txt", "con .txt", "js/aux.js", "COM1", "com9.tar.gz", "LPT1", "com¹.txt", "conin$",
		"a<b", "a>b", `a"b`, "a|b", "a?b", "a*b",
		strings.Repeat("n", sealift.MaxPathElement+1), strings.Repeat("d/", sealift.MaxPath/2) + "a",
	} {
		if checkPath(path) == "" {
			t.Errorf("%q is allowed", path)
		}
	}
}

// FuzzPath checks what a Sink relies on, in other words than checkPath's.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{"a/b.js", "../a", "/a", "a\x00", "é/日本", "aux.js", `a\b`, "a/./b", "e\u0301"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if checkPath(path) != "" {
			return
		}
		if !fs.ValidPath(path) || path == "." || !utf8.ValidString(path) || len(path) > sealift.MaxPath || strings.ContainsAny(path, "\\:\x00") {
			t.Errorf("%q is allowed", path)
		}
		header := appendHeader(nil, File{Path: path})
		got, err := parseHeader(header)
		if err != nil || got.Path != path {
			t.Errorf("%q comes back as %q: %v", path, got.Path, err)
		}
		if folded := foldName(path); foldName(folded) != folded {
			t.Errorf("folding %q twice gives %q, not %q", path, foldName(folded), folded)
		}
	})
}

func TestFoldName(t *testing.T) {
	for _, same := range [][]string{
		{"README", "readme", "ReadMe"},
		{"\u00e9", "e\u0301", "\u00c9", "E\u0301"},
		{"\u212b", "\u00c5", "A\u030a", "a\u030a"},                   // Ångström sign
		{"\u1ec7", "e\u0323\u0302", "\u1eb9\u0302", "e\u0302\u0323"}, // ệ, marks in any order
		{"\uac01", "\u1100\u1161\u11a8", "\uac00\u11a8"},             // Hangul
		{"k", "K", "\u212a"},                                         // Kelvin sign
		{"σ", "ς", "Σ"},
		{"\uf900", "\u8c48"}, // CJK compatibility ideograph
		{"ab", "a\u200db", "a\ufeffb"},
		{"\u0399\u0308\u0301", "\u0390", "\u1fd3"},
	} {
		for _, name := range same {
			if foldName(name) != foldName(same[0]) {
				t.Errorf("%+q and %+q are not one", name, same[0])
			}
		}
	}
	for _, apart := range [][2]string{
		{"a", "b"}, {"é", "e"}, {"é", "è"}, {"設定", "検索"}, {"ß", "ss"}, {"a-b", "ab"}, {"i", "ı"}, {"\uac00", "\uac01"}, {"कि", "की"},
	} {
		if foldName(apart[0]) == foldName(apart[1]) {
			t.Errorf("%q and %q are one", apart[0], apart[1])
		}
	}
}

// The table is whole and fully applied: no decomposition holds a rune that has
// one itself.
func TestDecompositions(t *testing.T) {
	table := decompositions()
	if len(table) != 2061 {
		t.Errorf("%d decompositions", len(table))
	}
	for r, to := range table {
		for _, d := range to {
			if _, ok := table[d]; ok || len(to) == 0 {
				t.Errorf("%U becomes %U, which is not the end of it", r, to)
			}
		}
	}
	lines := bufio.NewScanner(strings.NewReader(decompositionsText))
	for lines.Scan() {
		if line := lines.Text(); line != "" && !isASCII(line) {
			t.Errorf("a line that an editor might compose: %q", line)
		}
	}
}

// A folder in the place of a file is refused, and so is all that is in it.
func TestNamesAfterARefusal(t *testing.T) {
	var n names
	for _, step := range []struct{ path, reason string }{
		{"-", ""}, {"-/-", reasonCollision}, {"-/a", reasonCollision}, {"-/a/b", reasonCollision}, {"a/b", ""}, {"a/b/c", reasonCollision}, {"a/c", ""},
	} {
		if reason, _ := n.add(step.path); reason != step.reason {
			t.Errorf("%s: %q, want %q", step.path, reason, step.reason)
		}
	}
}
