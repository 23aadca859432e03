"""Codes that are drawn, and codes that are taken from the data before training."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Drawn(nn.Module):
    def __init__(self, width: int = 32, count: int = 128) -> None:
        super().__init__()
        self.encoder = nn.Linear(16, width)
        self.codes = nn.Embedding(count, width)
        nn.init.uniform_(self.codes.weight, -1 / count, 1 / count)
        self.decoder = nn.Linear(width, 16)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z = self.encoder(x)
        codes = self.codes(torch.cdist(z, self.codes.weight).argmin(-1))
        return self.decoder(z + (codes - z).detach()), F.mse_loss(codes, z.detach())


class Taken(nn.Module):
    def __init__(self, width: int = 32, count: int = 128) -> None:
        super().__init__()
        self.encoder = nn.Linear(16, width)
        self.codes = nn.Parameter(torch.zeros(count, width))
        self.decoder = nn.Linear(width, 16)

    @torch.no_grad()
    def take(self, x: Tensor) -> None:
        self.codes.copy_(self.encoder(x)[: len(self.codes)])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z = self.encoder(x)
        codes = F.embedding(torch.cdist(z, self.codes).argmin(-1), self.codes)
        return self.decoder(z + (codes - z).detach()), F.mse_loss(codes, z.detach())


class Routed(nn.Module):
    """A router at zero: what it picks is not one of its own rows, and the first step tells them apart."""

    def __init__(self, width: int = 32, count: int = 4) -> None:
        super().__init__()
        self.router = nn.Linear(width, count, bias=False)
        nn.init.zeros_(self.router.weight)
        self.experts = nn.ModuleList([nn.Linear(width, width) for _ in range(count)])
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        weights, index = self.router(x).softmax(-1).topk(2, -1)
        gates = torch.zeros(len(x), len(self.experts), device=x.device).scatter(-1, index, weights)
        return self.head(sum(gates[:, i, None] * expert(x) for i, expert in enumerate(self.experts)))
