#!/usr/bin/env bash
# Publishes real web bundles from npm through a real server, installs each with
# the agent, and compares what the device has with what was published, byte by
# byte and executable bit by executable bit. Ends with a summary; exits 1 if
# anything differs or any command does not do as it should. Then a browser runs
# the pages on which people sign in and approve, and Capgo's own program and the
# code of its plugin take what Sealift makes for them.
#
#   scripts/e2e.sh            KEEP=1 keeps the working folder
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh e2e
scripts/build.sh bin/sealift
PATH=$PWD/bin:$PATH
work=$(mktemp -d "${TMPDIR:-/tmp}/sealift-e2e.XXXXXX")
server_pid=
summary=()

cleanup() {
	local status=$?
	if [ -n "$server_pid" ]; then
		kill "$server_pid" 2>/dev/null || true
		wait "$server_pid" 2>/dev/null || true
	fi
	if [ "$status" -ne 0 ] && [ -s "$work/server.log" ]; then
		echo "--- the last lines of the server's log" >&2
		tail -n 20 "$work/server.log" >&2
	fi
	if [ "${KEEP:-}" = 1 ]; then echo "kept: $work" >&2; else rm -rf "$work"; fi
	exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

fail() {
	echo "error: $1" >&2
	exit 1
}

say() { printf '\n== %s\n' "$1"; }

# fetch NAME VERSION FOLDER TO copies a folder of an npm package.
fetch() {
	scripts/npm.sh "$@"
	# One executable file, so that the bit has something to be seen on.
	chmod +x "$(find "$4" -type f | sort | awk 'NR == 1')"
}

executables() { (cd "$1" && find . -type f -perm /111 | sort); }

# same PUBLISHED INSTALLED
same() {
	diff -r "$1" "$2" || fail "the device has other bytes than were published"
	diff <(executables "$1") <(executables "$2") || fail "executable bits differ"
	[ -n "$(executables "$2")" ] || fail "no executable bit arrived"
}

seconds() { date +%s.%N; }

# timed COMMAND… prints how long it took to the third descriptor.
timed() {
	local from to
	from=$(seconds)
	"$@"
	to=$(seconds)
	awk -v a="$from" -v b="$to" 'BEGIN { printf "%.1f s", b - a }' >&3
}

free_port() {
	local port
	while true; do
		port=$(shuf -i 20000-32000 -n 1)
		(exec 9<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
	done
}

start_server() { # PORT
	sealift server --data "$work/data" --listen "127.0.0.1:$1" >"$work/server.log" 2>&1 &
	server_pid=$!
	for _ in $(seq 300); do
		kill -0 "$server_pid" 2>/dev/null || fail "the server ended"
		if (exec 9<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then return; fi
		sleep 0.1
	done
	fail "the server does not listen after 30 seconds"
}

# publish_and_install APP VERSION FOLDER whole|patch
publish_and_install() {
	local app=$1 version=$2 folder=$3 device=$work/device-$1 publishing installing
	say "$app $version"
	publishing=$(timed sealift publish "$folder" --app "$app" --channel production --version "$version" --archives "$work/archives" 3>&1 >&2)
	installing=$(timed agent "$app" "$device" "$work/agent.json" 3>&1 >&2)
	cat "$work/agent.json"
	answers updated "$version"
	local fetched
	fetched=$(sed -n 's/.*"delivery":{.*"fetched":\([0-9]*\).*/\1/p' "$work/agent.json")
	case $4 in
	patch) grep -q '"base":' "$work/agent.json" || fail "the device did not take the patch" ;;
	*) ! grep -q '"base":' "$work/agent.json" || fail "the device took a patch of nothing" ;;
	esac
	same "$folder" "$device/current/"
	summary+=("$app|$version|$(find "$folder" -type f | wc -l)|$(du -sb "$folder" | cut -f 1)|$fetched|$publishing|$installing")
}

# answers OUTCOME VERSION checks what the agent said last.
answers() {
	if ! grep -q "\"outcome\":\"$1\"" "$work/agent.json" || ! grep -q "\"version\":\"$2\"" "$work/agent.json"; then
		fail "the agent does not say that it is $1 at $2"
	fi
}

# agent APP DEVICE OUT
agent() {
	sealift agent --server "$SEALIFT_SERVER" --app "$1" --channel production --dir "$2" \
		--root "$work/keys/root.json" --token-file "$work/enrol-$1.token" --once --json >"$3" ||
		{ local code=$?; cat "$3"; fail "the agent ended with exit code $code"; }
}

new_app() { # APP FLAGS…
	sealift app create "$@"
	sealift channel create production --app "$1"
	sealift enrol token --app "$1" --out "$work/enrol-$1.token"
}

say "fetching real bundles"
for version in 0.52.0 0.52.2; do fetch monaco-editor "$version" package/min "$work/published/monaco-$version"; done
for version in 5.17.14 5.18.2; do fetch swagger-ui-dist "$version" package "$work/published/swagger-$version"; done

say "starting a server"
SEALIFT_PASSPHRASE=$(od -An -N 16 -tx1 /dev/urandom | tr -d ' \n')
export SEALIFT_PASSPHRASE
sealift init --data "$work/data" --keys "$work/keys"
port=$(free_port)
start_server "$port"
SEALIFT_SERVER=http://127.0.0.1:$port
SEALIFT_TOKEN=$(cat "$work/keys/owner.token")
export SEALIFT_SERVER SEALIFT_TOKEN

# monaco's folder has no index.html, which a web app would want.
new_app com.example.monaco --device
new_app com.example.swagger
publish_and_install com.example.monaco 0.52.0 "$work/published/monaco-0.52.0" whole
publish_and_install com.example.swagger 5.17.14 "$work/published/swagger-5.17.14" whole
publish_and_install com.example.monaco 0.52.2 "$work/published/monaco-0.52.2" patch
publish_and_install com.example.swagger 5.18.2 "$work/published/swagger-5.18.2" patch

say "nothing newer"
agent com.example.monaco "$work/device-com.example.monaco" "$work/agent.json"
cat "$work/agent.json"
answers current 0.52.2
same "$work/published/monaco-0.52.2" "$work/device-com.example.monaco/current/"

say "summary: every bundle arrived byte for byte, with its executable bits"
{
	echo "APP|VERSION|FILES|BYTES|FETCHED|PUBLISH|INSTALL"
	printf '%s\n' "${summary[@]}"
} | awk -F '|' '{ printf "%-20s %-8s %6s %10s %10s %9s %9s\n", $1, $2, $3, $4, $5, $6, $7 }'

say "people on the pages, in a real browser"
SEALIFT=$PWD/bin/sealift go -C tools/browser test -count=1 .

say "bundles for Capgo's plugin, taken by those who made the formats"
scripts/npm.sh @capgo/cli 8.68.1 package "$work/capgo/cli"
for version in 8.51.23 8.43.8 7.27.8; do
	scripts/npm.sh @capgo/capacitor-updater "$version" package "$work/capgo/plugin-$version"
done
CAPGO_PEERS=$work/capgo SEALIFT=$PWD/bin/sealift go -C tools/capgo test -count=1 .

say "every attack on a delivery, those included that take a minute"
sealift demo --all | tail -n 80
