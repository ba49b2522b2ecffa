"""A compiled package and the checks of its calls, without PyTorch: tensors are descriptions and addresses."""
import ctypes
import json
import os
from typing import NamedTuple

from decay import abi
from decay.abi import Dims


class PackageError(RuntimeError):
    """A package that cannot be loaded, or a device or driver that failed."""


class Tensor(NamedTuple):
    """What a call must know of a tensor but its address. Strides count elements."""
    type: str  # "fp32", "bf16", or what else it holds
    shape: tuple
    strides: tuple


class OperandInfo(NamedTuple):
    """What an entry expects at one place."""
    name: str
    axes: tuple  # "B", "T", ...
    type: str
    written: bool
    optional: bool


def _row_stride(info, tensor):
    """Elements between tokens; None where the tensor's layout is none that a package can read."""
    expected = 1
    for axis, size, stride in reversed(list(zip(info.axes, tensor.shape, tensor.strides))):
        if axis == "T":
            break
        if size != 1 and stride != expected:
            return None
        expected *= size
    else:
        return 0
    sizes = dict(zip(info.axes, tensor.shape))
    strides = dict(zip(info.axes, tensor.strides))
    if sizes["T"] == 1:
        row = strides["B"] if sizes["B"] != 1 else expected
    else:
        row = strides["T"]
    if row < expected or (sizes["B"] != 1 and strides["B"] != sizes["T"] * row):
        return None
    return row


class Call:
    """An entry with checked operands: all that is left to give are addresses. It holds nothing of a launch, so that
    threads may share it."""

    def __init__(self, entry, names, places, strides, dims, workspace_bytes):
        self.entry, self.names, self.places, self.dims = entry, names, places, dims
        self.workspace_bytes = workspace_bytes
        self.operands = (abi.Operand * entry.count)()
        self.copy_of = type(self.operands).from_buffer_copy
        for place, stride in zip(places, strides):
            self.operands[place].row_stride = stride

    def launch(self, addresses, workspace, stream, dims=None):
        """Runs the entry on addresses in the order of `names`, or queues it on a device's stream. `dims`: other checked
        ones of the same sizes."""
        operands = self.copy_of(self.operands)
        for place, address in zip(self.places, addresses):
            operands[place].data = address
        fault = abi.Fault()
        status = self.entry.launch(operands, dims or self.dims, workspace, self.workspace_bytes, stream, fault)
        if status:
            self.entry.raise_fault(status, fault)


class Entry:
    def __init__(self, package, table):
        self.design, self.role = package.design, table.role.decode()
        self.launch, self.count = table.launch, table.operand_count
        self.workspace_bytes, self.read_fault = table.workspace_bytes, table.read_fault
        infos = (table.operands[place] for place in range(table.operand_count))
        self.operands = [OperandInfo(info.name.decode(), tuple(info.shape.decode().split()), abi.TYPES[info.type],
                                     info.access == abi.WRITE, bool(info.optional)) for info in infos]
        self.by_name = {info.name: info for info in self.operands}

    @property
    def title(self):
        return f"{self.role} of '{self.design}'"

    def raise_fault(self, status, fault):
        """A status as an exception: ValueError for what a caller can mend."""
        message = fault.message.decode(errors="replace")
        if status == abi.LAMBDA_OUT_OF_RANGE:
            raise ValueError(f"{self.title}: λ is {fault.value:.9g} at sequence {fault.sequence}, token {fault.token}, "
                             f"head {fault.head}, channel {fault.channel}, expected 0 to 1: give the design a formula "
                             "that cannot leave it, or smaller parameters")
        if status == abi.WORKSPACE_TOO_SMALL:
            raise PackageError(f"{self.title}: the workspace is smaller than the package asks for: {message}")
        if abi.FIRST_OF_CALLER <= status <= abi.LAST_OF_CALLER:
            raise ValueError(f"{self.title}: {message}")
        raise PackageError(f"{self.title}: {message or f'status {status}'}")


class Package:
    """A package, opened for this machine. Raises PackageError if it cannot be."""

    def __init__(self, path):
        self.path = os.path.abspath(path)
        try:
            library = ctypes.CDLL(self.path)
        except OSError as problem:
            raise PackageError(f"package {path}: {problem}") from None
        if not hasattr(library, abi.QUERY_SYMBOL):
            raise PackageError(f"package {path}: a shared library without '{abi.QUERY_SYMBOL}': not made by decayc")
        query = getattr(library, abi.QUERY_SYMBOL)
        query.restype = ctypes.POINTER(abi.PackageTable)
        query.argtypes = [ctypes.c_uint32, ctypes.POINTER(abi.Host)]
        table = query(abi.ABI_VERSION, abi.this_host())
        if not table or table.contents.version != abi.ABI_VERSION:
            raise PackageError(f"package {path}: it has no code for this processor, or another interface version than "
                               f"{abi.ABI_VERSION}: compile the design again")
        self.library, self.table = library, table.contents
        self.manifest = json.loads(self.table.manifest)
        self.design, self.target = self.table.design.decode(), self.table.target.decode()
        self.variant, self.hash = self.table.variant.decode(), self.table.hash.decode()
        self.on_device = self.table.memory == abi.DEVICE_MEMORY
        entries = (Entry(self, self.table.entries[place]) for place in range(self.table.entry_count))
        self.entries = {entry.role: entry for entry in entries}

    def entry(self, role):
        if role not in self.entries:
            raise ValueError(f"'{self.design}' has no entry '{role}', only: {', '.join(self.entries)}")
        return self.entries[role]

    def shape(self, info, dims):
        """An operand's extents for the sizes of a call."""
        sizes = {"B": dims.B, "T": dims.T, "H": dims.H, "K": dims.K, "V": dims.V, "L": dims.layers,
                 "N": dims.sequences or dims.B, "W": dims.K * self.manifest["state_width"]}
        sizes["S"] = dims.B * dims.T // 64 + sizes["N"]
        return tuple(sizes[axis] for axis in info.axes)

    def check_dims(self, role, dims):
        """Raises ValueError unless the sizes make a call. cu_seqlens in a device's memory is the package's to judge."""
        title = self.entry(role).title
        for name in ("B", "T", "H", "K", "V", "layers"):
            if not 1 <= getattr(dims, name) <= abi.MOST_EXTENT:
                raise ValueError(f"{title}: {name} is {getattr(dims, name)}, expected 1 to {abi.MOST_EXTENT}")
        if not 0 <= dims.layer < dims.layers:
            raise ValueError(f"{title}: layer is {dims.layer}, expected 0 to {dims.layers - 1}")
        if dims.position < 0:
            raise ValueError(f"{title}: position is {dims.position}, expected 0 or more")
        if role == "step" and dims.T != 1:
            raise ValueError(f"{title}: T is {dims.T}, but a step takes one token")
        if not dims.cu_seqlens:
            return
        if dims.B != 1:
            raise ValueError(f"{title}: packed sequences need B = 1, but B is {dims.B}")
        if not 1 <= dims.sequences <= dims.T:
            raise ValueError(f"{title}: cu_seqlens says {dims.sequences} sequences of {dims.T} tokens together, "
                             f"expected 1 to {dims.T}")
        if not self.on_device:
            offsets = (ctypes.c_int64 * (dims.sequences + 1)).from_address(dims.cu_seqlens)
            if offsets[0] != 0 or offsets[dims.sequences] != dims.T or any(
                    after <= before for before, after in zip(offsets, offsets[1:])):
                raise ValueError(f"{title}: cu_seqlens must rise from 0 to T = {dims.T}, but is {list(offsets)[:8]}")

    def check_operand(self, entry, info, tensor, dims):
        """The tensor's row stride. Raises TypeError for a type, ValueError for a shape or layout."""
        shape = self.shape(info, dims)
        expected = f"[{' '.join(info.axes)}] = {list(shape)}"
        if tensor.type != info.type:
            raise TypeError(f"{entry.title}: '{info.name}' holds {tensor.type}, expected {info.type}")
        if tuple(tensor.shape) != shape:
            raise ValueError(f"{entry.title}: '{info.name}' has the shape {list(tensor.shape)}, expected {expected}")
        stride = _row_stride(info, tensor)
        if stride is None or stride > abi.MOST_EXTENT:
            rows = ": only the distance between tokens is free" if "T" in info.axes else ""
            raise ValueError(f"{entry.title}: '{info.name}' {expected} has the strides {list(tensor.strides)}, expected "
                             f"a dense tensor{rows}; .contiguous() makes one")
        return stride

    def call(self, role, tensors, dims, workers=1):
        """Checks a call: `tensors` are descriptions by name, in the order in which launches give addresses. Raises before
        anything runs; operands that are optional may be left out."""
        entry = self.entry(role)
        unknown = [name for name in tensors if name not in entry.by_name]
        if unknown:
            raise ValueError(f"{entry.title}: there is no operand '{unknown[0]}', expected: {', '.join(entry.by_name)}")
        self.check_dims(role, dims)
        found = {}
        for place, info in enumerate(entry.operands):
            if info.name in tensors:
                found[info.name] = place, self.check_operand(entry, info, tensors[info.name], dims)
            elif not info.optional:
                raise ValueError(f"{entry.title}: '{info.name}' [{' '.join(info.axes)}] = "
                                 f"{list(self.shape(info, dims))} is missing")
        size = entry.workspace_bytes(dims, workers)
        if size < 0:
            raise ValueError(f"{entry.title}: the package has no workspace for these sizes: B = {dims.B}, T = {dims.T}, "
                             f"H = {dims.H}, K = {dims.K}, V = {dims.V}")
        places, strides = ([found[name][part] for name in tensors] for part in range(2))
        return Call(entry, list(tensors), places, strides, dims, size)

    def read_fault(self, role, workspace, stream):
        """Waits for the stream and raises what went wrong in launches with this workspace since the last call."""
        entry = self.entry(role)
        if entry.read_fault:
            fault = abi.Fault()
            status = entry.read_fault(workspace, stream, fault)
            if status:
                entry.raise_fault(status, fault)
