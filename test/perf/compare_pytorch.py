#!/usr/bin/env python3
"""Times a package of simple_decay (vector) against the same mathematics in PyTorch on the CPU, in one process.

    compare_pytorch.py --package out/simple_decay.so [--shape B,T,H,K,V] [--threads 1,2] [--json]

Both sides compute the same numbers, which is checked first: q and k through silu, lambda = sigmoid(f + delta), chunks
of 64, fp32; forward, and forward + backward for every input. PyTorch is one that is installed; it is no part of the build.
"""
import argparse
import json
import statistics
import sys
import time

import torch

from chunkwise import simple_decay, recurrent
from packages import TorchPackage, dims_of, initial_parameters


def timed(call, seconds):
    """Median and quartiles of the seconds that a call takes."""
    for _ in range(2):
        call()
    times = []
    while len(times) < 7 or sum(times) < seconds:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    low, middle, high = statistics.quantiles(times, n=4)
    return {"ms": middle * 1e3, "lower": low * 1e3, "upper": high * 1e3}


class Both:
    """One set of inputs, and the calls of either side."""

    def __init__(self, package, shape):
        B, T, H, K, V = shape
        self.package, self.dims = package, dims_of(B, T, H, K, V, seed=1)
        generator = torch.Generator().manual_seed(0)
        make = lambda *size: torch.randn(*size, generator=generator)
        self.inputs = {"q": make(B, T, H, K), "k": make(B, T, H, K), "v": make(B, T, H, V), "f": 0.1 * make(B, T, H, K)}
        self.inputs.update(initial_parameters(package, self.dims, "cpu"))
        self.d_o = make(B, T, H, V)
        self.leaves = {name: tensor.clone().requires_grad_() for name, tensor in self.inputs.items()}
        gradients = ["d_" + name for name in self.inputs]
        self.outputs = package.empty("forward", self.dims, "cpu", ("o",))
        self.gradients = {"d_o": self.d_o, **package.empty("backward", self.dims, "cpu", gradients)}

    def our_forward(self):
        self.package.run("forward", {**self.inputs, **self.outputs}, self.dims)

    def our_training(self):
        self.our_forward()
        self.package.run("backward", {**self.inputs, **self.gradients}, self.dims)

    def their_forward(self):
        with torch.no_grad():
            return simple_decay(**self.inputs)

    def their_training(self):
        for leaf in self.leaves.values():
            leaf.grad = None
        simple_decay(**self.leaves).backward(self.d_o)


def check_agreement(both):
    """Both sides against each other: a comparison of different things would be worth nothing."""
    both.our_training()
    both.their_training()
    theirs = {"o": both.their_forward(), **{"d_" + name: leaf.grad for name, leaf in both.leaves.items()}}
    for name, tensor in theirs.items():
        found = {**both.outputs, **both.gradients}[name]
        error = ((found - tensor).pow(2).mean() / tensor.pow(2).mean()).sqrt().item()
        if not error <= 1e-4:
            sys.exit(f"{name}: the two sides differ by {error:.2e} (rms), so that times mean nothing")


def check_meaning():
    """The PyTorch side against the recurrence, at a small size."""
    generator = torch.Generator().manual_seed(1)
    q, k, v, f = (torch.randn(1, 128, 2, 8, generator=generator) for _ in range(4))
    delta = torch.full((2, 8), 3.0)
    error = (simple_decay(q, k, v, f, delta) - recurrent(q, k, v, f, delta)).abs().max()
    if not error <= 1e-4:
        sys.exit(f"the PyTorch side is wrong by {error:.2e}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--package", required=True, help="shared library of simple_decay, vector")
    parser.add_argument("--shape", default="1,2048,12,64,64", help="B,T,H,K,V; T a multiple of 64")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--seconds", type=float, default=2, help="spent on each figure")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    shape = [int(size) for size in options.shape.split(",")]
    check_meaning()
    rows = []
    for threads in (int(count) for count in options.threads.split(",")):
        torch.set_num_threads(threads)
        both = Both(TorchPackage(options.package), shape)
        check_agreement(both)
        for name, ours, theirs in (("forward", both.our_forward, both.their_forward),
                                   ("forward + backward", both.our_training, both.their_training)):
            mine, other = timed(ours, options.seconds), timed(theirs, options.seconds)
            rows.append({"direction": name, "threads": threads, "decay": mine, "pytorch": other,
                         "speedup": other["ms"] / mine["ms"]})
    report = {"shape": dict(zip("BTHKV", shape)), "torch": torch.__version__, "variant": both.package.variant, "rows": rows}
    if options.json:
        print(json.dumps(report, indent=2))
        return
    print(f"simple_decay (vector) {options.shape}, fp32, package variant {both.package.variant}, PyTorch {torch.__version__}")
    print(f"{'direction':<20}{'threads':>8}{'Decay ms':>12}{'PyTorch ms':>12}{'times':>8}")
    for row in rows:
        print(f"{row['direction']:<20}{row['threads']:>8}{row['decay']['ms']:>12.3f}{row['pytorch']['ms']:>12.3f}"
              f"{row['speedup']:>8.1f}")


main()
