#!/usr/bin/env python3
"""What a training step's matrix products reach on a GPU, shape by shape: cuBLAS through an installed PyTorch.

    products.py [--model 410m] [--batch 16] [--length 2048] [--repeats 20]

Each product of a layer and of the head, in bf16 with fp32 sums: forward, the input's gradient, and the weight's gradient, which
Decay adds to an fp32 block. Weight gradients have few tiles and many rows, so they are also timed with the rows cut in 2, 3 and 4
parts that are summed afterwards. Columns: calls in a step, milliseconds in a step, TFLOP/s; at the end what all of it takes, and
with the best cut. Inputs are normally distributed: the card's clock under power depends on them.
"""
import argparse
import statistics

import torch

MODELS = {"160m": (768, 12, 2048), "410m": (1024, 24, 2816), "1450m": (2048, 24, 5632)}  # width, layers, GLU
VOCABULARY, HEAD, CHUNK = 50432, 64, 8192


def shapes(width, layers, glu, rows):
    """Name, calls, rows, inputs, outputs of y = x Wᵀ."""
    return [("q, k, v and first factors", layers, rows, width, 3 * width + 2 * HEAD),
            ("a second factor", 2 * layers, rows, HEAD, width),
            ("output", layers, rows, width, width),
            ("GLU in", layers, rows, width, 2 * glu),
            ("GLU out", layers, rows, glu, width),
            ("head", -(-rows // CHUNK), min(rows, CHUNK), width, VOCABULARY)]


def milliseconds(work, repeats):
    """The median, after warm-up, of calls that follow each other: the card is as warm as in training."""
    for _ in range(3):
        work()
    marks = [torch.cuda.Event(enable_timing=True) for _ in range(repeats + 1)]
    marks[0].record()
    for mark in marks[1:]:
        work()
        mark.record()
    torch.cuda.synchronize()
    return statistics.median(a.elapsed_time(b) for a, b in zip(marks, marks[1:]))


def weight_gradient(dy, x, cuts):
    if cuts == 1:
        return torch.mm(dy.T, x, out_dtype=torch.float32)
    split = lambda tensor: tensor.reshape(cuts, -1, tensor.shape[1])
    return torch.bmm(split(dy).transpose(1, 2), split(x), out_dtype=torch.float32).sum(0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=tuple(MODELS), default="410m")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--length", type=int, default=2048)
    parser.add_argument("--repeats", type=int, default=20)
    options = parser.parse_args()
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
    print(torch.cuda.get_device_name(), "cuBLAS of PyTorch", torch.__version__)
    total = best = 0.0
    for name, calls, rows, inputs, outputs in shapes(*MODELS[options.model], options.batch * options.length):
        x, dy, weight = (torch.randn(size, dtype=torch.bfloat16, device="cuda")
                         for size in ((rows, inputs), (rows, outputs), (outputs, inputs)))
        kinds = {"forward": lambda: x @ weight.T, "input's gradient": lambda: dy @ weight}
        kinds |= {"weight's gradient" + (f", cut in {cuts}" if cuts > 1 else ""):
                  lambda cuts=cuts: weight_gradient(dy, x, cuts) for cuts in (1, 2, 3, 4) if rows % cuts == 0}
        times = {}
        for kind, work in kinds.items():
            time = times[kind] = milliseconds(work, options.repeats)
            print(f"{name:<26} {kind:<28}{calls:>4} {calls * time:8.2f} ms {2e-9 * rows * inputs * outputs / time:8.1f}",
                  flush=True)
        others = times["forward"] + times["input's gradient"]
        total += calls * (others + times["weight's gradient"])
        best += calls * (others + min(time for kind, time in times.items() if "weight" in kind))
    print(f"a step: {total:.1f} ms, {best:.1f} ms with the best cuts")


if __name__ == "__main__":
    main()
