"""Scores behind a mask, through anything but a softmax: sigmoid and ReLU attention, softmax by hand, clamped scores, zeros in place of entries."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn

from tests.propagate.structures import Structure, Table, disagreements

TABLE = Table()
WIDTH, TOKENS = 96, 16
TEXT = torch.zeros(6, TOKENS, WIDTH)
FLOOR = torch.finfo(torch.float32).min
CAUSAL = torch.ones(TOKENS, TOKENS, dtype=torch.bool).triu(1)


class Scores(nn.Module):
    """Values mixed by `weights` of causally masked scores."""

    fill = -math.inf

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(3))
        for layer in (self.q, self.k, self.v):
            nn.init.normal_(layer.weight, std=WIDTH**-0.5)
        self.register_buffer("mask", CAUSAL)

    def weights(self, scores: torch.Tensor) -> torch.Tensor:
        return torch.softmax(scores, -1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores = self.q(x) @ self.k(x).transpose(1, 2) * WIDTH**-0.5
        return self.weights(scores.masked_fill(self.mask, self.fill)) @ self.v(x)


def by_hand(scores: torch.Tensor) -> torch.Tensor:
    terms = torch.exp(scores)
    return terms / terms.sum(-1, keepdim=True)


WEIGHTS: dict[str, tuple[Callable[[torch.Tensor], torch.Tensor], float]] = {
    "sigmoid attention": (torch.sigmoid, -math.inf),
    "sigmoid attention, a large number": (torch.sigmoid, FLOOR),
    "sigmoid attention, zeros": (torch.sigmoid, 0.0),
    "softplus attention": (nn.functional.softplus, -math.inf),
    "a scaled and shifted sigmoid": (lambda s: 0.5 * torch.sigmoid(s - 1.0) + 0.25, -math.inf),
    "softmax by hand": (by_hand, -math.inf),
    "softmax by hand of a large number": (by_hand, FLOOR),
    "softmax by hand of zeros": (by_hand, 0.0),
    "softmax by hand of zeros, scaled": (lambda s: by_hand(0.5 * s), 0.0),
    "softmax by hand, scaled": (lambda s: by_hand(0.5 * s), -math.inf),
    "softmax of clamped scores": (lambda s: torch.softmax(torch.clamp(s, -1e4, 1e4), -1), -math.inf),
    "softmax of scores held above the smallest number": (
        lambda s: torch.softmax(torch.max(s, torch.tensor(FLOOR)), -1), FLOOR),
    "mean of sigmoids": (lambda s: torch.sigmoid(s) / TOKENS, -math.inf),
}  # fmt: skip

for name, (function, number) in WEIGHTS.items():
    kind = type("Kind", (Scores,), {"weights": staticmethod(function), "fill": number})
    TABLE.add(name, kind, TEXT, draws=16)


class Plain(Scores):
    """The same without a mask."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.weights(self.q(x) @ self.k(x).transpose(1, 2) * WIDTH**-0.5) @ self.v(x)


TABLE.add("softmax by hand without a mask", type("Kind", (Plain,), {"weights": staticmethod(by_hand)}), TEXT, draws=16)


class Padded(nn.Module):
    """Token features of which a known part is set to a number, then mixed by a layer."""

    number = 0.0

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(WIDTH, WIDTH), nn.Linear(TOKENS, TOKENS)
        padded = torch.zeros(TOKENS, 1, dtype=torch.bool)
        padded[10:] = True
        self.register_buffer("padded", padded)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kept = self.first(x).masked_fill(self.padded, self.number)
        return self.second(kept.transpose(1, 2))


TABLE.add("padded tokens", Padded, TEXT, draws=16)
TABLE.add("padded tokens set to two", type("Kind", (Padded,), {"number": 2.0}), TEXT, draws=16)


@pytest.mark.parametrize("row", TABLE.parametrized())
def test_masked_scores_agree_with_real_initializations(row: Structure) -> None:
    assert not disagreements(row), disagreements(row)
