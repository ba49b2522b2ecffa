#!/usr/bin/env bash
# Every C++ source is as clang-format writes it.
set -euo pipefail
cd "$1"
find dsl compiler runtime test examples -name '*.cpp' -print0 -o -name '*.h' -print0 -o -name '*.c' -print0 |
  xargs -0 -r clang-format-22 --dry-run --Werror
