"""Six affine couplings whose scales are exponentials of what a whole He start makes: each enlarges what the next one reads."""

import torch
from torch import Tensor, nn


class Coupling(nn.Module):
    def __init__(self, half: int, width: int, swapped: bool) -> None:
        super().__init__()
        self.swapped = swapped
        self.inner = nn.Sequential(nn.Linear(half, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.scales = nn.Linear(width, half)
        self.shifts = nn.Linear(width, half)
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")  # finding: overflowing-exponential
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        kept, changed = x.chunk(2, dim=-1)
        if self.swapped:
            kept, changed = changed, kept
        hidden = self.inner(kept)
        log_scale = self.scales(hidden)
        changed = changed * torch.exp(log_scale) + self.shifts(hidden)
        parts = (changed, kept) if self.swapped else (kept, changed)
        return torch.cat(parts, dim=-1), log_scale.sum(dim=-1)


class Flow(nn.Module):
    def __init__(self, size: int = 12, width: int = 64, depth: int = 6) -> None:
        super().__init__()
        self.couplings = nn.ModuleList([Coupling(size // 2, width, n % 2 == 1) for n in range(depth)])

    def forward(self, x: Tensor) -> Tensor:
        volume = x.new_zeros(x.shape[0])
        for coupling in self.couplings:
            x, part = coupling(x)
            volume = volume + part
        return volume - x.pow(2).sum(dim=-1) / 2
