"""SIGNALS → how signal and gradient grow over the steps of a recurrence.

A recurrent layer is a deep net whose layers share their weights: one step is one layer. What multiplies a state by more than one at every
step grows exponentially with the length of the sequence, forwards or on the way back, while what is added up step by step grows in
proportion to it. To tell them apart, the growth over all steps is taken to be at most what the last half of them would come to, if all
grew as they do.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from initlint.graph.dataflow import is_node, operator
from initlint.lint.doubt import PER_DECADE
from initlint.propagate.signals import Level

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.graph.layers import WeightLayer
    from initlint.lint.facts import Facts

SHORTEST = 5  # steps; fewer give no trend


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """Decades of root mean square that the typical draw grows by, and their standard deviation over draws."""

    decades: float
    spread: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurrence:
    """A layer that reads what it made itself a step before.

    weight    the parameter that multiplies the state, by node name
    node      what makes the state, or its first step
    unrolled  its steps are weight layers of the graph, one after the other
    signal, gradient  growth of the state over all steps, and of its gradient on the way back
    """

    weight: str
    node: str
    unrolled: bool
    steps: int
    signal: Growth
    gradient: Growth


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
    last, given = forwards[-1].step, node.args[2]
    back = [replace(level, step=last - level.step) for level in reversed(facts.signals[layer.source].grad_levels)]
    matrices = (
        [item.name for item in given if is_node(item) and item.name in layer.weights] if isinstance(given, list | tuple) else []
    )
    yield Recurrence(
        weight=matrices[1] if len(matrices) > 1 else layer.weight,
        node=node.name,
        unrolled=False,
        steps=round(last) + 1,
        signal=growth(forwards),
        gradient=growth(back),
    )


def _unrolled(facts: Facts, weight: str, chain: Sequence[Node]) -> Recurrence:
    """The first call reads a state of zeros, so that it is left out forwards."""
    signals = [facts.signals.get(_state_of(node).name) for node in chain]
    forwards = [Level(step=n, second_moment=(signal and signal.second_moment) or 0.0) for n, signal in enumerate(signals)]
    back = [Level(step=n, second_moment=(signal and signal.grad_second_moment) or 0.0) for n, signal in enumerate(reversed(signals))]
    return Recurrence(
        weight=weight,
        node=chain[0].name,
        unrolled=chain[0].name in facts.structure.layers,
        steps=len(chain),
        signal=growth(forwards[1:]),
        gradient=growth(back),
    )


def growth(levels: Sequence[Level]) -> Growth:
    """From the first level to the last, or what the pace of the last half makes of all steps, if that is less."""
    known = [(level.step, math.log10(level.second_moment) / 2) for level in levels if 0 < level.second_moment < math.inf]
    if len(known) < len(levels) or len(known) < 2 or known[-1][0] - known[0][0] < SHORTEST - 1:
        return Growth(decades=0.0)
    (first, low), (last, high) = known[0], known[-1]
    middle, level = next((step, value) for step, value in known if step >= (first + last) / 2)
    pace = (high - level) / (last - middle) if last > middle else 0.0
    return Growth(decades=min(high - low, pace * (last - first)), spread=max(levels[0].spread, levels[-1].spread) / PER_DECADE)
