"""What compare_peers.py measures: Decay's designs and functions of an installed flash-linear-attention, side by side.

Both sides are called as a model calls them, under PyTorch's autograd, launch cost included. Decay gets raw projections,
the peer what it asks for, ready-made: fp32 log decays for chunk_gla and chunk_simple_gla.
"""
import concurrent.futures
import contextlib
import datetime
import importlib
import math
import os
import statistics
import subprocess

import torch
import torch.nn.functional as F

import packages
from chunkwise import recurrence, recurrent
from decay.torch import load

# By the name of the peer's function: design, settings, the peer's module, and what it takes beside q, k, v.
PAIRS = {
    "chunk_gla": ("simple_decay", {}, "fla.ops.gla", lambda B, T, H, D: {"g": log_decays(B, T, H, D)}),
    "chunk_lightning_attn": ("tnl", {}, "fla.ops.lightning_attn",
                             lambda B, T, H, D: {"layer_idx": 1, "num_layers": 4}),
    "chunk_simple_gla": ("mamba2", {"granularity": "scalar"}, "fla.ops.simple_gla",
                         lambda B, T, H, D: {"g": log_decays(B, T, H)}),
}
DIRECTIONS = ("forward", "forward_backward")
GATES = [0.004, 0.2, 0.8, 4.0, 12.0]
GATE_LIMIT = 5e-3


def log_decays(*shape):
    return F.logsigmoid(torch.randn(*shape, device="cuda") + 4).requires_grad_()


def projection(*shape):
    return torch.randn(*shape, device="cuda", dtype=torch.bfloat16).requires_grad_()


# Elements of v, below which launches decide how long a call takes.
SMALL = 2**22


def timed(call, sets, is_small=False, count=20, warm_up=5):
    """Median and quartiles in ms of call(set), over the sets in turn. Calls are queued one after the other, as in training; where
    they are small each is awaited, so that all its launches count."""
    for index in range(warm_up):
        call(sets[index % len(sets)])
    torch.cuda.synchronize()
    pairs = []
    for index in range(count):
        pairs.append([torch.cuda.Event(enable_timing=True) for _ in range(2)])
        pairs[-1][0].record()
        call(sets[index % len(sets)])
        pairs[-1][1].record()
        if is_small:
            torch.cuda.synchronize()
    torch.cuda.synchronize()
    lower, middle, upper = statistics.quantiles([begin.elapsed_time(end) for begin, end in pairs], n=4)
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

    def measure(self, direction, least_bytes):
        """Times, or a message where it raises."""
        run = {"forward": without_gradients, "forward_backward": gradients}[direction]
        try:
            sets = self.sets(least_bytes)
            return timed(lambda given: run(self.call, given), sets, is_small=sets[0]["d_o"].numel() < SMALL)
        except Exception as problem:  # whatever a peer's stack of compilers throws
            text = str(problem).strip()
            with contextlib.suppress(Exception):
                torch.cuda.synchronize()
            return {"error": f"{type(problem).__name__}: {text.splitlines()[0][:160] if text else ''}"}
        finally:
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
        infos = [info for info in package.entry(role).operands if info.name != "lambda" and not {"N", "S"} & set(info.axes)]
        size[role] = sum(math.prod(package.shape(info, dims)) * (4 if info.type == "fp32" else 2) for info in infos)
    return {"forward": size["forward"], "forward_backward": size["forward"] + size["backward"]}


def output_of(*command):
    try:
        return subprocess.run(command, text=True, capture_output=True, check=False).stdout.strip()
    except OSError:
        return ""


def compile_candidates_together():
    """Triton's autotuner compiles its candidates one after another; now all of a kernel's are compiled on all cores before
    it times them. What it picks does not change. An older Triton, which cannot, goes on alone."""
    try:
        from triton.runtime._async_compile import AsyncCompileMode
        from triton.runtime.autotuner import Autotuner
    except ImportError:
        return
    executor = concurrent.futures.ThreadPoolExecutor(os.cpu_count())
    candidates = Autotuner.prune_configs

    def compiled_candidates(self, kwargs):
        chosen = candidates(self, kwargs)
        # One that does not compile says so again when its turn comes.
        with AsyncCompileMode(executor, ignore_errors=True):
            for config in chosen:
                self.fn.run(*self.nargs.values(), **{**kwargs, "warmup": True}, **config.all_kwargs())
        return chosen

    Autotuner.prune_configs = compiled_candidates


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
    """From a folder as decayc fills it, or as test/numeric/card/make_packages.py does; else compiled."""
    if given.packages:
        own = given.packages / "-".join([name, *(f"{key}-{value}" for key, value in settings.items())]) / f"{name}.so"
        return load(own if own.exists() else given.packages / f"{name}.so")
    return load(name, decayc=given.decayc, device=given.device, **settings)


def common_to_rows(commit):
    return {"card": torch.cuda.get_device_name(),
            "driver": output_of("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"),
            "commit": commit or output_of("git", "rev-parse", "--short=12", "HEAD"),
            "date": datetime.date.today().isoformat(), "torch": torch.__version__}


def speed_rows(given, peer, shape, directions):
    """Rows of our design and of its peer at one shape, in one process; ours first, as the peer may take its time."""
    name, settings, module, extra = PAIRS[peer]
    compile_candidates_together()
    design, B, T, H, D = design_of(given, name, settings), *shape
    bandwidth = copy_bandwidth()
    floors = floor_bytes(design, shape)
    least_bytes = 4 * getattr(torch.cuda.get_device_properties(0), "L2_cache_size", 50 * 2**20)
    sides = [("", our_side(design, shape)), (peer, peer_side(peer_function(module, peer), extra, shape))]
    for of, side in sides:
        for direction in directions:
            row = {"design": name, "granularity": design.manifest["granularity"], "shape": [B, T, H, D, D],
                   "direction": direction, **side.measure(direction, least_bytes),
                   "floor_ms": round(floors[direction] / bandwidth / 1e6, 6), "copy_gb_s": round(bandwidth),
                   **common_to_rows(given.commit)}
            if of:
                row.update(peer=of, peer_version=peer_version())
            yield row


def bias_for(f, mean):
    """Δ with which -log sigmoid(f + Δ) has this mean."""
    low, high = -40.0, 40.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if F.softplus(-(f + middle)).mean().item() > mean else (low, middle)
    return low


def relative_rms(found, expected):
    return ((found.double() - expected).pow(2).mean().sqrt() / expected.pow(2).mean().sqrt()).item()


class GateCase:
    """Inputs with this mean |log λ|, and the gradient of f against float64 of each side's own inputs."""

    def __init__(self, mean, shape, device):
        draw = torch.Generator().manual_seed(5)
        dtype = torch.bfloat16 if device == "cuda" else torch.float32
        self.q, self.k, self.v, self.f, self.d_o = (torch.randn(*shape, generator=draw).to(device, dtype) for _ in range(5))
        self.delta = torch.full(shape[2:], bias_for(self.f.double(), mean), device=device)

    def wanted(self, q, k, activated):
        gate = self.f.double().requires_grad_()
        if activated:
            o = recurrence(q.double(), k.double(), self.v.double(), torch.sigmoid(gate + self.delta.double()))
        else:
            o = recurrent(q.double(), k.double(), self.v.double(), gate, self.delta.double())
        return torch.autograd.grad(o, gate, self.d_o.double())[0]

    def ours(self, design):
        leaf = self.f.clone().requires_grad_()
        found, = torch.autograd.grad(design(self.q, self.k, self.v, leaf, {"delta": self.delta}), leaf, self.d_o)
        return relative_rms(found, self.wanted(self.q, self.k, activated=False))

    def theirs(self, function):
        q, k, leaf = F.silu(self.q), F.silu(self.k), self.f.float().requires_grad_()
        o = function(q=q, k=k, v=self.v, g=F.logsigmoid(leaf + self.delta), scale=1.0)[0]
        found, = torch.autograd.grad(o, leaf, self.d_o)
        return relative_rms(found, self.wanted(q, k, activated=True))


def gate_rows(given):
    """Relative rms of the gate's gradient against float64, at all means: ours first, then chunk_gla's."""
    design = design_of(given, "simple_decay", {})
    common = {"design": "simple_decay", "granularity": "vector", "shape": [*given.gate_shape, given.gate_shape[-1]],
              "direction": "gate_gradient"}
    for mean in GATES:
        yield {**common, "mean_log_decay": mean,
               "relative_rms": GateCase(mean, given.gate_shape, given.device).ours(design)}
    function = peer_function("fla.ops.gla", "chunk_gla")
    for mean in GATES:
        row = {**common, "mean_log_decay": mean, "peer": "chunk_gla", "peer_version": peer_version()}
        try:
            row["relative_rms"] = GateCase(mean, given.gate_shape, given.device).theirs(function)
        except Exception as problem:  # as above
            row["error"] = (str(problem).strip().splitlines() or [type(problem).__name__])[0][:160]
        yield row
