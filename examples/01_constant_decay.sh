#!/usr/bin/env bash
# Lesson 1: the smallest design. Every token keeps the same share of the state.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lesson.sh"

# `set` opens a number to the command line, with its default and its range. λ is
# the same in all channels, so the design says that it has one decay per head.
cat >"$work/constant.decay" <<'DESIGN'
design constant
  granularity scalar
  set half_life = 64 in [1, 4096]
  log λ = -log(2) / half_life
DESIGN
show decayc "$work/constant.decay" -o "$work/out"

# The same design with a shorter memory is another package.
show decayc "$work/constant.decay" --set half_life=8 -o "$work/short"
grep '"value"' "$work/short/constant.json"

# A number outside of its range is refused, with its place and what was expected.
show decayc "$work/constant.decay" --set half_life=0 -o "$work/out" && exit 1
printf '\nrefused, as it should be\n'
