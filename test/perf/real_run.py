#!/usr/bin/env python3
"""The paper's 160M on real English on one GPU: 1,000 steps of 65,536 tokens, killed on the way, with its checks.

    real_run.py prepare --text FOLDER [--folder build/carry/real_run] [--pack FILE.tar.xz]
    real_run.py run     [--folder build/carry/real_run] [--runtime build/carry/decay-runtime] [--results FOLDER]

`prepare` needs the compiler, GPT-2's vocabulary and the text (examples/paper/text.sh FOLDER): it makes tokens and a package.
`run` needs a GPU, cuBLAS (as gpu_training.py) and the folder; where it finds FOLDER.tar.xz alone it unpacks it:

  1. The run is killed (SIGKILL) at about step 400, a hundred behind a checkpoint, and goes on by the same command to its end.
  2. Another run of the same configuration is stopped at step 450 and never killed: its log and its checkpoint there must have
     the bits of the first run's.
  3. No update was skipped, the rate keeps within 3 % of its median, waiting for data takes under 1 % of the time.

It takes about four minutes on an H100, keeps 20 GB of checkpoints while it runs, prints a line for each check and writes the
loss curve to RESULTS/real_run_160m.jsonl. Exit code 1 when a check fails.
"""
import argparse
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import sysconfig
import tarfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
DESIGN = "simple_decay"
STEPS, SAVE_EVERY, KILL_AT, STOP_AT = 1000, 150, 400, 450
SETTINGS = {"training.batch_size": 32, "training.gradient_accumulation_steps": 1, "training.seq_len": 2048,
            "training.steps": STEPS, "lr_scheduler.type": "wsd", "lr_scheduler.warmup_steps": 100,
            "metrics.log_freq": 10, "validation.interval": 250, "checkpoint.interval": SAVE_EVERY,
            "checkpoint.keep_latest_k": 0}
SPREAD, WAITING = 0.03, 0.01


def prepare(options):
    shutil.rmtree(options.folder, ignore_errors=True)
    options.folder.mkdir(parents=True)
    subprocess.run([options.decay, "prepare", options.text, "-o", options.folder / "data", "--tokenizer=gpt2",
                    "--validation=0.01", "--test=0.01"], check=True)
    subprocess.run([options.decayc, DESIGN, "--target=cuda", "-o", options.folder], check=True)
    shutil.copy(ROOT / "examples/paper/160m.toml", options.folder)
    if options.pack:
        with tarfile.open(options.pack, "w:xz") as archive:
            archive.add(options.folder, arcname=options.folder.name)
        print(f"{options.pack}: {options.pack.stat().st_size / 1e6:.1f} MB")
    print(f"{options.folder} is ready")


def lines_of(path):
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    return [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()]


def train(options, run, enough=lambda: False, how=None):
    """The exit code of training to the end, or until a signal after `enough`."""
    command = [options.runtime, "train", options.folder / "160m.toml", "--device=cuda",
               f"--design={options.folder / DESIGN}.so", f"--training.dataset={options.folder / 'data'}",
               f"--job.dump_folder={run}", *(f"--{key}={value}" for key, value in SETTINGS.items())]
    process = subprocess.Popen([str(word) for word in command])
    while process.poll() is None:
        if enough():
            process.send_signal(how)
            break
        time.sleep(0.05)
    return process.wait()


def same_bits(first, second, step):
    """Up to a step: the log's lines, and the checkpoint's tensors."""
    logs = [[line for line in lines_of(run / "train.jsonl") if line["step"] <= step] for run in (first, second)]
    folders = [next(path for path in run.glob("step-*") if int(path.name.split("-")[1]) == step) for run in (first, second)]
    return logs[0] == logs[1] and len(logs[0]) >= step // 10 and all(
        (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()
        for name in ("model.safetensors", "optimizer.safetensors"))


def report(text, good):
    print(f"{text}: {'good' if good else 'WRONG'}", flush=True)
    return good


def check_rates(timing):
    """Steps that a kill undid count as they were done last; each process's first line warms up, and is left out."""
    kept = []
    for line in timing:
        warm = bool(kept) and kept[-1]["step"] < line["step"]
        while kept and kept[-1]["step"] >= line["step"]:
            kept.pop()
        kept.append({**line, "warm": warm})
    kept = [line for line in kept if line["warm"]]
    rates = [line["tokens_per_second"] for line in kept]
    middle = statistics.median(rates)
    off = max(abs(rate / middle - 1) for rate in rates)
    waiting = statistics.fmean(line["data_share"] for line in kept)
    good = report(f"{middle:,.0f} tokens/s, every {SETTINGS['metrics.log_freq']} steps within {100 * off:.2f} % of it "
                  f"(bound {100 * SPREAD:.0f} %)", off <= SPREAD)
    return good & report(f"waiting for data takes {100 * waiting:.3f} % (bound {100 * WAITING:.0f} %)", waiting < WAITING)


def write_curve(run, folder):
    speed = {line["step"]: line for line in lines_of(run / "timing.jsonl")}
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "real_run_160m.jsonl").open("w", encoding="utf-8") as file:
        for line in lines_of(run / "train.jsonl"):
            rates = speed.get(line["step"], {}) if "loss" in line else {}
            line.update({key: rates[key] for key in ("tokens_per_second", "data_share", "mfu") if key in rates})
            file.write(json.dumps(line) + "\n")
    print(f"the curve is in {file.name}")


def run(options):
    packed = options.folder.parent / f"{options.folder.name}.tar.xz"
    if not (options.folder / "data").exists() and packed.exists():
        with tarfile.open(packed) as archive:
            archive.extractall(options.folder.parent, filter="data")
    if "DECAY_CUBLAS" not in os.environ:
        places = [sysconfig.get_paths()["purelib"], sysconfig.get_paths()["platlib"], *sys.path]
        os.environ["DECAY_CUBLAS"] = ":".join(dict.fromkeys(place for place in places if place))
    killed, unbroken = options.folder / "killed", options.folder / "unbroken"
    for folder in (killed, unbroken):
        shutil.rmtree(folder, ignore_errors=True)

    def logged():
        return any(line["step"] >= KILL_AT for line in lines_of(killed / "timing.jsonl"))

    def saved():
        return any(unbroken.glob(f"step-*{STOP_AT}"))

    good = report(f"killed at about step {KILL_AT}", train(options, killed, logged, signal.SIGKILL) == -signal.SIGKILL)
    good &= report(f"went on to step {STEPS}",
                   train(options, killed) == 0 and lines_of(killed / "train.jsonl")[-1]["step"] == STEPS)
    good &= report(f"stopped at about step {STOP_AT}", train(options, unbroken, saved, signal.SIGTERM) == 0)
    good &= report(f"both have the same bits up to step {STOP_AT}", same_bits(killed, unbroken, STOP_AT))
    lines = [line for line in lines_of(killed / "train.jsonl") if "loss" in line]
    good &= report(f"{lines[-1]['skipped']} updates skipped", lines[-1]["skipped"] == 0)
    print(f"loss {lines[0]['loss']:.3f} at step {lines[0]['step']}, {lines[-1]['loss']:.3f} at step {lines[-1]['step']}")
    good &= check_rates(lines_of(killed / "timing.jsonl"))
    write_curve(killed, options.results)
    return 0 if good else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("prepare", "run"))
    parser.add_argument("--text", type=pathlib.Path, help="folder of text files")
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "build/carry/real_run")
    parser.add_argument("--pack", type=pathlib.Path, help="also pack the folder")
    parser.add_argument("--decay", default=ROOT / "build/bin/decay")
    parser.add_argument("--decayc", default=ROOT / "build/bin/decayc")
    parser.add_argument("--runtime", default=ROOT / "build/carry/decay-runtime")
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "test/perf/results")
    options = parser.parse_args()
    options.folder = options.folder.resolve()
    if options.what == "prepare" and not options.text:
        parser.error("prepare needs --text=FOLDER, made by examples/paper/text.sh")
    return prepare(options) if options.what == "prepare" else run(options)


if __name__ == "__main__":
    sys.exit(main())
