#!/usr/bin/env bash
# Lesson 3: from text to machine code, one level after the other.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lesson.sh"

# --emit stops at a level. `decay` says what is computed, `backward` has the
# gradient beside it, `chunk` how it runs on any machine; below are the target's.
for level in ast decay backward chunk cpu llvm asm; do
  decayc "$root/examples/my_decay.decay" --emit="$level" -o "$work/$level"
  printf '%-9s %6d lines\n' "$level" "$(wc -l <"$work/$level")"
done

# The whole text of the level that says what is computed:
show cat "$work/decay"
