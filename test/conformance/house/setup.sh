#!/usr/bin/env bash
# The set-up does nothing when all is there, and says so when it cannot help.
set -euo pipefail
setup="$1/test/support/setup.sh"

# expect CODE TEXT COMMAND...: the command's exit code, and a part of what it says.
expect() {
  local code=$1 text=$2 said got=0
  shift 2
  said=$("$@" 2>&1) || got=$?
  if [ "$got" -ne "$code" ] || [[ "$said" != *"$text"* ]]; then
    printf 'wanted exit code %s and "%s", got %s:\n%s\n' "$code" "$text" "$got" "$said"
    exit 1
  fi
}

expect 0 "all packages are installed" "$setup" build test

# A machine without apt, as seen through an otherwise complete PATH.
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
for tool in bash env dirname mktemp rm awk sort cat; do
  ln -s "$(command -v "$tool")" "$bin/$tool"
done
expect 3 "this machine has no apt" env PATH="$bin" "$setup" build

# Packages missing, neither root nor sudo.
printf '#!/bin/sh\nexit 1\n' >"$bin/dpkg-query"
printf '#!/bin/sh\necho 1000\n' >"$bin/id"
printf '#!/bin/sh\nexit 1\n' >"$bin/apt-get"
chmod +x "$bin/dpkg-query" "$bin/id" "$bin/apt-get"
expect 3 "not root, and there is no sudo" env PATH="$bin" "$setup" build

# Root, but apt fails.
printf '#!/bin/sh\necho 0\n' >"$bin/id"
printf '#!/bin/sh\necho "E: no route to mirror"; exit 100\n' >"$bin/apt-get"
ln -s "$(command -v tail)" "$bin/tail"
expect 3 "E: no route to mirror" env PATH="$bin" "$setup" build
expect 3 "apt-get update failed" env PATH="$bin" "$setup" build
