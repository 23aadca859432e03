"""Experts: rows times the weight of their own expert, and integers that chance decides."""

from typing import Any

import pytest
import torch
from torch import nn

from tests.propagate.judged import judged, net

VECTORS = (torch.zeros(16, 64),)


def linear() -> nn.Module:
    return nn.Linear(64, 64)


def grouped(m: Any, x: torch.Tensor) -> torch.Tensor:
    ends = torch.tensor([4, 4, 10, 16])
    return torch.ops.transformers.grouped_mm_fallback(m.a(x), m.w, ends)  # type: ignore[no-any-return]


def test_a_product_by_experts_is_a_linear_layer_by_the_weight_of_each_row() -> None:
    """Forward and backward, with rows that share an expert."""
    pytest.importorskip("transformers.integrations.moe")
    build = net(grouped, a=linear, w=lambda: nn.Parameter(torch.randn(4, 64, 48) / 8))
    assert not judged(build, VECTORS)


def test_labels_dropped_at_random_are_looked_up() -> None:
    """`where(rand < p, 0, labels)` is one draw of integers, and the embedding after it is predicted."""

    def run(m: Any, x: torch.Tensor) -> torch.Tensor:
        labels = torch.where(torch.rand(16) < 0.25, torch.zeros(16, dtype=torch.long), torch.arange(16))
        return m.a(x) + m.e(labels)  # type: ignore[no-any-return]

    wrong = [row for row in judged(net(run, a=linear, e=lambda: nn.Embedding(20, 64)), VECTORS) if row[0].node != "e"]
    assert not wrong


def test_indices_among_floating_inputs_are_any_row_alike() -> None:
    """A place of the table that the values of the input name: uniform here, as Φ of a Gaussian is."""

    def run(m: Any, x: torch.Tensor) -> torch.Tensor:
        place = (20 * torch.special.ndtr(x[:, 0])).long()
        return m.a(x) + m.e(place)  # type: ignore[no-any-return]

    rows = judged(net(run, a=linear, e=lambda: nn.Embedding(20, 64)), VECTORS)
    assert not [row for row in rows if row[0].node not in ("special_ndtr", "mul", "to")]
