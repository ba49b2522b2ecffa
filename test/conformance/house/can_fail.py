"""Each rule of house.py notices a breach: one planted in a tree that keeps all the others.

    can_fail.py HOUSE_PY
"""
import pathlib
import subprocess
import sys
import tempfile

BREACHES = {
    "layers": ("runtime/a/A.cpp", '#include "mlir/IR/Builders.h"\n'),
    "targets": ("compiler/a/A.cpp", 'auto target = "cpu"; // "cuda"\n'),
    "passes": ("compiler/a/Passes.td", 'def Fold : Pass<"decay-fold-twice"> {}\n'),
    "length": ("dsl/a/A.cpp", "int x;\n" * 601),
    "listed": ("dsl/a/Unlisted.cpp", "int x;\n"),
    "shown": ("examples/my_decay.decay", "design unseen\n"),
    "names": ("dsl/a/Change Dir:\n.txt", "\n"),
    "figures": ("test/perf/results/gpu_kernels.jsonl", '{"design": "a"}\n'),
    "readmes": ("dsl/a/b/A.h", "int x;\n"),
}


def run(rule, root):
    return subprocess.run([sys.executable, sys.argv[1], rule, root], capture_output=True, text=True, check=False)


def main():
    for rule, (name, text) in BREACHES.items():
        with tempfile.TemporaryDirectory() as root:
            (pathlib.Path(root) / "dsl").mkdir()
            clean = run(rule, root)
            path = pathlib.Path(root) / name
            path.parent.mkdir(parents=True)
            path.write_text(text, encoding="utf-8")
            broken = run(rule, root)
            if clean.returncode != 0 or broken.returncode != 1 or name.rsplit("/", 1)[0] not in broken.stdout:
                sys.exit(f"{rule}: clean {clean.returncode}, broken {broken.returncode}: {broken.stdout}{broken.stderr}")
    print(f"{len(BREACHES)} rules notice their breach")


main()
