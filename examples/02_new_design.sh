#!/usr/bin/env bash
# Lesson 2: a design of one's own is one file.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lesson.sh"
show cat "$root/examples/my_decay.decay"

# What it is, from its manifest: what a model must project and learn for it.
show decayc "$root/examples/my_decay.decay" -o "$work/out"
grep -A4 '"projections"\|"parameters"' "$work/out/my_decay.json"

# A variant overrides lines of a design; it may stand in the same file.
cp "$root/examples/my_decay.decay" "$work/mine.decay"
cat >>"$work/mine.decay" <<'DESIGN'

variant quick of my_decay
  learn h = log(log_uniform(1, 16))
DESIGN
show decayc "$work/mine.decay:quick" -o "$work/out"

# A slip of the pen is answered with its place and a fix.
sed 's/sigmoid/sigmod/' "$work/mine.decay" >"$work/slip.decay"
show decayc "$work/slip.decay" -o "$work/out" && exit 1
printf '\nrefused, as it should be\n'
