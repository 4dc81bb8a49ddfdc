#!/usr/bin/env bash
# Installs what a task needs and this machine lacks, saying what and why.
#
#   scripts/setup.sh build | test | e2e | bench
#
# Where everything is present it does nothing and needs no network. It installs
# Debian packages with apt-get, as root or through sudo; anywhere else it says
# what to install by hand. With CI=true it never asks for a password.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=() reasons=()
want() { # REASON PACKAGES…
	local reason=$1
	shift
	packages+=("$@")
	reasons+=("  $*: $reason")
}

has() { command -v "$1" >/dev/null 2>&1; }

compiles() {
	echo '#include <stdlib.h>' | "${CC:-gcc}" -x c -c -o /dev/null - 2>/dev/null
}

has_certificates() {
	[ -n "${SSL_CERT_FILE:-}${SSL_CERT_DIR:-}" ] || [ -s /etc/ssl/certs/ca-certificates.crt ] ||
		[ -s /etc/pki/tls/certs/ca-bundle.crt ] || [ -s /etc/ssl/cert.pem ]
}

# Debian keeps the server's programs off the PATH.
has_postgres() {
	has initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null
}

missing() { # TASK
	packages=() reasons=()
	has git || want "names the commit in the version, and lists the files that tests look at" git
	has make || want "runs the tasks of the Makefile" make
	has_certificates || want "without them no Go module can be fetched over https" ca-certificates
	[ "$1" = build ] && return
	compiles || want "the helper for PKCS#11 tokens and Go's race detector are linked by a C compiler" gcc libc6-dev
	has softhsm2-util || want "a PKCS#11 token in software, for the tests of keys in tokens" softhsm2
	has_postgres || want "the store is tested on a PostgreSQL of its own" postgresql
	[ "$1" = test ] && return
	has npm || want "fetches the real web bundles of make e2e and make bench" nodejs npm
	has tar || want "unpacks them" tar
	if [ "$1" = bench ]; then
		has zip || want "packs them, to compare patches with" zip
		has zstd || want "makes patches of them, to compare ours with" zstd
		return
	fi
	has javac || want "compiles the code of Capgo's plugin, which takes what we make for it" default-jdk-headless
	has chromium || want "runs the pages that people sign in and approve on" chromium
	has diff || want "compares what was installed with what was published" diffutils
}

fail() { # MESSAGE HINT
	echo "error: $1" >&2
	echo "hint: $2" >&2
	exit 1
}

check_go() {
	local wanted
	wanted=$(awk '$1 == "go" { print $2 }' go.mod)
	has go || fail "Go is not installed" "install Go $wanted or newer: https://go.dev/doc/install"
	# An older go that may fetch the right one does so here, and says so.
	go version >/dev/null || fail "this Go does not do" "install Go $wanted or newer: https://go.dev/doc/install"
}

install() {
	local sudo=()
	if [ "$(id -u)" -ne 0 ]; then
		has sudo || fail "installing packages needs root" "as root: apt-get install ${packages[*]}"
		sudo=(sudo)
		[ "${CI:-}" != true ] || sudo=(sudo -n)
	fi
	has apt-get || fail "this machine has no apt-get" "install by hand: ${packages[*]}"
	local apt=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300)
	"${apt[@]}" update || echo "warning: the package lists could not be brought up to date; going on with those here" >&2
	"${apt[@]}" install --yes --no-install-recommends "${packages[@]}" >/dev/null ||
		fail "apt-get could not install ${packages[*]}" "see its message above; or install them by hand"
}

task=${1:-test}
case $task in
build | test | e2e | bench) ;;
*) fail "there is no task \"$task\"" "use build, test, e2e or bench" ;;
esac
missing "$task"
if [ ${#packages[@]} -gt 0 ]; then
	echo "This machine lacks what \"$task\" needs. Installing with apt-get:"
	printf '%s\n' "${reasons[@]}"
	install
	missing "$task"
	[ ${#packages[@]} -eq 0 ] || fail "still missing: ${packages[*]}" "look at what apt-get said above"
fi
check_go
