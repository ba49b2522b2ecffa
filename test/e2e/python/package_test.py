#!/usr/bin/env python3
"""decay without PyTorch: a package called on Python's own buffers, the compiler found, the cache kept.

    package_test.py --root ROOT --decayc DECAYC
"""
import argparse
import array
import math
import os
import pathlib
import random
import shutil
import sys
import tempfile
import unittest
from unittest import mock

arguments = argparse.Namespace(root=None, decayc=None)
B, T, H, K, V = 1, 9, 2, 4, 6


class Buffers:
    """float32 tensors by name as arrays, rows `gap` elements apart beyond dense."""

    def __init__(self, package, role, dims, gap=0):
        draw = random.Random(4)
        self.arrays, self.tensors = {}, {}
        for info in package.entry(role).operands:
            shape = package.shape(info, dims)
            strides = [math.prod(shape[place + 1:]) for place in range(len(shape))]
            if "T" in info.axes:
                strides[0], strides[1] = dims.T * (strides[1] + gap), strides[1] + gap
            size = strides[0] * shape[0]
            self.arrays[info.name] = array.array("f", (draw.gauss(0, 1) for _ in range(size)))
            self.tensors[info.name] = decay.Tensor("fp32", shape, tuple(strides))

    def launch(self, package, role, dims):
        call = package.call(role, self.tensors, dims, workers=2)
        memory = array.array("b", bytes(call.workspace_bytes + 64))
        start = memory.buffer_info()[0]
        call.launch([self.arrays[name].buffer_info()[0] for name in call.names], start + -start % 64, pool(2).stream)


def forward(q, k, v, f, delta, state):
    """The recurrence of simple_decay in Python's floats; everything flat, dense."""
    sigmoid = lambda x: 1 / (1 + math.exp(-x))
    silu = lambda x: x * sigmoid(x)
    o, state = [], list(state)
    for t in range(T):
        for h in range(H):
            for c in range(V):
                total = 0.0
                for i in range(K):
                    row = (t * H + h) * K + i
                    at = (h * K + i) * V + c
                    state[at] = state[at] * sigmoid(f[row] + delta[h * K + i]) + silu(k[row]) * v[(t * H + h) * V + c]
                    total += state[at] * silu(q[row])
                o.append(total)
    return o, state


class OnBuffers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.package = decay.Package(decay.compile_design("simple_decay", p=0.7))
        cls.dims = decay.Dims(B=B, T=T, H=H, K=K, V=V, layers=1)

    def close(self, found, expected):
        self.assertEqual(len(found), len(expected))
        for x, y in zip(found, expected):
            self.assertAlmostEqual(x, y, delta=2e-5 * max(1, abs(y)))

    def test_forward_is_the_recurrence(self):
        dense = Buffers(self.package, "forward", self.dims)
        dense.launch(self.package, "forward", self.dims)
        at = dense.arrays
        o, state = forward(at["q"], at["k"], at["v"], at["f"], at["delta"], at["initial_state"])
        self.close(at["o"], o)
        self.close(at["final_state"], state)

    def test_rows_apart(self):
        apart = Buffers(self.package, "forward", self.dims, gap=5)
        apart.launch(self.package, "forward", self.dims)
        at = apart.arrays
        dense = lambda name, row: [x for t in range(T) for x in at[name][t * (row + 5):t * (row + 5) + row]]
        o, _ = forward(dense("q", H * K), dense("k", H * K), dense("v", H * V), dense("f", H * K), at["delta"],
                       at["initial_state"])
        self.close(dense("o", H * V), o)

    def test_parameters_start_as_the_design_says(self):
        started = Buffers(self.package, "init_parameters", self.dims)
        started.launch(self.package, "init_parameters", self.dims)
        self.close(started.arrays["delta"], [math.log(0.7 / 0.3)] * (H * K))

    def test_missing_operand(self):
        buffers = Buffers(self.package, "forward", self.dims)
        del buffers.tensors["k"]
        with self.assertRaisesRegex(ValueError, r"'k' \[B T H K\] = \[1, 9, 2, 4\] is missing"):
            buffers.launch(self.package, "forward", self.dims)

    def test_unknown_operand(self):
        buffers = Buffers(self.package, "forward", self.dims)
        buffers.tensors["g"] = buffers.tensors["f"]
        with self.assertRaisesRegex(ValueError, "there is no operand 'g', expected: q, k"):
            buffers.launch(self.package, "forward", self.dims)

    def test_unknown_entry(self):
        with self.assertRaisesRegex(ValueError, "has no entry 'sideways', only: forward"):
            self.package.call("sideways", {}, self.dims)


class Files(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="decay-files-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def write(self, text):
        path = self.folder / "mine.decay"
        path.write_text(text, encoding="utf-8")
        return path

    def test_cache_follows_source_and_settings(self):
        text = "design mine\n  set p = 0.5 in (0, 1)\n  project f\n  learn d = logit(p)\n  λ = sigmoid(f + d)\n"
        first = decay.compile_design(self.write(text))
        modified = os.stat(first).st_mtime_ns
        self.assertEqual(decay.compile_design(self.write(text)), first)
        self.assertEqual(os.stat(first).st_mtime_ns, modified)
        self.assertNotEqual(decay.compile_design(self.write(text), p=0.6), first)
        self.assertNotEqual(decay.compile_design(self.write(text.replace("f + d", "f - d"))), first)

    def test_design_of_a_file_by_name(self):
        path = self.write("design one\n  project f\n  λ = sigmoid(f)\n\nvariant two of one\n  λ = sigmoid(-f)\n")
        self.assertEqual(decay.Package(decay.compile_design(f"{path}:two")).design, "two")

    def test_wrong_design(self):
        with self.assertRaisesRegex(decay.DesignError, r"mine.decay:2:\d+: error"):
            decay.compile_design(self.write("design mine\n  λ = sigmoid(g)\n"))

    def test_wrong_setting(self):
        with self.assertRaisesRegex(decay.DesignError, "p = 2 is outside of its range"):
            decay.compile_design("simple_decay", p=2)

    def test_no_such_file(self):
        with self.assertRaisesRegex(FileNotFoundError, "no design file"):
            decay.compile_design(self.folder / "none.decay")

    def test_no_compiler(self):
        with mock.patch.dict(os.environ, {"PATH": str(self.folder), "DECAYC": ""}):
            with self.assertRaisesRegex(FileNotFoundError, "decayc is not on the PATH"):
                decay.compile_design("simple_decay")

    def test_compiler_that_is_none(self):
        with self.assertRaisesRegex(FileNotFoundError, "decayc= says /none, which is no program"):
            decay.compile_design("simple_decay", decayc="/none")

    def test_file_that_is_no_package(self):
        path = self.folder / "text.so"
        path.write_text("text", encoding="utf-8")
        with self.assertRaisesRegex(decay.PackageError, "text.so"):
            decay.Package(path)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", type=pathlib.Path, required=True)
    parser.add_argument("--decayc", type=pathlib.Path, required=True)
    _, rest = parser.parse_known_args(namespace=arguments)
    sys.path.insert(0, str(arguments.root / "runtime" / "python"))
    with tempfile.TemporaryDirectory(prefix="decay-python-") as cache:
        os.environ.update(DECAYC=str(arguments.decayc), DECAY_CACHE=cache)
        global decay, pool
        import decay
        from decay.workers import pool
        unittest.main(argv=[sys.argv[0], *rest], verbosity=2)


main()
