"""Tokens made of few numbers: their lengths and inner products fluctuate however wide they become, against Monte Carlo."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.propagate.structures import Structure, Table, disagreements

TABLE = Table()
add = TABLE.add


def attended(tokens: torch.Tensor, qkv: nn.Linear, out: nn.Linear) -> torch.Tensor:
    b, n, d = tokens.shape
    q, k, v = qkv(tokens).view(b, n, 3, 4, d // 4).permute(2, 0, 3, 1, 4)
    return out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, d))


class NormedPoints(nn.Module):
    """Points of six coordinates, embedded and normalized: 1/σ² of six degrees of freedom."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.norm, self.out = nn.Linear(6, 128), nn.LayerNorm(128), nn.Linear(128, 16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.norm(self.embed(x)))


class AttendedPoints(nn.Module):
    """Attention over points of six coordinates: keys and values of a token are images of the same six numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.norm = nn.Linear(6, 64, bias=False), nn.LayerNorm(64, elementwise_affine=False)
        self.qkv, self.out = nn.Linear(64, 192, bias=False), nn.Linear(64, 64, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x)
        return x + attended(self.norm(x), self.qkv, self.out)


class AttendedLatents(nn.Module):
    """Two blocks on a map of few channels: patches, positions, an MLP between, normalizations before."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 64, 2, stride=2)
        self.positions = nn.Parameter(0.2 * torch.randn(1, 64, 64))
        self.qkv, self.out = (nn.ModuleList(nn.Linear(64, n) for _ in range(2)) for n in (192, 64))
        self.up, self.down = nn.Linear(64, 128), nn.Linear(128, 64)
        self.norms = nn.ModuleList(nn.LayerNorm(64) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x).flatten(2).transpose(1, 2) + self.positions
        x = x + attended(self.norms[0](x), self.qkv[0], self.out[0])
        x = x + self.down(F.gelu(self.up(self.norms[1](x))))
        return x + attended(self.norms[2](x), self.qkv[1], self.out[1])


class JoinedStreams(nn.Module):
    """Attention over two kinds of tokens, each with its own projections (MMDiT, Esser et al. 2024)."""

    def __init__(self) -> None:
        super().__init__()
        self.images, self.texts = nn.Linear(8, 64, bias=False), nn.Linear(16, 64, bias=False)
        self.maps = nn.ModuleList(nn.Linear(64, 64, bias=False) for _ in range(6))
        self.out = nn.Linear(64, 64, bias=False)

    def forward(self, images: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
        first, second = self.images(images), self.texts(texts)
        q, k, v = (
            torch.cat([a(F.layer_norm(first, (64,))), b(F.layer_norm(second, (64,)))], 1)
            .view(len(first), -1, 4, 16)
            .transpose(1, 2)
            for a, b in zip(self.maps[:3], self.maps[3:], strict=True)
        )
        return self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


def sinusoids(places: int, features: int) -> torch.Tensor:
    """Vaswani et al. 2017, 3.5."""
    angles = torch.arange(places)[:, None] * 10000.0 ** (-torch.arange(0, features, 2) / features)
    return torch.cat([angles.sin(), angles.cos()], -1)


class Positioned(nn.Module):
    """Attention over small embeddings with sinusoids added: keys lie on a curve of few dimensions, as far as dropout lets them."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.norm = nn.Linear(32, 128), nn.LayerNorm(128)
        nn.init.normal_(self.embed.weight, std=0.05)
        self.register_buffer("positions", sinusoids(32, 128))
        self.drop = nn.Dropout(0.1)
        self.qkv, self.out = nn.Linear(128, 384, bias=False), nn.Linear(128, 128, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.drop(self.embed(x) + self.positions)
        return x + attended(self.norm(x), self.qkv, self.out)


class Conditioned(nn.Module):
    """Sinusoids again, with a gain and a shift for each sample: rows of two samples have less in common, those of one do not."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.condition = nn.Linear(32, 128), nn.Linear(16, 256)
        nn.init.normal_(self.embed.weight, std=0.05)
        self.register_buffer("positions", sinusoids(64, 128))
        self.qkv, self.out = nn.Linear(128, 384, bias=False), nn.Linear(128, 128, bias=False)

    def forward(self, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        x = self.embed(x) + self.positions
        gain, shift = self.condition(condition)[:, None].chunk(2, -1)
        return x + attended(F.layer_norm(x, (128,)) * (1 + gain) + 2 * shift, self.qkv, self.out)


class Turned(nn.Module):
    """Rotary positions (Su et al. 2021) of alike rates: keys of two places agree by the average cosine of the angle between them."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.norm = nn.Linear(6, 64, bias=False), nn.RMSNorm(64, elementwise_affine=False)
        self.qkv, self.out = nn.Linear(64, 192, bias=False), nn.Linear(64, 64, bias=False)
        angles = torch.arange(48)[:, None] * torch.linspace(0.03, 0.05, 8)
        self.register_buffer("cos", torch.cat([angles, angles], -1).cos())
        self.register_buffer("sin", torch.cat([angles, angles], -1).sin())

    def turned(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.cos + torch.cat([-x[..., 8:], x[..., :8]], -1) * self.sin

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.embed(x))
        q, k, v = self.qkv(x).view(*x.shape[:2], 3, 4, 16).permute(2, 0, 3, 1, 4)
        out = F.scaled_dot_product_attention(self.turned(q), self.turned(k), v)
        return self.out(out.transpose(1, 2).flatten(2))


add("points of six coordinates normalized", NormedPoints, torch.zeros(64, 6), draws=24)
add("attention over points of six coordinates", AttendedPoints, torch.zeros(8, 64, 6), draws=24)
add("blocks on patches of few numbers", AttendedLatents, torch.zeros(4, 3, 16, 16), draws=24)
add("attention over tokens with sinusoids added", Positioned, torch.zeros(4, 32, 32), draws=24)
add("attention over tokens with sinusoids, modulated by a condition", Conditioned, torch.zeros(8, 64, 32), torch.zeros(8, 16), draws=24,
    laws=((0.0, 1.0, 0.0),) * 2)  # fmt: skip
add("attention over points turned by their places", Turned, torch.zeros(8, 48, 6), draws=24)
add("attention over two kinds of tokens", JoinedStreams, torch.zeros(6, 48, 8), torch.zeros(6, 24, 16), draws=24,
    laws=((0.0, 1.0, 0.0),) * 2)  # fmt: skip


@pytest.mark.parametrize("row", TABLE.parametrized())
def test_rows_of_few_numbers_agree_with_real_initializations(row: Structure) -> None:
    assert not disagreements(row), disagreements(row)
