"""Compiled decay designs for linear attention from Python.

`decay.torch.load("simple_decay")` gives a differentiable function of PyTorch's tensors; `decay.Package` is the same
without PyTorch, over addresses. Nothing here is compiled: packages are called by ctypes.
"""
import importlib

from decay.compiler import DesignError, compile_design
from decay.package import Dims, Package, PackageError, Tensor

__all__ = ["DesignError", "Dims", "Package", "PackageError", "Tensor", "compile_design", "torch"]


def __getattr__(name):
    # PyTorch is imported by those who use it alone.
    if name == "torch":
        return importlib.import_module("decay.torch")
    raise AttributeError(f"module 'decay' has no attribute '{name}'")
