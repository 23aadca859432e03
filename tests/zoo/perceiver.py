"""Perceiver-style classifier: a few latents attend to many inputs, then to each other."""

import torch
from torch import einsum, nn


class PreNorm(nn.Module):
    def __init__(self, dim, fn, context_dim=None):
        super().__init__()
        self.fn = fn
        self.norm = nn.LayerNorm(dim)
        self.norm_context = nn.LayerNorm(context_dim) if context_dim is not None else None

    def forward(self, x, context=None):
        x = self.norm(x)
        if self.norm_context is not None:
            return self.fn(x, self.norm_context(context))
        return self.fn(x)


class GEGLU(nn.Module):
    def forward(self, x):
        x, gates = x.chunk(2, dim=-1)
        return x * nn.functional.gelu(gates)


class FeedForward(nn.Module):
    def __init__(self, dim, mult=4):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(dim, dim * mult * 2), GEGLU(), nn.Linear(dim * mult, dim))

    def forward(self, x):
        return self.net(x)


class Attention(nn.Module):
    def __init__(self, query_dim, context_dim=None, heads=8, dim_head=64):
        super().__init__()
        inner_dim = dim_head * heads
        context_dim = query_dim if context_dim is None else context_dim
        self.scale = dim_head**-0.5
        self.heads = heads
        self.to_q = nn.Linear(query_dim, inner_dim, bias=False)
        self.to_kv = nn.Linear(context_dim, inner_dim * 2, bias=False)
        self.to_out = nn.Linear(inner_dim, query_dim)

    def forward(self, x, context=None):
        context = x if context is None else context
        b, h = x.shape[0], self.heads
        q = self.to_q(x)
        k, v = self.to_kv(context).chunk(2, dim=-1)
        q, k, v = (t.reshape(b, t.shape[1], h, -1).permute(0, 2, 1, 3) for t in (q, k, v))
        sim = einsum("b h i d, b h j d -> b h i j", q, k) * self.scale
        attn = sim.softmax(dim=-1)
        out = einsum("b h i j, b h j d -> b h i d", attn, v)
        return self.to_out(out.permute(0, 2, 1, 3).reshape(b, -1, h * v.shape[-1]))


class Perceiver(nn.Module):
    def __init__(
        self,
        input_dim=32,
        depth=4,
        num_latents=32,
        latent_dim=128,
        cross_heads=1,
        latent_heads=4,
        dim_head=32,
        num_classes=10,
        self_per_cross=2,
    ):
        super().__init__()
        self.latents = nn.Parameter(torch.randn(num_latents, latent_dim))
        self.layers = nn.ModuleList()
        for _ in range(depth):
            selfs = nn.ModuleList()
            for _ in range(self_per_cross):
                selfs.append(
                    nn.ModuleList(
                        [
                            PreNorm(latent_dim, Attention(latent_dim, heads=latent_heads, dim_head=dim_head)),
                            PreNorm(latent_dim, FeedForward(latent_dim)),
                        ]
                    )
                )
            self.layers.append(
                nn.ModuleList(
                    [
                        PreNorm(latent_dim, Attention(latent_dim, input_dim, cross_heads, dim_head), context_dim=input_dim),
                        PreNorm(latent_dim, FeedForward(latent_dim)),
                        selfs,
                    ]
                )
            )
        self.to_logits = nn.Sequential(nn.LayerNorm(latent_dim), nn.Linear(latent_dim, num_classes))

    def forward(self, data):
        # data: (batch, length, input_dim)
        x = self.latents.expand(data.shape[0], -1, -1)
        for cross_attn, cross_ff, selfs in self.layers:
            x = cross_attn(x, context=data) + x
            x = cross_ff(x) + x
            for self_attn, self_ff in selfs:
                x = self_attn(x) + x
                x = self_ff(x) + x
        return self.to_logits(x.mean(dim=1))
