"""Cotangents that depend on the tensor they meet, against Monte Carlo: rectified sums in a row, gates, and the scale of a norm."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.propagate.structures import Structure, Table, disagreements

TABLE = Table()
add = TABLE.add
MAPS = torch.zeros(6, 32, 12, 12)
TOKENS = torch.zeros(6, 12, 64)
LONG = torch.zeros(4, 24, 64)


class Block(nn.Module):
    """Two normalized convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = (nn.Conv2d(32, 32, 3, padding=1, bias=False) for _ in range(2))
        self.norms = nn.ModuleList(nn.BatchNorm2d(32) for _ in range(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norms[1](self.second(F.relu(self.norms[0](self.first(x)))))  # type: ignore[no-any-return]


class RectifiedSums(nn.Module):
    """Five blocks with a ReLU behind each sum, then an average over positions: every ReLU passes what the next one passed."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block() for _ in range(5))
        self.head = nn.Linear(32, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(x)
        for block in self.blocks:
            x = F.relu(x + block(x))
        return self.head(x.mean((2, 3)))  # type: ignore[no-any-return]


class RectifiedSumsOfSums(nn.Module):
    """The same with two more shortcuts, over two blocks and over all, that are added before the ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block() for _ in range(4))
        self.over = nn.ModuleList(nn.Sequential(nn.Conv2d(32, 32, 1), nn.BatchNorm2d(32)) for _ in range(3))
        self.head = nn.Linear(32, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = start = before = F.relu(x)
        for n, block in enumerate(self.blocks):
            before = before if n % 2 else x
            x = x + block(x)
            if n % 2:
                x = x + self.over[n // 2](before)
            if n == 3:
                x = x + self.over[2](start)
            x = F.relu(x)
        return self.head(x.mean((2, 3)))  # type: ignore[no-any-return]


class RectifiedSumsOfPieces(nn.Module):
    """ReLUs and a maximum joined, to which three small branches are added, each with a ReLU behind the sum (Inception-ResNet)."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces = nn.ModuleList(nn.Conv2d(32, 32, 3, stride=2, padding=1) for _ in range(2))
        self.norms = nn.ModuleList(nn.BatchNorm2d(32) for _ in range(2))
        self.branches = nn.ModuleList(
            nn.Sequential(nn.Conv2d(96, 32, 1), nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 96, 1)) for _ in range(3)
        )
        self.head = nn.Linear(96, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rectified = [F.relu(norm(piece(x))) for norm, piece in zip(self.norms, self.pieces, strict=True)]
        x = torch.cat([*rectified, F.max_pool2d(F.relu(x), 3, 2, 1)], 1)
        for branch in self.branches:
            x = F.relu(x + 0.2 * branch(x))
        return self.head(x.mean((2, 3)))  # type: ignore[no-any-return]


class Exchanged(nn.Module):
    """A fine map and a coarse one made larger, both normalized, meet in a ReLU of their sum (HRNet): the gain of the fine one's
    norm gets its signal times what came back, which is a function of the sum."""

    def __init__(self) -> None:
        super().__init__()
        self.fine, self.coarse = nn.Conv2d(32, 32, 3, padding=1), nn.Conv2d(32, 32, 3, stride=2, padding=1)
        self.norms, self.out = nn.ModuleList(nn.BatchNorm2d(32) for _ in range(2)), nn.Conv2d(32, 16, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        coarse = F.interpolate(self.norms[1](self.coarse(x)), scale_factor=2, mode="nearest")
        return self.out(F.relu(self.norms[0](self.fine(x)) + coarse))  # type: ignore[no-any-return]


class NormalizedAfter(nn.Module):
    """Convolution, function, batch norm, twice: behind the first convolution, channels have offsets and deviations of their own."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = function
        self.layers = nn.ModuleList(nn.Conv2d(32, 32, 3, padding=1) for _ in range(3))
        self.norms, self.out = nn.ModuleList(nn.BatchNorm2d(32) for _ in range(2)), nn.Conv2d(32, 16, 1)
        for layer in self.layers:
            nn.init.kaiming_normal_(layer.weight)  # type: ignore[arg-type]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.layers[0](x))
        for layer, norm in zip(self.layers[1:], self.norms, strict=True):
            x = norm(self.function(layer(x)))
        return self.out(F.relu(x))  # type: ignore[no-any-return]


class RectifiedBeforeNorm(NormalizedAfter):
    def __init__(self) -> None:
        super().__init__(F.relu)


class PooledBeforeNorm(NormalizedAfter):
    def __init__(self) -> None:
        super().__init__(lambda x: F.max_pool2d(x, 2))


class UnlikeParts(nn.Module):
    """Maps of unlike size, joined and normalized in groups one of which has channels of both."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(32, 64, 3, padding=1), nn.Conv2d(32, 32, 3, padding=1)
        self.norm, self.out = nn.GroupNorm(8, 96), nn.Conv2d(96, 16, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(F.silu(self.norm(torch.cat([self.a(x), 3.0 * self.b(x)], 1))))  # type: ignore[no-any-return]


class Modulated(nn.Module):
    """A group norm scaled and shifted by a condition, before a function: the scale gets the cotangent times the signal."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.norm = nn.Conv2d(32, 64, 3, padding=1), nn.GroupNorm(8, 64)
        self.condition, self.out = nn.Linear(48, 128), nn.Conv2d(64, 32, 3, padding=1)

    def forward(self, x: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        scale, shift = self.condition(F.silu(condition))[:, :, None, None].chunk(2, 1)
        return self.out(F.silu(self.norm(self.inner(x)) * (1 + scale) + shift))  # type: ignore[no-any-return]


class Feedforward(nn.Module):
    """Pre-norm feed-forward blocks whose root mean square is taken by hand."""

    def __init__(self, *, gated: bool, after: bool = False, inner: int = 160) -> None:
        super().__init__()
        self.after = after
        self.up, self.gate, self.down = (
            nn.ModuleList(nn.Linear(i, o, bias=False) for _ in range(1 if after else 2))
            for i, o in ((64, inner), (64, inner), (inner, 64))
        )
        self.first, self.head, self.gated = nn.Linear(64, 64), nn.Linear(64, 10), gated

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        for up, gate, down in zip(self.up, self.gate, self.down, strict=True):
            y = of_unit_size(x)
            y = down(F.silu(gate(y)) * up(y) if self.gated else F.gelu(up(y)))
            x = x + (of_unit_size(y) if self.after else y)
        return self.head(x)  # type: ignore[no-any-return]


def of_unit_size(x: torch.Tensor) -> torch.Tensor:
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)


class GatedByHand(Feedforward):
    def __init__(self) -> None:
        super().__init__(gated=True)


class BetweenNorms(Feedforward):
    def __init__(self) -> None:
        super().__init__(gated=True, after=True, inner=960)


class PlainByHand(Feedforward):
    def __init__(self) -> None:
        super().__init__(gated=False)


class Attending(nn.Module):
    """Pre-norm layers of attention and a gated unit whose norms are written by hand, on a stream that starts small: what is
    added is most of it, and the next norm does not feel its size."""

    def __init__(self, *, causal: bool, of_heads: bool = False, apart: bool = False, depth: int = 2) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.ModuleDict({name: nn.Linear(*sizes, bias=False) for name, sizes in self.sizes.items()}) for _ in range(depth)
        )
        self.head, self.causal, self.of_heads, self.apart = nn.Linear(64, 10), causal, of_heads, apart
        for layer in self.layers:
            for name in "qk":
                nn.init.normal_(layer[name].weight, std=0.125)

    sizes = dict.fromkeys("qkvo", (64, 64)) | {"up": (64, 160), "gate": (64, 160), "down": (160, 64)}

    def attend(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        if not self.apart:
            return F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        scores = q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5
        if self.causal:
            scores = scores.masked_fill(torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1), float("-inf"))
        return scores.softmax(-1) @ v

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = 0.05 * x
        for layer in self.layers:
            y = of_unit_size(x)
            q, k, v = (layer[name](y).unflatten(-1, (2, 32)).transpose(1, 2) for name in "qkv")
            if self.of_heads:
                q, k = of_unit_size(q), of_unit_size(k)
            x = x + layer["o"](self.attend(q, k, v).transpose(1, 2).flatten(2))
            y = of_unit_size(x)
            x = x + layer["down"](F.silu(layer["gate"](y)) * layer["up"](y))
        return self.head(of_unit_size(x))  # type: ignore[no-any-return]


class OfRows(nn.Module):
    """Tokens in another order, by an index, for a gated unit, and in their own for the score it gets, as experts have it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.head, self.router = nn.Linear(64, 64), nn.Linear(64, 10), nn.Linear(64, 2)
        self.up, self.gate, self.down = nn.Linear(64, 160), nn.Linear(64, 160), nn.Linear(160, 64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        y = of_unit_size(x).reshape(-1, 64)
        rows = torch.arange(len(y) - 1, -1, -1)
        taken = y[rows]
        z = self.down(F.silu(self.gate(taken)) * self.up(taken))[rows]
        return self.head(x.reshape(-1, 64) + z * self.router(y).softmax(-1)[:, :1])  # type: ignore[no-any-return]


class NormedTwice(nn.Module):
    """Norms by hand before and behind each part (Gemma 2), on a stream that is mostly what they leave."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleList(nn.Sequential(nn.Linear(64, 160), nn.GELU(), nn.Linear(160, 64)) for _ in range(2))
        self.head = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = 0.3 * x
        for part in self.parts:
            x = x + of_unit_size(part(of_unit_size(x)))
        return self.head(of_unit_size(x))  # type: ignore[no-any-return]


class AttendingToAll(Attending):
    def __init__(self) -> None:
        super().__init__(causal=False)


class AttendingToThePast(Attending):
    def __init__(self) -> None:
        super().__init__(causal=True, apart=True)


class AttendingByAngles(Attending):
    def __init__(self) -> None:
        super().__init__(causal=True, of_heads=True, depth=1)


add("ReLUs behind the sums of five blocks", RectifiedSums, MAPS, draws=24)
add("ReLUs behind sums of sums", RectifiedSumsOfSums, MAPS, draws=24)
add("a ReLU of the sum of two ReLUs", lambda m, x: m.o(F.relu(F.relu(m.a(x)) + F.relu(m.b(x)))), TOKENS,
    a=lambda: nn.Linear(64, 64), b=lambda: nn.Linear(64, 64), o=lambda: nn.Linear(64, 32), draws=24)  # fmt: skip
add("ReLUs behind sums with joined ReLUs", RectifiedSumsOfPieces, MAPS, draws=24)
add("a norm behind a ReLU of channels with offsets", RectifiedBeforeNorm, MAPS, draws=24)
add("a norm behind a maximum over windows of channels with offsets", PooledBeforeNorm, MAPS, draws=24)
add("a ReLU of the sum of a fine and a coarse map", Exchanged, MAPS, draws=24)
add("a group norm of joined maps of unlike size", UnlikeParts, MAPS)
add("a group norm modulated by a condition, before a function", Modulated, MAPS, torch.zeros(6, 48), draws=48)
add("the scale of a norm before a gated unit", GatedByHand, TOKENS, draws=48)
add("the scale of a norm before a gated unit that is normalized, too", BetweenNorms, TOKENS, draws=48)
add("the scale of a norm before a function", PlainByHand, TOKENS, draws=48)
add("the scale of a norm before a gated unit of rows taken by an index", OfRows, TOKENS, draws=48)
add("the scale of norms before and behind the parts of a stream", NormedTwice, TOKENS, draws=48)
add("the scale of a norm before a multiple of what it leaves", lambda m, x: m.h(0.1 * m.d(of_unit_size(m.f(x)))), TOKENS,
    f=lambda: nn.Linear(64, 64), d=lambda: nn.Dropout(0.1), h=lambda: nn.Linear(64, 96), draws=48)  # fmt: skip
add("the scale of norms before attention to all tokens", AttendingToAll, LONG, draws=48)
add("the scale of norms before attention to those before", AttendingToThePast, LONG, draws=48)
add("the scale of norms of queries and keys", AttendingByAngles, LONG, draws=48)


LAYERS = {"a": lambda: nn.Linear(64, 64), "b": lambda: nn.Linear(64, 64), "o": lambda: nn.Linear(64, 64),
          "norm": lambda: nn.LayerNorm(64), "drop": lambda: nn.Dropout(0.2)}  # fmt: skip


def behind_layers(run: Callable[[nn.Module, torch.Tensor, torch.Tensor], torch.Tensor]) -> Callable[[nn.Module, torch.Tensor], torch.Tensor]:
    """A structure of y and z, two layers of x, with a layer behind."""
    return lambda m, x: m.o(run(m, m.a(x), m.b(x)))  # type: ignore[operator, no-any-return]


for name, run in {
    "a tensor that is added twice": lambda m, y, z: (y + z) + y,
    "a tensor that is added twice before a ReLU": lambda m, y, z: F.relu((y + z) + y),
    "a tensor that is added twice, once before a dropout": lambda m, y, z: y + m.drop(y + z),
    "a tensor that is added twice, once before a ReLU and a dropout": lambda m, y, z: y + m.drop(F.relu(y + z)),
    "a tensor that is added twice, once before a gate of its own": lambda m, y, z: y + (y + z) * torch.sigmoid(m.b(z)),
    "a tensor that is added twice, once before a norm": lambda m, y, z: m.norm(y + z) + 0.5 * (y - z),
    "a stack of a tensor and a sum with it, added up": lambda m, y, z: torch.stack([y, y + z]).sum(0),
    "a stack of a tensor and a ReLU of a sum with it, averaged": lambda m, y, z: torch.stack([y, F.relu(y + z)], 1).mean(1),
    "a tensor that is added twice, each time before a ReLU": lambda m, y, z: F.relu(F.relu(y + z) + y) + y,
}.items():
    add(name, behind_layers(run), TOKENS, draws=24, **LAYERS)


@pytest.mark.parametrize("row", TABLE.parametrized())
def test_structure_is_predicted(row: Structure) -> None:
    """Mean, second moment, zeros, pair moments and gradient of every node lie within five standard errors and the bound."""
    assert not (wrong := disagreements(row)), wrong
