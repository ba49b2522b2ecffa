"""The same launch again and again on a GPU: all results must have the same bits.

    repeat.py FOLDER|PACKAGE.so... [--count 1000] [--only PART] [--widths 64,128] [--device cpu]

Each package's forward, backward and step; sequences whole (many heads) and cut (few heads, long), packed, with states.
Outputs hold NaN before each launch and other work runs beside them in a second stream, so that blocks are placed
otherwise each time. With --count 1 a package is only launched: what sanitize.py does. One line a package; exit code 1 if
a bit differs or a result is not finite.
"""
import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "perf"))

import torch

import packages

# B, T, H, packed
SHAPES = {"forward": [(2, 150, 3, None), (1, 1000, 2, None), (1, 300, 2, [0, 1, 70, 300]), (1, 1500, 2, [0, 70, 1500])],
          "backward": [(2, 150, 3, None), (1, 1000, 2, None), (1, 300, 2, [0, 1, 70, 300]), (1, 1500, 2, [0, 70, 1500])],
          "step": [(3, 1, 2, None)]}
SMALL = {"forward": [(1, 70, 1, None), (1, 200, 1, None), (1, 70, 1, [0, 17, 70]), (1, 500, 1, [0, 17, 500])],
         "backward": [(1, 70, 1, None), (1, 200, 1, None), (1, 70, 1, [0, 17, 70]), (1, 500, 1, [0, 17, 500])],
         "step": [(2, 1, 1, None)]}


class Load:
    """Work of changing size beside a launch."""

    def __init__(self, device):
        self.stream = torch.cuda.Stream() if device == "cuda" else None
        self.matrices = [torch.ones(size, size, device=device) for size in (64, 512, 1024)] if self.stream else []

    def queue(self, turn):
        if self.stream:
            with torch.cuda.stream(self.stream):
                matrix = self.matrices[turn % len(self.matrices)]
                torch.mm(matrix, matrix)


def words(tensor):
    return tensor.contiguous().view(torch.int16 if tensor.element_size() == 2 else torch.int32)


def repeat(package, role, kept, shape, D, count, device, load):
    """What differed, by name of the output and number of launches."""
    B, T, H, offsets = shape
    seqlens = None if offsets is None else torch.tensor(offsets, dtype=torch.int64, device=device)
    dims = packages.dims_of(B, T, H, D, D, seqlens, layer=1, layers=4)
    parameters = packages.initial_parameters(package, packages.dims_of(1, 1, H, D, D, layer=1, layers=4), device)
    tensors = packages.draw(package, role, dims, device, parameters)
    tensors = {name: tensor for name, tensor in tensors.items() if name in package.entry(role).by_name}
    outputs = packages.outputs(package, role, dims, device)
    if kept:
        tensors |= packages.kept(package, dims, tensors, device)
    first, differ = None, {}
    for turn in range(count):
        for tensor in outputs.values():
            tensor.fill_(float("nan"))
        if count > 1:
            load.queue(turn)
        package.run(role, {**tensors, **outputs}, dims, checked=turn == 0 and device == "cuda")
        if first is None:
            first = {name: words(tensor).clone() for name, tensor in outputs.items()}
            # Counted where the numbers are: nothing waits for a launch.
            differ = {name: torch.zeros((), dtype=torch.int64, device=device) for name in outputs}
            finite = {name: bool(torch.isfinite(tensor.float()).all()) for name, tensor in outputs.items()}
        for name, tensor in outputs.items():
            differ[name] += (words(tensor) != first[name]).any()
    found = {name: int(times) for name, times in differ.items() if int(times)}
    return {**found, **{name + ", not finite": 1 for name, is_finite in finite.items() if not is_finite}}


def calls_of(package, count):
    """(role, whether backward gets what forward keeps, shape)"""
    for role, shapes in (SHAPES if count > 1 else SMALL).items():
        for kept in (False, True) if role == "backward" and package.kept() else (False,):
            for shape in shapes if role in package.entries else []:
                yield role, kept, shape


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=pathlib.Path)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--only", default="", help="part of a package's path")
    parser.add_argument("--widths", type=lambda text: [int(width) for width in text.split(",")], default=[64, 128])
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    given = parser.parse_args()
    load, failed, judged = Load(given.device), 0, 0
    paths = sorted(path for folder in given.folders
                   for path in ([folder] if folder.suffix == ".so" else folder.rglob("*.so")) if given.only in str(path))
    for path in paths:
        package, launches, lines = packages.TorchPackage(str(path)), 0, []
        if package.manifest["design"] == "lambda_times":
            continue  # random inputs are no λ
        for D in given.widths:
            for role, kept, shape in calls_of(package, given.count):
                call = f"{role}{' kept' if kept else ''} {shape} D {D}"
                try:
                    differ = repeat(package, role, kept, shape, D, given.count, given.device, load)
                except (RuntimeError, ValueError) as problem:
                    if "no kernel for head dims" in str(problem):
                        continue
                    lines.append(f"{call}: {problem}")
                    continue
                launches += given.count
                lines += [f"{call}: {name}, {times} of {given.count}" for name, times in differ.items()]
        judged += 1
        failed += bool(lines) or not launches
        print(f"{'FAILED' if lines else 'ok    '} {path.parent.name}/{path.stem:<30}{launches:8} launches", flush=True)
        for line in lines[:8]:
            print("       " + line, flush=True)
    print(f"repeat: {judged} packages, {failed} failed")
    return 1 if failed or not judged else 0


if __name__ == "__main__":
    sys.exit(main())
