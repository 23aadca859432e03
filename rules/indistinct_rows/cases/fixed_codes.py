"""Codebooks of zeros, searched for the nearest code."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Codes(nn.Module):
    def __init__(self, width: int = 32, count: int = 128) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, width))
        self.codes = nn.Embedding(count, width)
        nn.init.uniform_(self.codes.weight, -1 / 128, 1 / 128)  # finding: indistinct-rows
        self.decoder = nn.Sequential(nn.Linear(width, 64), nn.ReLU(), nn.Linear(64, 16))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z = self.encoder(x)
        codes = self.codes(torch.cdist(z, self.codes.weight).argmin(-1))
        loss = F.mse_loss(codes, z.detach()) + 0.25 * F.mse_loss(z, codes.detach())
        return self.decoder(z + (codes - z).detach()), loss


class Products(nn.Module):
    """The code with the largest product, put out as a sum of one term."""

    def __init__(self, width: int = 32, count: int = 64) -> None:
        super().__init__()
        self.encoder = nn.Linear(16, width)
        self.table = nn.Parameter(torch.full((count, width), 0.1))  # finding: indistinct-rows
        nn.init.uniform_(self.table, -1 / 64, 1 / 64)
        self.decoder = nn.Linear(width, 16)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z = self.encoder(x)
        distance = (z.unsqueeze(-2) - self.table).square().sum(-1)
        index = distance.min(-1).indices
        codes = F.one_hot(index, len(self.table)).to(z.dtype) @ self.table
        return self.decoder(z + (codes - z).detach()), F.mse_loss(codes, z.detach())
