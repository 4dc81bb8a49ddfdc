#!/usr/bin/env bash
# Builds the static program at the given path, with the version that git knows,
# and beside it the helper for PKCS#11 tokens where there is a C compiler.
set -euo pipefail
cd "$(dirname "$0")/.."
version=$(git describe --tags --always --dirty 2>/dev/null || true)
commit=$(git rev-parse HEAD 2>/dev/null || true)
# The commit is given here and not left to -buildvcs, which stops the build
# where git distrusts the folder's owner, as in many containers.
CGO_ENABLED=0 go build -trimpath -buildvcs=false \
	-ldflags="-s -w -X main.version=$version -X main.commit=$commit" \
	-o "$1" ./cmd/sealift

helper=$(dirname "$1")/sealift-pkcs11
if "${CC:-gcc}" --version >/dev/null 2>&1; then
	CGO_ENABLED=1 go build -trimpath -buildvcs=false -ldflags="-s -w -X main.version=$version" -o "$helper" ./cmd/sealift-pkcs11
else
	echo "note: without a C compiler, $helper is not built; only keys in PKCS#11 tokens need it" >&2
fi
