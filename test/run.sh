#!/usr/bin/env bash
# Passes the tests: installs what is missing, builds, runs them.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
source "$root/test/support/build.sh"

usage() {
  cat <<'TEXT'
usage: test/run.sh [--fast | --full] [--sanitize] [-- ctest options]

Installs missing packages, builds in build/ and runs the tests there. The tests
end with ctest's own summary. Exit code 0: all passed.

  --fast       only the labels lit and unit: a minute or two
  (none)       all but those labelled full
  --full       all of them, also the hours-long ones
  --sanitize   first the unit and fuzz tests under ASan and UBSan (build-sanitize/)

Everything after -- goes to ctest, for example: test/run.sh -- -R gradcheck
TEXT
}

selection=(-LE '^full$')
sanitize=${CI:+yes}
while [ $# -gt 0 ]; do
  case $1 in
  --fast) selection=(-L '^(lit|unit)$' -LE '^full$') ;;
  --full) selection=() ;;
  --sanitize) sanitize=yes ;;
  --help | -h) usage && exit 0 ;;
  --) shift && break ;;
  *) printf 'test/run.sh: unknown option %s\n\n' "$1" >&2 && usage >&2 && exit 1 ;;
  esac
  shift
done

# runTests FOLDER ctest options...
runTests() {
  local folder=$1
  shift
  ctest --test-dir "$root/$folder" --parallel "$jobs" --output-on-failure --no-tests=error "$@"
}

# PyTorch is for one test and one lesson, which are skipped without it.
"$root/test/support/setup.sh" build test ${CI:+torch}
if [ "$sanitize" = yes ]; then
  configureAndBuild sanitize build-sanitize
  say "unit and fuzz tests under ASan and UBSan"
  runTests build-sanitize -L '^(unit|fuzz)$' -LE '^full$'
fi
configureAndBuild default build
say "tests"
runTests build "${selection[@]}" "$@"
