# Sourced by the commands that build. Expects `root`, the repository's folder.
# shellcheck shell=bash

# Compiles are kept in ccache's own folder, so that a second clone builds fast.
export CCACHE_BASEDIR="${CCACHE_BASEDIR:-$root}"
export CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
export CCACHE_NOHASHDIR=1

jobs=$(nproc)

say() { printf '\n== %s\n' "$*"; }

# configureAndBuild PRESET FOLDER [TARGET...]: with what is built there already.
configureAndBuild() {
  local preset=$1 folder=$2
  shift 2
  say "configuring $folder"
  (cd "$root" && cmake --preset "$preset" --log-level=WARNING) || return
  say "building $folder (a first build takes minutes, the next ones seconds)"
  cmake --build "$root/$folder" --parallel "$jobs" ${1:+--target "$@"}
}
