"""Shapes that docstrings write down."""

from __future__ import annotations

import pytest
from torch import Tensor, nn

from initlint.targets.documented import documented
from initlint.targets.specs import Spec

FLOAT, STEPS = Spec("float", (4, 16)), Spec("int", (4,), high=1000, role="steps")


class Documented(nn.Module):
    """Task-conditioned regression. task: (16,) embedding; x: (n, 8) query points.

    Args:
        images (torch.Tensor): pictures of shape (batch, 1, 28, 28).
        events: (batch, length<=32) int64 in [0, 388).
        t: (batch,) in (0, 1)
        rate: in (0, 1)
        hidden: (layers, batch, width)
        sets: (tasks, points, d_in) coordinates
        allowed: (N, N) bool
    """

    def __init__(self, d_in: int = 5) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        """y [B, 7]: what is given"""
        return x


@pytest.mark.parametrize(
    ("name", "guess", "expected"),
    [
        ("task", FLOAT, Spec("float", (16,))),
        ("x", FLOAT, Spec("float", (4, 8))),
        ("images", FLOAT, Spec("float", (4, 1, 28, 28))),
        ("events", FLOAT, Spec("int", (4, 32), high=388)),
        ("t", STEPS, Spec("float", (4,), role="steps")),
        ("rate", FLOAT, None),
        ("hidden", FLOAT, None),
        ("sets", FLOAT, Spec("float", (4, 32, 5))),
        ("allowed", FLOAT, Spec("bool", (4, 4), role="ones")),
        ("y", FLOAT, Spec("float", (4, 7))),
        ("z", FLOAT, None),
    ],
)
def test_a_shape_is_read(name: str, guess: Spec, expected: Spec | None) -> None:
    """Numbers as they stand, a batch and lengths as guesses; nothing where an axis has another name, or where a range is meant."""
    assert documented(Documented(), name, guess) == expected


def test_containers_of_torch_say_nothing() -> None:
    """The docstring of `nn.Sequential` has an example in it."""
    assert documented(nn.Sequential(nn.Linear(2, 2)), "input", FLOAT) is None
