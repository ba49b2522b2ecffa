#!/usr/bin/env python3
"""Tokens per second of whole training steps on a GPU: ours, and a Transformer with softmax attention in PyTorch.

    compare_gpu_training.py --package F/simple_decay.so [--runtime build/carry/decay-runtime] [--sizes 160m,410m] [--json FILE]

The peer has the sizes of examples/paper, a vocabulary of 50,432 and 16 sequences of 2048 tokens, as ours: RMSNorm, causal
scaled_dot_product_attention and SwiGLU under torch.compile, bf16 autocast over fp32 weights, clipping, a fused AdamW. Ours is
`decay bench train` in a process of its own, before and after the peer: the better of the two medians. PyTorch is one that is
installed; cuBLAS is found by DECAY_CUBLAS, or in this Python's packages. The peer's process holds memory of the card meanwhile,
which `memory_used_gb` counts.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import sysconfig
import time

import torch
import torch.nn.functional as F
from torch import nn

SIZES = {"160m": (768, 12, 12), "410m": (1024, 24, 16), "1450m": (2048, 24, 32)}  # width, layers, heads
VOCABULARY, SEQUENCE, MULTIPLE = 50432, 2048, 256


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)

    def forward(self, x):
        B, T, width = x.shape
        q, k, v = (part.reshape(B, T, self.heads, -1).transpose(1, 2) for part in self.qkv(x).chunk(3, -1))
        o = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(o.transpose(1, 2).reshape(B, T, width))


class Glu(nn.Module):
    def __init__(self, width):
        super().__init__()
        inner = -(-8 * width // 3 // MULTIPLE) * MULTIPLE
        self.up, self.down = nn.Linear(width, 2 * inner, bias=False), nn.Linear(inner, width, bias=False)

    def forward(self, x):
        a, b = self.up(x).chunk(2, -1)
        return self.down(F.silu(a) * b)


class Transformer(nn.Module):
    def __init__(self, width, layers, heads):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, width)
        self.attentions = nn.ModuleList(Attention(width, heads) for _ in range(layers))
        self.glus = nn.ModuleList(Glu(width) for _ in range(layers))
        self.norms = nn.ModuleList(nn.RMSNorm(width) for _ in range(2 * layers + 1))
        self.head = nn.Linear(width, VOCABULARY, bias=False)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.02)

    def forward(self, tokens):
        x = self.embedding(tokens[:, :-1])
        for i, (attention, glu) in enumerate(zip(self.attentions, self.glus)):
            x = x + attention(self.norms[2 * i](x))
            x = x + glu(self.norms[2 * i + 1](x))
        logits = self.head(self.norms[-1](x))
        return F.cross_entropy(logits.flatten(0, 1).float(), tokens[:, 1:].flatten())


def peer_rate(size, options):
    """Tokens per second of the median step, parameters, and seconds until the first step was done."""
    torch.manual_seed(0)
    start = time.perf_counter()
    model = Transformer(*SIZES[size]).cuda()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    compiled, times = torch.compile(model), []
    for step in range(options.repeats + 3):
        tokens = torch.randint(VOCABULARY, (options.batch, SEQUENCE + 1), device="cuda")
        torch.cuda.synchronize()
        before = time.perf_counter()
        with torch.autocast("cuda", torch.bfloat16):
            loss = compiled(tokens)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        torch.cuda.synchronize()
        times.append(time.perf_counter() - before)
        if step == 0:
            first = time.perf_counter() - start
    parameters = sum(parameter.numel() for parameter in model.parameters())
    del model, optimizer, compiled
    torch.cuda.empty_cache()
    return options.batch * SEQUENCE / statistics.median(times[3:]), parameters, first


def our_row(size, options):
    command = [options.runtime, "bench", "train", "--device=cuda", f"--design={options.package}", "--model", size, "--batch",
               options.batch, "--repeats", options.repeats, "--json"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{size}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def compare(size, options):
    before = our_row(size, options)
    peer, parameters, first = peer_rate(size, options)
    row = max(before, our_row(size, options), key=lambda made: made["tokens_per_s"])
    row |= {"peer": f"softmax attention, PyTorch {torch.__version__}, torch.compile", "peer_tokens_per_s": peer,
            "peer_parameters": parameters, "design": options.package.stem}
    print(f"{size}: ours {row['tokens_per_s']:,.0f} tokens/s ({row['parameters'] / 1e6:.1f}M, MFU {100 * row['mfu']:.1f} %, "
          f"{row['memory_gb']:.1f} GB), PyTorch {peer:,.0f} ({parameters / 1e6:.1f}M, first step after {first:.0f} s): "
          f"{row['tokens_per_s'] / peer:.2f} times", flush=True)
    parts = ", ".join(f"{name} {1e3 * seconds:.1f}" for name, seconds in row.get("parts", {}).items())
    print(f"    ms by kind: {parts}", flush=True)
    if options.json:
        with options.json.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, sort_keys=True) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--package", type=pathlib.Path, required=True)
    parser.add_argument("--runtime", type=pathlib.Path, default=pathlib.Path("build/carry/decay-runtime"))
    parser.add_argument("--sizes", default="160m,410m")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    places = [sysconfig.get_paths()["purelib"], sysconfig.get_paths()["platlib"], *sys.path]
    os.environ.setdefault("DECAY_CUBLAS", ":".join(dict.fromkeys(place for place in places if place)))
    torch.set_float32_matmul_precision("high")
    for size in options.sizes.split(","):
        compare(size, options)


if __name__ == "__main__":
    main()
