"""Decay designs as differentiable functions of PyTorch's tensors.

    import decay.torch
    attend = decay.torch.load("simple_decay")       # or "mine.decay", or a package: "out/simple_decay.so"
    params = attend.init_parameters(H=16, K=128, device="cuda")
    o = attend(q, k, v, f, params)
    o, state = attend(q, k, v, f, params, initial_state=state, output_final_state=True)
"""
from decay.torch.design import Design, load
from decay.torch.launches import TorchPackage, dims_of
from decay.torch.module import DecayMixer

__all__ = ["DecayMixer", "Design", "TorchPackage", "dims_of", "load"]
