# Sourced by the lessons: where the tools are, a folder that is gone afterwards.
# shellcheck shell=bash
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PATH="${DECAY_BUILD:-$root/build}/bin:$PATH"
command -v decayc >/dev/null || {
  printf 'the tools are not built yet: run test/run.sh or examples/demo.sh once\n' >&2
  exit 1
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# show COMMAND...: prints the command, then runs it.
show() {
  printf '\n$ %s\n' "${*//$work\//}"
  "$@"
}

# tinyData: a dataset of this repository's own pages, in $work/data.
tinyData() {
  mkdir -p "$work/text"
  find "$root" -name '*.md' -not -path '*/build*' | while read -r page; do
    name=${page#"$root/"}
    cp "$page" "$work/text/${name//\//_}.txt"
  done
  decay prepare "$work/text" -o "$work/data" --vocabulary=512 >/dev/null 2>&1
}

# A model that trains in seconds.
tiny=(--model.hidden_size=64 --model.num_heads=1 --model.num_hidden_layers=2
  --model.multiple_of=32 --training.batch_size=4 --training.seq_len=64
  --optimizer.lr=3e-3 --lr_scheduler.warmup_steps=5)
