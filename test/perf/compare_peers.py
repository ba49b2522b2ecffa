"""Times designs on a GPU beside an installed flash-linear-attention, in one process; errors of both gates' gradients.

    compare_peers.py [--decayc PROGRAM | --packages FOLDER] [--shapes B,T,H,D;...] [--json FILE] [--accuracy-only]

Both sides are called as a model calls them, under PyTorch's autograd, launch cost included. Decay gets raw projections,
the peer what it asks for, ready-made: fp32 log decays for chunk_gla and chunk_simple_gla. The floor is what moving each
of Decay's tensors once takes at the card's copy bandwidth, measured in the same run. Events around each call, after
warm-up (and the peer's autotuning); buffers in turn that are together four times the L2 cache; median and quartiles of
20. A function that raises is a row with its message. FOLDER holds packages as `decayc DESIGN --target=cuda -o FOLDER`
makes them (mamba2 with --granularity=scalar); without it they are compiled.
"""
import argparse
import contextlib
import datetime
import importlib
import json
import math
import pathlib
import statistics
import subprocess
import sys

import torch
import torch.nn.functional as F

import packages
from chunkwise import recurrence, recurrent
from decay.torch import load

SHAPES = "16,2048,16,128;32,2048,12,64;16,2048,16,64;8,2048,32,64;1,65536,16,128;1,2048,8,64"
# Design, settings, the peer's module and function, and what it takes beside q, k, v.
PAIRS = [
    ("simple_decay", {}, "fla.ops.gla", "chunk_gla", lambda B, T, H, D: {"g": log_decays(B, T, H, D)}),
    ("mamba2", {"granularity": "scalar"}, "fla.ops.simple_gla", "chunk_simple_gla",
     lambda B, T, H, D: {"g": log_decays(B, T, H)}),
    ("tnl", {}, "fla.ops.lightning_attn", "chunk_lightning_attn", lambda B, T, H, D: {"layer_idx": 1, "num_layers": 4}),
]
GATES = [0.004, 0.2, 0.8, 4.0, 12.0]
GATE_LIMIT = 5e-3


def log_decays(*shape):
    return F.logsigmoid(torch.randn(*shape, device="cuda") + 4).requires_grad_()


def projection(*shape):
    return torch.randn(*shape, device="cuda", dtype=torch.bfloat16).requires_grad_()


def timed(call, sets, count=20, warm_up=5):
    """Median and quartiles in ms of call(set), over the sets in turn."""
    times = []
    for index in range(warm_up + count):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        call(sets[index % len(sets)])
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end))
    lower, middle, upper = statistics.quantiles(times[warm_up:], n=4)
    return {"ms": round(middle, 4), "lower_ms": round(lower, 4), "upper_ms": round(upper, 4)}


def copy_bandwidth():
    """GB/s, bytes read and written."""
    source = torch.randn(2**29, device="cuda")
    target = torch.empty_like(source)
    return 2 * source.numel() * 4 / timed(lambda _: target.copy_(source), [None])["ms"] / 1e6


def size_of(tensors):
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def gradients(call, given):
    """Forward and backward of one set, without adding to gradients that are there."""
    leaves = [tensor for tensor in given["leaves"] if tensor.requires_grad]
    return torch.autograd.grad(call(given), leaves, given["d_o"])


def without_gradients(call, given):
    with torch.no_grad():
        return call(given)


class Side:
    """One implementation at one shape: a function of a set of tensors, and a way to make sets."""

    def __init__(self, call, make):
        self.call, self.make = call, make

    def sets(self, least_bytes):
        made = [self.make()]
        size = size_of([*made[0]["leaves"], made[0]["d_o"]])
        while len(made) < min(64, max(2, math.ceil(least_bytes / size))):
            made.append(self.make())
        return made

    def rows(self, least_bytes):
        """(direction, times or message); what raises once says so."""
        directions = {"forward": without_gradients, "forward_backward": gradients}
        for direction, run in directions.items():
            try:
                yield direction, timed(lambda given: run(self.call, given), self.sets(least_bytes))
            except Exception as problem:  # whatever a peer's stack of compilers throws
                text = str(problem).strip()
                yield direction, {"error": f"{type(problem).__name__}: {text.splitlines()[0][:160] if text else ''}"}
                with contextlib.suppress(Exception):
                    torch.cuda.synchronize()
            torch.cuda.empty_cache()


def our_side(design, shape):
    B, T, H, D = shape
    params = {name: tensor.requires_grad_() for name, tensor in
              design.init_parameters(H, D, layer=1, layers=4, device="cuda").items()}
    shapes = {p["name"]: [dict(B=B, T=T, H=H, K=D, V=D)[axis] for axis in p["shape"].split()]
              for p in design.manifest["projections"]}

    def make():
        made = [projection(*shapes[name]) for name in design.projections]
        return {"leaves": [*made, *params.values()], "projections": made, "d_o": projection(B, T, H, D).detach()}

    return Side(lambda given: design(*given["projections"], params=params, layer=1, layers=4), make)


def peer_side(function, extra, shape):
    B, T, H, D = shape

    def make():
        made = {name: projection(B, T, H, D) for name in "qkv"}
        made.update(extra(B, T, H, D))
        leaves = [tensor for tensor in made.values() if isinstance(tensor, torch.Tensor)]
        return {"leaves": leaves, "named": made, "d_o": projection(B, T, H, D).detach()}

    return Side(lambda given: function(**given["named"])[0], make)


def floor_bytes(design, shape):
    """What each direction must move: inputs and outputs of our entries, states left out."""
    B, T, H, D = shape
    package, dims = design.package("cuda"), packages.dims_of(B, T, H, D, D, layer=1, layers=4)
    size = {}
    for role in ("forward", "backward"):
        infos = [info for info in package.entry(role).operands if info.name != "lambda" and "N" not in info.axes]
        size[role] = sum(math.prod(package.shape(info, dims)) * (4 if info.type == "fp32" else 2) for info in infos)
    return {"forward": size["forward"], "forward_backward": size["forward"] + size["backward"]}


def output_of(*command):
    try:
        return subprocess.run(command, text=True, capture_output=True, check=False).stdout.strip()
    except OSError:
        return ""


def peer_function(module, name):
    """The peer's function, or one that raises what its import raised."""
    try:
        return getattr(importlib.import_module(module), name)
    except Exception as problem:
        def absent(message=f"{module}: {problem}", **_):
            raise RuntimeError(message)
        return absent


def peer_version():
    with contextlib.suppress(Exception):
        return getattr(importlib.import_module("fla"), "__version__", "")
    return ""


def design_of(given, name, settings):
    if given.packages:
        return load(given.packages / f"{name}.so")
    return load(name, decayc=given.decayc, device=given.device, **settings)


def speed(given):
    bandwidth = copy_bandwidth()
    least_bytes = 4 * getattr(torch.cuda.get_device_properties(0), "L2_cache_size", 50 * 2**20)
    common = {"copy_gb_s": round(bandwidth), "card": torch.cuda.get_device_name(),
              "driver": output_of("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"),
              "commit": given.commit or output_of("git", "rev-parse", "--short=12", "HEAD"),
              "date": datetime.date.today().isoformat(), "torch": torch.__version__}
    print(f"{common['card']}, copy {bandwidth:.0f} GB/s, PyTorch {torch.__version__}, fla {peer_version() or 'absent'}")
    print(f"{'implementation':<45}{'B, T, H, D':<22}{'direction':<18}{'ms':>9}{'lower':>9}{'upper':>9}{'floor':>9}{'over':>7}")
    for name, settings, module, function_name, extra in PAIRS:
        design, function = design_of(given, name, settings), peer_function(module, function_name)
        for shape in given.shapes:
            B, T, H, D = shape
            floors = floor_bytes(design, shape)
            sides = [(name, "", our_side(design, shape)),
                     (f"{module}.{function_name}", peer_version(), peer_side(function, extra, shape))]
            for implementation, version, side in sides:
                for direction, found in side.rows(least_bytes):
                    floor = floors[direction] / bandwidth / 1e6
                    row = {"design": name, "granularity": design.manifest["granularity"], "shape": [B, T, H, D, D],
                           "direction": direction, **found, "floor_ms": round(floor, 6), **common}
                    if implementation != name:
                        row.update(peer=implementation, peer_version=version)
                    print_row(implementation, shape, row)
                    yield row


def print_row(implementation, shape, row):
    start = f"{implementation:<45}{', '.join(map(str, shape)):<22}{row['direction']:<18}"
    if "error" in row:
        print(start + row["error"], flush=True)
        return
    print(f"{start}{row['ms']:9.3f}{row['lower_ms']:9.3f}{row['upper_ms']:9.3f}{row['floor_ms']:9.3f}"
          f"{row['ms'] / row['floor_ms']:7.2f}", flush=True)


def bias_for(f, mean):
    """Δ with which -log sigmoid(f + Δ) has this mean."""
    low, high = -40.0, 40.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if F.softplus(-(f + middle)).mean().item() > mean else (low, middle)
    return low


def relative_rms(found, expected):
    return ((found.double() - expected).pow(2).mean().sqrt() / expected.pow(2).mean().sqrt()).item()


def gate_errors(design, peer, mean, shape, device):
    """Relative rms of d_f against float64, ours and the peer's; each against the recurrence of its own inputs."""
    B, T, H, D = shape
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    q, k, v, f, d_o = (torch.randn(B, T, H, D, device=device).to(dtype) for _ in range(5))
    delta = torch.full((H, D), bias_for(f.double(), mean), device=device)
    gate = f.double().requires_grad_()
    wanted, = torch.autograd.grad(recurrent(q.double(), k.double(), v.double(), gate, delta.double()), gate, d_o.double())
    leaf = f.clone().requires_grad_()
    ours, = torch.autograd.grad(design(q, k, v, leaf, {"delta": delta}), leaf, d_o)
    errors = {"decay": relative_rms(ours, wanted)}
    try:
        q, k, leaf = F.silu(q), F.silu(k), f.float().requires_grad_()
        o = peer(q=q, k=k, v=v, g=F.logsigmoid(leaf + delta), scale=1.0)[0]
        theirs, = torch.autograd.grad(o, leaf, d_o)
        decays = torch.sigmoid(gate + delta.double())
        wanted, = torch.autograd.grad(recurrence(q.double(), k.double(), v.double(), decays), gate, d_o.double())
        errors["peer"] = relative_rms(theirs, wanted)
    except Exception as problem:
        errors["peer_error"] = str(problem).strip().splitlines()[0][:80]
    return errors


def accuracy(given):
    design = design_of(given, "simple_decay", {})
    peer, shape = peer_function("fla.ops.gla", "chunk_gla"), given.gate_shape
    print(f"\nrelative rms of the gate's gradient against float64 at B, T, H, D = {', '.join(map(str, shape))}")
    print(f"{'mean |log λ|':<16}{'decay':>12}{'chunk_gla':>12}")
    for mean in GATES:
        errors = gate_errors(design, peer, mean, shape, given.device)
        peers = f"{errors['peer']:12.2e}" if "peer" in errors else "  " + errors["peer_error"]
        print(f"{mean:<16}{errors['decay']:12.2e}{peers}", flush=True)
        yield {"design": "simple_decay", "granularity": "vector", "shape": [*shape, shape[-1]], "direction": "gate_gradient",
               "mean_log_decay": mean, "relative_rms": errors["decay"], "peer_relative_rms": errors.get("peer")}


def main():
    shapes = lambda text: [tuple(int(size) for size in shape.split(",")) for shape in text.split(";")]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--decayc")
    parser.add_argument("--packages", type=pathlib.Path)
    parser.add_argument("--shapes", type=shapes, default=shapes(SHAPES))
    parser.add_argument("--gate-shape", type=lambda text: shapes(text)[0], default=(1, 1024, 2, 64))
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--commit", default="", help="for rows, where there is no repository")
    parser.add_argument("--accuracy-only", action="store_true")
    parser.add_argument("--device", default="cuda", help="cpu: only with --accuracy-only")
    given = parser.parse_args()
    rows = list(accuracy(given))
    bad = [row["mean_log_decay"] for row in rows if not row["relative_rms"] <= GATE_LIMIT]
    if not given.accuracy_only:
        rows += speed(given)
    if given.json:
        given.json.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    if bad:
        sys.exit(f"the gate's gradient is off by more than {GATE_LIMIT} at mean |log λ| {bad}")


if __name__ == "__main__":
    main()
