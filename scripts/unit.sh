#!/usr/bin/env bash
# Runs every unit test with the race detector, prints the coverage of each
# package and of all of them together, and ends with go test's own lines.
#
#   scripts/unit.sh [PACKAGES, default ./...]
#
# Coverage is of what is written by hand and shipped: generated code and
# exported test suites do not count in the total.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p .cache
profile=.cache/coverage.out log=.cache/unit.log

# The race detector watches our code, the standard library and what we link, but
# not the insides of these: SQLite in C, translated to Go, which does its own
# locking, and arithmetic that sees nothing but its arguments. They were half of
# what the tests computed, since they are ten times slower when they are watched.
unwatched=(
	modernc.org/sqlite/lib modernc.org/libc/... regexp/...
	golang.org/x/crypto/argon2 golang.org/x/crypto/scrypt
	crypto/internal/fips140/bigmod crypto/internal/fips140/edwards25519/... crypto/internal/fips140/nistec/...
)
flags=()
for pattern in "${unwatched[@]}"; do flags+=("-gcflags=$pattern=-race=false -d=checkptr=0"); done
# Nor how encoding/json goes through text, half of what was left. Values of ours it reads
# and writes by reflect, which is watched, as long as nothing of it is inlined (-l):
# internal/strictjson tries that (docs/decisions/0069-unwatched-json.md).
flags+=("-gcflags=encoding/json=-race=false -d=checkptr=0 -l")

# What tests write and sync to disk goes to memory, where there is enough and
# programs may run from there; a process that is killed leaves the same behind in
# either. Programs are built on disk, and TMPDIR stands if it is set.
room() { df --output=avail --block-size=1M "$1" | awk 'NR == 2 { print $1 }'; }
available=$(awk '$1 == "MemAvailable:" { print int($2 / 1024) }' /proc/meminfo 2>/dev/null || true)
if [ -z "${TMPDIR:-}" ] && [ "${available:-0}" -ge 8192 ] && [ -w /dev/shm ] && [ "$(room /dev/shm)" -ge 2048 ]; then
	memory=$(mktemp -d /dev/shm/sealift-unit.XXXXXX)
	trap 'rm -rf "$memory"' EXIT
	chmod 755 "$memory" # PostgreSQL runs as a user of its own
	if cp "$(type -P true)" "$memory/true" && "$memory/true"; then
		export TMPDIR=$memory GOTMPDIR=${GOTMPDIR:-/tmp}
	fi
fi

# At its end a program with the race detector rests for a second, in case that
# another goroutine still comes to a race; so do the programs that tests run.
export GORACE="atexit_sleep_ms=50 ${GORACE:-}"

# Collecting garbage less often saves a third of the time where tests allocate
# most. The limit is for those that hold much, such as 256 MiB of scrypt each.
tune=(env "GOGC=${GOGC:-400}" "GOMEMLIMIT=${GOMEMLIMIT:-768MiB}")

# Vet and lint come before this in "make test". Debug information is for debuggers alone,
# and takes a quarter of each link; traces and what the race detector says need none.
#
# Fifteen minutes are what CI has in all: past them a test hangs, also on a busy
# machine.
status=0
CGO_ENABLED=1 go test -race "${flags[@]}" -vet=off -ldflags="-s -w" -exec "${tune[*]}" -timeout=15m -covermode=atomic -coverprofile="$profile" "${@:-./...}" 2>&1 | tee "$log" || status=$?

if [ -s "$profile" ]; then
	module=$(go list -m)
	{ grep -rl --include='*.go' '^// Code generated .* DO NOT EDIT\.$' . || true; } | sed "s|^\./|$module/|" >.cache/generated.txt
	awk -F'[: ]' '
		FILENAME == ARGV[1] { generated[$0]; next }
		$1 == "mode" || $1 in generated || $1 ~ /test\/[^\/]*$/ { next }
		{ # FILE:FROM,TO STATEMENTS COUNT; a block may stand there more than once
			block = $1 ":" $2
			size[block] = $3
			if ($4 > 0) hit[block]
		}
		END {
			for (b in size) { all += size[b]; if (b in hit) got += size[b] }
			if (all) printf "\ntotal coverage: %.1f%% of %d statements\n\n", 100 * got / all, all
		}' .cache/generated.txt "$profile"
fi
grep -E '^(ok|FAIL|--- FAIL|panic:)' "$log" || true
exit "$status"
