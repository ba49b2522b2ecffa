#!/usr/bin/env python3
"""Training on a GPU: right beside the processor's, and how fast.

    gpu_training.py prepare [--folder build/carry/training] [--decay build/bin/decay] [--decayc build/bin/decayc]
    gpu_training.py run     [--folder build/carry/training] [--runtime build/carry/decay-runtime] [--sizes 160m,410m] [--repeats 10]

`prepare` needs the compiler and no GPU: it makes tokens of the repository's own texts, packages for both targets, and a
reference run on the processor. `run` needs a GPU and build/carry alone: it trains from the same seed on the same tokens in
fp32 (around bf16 decay kernels) and in bf16, twice and with a kill between, prints losses and gradient norms side by side, and
times whole steps at the sizes of the paper. cuBLAS is found by DECAY_CUBLAS, which `run` sets to this Python's packages when
it is not set. Exit code 1 when something differs by more than its bound.
"""
import argparse
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import sysconfig
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
DESIGN = "simple_decay"
STEPS = 60
TINY = {"model.hidden_size": 128, "model.num_hidden_layers": 2, "model.num_heads": 2, "training.batch_size": 4,
        "training.seq_len": 256, "training.steps": STEPS, "lr_scheduler.warmup_steps": 10, "optimizer.lr": 1e-3,
        "metrics.log_freq": 1, "validation.interval": STEPS, "checkpoint.interval": 20}
# Largest relative differences of the first five losses, the first gradient's norm, and all losses: runs that differ by a
# rounding part ways, the sooner the higher the rate: at 3e-3 a spike at step 20 left bf16's losses 8 % behind on one text.
BOUNDS = {"fp32": (1e-4, 5e-3, 1e-2), "bf16": (1e-3, 2e-2, 2e-2)}
# Of held-out text's loss, and of the medians of λ in each layer.
EVALUATION = (5e-3, 2e-3)
# All texts but one must begin alike: after so few steps two tokens can be equally good in bf16, whose logits lie 0.016 to
# 0.03 apart (in one run four first tokens after "The " were within some 0.12 nats; after the others the best was 0.2 ahead).
PROMPTS = ("The ", "A kernel ", "Each ", "In ")


def settings(folder, run):
    return [f"--{key}={value}" for key, value in TINY.items()] + [
        f"--training.dataset={folder / 'data'}", f"--job.dump_folder={run}"]


def log_of(run):
    return [json.loads(line) for line in (run / "train.jsonl").read_text(encoding="utf-8").splitlines()]


def steps_of(run):
    return [line for line in log_of(run) if "loss" in line]


def prepare(options):
    folder = options.folder
    shutil.rmtree(folder, ignore_errors=True)
    texts = folder / "texts"
    texts.mkdir(parents=True)
    for number, path in enumerate(sorted(ROOT.glob("**/*.md"))):
        if "build" not in path.relative_to(ROOT).parts[0]:
            shutil.copy(path, texts / f"{number}.txt")
    subprocess.run([options.decay, "prepare", texts, "-o", folder / "data", "--vocabulary", "1024"], check=True)
    for target in ("cpu", "cuda"):
        subprocess.run([options.decayc, DESIGN, f"--target={target}", "-o", folder / target], check=True)
    run = folder / "reference"
    subprocess.run([options.decay, "train", f"--design={folder / 'cpu' / DESIGN}.so", *settings(folder, run)], check=True)
    for checkpoint in run.glob("step-*"):
        shutil.rmtree(checkpoint)
    shutil.rmtree(texts)
    print(f"{folder} is ready")


def train(options, run, *flags, kill_after=None):
    command = [options.runtime, "train", "--device=cuda", f"--design={options.folder / 'cuda' / DESIGN}.so",
               *settings(options.folder, run), *flags]
    if kill_after is None:
        subprocess.run(command, check=True)
        return
    process = subprocess.Popen(command + ["-q"])
    while not any(run.glob(f"step-*{kill_after}")) and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()


def compare(options):
    reference = steps_of(options.folder / "reference")
    runs = {}
    for precision in ("fp32", "bf16"):
        run = options.folder / f"gpu-{precision}"
        shutil.rmtree(run, ignore_errors=True)
        train(options, run, f"--job.precision={precision}")
        runs[precision] = steps_of(run)
    print(f"{'step':>5}{'cpu loss':>12}{'fp32':>12}{'bf16':>12}{'cpu norm':>12}{'fp32':>12}{'bf16':>12}")
    for rows in zip(reference, runs["fp32"], runs["bf16"]):
        if rows[0]["step"] <= 5 or rows[0]["step"] % 10 == 0:
            print(f"{rows[0]['step']:>5}" + "".join(f"{row[key]:>12.6f}" for key in ("loss", "grad_norm") for row in rows))
    good = True
    for precision, bounds in BOUNDS.items():
        losses = [abs(a["loss"] / b["loss"] - 1) for a, b in zip(runs[precision], reference)]
        norm = abs(runs[precision][0]["grad_norm"] / reference[0]["grad_norm"] - 1)
        found = (max(losses[:5]), norm, max(losses))
        right = len(losses) == STEPS and all(a <= b for a, b in zip(found, bounds))
        good &= right
        print(f"{precision}: first losses within {found[0]:.1e} (bound {bounds[0]}), first gradient's norm {found[1]:.1e} "
              f"({bounds[1]}), all losses {found[2]:.1e} ({bounds[2]}): {'good' if right else 'WRONG'}")
    return good


def same_bits(options):
    """A second run that is killed after its first checkpoint and goes on has the same log as the first."""
    first, second = options.folder / "gpu-bf16", options.folder / "gpu-again"
    shutil.rmtree(second, ignore_errors=True)
    train(options, second, "--job.precision=bf16", kill_after="20")
    train(options, second, "--job.precision=bf16", "-q")
    same = (first / "train.jsonl").read_bytes() == (second / "train.jsonl").read_bytes()
    print(f"a run killed and resumed has {'the same bits' if same else 'OTHER BITS'}")
    return same


def ask(options, command, device, *flags):
    target = "cuda" if device == "cuda" else "cpu"
    package = options.folder / target / f"{DESIGN}.so"
    done = subprocess.run([options.runtime, command, options.folder / "gpu-bf16", f"--device={device}",
                           f"--design={package}", "--json", *flags], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def trained_model(options):
    """What eval, inspect and generate say of the GPU's run, there and on the processor."""
    pair = ("cuda", "cpu")
    nats = [ask(options, "eval", device)["nats"] for device in pair]
    medians = [[layer["median"] for layer in ask(options, "inspect", device)["lambda"]] for device in pair]
    texts = [[ask(options, "generate", device, prompt, "--greedy", "-n", "48")["text"] for prompt in PROMPTS]
             for device in pair]
    off = abs(nats[0] / nats[1] - 1)
    apart = max(abs(a - b) for a, b in zip(*medians))
    letters = [len(os.path.commonprefix(both)) for both in zip(*texts)]
    alike = sum(count > 0 for count in letters)
    good = off <= EVALUATION[0] and apart <= EVALUATION[1] and alike >= len(PROMPTS) - 1
    print(f"eval: nats within {off:.1e} of the processor's (bound {EVALUATION[0]}); inspect: medians of λ within {apart:.1e} "
          f"({EVALUATION[1]}); generate: the first {letters} letters of {len(PROMPTS)} texts alike: {'good' if good else 'WRONG'}")
    return good


def speed(options):
    for size in options.sizes.split(","):
        command = [options.runtime, "bench", "train", "--device=cuda", f"--design={options.folder / 'cuda' / DESIGN}.so",
                   "--model", size, "--batch", options.batch, "--repeats", options.repeats, "--json"]
        done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True)
        if done.returncode != 0:
            print(f"{size}: exit code {done.returncode}")
            continue
        row = json.loads(done.stdout)
        if options.json:
            with options.json.open("a", encoding="utf-8") as file:
                file.write(json.dumps({**row, "design": DESIGN}) + "\n")
        parts = ", ".join(f"{name} {1e3 * seconds:.1f}" for name, seconds in row["seconds"].items())
        print(f"{size} ({row['parameters'] / 1e6:.1f}M), batch {row['batch']}: {row['tokens_per_s']:.0f} tokens/s, "
              f"MFU {100 * row.get('mfu', 0):.1f} %, {row['memory_gb']:.1f} GB planned, loss {row['loss']:.3f}; "
              f"ms: {parts}; by kind: " + ", ".join(f"{name} {1e3 * seconds:.1f}" for name, seconds in row["parts"].items()),
              flush=True)


def run(options):
    if "DECAY_CUBLAS" not in os.environ:
        places = [sysconfig.get_paths()["purelib"], sysconfig.get_paths()["platlib"], *sys.path]
        os.environ["DECAY_CUBLAS"] = ":".join(dict.fromkeys(place for place in places if place))
    good = True
    if not options.only_speed:
        good = compare(options)
        good &= same_bits(options)
        good &= trained_model(options)
    speed(options)
    return 0 if good else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("prepare", "run"))
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "build/carry/training")
    parser.add_argument("--decay", default=ROOT / "build/bin/decay")
    parser.add_argument("--decayc", default=ROOT / "build/bin/decayc")
    parser.add_argument("--runtime", default=ROOT / "build/carry/decay-runtime")
    parser.add_argument("--sizes", default="160m,410m", help="160m, 410m, 1450m")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--json", type=pathlib.Path, help="rows of the speeds are added to it")
    parser.add_argument("--only-speed", action="store_true")
    options = parser.parse_args()
    options.folder = options.folder.resolve()
    return prepare(options) if options.what == "prepare" else run(options)


if __name__ == "__main__":
    sys.exit(main())
