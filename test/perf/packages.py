"""What the programs here share: packages through runtime/python, and random tensors for their calls."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "runtime" / "python"))

import torch

from decay.torch import TorchPackage, dims_of
from decay.torch.launches import TYPES

FAULT_BYTES = 64

__all__ = ["TorchPackage", "dims_of", "TYPES", "draw", "initial_parameters", "outputs",
           "inputs_of", "kept", "poison_workspaces"]


def inputs_of(package, role):
    """What the role reads, but for what forward has kept."""
    return [info for info in package.entry(role).operands if not info.written and info.name not in package.kept()]


def outputs(package, role, dims, device, leave_out=()):
    """New tensors for what the role writes, full of NaN; not what forward can keep."""
    names = [info.name for info in package.entry(role).operands
             if info.written and info.name not in (*leave_out, *package.kept())]
    return {name: tensor.fill_(float("nan")) for name, tensor in package.empty(role, dims, device, names).items()}


def kept(package, dims, tensors, device):
    """What forward keeps, of the inputs of a backward."""
    made = {name: tensor.fill_(float("nan"))
            for name, tensor in package.empty("forward", dims, device, package.kept()).items()}
    given = {name: tensor for name, tensor in tensors.items() if name in package.entry("forward").by_name}
    package.run("forward", {**given, **outputs(package, "forward", dims, device, ("lambda",)), **made}, dims)
    return made


def draw(package, role, dims, device, parameters=None, noise=1.0):
    """Random tensors for what the role reads; parameters as the package starts them, unless given."""
    tensors = dict(parameters or {})
    for info in inputs_of(package, role):
        if info.name not in tensors:
            tensor = torch.randn(package.shape(info, dims), device=device) * noise
            # A carried sum of positive terms is positive.
            if info.name.startswith("initial_") and info.name != "initial_state":
                tensor = tensor.abs() + 0.5
            tensors[info.name] = tensor.to(TYPES[info.type])
    return tensors


def initial_parameters(package, dims, device):
    if "init_parameters" not in package.entries:
        return {}
    made = outputs(package, "init_parameters", dims, device)
    package.run("init_parameters", made, dims)
    return made


def poison_workspaces(package):
    """Fills the workspaces that the package has on GPUs with NaN, but for the faults at their start."""
    for workspace in package.workspaces():
        workspace[FAULT_BYTES:].fill_(0xFF)
