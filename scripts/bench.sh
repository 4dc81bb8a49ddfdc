#!/usr/bin/env bash
# Measures what docs/benchmarks.md promises, prints it, and writes the figures
# into that document. It wants a quiet machine, about 5 GiB of disk under
# .cache, where everything it makes is removed at the end, and 40 minutes.
#
#   scripts/bench.sh [PART: bundle, check, patch, vault, log, token, sign, rollout, reports, capgo or all]
#
# With a part, or all of them, the table is printed and nothing is written. Patches
# are of real packages: the first run fetches them, by npm.
set -euo pipefail
cd "$(dirname "$0")/.."
case ${1:-all} in
patch | all) scripts/setup.sh bench ;;
*) scripts/setup.sh test ;;
esac

need=$((5 << 20)) # KiB
mkdir -p .cache
free=$(df -Pk .cache | awk 'NR == 2 { print $4 }')
if [ "$free" -lt "$need" ]; then
	echo "error: make bench needs 5 GiB of disk, $((free >> 20)) GiB are free under $PWD/.cache" >&2
	echo "hint: make room, or clone to another disk" >&2
	exit 1
fi
work=$(mktemp -d "$PWD/.cache/bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
CGO_ENABLED=0 go test -trimpath -c -o "$work/bench.test" ./bench

echo "load of this machine before: $(cut -d ' ' -f 1-3 /proc/loadavg), on $(nproc) cores"
export CGO_ENABLED=0 GOFLAGS="$(go env GOFLAGS) -trimpath"
cd bench
args=(-test.run='^$' -test.benchtime=1x -test.timeout=90m)
if [ "${1:-}" = all ]; then
	TMPDIR=$work "$work/bench.test" "${args[@]}" -test.bench='^BenchmarkSealift$'
elif [ $# -gt 0 ]; then
	TMPDIR=$work "$work/bench.test" "${args[@]}" -test.bench="^BenchmarkSealift$/^$1$"
else
	TMPDIR=$work "$work/bench.test" "${args[@]}" -test.bench='^BenchmarkSealift$' -document docs/benchmarks.md
fi
echo "load after: $(cut -d ' ' -f 1-3 /proc/loadavg)"
