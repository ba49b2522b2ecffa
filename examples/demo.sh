#!/usr/bin/env bash
# The main job: from design files to trained, evaluated and compared models.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
source "$root/test/support/build.sh"

usage() {
  cat <<'TEXT'
usage: examples/demo.sh [DESIGN...]

Installs missing packages, builds in build/, and for each design (of the library,
or a .decay file; without any: several of the library and examples/my_decay.decay)
compiles it, trains a small model on English prose, evaluates it on files that it
has not seen and lets it write. Ends with a table of designs beside a byte trigram.
At most 20 minutes on 2 cores, 8 of them training; what is done already is kept.
Results: build/demo (table.txt, summary.json, loss.svg, lambda.svg, samples/).
TEXT
}
case ${1:-} in
-h | --help) usage && exit 0 ;;
-*) printf 'demo.sh: unknown option %s\n\n' "$1" >&2 && usage >&2 && exit 1 ;;
esac

designs=("$@")
[ $# -gt 0 ] || designs=(mamba2 gla hgrn2 tnl simple_decay "$root/examples/my_decay.decay")
demo="$root/build/demo"
bin="$root/build/bin"

"$root/test/support/setup.sh" build
configureAndBuild default build decay decayc

say "compiling ${#designs[@]} designs, each to one shared library"
runs=()
packages=()
for design in "${designs[@]}"; do
  name=${design##*/}
  name=${name/.decay/}
  name=${name//:/-}
  start=$(date +%s%N)
  made=$("$bin/decayc" "$design" -o "$demo/packages/$name")
  printf '%-14s %5d ms  %s\n' "$name" $((($(date +%s%N) - start) / 1000000)) "${made#"$root/"}"
  runs+=("$demo/runs/$name")
  packages+=("$demo/packages/$name")
done

say "the text"
"$root/examples/prose.sh" "$demo/text"
[ -e "$demo/data/dataset.json" ] ||
  "$bin/decay" prepare "$demo/text" -o "$demo/data" --vocabulary=2048

# As many steps as this machine makes in 7 minutes for all designs, at most 250.
# Kept, so that the next call goes on with the same runs.
plan="$demo/steps-for-${#designs[@]}"
if [ ! -e "$plan" ]; then
  rate=$("$bin/decay" bench train --design=simple_decay --width=192 --layers=4 --heads=3 \
    --multiple-of=64 --vocabulary=2048 --batch=8 --seq-len=256 --repeats=5 --json |
    sed -n 's/.*"tokens_per_s": \([0-9]*\).*/\1/p')
  steps=$((rate * 420 / ${#designs[@]} / 2048 / 10 * 10))
  steps=$((steps > 250 ? 250 : steps < 60 ? 60 : steps))
  printf '%d\n' "$steps" >"$plan"
  printf '%d tokens a second: %d steps of 2048 tokens for each design\n' "$rate" "$steps"
fi
steps=$(cat "$plan")

say "training ${#designs[@]} models (a run that was stopped goes on where it was)"
for index in "${!designs[@]}"; do
  run=${runs[index]}
  # A run belongs to its design, settings and text; another one begins anew.
  key=$(cat "${packages[index]}"/*.json "$root/examples/demo.toml" "$demo/data/dataset.json" "$plan" | sha256sum)
  if [ "$(cat "$run/key" 2>/dev/null)" != "$key" ]; then
    rm -rf "$run"
    mkdir -p "$run"
    printf '%s\n' "$key" >"$run/key"
  fi
  "$bin/decay" train "$root/examples/demo.toml" --design="${designs[index]}" \
    --training.steps="$steps" --training.dataset="$demo/data" --job.dump_folder="$run"
done

say "what they write after \"The state of\""
mkdir -p "$demo/samples"
for run in "${runs[@]}"; do
  name=$(basename "$run")
  "$bin/decay" generate "$run" "The state of" -n 60 >"$demo/samples/$name.txt"
  printf '%s: %s\n\n' "$name" "$(cat "$demo/samples/$name.txt")"
done

say "evaluating on files that no model has seen; λ 1 is the median of λ in layer 1"
"$bin/decay" compare "${runs[@]}" --text "$demo/text" -o "$demo"
printf '\nIn %s: table.txt, summary.json, loss.svg, lambda.svg, samples/, runs/ (%d s in all)\n' \
  "${demo#"$PWD/"}" "$SECONDS"
