#!/usr/bin/env python3
"""`decay train` beside an independent PyTorch model: the same weights and tokens, gradients and losses compared.

    agreement.py prepare [--folder build/carry/agreement] [--decay build/bin/decay] [--decayc build/bin/decayc]
    agreement.py run     [--folder build/carry/agreement] [--decay build/carry/decay-runtime] [--device cpu] [--cases ...]

`prepare` needs the compiler: it makes tokens of the repository's own texts, and packages for the processor and for a GPU. `run`
needs PyTorch, for --device=cuda a GPU, and the folder. For each case, a design with its settings:

  gradients  A short run whose first moments are its gradients (beta1 = 0, no clipping) leaves, at its first step and at one
             where all weights have moved, each parameter's gradient; PyTorch computes it in float64 from the same weights.
  losses     A run by the usual recipe (warm-up, stable, decay; clipping; AdamW) and PyTorch's, in float32 from the same first
             weights on: fp32 for 50 steps, and where the device has bf16 that for 300, with how far PyTorch's own bf16
             (autocast) is from its float32 by then, for scale.

A line for each check; exit code 1 when one is outside its bound.
"""
import argparse
import json
import math
import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig

ROOT = pathlib.Path(__file__).resolve().parents[3]
CASES = {"simple_decay": (), "mamba2": (), "hgrn2": (), "gla": (), "lightnet": (), "tnl": (),
         "mamba2-scalar": ("--granularity=scalar",), "simple_decay-shared": ("--sharing=on",)}
BATCH, LENGTH, HEADS, SEED = 4, 160, 2, 42
SIZES = {"model.hidden_size": 128, "model.num_hidden_layers": 3, "model.num_heads": HEADS, "training.batch_size": BATCH,
         "training.seq_len": LENGTH, "training.seed": SEED, "model.pad_vocab_size_multiple_of": 96,
         "validation.interval": 0, "metrics.log_freq": 1}
# Runs that differ by a rounding part ways the sooner the higher the rate: at 3e-4 two float32 programs' losses of tnl are 1e-4 of
# themselves apart by step 46 and 0.015 nats by step 300.
RATE = 1e-4
WARMUP, BETAS, DECAY, CLIP, FLOOR = 25, (0.9, 0.95), 0.1, 1.0, 0.1
RECIPE = {"lr_scheduler.warmup_steps": WARMUP, "lr_scheduler.lr_min": FLOOR,
          "optimizer.beta1": BETAS[0], "optimizer.beta2": BETAS[1], "optimizer.weight_decay": DECAY,
          "training.max_norm": CLIP, "checkpoint.interval": 1000}
MOVED = 10  # steps after which gradients are compared a second time
PROBE = {**RECIPE, "training.steps": MOVED + 1, "optimizer.lr": 1e-3, "optimizer.beta1": 0, "training.max_norm": 0,
         "lr_scheduler.warmup_steps": 1, "lr_scheduler.lr_min": 1, "checkpoint.interval": 1, "checkpoint.keep_latest_k": 0}
# Of a gradient: the rms of the difference over the rms of the gradient, for each parameter; more only where PyTorch's own float32,
# or for bf16 its autocast, is further from its float64 (where a gradient is a small rest of large sums: tnl's of q after ten
# steps is off by its own size). Of losses: the largest relative difference of all steps; in bf16 the largest one in nats.
GRADIENT = {"fp32": 3e-5, "bf16": 5e-2}
LOSS = 1e-5
NATS = 0.02
STEPS = {"fp32": 50, "bf16": 300}
PRECISIONS = {"cpu": ("fp32",), "cuda": ("fp32", "bf16")}


def design_of(case):
    return case.split("-")[0]


def prepare(options):
    shutil.rmtree(options.folder, ignore_errors=True)
    texts = options.folder / "texts"
    texts.mkdir(parents=True)
    for number, path in enumerate(sorted(ROOT.glob("**/*.md"))):
        if "build" not in path.relative_to(ROOT).parts[0]:
            shutil.copy(path, texts / f"{number}.txt")
    subprocess.run([options.decay, "prepare", texts, "-o", options.folder / "data", "--vocabulary", "1024"], check=True)
    shutil.rmtree(texts)
    for case, settings in CASES.items():
        for target, precisions in PRECISIONS.items():
            for precision in precisions:
                subprocess.run([options.decayc, design_of(case), *settings, f"--target={target}", f"--precision={precision}",
                                "-o", options.folder / target / precision / case], check=True)
    print(f"{options.folder} is ready")


def train(options, case, name, precision, settings):
    run = options.folder / "runs" / f"{options.device}-{case}-{name}"
    shutil.rmtree(run, ignore_errors=True)
    package = options.folder / options.device / precision / case / f"{design_of(case)}.so"
    values = {**SIZES, **settings, "training.dataset": options.folder / "data", "job.dump_folder": run}
    subprocess.run([options.decay, "train", "-q", f"--device={options.device}", f"--design={package}",
                    f"--job.precision={precision}", *(f"--{key}={value}" for key, value in values.items())], check=True)
    return run


def read_tensors(path, suffix=""):
    """The fp32 tensors of a safetensors file whose names end so, without that end."""
    import numpy
    import torch
    data = path.read_bytes()
    begin = 8 + int.from_bytes(data[:8], "little")
    header, found = json.loads(data[8:begin]), {}
    for name, entry in header.items():
        if name == "__metadata__" or not name.endswith(suffix):
            continue
        assert entry["dtype"] == "F32", name
        first, last = entry["data_offsets"]
        array = numpy.frombuffer(data, dtype="<f4", count=(last - first) // 4, offset=begin + first)
        found[name[:len(name) - len(suffix)]] = torch.from_numpy(array.copy()).reshape(entry["shape"])
    return found


def checkpoint(run, step):
    [folder] = [path for path in run.glob("step-*") if int(path.name.split("-")[1]) == step]
    return folder


class Reference:
    """PyTorch's side of a case."""

    def __init__(self, options, case):
        from windows import Windows
        self.design, self.where = design_of(case), options.device
        self.windows = Windows(options.folder / "data", BATCH, LENGTH, SEED)

    def loss(self, weights, step):
        import torch

        from model import losses
        tokens, targets = (torch.from_numpy(part.copy()).to(self.where) for part in self.windows.at(step))
        return losses(weights, tokens, targets, self.design, HEADS).mean()

    def gradients(self, weights, step, kind):
        import torch
        is_bfloat = kind == torch.bfloat16  # products alone
        weights = {name: value.to(torch.float32 if is_bfloat else kind).to(self.where).clone().requires_grad_()
                   for name, value in weights.items()}
        with torch.autocast(self.where, torch.bfloat16, enabled=is_bfloat):
            loss = self.loss(weights, step)
        loss.backward()
        return {name: (0 * value.detach() if value.grad is None else value.grad).double().cpu()
                for name, value in weights.items()}

    def train(self, weights, steps, autocast=False):
        """The losses of so many steps by the recipe, in float32, or with products in bf16."""
        import torch
        weights = {name: value.to(self.where).clone().requires_grad_() for name, value in weights.items()}
        optimizer = torch.optim.AdamW(weights.values(), lr=RATE, betas=BETAS, eps=1e-8, weight_decay=DECAY)
        found = []
        for step in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = RATE * rate_factor(step, steps)
            optimizer.zero_grad()
            with torch.autocast(self.where, torch.bfloat16, enabled=autocast):
                loss = self.loss(weights, step)
            loss.backward()
            for value in weights.values():  # what a loss does not reach still decays
                value.grad = torch.zeros_like(value) if value.grad is None else value.grad
            torch.nn.utils.clip_grad_norm_(weights.values(), CLIP)
            optimizer.step()
            found.append(loss.item())
        return found


def rate_factor(step, steps):
    """Linear from 0, then 1, and over the last tenth down to the floor by the root of the way."""
    last = (steps + 5) // 10
    if step < WARMUP:
        return step / WARMUP
    progress = (step - (steps - last)) / last
    return 1 if progress < 0 else FLOOR + (1 - FLOOR) * (1 - math.sqrt(progress))


def compare_gradients(reference, run, step, precision):
    """The difference that is the largest part of what it may be, that, and the parameter that has it."""
    import torch
    before = checkpoint(run, max(step - 1, 1))  # the first update has rate 0
    weights = read_tensors(before / "model.safetensors")
    ours = read_tensors(checkpoint(run, step) / "optimizer.safetensors", ".m")
    own = torch.bfloat16 if precision == "bf16" else torch.float32
    truth, theirs = (reference.gradients(weights, step - 1, kind) for kind in (torch.float64, own))

    def distance(gradient, name):
        off, size = (gradient.double() - truth[name]).norm().item(), truth[name].norm().item()
        return off / size if size else math.inf if off else 0.0

    found = []
    for name in truth:
        error, allowed = distance(ours[name], name), max(GRADIENT[precision], distance(theirs[name], name))
        found.append((error / allowed if error == error else math.inf, error, allowed, name))
    return max(found)[1:]


def losses_of(run):
    lines = [json.loads(line) for line in (run / "train.jsonl").read_text(encoding="utf-8").splitlines()]
    return [line["loss"] for line in lines if "loss" in line]


def report(case, precision, text, found, bound):
    good = found <= bound
    print(f"{case:<20}{precision}  {text:<48} {found:.1e} of {bound:.1e}  {'' if good else 'WRONG'}", flush=True)
    return good


def check(options, case, precision):
    reference = Reference(options, case)
    probe = train(options, case, f"probe-{precision}", precision, PROBE)
    good = True
    for step in (1, MOVED + 1):
        error, allowed, place = compare_gradients(reference, probe, step, precision)
        good &= report(case, precision, f"gradients, step {step}: {place}", error, allowed)
    first = read_tensors(checkpoint(probe, 1) / "model.safetensors")
    shutil.rmtree(probe)
    steps = STEPS[precision]
    ours = losses_of(train(options, case, precision, precision, {**RECIPE, "training.steps": steps, "optimizer.lr": RATE}))
    theirs = reference.train(first, steps)
    assert len(ours) == steps
    walk = f"{theirs[0]:.3f} to {theirs[-1]:.3f}"
    if precision == "bf16":
        off = [abs(a - b) for a, b in zip(ours, theirs)]
        good &= report(case, precision, f"loss, step {steps} ({walk}), nats", off[-1], NATS)
        scale = [abs(a - b) for a, b in zip(reference.train(first, steps, autocast=True), theirs)]
        print(f"{case:<20}{precision}  PyTorch's own: step {steps} {scale[-1]:.1e}, all steps {max(scale):.1e}", flush=True)
        return good & report(case, precision, "loss, all steps, nats", max(off), 2 * NATS)
    return good & report(case, precision, f"losses of {steps} steps ({walk})",
                         max(abs(a / b - 1) for a, b in zip(ours, theirs)), LOSS)


def run(options):
    import torch
    torch.backends.cuda.matmul.allow_tf32 = False
    if "DECAY_CUBLAS" not in os.environ:
        places = [sysconfig.get_paths()["purelib"], sysconfig.get_paths()["platlib"], *sys.path]
        os.environ["DECAY_CUBLAS"] = ":".join(dict.fromkeys(place for place in places if place))
    good = True
    for case in options.cases.split(","):
        for precision in PRECISIONS[options.device]:
            good &= check(options, case, precision)
    return 0 if good else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("prepare", "run"))
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "build/carry/agreement")
    parser.add_argument("--decay", help="the program; the default: build/bin/decay to prepare, build/carry/decay-runtime to run")
    parser.add_argument("--decayc", default=ROOT / "build/bin/decayc")
    parser.add_argument("--device", choices=tuple(PRECISIONS), default="cpu")
    parser.add_argument("--cases", default=",".join(CASES), help="the default: %(default)s")
    options = parser.parse_args()
    options.folder = options.folder.resolve()
    preparing = options.what == "prepare"
    options.decay = options.decay or ROOT / ("build/bin/decay" if preparing else "build/carry/decay-runtime")
    return prepare(options) if preparing else run(options)


if __name__ == "__main__":
    sys.exit(main())
