#!/usr/bin/env bash
# Lesson 4: text to tokens to a model that writes, in seconds.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lesson.sh"
tinyData

# All settings have names; `decay train --settings` lists them.
show decay train --design="$root/examples/my_decay.decay" --training.dataset="$work/data" \
  --job.dump_folder="$work/run" "${tiny[@]}" --training.steps=40

show decay eval "$work/run"
show decay inspect "$work/run" -o "$work/plots"
show decay generate "$work/run" "The state" -n 30 --greedy
test -s "$work/plots/lambda.svg"
