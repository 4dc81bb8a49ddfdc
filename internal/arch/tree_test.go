package arch

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

const module = "github.com/sealift/sealift"

// file is one parsed Go file.
type file struct {
	path      string // from the root of the module, with slashes
	dir       string // its folder; "." is the root of the module
	lines     int
	test      bool // its name ends in _test.go
	generated bool // it says so, in the form of go.dev/s/generatedcode
	fset      *token.FileSet
	ast       *ast.File
}

// production reports whether f is part of what is shipped and written by hand.
func (f *file) production() bool { return !f.test && !f.generated }

func (f *file) line(pos token.Pos) int { return f.fset.Position(pos).Line }

// finding is one breach of a rule.
type finding struct {
	path string
	line int
	text string
}

func (f finding) String() string { return fmt.Sprintf("%s:%d: %s", f.path, f.line, f.text) }

func (f *file) finding(pos token.Pos, format string, args ...any) finding {
	return finding{f.path, f.line(pos), fmt.Sprintf(format, args...)}
}

// tree is a module: its Go files, sorted by path.
type tree []*file

// load parses the Go files under fsys. It leaves out what the go command leaves
// out (testdata, names that start with "." or "_") and modules within.
func load(fsys fs.FS) (tree, error) {
	var files tree
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return skipDir(fsys, name)
		}
		base := path.Base(name)
		if path.Ext(base) != ".go" || base[0] == '.' || base[0] == '_' {
			return nil
		}
		src, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		f, err := parse(name, src)
		if err != nil {
			return err
		}
		files = append(files, f)
		return nil
	})
	return files, err
}

func skipDir(fsys fs.FS, name string) error {
	base := path.Base(name)
	if name == "." {
		return nil
	}
	if base == "testdata" || base == "vendor" || base[0] == '.' || base[0] == '_' {
		return fs.SkipDir
	}
	if _, err := fs.Stat(fsys, path.Join(name, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

func parse(name string, src []byte) (*file, error) {
	f := &file{
		path:  name,
		dir:   path.Dir(name),
		lines: strings.Count(string(src), "\n"),
		test:  strings.HasSuffix(name, "_test.go"),
		fset:  token.NewFileSet(),
	}
	var err error
	f.ast, err = parser.ParseFile(f.fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	f.generated = ast.IsGenerated(f.ast)
	return f, nil
}

// packages groups the files that pass keep by folder, in order.
func (t tree) packages(keep func(*file) bool) [][]*file {
	var all [][]*file
	for _, f := range t {
		if !keep(f) {
			continue
		}
		i := slices.IndexFunc(all, func(p []*file) bool { return p[0].dir == f.dir })
		if i < 0 {
			i = len(all)
			all = append(all, nil)
		}
		all[i] = append(all[i], f)
	}
	slices.SortFunc(all, func(a, b []*file) int { return cmp.Compare(a[0].dir, b[0].dir) })
	return all
}

// imports calls visit with each import of f and its path.
func (f *file) imports(visit func(spec *ast.ImportSpec, path string)) {
	for _, spec := range f.ast.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err == nil { // the parser refuses others
			visit(spec, p)
		}
	}
}

// uses calls visit with each use of a name of the package imported from path,
// whatever name it was imported under.
func (f *file) uses(path string, visit func(sel *ast.SelectorExpr)) {
	local := ""
	f.imports(func(spec *ast.ImportSpec, p string) {
		if p != path {
			return
		}
		local = path[strings.LastIndex(path, "/")+1:]
		if spec.Name != nil {
			local = spec.Name.Name
		}
	})
	if local == "" {
		return
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if id, ok := sel.X.(*ast.Ident); ok && id.Name == local {
			visit(sel)
		}
		return true
	})
}
