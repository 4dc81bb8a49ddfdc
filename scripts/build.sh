#!/usr/bin/env bash
# Builds the static program at the given path, with the version that git knows.
set -euo pipefail
cd "$(dirname "$0")/.."
version=$(git describe --tags --always --dirty 2>/dev/null || true)
commit=$(git rev-parse HEAD 2>/dev/null || true)
# The commit is given here and not left to -buildvcs, which stops the build
# where git distrusts the folder's owner, as in many containers.
CGO_ENABLED=0 go build -trimpath -buildvcs=false \
	-ldflags="-s -w -X main.version=$version -X main.commit=$commit" \
	-o "$1" ./cmd/sealift
