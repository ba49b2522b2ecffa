"""A compiled package for GPUs from Python: the package ABI over PyTorch's tensors and stream."""
import ctypes

import torch

import decay_package

TYPES = {0: torch.float32, 1: torch.bfloat16}


class GpuPackage(decay_package.Package):
    """A package's entries as functions of dictionaries of PyTorch's device tensors."""

    def empty(self, role, dims, leave_out=()):
        """New tensors for what the role writes, full of NaN."""
        return {info.name.decode(): torch.full(self.shape(info, dims), float("nan"), dtype=TYPES[info.type], device="cuda")
                for info in self.operands(role) if info.access == 1 and info.name.decode() not in leave_out}

    def prepare(self, role, tensors, dims):
        """A function that launches the role on these tensors; what it holds is made once."""
        entry, infos = self.entries[role], self.operands(role)
        operands = (decay_package.Operand * len(infos))()
        for place, info in zip(operands, infos):
            tensor = tensors.get(info.name.decode())
            if tensor is not None:
                assert tensor.dtype == TYPES[info.type] and tuple(tensor.shape) == self.shape(info, dims), info.name
                place.data = tensor.data_ptr()
        size = entry.workspace_bytes(dims, 1)
        if size < 0:
            raise RuntimeError(f"{role}: no workspace for these sizes")
        workspace = torch.zeros(max(size, 64), dtype=torch.uint8, device="cuda")
        fault = decay_package.Fault()

        def launch(kept=(tensors, workspace)):
            stream = ctypes.c_void_p(torch.cuda.current_stream().cuda_stream)
            status = entry.launch(operands, dims, workspace.data_ptr(), size, stream, fault)
            if status:
                raise RuntimeError(f"{role}: status {status}: {fault.message.decode()}")
        return launch


def dims_of(B, T, H, K, V, cu_seqlens=None, layer=1, layers=4, position=0):
    dims = decay_package.Dims(B=B, T=T, H=H, K=K, V=V, layer=layer, layers=layers, position=position, seed=5)
    if cu_seqlens is not None:
        dims.sequences = len(cu_seqlens) - 1
        dims.cu_seqlens = ctypes.cast(cu_seqlens.data_ptr(), ctypes.POINTER(ctypes.c_int64))
    return dims


def draw(package, role, dims, parameters=None, noise=1.0):
    """Random tensors for what the role reads; parameters as the package starts them, unless given."""
    tensors = dict(parameters or {})
    for info in package.operands(role):
        name = info.name.decode()
        if info.access == 0 and name not in tensors:
            tensor = torch.randn(package.shape(info, dims), device="cuda") * noise
            # A carried sum of positive terms is positive.
            if name.startswith("initial_") and name != "initial_state":
                tensor = tensor.abs() + 0.5
            tensors[name] = tensor.to(TYPES[info.type])
    return tensors


def initial_parameters(package, dims):
    if "init_parameters" not in package.entries:
        return {}
    made = package.empty("init_parameters", dims)
    package.prepare("init_parameters", made, dims)()
    torch.cuda.synchronize()
    return made
