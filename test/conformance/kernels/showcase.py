"""The texts of kernels_generated/showcase are what the compiler makes.

    showcase.py DECAYC ROOT [--write]

Without --write exit code 1 and the first line that differs, if a text is not what DECAYC makes; with it the texts are written.
"""
import pathlib
import re
import subprocess
import sys


def emit(decayc, *flags):
    return subprocess.run([decayc, *flags], capture_output=True, text=True, check=True).stdout


def chunk(decayc):
    return emit(decayc, "simple_decay", "--emit=chunk")


def step(decayc):
    text = emit(decayc, "simple_decay", "--target=cuda", "--emit=ptx")
    return re.search(r"// kernel decay_step_64_64\n.*?(?=// kernel |\Z)", text, re.S).group(0)


def loop(decayc):
    text = emit(decayc, "simple_decay", "--emit=asm")
    return re.search(r"^loop_forward_2_avx512:.*?^\.Lfunc_end\d+:", text, re.S | re.M).group(0) + "\n"


TEXTS = {"simple_decay.chunk.mlir": chunk, "simple_decay.step.ptx": step, "simple_decay.lambda.s": loop}


def first_difference(kept, made):
    pairs = zip(kept.splitlines() + ["(end)"], made.splitlines() + ["(end)"])
    return next(f"line {number}: kept '{a}', made '{b}'" for number, (a, b) in enumerate(pairs, 1) if a != b)


def main():
    if len(sys.argv) not in (3, 4) or sys.argv[3:] not in ([], ["--write"]):
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[2]) / "kernels_generated" / "showcase"
    stale = False
    for name, make in TEXTS.items():
        made, path = make(sys.argv[1]), folder / name
        if len(sys.argv) == 4:
            path.write_text(made, encoding="utf-8")
            continue
        kept = path.read_text(encoding="utf-8") if path.exists() else ""
        if kept != made:
            stale = True
            print(f"{path}: {first_difference(kept, made)}\n"
                  "    to refresh: python3 test/conformance/kernels/showcase.py build/bin/decayc . --write")
    sys.exit(1 if stale else 0)


main()
