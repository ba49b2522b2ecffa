"""Calls that were checked once, kept by all that their checks have looked at: an equal call costs a look in a dictionary,
and one of another layout is checked as strictly as the first."""
import torch

from decay.package import Dims

MOST_PLANS = 256  # of more layouts than that hardly one comes again


def layouts(tensors):
    """What a call's checks see of tensors."""
    return tuple([(tensor.dtype, tensor.device, tensor.shape, tensor.stride()) for tensor in tensors])


def keep(plans, key, plan):
    if len(plans) >= MOST_PLANS:
        plans.clear()
    plans[key] = plan


class Plan:
    """An entry for tensors of one layout: those that it reads are given, those that it writes are made. `written` has the
    latter as tensors without memory, outputs before what forward keeps."""

    def __init__(self, package, call, device, read, written):
        self.package, self.call, self.device, self.read, self.written = package, call, device, read, list(written)
        self.made = [(tuple(tensor.shape), tensor.stride(), tensor.dtype) for tensor in written.values()]
        self.returned = len([name for name in written if not name.startswith("kept_")])
        # On the processor the lengths in cu_seqlens count, which no key holds.
        self.lasts = package.on_device or not call.dims.cu_seqlens
        self.backwards = {}
        self.copied = ()

    def run(self, tensors, position=0, cu_seqlens=None, checked=False):
        """What the entry has written, or will have when its GPU's stream comes to it."""
        dims = self.dims_at(position, cu_seqlens)
        device = self.device
        made = [torch.empty_strided(shape, strides, dtype=dtype, device=device) for shape, strides, dtype in self.made]
        addresses = [tensor.data_ptr() for tensor in (*tensors, *made)]
        self.package.launch(self.call, addresses, dims, self.device, checked)
        return made

    def dims_at(self, position, cu_seqlens):
        """The call's sizes, with what differs between calls of one layout."""
        dims = self.call.dims
        offsets = None if cu_seqlens is None else cu_seqlens.data_ptr()
        if dims.position == position and dims.cu_seqlens == offsets:
            return dims
        dims = Dims.from_buffer_copy(dims)
        dims.position, dims.cu_seqlens = position, offsets
        self.package.check_dims(self.call.entry.role, dims)
        return dims

    def backward(self, tensors, gradients, needed, dims):
        """The plan of this forward's backward. `tensors`: what it has read and kept; `gradients`: of what it has returned,
        or None; `needed`: which of the tensors that it has read want a gradient."""
        key = (needed, torch.get_num_threads(), layouts(tensors),
               tuple([gradient is not None and layouts([gradient]) for gradient in gradients]))
        plan = self.backwards.get(key)
        if plan is None:
            plan = self._plan_backward(tensors, gradients, needed, dims)
            if self.lasts:
                keep(self.backwards, key, plan)
        return plan

    def _plan_backward(self, tensors, gradients, needed, dims):
        given = dict(zip([*self.read, *self.written[self.returned:]], tensors))
        copied = []
        for name, gradient in zip(self.written, gradients):
            if gradient is not None:
                given["d_" + name] = self.package.readable("backward", "d_" + name, gradient, dims)
                copied.append(given["d_" + name] is not gradient)
        wanted = ["d_" + name for name, wants in zip(self.read, needed) if wants]
        plan = self.package.plan("backward", given, wanted, dims)
        plan.copied = copied
        return plan

    def readable(self, gradients):
        """For a backward: the gradients that there are, dense where the package could not read them as they are."""
        given = [gradient for gradient in gradients if gradient is not None]
        return [gradient.contiguous() if copies else gradient for gradient, copies in zip(given, self.copied)]
