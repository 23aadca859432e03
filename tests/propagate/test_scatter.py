"""Messages along the edges of a graph, against real initializations: sums, means and largest ones, attention, pooling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.propagate.judged import judged, net

NODES, EDGES = 24, 72
X = torch.zeros(NODES, 64)
PAIRS = torch.randperm(NODES * NODES, generator=torch.Generator().manual_seed(3))[:EDGES]
EDGE = torch.stack([PAIRS // NODES, PAIRS % NODES])
BATCH = torch.arange(NODES) // 9


def linear(i: int = 64, o: int = 64, **options: Any) -> Callable[[], nn.Module]:
    return lambda: nn.Linear(i, o, **options)


def gathered(m: Any, x: torch.Tensor, e: torch.Tensor) -> torch.Tensor:
    return m.a(x)[e[0]]  # type: ignore[no-any-return]


def wide(e: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return e.view(-1, 1).expand_as(like)


def by_sum(m: Any, x: torch.Tensor, e: torch.Tensor) -> torch.Tensor:
    y = gathered(m, x, e)
    return x.new_zeros(NODES, 64).scatter_add_(0, wide(e[1], y), y)


def by_index_add(m: Any, x: torch.Tensor, e: torch.Tensor) -> torch.Tensor:
    return torch.zeros(NODES, 64).index_add(0, e[1], gathered(m, x, e))


def by_mean(m: Any, x: torch.Tensor, e: torch.Tensor) -> torch.Tensor:
    y = gathered(m, x, e)
    total = x.new_zeros(NODES, 64).scatter_add_(0, wide(e[1], y), y)
    count = x.new_zeros(NODES).scatter_add_(0, e[1], torch.ones(EDGES)).clamp(min=1)
    return total / count.view(-1, 1)


def by_max(m: Any, x: torch.Tensor, e: torch.Tensor) -> torch.Tensor:
    y = gathered(m, x, e)
    return x.new_zeros(NODES, 64).scatter_reduce_(0, wide(e[1], y), y, "amax", include_self=False)


def normalized(m: Any, x: torch.Tensor, e: torch.Tensor) -> torch.Tensor:
    degree = torch.zeros(NODES).scatter_add_(0, e[1], torch.ones(EDGES))
    root = degree.pow(-0.5).masked_fill(degree == 0, 0.0)
    y = gathered(m, x, e) * (root[e[0]] * root[e[1]]).view(-1, 1)
    return F.relu(x.new_zeros(NODES, 64).scatter_add_(0, wide(e[1], y), y))


def two_layers(m: Any, x: torch.Tensor, e: torch.Tensor) -> torch.Tensor:
    h = normalized(m, x, e)
    y = m.b(h)[e[0]]
    return x.new_zeros(NODES, 64).scatter_add_(0, wide(e[1], y), y)


def attention(m: Any, x: torch.Tensor, e: torch.Tensor) -> torch.Tensor:
    h = m.a(x).view(NODES, 4, 16)
    score = F.leaky_relu((h * m.s).sum(-1)[e[0]] + (h * m.t).sum(-1)[e[1]], 0.2)
    top = x.new_zeros(NODES, 4).scatter_reduce_(0, wide(e[1], score), score.detach(), "amax", include_self=False)
    score = (score - top[e[1]]).exp()
    total = x.new_zeros(NODES, 4).scatter_add_(0, wide(e[1], score), score)
    weight = score / (total[e[1]] + 1e-16)
    y = h[e[0]] * weight.unsqueeze(-1)
    return x.new_zeros(NODES, 4, 16).scatter_add_(0, e[1].view(-1, 1, 1).expand_as(y), y)


def pooled(m: Any, x: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    h = F.relu(m.a(x))
    total = x.new_zeros(3, 64).scatter_add_(0, wide(b, h), h)
    return m.b(total / x.new_zeros(3).scatter_add_(0, b, torch.ones(NODES)).view(-1, 1))  # type: ignore[no-any-return]


def vector(*shape: int) -> Callable[[], nn.Parameter]:
    return lambda: nn.Parameter(torch.randn(*shape) / 4)


Case = tuple[Callable[..., Any], torch.Tensor, dict[str, Callable[[], Any]], float, float]
LAYER = {"a": linear()}
WIDTH = 0.06
BY_CHANCE = 0.2  # two edges are taken to share a target, or a source, as often as by chance; of 72 edges a few do or do not
CASES: dict[str, Case] = {
    "messages added up": (by_sum, EDGE, LAYER, WIDTH, BY_CHANCE),
    "messages added up by index_add": (by_index_add, EDGE, LAYER, WIDTH, BY_CHANCE),
    "messages averaged": (by_mean, EDGE, LAYER, WIDTH, BY_CHANCE),
    "the largest of the messages": (by_max, EDGE, LAYER, WIDTH, BY_CHANCE),
    "normalized by degrees": (normalized, EDGE, LAYER, WIDTH, BY_CHANCE),
    "two layers of messages": (two_layers, EDGE, LAYER | {"b": linear()}, BY_CHANCE, BY_CHANCE),
    "nodes averaged by graph": (pooled, BATCH, LAYER | {"b": linear()}, WIDTH, WIDTH),
}


@pytest.mark.parametrize("name", CASES)
def test_messages_are_predicted(name: str) -> None:
    """Every node of the graph of operators, forward and backward."""
    run, indices, parts, bits, grad_bits = CASES[name]
    wrong = judged(net(run, **parts), (X, indices), bits=bits, grad_bits=grad_bits, draws=48)
    assert not wrong, "\n".join(f"{r.node}: {text}" for r, text in wrong)


def test_attention_over_neighbours_is_a_softmax() -> None:
    """Weights, weighted messages and what they add up to; scores of one target share a term that the domain does not see."""
    parts = LAYER | {"s": vector(1, 4, 16), "t": vector(1, 4, 16)}
    seen = {"div", "mul_2", "scatter_add__1", "linear"}
    wrong = [
        row for row in judged(net(attention, **parts), (X, EDGE), bits=0.4, grad_bits=0.4, draws=48) if row[0].node in seen
    ]
    assert not wrong, "\n".join(f"{r.node}: {text}" for r, text in wrong)


@pytest.mark.parametrize("counts", [[4, 4, 4], [1, 2, 7, 3], [30]])
def test_a_message_less_the_largest_of_its_target_has_this_law(counts: list[int]) -> None:
    """Mean, second moment and those of its exponential, against draws of independent normals; zero for the largest itself."""
    from initlint.propagate.ops.scatter import law_below_largest

    random = np.random.default_rng(0)
    draws = 20_000
    below = [x - x.max(1, keepdims=True) for x in (random.standard_normal((draws, n)) for n in counts)]
    law = law_below_largest(np.array(counts))
    for function in (lambda z: z, np.square, np.exp, lambda z: np.exp(2 * z), lambda z: z == 0):
        by_draw = np.concatenate([function(z) for z in below], axis=1).mean(1)
        error = by_draw.std() / draws**0.5 + 1.0 / len(law)  # of the draws, and of the steps of the law
        assert function(law).mean() == pytest.approx(by_draw.mean(), abs=4 * error)
