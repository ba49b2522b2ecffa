"""Packages against the float64 oracle, on a GPU: every element inside its bound, and the relative rms of each tensor.

    against_oracle.py FOLDER... [--oracle PROGRAM] [--only PART] [--lengths 1,63,...] [--widths 64,128]
    against_oracle.py FOLDER... --adversarial    λ of 0, 1, 1 - 2^-24, 1e-30, subnormal, spikes; saturated gates
    against_oracle.py FOLDER... --device cpu     the same of packages for the processor

FOLDERs are searched for packages; which design and settings one is, its manifest says. `lambda_times.decay` beside this
file gives --adversarial nearly any λ: compile it into FOLDER, with and without --granularity=scalar. Outputs and
workspaces hold NaN before a launch (a workspace behind its fault slot). An element may be off by 4 times its bound,
outputs by an rms of 5e-3 and gradients by one of 8e-3 (packages in fp32: 3e-6), unless all errors of a tensor are under 1/32 of their bounds (its true
values are small rests of large sums; counted as cancelled). One line a package; exit code 1 if one fails.
"""
import argparse
import concurrent.futures
import os
import pathlib
import sys
import threading

import numpy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "perf"))

import torch

import adversary
import packages
from oracle import BFLOAT, Error, OraclePerThread, Refused

HERE = pathlib.Path(__file__).resolve().parent
LARGEST_RMS = {"bf16": {"forward": 5e-3, "step": 5e-3, "backward": 8e-3},
               "fp32": {"forward": 3e-6, "step": 3e-6, "backward": 3e-6}}
# A tensor whose errors are all under this share of their bounds has sums of terms that cancel: its rms says by how much.
CANCELLED = 1 / 32
LENGTHS = [1, 15, 17, 63, 65, 500, 1000]
PACKED = [0, 1, 16, 81, 81 + 64, 300]


class Case:
    """A call: role, sizes, packed or not, with states or not; a backward may get what forward keeps."""

    def __init__(self, role, B, T, H, D, offsets=None, states=True, seed=0, kept=False):
        self.role, self.offsets, self.states, self.seed = role, offsets, states, seed
        self.kept = kept and role == "backward"
        self.sizes = {"B": B, "T": T, "H": H, "K": D, "V": D, "layer": seed % 4, "layers": 4, "position": 37 * (seed % 3)}

    def __str__(self):
        sizes = " ".join(f"{name}{self.sizes[name]}" for name in "BTHKV")
        given = "".join(f" {name}" for name in ("states", "kept") if getattr(self, name))
        return f"{self.role} {sizes}{' packed' if self.offsets else ''}{given}"

    def work(self):
        return self.sizes["B"] * self.sizes["T"] * self.sizes["H"] * self.sizes["K"] ** 2


def cases_of(lengths, widths):
    """Each length with and without states, one sequence packed and not; long ones have one head, for the oracle's sake."""
    made = []
    for D in widths:
        for T in lengths:
            B, H = (1, 1) if T > 400 else (2, 2)
            for role in ("forward", "backward"):
                made.append(Case(role, B, T, H, D, states=T % 2 == 1, seed=len(made), kept=len(made) % 4 == 1))
        for role in ("forward", "backward"):
            for states in (True, False):
                made.append(Case(role, 1, PACKED[-1], 1, D, PACKED, states, len(made), kept=states))
        made.append(Case("step", 3, 1, 2, D, seed=len(made)))
        # Few heads, so that a GPU cuts the sequences.
        for kept in (False, True):
            made.append(Case("backward", 1, 3 * 64 + 1, 1, D, states=True, seed=len(made), kept=kept))
    return made


class Subject:
    """A package and its oracle."""

    def __init__(self, path, device, program):
        self.path, self.device = path, device
        self.package = packages.TorchPackage(str(path))
        manifest = self.package.manifest
        own = HERE / f"{manifest['design']}.decay"
        self.precision = manifest["precision"]
        settings = {setting["name"]: setting["value"] for setting in manifest["settings"]}
        self.oracle = OraclePerThread(program, own if own.exists() else manifest["design"], settings)
        self.lock = threading.Lock()  # one launch at a time; the oracle is what takes long
        self.lines, self.worst, self.worst_rms, self.tensors, self.refused, self.cancelled = [], 0.0, {}, 0, 0, 0
        self.unsupported = set()

    @property
    def title(self):
        named = [setting["value"] for setting in self.package.manifest["settings"]
                 if setting["value"] != setting["default"]]
        return " ".join([self.package.manifest["design"], *named, self.precision])

    def dims(self, sizes, offsets, device):
        seqlens = None if offsets is None else torch.tensor(offsets, dtype=torch.int64, device=device)
        return packages.dims_of(cu_seqlens=seqlens, **sizes), seqlens

    def draw(self, case):
        """Inputs of a case, on the device, and what they are on the host."""
        generator = torch.Generator().manual_seed(case.seed)
        dims, _ = self.dims(case.sizes, case.offsets, "cpu")
        one = packages.dims_of(1, 1, case.sizes["H"], dims.K, dims.V, layer=dims.layer, layers=dims.layers)
        with self.lock:
            tensors = packages.initial_parameters(self.package, one, self.device)
        for info in packages.inputs_of(self.package, case.role):
            is_state = "initial_" in info.name or "final_" in info.name
            if info.name in tensors or is_state and info.optional and not case.states:
                continue
            tensor = torch.randn(self.package.shape(info, dims), generator=generator)
            # A carried sum of positive terms is positive.
            if info.name.startswith("initial_") and info.name != "initial_state":
                tensor = tensor.abs() + 0.5
            tensors[info.name] = tensor.to(packages.TYPES[info.type]).to(self.device)
        return {name: tensor for name, tensor in tensors.items() if name in self.package.entry(case.role).by_name}

    def run(self, case, tensors):
        """Outputs by name as NumPy arrays; everything that is written held NaN."""
        with self.lock:
            dims, seqlens = self.dims(case.sizes, case.offsets, self.device)
            left_out = [] if case.states else [info.name for info in self.package.entry(case.role).operands
                                               if info.optional and ("initial_" in info.name or "final_" in info.name)]
            outputs = packages.outputs(self.package, case.role, dims, self.device, left_out)
            if case.kept:
                tensors = {**tensors, **packages.kept(self.package, dims, tensors, self.device)}
            packages.poison_workspaces(self.package)
            self.package.run(case.role, {**tensors, **outputs}, dims, checked=self.device == "cuda")
            del seqlens
        return {name: tensor.float().cpu().numpy() for name, tensor in outputs.items()}

    def judge(self, case, tensors, name=None, with_rms=True):
        """Runs a case and notes what is wrong."""
        where = f"{case}{', ' + name if name else ''}"
        try:
            given = {key: tensor.float().cpu().numpy() for key, tensor in tensors.items()}
            function = "forward" if case.role == "step" else case.role
            wanted = self.oracle.ask(function, self.dims(case.sizes, None, "cpu")[0], given, case.offsets,
                                     bfloat=self.precision == "bf16")
        except Refused:
            self.refused += 1
            return
        try:
            got = self.run(case, tensors)
        except (RuntimeError, ValueError, TypeError) as problem:
            if "no kernel for head dims" in str(problem):
                self.unsupported.add(case.sizes["K"])
            else:
                self.lines.append(f"{where}: {problem}")
            return
        for output, numbers in got.items():
            values, bounds = wanted[output]
            if self.package.entry(case.role).by_name[output].type == "bf16":
                bounds = bounds + BFLOAT * numpy.abs(values)  # it is rounded once more
            self.note(case, where, output, Error(numbers, values, bounds), with_rms)

    def judge_outside(self, case, number):
        """A λ out of its range must be named by its place."""
        tensors = self.draw(case)
        place = adversary.set_outside(tensors, number)
        self.tensors += 1
        try:
            self.run(case, tensors)
            self.lines.append(f"{case}, λ {number}: it was taken")
        except ValueError as problem:
            if place not in str(problem):
                self.lines.append(f"{case}, λ {number}: '{problem}' does not name {place}")

    def note(self, case, where, output, error, with_rms):
        largest = LARGEST_RMS[self.precision][case.role] if with_rms else float("inf")
        self.tensors += 1
        self.worst = max(self.worst, error.worst)
        if error.finite and error.rms > largest and error.worst <= CANCELLED:
            self.cancelled += 1
            return
        self.worst_rms[case.role] = max(self.worst_rms.get(case.role, 0.0), error.rms)
        if not error.accepted(largest):
            self.lines.append(f"{where}, {output}: {error}{'' if error.finite else ', not finite'}")

    def report(self):
        shown = " ".join(f"{role} {rms:.1e}" for role, rms in sorted(self.worst_rms.items()))
        shown += "".join(f", no kernels for D {D}" for D in sorted(self.unsupported))
        passed = not self.lines and self.tensors > 0
        print(f"{'ok    ' if passed else 'FAILED'} {self.title:<44}{self.tensors:5} tensors, {self.refused} refused, "
              f"{self.cancelled} cancelled, worst "
              f"error/bound {self.worst:6.3f} (accepted to 4), rms {shown}", flush=True)
        for line in self.lines[:8]:
            print("       " + line, flush=True)
        return passed


def judgements(subject, given):
    """(work, function) of all that is judged of a package."""
    if not given.adversarial:
        if subject.package.manifest["design"] == "lambda_times":
            return  # its λ is right by design of the inputs alone
        for case in cases_of(given.lengths, given.widths):
            if case.role in subject.package.entries:
                yield case.work(), lambda case=case: subject.judge(case, subject.draw(case))
        return
    for D in given.widths:
        for number in adversary.OUTSIDE if subject.package.manifest["design"] == "lambda_times" else []:
            for role in ("forward", "backward"):
                case = Case(role, 1, adversary.LENGTH, adversary.HEADS, D)
                yield 0, lambda case=case, number=number: subject.judge_outside(case, number)
        for name, offsets, change in adversary.patterns_of(subject.package.manifest, D):
            for role in ("forward", "backward"):
                case = Case(role, 1, adversary.LENGTH, adversary.HEADS, D, offsets, seed=4, kept=D > 64)

                def run(case=case, name=name, change=change):
                    tensors = subject.draw(case)
                    change(tensors)
                    # Where λ is 0 all but always, sums cancel to nothing: the bound alone counts.
                    subject.judge(case, tensors, name, with_rms=False)
                yield case.work(), run


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    numbers = lambda text: [int(number) for number in text.split(",")]
    parser.add_argument("folders", nargs="+", type=pathlib.Path)
    parser.add_argument("--oracle", default="build/test/numeric/card/decay-oracle")
    parser.add_argument("--only", default="", help="part of a package's path")
    parser.add_argument("--lengths", type=numbers, default=LENGTHS)
    parser.add_argument("--widths", type=numbers, default=[64, 128])
    parser.add_argument("--adversarial", action="store_true")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    given = parser.parse_args()
    paths = sorted(path for folder in given.folders for path in folder.rglob("*.so") if given.only in str(path))
    failed = judged = 0
    with concurrent.futures.ThreadPoolExecutor(given.jobs) as pool:
        for path in paths:
            subject = Subject(path, given.device, given.oracle)
            work = sorted(judgements(subject, given), key=lambda item: -item[0])
            if work:
                for done in [pool.submit(run) for _, run in work]:
                    done.result()
                judged += 1
                failed += not subject.report()
            subject.oracle.close()
    print(f"against_oracle: {judged} packages, {failed} failed")
    return 1 if failed or not judged else 0


if __name__ == "__main__":
    sys.exit(main())
