"""Latents, registers and queries at zero that every layer treats alike."""

import torch
from torch import Tensor, nn


class Read(nn.Module):
    """Attention of latents over an input, by hand."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.pair = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.ff = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, z: Tensor, x: Tensor) -> Tensor:
        k, v = self.pair(x).chunk(2, -1)
        q, k, v = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in (self.query(self.norm(z)), k, v))
        weights = (q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(-1)
        z = z + self.out((weights @ v).transpose(1, 2).flatten(2))
        return z + self.ff(z)


class Latents(nn.Module):
    def __init__(self, width: int = 64, count: int = 8) -> None:
        super().__init__()
        self.enter = nn.Linear(16, width)
        self.latents = nn.Embedding(count, width)
        nn.init.zeros_(self.latents.weight)  # finding: indistinct-rows
        self.reads = nn.ModuleList([Read(width, 4) for _ in range(2)])
        self.mix = Read(width, 4)
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        z = self.latents.weight[None].repeat(len(x), 1, 1)
        for read in self.reads:
            z = self.mix(read(z, x), z)
        return self.head(z.mean(1))


class Registers(nn.Module):
    """Tokens behind those of the input, with no positions, and dropped at the end."""

    def __init__(self, width: int = 64, count: int = 4) -> None:
        super().__init__()
        self.enter = nn.Linear(16, width)
        self.positions = nn.Parameter(torch.randn(1, 20, width) * 0.02)
        self.first = nn.Parameter(torch.zeros(1, 1, width))
        self.registers = nn.Parameter(torch.zeros(1, count, width))  # finding: indistinct-rows
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, dropout=0.0, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x) + self.positions[:, : x.shape[1]]
        x = torch.cat([self.first.expand(len(x), -1, -1), x, self.registers.expand(len(x), -1, -1)], 1)
        return self.head(self.encoder(x)[:, 0])


class Queries(nn.Module):
    """One random row for all of them."""

    def __init__(self, width: int = 64, count: int = 6) -> None:
        super().__init__()
        self.enter = nn.Linear(16, width)
        self.queries = nn.Parameter(torch.randn(1, width).repeat(count, 1))  # finding: indistinct-rows
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        weights = torch.einsum("qd,btd->bqt", self.queries, x).softmax(-1)
        return self.head(torch.einsum("bqt,btd->bqd", weights, x).sum(1))
