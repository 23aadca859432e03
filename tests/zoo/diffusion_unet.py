"""Noise prediction network for diffusion models: U-Net with time embedding, group norm and zero-initialized output convolutions."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F


def zero_module(module):
    """Zero out the parameters of a module and return it."""
    for p in module.parameters():
        p.detach().zero_()
    return module


class SinusoidalPosEmb(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, t):
        half_dim = self.dim // 2
        emb = math.log(10000) / (half_dim - 1)
        emb = torch.exp(torch.arange(half_dim, device=t.device) * -emb)
        emb = t[:, None].float() * emb[None, :]
        return torch.cat((emb.sin(), emb.cos()), dim=-1)


class ResBlock(nn.Module):
    def __init__(self, ch_in, ch_out, emb_dim, groups=8):
        super().__init__()
        self.in_layers = nn.Sequential(nn.GroupNorm(groups, ch_in), nn.SiLU(), nn.Conv2d(ch_in, ch_out, 3, padding=1))
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(emb_dim, 2 * ch_out))
        self.out_norm = nn.GroupNorm(groups, ch_out)
        self.out_layers = nn.Sequential(nn.SiLU(), nn.Dropout(0.1), zero_module(nn.Conv2d(ch_out, ch_out, 3, padding=1)))
        self.skip = nn.Identity() if ch_in == ch_out else nn.Conv2d(ch_in, ch_out, 1)

    def forward(self, x, emb):
        h = self.in_layers(x)
        scale, shift = self.emb_layers(emb)[:, :, None, None].chunk(2, dim=1)
        h = self.out_norm(h) * (1 + scale) + shift
        return self.skip(x) + self.out_layers(h)


class AttentionBlock(nn.Module):
    def __init__(self, channels, num_heads=4):
        super().__init__()
        self.num_heads = num_heads
        self.norm = nn.GroupNorm(8, channels)
        self.qkv = nn.Conv1d(channels, channels * 3, 1)
        self.proj_out = zero_module(nn.Conv1d(channels, channels, 1))

    def forward(self, x):
        b, c, h, w = x.shape
        y = x.reshape(b, c, h * w)
        qkv = self.qkv(self.norm(y)).reshape(b * self.num_heads, -1, h * w)
        q, k, v = qkv.chunk(3, dim=1)
        scale = 1 / math.sqrt(math.sqrt(c // self.num_heads))
        weight = torch.softmax(torch.einsum("bct,bcs->bts", q * scale, k * scale), dim=-1)
        a = torch.einsum("bts,bcs->bct", weight, v).reshape(b, c, h * w)
        return (y + self.proj_out(a)).reshape(b, c, h, w)


class Unet(nn.Module):
    def __init__(self, in_channels=3, model_channels=64, channel_mult=(1, 2, 2), attention_at=(2,)):
        super().__init__()
        ch = model_channels
        emb_dim = ch * 4
        self.time_mlp = nn.Sequential(SinusoidalPosEmb(ch), nn.Linear(ch, emb_dim), nn.SiLU(), nn.Linear(emb_dim, emb_dim))
        self.stem = nn.Conv2d(in_channels, ch, 3, padding=1)
        self.downs, self.ups = nn.ModuleList(), nn.ModuleList()
        dims = [ch] + [ch * m for m in channel_mult]
        for i, (a, b) in enumerate(zip(dims[:-1], dims[1:])):
            last = i == len(channel_mult) - 1
            self.downs.append(
                nn.ModuleList(
                    [
                        ResBlock(a, b, emb_dim),
                        AttentionBlock(b) if i in attention_at else nn.Identity(),
                        nn.Identity() if last else nn.Conv2d(b, b, 3, stride=2, padding=1),
                    ]
                )
            )
        self.mid1 = ResBlock(dims[-1], dims[-1], emb_dim)
        self.mid_attn = AttentionBlock(dims[-1])
        self.mid2 = ResBlock(dims[-1], dims[-1], emb_dim)
        for i, (a, b) in reversed(list(enumerate(zip(dims[:-1], dims[1:])))):
            self.ups.append(
                nn.ModuleList(
                    [
                        ResBlock(2 * b, a, emb_dim),
                        AttentionBlock(a) if i in attention_at else nn.Identity(),
                        nn.Identity() if i == 0 else nn.Conv2d(a, a, 3, padding=1),
                    ]
                )
            )
        self.out = nn.Sequential(nn.GroupNorm(8, ch), nn.SiLU(), zero_module(nn.Conv2d(ch, in_channels, 3, padding=1)))

    def forward(self, x, t):
        emb = self.time_mlp(t)
        h = self.stem(x)
        skips = []
        for block, attn, down in self.downs:
            h = attn(block(h, emb))
            skips.append(h)
            h = down(h)
        h = self.mid2(self.mid_attn(self.mid1(h, emb)), emb)
        for block, attn, conv in self.ups:
            skip = skips.pop()
            if h.shape[-1] != skip.shape[-1]:
                h = F.interpolate(h, scale_factor=2, mode="nearest")
            h = conv(attn(block(torch.cat([h, skip], dim=1), emb)))
        return self.out(h)
