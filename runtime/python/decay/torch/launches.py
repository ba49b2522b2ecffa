"""A package called with PyTorch's tensors: their memory, the current stream, workspaces of PyTorch's allocators."""
import torch

from decay import workers
from decay.package import Dims, Package, Tensor
from decay.torch.plans import Plan, keep, layouts

TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
NAMES = {dtype: name for name, dtype in TYPES.items()}
WORKSPACE_ALIGNMENT = 64


def _object_stream(index):
    return torch.cuda.current_stream(index).cuda_stream


# The address of a GPU's current stream, where PyTorch can without an object around it, which takes time.
_current_stream = getattr(torch._C, "_cuda_getCurrentRawStream", _object_stream)


def dims_of(B, T, H, K, V, cu_seqlens=None, layer=0, layers=1, position=0, seed=0):
    """The sizes of a call; whoever keeps them keeps cu_seqlens, too."""
    dims = Dims(B=B, T=T, H=H, K=K, V=V, layer=layer, layers=layers, position=position, seed=seed)
    if cu_seqlens is not None:
        dims.sequences, dims.cu_seqlens = cu_seqlens.numel() - 1, cu_seqlens.data_ptr()
    return dims


def describe(tensor):
    return Tensor(NAMES.get(tensor.dtype, str(tensor.dtype)), tensor.shape, tensor.stride())


class TorchPackage(Package):
    """A package's entries as functions of dictionaries of tensors, all on one device: the processor or one GPU."""

    def __init__(self, path):
        super().__init__(path)
        self._plans = {}
        self._workspaces = {}

    def empty(self, role, dims, device, names=None):
        """New tensors for what the role writes, or for those of it that are named."""
        return {info.name: torch.empty(self.shape(info, dims), dtype=TYPES[info.type], device=device)
                for info in self.entry(role).operands if info.written and (names is None or info.name in names)}

    def kept(self):
        """Names of what forward can leave for backward, which then need not make it again."""
        return tuple(info.name for info in self.entry("forward").operands if info.name.startswith("kept_"))

    def workspaces(self):
        """The workspaces that launches on GPUs have had so far, as bytes; the first 64 of each are the package's."""
        return list(self._workspaces.values())

    def readable(self, role, name, tensor, dims):
        """The tensor, or a dense copy where the package could not read its layout."""
        entry = self.entry(role)
        try:
            self.check_operand(entry, entry.by_name[name], describe(tensor), dims)
            return tensor
        except ValueError:
            return tensor.contiguous()

    def plan(self, role, tensors, written, dims):
        """A call with the tensors' layouts, checked, that makes what is named in `written`. Raises TypeError and
        ValueError."""
        device = self._device(role, tensors)
        made = self.empty(role, dims, "meta", written)
        made = {name: made[name] for name in written}
        described = {name: describe(tensor) for name, tensor in {**tensors, **made}.items()}
        call = self.call(role, described, dims, 1 if self.on_device else torch.get_num_threads())
        return Plan(self, call, device, list(tensors), made)

    def run(self, role, tensors, dims, checked=False):
        """Runs a role, or queues it on the current stream of the tensors' GPU. `checked` waits for a GPU and raises what
        its kernels found; otherwise read_faults tells. Raises TypeError and ValueError before anything runs."""
        device = self._device(role, tensors)
        key = (role, bytes(dims), torch.get_num_threads(), tuple(tensors), layouts(tensors.values()))
        plan = self._plans.get(key)
        if plan is None:
            plan = self.plan(role, tensors, (), dims)
            if not dims.cu_seqlens:  # whose values count
                keep(self._plans, key, plan)
        self.launch(plan.call, [tensor.data_ptr() for tensor in tensors.values()], dims, device, checked)

    def launch(self, call, addresses, dims, device, checked):
        """Runs a checked call, or queues it as `run` does."""
        if not self.on_device:
            threads = workers.pool(torch.get_num_threads())
            memory = torch.empty(call.workspace_bytes + WORKSPACE_ALIGNMENT, dtype=torch.uint8)
            start = -memory.data_ptr() % WORKSPACE_ALIGNMENT + memory.data_ptr()
            with threads.one_call:
                call.launch(addresses, start, threads.stream, dims)
            return
        if device.index == torch.cuda.current_device():
            self._queue(call, addresses, dims, device)
        else:
            with torch.cuda.device(device):
                self._queue(call, addresses, dims, device)
        if checked:
            self.read_faults()

    def read_faults(self):
        """Waits for the GPUs that have run this package and raises ValueError for what their kernels found since the last
        time: λ outside [0, 1], or cu_seqlens that do not rise from 0 to T. A package for the processor has said it."""
        for (role, index, stream), workspace in self._workspaces.items():
            with torch.cuda.device(index):
                self.read_fault(role, workspace.data_ptr(), stream)

    def _device(self, role, tensors):
        device = None
        for name, tensor in tensors.items():
            if not isinstance(tensor, torch.Tensor):
                raise TypeError(f"{self.entry(role).title}: '{name}' is a {type(tensor).__name__}, expected a tensor")
            if device is None and tensor.device.type != self.target:
                raise ValueError(f"{self.entry(role).title}: '{name}' lies on {tensor.device}, but the package was "
                                 f"compiled for {self.target}")
            if device is not None and tensor.device != device:
                raise ValueError(f"{self.entry(role).title}: '{name}' lies on {tensor.device}, expected {device}, where "
                                 "the other tensors are")
            device = tensor.device
        return device

    def _queue(self, call, addresses, dims, device):
        stream = _current_stream(device.index)
        key = (call.entry.role, device.index, stream)
        workspace = self._workspaces.get(key)
        if workspace is None or workspace.numel() < call.workspace_bytes:
            # Zeros, as the package asks; what it has written to the first bytes is a fault that is not read yet.
            larger = torch.zeros(max(call.workspace_bytes, WORKSPACE_ALIGNMENT), dtype=torch.uint8, device=device)
            if workspace is not None:
                larger[:WORKSPACE_ALIGNMENT].copy_(workspace[:WORKSPACE_ALIGNMENT])
            workspace = self._workspaces[key] = larger
        call.launch(addresses, workspace.data_ptr(), stream, dims)
