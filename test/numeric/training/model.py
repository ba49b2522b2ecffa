"""The Decay Linear Transformer in plain PyTorch, written from its formulas alone: no code of Decay, no kernel, one token at a time.

`losses` is a function of a dictionary of weights, under the names that a checkpoint has, so that PyTorch's autograd gives the
gradient of each of them in the type that the weights have.
"""
import torch
import torch.nn.functional as F

EPSILON = 1e-5


def rms_norm(x, weight):
    """Epsilon stands inside the sum of the squares."""
    return x.shape[-1] ** 0.5 * x / torch.sqrt((x * x).sum(-1, keepdim=True) + EPSILON) * weight


def recurrence(q, k, v, decay):
    """s = λ s + k vᵀ, o = sᵀ q over the tokens of [B, T, H, K or V]; decay [B, T, H, K or 1]."""
    B, _, H, K = q.shape
    state, outputs = q.new_zeros(B, H, K, v.shape[-1]), []
    for query, key, value, keep in zip(*(tensor.unbind(1) for tensor in (q, k, v, decay))):
        state = keep[..., None] * state + key[..., None] * value[..., None, :]
        outputs.append((state * query[..., None]).sum(-2))
    return torch.stack(outputs, 1)


def simple_decay(f, learned, layer, layers):
    return torch.sigmoid(f + learned["delta"])


def mamba2(f, learned, layer, layers):
    return torch.exp(-torch.exp(learned["a"]) * F.softplus(f + learned["delta"]))


def hgrn2(f, learned, layer, layers):
    share = torch.softmax(learned["theta"], 0)
    bound = share.cumsum(0)[layer] - share[0]
    return bound + (1 - bound) * torch.sigmoid(f)


def gla(f, learned, layer, layers):
    return torch.sigmoid(f / 16)


def lightnet(f, learned, layer, layers):
    sums = torch.logcumsumexp(torch.cat([torch.zeros_like(f[:, :1]), f], 1), 1)
    return torch.exp(sums[:, :-1] - sums[:, 1:])


def tnl(f, learned, layer, layers):
    heads = f.shape[2]
    slope = 2.0 ** -torch.linspace(1, 8, heads, dtype=f.dtype, device=f.device)
    keep = torch.exp(-slope * (1 - layer / max(layers - 1, 1) + 1e-5))
    return keep[None, None, :, None].expand(f.shape)


DESIGNS = {function.__name__: function for function in (simple_decay, mamba2, hgrn2, gla, lightnet, tnl)}
CONSTANT = {"tnl"}
# 1 - λ without the rounding of λ, of which float32 leaves few digits where λ is near 1.
COMPLEMENTS = {"simple_decay": lambda f, learned: torch.sigmoid(-f - learned["delta"])}


def mixer(x, weights, design, heads, layer, layers):
    B, T, width = x.shape

    def project(name):
        """One matrix, or two with nothing between."""
        if f"{name}.weight" in weights:
            return x @ weights[f"{name}.weight"].T
        return x @ weights[f"{name}.0.weight"].T @ weights[f"{name}.1.weight"].T

    def split(tensor):
        return tensor.reshape(B, T, heads, -1)

    q, v = F.silu(split(project("q"))), split(project("v"))
    key = split(project("k"))
    has_f = any(name.startswith("f.") for name in weights)
    shared = not has_f and design not in CONSTANT  # then the key projection says the decay, and k = 1 - λ
    f = split(project("f")) if has_f else key if shared else x.new_zeros(B, T, heads, 1)
    # Numbers of a head stand in the last axis, which vector decay has and scalar decay lacks.
    learned = {name: value if value.shape[-1] == f.shape[-1] else value[..., None]
               for name, value in weights.items() if "." not in name}
    decay = DESIGNS[design](f, learned, layer, layers)
    k = COMPLEMENTS[design](f, learned) if shared else F.silu(key)
    o = recurrence(q, k, v, decay).reshape(B, T, width)
    return rms_norm(o * torch.sigmoid(project("gate")), weights["norm.weight"]) @ weights["output.weight"].T


def glu(x, weights):
    return (F.silu(x @ weights["w1.weight"].T) * (x @ weights["w2.weight"].T)) @ weights["w3.weight"].T


def below(weights, prefix):
    return {name[len(prefix):]: value for name, value in weights.items() if name.startswith(prefix)}


def losses(weights, tokens, targets, design, heads):
    """-log softmax(logits)[target] of each token, [B, T]; padded classes take part in the softmax."""
    layers = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("layers."))
    x = weights["embedding.weight"][tokens]
    for layer in range(layers):
        own = below(weights, f"layers.{layer}.")
        mixing = below(own, "mixer.") | below(weights, "decay.")
        x = x + mixer(rms_norm(x, own["mixer_norm.weight"]), mixing, design, heads, layer, layers)
        x = x + glu(rms_norm(x, own["glu_norm.weight"]), below(own, "glu."))
    logits = rms_norm(x, weights["norm.weight"]) @ weights["head.weight"].T
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").reshape(targets.shape)
