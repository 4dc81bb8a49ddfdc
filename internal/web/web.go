// Package web serves the pages that people open in a browser: for now one, on
// which they sign in, register passkeys, confirm the sign-in of a program that
// has no browser, and approve what others ask for.
//
// The page is static: one document, one script, one style sheet, embedded as
// they are. It speaks the people-facing API, with the session in a cookie that
// the script does not see. The Content-Security-Policy lets nothing run or load
// that is not of this origin, nothing inline, and no other site frame it.
package web

import (
	"embed"
	"io/fs"
	"net/http"
	"path"
)

// Prefix is where the handler expects to be mounted.
const Prefix = "/people/"

//go:embed static
var static embed.FS

// types are all there is, and what each file is.
var types = map[string]string{
	"people.html": "text/html; charset=utf-8",
	"people.js":   "text/javascript; charset=utf-8",
	"people.css":  "text/css; charset=utf-8",
}

const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"

// New returns the handler of everything under Prefix.
func New() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := path.Base(r.URL.Path)
		if r.URL.Path == Prefix {
			name = "people.html"
		}
		kind, known := types[name]
		if !known || r.URL.Path != Prefix && r.URL.Path != Prefix+name {
			http.NotFound(w, r)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "this is a page", http.StatusMethodNotAllowed)
			return
		}
		content, err := fs.ReadFile(static, "static/"+name)
		if err != nil { // it is embedded
			http.NotFound(w, r)
			return
		}
		h := w.Header()
		h.Set("Content-Type", kind)
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-cache")
		_, _ = w.Write(content)
	})
}
