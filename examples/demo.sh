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
for design in "${designs[@]}"; do
  name=$(basename "$design" .decay)
  runs+=("$demo/runs/$name")
  start=$(date +%s%N)
  library=$("$bin/decayc" "$design" -o "$demo/packages/$name")
  printf '%-14s %5d ms  %s\n' "$name" $((($(date +%s%N) - start) / 1000000)) "${library#"$root/"}"
done

say "the text"
"$root/examples/prose.sh" "$demo/text"
[ -e "$demo/data/dataset.json" ] ||
  "$bin/decay" prepare "$demo/text" -o "$demo/data" --vocabulary=2048

say "training ${#designs[@]} models (a run that was stopped goes on where it was)"
for index in "${!designs[@]}"; do
  "$bin/decay" train "$root/examples/demo.toml" --design="${designs[index]}" \
    --training.dataset="$demo/data" --job.dump_folder="${runs[index]}"
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
printf '\nIn %s: table.txt, summary.json, loss.svg, lambda.svg, samples/, runs/\n' "${demo#"$PWD/"}"
