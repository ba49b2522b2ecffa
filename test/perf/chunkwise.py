"""Vector decay in plain PyTorch, chunk by chunk: what a careful user writes without a kernel of his own.

All chunks and heads at once for what happens inside a chunk; one short loop over chunks (not tokens) carries the state.
"""
import torch
import torch.nn.functional as F

CHUNK = 64


def chunkwise(q, k, v, log_lambda):
    """o of s_t = diag(lambda_t) s_{t-1} + k_t v_t^T, o_t = s_t^T q_t. All [B, T, H, D]; T a multiple of CHUNK."""
    B, T, H, K = q.shape
    split = lambda x: x.view(B, T // CHUNK, CHUNK, H, -1).transpose(2, 3)  # [B, n, H, C, D]
    q, k, v, g = split(q), split(k), split(v), split(log_lambda)
    b = g.cumsum(-2)
    end = b[..., -1:, :]
    q_scaled = q * b.exp()
    inner = (q_scaled @ (k * (-b).exp()).transpose(-1, -2)).tril() @ v
    update = (k * (end - b).exp()).transpose(-1, -2) @ v  # [B, n, H, K, V]
    decay = end.exp().transpose(-1, -2)
    state, states = torch.zeros_like(update[:, 0]), []
    for n in range(T // CHUNK):
        states.append(state)
        state = decay[:, n] * state + update[:, n]
    o = inner + q_scaled @ torch.stack(states, 1)
    return o.transpose(2, 3).reshape(B, T, H, -1)


def simple_decay(q, k, v, f, delta):
    """The design simple_decay on raw projections: q and k through silu, lambda = sigmoid(f + delta)."""
    return chunkwise(F.silu(q), F.silu(k), v, F.logsigmoid(f + delta))


def recurrence(q, k, v, decay):
    """o, token by token, of decays that are ready [B, T, H, K]: the meaning that all sides are held to."""
    B, T, H, K = q.shape
    state, rows = q.new_zeros(B, H, K, v.shape[-1]), []
    for t in range(T):
        state = decay[:, t, :, :, None] * state + k[:, t, :, :, None] * v[:, t, :, None, :]
        rows.append(torch.einsum("bhkv,bhk->bhv", state, q[:, t]))
    return torch.stack(rows, 1)


def recurrent(q, k, v, f, delta):
    """simple_decay, token by token."""
    return recurrence(F.silu(q), F.silu(k), v, torch.sigmoid(f + delta))
