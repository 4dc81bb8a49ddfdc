#!/usr/bin/env bash
# Copies a folder of an npm package, which npm checks against the digest that the
# registry signed for. The tarball is kept in .cache/npm, where later runs find it.
#
#   scripts/npm.sh NAME VERSION FOLDER TO       FOLDER is within the tarball: package/dist
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -eq 4 ] || { echo "usage: scripts/npm.sh NAME VERSION FOLDER TO" >&2; exit 2; }
name=$1 version=$2 folder=$3 to=$4

file=${name#@}
tarball=$PWD/.cache/npm/${file//\//-}-$version.tgz
work=$(mktemp -d "${TMPDIR:-/tmp}/sealift-npm.XXXXXX")
trap 'rm -rf "$work"' EXIT
if [ ! -s "$tarball" ]; then
	mkdir -p "${tarball%/*}" "$work/fresh"
	npm pack --silent --pack-destination "$work/fresh" "$name@$version" >/dev/null || {
		echo "error: npm could not fetch $name@$version" >&2
		echo "hint: see whether the network is there, and try again" >&2
		exit 1
	}
	mv "$work/fresh/"*.tgz "$tarball"
fi
mkdir -p "$work/unpacked" "$to"
tar -xzf "$tarball" -C "$work/unpacked" --no-same-owner
cp -R "$work/unpacked/$folder/." "$to"
