"""Which layers only say where an attention looks."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from initlint.graph.built import build_recorded
from initlint.graph.capture import capture
from initlint.lint.backward import only_scores
from initlint.lint.facts import gather
from initlint.propagate import propagate


class Attention(nn.Module):
    """By hand, or by the library's operator."""

    def __init__(self, *, by_hand: bool) -> None:
        super().__init__()
        self.by_hand = by_hand
        self.query, self.key, self.value = (nn.Linear(16, 16) for _ in range(3))
        self.both = nn.Linear(16, 16)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.query(x), self.key(x), self.value(x)
        if self.by_hand:
            mixed = torch.softmax(q @ k.transpose(1, 2) / 4, -1) @ v
        else:
            mixed = F.scaled_dot_product_attention(q, k, v)
        seen = self.both(mixed)
        return seen * torch.softmax(seen, -1)


@pytest.mark.parametrize("by_hand", [True, False])
def test_queries_and_keys_carry_nothing_on(*, by_hand: bool) -> None:
    """Values do, and so does what is read beside a softmax of itself."""
    traced = capture(build_recorded(lambda: Attention(by_hand=by_hand)), (torch.zeros(2, 5, 16),))
    facts = gather(target="net", path=__file__, traced=traced, signals=propagate(traced).signals)
    found = {layer.module: only_scores(facts, layer) for layer in facts.structure.layers.values()}
    assert found == {"query": True, "key": True, "value": False, "both": False}
