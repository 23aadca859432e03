"""Zeros that dropout and unpooling leave among values of one sign or of both, in sums and behind gates."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from initlint.propagate.ops.pool import Winners, _winners
from tests.propagate.structures import Structure, Table, disagreements

TABLE = Table()
WIDTH = 24
IMAGES = torch.zeros(4, 3, 20, 20)


class Sum(nn.Module):
    """Two rectified maps, one of them with zeros, summed and rectified."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, WIDTH, 1, bias=False), nn.Conv2d(3, WIDTH, 3, padding=1, bias=False)
        self.inner, self.last = nn.Conv2d(WIDTH, WIDTH, 1, bias=False), nn.Conv2d(WIDTH, 8, 3, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(WIDTH) for _ in range(2)])

    def thinned(self, y: torch.Tensor) -> torch.Tensor:
        return y

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.thinned(torch.relu(self.norms[0](self.inner(torch.relu(self.first(x))))))
        return self.last(torch.relu(y + torch.relu(self.norms[1](self.second(x)))))


THINNED = {
    "no zeros but its own": lambda y: y,
    "dropout of a tenth": lambda y: F.dropout(y, 0.1, True),
    "dropout of half": lambda y: F.dropout(y, 0.5, True),
    "dropout of half the channels": lambda y: F.dropout2d(y, 0.5, True),
    "a pool and back": lambda y: F.max_unpool2d(*F.max_pool2d(y, 2, return_indices=True), 2),
}

for name, function in THINNED.items():
    TABLE.add(f"{name}, in a sum", type("Kind", (Sum,), {"thinned": staticmethod(function)}), IMAGES, draws=24)


class Small(nn.Module):
    """A rectified map and a small one, summed and rectified: where the first is zero, the small one decides what comes back."""

    scale = 1.0

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, WIDTH, 1, bias=False), nn.Conv2d(3, WIDTH, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(torch.relu(self.first(x)) + torch.relu(self.scale * self.second(x)))


for scale in (0.2, 0.01):
    TABLE.add(f"rectified maps, one {scale:g} times as large", type("Kind", (Small,), {"scale": scale}), IMAGES, draws=24, grad_bits=0.1,
              why="narrower: nothing is approximated but the widths")  # fmt: skip


class Shortcut(nn.Module):
    """A normal map and a small rectified one behind a ReLU: 4 % of the variance are 12 % of what comes back."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, WIDTH, 1, bias=False), nn.Conv2d(3, WIDTH, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.first(x) + torch.relu(0.35 * self.second(x)))


TABLE.add("a small rectified branch beside a shortcut", Shortcut, IMAGES, draws=24, grad_bits=0.06,
          why="narrower: nothing is approximated but the widths")  # fmt: skip


class Normalized(nn.Module):
    """A residual stream that starts rectified, behind a norm: it is skewed there, too, and positive less often than not."""

    padded = 0

    def __init__(self) -> None:
        super().__init__()
        self.first, self.inner = nn.Conv2d(3, WIDTH, 3, padding=1, bias=False), nn.Conv2d(WIDTH, WIDTH + self.padded, 3, padding=1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(WIDTH + n) for n in (0, self.padded)])
        self.last = nn.Conv2d(WIDTH + self.padded, 8, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.first(x))
        x = 0.3 * self.inner(self.norms[0](x)) + (F.pad(x, (0, 0, 0, 0, 0, self.padded)) if self.padded else x)
        return self.last(torch.relu(self.norms[1](x)))


TABLE.add("a norm of a sum with a rectified map", Normalized, IMAGES, draws=24, bits=0.1, grad_bits=0.15,
          why="narrower: as a normal sum it is 0.4 bits off")  # fmt: skip
TABLE.add("a norm of a sum with a rectified map with channels of zeros", type("Kind", (Normalized,), {"padded": WIDTH}), IMAGES, draws=24,
          bits=0.1, grad_bits=0.15, why="narrower: as a normal sum it is 0.2 bits off, and padding would get half")  # fmt: skip


class Joined(nn.Module):
    """Two maps side by side, the first rectified, in one norm: each channel has a law, an offset and a deviation of its own kind."""

    second_too, offset = True, 0.1

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(WIDTH, WIDTH, 1, bias=False), nn.Conv2d(WIDTH, WIDTH, 1)
        nn.init.normal_(self.second.bias, std=self.offset).requires_grad_(False)  # what it would get cancels but for a rest
        self.norm, self.last = nn.BatchNorm2d(2 * WIDTH), nn.Conv2d(2 * WIDTH, 8, 3, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.second(x)
        return self.last(torch.relu(self.norm(torch.cat([torch.relu(self.first(x)), torch.relu(y) if self.second_too else y], 1))))


KINDS = {
    "two rectified maps": {},
    "a rectified map beside one that is not": {"second_too": False},
    "a rectified map beside one with offsets": {"offset": 0.35},
    "a rectified map beside one with offsets that is not": {"second_too": False, "offset": 0.35},
}
for name, options in KINDS.items():
    TABLE.add(f"a norm of {name}", type("Kind", (Joined,), options), torch.zeros(4, WIDTH, 20, 20), draws=24, bits=0.1, grad_bits=0.2,
              why="narrower: taken for each other the maps are 0.3 bits off; what a norm sends back to 24 weights is 0.1")  # fmt: skip


class Decoded(nn.Module):
    """What was mixed after an overlapping pool, back at the places of its winners, beside a rectified map with dropout.

    The way back ends there: windows that share a winner share what comes back as well, which a pool does not know.
    """

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, WIDTH, 1, bias=False), nn.Conv2d(3, WIDTH, 1, bias=False)
        self.mixed, self.last = nn.Conv2d(WIDTH, WIDTH, 1, bias=False), nn.Conv2d(WIDTH, 8, 1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(WIDTH) for _ in range(3)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y, places = F.max_pool2d(self.norms[0](self.first(x)), 3, 2, 1, return_indices=True)
        y = F.max_unpool2d(self.norms[1](self.mixed(torch.relu(y.detach()))), places, 2)
        beside = torch.relu(self.norms[2](self.second(x)))
        return self.last(torch.relu(y + F.dropout2d(beside, 0.2, True)))


TABLE.add("unpooled after a mixture, beside rectified maps with dropout", Decoded, IMAGES, draws=24)


@pytest.mark.parametrize("row", TABLE.parametrized())
def test_zeros_among_values_agree_with_real_initializations(row: Structure) -> None:
    assert not disagreements(row), disagreements(row)


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(2, 2, 0), (3, 2, 1), (3, 3, 0), (5, 2, 2)])
def test_overlapping_windows_have_fewer_winners_than_windows(kernel: int, stride: int, padding: int) -> None:
    """Exactly one each where windows do not overlap; else as in maps that nobody saw, to five standard errors of 400 of them."""
    found = _winners((20, 20), (kernel, stride, padding), {})
    assert isinstance(found, Winners)
    maps = torch.randn(400, 20, 20, generator=torch.Generator().manual_seed(3))
    places = F.max_pool2d(maps, kernel, stride, padding, return_indices=True)[1].reshape(400, -1)
    shares = torch.tensor([len(row.unique()) / row.numel() for row in places])
    error = float(shares.std()) * (1 / 400 + 1 / 64) ** 0.5
    assert found.distinct == pytest.approx(float(shares.mean()), abs=5 * error + 1e-9)
    if kernel <= stride:
        assert found.distinct == 1.0
