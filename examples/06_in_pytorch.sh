#!/usr/bin/env bash
# Lesson 6: a design inside a model of PyTorch, in place of the function that was there.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lesson.sh"

# PYTHON names a Python with PyTorch. Without one there is nothing to show (77 tells the tests).
python=${PYTHON:-python3}
"$python" -c 'import torch' 2>/dev/null || {
  printf '%s has no PyTorch: set PYTHON to one that has\n' "$python"
  exit 77
}

# The package is in runtime/python: `pip install ./runtime/python` for good, or as here. decayc is on
# the PATH, and what it compiles is kept in the cache.
export PYTHONPATH="$root/runtime/python" DECAY_CACHE="$work/cache"
show "$python" "$root/examples/06_in_pytorch.py"
