#!/usr/bin/env python3
"""Training on several GPUs of one machine: as fast as many, right as one, and no wait for the dead.

    gpu_training.py prepare   (needs the compiler; makes build/carry/training)
    gpu_ranks.py run [--folder build/carry/training] [--runtime build/carry/decay-runtime] [--gpus 2] [--parts speed,loss,bits,lost]
                     [--sizes 160m,410m] [--json FILE]

`run` needs the GPUs and build/carry alone. Its parts: `speed`, tokens per second of one GPU and of several with the same batch
for each; `loss`, several GPUs beside one with the same sequences in an update; `bits`, two runs and one that was killed and
resumed; `lost`, a rank killed, a rank stopped, and what one rank makes of the checkpoint that is left. cuBLAS and NCCL are found
by DECAY_CUBLAS and DECAY_NCCL, which are set to this Python's packages when they are not set. --communicator loopback sums through
the host instead, also between processes that share one GPU. Exit code 1 when something is not as it should be.
"""
import argparse
import json
import math
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time

from gpu_training import DESIGN, ROOT, TINY

SIZES = {"160m": (768, 12, 12), "410m": (1024, 24, 16), "1450m": (2048, 24, 32)}
SEQUENCE, VOCABULARY = 2048, 50432
LEAST_SPEED, MOST_LOSS, MOST_SECONDS = 0.925, 1e-3, 60  # of linear; nats; until the others have stopped
LIMIT = 150  # seconds for one training run; all of them take a few


def model_settings(size):
    width, layers, heads = SIZES[size]
    return {"model.hidden_size": width, "model.num_hidden_layers": layers, "model.num_heads": heads,
            "model.pad_vocab_size_multiple_of": VOCABULARY, "training.seq_len": SEQUENCE, "training.steps": 100000,
            "lr_scheduler.warmup_steps": 100, "optimizer.lr": 3e-4, "metrics.log_freq": 1, "validation.interval": 0,
            "checkpoint.interval": 1 << 30}


class Run:
    """The processes of one training run, in a folder of its own."""

    def __init__(self, options, name, gpus, settings, keep=False):
        self.options, self.gpus, self.folder = options, gpus, options.scratch / name
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)
        with socket.socket() as door:
            door.bind(("127.0.0.1", 0))
            port = door.getsockname()[1]
        flags = [f"--{key}={value}" for key, value in settings.items()]
        if options.communicator:
            flags.append(f"--job.communicator={options.communicator}")
        command = [options.runtime, "train", "--device=cuda", f"--design={options.folder / 'cuda' / DESIGN}.so",
                   f"--training.dataset={options.folder / 'data'}", f"--job.dump_folder={self.folder}", *flags]
        self.processes, self.logs = [], []
        for rank in range(gpus):
            ranks = {"RANK": rank, "WORLD_SIZE": gpus, "LOCAL_RANK": rank, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
            environment = os.environ | ({key: str(value) for key, value in ranks.items()} if gpus > 1 else {})
            log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
            self.logs.append(log)
            self.processes.append(subprocess.Popen([str(word) for word in command], env=environment, stdout=log, stderr=log))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()

    def said(self, rank):
        self.logs[rank].seek(0)
        return self.logs[rank].read()

    def rows(self, file="train.jsonl", key="loss"):
        """Whole lines of a log that have the key: the run may be writing the next one."""
        path = self.folder / file
        lines = path.read_text(encoding="utf-8").split("\n")[:-1] if path.exists() else []
        return [row for row in map(json.loads, lines) if key in row]

    def saved(self):
        return max((int(path.name.split("-")[1]) for path in self.folder.glob("step-*")), default=0)

    def until(self, reached, what):
        """What was said, if it is not reached while all processes run."""
        end = time.monotonic() + LIMIT
        while not reached():
            if any(process.poll() is not None for process in self.processes) or time.monotonic() > end:
                raise RuntimeError(f"{self.folder.name}: no {what}\n" + "".join(map(self.said, range(self.gpus))))
            time.sleep(0.02)

    def await_updates(self, count):
        self.until(lambda: len(self.rows()) >= count, f"step {count}")
        return self.rows()[:count]

    def await_checkpoint(self, step):
        self.until(lambda: self.saved() >= step, f"checkpoint of step {step}")

    def finish(self):
        codes = []
        for process in self.processes:
            codes.append(process.wait(LIMIT))
        if any(codes):
            raise RuntimeError(f"{self.folder.name}: exit codes {codes}\n" + "".join(map(self.said, range(self.gpus))))
        return self

    def digest(self, step):
        """What must not differ by a bit."""
        folder = self.folder / f"step-{step:06}"
        return [path.read_bytes() for path in (folder / "model.safetensors", folder / "optimizer.safetensors",
                                               self.folder / "train.jsonl")]


def tokens_per_second(run, steps=16, warm=4):
    """The median of single steps, without the first ones."""
    run.await_updates(steps)
    rows = run.rows("timing.jsonl", "tokens_per_second")[warm:steps]
    return {key: statistics.median(row[key] for row in rows) for key in ("tokens_per_second", "mfu", "memory_bytes") if key in rows[0]}


def speed(options, machine):
    good = True
    for size in options.sizes.split(","):
        settings = model_settings(size) | {"training.batch_size": options.batch}
        rates = {}
        for gpus in (1, options.gpus):
            with Run(options, f"speed-{size}-{gpus}", gpus, settings) as run:
                found = tokens_per_second(run)
            rates[gpus] = found["tokens_per_second"]
            row = machine | {"model": size, "design": DESIGN, "gpus": gpus, "batch": options.batch, "sequence": SEQUENCE,
                             "tokens_per_s": rates[gpus], "mfu": found.get("mfu"), "memory_gb": found["memory_bytes"] / 1e9,
                             "ratio": rates[gpus] / rates[1]}
            write_row(options, row)
            print(f"{size}: {gpus} GPU{'s' * (gpus > 1)}, batch {options.batch} each: {rates[gpus]:.0f} tokens/s, "
                  f"{rates[gpus] / rates[1]:.3f} x one, MFU {100 * (found.get('mfu') or 0):.1f} %", flush=True)
        good &= verdict(f"{size} reaches {LEAST_SPEED * options.gpus:.2f} x one GPU",
                        rates[options.gpus] >= LEAST_SPEED * options.gpus * rates[1])
    return good


def loss(options, machine):
    """One GPU and several with the same sequences in an update, in the precision that is trained in."""
    # At 3e-4 a few steps lead to a spike of the norm, in fp32 as well, behind which runs that differ by a rounding part.
    settings, found = model_settings("160m") | {"lr_scheduler.warmup_steps": 5, "optimizer.lr": 1e-4}, {}
    for gpus in (1, options.gpus):
        with Run(options, f"loss-{gpus}", gpus, settings | {"training.batch_size": 16 // gpus}) as run:
            found[gpus] = run.await_updates(12)
    print(f"{'step':>5}{'one GPU':>12}{'several':>12}{'norm':>12}{'several':>12}")
    for one, several in zip(found[1], found[options.gpus]):
        print(f"{one['step']:>5}{one['loss']:>12.6f}{several['loss']:>12.6f}{one['grad_norm']:>12.6f}{several['grad_norm']:>12.6f}")
    most = max(abs(one["loss"] - several["loss"]) for one, several in zip(found[1], found[options.gpus]))
    write_row(options, machine | {"check": "loss", "model": "160m", "gpus": options.gpus, "steps": 12, "most_difference": most})
    return verdict(f"160m, 12 steps: losses within {most:.2e} nats (bound {MOST_LOSS})", most <= MOST_LOSS)


def tiny(options, **more):
    return TINY | {"training.batch_size": TINY["training.batch_size"] // options.gpus} | {
        key.replace("__", "."): value for key, value in more.items()}


def bits(options, machine):
    steps, digests = TINY["training.steps"], []
    for name in ("first", "again"):
        with Run(options, f"bits-{name}", options.gpus, tiny(options)) as run:
            digests.append(run.finish().digest(steps))
    with Run(options, "bits-killed", options.gpus, tiny(options)) as run:
        run.await_checkpoint(20)
    with Run(options, "bits-killed", options.gpus, tiny(options), keep=True) as run:
        digests.append(run.finish().digest(steps))
    same = digests[1] == digests[0], digests[2] == digests[0]
    write_row(options, machine | {"check": "bits", "gpus": options.gpus, "repeated": same[0], "resumed": same[1]})
    return verdict("a second run has the same bits", same[0]) & verdict("a run killed and resumed has the same bits", same[1])


def lost(options, machine):
    good = True
    for number, word in ((signal.SIGKILL, "killed"), (signal.SIGSTOP, "stopped")):
        settings = tiny(options, training__steps=1 << 20, checkpoint__interval=20)
        with Run(options, f"lost-{word}", options.gpus, settings) as run:
            run.await_checkpoint(20)
            victim = options.gpus - 1
            os.kill(run.processes[victim].pid, number)
            begin = time.monotonic()
            codes = []
            for process in run.processes[:victim]:
                try:
                    codes.append(process.wait(2 * MOST_SECONDS))
                except subprocess.TimeoutExpired:
                    codes.append(None)
            seconds = time.monotonic() - begin
            message = run.said(0).strip().splitlines()[-1]
        named = f"rank {victim} (process {run.processes[victim].pid} on " in message
        write_row(options, machine | {"check": word, "gpus": options.gpus, "seconds": round(seconds, 1), "codes": codes, "message": message})
        good &= verdict(f"rank {victim} {word}: the others stop after {seconds:.1f} s with code {codes}: {message}",
                        named and seconds <= MOST_SECONDS and set(codes) == {3})
        saved = run.saved()
        with Run(options, f"lost-{word}", 1, settings | {"training.batch_size": TINY["training.batch_size"]}, keep=True) as run:
            run.until(lambda: f"going on at step {saved} " in run.said(0) and len(run.rows()) >= saved + 20, "step of one rank")
            run.processes[0].send_signal(signal.SIGTERM)
            code, rows = run.processes[0].wait(LIMIT), run.rows()
        healthy = code == 0 and [row["step"] for row in rows] == list(range(1, len(rows) + 1)) \
            and all(math.isfinite(row["loss"]) for row in rows)
        good &= verdict(f"one rank goes on from step {saved} to {len(rows)}", healthy)
    return good


def verdict(text, right):
    print(f"{text}: {'good' if right else 'WRONG'}", flush=True)
    return right


def write_row(options, row):
    if options.json:
        with options.json.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def describe_machine(options):
    """Card, commit and date, as the runtime's own rows have them."""
    command = [options.runtime, "bench", "train", "--device=cuda", f"--design={options.folder / 'cuda' / DESIGN}.so", "--width", "128",
               "--heads", "2", "--layers", "1", "--batch", "1", "--repeats", "1", "--json"]
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True, check=True, timeout=LIMIT)
    return {key: value for key, value in json.loads(done.stdout).items() if key in ("card", "commit", "date")}


PARTS = {"loss": loss, "bits": bits, "lost": lost, "speed": speed}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run",))
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "build/carry/training")
    parser.add_argument("--runtime", type=pathlib.Path, default=ROOT / "build/carry/decay-runtime")
    parser.add_argument("--gpus", type=int, default=2)
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--sizes", default="160m,410m", help=", ".join(SIZES))
    parser.add_argument("--batch", type=int, default=16, help="sequences for each GPU")
    parser.add_argument("--communicator", default="", help="nccl or loopback; empty: the device's")
    parser.add_argument("--json", type=pathlib.Path, help="rows are added to it")
    options = parser.parse_args()
    options.folder, options.runtime = options.folder.resolve(), options.runtime.resolve()
    places = [sysconfig.get_paths()["purelib"], sysconfig.get_paths()["platlib"], *sys.path]
    for variable in ("DECAY_CUBLAS", "DECAY_NCCL"):
        os.environ.setdefault(variable, ":".join(dict.fromkeys(place for place in places if place)))
    machine, good = describe_machine(options), True
    with tempfile.TemporaryDirectory(prefix="decay-ranks-") as scratch:
        options.scratch = pathlib.Path(scratch)
        for part in options.parts.split(","):
            begin = time.monotonic()
            try:
                good &= PARTS[part](options, machine)
            except (RuntimeError, subprocess.TimeoutExpired) as problem:
                print(f"{part}: {problem}", flush=True)
                good = False
            print(f"({part}: {time.monotonic() - begin:.0f} s)", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
