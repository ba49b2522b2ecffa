"""Decays at the ends of what float32 holds, as inputs: for `lambda_times.decay`, whose λ is f times s, and for gates."""
import torch

LENGTH, HEADS = 3 * 64 + 5, 1
CHUNK = 64
NEAR_ONE = 1 - 2.0**-24
PACKED = [0, 1, 70, LENGTH]


def constant(f):
    return lambda token, lane: torch.full_like(token, f) + 0 * lane


def at_each_position(spike, other):
    return lambda token, lane: torch.where(token % CHUNK == lane % CHUNK, spike, other)


# f in bf16 (what it cannot hold is left to s, which is fp32), and s: λ = f s.
PATTERNS = {
    "λ 0": (constant(0.0), 1.0),
    "λ 1": (constant(1.0), 1.0),
    "λ 1 - 2^-24": (constant(1.0), NEAR_ONE),
    "λ 1e-3": (constant(1.0), 1e-3),
    "λ 1e-30": (constant(1.0), 1e-30),
    "λ 1e-38": (constant(1.0), 1e-38),
    "λ subnormal": (constant(2.0**-60), 2.0**-80),
    "λ least subnormal": (constant(2.0**-100), 2.0**-49),
    "λ 0 and 1 in turn": (lambda token, lane: (token + lane) % 2, 1.0),
    "λ 0 at each position, then near 1": (at_each_position(0.0, 1.0), NEAR_ONE),
    "λ 1e-30 at each position, then near 1": (at_each_position(1e-30, 1.0), NEAR_ONE),
    "λ 1e-38 at each position, then 1": (at_each_position(1e-38, 1.0), 1.0),
    "λ subnormal at each position, then 0.999": (at_each_position(2.0**-130, 1.0), 0.999),
    "λ 1e-20 twice in a row, then near 1": (
        lambda token, lane: torch.where((token + lane) % CHUNK < 2, 1e-20, 1.0), NEAR_ONE),
}
GATES = [20.0, 200.0, 1e4, 1e30]


def set_decay(tensors, pattern, s):
    f = tensors["f"]
    shape = list(f.shape)
    token = torch.arange(shape[1], dtype=torch.float64).view(1, -1, *[1] * (len(shape) - 2))
    # Where λ is per head, the head is the lane.
    lane = torch.arange(shape[-1], dtype=torch.float64).view(*[1] * (len(shape) - 1), -1)
    tensors["f"] = pattern(token, lane).expand(shape).to(f.dtype).to(f.device).contiguous()
    tensors["s"] = torch.full_like(tensors["s"], s)


OUTSIDE = [1.5, 1 + 2.0**-7, -0.25, float("nan")]
OUTSIDE_TOKEN, OUTSIDE_LANE = 77, 13


def set_outside(tensors, number):
    """One λ out of its range; where it is, in a fault's words."""
    set_decay(tensors, constant(0.5), 1.0)
    f = tensors["f"]
    lane = OUTSIDE_LANE if f.dim() == 4 else 0
    f.view(f.shape[1], -1)[OUTSIDE_TOKEN, lane] = number
    return f"token {OUTSIDE_TOKEN}, head 0, channel {lane}"


def set_gate(tensors, size, signs):
    f = tensors["f"]
    turn = torch.arange(f.numel(), dtype=torch.float64).view(f.shape) % 3
    sign = {"+": 1.0, "-": -1.0}.get(signs) or torch.where(turn == 0, -1.0, 1.0)
    tensors["f"] = (size * sign * torch.ones(f.shape, dtype=torch.float64)).to(f.dtype).to(f.device)


def patterns_of(manifest, D):
    """(name, cu_seqlens, what changes the tensors of a call) for a design of this manifest."""
    if manifest["design"] == "lambda_times":
        for name, (pattern, s) in PATTERNS.items():
            for offsets in (None, PACKED):
                yield (name + (", packed" if offsets else ""), offsets,
                       lambda tensors, pattern=pattern, s=s: set_decay(tensors, pattern, s))
    elif any(projection["name"] == "f" for projection in manifest["projections"]):
        for size in GATES:
            for signs in "+-±":
                yield f"f {signs}{size:g}", None, lambda tensors, size=size, signs=signs: set_gate(tensors, size, signs)
