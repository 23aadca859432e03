"""STACK → the variances of weights and biases at which it holds its level, and tells inputs apart as long as it can.

With z ~ N(0, q) and the function φ between two layers: of all (q, χ) with the weights' variance G = χ/E[φ'(z)²] and the biases'
q − G·E[φ(z)²] ≥ 0 those are stable whose map q → G·E[φ(z)²] + Var(b) leads deviations back. χ = 1 is the edge of chaos (Poole et al.
2016, arXiv:1606.05340); where no point of it is stable, as with thresholds (Price et al. 2024, arXiv:2402.16184), points of the
ordered phase near to it are: inputs become alike there within 1/(1 − χ) layers, which is slower than a net diverges.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from initlint.lint.stacks import Stack

if TYPE_CHECKING:
    from initlint.lint.stacks import Stage

LEVELS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)  # second moments that are tried: small ones make logits of usual size
SLOPES = (1.0, 0.97, 0.95, 0.9, 0.85, 0.8)  # of the correlation's map
STABLE = 1.0 - 1e-3
STEP = 1e-2  # relative, of the map's derivative


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A second moment q of what the layers give, with fan_in·Var(w) and Var(b) that lead back to it."""

    q: float
    gain: float
    shift: float


def levels(stack: Stack, holds: Callable[[Stack], bool]) -> Iterator[Level]:
    """The stable levels of a stack with one function, the nearest to the edge of chaos first.

    holds  whether a stack with other variances is good: a slope below one at the level itself does not tell what a finite width does
    """
    middle = stack.stages[len(stack.stages) // 2 - 1]
    for chi in SLOPES:
        for q in LEVELS:
            level = _level(replace(middle, mean=0.0), q, chi)
            if level is not None and holds(at_level(stack, level)):
                yield level
                break


def at_level(stack: Stack, level: Level) -> Stack:
    """The stack as it would be with these variances."""
    changed = (replace(stage, gain=level.gain, mean=0.0, square=level.shift, q=level.q) for stage in stack.stages)
    return Stack(stages=tuple(changed))


def _level(stage: Stage, q: float, chi: float) -> Level | None:
    (slope,) = stage.expected([q], slope=True)
    low, middle, high = stage.expected([q * (1 - STEP), q, q * (1 + STEP)])
    if slope <= 0 or not all(map(math.isfinite, (slope, low, middle, high))):
        return None
    gain = chi / slope
    shift = q - gain * middle
    if shift < 0 or gain * (high - low) / (2 * STEP * q) > STABLE:
        return None
    return Level(q=q, gain=gain, shift=shift)
