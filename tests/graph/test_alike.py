"""Rows that start equal: what is said to keep them equal gives them equal gradients, and what tells them apart does not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from initlint.graph.alike import picks_among, stays_alike
from initlint.graph.built import build_recorded
from initlint.graph.capture import capture
from initlint.graph.dataflow import dependence_of

ROWS, WIDTH, TOKENS = 4, 8, 5
Use = Callable[["Net", Tensor, Tensor], Tensor]  # of a net, its table for each sample, and the tokens


class Net(nn.Module):
    """A table of equal rows, and layers to use it with."""

    def __init__(self, use: Use) -> None:
        super().__init__()
        self.use = use
        self.table = nn.Parameter(torch.full((ROWS, WIDTH), 0.3))
        self.other = nn.Parameter(torch.randn(ROWS, WIDTH))
        self.linear = nn.Linear(WIDTH, WIDTH)
        self.norm = nn.LayerNorm(WIDTH)
        self.attention = nn.MultiheadAttention(WIDTH, 2, batch_first=True)
        self.mix = nn.Linear(ROWS * WIDTH, 3)
        self.conv = nn.Conv1d(WIDTH, WIDTH, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.use(self, self.table.expand(len(x), -1, -1), x)


def written_out(net: Net, z: Tensor, x: Tensor) -> Tensor:
    """Self-attention with two matrix products, heads in the batch."""
    q = k = v = net.linear(z).view(len(z), ROWS, 2, -1).transpose(1, 2).reshape(2 * len(z), ROWS, -1)
    y = torch.bmm(torch.bmm(q, k.transpose(1, 2)).softmax(-1), v)
    return y.reshape(len(z), 2, ROWS, -1).transpose(1, 2).flatten(2).sum(1)


def masked(net: Net, z: Tensor, x: Tensor) -> Tensor:
    mask = torch.full((ROWS, ROWS), -torch.inf).triu(1)
    return ((net.linear(z + x[:, :1]) @ z.transpose(1, 2) + mask).softmax(-1) @ (z * x[:, :ROWS, :1].cumsum(1))).sum(1)


def beside(net: Net, z: Tensor, x: Tensor) -> Tensor:
    y = torch.cat([x, z], 1)
    return (y + net.attention(y, y, y)[0])[:, :TOKENS].mean(1)


ALIKE = {
    "a mean": lambda net, z, x: (net.linear(z) * x[:, :1]).mean(1),
    "layers on the features": lambda net, z, x: net.norm(net.linear(z) * x[:, :1]).square().amax(1),
    "attention to the input": lambda net, z, x: net.norm(z + net.attention(z, x, x)[0]).sum(1),
    "attention among themselves": lambda net, z, x: net.attention(z * x[:, :1], z, z)[0].mean(1),
    "attention written out": written_out,
    "tokens beside those of the input": beside,
    "a sum of products": lambda net, z, x: torch.einsum("bnd,btd->bt", z, x),
    "a pooling by scores": lambda net, z, x: torch.einsum("bnt,btd->bnd", torch.cdist(z, x).softmax(-1), x).mean((1, 2)),
    "rows in the batch": lambda net, z, x: net.linear(z.reshape(-1, WIDTH)).view(len(z), ROWS, -1).mean(1) * x[:, 0],
}
APART = {
    "outputs of their own": lambda net, z, x: net.linear(z) * x[:, :1],
    "another table added": lambda net, z, x: net.linear(z + net.other).relu().mean(1) * x[:, 0],
    "the input added": lambda net, z, x: (z + x[:, :ROWS]).square().mean(1),
    "a layer for all of them": lambda net, z, x: net.mix((z * x[:, :1]).flatten(1)),
    "a convolution along them": lambda net, z, x: net.conv((z * x[:, :1]).transpose(1, 2)).square().mean(2),
    "dropout": lambda net, z, x: F.dropout(net.linear(z), 0.5).mean(1) * x[:, 0],
    "noise": lambda net, z, x: (z * torch.randn_like(z)).mean(1),
    "one of them": lambda net, z, x: net.linear(z)[:, 0] * x[:, 0],
    "one of them and the mean": lambda net, z, x: z[:, 1] * x[:, 0] + z.mean(1),
    "a sum of what came before": lambda net, z, x: net.linear(z.cumsum(1)).relu().mean(1) * x[:, 0],
    "a mask": masked,
    "the largest": lambda net, z, x: (z * x[:, :1]).max(1).values,
}


def judged(use: Use) -> bool:
    traced = capture(build_recorded(lambda: Net(use), roots=("/",)), (torch.randn(3, TOKENS, WIDTH),), None)
    return stays_alike(traced, dependence_of(traced), {"p_table": 0})


def spread_of_gradients(use: Use) -> float:
    """The largest difference of two rows' gradients, relative to the largest entry."""
    torch.manual_seed(0)
    net = Net(use).double()
    out = net(torch.randn(3, TOKENS, WIDTH, dtype=torch.double))
    out.backward(torch.randn_like(out))
    grad = net.table.grad
    assert grad is not None
    return float((grad - grad[:1]).abs().max() / grad.abs().max())


@pytest.mark.parametrize("use", ALIKE.values(), ids=ALIKE.keys())
def test_rows_that_are_said_to_stay_alike_have_one_gradient(use: Use) -> None:
    """And it is said."""
    assert judged(use)
    assert spread_of_gradients(use) < 1e-9


@pytest.mark.parametrize("use", APART.values(), ids=APART.keys())
def test_rows_with_different_gradients_are_not_said_to_stay_alike(use: Use) -> None:
    """Whatever tells them apart."""
    assert spread_of_gradients(use) > 1e-3
    assert not judged(use)


def test_the_nearest_of_equal_rows_is_picked_by_its_place() -> None:
    """Distances to all rows are equal."""

    def nearest(net: Net, z: Tensor, x: Tensor) -> Tensor:
        return F.embedding(torch.cdist(x[:, 0], net.table).argmin(-1), net.table)

    traced = capture(build_recorded(lambda: Net(nearest), roots=("/",)), (torch.randn(3, TOKENS, WIDTH),), None)
    assert len(picks_among(traced, dependence_of(traced), "p_table", 0)) == 1


class Factors(nn.Module):
    """Two tables of one constant each, read through `score`."""

    def __init__(self, score: Callable[[Factors, Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.score = score
        self.first, self.second = nn.Embedding(6, WIDTH), nn.Embedding(7, WIDTH)
        self.linear = nn.Linear(WIDTH, 1)
        nn.init.constant_(self.first.weight, 0.3)
        nn.init.constant_(self.second.weight, 0.2)

    def forward(self, i: Tensor, j: Tensor) -> Tensor:
        return self.score(self, self.first(i), self.second(j))


@pytest.mark.parametrize(
    ("alike", "score"),
    [
        (True, lambda net, a, b: (a * b).sum(-1)),
        (True, lambda net, a, b: (a - b).square().mean(-1)),
        (False, lambda net, a, b: net.linear(a * b)),
        (False, lambda net, a, b: a * b),
        (False, lambda net, a, b: (a * b)[:, 0]),
    ],
)
def test_columns_of_several_tables_change_places_together(
    alike: bool, score: Callable[[Factors, Tensor, Tensor], Tensor]
) -> None:
    torch.manual_seed(0)
    given = torch.randint(6, (9,)), torch.randint(7, (9,))
    traced = capture(build_recorded(lambda: Factors(score), roots=("/",)), given, None)
    assert stays_alike(traced, dependence_of(traced), {"p_first_weight": 1, "p_second_weight": 1}) is alike
    net = Factors(score)
    out = net(*given)
    (out * torch.randn_like(out)).sum().backward()
    assert net.first.weight.grad is not None
    assert (float((net.first.weight.grad - net.first.weight.grad[:, :1]).abs().max()) < 1e-7) is alike
