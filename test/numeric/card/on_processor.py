#!/usr/bin/env python3
"""The programs of this folder with packages for the processor, and that they can fail.

    on_processor.py --decayc DECAYC --oracle PROGRAM --folder FOLDER       exit code 77 where there is no PyTorch
"""
import argparse
import pathlib
import subprocess
import sys
import unittest

try:
    import numpy
    import torch  # noqa: F401
except ImportError:
    print("no PyTorch here: skipped")
    sys.exit(77)

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from oracle import BFLOAT, UNIT, Error

PACKAGES = [("vector", [str(HERE / "lambda_times.decay")]),
            ("scalar", [str(HERE / "lambda_times.decay"), "--granularity=scalar"]), ("hgrn2", ["hgrn2", "--position=rope"]),
            ("lightnet", ["lightnet"])]
given = argparse.Namespace()


def run(program, *words):
    done = subprocess.run([sys.executable, str(HERE / program), *map(str, words)], text=True, capture_output=True,
                          check=False)
    return done.returncode, done.stdout + done.stderr


class Programs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        for folder, words in PACKAGES:
            subprocess.run([given.decayc, *words, "-o", str(given.folder / folder)], check=True, capture_output=True)

    def passes(self, program, *words):
        code, text = run(program, *words)
        self.assertEqual(code, 0, text)
        return text

    def oracle(self, *words):
        return given.folder, "--oracle", given.oracle, "--device", "cpu", "--widths", 64, *words

    def test_against_oracle(self):
        text = self.passes("against_oracle.py", *self.oracle("--lengths", "1,17"))
        self.assertIn("2 packages, 0 failed", text)

    def test_adversarial(self):
        text = self.passes("against_oracle.py", *self.oracle("--adversarial", "--only", "lambda_times"))
        self.assertIn("2 packages, 0 failed", text)

    def test_another_settings_oracle_disagrees(self):
        # The same library under another manifest: what the oracle is asked is then another design.
        made = given.folder.parent / "wrong" / "hgrn2.so"
        made.parent.mkdir(exist_ok=True)
        code = (given.folder / "hgrn2" / "hgrn2.so").read_bytes()
        wrong = code.replace(b'"value": "rope"', b'"value": "none"')
        self.assertNotEqual(wrong, code)
        made.write_bytes(wrong)
        code, text = run("against_oracle.py", made.parent, "--oracle", given.oracle, "--device", "cpu", "--widths", 64,
                         "--lengths", "17")
        self.assertEqual(code, 1, text)
        self.assertIn("times its bound", text)

    def test_repeat(self):
        text = self.passes("repeat.py", given.folder, "--count", 3, "--device", "cpu", "--widths", 64)
        self.assertIn("2 packages, 0 failed", text)


class Errors(unittest.TestCase):
    wanted = numpy.linspace(-2, 2, 64)
    bounds = BFLOAT * numpy.abs(wanted) + 1

    def error(self, change):
        got = self.wanted.copy()
        change(got)
        return Error(got, self.wanted, self.bounds)

    def test_one_wrong_element_is_seen(self):
        # Its rms alone would pass.
        def shift(got):
            got[31] += 5 * UNIT * self.bounds[31]
        error = self.error(shift)
        self.assertLess(error.rms, 5e-3)
        self.assertFalse(error.accepted(5e-3))
        self.assertAlmostEqual(error.worst, 5, places=6)
        self.assertEqual(error.at, 31)

    def test_rms_is_seen(self):
        error = self.error(lambda got: numpy.multiply(got, 1 + 2.0**-7, out=got))
        self.assertLess(error.worst, 4)
        self.assertFalse(error.accepted(5e-3))

    def test_nan_is_seen(self):
        error = self.error(lambda got: numpy.put(got, 5, numpy.nan))
        self.assertFalse(error.accepted(float("inf")))

    def test_equal_passes(self):
        self.assertTrue(self.error(lambda got: None).accepted(0))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--decayc", required=True)
    parser.add_argument("--oracle", required=True)
    parser.add_argument("--folder", type=pathlib.Path, required=True)
    parser.parse_known_args(namespace=given)
    unittest.main(argv=[sys.argv[0]])
