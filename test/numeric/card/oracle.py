"""The float64 oracle from Python: `decay-oracle` as a process that is asked, and the bounds of what a GPU may be off by.

A GPU's kernels take matrices in bf16 and add in fp32. The oracle's running error bound is told so by its inputs: v, d_o and
states are said to be off by a bf16 rounding of themselves, `BFLOAT` units of 2^-24. As every result is linear in them, what
they hand on is the absolute recurrence A (all terms by their absolute values) in units of bf16's rounding.
"""
import subprocess
import threading

import numpy

BFLOAT = 2.0**16  # 2^-8, bf16's unit roundoff, in units of 2^-24
UNIT, TINY = 2.0**-24, 1e-30
ACCEPTED = 4.0  # acceptanceFactor of compiler/interpreter/Compare.h
FEWEST_FOR_RMS = 16


def is_matrix_operand(name):
    return name in ("v", "d_o") or name.endswith("_state")


class Refused(Exception):
    """λ left [0, 1] in the oracle, too."""


class Oracle:
    """A design under settings; one question at a time."""

    def __init__(self, program, design, settings):
        words = [str(program), str(design), *(f"{name}={value}" for name, value in settings.items())]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()

    def _bytes(self, size):
        found = self.process.stdout.read(size)
        if len(found) != size:
            raise RuntimeError(f"{' '.join(self.process.args)} ended with {self.process.wait()}")
        return found

    def _line(self):
        line = self.process.stdout.readline().decode()
        if not line.endswith("\n"):
            raise RuntimeError(f"{' '.join(self.process.args)} ended with {self.process.wait()}")
        return line.split()

    def ask(self, function, dims, inputs, offsets=None, bfloat=False):
        """{name: (values, bounds)}, flat in float64; `inputs` are NumPy arrays, `dims` has the fields of a call. Raises
        Refused where λ leaves its range."""
        offsets = list(offsets or [])
        sizes = [dims.B, dims.T, dims.H, dims.K, dims.V, dims.layer, dims.layers, dims.position, dims.seed]
        question = [f"{function} {' '.join(map(str, [*sizes, len(inputs), len(offsets), *offsets]))}\n".encode()]
        for name, array in inputs.items():
            roundings = BFLOAT if bfloat and is_matrix_operand(name) else 0
            question += [f"{name} {array.size} {roundings}\n".encode(), numpy.ascontiguousarray(array, "f4").tobytes()]
        # Questions are larger than a pipe, but no answer comes before their end.
        self.process.stdin.write(b"".join(question))
        self.process.stdin.flush()
        kind, *rest = self._line()
        if kind == "fault":
            raise Refused(" ".join(rest))
        answer = {}
        for _ in range(int(rest[0])):
            name, size = self._line()
            values, bounds = (numpy.frombuffer(self._bytes(8 * int(size)), "f8") for _ in range(2))
            answer[name] = values, bounds
        return answer


class OraclePerThread:
    """An oracle for each thread that asks."""

    def __init__(self, *of):
        self.of, self.local, self.made = of, threading.local(), []

    def ask(self, *question, **named):
        if not hasattr(self.local, "oracle"):
            self.local.oracle = Oracle(*self.of)
            self.made.append(self.local.oracle)
        return self.local.oracle.ask(*question, **named)

    def close(self):
        for oracle in self.made:
            oracle.__exit__()


class Error:
    """How far numbers are from the oracle's: the worst in units of its bound, and rms over rms."""

    def __init__(self, got, wanted, bounds):
        got = numpy.asarray(got, "f8").ravel()
        if got.size != wanted.size:
            raise RuntimeError(f"{got.size} elements, but the oracle gives {wanted.size}")
        known = numpy.isfinite(bounds)  # elsewhere fp32 itself overflows
        got, wanted, bounds = got[known], wanted[known], bounds[known]
        difference = numpy.abs(got - wanted)
        excess = numpy.where(numpy.isnan(difference), numpy.inf, numpy.maximum(difference - TINY, 0))
        with numpy.errstate(divide="ignore", invalid="ignore", over="ignore"):
            ratios = numpy.where(excess == 0, 0, excess / (UNIT * bounds))
        self.finite = bool(numpy.isfinite(got).all())
        self.worst = float(ratios.max(initial=0))
        self.at = int(ratios.argmax()) if ratios.size else -1
        self.got, self.wanted = (float(got[self.at]), float(wanted[self.at])) if ratios.size else (0.0, 0.0)
        self.rms = 0.0
        if excess.size >= FEWEST_FOR_RMS and excess.any():
            self.rms = float(numpy.sqrt(numpy.square(excess).sum() / max(numpy.square(wanted).sum(), TINY**2)))

    def accepted(self, largest_rms):
        return self.finite and self.worst <= ACCEPTED and self.rms <= largest_rms

    def __str__(self):
        return (f"{self.worst:.3g} times its bound at [{self.at}]: {self.got:.6g}, oracle {self.wanted:.6g}; "
                f"rms {self.rms:.2e}")
