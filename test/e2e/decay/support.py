"""What the tests of the `decay` program share: a small dataset, a small model, ways to run and to kill it."""
import argparse
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

arguments = argparse.Namespace(decay=None, root=None, full=False)

MODEL = ["--model.hidden_size=32", "--model.num_hidden_layers=2", "--model.num_heads=2", "--model.multiple_of=16",
         "--training.batch_size=4", "--training.seq_len=32", "--optimizer.lr=0.003", "--lr_scheduler.warmup_steps=2",
         "--validation.interval=10", "--validation.windows=4", "--metrics.log_freq=1"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--decay", type=pathlib.Path, required=True)
    parser.add_argument("--root", type=pathlib.Path, required=True)
    parser.add_argument("--full", action="store_true", help="100 kills instead of a handful")
    _, rest = parser.parse_known_args(namespace=arguments)
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)


def digest(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


class DecayTest(unittest.TestCase):
    """A temporary folder with a dataset of the repository's own pages."""

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="decay-e2e-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        texts = cls.folder / "texts"
        pages = sorted(p for p in arguments.root.rglob("README.md") if "build" not in p.parts)
        for split, chosen in {"train": pages[2:], "validation": pages[:1], "test": pages[1:2]}.items():
            (texts / split).mkdir(parents=True)
            for number, page in enumerate(chosen):
                shutil.copy(page, texts / split / f"{number:03}.txt")
        cls.data = cls.folder / "data"
        cls.check_run(["prepare", texts, "-o", cls.data, "--vocabulary=300"])

    @staticmethod
    def start(command, **options):
        return subprocess.Popen([str(arguments.decay), *map(str, command)], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, errors="replace", **options)

    @classmethod
    def run_decay(cls, command, **options):
        process = cls.start(command, **options)
        out, err = process.communicate(timeout=300)
        return process.returncode, out, err

    @classmethod
    def check_run(cls, command, **options):
        code, out, err = cls.run_decay(command, **options)
        if code != 0:
            raise AssertionError(f"exit code {code} of {command}:\n{out}{err}")
        return out

    def train_command(self, run, *more, steps=30):
        return ["train", "--design=simple_decay", f"--training.dataset={self.data}", f"--job.dump_folder={run}",
                f"--training.steps={steps}", *MODEL, *more]

    def refused(self, command, exit_code, *texts):
        code, out, err = self.run_decay(command)
        self.assertEqual(code, exit_code, f"{command}:\n{out}{err}")
        for text in texts:
            self.assertIn(text, err)
        return err

    @staticmethod
    def result(run, steps=30):
        """Everything of a run that must not differ by a bit."""
        checkpoint = pathlib.Path(run) / f"step-{steps:06}"
        return {name: digest(checkpoint / name) for name in ("model.safetensors", "optimizer.safetensors")} | {
            "train.jsonl": digest(pathlib.Path(run) / "train.jsonl")}


def lines_of_steps(run):
    """What a run's log says of its updates."""
    return [line for line in lines(pathlib.Path(run) / "train.jsonl") if "loss" in line]


def lines(path):
    return [json.loads(line) for line in pathlib.Path(path).read_text().splitlines()]
