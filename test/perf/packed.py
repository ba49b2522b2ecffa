#!/usr/bin/env python3
"""Packed sequences beside each of them alone: how long, and how near.

    packed.py PACKAGE.so... [--ends 20000,30000,50000,65536] [--heads 8] [--width 128] [--repeats 20] [--device cuda]

Through runtime/python under autograd, launches included: one call with cu_seqlens and one call for each sequence, forward with
the final state, and with backward. On a GPU few packed sequences are cut to fill the card, as are long ones alone, but at other
places: outputs, states and gradients then differ by roundings. The last number is the largest relative rms of a difference; exit
code 1 where one is more than 5e-3, on the processor where any bit differs.
"""
import argparse
import sys
import time

import packages
import torch

import decay.torch

MOST = {"cuda": 5e-3, "cpu": 0.0}


def milliseconds(work, repeats, device):
    """The mean of calls that follow each other, after warm-up."""
    def wait():
        if device == "cuda":
            torch.cuda.synchronize()
    for _ in range(2):
        work()
    wait()
    begin = time.perf_counter()
    for _ in range(repeats):
        work()
    wait()
    return 1e3 * (time.perf_counter() - begin) / repeats


class Call:
    """One call of a design and its gradients."""

    def __init__(self, attend, inputs, gradient, params, cu_seqlens=None):
        self.attend, self.params, self.cu_seqlens, self.gradient = attend, params, cu_seqlens, gradient
        self.inputs = [tensor.detach().clone().requires_grad_() for tensor in inputs]

    def forward(self):
        with torch.no_grad():
            return self.attend(*self.inputs, self.params, cu_seqlens=self.cu_seqlens, output_final_state=True)

    def both(self):
        for tensor in self.inputs:
            tensor.grad = None
        output, state = self.attend(*self.inputs, self.params, cu_seqlens=self.cu_seqlens, output_final_state=True)
        output.backward(self.gradient)
        return [output.detach(), *(tensor.grad for tensor in self.inputs)], state


def rms_of(found, expected):
    difference = (found.double() - expected.double()).pow(2).mean()
    return (difference / expected.double().pow(2).mean().clamp_min(1e-30)).sqrt().item()


def state_of(state):
    """The recurrence's, of those that a design carries."""
    return state["state"] if isinstance(state, dict) else state


def measure(path, options):
    attend = decay.torch.load(path)
    ends, H, D, device = options.ends, options.heads, options.width, options.device
    kind = torch.bfloat16 if device == "cuda" else torch.float32
    torch.manual_seed(1)
    params = attend.init_parameters(H=H, K=D, device=device)
    dims = packages.dims_of(1, ends[-1], H, D, D)
    by_name = attend.package(device).entry("forward").by_name
    inputs = [torch.randn(attend.package(device).shape(by_name[name], dims), device=device).to(kind) for name in attend.projections]
    gradient = torch.randn(1, ends[-1], H, D, device=device, dtype=kind)
    packed = Call(attend, inputs, gradient, params, torch.tensor([0, *ends], device=device))
    parts = list(zip([0, *ends], ends))
    alone = [Call(attend, [x[:, a:b] for x in inputs], gradient[:, a:b].contiguous(), params) for a, b in parts]
    found, state = packed.both()
    differences = []
    for number, ((a, b), call) in enumerate(zip(parts, alone)):
        expected, own = call.both()
        differences += [rms_of(state_of(state)[number:number + 1], state_of(own)),
                        *(rms_of(whole[:, a:b], part) for whole, part in zip(found, expected))]
    times = [milliseconds(work, options.repeats, device) for work in (
        packed.forward, lambda: [call.forward() for call in alone], packed.both, lambda: [call.both() for call in alone])]
    print(f"{path}: {len(ends)} sequences, {ends[-1]} tokens, {H} heads of {D}; ms packed and alone: forward {times[0]:.3f} and "
          f"{times[1]:.3f}, with backward {times[2]:.3f} and {times[3]:.3f}; {max(differences):.1e}", flush=True)
    # A NaN is no difference that is allowed either.
    return all(difference <= MOST[device] for difference in differences)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packages", nargs="+")
    parser.add_argument("--ends", type=lambda text: [int(word) for word in text.split(",")], default=[20000, 30000, 50000, 65536])
    parser.add_argument("--heads", type=int, default=8)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    options = parser.parse_args()
    return 0 if all([measure(path, options) for path in options.packages]) else 1


if __name__ == "__main__":
    sys.exit(main())
