"""Rank: an upper bound of the rank of the Jacobian from the floating inputs to every node, at a generic input.

An input (and what an embedding looks up for integer inputs) has the rank of its size. After that

    rank(node) ≤ min(Σ rank of its operands, elements of the node, what the operator leaves)

so a bottleneck bounds everything behind it. An operator leaves less when its weight has low rank (all zero: none, constant or
of equal rows: one a position), when it removes directions (the mean of a layer norm, the sum of a softmax), when entries are zero by a
rectifier, and nothing when it has no derivative.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from initlint.graph.repeats import equal_along

if TYPE_CHECKING:
    from torch import fx

    from initlint.graph.model import Law, TracedModel
    from initlint.propagate.signals import Signal

FLAT = {
    "detach", "sign", "sgn", "floor", "ceil", "round", "trunc", "argmax", "argmin", "gt", "lt", "ge", "le", "eq", "ne", "zeros_like",
    "ones_like", "full_like", "rand_like", "randn_like", "new_zeros", "new_ones", "new_full", "new_empty", "empty_like",
    "heaviside", "bernoulli", "one_hot",
}  # fmt: skip
RECTIFIERS = {"relu", "threshold", "hardshrink", "softshrink"}
NORMALIZED = {"layer_norm": 1, "softmax": 1, "log_softmax": 1, "_softmax": 1}  # directions lost in each normalized vector
WEIGHTED = {
    "linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "convolution", "addmm",
}  # fmt: skip


def ranks(traced: TracedModel, signals: Mapping[str, Signal]) -> dict[str, int]:
    """The bound for every floating node, by name."""
    from initlint.propagate.calls import name_of

    bound: dict[str, int] = {}
    total = 0
    for node in traced.program.graph.nodes:
        size = elements(node)
        if node.op == "placeholder":
            law = traced.inputs.get(node.name)
            bound[node.name] = size if law is not None and floating(node) else 0
            total += bound[node.name]
        elif node.op == "call_function":
            name = name_of(node.target).rstrip("_")
            if name == "embedding":
                bound[node.name] = 0 if _nothing(node, signals) else size
                total += bound[node.name]
                continue
            before = sum(bound.get(i.name, 0) for i in node.all_input_nodes)
            bound[node.name] = min(before, left_by(node, name, size, signals, traced), total)
        else:
            bound[node.name] = 0
    return {name: bound[name] for name in signals if name in bound}


def elements(node: fx.Node) -> int:
    """Number of entries of a node's tensor, or of all its tensors."""
    value: Any = node.meta.get("val")
    if isinstance(value, (list, tuple)):
        return sum([math.prod(map(int, v.shape)) for v in value if hasattr(v, "shape")])
    return math.prod(map(int, value.shape)) if hasattr(value, "shape") else 0


def floating(node: fx.Node) -> bool:
    value: Any = node.meta.get("val")
    return bool(hasattr(value, "is_floating_point") and (value.is_floating_point() or value.is_complex()))


def left_by(node: fx.Node, name: str, size: int, signals: Mapping[str, Signal], traced: TracedModel) -> int:
    """The most that one operator's output can have."""
    if name in FLAT or _nothing(node, signals):
        return 0
    shape = tuple(getattr(node.meta.get("val"), "shape", ()))
    args: Any = node.args
    if name in RECTIFIERS and node.name in signals:
        return math.ceil(size * (1.0 - signals[node.name].zero_fraction))
    if name in NORMALIZED and shape:
        length = _normalized_length(node, name, shape)
        return size - NORMALIZED[name] * (size // max(length, 1))
    if name in WEIGHTED and len(args) > 1:
        weight = args[2] if name == "addmm" else args[1]
        parameter = traced.parameters.get(getattr(weight, "name", ""))
        law = None if parameter is None else parameter.law
        if law is not None and _rank_one(law):
            channels = int(shape[-1] if name in ("linear", "addmm") else shape[1]) if shape else 1
            return size // max(channels, 1)
    return size


def _nothing(node: fx.Node, signals: Mapping[str, Signal]) -> bool:
    """A value that is zero whatever the input is does not depend on it."""
    signal = signals.get(node.name)
    return signal is not None and signal.second_moment == 0.0


def _rank_one(law: Law) -> bool:
    return law.family == "constant" or equal_along(law, 0)


def _normalized_length(node: fx.Node, name: str, shape: tuple[Any, ...]) -> int:
    args: Any = node.args
    if name == "layer_norm":
        return math.prod([int(n) for n in args[1]])
    dim = args[1] if len(args) > 1 else -1
    return int(shape[dim]) if isinstance(dim, int) else int(shape[-1])


__all__ = ["ranks"]
