"""The level that a stack returns to, by following the map of one number, and by φ written once more with numpy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from initlint.graph.layers import WeightLayer
from initlint.lint.level import at_level, levels
from initlint.lint.stacks import Stack, Stage

Z = np.random.default_rng(0).standard_normal(400_000)


def stack_of(function, depth: int = 40) -> Stack:
    layer = WeightLayer.__new__(WeightLayer)  # the map does not look at it
    stage = Stage(layer=layer, gain=2.0, mean=0.0, square=0.0, q=1.0, function=function, named="f")
    return Stack(stages=(stage,) * depth)


FUNCTIONS = {
    "gelu": (torch.nn.functional.gelu, lambda z: z * 0.5 * (1 + np.vectorize(math.erf)(z / math.sqrt(2)))),
    "threshold": (lambda x: torch.relu(x - 1), lambda z: np.maximum(z - 1, 0)),
    "tanh": (torch.tanh, np.tanh),
}


def returns(stack: Stack) -> bool:
    """Whether what starts apart ends nearer to each other."""
    q = stack.stages[0].q
    low, high = (ends[-1] for ends in stack.followed(0.9 * q, 1.1 * q))
    return math.log(high / low) < math.log(1.1 / 0.9)


@pytest.mark.parametrize(("function", "same"), FUNCTIONS.values(), ids=FUNCTIONS.keys())
def test_deviations_die_out(function, same) -> None:
    found = list(levels(stack_of(function), returns))
    assert found
    for level in found:
        assert level.gain * np.mean(same(math.sqrt(level.q) * Z) ** 2) + level.shift == pytest.approx(level.q, rel=2e-2)
        assert returns(at_level(stack_of(function), level))


def test_what_does_not_hold_is_left_out() -> None:
    assert not list(levels(stack_of(torch.tanh), lambda _: False))
