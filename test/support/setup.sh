#!/usr/bin/env bash
# Installs the Debian packages of the groups named (build, test, torch), and takes a
# few files out of Python wheels into build/wheels/bin; does nothing when all
# are there. Needs root or sudo only when a package is missing.
#   test/support/setup.sh build test
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
list="$here/packages.txt"
wheels=$(cd "$here/../.." && pwd)/build/wheels
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

# The wheels of the groups in "$@" whose files are not there, one a line.
missingWheels() {
  local requirement hash groups file rest group
  while read -r requirement hash groups file rest; do
    [ -n "$requirement" ] && [ "${requirement:0:1}" != "#" ] || continue
    for group in "$@"; do
      [[ ",$groups," != *",$group,"* ]] || [ -e "$wheels/$requirement" ] ||
        printf '%s %s %s\n' "$requirement" "$hash" "$file"
    done
  done <"$here/wheels.txt"
}

# takeFromWheel REQUIREMENT HASH FILE: the file is in bin/, and a mark says so.
takeFromWheel() {
  local folder
  folder=$(mktemp -d)
  if printf '%s --hash=sha256:%s\n' "$1" "$2" >"$folder/wanted" &&
    python3 -m pip download -q --disable-pip-version-check --no-deps --only-binary :all: \
      --require-hashes -r "$folder/wanted" -d "$folder" >"$log" 2>&1 &&
    python3 -m zipfile -e "$folder"/*.whl "$folder/all" >>"$log" 2>&1 &&
    mkdir -p "$wheels/bin" && install -m 755 "$folder/all/$3" "$wheels/bin/"; then
    touch "$wheels/$1"
    say "${3##*/} of $1 is in build/wheels/bin"
  else
    tail -n 5 "$log" >&2
    say "$1 cannot be had (its last lines are above): tests that need ${3##*/} will be skipped"
  fi
  rm -rf "$folder"
}

main() {
  installPackages "$@"
  local requirement hash file
  while read -r requirement hash file; do
    takeFromWheel "$requirement" "$hash" "$file" </dev/null
  done < <(missingWheels "$@")
}

installPackages() {
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
