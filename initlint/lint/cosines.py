"""Logits that are cosines times a scale of the model, and the loss below which no training brings them.

Of cosines times s over C classes the cross entropy is at least ln(1 + (C-1) e^(-s C/(C-1))): that of class weights which are a
simplex, each sample at its own (Wang et al. 2017, *NormFace*, arXiv:1704.06369, proposition 2).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from initlint.graph.dataflow import is_node, operands, operator, shape_of, strip

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.graph.model import Parameter
    from initlint.lint.facts import Facts

LOSSES = frozenset({"log_softmax", "_log_softmax", "cross_entropy_loss"})
LIMITING = frozenset({"clamp", "clamp_min", "clamp_max", "sub"})  # and margins
LONGEST = 12  # steps from logits to cosines


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosines:
    """
    factor     what they are multiplied by
    learned    the parameter whose exponential that is, if it is one
    weights    the parameter that the classes' directions are, None for cosines of two batches
    node       where the factor is applied
    """

    factor: float
    learned: Parameter | None
    weights: Parameter | None
    node: Node
    classes: int


def least_loss(factor: float, classes: int) -> float:
    """Cross entropy that cosines times a factor cannot fall below, in nats."""
    return math.log1p((classes - 1) * math.exp(-factor * classes / (classes - 1)))


def cosines_of(facts: Facts) -> Iterator[Cosines]:
    """The scaled cosines that a net puts out, or takes a cross entropy of."""
    nodes = facts.structure.nodes
    ends = [nodes[name] for name in facts.traced.outputs]
    ends += [next(operands(node)) for node in facts.structure.dependence.order if operator(node) in LOSSES]
    seen: set[str] = set()
    for end in ends:
        found = _scaled_cosines(facts, end)
        if found is not None and found.node.name not in seen:
            seen.add(found.node.name)
            yield found


def _scaled_cosines(facts: Facts, node: Node) -> Cosines | None:
    scales: list[tuple[Node, float, Parameter | None]] = []
    product = _unscaled(facts, node, scales)
    sides = list(operands(product))[:2]
    shape = shape_of(product)
    if operator(product) not in ("linear", "matmul", "mm") or len(sides) != 2 or len(shape) < 2 or len(product.args) > 2:
        return None
    directions = [_unscaled(facts, side, scales) for side in sides]
    learned = [parameter for _, _, parameter in scales if parameter is not None]
    if not all(_is_unit(side) for side in directions) or not scales or len(learned) > 1 or shape[-1] < 2:
        return None
    data = facts.structure.dependence.data
    fixed = [side for side in directions if side.name not in data]
    weights = facts.traced.parameters.get(strip(next(operands(fixed[0]))).name) if len(fixed) == 1 else None
    return Cosines(
        factor=math.prod(abs(factor) for _, factor, _ in scales),
        learned=learned[0] if learned else None,
        weights=weights,
        node=scales[0][0],
        classes=shape[-1],
    )


def _unscaled(facts: Facts, node: Node, scales: list[tuple[Node, float, Parameter | None]]) -> Node:
    """What the node is a multiple of; the factors are added to `scales`."""
    for _ in range(LONGEST):
        node = strip(node)
        name = operator(node)
        if name in ("log_softmax", "_log_softmax", *LIMITING):
            node = next(operands(node))
            continue
        if name not in ("mul", "div") or _is_unit(node) or len(node.args) < 2:
            return node
        for value, scale in ((node.args[0], node.args[1]), (node.args[1], node.args[0]))[: 2 if name == "mul" else 1]:
            found = _factor(facts, scale)
            if found is not None and is_node(value):
                factor, parameter = found
                scales.append((node, factor if name == "mul" else 1 / factor, parameter))
                node = value
                break
        else:
            return node
    return node


def _factor(facts: Facts, scale: object) -> tuple[float, Parameter | None] | None:
    """A number, or the exponential of a trained parameter of one entry, which may be limited from above."""
    if isinstance(scale, int | float) and not isinstance(scale, bool):
        return (abs(float(scale)), None) if scale else None
    for _ in range(LONGEST):
        if not is_node(scale) or operator(scale) not in ("clamp", "clamp_max", "minimum", "exp"):
            return None
        inside = strip(next(operands(scale)))
        parameter = facts.traced.parameters.get(inside.name)
        if operator(scale) == "exp":
            known = parameter is not None and parameter.trainable and math.prod(parameter.shape) == 1
            if not known or parameter is None or not math.isfinite(parameter.law.mean) or parameter.law.mean > 80:
                return None
            return math.exp(parameter.law.mean), parameter
        scale = inside
    return None


def _is_unit(node: Node) -> bool:
    """x / |x|, with a floor below the norm or without."""
    node = strip(node)
    if operator(node) != "div" or len(list(operands(node))) != 2:
        return False
    value, norm = operands(node)
    norm = strip(norm)
    while operator(norm) in ("expand_as", "expand", "clamp_min", "clamp", "add", "maximum"):
        norm = strip(next(operands(norm)))
    if operator(norm) not in ("linalg_vector_norm", "norm"):
        return False
    return next(operands(norm)) is value
