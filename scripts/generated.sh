#!/usr/bin/env bash
# Checks that generated code is what its inputs give: each package that holds
# some has a test named TestGenerat… that compares it with a hash of its inputs,
# so that no generator has to be built.
set -euo pipefail
cd "$(dirname "$0")/.."
mapfile -t packages < <(grep -rl --include='*_test.go' '^func TestGenerat' . | xargs -r -n1 dirname | sort -u)
[ ${#packages[@]} -gt 0 ] || { echo "no generated code"; exit 0; }
go test -trimpath -run='^TestGenerat' "${packages[@]}"
