"""Designs of the library as float64 recurrences in plain PyTorch: what autograd through the definition gives."""
import math

import torch
import torch.nn.functional as F


def log_decay_simple(f, params, layer):
    return F.logsigmoid(f + params["delta"])


def log_decay_mamba2(f, params, layer):
    return -torch.exp(params["a"]) * F.softplus(f + params["delta"])


def log_decay_hgrn2(f, params, layer):
    bounds = torch.cumsum(torch.softmax(params["theta"], 0), 0)
    bound = (bounds - bounds[:1])[layer]
    return torch.log(bound + (1 - bound) * torch.sigmoid(f))


def rope(x, positions):
    half = x.shape[-1] // 2
    angles = positions[:, None, None] * 10000.0 ** (-torch.arange(half, dtype=x.dtype) / half)
    first, second = x[..., :half], x[..., half:]
    return torch.cat([first * angles.cos() - second * angles.sin(), first * angles.sin() + second * angles.cos()], -1)


def one_sequence(q, k, v, log_decay, state):
    """o [T, H, V] and the last state of s_t = diag(λ_t) s_{t-1} + k_t v_tᵀ, o_t = s_tᵀ q_t; all [T, H, ...]."""
    rows = []
    for t in range(q.shape[0]):
        decay = log_decay[t].exp()
        decay = decay[..., None] if decay.dim() == 2 else decay[:, None, None]
        state = decay * state + k[t][:, :, None] * v[t][:, None, :]
        rows.append(torch.einsum("hkv,hk->hv", state, q[t]))
    return torch.stack(rows), state


def recurrence(log_decay, q, k, v, f, params, initial, offsets=None, layer=0, rotate=False, position=0):
    """The design on float64 tensors [B, T, H, D]: o, and the final state, a dictionary as `initial` is one.

    `log_decay` is one of the functions above, or "lightnet", whose running logarithm goes on in initial["z"].
    """
    B, T, H, _ = q.shape
    offsets = offsets or [0, T]
    outputs, finals = [], {name: [] for name in initial}
    for number, (begin, end) in enumerate((first, last) for _ in range(B) for first, last in zip(offsets, offsets[1:])):
        b = number // (len(offsets) - 1)
        own = lambda tensor: tensor[b, begin:end]
        g = own(f)
        if log_decay == "lightnet":
            z = [initial["z"][number]]
            for t in range(end - begin):
                z.append(torch.logaddexp(z[-1], g[t]))
            g = torch.stack([before - after for before, after in zip(z, z[1:])])
            finals["z"].append(z[-1])
        else:
            g = log_decay(g, params, layer)
        active = [F.silu(own(q)), F.silu(own(k))]
        if rotate:
            active = [rope(x, torch.arange(position, position + end - begin, dtype=q.dtype)) for x in active]
        o, state = one_sequence(*active, own(v), g, initial["state"][number])
        outputs.append(o)
        finals["state"].append(state)
    return torch.cat(outputs).view(B, T, H, -1), {name: torch.stack(tensors) for name, tensors in finals.items()}


def relative_rms(found, expected):
    found = found.detach().double()
    assert found.shape == expected.shape, (found.shape, expected.shape)
    scale = expected.detach().pow(2).mean().sqrt().item()
    error = (found - expected.detach()).pow(2).mean().sqrt().item()
    return math.inf if math.isnan(error) else error / max(scale, 1e-30)
