"""A design as a differentiable function: packages chosen by the tensors' device, gradients by the packages."""
import functools
import os
import sys

import torch
from torch.autograd import forward_ad
from torch.autograd.function import once_differentiable

from decay.compiler import compile_design
from decay.torch.launches import TorchPackage, dims_of
from decay.torch.plans import keep, layouts


def _outside_of_graphs(function):
    """The compiler of PyTorch 2 goes around a call: a graph break. It takes seconds to import, so it is asked only where
    somebody else has."""
    disabled = None

    @functools.wraps(function)
    def call(*arguments, **named):
        nonlocal disabled
        dynamo = sys.modules.get("torch._dynamo")
        if dynamo is None:
            return function(*arguments, **named)
        disabled = disabled or dynamo.disable(function)
        return disabled(*arguments, **named)

    # What the compiler looks for when it meets the wrapper itself.
    call._torchdynamo_disable = True
    return call


@functools.lru_cache(maxsize=None)
def _open(path, modified):
    return TorchPackage(path)


def _package(path):
    """One for each file, so that layers share it with its workspaces."""
    return _open(path, os.stat(path).st_mtime_ns)


class _Recurrence(torch.autograd.Function):
    @staticmethod
    def forward(ctx, plan, position, checked, cu_seqlens, *tensors):
        made = plan.run(tensors, position, cu_seqlens, checked)
        ctx.call = plan, position, checked
        ctx.save_for_backward(cu_seqlens, *tensors, *made[plan.returned:])
        ctx.set_materialize_grads(False)
        return tuple(made[:plan.returned])

    @staticmethod
    @once_differentiable
    def backward(ctx, *gradients):
        forward, position, checked = ctx.call
        cu_seqlens, *tensors = ctx.saved_tensors
        needed = ctx.needs_input_grad[4:]
        if gradients[0] is None:  # a loss of the final state alone
            shape, _, dtype = forward.made[0]
            gradients = (torch.zeros(shape, dtype=dtype, device=forward.device), *gradients[1:])
        backward = forward.backward(tensors, gradients, needed, forward.dims_at(position, cu_seqlens))
        made = iter(backward.run(tensors + backward.readable(gradients), position, cu_seqlens, checked))
        return (None,) * 4 + tuple([next(made) if wanted else None for wanted in needed])


class Design:
    """A design under its settings; `load` makes one.

    Tensors are [B, T, H, K or V] as the package says: fp32 on the processor; bf16 on a GPU (fp32 if it was asked for), with
    fp32 parameters and states. They may be slices of one projection's output: the distance between tokens is free. Nothing is copied.
    """

    def __init__(self, name, packages, manifest, checked):
        self.name, self._packages, self.manifest, self.checked = name, packages, manifest, checked
        self.projections = [projection["name"] for projection in manifest["projections"]]
        self.parameters = [parameter["name"] for parameter in manifest["parameters"]]
        self.carries = [carry["name"] for carry in manifest["carries"]]
        self._states = ["state", *self.carries]
        self._names = [*self.projections, *self.parameters, *["initial_" + name for name in self._states]]
        self._plans = {}

    def __repr__(self):
        return f"Design({self.name}: {', '.join(self.projections + self.parameters)})"

    def package(self, device):
        """The package for a device's tensors, compiled at its first use."""
        return self._packages(torch.device(device).type)

    @_outside_of_graphs
    def __call__(self, *tensors, params=None, initial_state=None, cu_seqlens=None, layer=0, layers=None, position=0,
                 output_final_state=False):
        """o [B, T, H, V], or (o, final state), of the projections in the order of `self.projections`.

        params: a dictionary, also as the last positional argument; gradients flow to them.
        initial_state, final state: [N, H, W, V] fp32, W = K but 2 K under lrpe_cosine; for a design that carries values
        along the tokens a dictionary of "state" and these. cu_seqlens: int64 [N + 1], from 0 to T, with B = 1.
        layer, layers: for designs that know their layer; layers follows from parameters that span them. position: that of
        each sequence's first token. Raises TypeError or ValueError, naming operand and expectation, before a launch.
        """
        operands = self._operands("forward", tensors, params, initial_state)
        learns = torch.is_grad_enabled() and any([tensor.requires_grad for tensor in operands])
        plan = self._plan("forward", operands, cu_seqlens, layer, layers, position, output_final_state, learns)
        # Tangents are autograd's to refuse; PyTorch has no public question for them, and one without this has its way.
        if learns or getattr(forward_ad, "_current_level", 0) >= 0:
            made = _Recurrence.apply(plan, position, self.checked, cu_seqlens, *operands)
        else:
            made = plan.run(operands, position, cu_seqlens, self.checked)
        return (made[0], self._state_of(made)) if output_final_state else made[0]

    @_outside_of_graphs
    def step(self, *tensors, params=None, state=None, layer=0, layers=None, position=0):
        """(o, state) after one token: tensors are [B, 1, H, K or V]. Without gradients."""
        operands = self._operands("step", tensors, params, state)
        plan = self._plan("step", operands, None, layer, layers, position, True, False)
        made = plan.run(operands, position, None, self.checked)
        return made[0], self._state_of(made)

    def init_parameters(self, H, K, V=None, layer=0, layers=1, seed=0, device="cpu"):
        """New fp32 parameters by name, as the design starts them; from the same seed the same numbers on a device."""
        package = self.package(device)
        dims = dims_of(1, 1, H, K, K if V is None else V, layer=layer, layers=layers, seed=seed)
        if not self.parameters:
            return {}
        made = package.empty("init_parameters", dims, device)
        package.run("init_parameters", made, dims, self.checked)
        return made

    def check(self):
        """Waits for the GPUs and raises what kernels found since the last check. See `load`'s `check`."""
        for package in self._packages.opened():
            package.read_faults()

    def _operands(self, role, tensors, params, state):
        """All tensors that are read, in the order of `self._names`."""
        if len(tensors) == len(self.projections) + 1 and params is None:
            tensors, params = tensors[:-1], tensors[-1]
        if len(tensors) != len(self.projections):
            raise TypeError(f"{self.name} takes {', '.join(self.projections)} and params, but {len(tensors)} tensors are "
                            "given")
        params = params or {}
        if len(params) != len(self.parameters) or not all([name in params for name in self.parameters]):
            raise ValueError(f"{self.name} has the parameters {self.parameters}, but params holds {sorted(params)}")
        operands = [*tensors, *[params[name] for name in self.parameters], *self._initial(state)]
        for place, tensor in enumerate(operands):
            if not isinstance(tensor, torch.Tensor):
                title = self.name if place < len(self.projections) else f"{role} of '{self.name}'"
                raise TypeError(f"{title}: '{self._names[place]}' is a {type(tensor).__name__}, expected a tensor")
        return operands

    def _initial(self, state):
        if state is None:
            return []
        if not isinstance(state, dict):
            if self.carries:
                raise TypeError(f"{self.name}: the state is a dictionary of 'state' and {self.carries}")
            return [state]
        if sorted(state) != sorted(self._states):
            raise ValueError(f"{self.name}: the state holds {sorted(state)}, expected {self._states}")
        return [state[name] for name in self._states]

    def _state_of(self, made):
        """The final state among what an entry has written, after o."""
        return dict(zip(self._states, made[1:])) if self.carries else made[1]

    def _plan(self, role, operands, cu_seqlens, layer, layers, position, returns_state, learns):
        """A checked call: one that was made before where all that the checks have looked at is equal."""
        key = (role, layouts(operands), layer, type(layer), layers, type(layers), returns_state, learns, torch.get_num_threads(),
               None if cu_seqlens is None else self._offsets(cu_seqlens))
        plan = self._plans.get(key)
        if plan is None:
            given = dict(zip(self._names, operands))
            package, dims = self._sizes(given, cu_seqlens, layer, layers, position)
            written = ["o", *["final_" + name for name in self._states if returns_state]]
            plan = package.plan(role, given, [*written, *(package.kept() if learns else ())], dims)
            if plan.lasts:
                keep(self._plans, key, plan)
        return plan

    def _offsets(self, cu_seqlens):
        if (not isinstance(cu_seqlens, torch.Tensor) or cu_seqlens.dtype != torch.int64 or cu_seqlens.dim() != 1 or
                not cu_seqlens.is_contiguous()):
            raise TypeError(f"{self.name}: cu_seqlens must be a dense int64 tensor [N + 1], from 0 to T")
        return cu_seqlens.shape, cu_seqlens.device

    def _sizes(self, given, cu_seqlens, layer, layers, position):
        """The package and the sizes of a call."""
        for name in ("q", "v"):
            if given[name].dim() != 4:
                axes = "B T H K" if name == "q" else "B T H V"
                raise ValueError(f"{self.name}: '{name}' has the shape {list(given[name].shape)}, expected [{axes}]")
        package = self.package(given["q"].device)
        if cu_seqlens is not None and cu_seqlens.device != given["q"].device:
            raise ValueError(f"{self.name}: 'cu_seqlens' lies on {cu_seqlens.device}, expected {given['q'].device}, where "
                             "the other tensors are")
        return package, dims_of(*given["q"].shape, given["v"].shape[3], cu_seqlens, layer, self._layers(given, layers),
                                position)

    def _layers(self, given, layers):
        for parameter in self.manifest["parameters"]:
            axes = parameter["shape"].split()
            tensor = given[parameter["name"]]
            if "L" in axes and tensor.dim() == len(axes):
                spanned = tensor.shape[axes.index("L")]
                if layers not in (None, spanned):
                    raise ValueError(f"{self.name}: layers is {layers}, but '{parameter['name']}' spans {spanned}")
                return spanned
        return 1 if layers is None else layers


class _Compiled:
    """The packages of a design by target, compiled when they are asked for."""

    def __init__(self, design, decayc, precision, settings):
        self.design, self.decayc, self.precision, self.settings, self.by_target = design, decayc, precision, settings, {}

    def __call__(self, target):
        if target not in self.by_target:
            self.by_target[target] = _package(compile_design(self.design, target, self.decayc, self.precision,
                                                             **self.settings))
        return self.by_target[target]

    def opened(self):
        return self.by_target.values()


class _Ready:
    """A package that somebody else has compiled: one target."""

    def __init__(self, path):
        self.only = _package(path)

    def __call__(self, target):
        if target != self.only.target:
            raise ValueError(f"{self.only.path} was compiled for {self.only.target}, but the tensors lie on {target}")
        return self.only

    def opened(self):
        return [self.only]


def load(design, *, decayc=None, device=None, precision=None, check=False, **settings):
    """A design as a function: a name of the library, `file.decay`, `file.decay:name`, or a package `file.so`.

    settings are decayc's: granularity="scalar", sharing=True, p=0.9. The package for `device` (a GPU if there is one) is
    compiled here, those for others at their first call; a package that is in the cache is not compiled again.
    precision: "fp32" makes a GPU's package one to check by: slower, exact functions, no bf16.
    check: wait for each launch on a GPU, so that a fault inside of it is raised by the call at fault; without it,
    `check()` of the result waits and tells. Raises decay.DesignError for a wrong design or setting, decay.PackageError for
    a file that is no package, FileNotFoundError without file or compiler.
    """
    design = os.fspath(design)
    if design.endswith(".so"):
        given = [*settings, *(["precision"] if precision else [])]
        if given:
            raise TypeError(f"{design} is compiled: it takes no settings, but {', '.join(given)} is given")
        if not os.path.exists(design):
            raise FileNotFoundError(f"there is no package {design}")
        packages = _Ready(os.path.abspath(design))
        return Design(packages.only.design, packages, packages.only.manifest, check)
    packages = _Compiled(design, decayc, precision, settings)
    first = packages(torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu")).type)
    return Design(first.design, packages, first.manifest, check)
