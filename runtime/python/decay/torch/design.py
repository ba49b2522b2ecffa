"""A design as a differentiable function: packages chosen by the tensors' device, gradients by the packages."""
import functools
import os
import sys

import torch
from torch.autograd.function import once_differentiable

from decay.compiler import compile_design
from decay.torch.launches import TorchPackage, dims_of


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
    def forward(ctx, package, sizes, checked, names, outputs, kept, cu_seqlens, *tensors):
        dims = dims_of(**sizes, cu_seqlens=cu_seqlens)
        made = package.empty("forward", dims, tensors[0].device, (*outputs, *kept))
        package.run("forward", {**dict(zip(names, tensors)), **made}, dims, checked)
        ctx.package, ctx.sizes, ctx.checked, ctx.names, ctx.outputs = package, sizes, checked, (*names, *kept), outputs
        ctx.save_for_backward(cu_seqlens, *tensors, *(made[name] for name in kept))
        ctx.set_materialize_grads(False)
        return tuple(made[name] for name in outputs)

    @staticmethod
    @once_differentiable
    def backward(ctx, *gradients):
        cu_seqlens, *tensors = ctx.saved_tensors
        package, dims = ctx.package, dims_of(**ctx.sizes, cu_seqlens=cu_seqlens)
        given = dict(zip(ctx.names, tensors))
        for name, gradient in zip(ctx.outputs, gradients):
            if gradient is not None:
                given["d_" + name] = package.readable("backward", "d_" + name, gradient, dims)
        if "d_o" not in given:  # a loss of the final state alone
            given["d_o"] = torch.zeros_like(package.empty("forward", dims, tensors[0].device, ("o",))["o"])
        inputs = ctx.names[:len(ctx.needs_input_grad) - 7]
        needed = ctx.needs_input_grad[7:]
        made = package.empty("backward", dims, tensors[0].device,
                             ["d_" + name for name, wanted in zip(inputs, needed) if wanted])
        package.run("backward", {**given, **made}, dims, ctx.checked)
        return (None,) * 7 + tuple(made.get("d_" + name) for name in inputs)


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
        given, params = self._projections(tensors, params)
        return self._run(given, params, initial_state, cu_seqlens, layer, layers, position, output_final_state)

    @_outside_of_graphs
    def step(self, *tensors, params=None, state=None, layer=0, layers=None, position=0):
        """(o, state) after one token: tensors are [B, 1, H, K or V]. Without gradients."""
        given, params = self._projections(tensors, params)
        operands, sizes, package = self._operands(given, params, state, None, layer, layers, position)
        dims = dims_of(**sizes)
        made = package.empty("step", dims, given["q"].device, self._outputs(True))
        package.run("step", {**{name: tensor.detach() for name, tensor in operands.items()}, **made}, dims, self.checked)
        return made["o"], self._state_of(made)

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

    def _projections(self, tensors, params):
        if len(tensors) == len(self.projections) + 1 and params is None:
            tensors, params = tensors[:-1], tensors[-1]
        if len(tensors) != len(self.projections):
            raise TypeError(f"{self.name} takes {', '.join(self.projections)} and params, but {len(tensors)} tensors are "
                            "given")
        for name, tensor in zip(self.projections, tensors):
            if not isinstance(tensor, torch.Tensor):
                raise TypeError(f"{self.name}: '{name}' is a {type(tensor).__name__}, expected a tensor")
        params = dict(params or {})
        if sorted(params) != sorted(self.parameters):
            raise ValueError(f"{self.name} has the parameters {self.parameters}, but params holds {sorted(params)}")
        return dict(zip(self.projections, tensors)), params

    def _operands(self, given, params, state, cu_seqlens, layer, layers, position):
        """All operands that are read, by name, the sizes of the call, and the package."""
        for name in ("q", "v"):
            if given[name].dim() != 4:
                axes = "B T H K" if name == "q" else "B T H V"
                raise ValueError(f"{self.name}: '{name}' has the shape {list(given[name].shape)}, expected [{axes}]")
        package = self.package(given["q"].device)
        B, T, H, K = given["q"].shape
        sizes = {"B": B, "T": T, "H": H, "K": K, "V": given["v"].shape[3], "layer": layer, "position": position,
                 "layers": self._layers(params, layers)}
        if cu_seqlens is not None and (not isinstance(cu_seqlens, torch.Tensor) or cu_seqlens.dtype != torch.int64 or
                                       cu_seqlens.dim() != 1 or not cu_seqlens.is_contiguous()):
            raise TypeError(f"{self.name}: cu_seqlens must be a dense int64 tensor [N + 1], from 0 to T")
        if cu_seqlens is not None and cu_seqlens.device != given["q"].device:
            raise ValueError(f"{self.name}: 'cu_seqlens' lies on {cu_seqlens.device}, expected {given['q'].device}, where "
                             "the other tensors are")
        return {**given, **params, **self._initial(state)}, sizes, package

    def _layers(self, params, layers):
        for parameter in self.manifest["parameters"]:
            axes = parameter["shape"].split()
            tensor = params[parameter["name"]]
            if "L" in axes and isinstance(tensor, torch.Tensor) and tensor.dim() == len(axes):
                spanned = tensor.shape[axes.index("L")]
                if layers not in (None, spanned):
                    raise ValueError(f"{self.name}: layers is {layers}, but '{parameter['name']}' spans {spanned}")
                return spanned
        return 1 if layers is None else layers

    def _initial(self, state):
        if state is None:
            return {}
        if not isinstance(state, dict):
            if self.carries:
                raise TypeError(f"{self.name}: the state is a dictionary of 'state' and {self.carries}")
            state = {"state": state}
        if sorted(state) != sorted(["state", *self.carries]):
            raise ValueError(f"{self.name}: the state holds {sorted(state)}, expected {['state', *self.carries]}")
        return {"initial_" + name: tensor for name, tensor in state.items()}

    def _outputs(self, with_state):
        return ["o"] + ["final_" + name for name in ["state", *self.carries] if with_state]

    def _state_of(self, made):
        if not self.carries:
            return made["final_state"]
        return {name: made["final_" + name] for name in ["state", *self.carries]}

    def _run(self, given, params, initial_state, cu_seqlens, layer, layers, position, output_final_state):
        operands, sizes, package = self._operands(given, params, initial_state, cu_seqlens, layer, layers, position)
        outputs = self._outputs(output_final_state)
        learns = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in operands.values())
        made = _Recurrence.apply(package, sizes, self.checked, tuple(operands), outputs,
                                 package.kept() if learns else (), cu_seqlens, *operands.values())
        return (made[0], self._state_of(dict(zip(outputs, made)))) if output_final_state else made[0]


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
