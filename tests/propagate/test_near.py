"""What neighbouring pixels have in common, forward and back: interpolation and overlapping averages one after the other."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from initlint.propagate.linear import mapped
from initlint.propagate.moments import iid
from initlint.propagate.near import FARTHEST, alike_maxima, through_map
from tests.propagate.structures import Structure, Table, disagreements

TABLE = Table()
WIDTH = 48
WHY = "a product over dimensions stands for what both have in common behind a function, and borders count as the middle; 0.4 without"


class Between(nn.Module):
    """Convolution, batch norm and ReLU between maps that bring neighbours together."""

    sizes = (8, 16, 32)

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, WIDTH, 3, padding=1, bias=False)
        self.layers = nn.ModuleList([
            nn.Sequential(nn.Conv2d(WIDTH, WIDTH, 3, padding=1, bias=False), nn.BatchNorm2d(WIDTH), nn.ReLU()) for _ in range(2)
        ])
        self.last = nn.Conv2d(WIDTH, 8, 1, bias=False)

    def together(self, x: torch.Tensor, n: int) -> torch.Tensor:
        return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        for n, layer in enumerate(self.layers):
            x = layer(self.together(x, n))
        return self.last(self.together(x, 2))


def added(name: str, size: int, bits: float = 0.1, grad_bits: float = 0.2, **methods: object) -> None:
    TABLE.add(name, type("Kind", (Between,), methods), torch.zeros(4, 3, size, size), bits=bits, grad_bits=grad_bits, why=WHY, draws=16)


added("bilinear upsamplings", 8)
added("averages of overlapping windows", 24, together=lambda m, x, n: F.avg_pool2d(x, 3, 1))
added("averages of overlapping windows that move by two", 48, together=lambda m, x, n: F.avg_pool2d(x, 3, 2))
added("averages of overlapping windows and upsamplings", 16,
      together=lambda m, x, n: F.interpolate(x, scale_factor=2, mode="bilinear") if n == 1 else F.avg_pool2d(x, 3, 1))  # fmt: skip
added("largest of overlapping windows", 48, together=lambda m, x, n: F.avg_pool2d(F.max_pool2d(x, 3, 2, 1), 2) if n == 1 else x)
added("largest of overlapping windows that move by one", 16, together=lambda m, x, n: F.avg_pool2d(F.max_pool2d(x, 3, 1, 1), 3, 1, 1) if n == 2 else x)


class Largest(Between):
    """The largest of windows of a smooth map, whose entries count as equally correlated."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            x = self.layers[0](F.interpolate(self.first(x), scale_factor=2, mode="bilinear", align_corners=True))
        return self.last(F.max_pool2d(x, 2))


TABLE.add("largest of windows of a smooth map", Largest, torch.zeros(4, 3, 16, 16), bits=0.2, draws=16,
          why="entries of a window count as equally correlated; 0.9 where they count as independent")  # fmt: skip


class Joined(Between):
    """What was upsampled beside what was not, as in the decoder of a U-net."""

    def __init__(self) -> None:
        super().__init__()
        self.beside = nn.ModuleList([nn.Conv2d(3, WIDTH, 1, bias=False) for _ in range(2)])
        self.mixed = nn.ModuleList([nn.Conv2d(2 * WIDTH, WIDTH, 1, bias=False) for _ in range(2)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.first(F.max_pool2d(x, 4))
        for n, layer in enumerate(self.layers):
            y = self.together(y, n)
            other = self.beside[n](F.max_pool2d(x, x.shape[-1] // y.shape[-1]))
            y = layer(self.mixed[n](torch.cat([other, y], 1)))
        return self.last(self.together(y, 2))


TABLE.add("upsamplings beside maps from before", Joined, torch.zeros(4, 3, 32, 32), bits=0.1, grad_bits=0.2, why=WHY, draws=16)


class Residual(Between):
    """Rectified sums of rectified branches between upsamplings, with padding of its own or that of the convolution."""

    padded = False

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([
            nn.Sequential(nn.Conv2d(WIDTH, WIDTH, 3, padding=0 if self.padded else 1, bias=False), nn.BatchNorm2d(WIDTH), nn.ReLU())
            for _ in range(2)
        ])  # fmt: skip
        self.beside = nn.ModuleList([nn.Sequential(nn.Conv2d(WIDTH, WIDTH, 1, bias=False), nn.BatchNorm2d(WIDTH)) for _ in range(2)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        for n, layer in enumerate(self.layers):
            x = self.together(x, n)
            x = torch.relu(self.beside[n](x) + layer(F.pad(x, (1, 1, 1, 1)) if self.padded else x))
        return self.last(self.together(x, 2))


for padded in (False, True):
    TABLE.add(f"upsamplings between residual blocks{', padded by themselves' * padded}", type("Kind", (Residual,), {"padded": padded}),
              torch.zeros(4, 3, 8, 8), bits=0.1, grad_bits=0.3, draws=16,
              why="variances of channels of smooth maps fluctuate more than is predicted; 0.8 where sums forget neighbours",
              zeros="pixels between zeros of a rectified map are zero as well")  # fmt: skip


@pytest.mark.parametrize("row", TABLE.parametrized())
def test_neighbours_agree_with_real_initializations(row: Structure) -> None:
    assert not disagreements(row), disagreements(row)


def test_a_second_map_of_white_entries_adds_neighbours_as_their_products_say() -> None:
    """E[y²] and its correlogram behind two maps of one dimension, from the product of both matrices."""
    generator = np.random.default_rng(5)
    size = 40
    index = np.arange(size)
    blur = np.where(np.abs(index[:, None] - index) <= 1, 1.0 / 3.0, 0.0)
    other = sum(np.where(index[:, None] - index == n, weight, 0.0) for n, weight in enumerate(generator.normal(size=4)))
    x = iid((3, size), 0.0, 2.0)
    y = through_map(x, mapped(x, 1, blur), 1, blur)
    z = through_map(y, mapped(y, y.position(1), other), 1, other)
    exact = 2.0 * (other @ blur) @ (other @ blur).T
    assert z.q == pytest.approx(np.diagonal(exact).mean(), rel=0.02)  # of which borders are a part
    found = np.array([z.near[-1][n - 1] if n <= len(z.near[-1]) else 0.0 for n in range(1, FARTHEST + 1)])
    wanted = np.array([np.diagonal(exact, n).mean() / np.diagonal(exact).mean() for n in range(1, FARTHEST + 1)])
    assert found == pytest.approx(wanted, abs=0.05)


@pytest.mark.parametrize(("size", "shared"), [(9, 3), (9, 6), (4, 2), (25, 20)])
def test_largest_of_sets_with_some_numbers_in_common(size: int, shared: int) -> None:
    """The correlation of both, by drawing them; the standard error of a correlation of n draws is below 1/√n."""
    draws = 200_000
    x = np.random.default_rng(7).normal(size=(draws, 2 * size - shared))
    measured = np.corrcoef(x[:, :size].max(1), x[:, size - shared :].max(1))[0, 1]
    assert alike_maxima(size, shared) == pytest.approx(measured, abs=4.0 / draws**0.5)


def test_a_stride_takes_neighbours_apart() -> None:
    """Entries two places apart become neighbours, and what only direct neighbours shared is gone."""
    x = iid((2, 4, 32), 0.0, 1.0)
    blur = np.where(np.abs(np.arange(32)[:, None] - np.arange(32)) <= 1, 1.0, 0.0)
    y = through_map(x, mapped(x, 2, blur), 2, blur)
    taken = np.eye(32)[::2]
    z = through_map(y, mapped(y, y.position(2), taken), 2, taken)
    assert y.near[-1] == pytest.approx([2.0 / 3.0, 1.0 / 3.0], abs=0.02)
    assert z.near[-1] == pytest.approx([1.0 / 3.0], abs=0.02)
