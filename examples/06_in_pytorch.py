"""A small model whose memory fades, first by a function of log decays, then by a compiled design.

Where flash-linear-attention and a GPU are, the function is its chunk_gla; elsewhere a recurrence in plain PyTorch.
"""
import sys
import time

import torch
import torch.nn.functional as F

import decay.torch

HEADS, WIDTH, VOCABULARY, LENGTH, STEPS = 2, 64, 32, 64, 30
device = "cuda" if torch.cuda.is_available() else "cpu"
torch.set_num_threads(1)  # a model as small as this is slower with more


def plain(q, k, v, g, scale):
    """What chunk_gla computes, a token at a time: o_t = s_tᵀ q_t, s_t = diag(exp(g_t)) s_{t-1} + k_t v_tᵀ."""
    state, rows = 0, []
    for t in range(q.shape[1]):
        state = g[:, t].exp()[..., None] * state + k[:, t, :, :, None] * v[:, t, :, None, :]
        rows.append(torch.einsum("bhkv,bhk->bhv", state, scale * q[:, t]))
    return torch.stack(rows, 1), state


try:
    from fla.ops.gla import chunk_gla
    function, name = (chunk_gla, "chunk_gla") if device == "cuda" else (plain, "plain PyTorch")
except ImportError:
    function, name = plain, "plain PyTorch"


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Embedding(VOCABULARY, HEADS * WIDTH)
        self.project = torch.nn.Linear(HEADS * WIDTH, 4 * HEADS * WIDTH)
        self.read = torch.nn.Linear(HEADS * WIDTH, VOCABULARY)
        self.delta = torch.nn.Parameter(torch.full((HEADS, WIDTH), 4.6))  # λ starts at 0.99

    def forward(self, tokens, attend):
        x = self.project(F.layer_norm(self.embed(tokens), [HEADS * WIDTH]))
        q, k, v, f = (part.view(*tokens.shape, HEADS, WIDTH) for part in x.chunk(4, -1))
        o = attend(q, k, v, f, self.delta)
        return self.read(F.layer_norm(o.flatten(2), [HEADS * WIDTH]))


def before(q, k, v, f, delta):
    """Activations and log decays are tensors of their own."""
    return function(F.silu(q), F.silu(k), v, F.logsigmoid(f + delta), scale=1.0)[0]


# Or a package that is compiled already: 06_in_pytorch.py out/simple_decay.so
design = decay.torch.load(sys.argv[1] if len(sys.argv) > 1 else "simple_decay")


def after(q, k, v, f, delta):
    """The design takes the raw slices of the projection: what it does to them happens inside of its kernels."""
    return design(q, k, v, f, {"delta": delta})


def train(attend):
    torch.manual_seed(0)
    model = Model().to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    half = torch.randint(VOCABULARY, (8, LENGTH // 2), device=device)
    tokens = torch.cat([half, half], 1)  # what was said once is said again
    losses, start = [], time.perf_counter()
    for _ in range(STEPS):
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            logits = model(tokens[:, :-1], attend)
        loss = F.cross_entropy(logits.float().flatten(0, 1), tokens[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, time.perf_counter() - start


print(f"{'on ' + device:<16}{'first loss':>12}{'last loss':>12}{'seconds':>10}")
runs = {name: train(before), "simple_decay": train(after)}
for title, (losses, seconds) in runs.items():
    print(f"{title:<16}{losses[0]:12.4f}{losses[-1]:12.4f}{seconds:10.2f}")

theirs, ours = (losses for losses, _ in runs.values())
worst = max(abs(a - b) for a, b in zip(theirs, ours))
print(f"the losses of both differ by at most {worst:.1e}")
assert ours[-1] < 0.8 * ours[0] and worst < (1e-3 if device == "cpu" else 5e-2), (ours, theirs)
