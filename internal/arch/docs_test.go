package arch

import (
	"fmt"
	"go/ast"
	"go/token"
	"strings"
)

// checkPackageDocs wants a doc comment in the form of go.dev/doc/comment on one
// file of each package, and only one: go doc would run two together.
func checkPackageDocs(t tree) (found []finding) {
	for _, files := range t.packages(func(f *file) bool { return !f.test }) {
		first := files[0]
		want := "Package " + first.ast.Name.Name + " "
		if first.ast.Name.Name == "main" {
			want = "Command " + first.dir[strings.LastIndex(first.dir, "/")+1:] + " "
		}
		documented := ""
		for _, f := range files {
			if f.ast.Doc == nil || f.generated {
				continue
			}
			if documented != "" {
				found = append(found, f.finding(f.ast.Package, "package %s is documented here and in %s", f.dir, documented))
			}
			documented = f.path
			if !strings.HasPrefix(f.ast.Doc.Text(), want) {
				found = append(found, f.finding(f.ast.Package, "the package comment starts with %q", want))
			}
		}
		if documented == "" && !allGenerated(files) {
			found = append(found, first.finding(first.ast.Package, "package %s has no package comment: it is the package's specification", first.dir))
		}
	}
	return found
}

func allGenerated(files []*file) bool {
	for _, f := range files {
		if !f.generated {
			return false
		}
	}
	return true
}

// checkSymbolDocs wants a doc comment on every exported symbol: functions,
// methods of exported types, types, constants and variables.
func checkSymbolDocs(t tree) (found []finding) {
	for _, f := range t {
		if !f.production() || f.ast.Name.Name == "main" {
			continue
		}
		for _, decl := range f.ast.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				found = append(found, f.checkFuncDoc(decl)...)
			case *ast.GenDecl:
				found = append(found, f.checkGroupDoc(decl)...)
			}
		}
	}
	return found
}

func (f *file) checkFuncDoc(decl *ast.FuncDecl) []finding {
	name := decl.Name.Name
	if !decl.Name.IsExported() || decl.Recv != nil && !ast.IsExported(receiver(decl)) {
		return nil
	}
	return f.checkDoc(decl.Pos(), name, decl.Doc)
}

// checkGroupDoc looks at a declaration of types, constants or variables. In a
// group, the lines that directly follow a documented one share its comment.
func (f *file) checkGroupDoc(decl *ast.GenDecl) (found []finding) {
	above := 0 // the line of the last documented value
	for _, spec := range decl.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			doc := spec.Doc
			if doc == nil && !decl.Lparen.IsValid() {
				doc = decl.Doc
			}
			if spec.Name.IsExported() {
				found = append(found, f.checkDoc(spec.Pos(), spec.Name.Name, doc)...)
			}
		case *ast.ValueSpec:
			line := f.line(spec.Pos())
			if decl.Doc != nil || spec.Doc != nil || spec.Comment != nil || above == line-1 {
				above = f.line(spec.End())
				continue
			}
			for _, name := range spec.Names {
				if name.IsExported() {
					found = append(found, f.finding(name.Pos(), "exported %s %s has no doc comment", decl.Tok, name.Name))
				}
			}
		}
	}
	return found
}

// checkDoc wants doc to be there and to start with name, after an article at
// most.
func (f *file) checkDoc(pos token.Pos, name string, doc *ast.CommentGroup) []finding {
	if doc == nil {
		return []finding{f.finding(pos, "exported %s has no doc comment", name)}
	}
	words := strings.Fields(doc.Text())
	if len(words) > 1 && strings.Contains(" A An The ", " "+words[0]+" ") {
		words = words[1:]
	}
	if len(words) < 2 || strings.TrimRight(words[0], ",:") != name {
		return []finding{f.finding(pos, "the doc comment of %s starts with its name", name)}
	}
	return nil
}

// receiver returns the name of the type that decl is a method of.
func receiver(decl *ast.FuncDecl) string {
	t := decl.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.Ident:
			return x.Name
		default:
			return fmt.Sprint(t)
		}
	}
}
