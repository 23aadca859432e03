"""SIGNALS → how signal and gradient grow over the steps of a recurrence.

A recurrent layer is a deep net whose layers share their weights: one step is one layer. What multiplies a state by more than one at every
step grows exponentially with the length of the sequence, forwards or on the way back, while what is added up step by step grows in
proportion to it. To tell them apart, the growth over all steps is taken to be at most what the last half of them would come to, if all
grew as they do.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from initlint.graph.dataflow import is_node, operator
from initlint.lint.finding import Severity

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.graph.layers import WeightLayer
    from initlint.lint.facts import Facts

    Levels = Sequence[tuple[float, float]]  # (step, second moment)

SHORTEST = 5  # steps; fewer give no trend


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurrence:
    """A layer that reads what it made itself a step before.

    weight    the parameter that multiplies the state, by node name
    node      what makes the state, or its first step
    unrolled  its steps are weight layers of the graph, one after the other
    signal, gradient  decades of root mean square by which the state grows over all steps, and its gradient on the way back
    """

    weight: str
    node: str
    unrolled: bool
    steps: int
    signal: float
    gradient: float


def recurrences(facts: Facts) -> Iterator[Recurrence]:
    """Recurrent operators, which run all steps in one call; cells and layers that are called again on what they made."""
    calls: dict[str, list[Node]] = {}
    for node in facts.structure.dependence.order:
        layer = facts.structure.layers.get(node.name)
        if layer is not None and layer.kind == "recurrent":
            yield from _operator(facts, node, layer)
            continue
        weight = _weight_of_cell(node) if layer is None else layer.weight
        if weight in facts.traced.parameters and (layer is None or layer.kind != "embedding"):
            chain = calls.setdefault(weight, [])
            if not chain or facts.structure.dependence.reaches(chain[-1], node):
                chain.append(node)
    yield from (_unrolled(facts, weight, chain) for weight, chain in calls.items() if len(chain) >= SHORTEST)


def severity_over(facts: Facts, *, fails: bool) -> Severity:
    """Of growth over the steps of a recurrence: one step less where the length of the sequence is guessed, as shorter ones may be meant."""
    if facts.guessed:
        return Severity.WARNING if fails else Severity.INFO
    return Severity.ERROR if fails else Severity.WARNING


def _weight_of_cell(node: Node) -> str:
    """Of a step of a recurrent cell (input, state, weight of the input, weight of the state, …)."""
    weight = node.args[3] if operator(node).endswith("_cell") and len(node.args) > 3 else None
    return weight.name if is_node(weight) else ""


def _state_of(node: Node) -> Node:
    """The state among what an operator gives, which is the first."""
    return next((user for user in node.users if operator(user) == "getitem" and user.args[1] == 0), node)


def _operator(facts: Facts, node: Node, layer: WeightLayer) -> Iterator[Recurrence]:
    forwards = facts.signals[_state_of(node).name].levels if _state_of(node) is not node else ()
    if not forwards:
        return
    last, given = forwards[-1][0], node.args[2]
    matrices = (
        [item.name for item in given if is_node(item) and item.name in layer.weights] if isinstance(given, list | tuple) else []
    )
    yield Recurrence(
        weight=matrices[1] if len(matrices) > 1 else layer.weight,
        node=node.name,
        unrolled=False,
        steps=round(last) + 1,
        signal=growth(forwards),
        gradient=growth([(last - step, square) for step, square in reversed(facts.signals[layer.source].grad_levels)]),
    )


def _unrolled(facts: Facts, weight: str, chain: Sequence[Node]) -> Recurrence:
    """The first call reads a state of zeros, so that it is left out forwards."""
    signals = [facts.signals.get(_state_of(node).name) for node in chain]
    forwards = [(float(step), (signal and signal.second_moment) or 0.0) for step, signal in enumerate(signals)]
    back = [(float(step), (signal and signal.grad_second_moment) or 0.0) for step, signal in enumerate(reversed(signals))]
    return Recurrence(
        weight=weight,
        node=chain[0].name,
        unrolled=chain[0].name in facts.structure.layers,
        steps=len(chain),
        signal=growth(forwards[1:]),
        gradient=growth(back),
    )


def growth(levels: Levels) -> float:
    """Decades from the first level to the last, or what the pace of the last half makes of all steps, if that is less."""
    known = [(step, math.log10(square) / 2) for step, square in levels if square > 0 and math.isfinite(square)]
    if len(known) < len(levels) or len(known) < 2 or known[-1][0] - known[0][0] < SHORTEST - 1:
        return 0.0
    (first, low), (last, high) = known[0], known[-1]
    middle, level = next((step, value) for step, value in known if step >= (first + last) / 2)
    pace = (high - level) / (last - middle) if last > middle else 0.0
    return min(high - low, pace * (last - first))
