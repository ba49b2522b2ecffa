"""Wrong calls of GPU packages: each must be refused in words, before a kernel or by its fault slot, and do no harm.

    bad_calls.py PACKAGE.so...

What needs no GPU is checked on any machine, through the C interface: sizes, head dims, missing operands, strides,
alignment, workspace, sequences, a machine without a driver. On a GPU also: pointers to host memory, wrong dtypes, shapes,
devices and strides through runtime/python, cu_seqlens that do not rise from 0 to T; after each of them a right call must
give the same bits as before. One line a check; exit code 1 if one fails.
"""
import argparse
import ctypes
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "runtime" / "python"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "perf"))

from decay import Dims, Package, PackageError, abi

ADDRESS = 1 << 32  # of nothing; what is refused is not read
LARGE = 1 << 40


class Checks:
    def __init__(self, title):
        self.title, self.count, self.failed = title, 0, 0

    def say(self, passed, what, message):
        self.count += 1
        self.failed += not passed
        print(f"{'ok    ' if passed else 'FAILED'} {self.title}: {what}: {message}", flush=True)

    def refused(self, what, kind, words, call):
        """call() must raise `kind` with all of the words in its message."""
        try:
            call()
        except Exception as problem:  # whatever it is, it is shown
            said = str(problem)
            self.say(isinstance(problem, kind) and all(word in said for word in words), what,
                     said if isinstance(problem, kind) else f"{type(problem).__name__}: {said}")
            return
        self.say(False, what, "it was taken")


class RawCall:
    """A launch through the C interface, right but for what is changed."""

    def __init__(self, package, role="forward", D=64, **changes):
        sizes = {"B": 1, "T": 70, "H": 2, "K": D, "V": D, "layers": 4, "layer": 1, **changes}
        if role == "step":
            sizes["T"] = changes.get("T", 1)
        self.entry, self.dims = package.entry(role), Dims(**sizes)
        self.addresses = {info.name: ADDRESS + index * 4096 * 256 for index, info in enumerate(self.entry.operands)}
        self.strides, self.workspace, self.bytes = {}, ADDRESS, LARGE

    def launch(self):
        operands = (abi.Operand * self.entry.count)()
        for place, info in enumerate(self.entry.operands):
            operands[place].data = self.addresses.get(info.name)
            operands[place].row_stride = self.strides.get(info.name, 0)
        fault = abi.Fault()
        status = self.entry.launch(operands, self.dims, self.workspace, self.bytes, None, fault)
        if status:
            self.entry.raise_fault(status, fault)

    def changed(self, **changes):
        for name, value in changes.items():
            setattr(self, name, value)
        return self


def without_gpu(package, checks):
    """What the host side knows by itself."""
    offsets = (ctypes.c_int64 * 3)(0, 30, 70)
    packed = {"cu_seqlens": ctypes.addressof(offsets), "sequences": 2}
    sizes = [("T", {"T": 0}, ["T is 0, expected 1 to"]), ("B", {"B": -1}, ["B is -1"]),
             ("H", {"H": 0}, ["H is 0"]), ("layer", {"layer": 4}, ["layer is 4, expected 0 to 3"]),
             ("position", {"position": -1}, ["position is -1"]),
             ("all sizes", {"B": 2**30, "T": 2**30, "H": 2**30}, ["larger than any memory"]),
             ("K", {"K": 48}, ["head dims K = 48", "expected K ="]), ("V", {"V": 96}, ["V = 96", "expected K ="]),
             ("sequences without cu_seqlens", {"sequences": 2}, ["2 packed sequences without cu_seqlens"]),
             ("cu_seqlens with B = 2", {"B": 2, **packed}, ["need B = 1, but B is 2"]),
             ("more sequences than tokens", {**packed, "sequences": 71}, ["71 packed sequences of 70 tokens"]),
             ("cu_seqlens off its alignment", {**packed, "cu_seqlens": ADDRESS + 4}, ["cu_seqlens is not aligned"])]
    for role in ("forward", "backward"):
        for what, change, words in sizes:
            checks.refused(f"{role}, {what}", ValueError, words, RawCall(package, role, **change).launch)
    if "step" in package.entries:
        checks.refused("step, T", ValueError, ["T is 2, expected 1 to 1"], RawCall(package, "step", T=2).launch)
    for info in package.entry("forward").operands:
        call = RawCall(package)
        call.addresses[info.name] = None
        if not info.optional:
            checks.refused(f"'{info.name}' is NULL", ValueError, [f"'{info.name}'", "is NULL"], call.launch)
    for name, stride, words in [("q", 100, ["row stride of 'q'", "is 100", "from 128"]), ("v", 131, ["multiple of"]),
                                ("o", -128, ["row stride of 'o'"])]:
        call = RawCall(package).changed(strides={name: stride})
        checks.refused(f"row stride {stride} of '{name}'", ValueError, words, call.launch)
    for name in ("q", "v", "o"):
        call = RawCall(package)
        call.addresses[name] += 2
        checks.refused(f"'{name}' off its alignment", ValueError, [f"'{name}' is not aligned"], call.launch)
    for what, change, kind, words in [("too small", {"bytes": 64}, PackageError, ["has 64 bytes, expected"]),
                                      ("missing", {"workspace": None}, PackageError, ["has 0 bytes, expected"]),
                                      ("off its alignment", {"workspace": ADDRESS + 8}, ValueError, ["not aligned"])]:
        call = RawCall(package).changed(**change)
        checks.refused(f"workspace {what}", kind, words, call.launch)


def without_driver(package, checks):
    checks.refused("no driver", PackageError, ["driver"], RawCall(package).launch)


class OnGpu:
    """A right call, and what can be wrong with it."""

    def __init__(self, path, checks):
        import torch

        import packages
        self.torch, self.packages, self.checks = torch, packages, checks
        self.package = packages.TorchPackage(str(path))
        self.sizes = {"B": 1, "T": 70, "H": 2, "K": 64, "V": 64, "layer": 1, "layers": 4}
        dims = packages.dims_of(**self.sizes)
        one = packages.dims_of(**{**self.sizes, "B": 1, "T": 1})
        parameters = packages.initial_parameters(self.package, one, "cuda")
        self.given = {role: {name: tensor for name, tensor in
                             packages.draw(self.package, role, dims, "cuda", parameters).items()
                             if name in self.package.entry(role).by_name and "initial_" not in name
                             and "final_" not in name}
                      for role in ("forward", "backward")}
        self.right = {role: self.bits(self.run(role)) for role in self.given}

    def run(self, role, changes=None, offsets=None, outputs=None, **sizes):
        given = {**self.sizes, **sizes}
        seqlens = offsets if offsets is None or isinstance(offsets, self.torch.Tensor) else self.torch.tensor(
            offsets, dtype=self.torch.int64, device="cuda")
        dims = self.packages.dims_of(cu_seqlens=seqlens, **given)
        # States are N times as large: they are left out.
        states = [info.name for info in self.package.entry(role).operands if "initial_" in info.name or
                  "final_" in info.name]
        outputs = outputs or self.packages.outputs(self.package, role, self.packages.dims_of(**self.sizes), "cuda", states)
        self.package.run(role, {**self.given[role], **outputs, **(changes or {})}, dims, checked=True)
        self.torch.cuda.synchronize()
        return outputs

    def bits(self, outputs):
        return {name: tensor.clone().view(self.torch.uint8) for name, tensor in outputs.items()}

    def refused(self, what, kind, words, call):
        self.checks.refused(what, kind, words, call)
        for role in self.given:
            after = self.bits(self.run(role))
            if not all(self.torch.equal(after[name], bits) for name, bits in self.right[role].items()):
                self.checks.say(False, what, f"{role} after it has other bits")

    def all(self):
        torch, q = self.torch, self.given["forward"]["q"]
        changes = [
            ("host tensor", ValueError, ["'q' lies on cpu"], {"q": q.cpu()}),
            ("fp32 for bf16", TypeError, ["'q' holds fp32, expected bf16"], {"q": q.float()}),
            ("fp16 for bf16", TypeError, ["'v'", "expected bf16"], {"v": q.half()}),
            ("other T", ValueError, ["'k' has the shape"], {"k": q[:, :69].contiguous()}),
            ("transposed", ValueError, ["'q'", "strides"], {"q": q.transpose(2, 3).contiguous().transpose(2, 3)}),
            ("list", TypeError, ["'q' is a list"], {"q": [1.0]})]
        for what, kind, words, change in changes:
            self.refused(what, kind, words, lambda change=change: self.run("forward", change))
        self.refused("T = 0", ValueError, ["T is 0"], lambda: self.run("forward", T=0))
        self.refused("K = 48", ValueError, ["K"], lambda: self.run("forward", K=48))
        wrong = [[0, 30, 60], [1, 30, 70], [0, 50, 30, 70], [0, 30, 5000, 70], [0, -20, 70], [-1, 30, 70], [0, 30, 71],
                 [0, 2**40, 70], [-2**62, 2**62, 70], [70, 0, 70]]
        for offsets in wrong:
            for role in self.given:
                self.refused(f"{role}, cu_seqlens {offsets}", ValueError, ["cu_seqlens must rise from 0 to T"],
                             lambda role=role, offsets=offsets: self.run(role, offsets=offsets))
        host = torch.tensor([0, 30, 70])
        self.refused("cu_seqlens on the host", ValueError, ["'cu_seqlens' lies in host memory"],
                     lambda: self.run("forward", offsets=host))
        self.refused("more sequences than tokens", ValueError, ["sequences of 70 tokens"],
                     lambda: self.run("forward", offsets=list(range(72))))
        self.pointers()

    def pointers(self):
        """Addresses that PyTorch would not let through."""
        memory = self.torch.zeros(1 << 22, dtype=self.torch.uint8, device="cuda")
        host = (ctypes.c_char * (1 << 20))()
        where = (ctypes.addressof(host) + 255) // 256 * 256

        def call():
            made = RawCall(self.package)
            for name in made.addresses:
                made.addresses[name] = memory.data_ptr()
            return made.changed(workspace=memory.data_ptr(), bytes=1 << 22)
        for name in ("q", "v", "o"):
            made = call()
            made.addresses[name] = where
            self.refused(f"'{name}' is a host pointer", ValueError, [f"'{name}' lies in host memory"], made.launch)
        self.refused("workspace is a host pointer", ValueError, ["'workspace' lies in host memory"],
                     call().changed(workspace=where).launch)


def has_gpu():
    try:
        import torch
    except ImportError:
        return False
    return torch.cuda.is_available()


def has_driver():
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packages", nargs="+", type=pathlib.Path)
    given = parser.parse_args()
    count = failed = 0
    for path in given.packages:
        package = Package(path)
        if not package.on_device:
            parser.error(f"{path} is no package for GPUs")
        checks = Checks(package.design)
        without_gpu(package, checks)
        if not has_driver():
            without_driver(package, checks)
        if has_gpu():
            OnGpu(path, checks).all()
        count, failed = count + checks.count, failed + checks.failed
    print(f"bad_calls: {count} checks, {failed} failed" +
          ("" if has_gpu() else "; those that need a GPU and PyTorch were left out"))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
