package cli

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// TestNamedCommands takes every command line that a hint, a message, a comment or
// a document names through the grammar: what is named can be typed.
func TestNamedCommands(t *testing.T) {
	p, seen := wholeGrammar(t), 0
	flags := map[string]bool{}
	for _, leaf := range p.Leaves(false) {
		for _, f := range leaf.Flags {
			flags[f.Name] = true
		}
	}
	for _, text := range append(sourceTexts(t, "../.."), documentTexts(t, "../..")...) {
		for _, line := range namedLines(text.says) {
			seen++
			if wrong := misnamed(p, line); wrong != "" {
				t.Errorf("%s: sealift %s: %s", text.where, strings.Join(line, " "), wrong)
			}
		}
		for _, m := range namedFlag.FindAllStringSubmatch(text.says, -1) {
			if text.hint && !flags[m[1]] { // of a command that the hint does not name
				t.Errorf("%s: no command has --%s", text.where, m[1])
			}
		}
	}
	if seen < 400 {
		t.Errorf("%d command lines were found: there are more", seen)
	}
	for line, wrong := range map[string]string{
		"see sealift vault unsael":                      "no command unsael",
		"with: sealift user list --everyone":            "no flag --everyone",
		"(sealift token create --out FILE --for=DAYS).": "no flag --for",
		"sealift root rotate --keys DIR; then go on":    "",
		"sealift vault status to see it":                "",
		"a defect of sealift: report it":                "",
	} {
		for _, words := range namedLines(line) {
			if got := misnamed(p, words); got != wrong {
				t.Errorf("%q: %q, not %q", line, got, wrong)
			}
		}
	}
}

// TestDocumentedCommands wants every command, and every flag of each, in
// docs/cli.md.
func TestDocumentedCommands(t *testing.T) {
	document, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	flags := map[string]bool{}
	for _, flag := range regexp.MustCompile(`--[a-z0-9-]+`).FindAllString(string(document), -1) {
		flags[flag] = true
	}
	named := string(document)
	for _, heading := range regexp.MustCompile(`(?m)^## (.+)$`).FindAllStringSubmatch(named, -1) {
		first, rest, _ := strings.Cut(heading[1], " ") // key suspend, restore
		for _, word := range strings.Split(rest, ", ") {
			named += "\nsealift " + strings.TrimSpace(first+" "+word)
		}
	}
	for _, leaf := range wholeGrammar(t).Leaves(true) {
		name := leaf
		if leaf.Parent.DefaultCmd == leaf {
			name = leaf.Parent
		}
		words := strings.TrimPrefix(name.FullPath(), "sealift ")
		words, _, _ = strings.Cut(words, " <")
		if !regexp.MustCompile(`\bsealift ` + words + `\b`).MatchString(named) {
			t.Errorf("docs/cli.md does not name: sealift %s", words)
		}
		for _, f := range leaf.Flags {
			if !flags["--"+f.Name] {
				t.Errorf("docs/cli.md does not name --%s of: sealift %s", f.Name, words)
			}
		}
	}
}

func wholeGrammar(t *testing.T) *kong.Node {
	t.Helper()
	std, _, _ := testIO()
	p, err := newGrammar(new(root), &std)
	if err != nil {
		t.Fatal(err)
	}
	return p.Model.Node
}

// namingText is something that people read, and where it stands.
type namingText struct {
	where, says string
	hint        bool
}

// sourceTexts returns the strings and comments of the module's Go files, without
// tests: these type wrong things on purpose.
func sourceTexts(t *testing.T, top string) (texts []namingText) {
	t.Helper()
	set := token.NewFileSet()
	walk(t, top, func(path string) {
		if filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, ".gen.go") {
			return
		}
		file, err := parser.ParseFile(set, path, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range file.Comments {
			texts = append(texts, namingText{where: set.Position(c.Pos()).String(), says: c.Text()})
		}
		hints := map[ast.Node]bool{}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if sel, ok := n.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "WithHint" {
					hints[n.Args[0]] = true
				}
			case *ast.BasicLit:
				if n.Kind != token.STRING {
					break
				}
				says, err := strconv.Unquote(n.Value)
				if err != nil {
					t.Fatal(err)
				}
				texts = append(texts, namingText{where: set.Position(n.Pos()).String(), says: says, hint: hints[n]})
			}
			return true
		})
	})
	return texts
}

// documentTexts returns the documents, and what the pages of the browser say.
func documentTexts(t *testing.T, top string) (texts []namingText) {
	t.Helper()
	walk(t, top, func(path string) {
		if !slices.Contains([]string{".md", ".yaml", ".js", ".html", ".sql"}, filepath.Ext(path)) {
			return
		}
		says, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, namingText{where: path, says: strings.ReplaceAll(string(says), "\\\n", " ")})
	})
	return texts
}

func walk(t *testing.T, top string, file func(path string)) {
	t.Helper()
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != top || d.Name() == "testdata"):
			return fs.SkipDir
		case d.Type().IsRegular():
			file(path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

var namedLine = regexp.MustCompile(`(?:^|[^\w./-])sealift((?:[ \t]+[^\s<>` + "`" + `]+)+)`)

var namedFlag = regexp.MustCompile(`--([a-z][a-z0-9-]*[a-z0-9])(?:[^%a-z0-9-]|$)`)

// namedLines returns the words behind each "sealift" in a text, up to the end of
// the line or of the clause.
func namedLines(text string) (lines [][]string) {
	for _, m := range namedLine.FindAllStringSubmatch(text, -1) {
		var line []string
		for _, word := range strings.Fields(m[1]) {
			bare := strings.TrimRight(word, `.,;:)"'|*]`)
			if bare != "" {
				line = append(line, bare)
			}
			if bare != word {
				break
			}
		}
		lines = append(lines, line)
	}
	return lines
}

// misnamed says what of a command line is not in the grammar: a command, or a
// flag. Values and placeholders are as they like.
func misnamed(node *kong.Node, words []string) string {
	for i := 0; i < len(words); i++ {
		word := words[i]
		if strings.Contains(word, "%") { // a flag or a value that is filled in
			continue
		}
		if name, ok := strings.CutPrefix(word, "--"); ok {
			name, _, valued := strings.Cut(name, "=")
			flag := flagNamed(node, name)
			if flag == nil {
				return "no flag --" + name
			}
			if !valued && !flag.IsBool() {
				i++
			}
			continue
		}
		next := slices.IndexFunc(node.Children, func(n *kong.Node) bool { return n.Name == word })
		switch {
		case next >= 0:
			node = node.Children[next]
		case i == 0 && slices.Contains(proseWords, word), word == "v1": // what is no command, and the formats of the log
			return ""
		case len(node.Children) > 0 && commandLike.MatchString(word):
			return "no command " + word
		case len(node.Positional) == 0:
			return "" // the words around it
		}
	}
	return ""
}

// proseWords are what is said of sealift, not to it.
var proseWords = strings.Fields("delivers is made that rows sealift-pkcs11")

var commandLike = regexp.MustCompile(`^[a-z][a-z0-9-]+$`)

func flagNamed(node *kong.Node, name string) *kong.Flag {
	if node.DefaultCmd != nil {
		node = node.DefaultCmd
	}
	for ; node != nil; node = node.Parent {
		for _, f := range node.Flags {
			if f.Name == name || slices.Contains(f.Aliases, name) {
				return f
			}
		}
	}
	return nil
}
