"""Times packages for GPUs: forward, forward + backward, and one step, over the time that memory needs.

    gpu_kernels.py FOLDER [--designs simple_decay,mamba2] [--json FILE]

FOLDER holds what `decayc DESIGN --target=... -o FOLDER` made. The floor is the bytes that must move (each input read once,
each output and gradient written once) over the card's copy bandwidth, measured in the same run. Events around each call,
after warm-up; two sets of buffers in turn, each larger than the L2 cache; medians of 20.
"""
import argparse
import datetime
import json
import pathlib
import statistics
import subprocess

import torch

import gpu_package

SHAPES = [(16, 2048, 16, 128), (32, 2048, 12, 64), (16, 2048, 16, 64), (8, 2048, 32, 64), (1, 65536, 16, 128),
          (1, 2048, 8, 64)]
STEP_SHAPE = (64, 1, 16, 128)
STATES = ("state", "z", "lambda")


def timed(call, count=20, warm_up=5):
    times = []
    for index in range(warm_up + count):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        call(index % 2)
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end))
    return statistics.median(times[warm_up:])


def copy_bandwidth():
    """GB/s, bytes read and written."""
    source = torch.randn(2 ** 30, device="cuda")
    target = torch.empty_like(source)
    return 2 * source.numel() * 4 / timed(lambda _: target.copy_(source)) / 1e6


def bytes_of(tensors):
    return sum(t.numel() * t.element_size() for t in tensors.values())


def without_states(names):
    """The states that a training step leaves out."""
    return [name for name in names if any(part in name for part in STATES)]


def calls(package, role, dims):
    """The role on two sets of tensors, and the bytes that it must move."""
    made = []
    for _ in range(2):
        names = [info.name.decode() for info in package.operands(role)]
        left_out = [] if role == "step" else without_states(names)
        tensors = {name: t for name, t in gpu_package.draw(
            package, role, dims, gpu_package.initial_parameters(package, dims)).items() if name not in left_out}
        tensors.update(package.empty(role, dims, left_out + ["lambda"]))
        made.append((package.prepare(role, tensors, dims), bytes_of(tensors)))
    return lambda index: made[index][0](), made[0][1]


def rows(package, bandwidth):
    manifest = package.manifest
    common = {"design": manifest["design"], "granularity": manifest["granularity"], "sharing": manifest["sharing"],
              "copy_gb_s": round(bandwidth), "card": torch.cuda.get_device_name(),
              "driver": subprocess.run(["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"], text=True,
                                       capture_output=True, check=False).stdout.strip(),
              "date": datetime.date.today().isoformat(), "package": package.table.hash.decode()[:12]}

    def row(shape, direction, milliseconds, size):
        floor = size / bandwidth / 1e6
        B, T, H, D = shape
        return {**common, "shape": [B, T, H, D, D], "direction": direction, "ms": round(milliseconds, 4),
                "floor_ms": round(floor, 4), "over_floor": round(milliseconds / floor, 2)}

    for shape in SHAPES:
        B, T, H, D = shape
        dims = gpu_package.dims_of(B, T, H, D, D)
        forward, forward_bytes = calls(package, "forward", dims)
        yield row(shape, "forward", timed(forward), forward_bytes)
        backward, backward_bytes = calls(package, "backward", dims)
        both = timed(lambda index: (forward(index), backward(index)))
        yield row(shape, "forward_backward", both, forward_bytes + backward_bytes)
    B, T, H, D = STEP_SHAPE
    step, step_bytes = calls(package, "step", gpu_package.dims_of(B, T, H, D, D))
    yield row(STEP_SHAPE, "step", timed(step), step_bytes)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--designs")
    parser.add_argument("--json", type=pathlib.Path)
    given = parser.parse_args()
    bandwidth = copy_bandwidth()
    print(f"{torch.cuda.get_device_name()}, copy {bandwidth:.0f} GB/s")
    print(f"{'design':24s} {'B, T, H, D':22s} {'direction':17s} {'ms':>8s} {'floor':>8s} {'over':>6s}")
    names = given.designs.split(",") if given.designs else sorted(path.stem for path in given.folder.glob("*.so"))
    made = []
    for name in names:
        for row in rows(gpu_package.GpuPackage(str(given.folder / f"{name}.so")), bandwidth):
            made.append(row)
            B, T, H, D, _ = row["shape"]
            print(f"{name:24s} {f'{B}, {T}, {H}, {D}':22s} {row['direction']:17s} {row['ms']:8.3f} {row['floor_ms']:8.3f} "
                  f"{row['over_floor']:6.2f}", flush=True)
    if given.json:
        given.json.write_text("".join(json.dumps(row) + "\n" for row in made), encoding="utf-8")


if __name__ == "__main__":
    main()
