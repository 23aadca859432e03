"""Language model with linear attention (elu + 1 feature map, causal by cumulative sums)."""

import torch
import torch.nn as nn
import torch.nn.functional as F


def causal_linear_attention(q, k, v, eps=1e-6):
    # q, k: b h n d, v: b h n e
    q, k = F.elu(q) + 1, F.elu(k) + 1
    kv = torch.einsum("bhnd,bhne->bhnde", k, v).cumsum(dim=2)
    z = 1 / (torch.einsum("bhnd,bhnd->bhn", q, k.cumsum(dim=2)) + eps)
    return torch.einsum("bhnd,bhnde,bhn->bhne", q, kv, z)


class Layer(nn.Module):
    def __init__(self, dim, heads, mlp_ratio):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.to_qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.to_out = nn.Linear(dim, dim, bias=False)
        self.ff1, self.ff2 = nn.Linear(dim, mlp_ratio * dim), nn.Linear(mlp_ratio * dim, dim)

    def forward(self, x):
        b, n, d = x.shape
        q, k, v = self.to_qkv(self.norm1(x)).chunk(3, dim=-1)
        q, k, v = (t.view(b, n, self.heads, -1).transpose(1, 2) for t in (q, k, v))
        x = x + self.to_out(causal_linear_attention(q, k, v).transpose(1, 2).reshape(b, n, d))
        return x + self.ff2(F.gelu(self.ff1(self.norm2(x))))


class LinearTransformerLM(nn.Module):
    def __init__(self, num_tokens=512, dim=128, depth=4, heads=4, max_seq_len=128, mlp_ratio=4):
        super().__init__()
        self.tok = nn.Embedding(num_tokens, dim)
        self.pos = nn.Embedding(max_seq_len, dim)
        self.layers = nn.ModuleList([Layer(dim, heads, mlp_ratio) for _ in range(depth)])
        self.norm = nn.LayerNorm(dim)
        self.out = nn.Linear(dim, num_tokens)

    def forward(self, ids):
        x = self.tok(ids) + self.pos(torch.arange(ids.shape[1], device=ids.device))
        for layer in self.layers:
            x = layer(x)
        return self.out(self.norm(x))
