"""Compares packages for GPUs with packages of the same designs for the processor, tensor by tensor.

    gpu_compare.py GPU_FOLDER CPU_FOLDER [--designs a,b] [--widths 64,128]

Both folders hold what `decayc DESIGN -o FOLDER` made, with and without --target. Inputs are bf16, so that both see the
same numbers; the processor's package works in fp32, and is itself compared with the float64 oracle by the tests. Prints
the relative rms error of each output and gradient, and exits with 1 if one is above 5e-3 (outputs) or 8e-3 (gradients).
"""
import argparse
import pathlib
import sys

import torch

import packages

SHAPES = [(1, 1, 1, None), (2, 17, 2, None), (2, 65, 1, None), (1, 200, 2, [0, 1, 64, 81, 200]), (1, 1000, 1, None)]
LIMITS = {"forward": 5e-3, "step": 5e-3, "backward": 8e-3}


def rms(got, wanted):
    return ((got - wanted).pow(2).mean().sqrt() / wanted.pow(2).mean().sqrt().clamp(min=1e-30)).item()


def on_host(tensors):
    return {name: t.float().cpu() for name, t in tensors.items()}


def compare_role(gpu, cpu, role, shape, width, parameters, offsets):
    B, T, H = shape
    seqlens = None if offsets is None else torch.tensor(offsets, dtype=torch.int64)
    on_device = None if seqlens is None else seqlens.cuda()
    dims = packages.dims_of(B, T, H, width, width, on_device, layer=1, layers=4)
    host_dims = packages.dims_of(B, T, H, width, width, seqlens, layer=1, layers=4)
    tensors = packages.draw(gpu, role, dims, "cuda", parameters)
    outputs = packages.outputs(gpu, role, dims, "cuda")
    gpu.run(role, {**tensors, **outputs}, dims, checked=True)
    wanted = packages.outputs(cpu, role, host_dims, "cpu")
    cpu.run(role, {**on_host(tensors), **wanted}, host_dims)
    got = on_host(outputs)
    # A few numbers may be sums that cancel: their ratio says nothing.
    return {name: rms(got[name], wanted[name]) for name in wanted if wanted[name].numel() >= 16}


def compare(design, folders, widths):
    gpu = packages.TorchPackage(str(folders[0] / f"{design}.so"))
    cpu = packages.TorchPackage(str(folders[1] / f"{design}.so"))
    worst, bad = {}, []
    for width in widths:
        for role in ("forward", "step", "backward"):
            for B, T, H, offsets in SHAPES:
                if role == "step" and T != 1:
                    continue
                parameters = packages.initial_parameters(
                    gpu, packages.dims_of(1, 1, H, width, width, layer=1, layers=4), "cuda")
                try:
                    errors = compare_role(gpu, cpu, role, (B, T, H), width, parameters, offsets)
                except (RuntimeError, ValueError) as problem:
                    bad.append(f"{role} D {width} T {T}: {problem}")
                    break
                for name, error in errors.items():
                    key = f"{role}.{name}"
                    worst[key] = max(worst.get(key, 0.0), error) if error == error else error
                    if not error <= LIMITS[role]:
                        bad.append(f"{role} D {width} B {B} T {T} {offsets or ''} {name}: {error:.2e}")
    return worst, bad


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs=2, type=pathlib.Path)
    parser.add_argument("--designs")
    parser.add_argument("--widths", default="64,128")
    given = parser.parse_args()
    names = sorted(path.stem for path in given.folders[0].glob("*.so"))
    failed = 0
    for design in given.designs.split(",") if given.designs else names:
        worst, bad = compare(design, given.folders, [int(width) for width in given.widths.split(",")])
        failed += bool(bad)
        print(f"{'FAILED' if bad else 'ok    '} {design}: " +
              " ".join(f"{name} {error:.1e}" for name, error in worst.items()))
        for line in bad[:6]:
            print("    " + line, flush=True)
    print(f"gpu_compare: {len(names)} designs, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
