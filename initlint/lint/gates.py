"""The biases of an LSTM by gate: what each stretch of a bias vector starts at."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from initlint.graph.model import Parameter


def levels_of(parameter: Parameter) -> tuple[tuple[int, int, float], ...]:
    """(start, stop, mean) of the stretches of a vector that have one law, or equal values where these are known."""
    if parameter.law.parts:
        return tuple((region[0][0], region[0][1], law.mean) for region, law in parameter.law.parts)
    if parameter.value is None or parameter.value.dim() != 1:
        return ((0, parameter.shape[0], parameter.law.mean),)
    found: list[tuple[int, int, float]] = []
    start = 0
    for value, members in groupby(parameter.value.tolist()):
        stop = start + sum(1 for _ in members)
        found.append((start, stop, float(value)))
        start = stop
    return tuple(found)


def mean_of(parameter: Parameter, start: int, stop: int) -> float:
    """Mean of the entries start … stop of a vector."""
    total = sum(mean * max(min(end, stop) - max(begin, start), 0) for begin, end, mean in levels_of(parameter))
    return total / (stop - start)
