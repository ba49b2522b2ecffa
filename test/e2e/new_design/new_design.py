#!/usr/bin/env python3
"""A new design needs one file.    new_design.py DECAYC DECAY FOLDER"""
import json
import pathlib
import random
import shutil
import subprocess
import sys

DESIGN = """design patience
  summary "Two gates: how much to forget, and how fast"
  set half = 8 in (0, 1000)
  project f
  project g
  learn Δ = logit(0.9)
  learn a = log(uniform(1, 4))
  log λ = -softplus(-(f + Δ)) * sigmoid(g) * exp(a) / half
  k = silu(k) * (1 - λ)
"""

CONFIG = """[model]
hidden_size = 64
num_hidden_layers = 2
num_heads = 2
multiple_of = 32
[training]
batch_size = 4
seq_len = 64
steps = 60
[optimizer]
lr = 3e-3
[lr_scheduler]
warmup_steps = 10
[validation]
interval = 30
windows = 4
[checkpoint]
interval = 30
[metrics]
log_freq = 1
"""


def run(command, code=0):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=300)
    if done.returncode != code:
        sys.exit(f"{' '.join(map(str, command))}\nexit code {done.returncode}, expected {code}\n{done.stdout}{done.stderr}")
    return done.stdout, done.stderr


def expect(condition, message):
    if not condition:
        sys.exit(message)


def write_texts(folder):
    """Sentences of a small grammar: a few dozen steps are enough to learn some of it."""
    folder.mkdir()
    draw = random.Random(1)
    words = {"a": ["the cat", "a dog", "my friend", "the old man"], "b": ["sees", "likes", "follows", "remembers"],
             "c": ["the river", "a song", "the mountain", "his garden"]}
    for number in range(12):
        lines = [f"{draw.choice(words['a'])} {draw.choice(words['b'])} {draw.choice(words['c'])}." for _ in range(300)]
        (folder / f"{number}.txt").write_text("\n".join(lines))


def losses(folder):
    lines = [json.loads(line) for line in (folder / "train.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if "loss" in line]


def main():
    decayc, decay, folder = map(pathlib.Path, sys.argv[1:])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    design, data, runs = folder / "patience.decay", folder / "data", folder / "run"
    design.write_text(DESIGN)
    write_texts(folder / "texts")

    run([decayc, design, "-o", folder / "package"])
    expect(list((folder / "package").glob("*.so")), "no package was written")
    run([decay, "prepare", folder / "texts", "-o", data, "--vocabulary", 300])
    (folder / "small.toml").write_text(CONFIG)
    train = [decay, "train", folder / "small.toml", f"--training.dataset={data}", f"--job.dump_folder={runs}"]
    run([*train, "--design", design, "--set", "half=4"])
    seen = losses(runs)
    expect(len(seen) == 60, f"{len(seen)} steps in the log, expected 60")
    first, last = sum(seen[:5]) / 5, sum(seen[-5:]) / 5
    expect(last < 0.7 * first, f"the loss went from {first:.3f} to {last:.3f}: nothing was learned")
    evaluated = json.loads(run([decay, "eval", runs, "--json"])[0])
    expect(evaluated["bits_per_byte"] < 4, f"evaluation says {evaluated}")
    generated = run([decay, "generate", runs, "the cat", "-n", 16])[0]
    expect(len(generated) > len("the cat"), f"nothing was generated: {generated!r}")
    inspected = run([decay, "inspect", runs])[0]
    expect("0." in inspected, f"no quartiles of λ: {inspected!r}")

    design.write_text(DESIGN.replace("sigmoid(g)", "sigmoid(h)"))
    _, message = run([decay, "train", folder / "small.toml", f"--training.dataset={data}",
                      f"--job.dump_folder={folder / 'other'}", "--design", design], code=1)
    expect("patience.decay:8:" in message and "h" in message, f"the mistake is not located: {message}")
    print(f"patience: loss {first:.3f} to {last:.3f}, {evaluated['bits_per_byte']:.2f} bits per byte")


main()
