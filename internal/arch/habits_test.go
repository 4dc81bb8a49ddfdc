package arch

import (
	"fmt"
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strings"
)

// maxLines is how long a file written by hand may be, of tests too: a reader
// knows their way around in it.
const maxLines = 500

// checkLength enforces maxLines.
func checkLength(t tree) (found []finding) {
	for _, f := range t {
		if !f.generated && f.lines > maxLines {
			found = append(found, finding{f.path, f.lines, fmt.Sprintf("%d lines, more than %d: divide it", f.lines, maxLines)})
		}
	}
	return found
}

// drawers are names of packages that anything fits into.
const drawers = "util, utils, helper, helpers, common, misc, shared, base, lib, types, models"

// checkNames refuses packages that are drawers.
func checkNames(t tree) (found []finding) {
	for _, files := range t.packages(func(f *file) bool { return !f.test }) {
		if f := files[0]; slices.Contains(names(drawers), f.ast.Name.Name) {
			found = append(found, f.finding(f.ast.Package, "a package called %s says nothing: name it after what it is for", f.ast.Name.Name))
		}
	}
	return found
}

// The words are put together here, so that this file does not hold them.
var undone = regexp.MustCompile(`\b(` + strings.Join([]string{"TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"}, "|") + `)\b`)

// checkComments refuses comments that leave work behind.
func checkComments(t tree) (found []finding) {
	for _, f := range t {
		if f.generated {
			continue
		}
		for _, group := range f.ast.Comments {
			for _, c := range group.List {
				if word := undone.FindString(c.Text); word != "" {
					found = append(found, f.finding(c.Pos(), "%s in a comment: do it, or open an issue", word))
				}
			}
		}
	}
	return found
}

// checkMessages refuses errors that start where they should name what was being
// done.
func checkMessages(t tree) (found []finding) {
	for _, f := range t {
		if !f.production() {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if ok && lit.Kind == token.STRING && strings.Contains(strings.ToLower(lit.Value), "failed to ") {
				found = append(found, f.finding(lit.Pos(), `"failed to": name what was being done ("opening vault: …")`))
			}
			return true
		})
	}
	return found
}

// checkInit refuses what runs or registers itself before main, and imports that
// hide where a name is from.
func checkInit(t tree) (found []finding) {
	for _, f := range t {
		if f.generated {
			continue
		}
		for _, decl := range f.ast.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				found = append(found, f.finding(fn.Pos(), "an init function: call it from where it is needed"))
			}
		}
		for _, spec := range f.ast.Imports {
			if spec.Name != nil && spec.Name.Name == "." {
				found = append(found, f.finding(spec.Pos(), "a dot import hides where names are from"))
			}
		}
	}
	return found
}

// process are the names of package os and others that belong to the process as
// a whole. What a command reads, writes and decides goes through its arguments,
// so that it is run in a test as by a person; only main has a process.
var process = map[string]string{
	"os":       "Args, Exit, Getenv, LookupEnv, Setenv, Unsetenv, Stdin, Stdout, Stderr, Chdir",
	"fmt":      "Print, Printf, Println, Scan, Scanf, Scanln",
	"log":      "Fatal, Fatalf, Fatalln, Print, Printf, Println, Panic, Panicf, Panicln, SetOutput, SetFlags",
	"log/slog": "SetDefault, Debug, Info, Warn, Error",
	"net/http": "DefaultClient, DefaultServeMux, Get, Head, Post, PostForm, Handle, HandleFunc, ListenAndServe, ListenAndServeTLS",
}

// checkProcess keeps the process's own streams, environment and end, default
// loggers, and HTTP clients and servers without a timeout, out of packages.
func checkProcess(t tree) (found []finding) {
	for _, f := range t {
		if !f.production() || f.ast.Name.Name == "main" {
			continue
		}
		for pkg, list := range process {
			f.uses(pkg, func(sel *ast.SelectorExpr) {
				if slices.Contains(names(list), sel.Sel.Name) {
					found = append(found, f.finding(sel.Pos(), "%s.%s belongs to main: take it as an argument", pkg, sel.Sel.Name))
				}
			})
		}
	}
	return found
}

// checkTestOnly keeps package testing out of what is shipped: it belongs to
// tests and to exported suites.
func checkTestOnly(t tree) (found []finding) {
	for _, f := range t {
		if f.test || isTestSuite(f.dir) {
			continue
		}
		f.imports(func(spec *ast.ImportSpec, p string) {
			if p == "testing" || strings.HasPrefix(p, "testing/") {
				found = append(found, f.finding(spec.Pos(), "%s imports %s: only packages whose name ends in test may", f.dir, p))
			}
		})
	}
	return found
}

// checkSkips refuses tests that do not run: one that cannot run here should say
// what is missing by failing.
func checkSkips(t tree) (found []finding) {
	for _, f := range t {
		if !f.test && !isTestSuite(f.dir) {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok || !slices.Contains(names("Skip, Skipf, SkipNow"), sel.Sel.Name) {
				return true
			}
			if id, ok := sel.X.(*ast.Ident); ok && slices.Contains(names("t, b, f, tb, rt"), id.Name) {
				found = append(found, f.finding(sel.Pos(), "%s.%s: a test that is skipped proves nothing", id.Name, sel.Sel.Name))
			}
			return true
		})
	}
	return found
}
