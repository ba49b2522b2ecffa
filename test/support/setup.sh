#!/usr/bin/env bash
# Installs the Debian packages of the groups named (build, test); does
# nothing when all are there. Needs root or sudo only when something is missing.
#   test/support/setup.sh build test
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
list="$here/packages.txt"
log=$(mktemp)
trap 'rm -f "$log"' EXIT

say() { printf 'set-up: %s\n' "$*"; }
fail() {
  printf 'set-up: %s\n' "$@" >&2
  exit 3
}

# The packages of the groups in "$@" which are not installed, one a line.
missingPackages() {
  local group
  for group in "$@"; do
    awk -v group="$group" '!/^#/ && NF && index("," $2 ",", "," group ",") { print $1 }' "$list"
  done | sort -u | while read -r package; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
      printf '%s\n' "$package"
  done
}

# Runs apt-get as root, quietly; shows the end of its log when it fails.
apt() {
  "${asRoot[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 \
    -o Acquire::Retries=3 "$@" >"$log" 2>&1
}

# LLVM 22 comes from the security suite. Where the machine knows only the main
# suite, the security suite is added beside it, from the same mirror.
addSecuritySuite() {
  local mirror file=/etc/apt/sources.list.d/debian-security.list
  mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Created-By: Packages' |
    awk '$2 == "bookworm" { print $1; exit }')
  [ -n "$mirror" ] || fail "no Debian 12 (bookworm) source is configured for apt" \
    "add one to /etc/apt/sources.list, then run this again"
  say "adding Debian's security suite (it has LLVM 22): $file"
  printf 'deb %s-security bookworm-security main\n' "${mirror%/}" |
    "${asRoot[@]}" tee "$file" >/dev/null
  apt update || aptFailed "apt-get update"
}

aptFailed() {
  tail -n 15 "$log" >&2
  fail "$1 failed (its last lines are above)" \
    "check the network and apt's sources, then run this again; what is installed is kept"
}

main() {
  command -v dpkg-query >/dev/null && command -v apt-get >/dev/null ||
    fail "this machine has no apt: the set-up is for Debian 12 (bookworm)" \
      "elsewhere install what $list lists, then configure with: cmake --preset default"
  local -a missing
  mapfile -t missing < <(missingPackages "$@")
  if [ "${#missing[@]}" -eq 0 ]; then
    say "all packages are installed"
    return
  fi
  asRoot=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "not root, and there is no sudo; as root run:" \
      "  apt-get update && apt-get install --no-install-recommends ${missing[*]}"
    asRoot=(sudo)
  fi
  say "installing ${#missing[@]} packages: ${missing[*]}"
  apt update || aptFailed "apt-get update"
  [[ " ${missing[*]} " != *-22* ]] || apt-cache show llvm-22-dev >/dev/null 2>&1 || addSecuritySuite
  apt install -y --no-install-recommends "${missing[@]}" ||
    aptFailed "apt-get install ${missing[*]}"
  say "installed"
}

main "$@"
