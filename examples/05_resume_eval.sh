#!/usr/bin/env bash
# Lesson 5: a run that is killed goes on to the very same bits.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lesson.sh"
tinyData
train=(decay train --design=simple_decay --training.dataset="$work/data" "${tiny[@]}"
  --training.steps=40 --checkpoint.interval=5 --checkpoint.keep_latest_k=1 --quiet)

# One run in peace, one killed in the middle and started again by the same command.
show "${train[@]}" --job.dump_folder="$work/whole"
"${train[@]}" --job.dump_folder="$work/killed" &
run=$!
until compgen -G "$work/killed/step-*" >/dev/null; do sleep 0.05; done
kill -9 "$run"
wait "$run" 2>/dev/null || true
show "${train[@]}" --job.dump_folder="$work/killed"

show cmp "$work/whole/train.jsonl" "$work/killed/train.jsonl"
show cmp "$work"/whole/step-*40/model.safetensors "$work"/killed/step-*40/model.safetensors
show decay eval "$work/killed"
printf '\nthe same weights, the same log\n'
