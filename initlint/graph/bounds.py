"""Piecewise linear functions: between which inputs they have a slope, and none beyond."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from initlint.graph.dataflow import operator

if TYPE_CHECKING:
    from torch.fx import Node

# nn.ReLU6 is traced as hardtanh(0, 6).
_BOUNDS: Mapping[str, tuple[float, float]] = {
    "relu": (0.0, math.inf),
    "relu6": (0.0, 6.0),
    "threshold": (0.0, math.inf),
    "hardtanh": (-1.0, 1.0),
    "hardsigmoid": (-3.0, 3.0),
    "hardswish": (-3.0, math.inf),
}


def bounds_of(node: Node) -> tuple[float, float] | None:
    """(lowest, highest) input at which the node's function has a slope, by the arguments of its call; None for other functions."""
    name = operator(node)
    if name not in _BOUNDS:
        return None
    low, high = _BOUNDS[name]
    if name == "threshold":
        given = node.args[1] if len(node.args) > 1 else node.kwargs.get("threshold")
        return (float(given), high) if isinstance(given, int | float) else None
    if name == "hardtanh":
        limits = [*node.args[1:3], *(node.kwargs[key] for key in ("min_val", "max_val") if key in node.kwargs)]
        if len(limits) == 2 and isinstance(limits[0], int | float) and isinstance(limits[1], int | float):
            low, high = float(limits[0]), float(limits[1])
    return (low, high) if high > low else None
