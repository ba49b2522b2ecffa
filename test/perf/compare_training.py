#!/usr/bin/env python3
"""Tokens per second of one training step: `decay train` against the same model in PyTorch, eager, on the CPU.

    compare_training.py --config demo.toml --vocabulary 4096 --decay build/bin/decay [--threads 2] [--steps 10] [--json]

The model is the Decay Linear Transformer of the configuration's sizes with simple_decay (vector) mixed chunk by chunk
(chunkwise.py); the step is forward, cross entropy, backward, clipping and a fused AdamW. Decay's side is
`decay bench train` at the same sizes, or with --timing what a run of `decay train` left in its timing.jsonl.
"""
import argparse
import json
import statistics
import subprocess
import time
import tomllib

import torch
import torch.nn.functional as F
from torch import nn

from chunkwise import simple_decay


def linear(*sizes):
    """A bias-free map through sizes[0] -> ... -> sizes[-1], nothing between."""
    return nn.Sequential(*(nn.Linear(a, b, bias=False) for a, b in zip(sizes, sizes[1:])))


class Mixer(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads, head = heads, width // heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)  # one product for three
        self.f, self.gate = linear(width, head, width), linear(width, head, width)
        self.delta = nn.Parameter(torch.full((heads, head), 4.595))
        self.norm, self.out = nn.RMSNorm(width), nn.Linear(width, width, bias=False)

    def forward(self, x):
        B, T, _ = x.shape
        split = lambda tensor: tensor.reshape(B, T, self.heads, -1)
        q, k, v = (split(part) for part in self.qkv(x).chunk(3, -1))
        o = simple_decay(q, k, v, split(self.f(x)), self.delta).reshape(B, T, -1)
        return self.out(self.norm(o * torch.sigmoid(self.gate(x))))


class Glu(nn.Module):
    def __init__(self, width, inner):
        super().__init__()
        self.up, self.down = nn.Linear(width, 2 * inner, bias=False), nn.Linear(inner, width, bias=False)

    def forward(self, x):
        a, b = self.up(x).chunk(2, -1)
        return self.down(F.silu(a) * b)


class Model(nn.Module):
    def __init__(self, vocabulary, width, layers, heads, inner):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.mixers = nn.ModuleList(Mixer(width, heads) for _ in range(layers))
        self.glus = nn.ModuleList(Glu(width, inner) for _ in range(layers))
        self.norms = nn.ModuleList(nn.RMSNorm(width) for _ in range(2 * layers + 1))
        self.head = nn.Linear(width, vocabulary, bias=False)

    def forward(self, tokens):
        x = self.embedding(tokens)
        for i, (mixer, glu) in enumerate(zip(self.mixers, self.glus)):
            x = x + mixer(self.norms[2 * i](x))
            x = x + glu(self.norms[2 * i + 1](x))
        return self.head(self.norms[-1](x))


def pytorch_rate(sizes, options):
    """Tokens per second of the median step after two to warm up."""
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    model = Model(options.vocabulary, sizes["width"], sizes["layers"], sizes["heads"], sizes["inner"])
    for parameter in model.parameters():
        if parameter.dim() > 1 and parameter.shape != model.mixers[0].delta.shape:
            nn.init.trunc_normal_(parameter, std=0.02, a=-0.06, b=0.06)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    shape, times = (sizes["batch"], sizes["sequence"] + 1), []
    for _ in range(options.steps + 2):
        tokens = torch.randint(options.vocabulary, shape)
        start = time.perf_counter()
        loss = F.cross_entropy(model(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        times.append(time.perf_counter() - start)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return sizes["batch"] * sizes["sequence"] / statistics.median(times[2:]), parameters


def decay_rate(sizes, options):
    """Tokens per second of Decay's step, in a process of its own."""
    if options.timing:
        return logged_rate(options.timing)
    arguments = {"--width": sizes["width"], "--layers": sizes["layers"], "--heads": sizes["heads"],
                 "--batch": sizes["batch"], "--seq-len": sizes["sequence"], "--vocabulary": options.vocabulary,
                 "--multiple-of": sizes["inner"], "--threads": options.threads, "--repeats": options.steps}
    words = [str(word) for pair in arguments.items() for word in pair]
    done = subprocess.run([options.decay, "bench", "train", *words, "--json"], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["tokens_per_s"]


def logged_rate(path):
    """The median of what a run logged, its first line left out."""
    with open(path, encoding="utf-8") as lines:
        rates = [json.loads(line).get("tokens_per_second") for line in lines]
    rates = [rate for rate in rates if rate]
    return statistics.median(rates[1:] or rates)


def read_sizes(path):
    with open(path, "rb") as file:
        config = tomllib.load(file)
    model, training = config.get("model", {}), config.get("training", {})
    width = model.get("hidden_size", 256)
    multiple = model.get("multiple_of", 256)
    inner = model.get("intermediate_size", 0) or -(-(8 * width // 3) // multiple) * multiple
    return {"width": width, "layers": model.get("num_hidden_layers", 4), "heads": model.get("num_heads", 4),
            "inner": inner, "batch": training.get("batch_size", 8), "sequence": training.get("seq_len", 256)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", required=True, help="TOML of decay train")
    parser.add_argument("--vocabulary", type=int, required=True, help="tokens of the data set's tokenizer")
    side = parser.add_mutually_exclusive_group(required=True)
    side.add_argument("--decay", help="the program, to time its `bench train`")
    side.add_argument("--timing", help="timing.jsonl of a run with that configuration")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    sizes = read_sizes(options.config)
    theirs, parameters = pytorch_rate(sizes, options)
    ours = decay_rate(sizes, options)
    report = {"sizes": sizes, "parameters": parameters, "threads": options.threads, "torch": torch.__version__,
              "pytorch": theirs, "decay": ours, "times": ours / theirs}
    if options.json:
        print(json.dumps(report, indent=2))
        return
    print(f"{parameters / 1e6:.1f}M parameters, {sizes}, {options.threads} threads")
    print(f"PyTorch {torch.__version__}, eager: {theirs:,.0f} tokens/s")
    print(f"decay train: {ours:,.0f} tokens/s, {ours / theirs:.2f} times")


main()
