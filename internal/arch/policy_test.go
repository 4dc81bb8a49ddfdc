package arch

import (
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strings"
)

// layers is the import policy: "a < b" says that b may import a, and so may all
// that may import b. Packages that do not exist yet have their place already. A
// folder without a line has its parent's. Tests are free, except where a rule
// says otherwise.
const layers = `
	# The vocabulary: types, errors, limits. The standard library alone.
	NONE < sealift;

	# Pure: documents, bundles, decisions. No files, no sockets, no clock.
	sealift < internal/strictjson < trust, bundle, rollout, internal/capgo, internal/pkcs11;
	trust < trust/tufrepo;

	# The device library, which other people's programs link.
	trust, bundle, rollout < client;
	trust/tufrepo, client < sealifttest;

	# What the server stands on: rows, blobs, the log.
	sealift < internal/config, internal/term, internal/throttle, internal/blob, internal/store;
	internal/blob < internal/blob/blobtest;
	internal/pkcs11 < internal/pkcs11/pkcs11test;
	internal/store < internal/store/storetest, internal/store/sqlstore;
	internal/store/sqlstore < internal/store/sqlite, internal/store/postgres;
	NONE < internal/store/postgrestest;
	trust, internal/store < internal/audit;

	# Keys and people, and what people do with their own keys, away from the
	# server. The API's services are an interface that knows no HTTP.
	trust/tufrepo, bundle, internal/audit, internal/blob < internal/access;
	trust/tufrepo, bundle, internal/audit, internal/blob, internal/capgo, internal/pkcs11 < internal/vault;
	internal/vault < internal/vault/vaulttest;
	trust/tufrepo < internal/ceremony;
	rollout, trust, internal/store < internal/stats;
	internal/access, rollout, internal/stats, internal/capgo < internal/control/service;
	internal/audit, internal/control/service < internal/witness;
	rollout, internal/throttle, internal/vault, internal/control/service, internal/ceremony < internal/release, internal/fleet, internal/people, internal/custody, internal/approval, internal/sealing < internal/watch;

	trust/tufrepo, internal/audit, internal/blob < internal/backup;

	# The two doors. The edge holds no key and sees no package that does.
	sealift < api, internal/control/problem, internal/control/api;
	internal/control/problem, rollout, bundle, internal/audit, internal/blob, internal/config, internal/throttle, internal/stats, internal/capgo < internal/edge;
	internal/control/api, internal/control/problem < internal/control/apiclient;
	api, rollout, internal/control/api, internal/control/problem, internal/config, internal/watch < internal/control < internal/web;

	# Where everything is put together: a server, and the command line.
	internal/fleet, internal/control/problem < internal/metrics;
	internal/store/sqlite, internal/store/postgres, internal/metrics, internal/edge, internal/web, internal/witness, internal/backup < internal/installation;
	client, internal/control/apiclient, internal/capgo < internal/publisher;
	rollout < internal/simulate;
	client, sealifttest, internal/publisher, internal/term, internal/installation, internal/pkcs11, internal/simulate < internal/cli < cmd/sealift;
	internal/pkcs11 < cmd/sealift-pkcs11;
	NONE < internal/arch;

	# Said twice, since these are what the design rests on.
	internal/blob, internal/store, internal/audit, internal/vault, internal/edge, internal/control/problem !< client;
	internal/vault, internal/access, internal/release, internal/fleet, internal/watch, internal/control, internal/ceremony !< internal/edge;
	internal/store/postgres !< internal/store/sqlite;
	internal/store/sqlite !< internal/store/postgres;
	internal/store/sqlstore, internal/store/sqlite, internal/store/postgres !< internal/control, internal/vault, internal/release;
`

// pure are the packages that, with everything below them, do no I/O and read no
// clock: what they decide depends on their arguments alone.
const pure = "trust, bundle, rollout, trust/tufrepo, internal/capgo"

// modules lists the modules that each package may import. A package without a
// line, and without a parent that has one, gets by on the standard library.
const modules = `
	trust            github.com/secure-systems-lab/go-securesystemslib github.com/theupdateframework/go-tuf/v2 golang.org/x/mod
	trust/tufrepo    github.com/theupdateframework/go-tuf/v2 github.com/sigstore/sigstore github.com/secure-systems-lab/go-securesystemslib
	bundle           github.com/klauspost/compress github.com/tink-crypto/tink-go/v2 golang.org/x/text
	internal/capgo   github.com/andybalholm/brotli
	client           github.com/theupdateframework/go-tuf/v2 golang.org/x/mod golang.org/x/sys
	sealifttest      github.com/theupdateframework/go-tuf/v2 github.com/tink-crypto/tink-go/v2 github.com/klauspost/compress golang.org/x/mod
	internal/audit   golang.org/x/mod
	internal/witness golang.org/x/mod
	internal/vault   golang.org/x/crypto golang.org/x/sys github.com/cloudflare/circl golang.org/x/mod
	internal/approval github.com/go-webauthn/webauthn github.com/secure-systems-lab/go-securesystemslib
	internal/access  github.com/go-webauthn/webauthn github.com/pquerna/otp github.com/coreos/go-oidc/v3 golang.org/x/crypto golang.org/x/oauth2
	internal/release github.com/theupdateframework/go-tuf/v2 golang.org/x/mod golang.org/x/sync
	internal/blob    github.com/minio/minio-go/v7 golang.org/x/sys
	internal/store/sqlite    modernc.org/sqlite github.com/pressly/goose/v3
	internal/store/postgres  github.com/jackc/pgx/v5 github.com/pressly/goose/v3
	internal/store/postgrestest github.com/jackc/pgx/v5
	internal/ceremony filippo.io/age github.com/theupdateframework/go-tuf/v2 golang.org/x/crypto
	internal/publisher golang.org/x/sync
	internal/control github.com/oapi-codegen/runtime
	internal/metrics github.com/prometheus/client_golang
	internal/backup  filippo.io/age golang.org/x/mod
	internal/term    golang.org/x/term
	internal/installation golang.org/x/mod
	internal/cli     github.com/alecthomas/kong github.com/boombuler/barcode golang.org/x/mod golang.org/x/sync
	cmd/sealift-pkcs11 github.com/miekg/pkcs11 golang.org/x/sys
`

// testModules may be imported by every test and by exported test suites.
const testModules = `
	github.com/google/go-cmp pgregory.net/rapid go.uber.org/goleak github.com/rogpeppe/go-internal
`

// unwanted is in no test either: assertions in a dialect, and mocks.
const unwanted = `
	github.com/stretchr/testify go.uber.org/mock github.com/golang/mock github.com/onsi/ginkgo github.com/onsi/gomega
`

// checkLayers enforces layers.
func checkLayers(t tree) (found []finding) {
	g := policy()
	for _, f := range t {
		if f.test {
			continue
		}
		from, ok := g.node(f.dir)
		if !ok {
			found = append(found, f.finding(f.ast.Package, "package %s has no place in the import policy: give it one in internal/arch/policy_test.go", f.dir))
			continue
		}
		f.imports(func(spec *ast.ImportSpec, p string) {
			dir, ok := within(p)
			if !ok {
				return
			}
			if to, ok := g.node(dir); !ok || to != from && !g[from][to] {
				found = append(found, f.finding(spec.Pos(), "%s may not import %s", from, dir))
			}
		})
	}
	return found
}

// within returns the folder of a package of this module.
func within(importPath string) (dir string, ok bool) {
	if importPath == module {
		return ".", true
	}
	return strings.CutPrefix(importPath, module+"/")
}

// checkModules enforces modules, testModules and unwanted.
func checkModules(t tree) (found []finding) {
	allowed := moduleTable()
	for _, f := range t {
		own := allowed.of(f.dir)
		f.imports(func(spec *ast.ImportSpec, p string) {
			_, ours := within(p)
			first, _, _ := strings.Cut(p, "/")
			switch {
			case ours || !strings.Contains(first, "."):
			case f.test && !ofModule(p, names(unwanted)):
			case !f.test && ofModule(p, own):
			case !f.test && isTestSuite(f.dir) && ofModule(p, names(testModules)):
			default:
				found = append(found, f.finding(spec.Pos(), "%s may not import %s: a new dependency wants a line in internal/arch/policy_test.go and its why in docs/decisions", f.dir, p))
			}
		})
	}
	return found
}

type moduleRows map[string][]string

func moduleTable() moduleRows {
	rows := moduleRows{}
	for _, line := range strings.Split(strings.TrimSpace(modules), "\n") {
		fields := strings.Fields(line)
		rows[fields[0]] = fields[1:]
	}
	return rows
}

// of returns the modules of dir or of the nearest folder above it with a line.
func (r moduleRows) of(dir string) []string {
	for ; dir != "."; dir = path.Dir(dir) {
		if row, ok := r[dir]; ok {
			return row
		}
	}
	return nil
}

func ofModule(importPath string, modules []string) bool {
	return slices.ContainsFunc(modules, func(m string) bool {
		return importPath == m || strings.HasPrefix(importPath, m+"/")
	})
}

// isTestSuite reports whether dir holds an exported test suite: storetest,
// blobtest, sealifttest.
func isTestSuite(dir string) bool { return strings.HasSuffix(path.Base(dir), "test") }

// checkPure keeps I/O, clocks and chance out of the pure packages.
func checkPure(t tree) (found []finding) {
	g := policy()
	quiet := g.below(pure)
	for _, f := range t {
		node, ok := g.node(f.dir)
		if f.test || !ok || !slices.Contains(quiet, node) {
			continue
		}
		f.imports(func(spec *ast.ImportSpec, p string) {
			if impure(p) {
				found = append(found, f.finding(spec.Pos(), "%s is pure and may not import %s", node, p))
			}
		})
		f.uses("time", func(sel *ast.SelectorExpr) {
			if slices.Contains(names(clock), sel.Sel.Name) {
				found = append(found, f.finding(sel.Pos(), "%s is pure and may not use time.%s: take the time as an argument", node, sel.Sel.Name))
			}
		})
	}
	return found
}

// clock is what reads the clock or waits for it.
const clock = "Now, Since, Until, After, AfterFunc, Sleep, Tick, NewTicker, NewTimer"

func impure(importPath string) bool {
	switch importPath {
	case "net/url", "net/netip": // text and values
		return false
	}
	first, _, _ := strings.Cut(importPath, "/")
	return slices.Contains(names("os, net, syscall, database, log, plugin"), first) ||
		strings.HasPrefix(importPath, "math/rand") || strings.HasPrefix(importPath, "golang.org/x/sys")
}

func policy() graph {
	g, err := parseGraph(layers)
	if err != nil {
		panic(fmt.Sprintf("internal/arch/policy_test.go: %v", err))
	}
	return g
}
