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

from initlint.graph.dataflow import PASSING, SELECTING, is_node, operands, operator, strip
from initlint.lint.doubt import PER_DECADE
from initlint.propagate.signals import Level

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.graph.layers import WeightLayer
    from initlint.lint.facts import Facts

TERMS = 16  # of what is added to a state in one step
SHORTEST = 5  # steps; fewer give no trend


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """Decades of root mean square that the typical draw grows by, and their standard deviation over draws."""

    decades: float
    spread: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurrence:
    """A layer, or a product, that reads what it made itself a step before.

    weight    the parameter that multiplies the state, or that the factors are made of, by node name
    node      what makes the state, or its first step
    unrolled  its steps are weight layers of the graph, one after the other
    factors   the state is multiplied element by element
    signal, gradient  growth of the state over all steps, and of its gradient on the way back
    """

    weight: str
    node: str
    unrolled: bool
    steps: int
    signal: Growth
    gradient: Growth
    factors: bool = False


def recurrences(facts: Facts) -> Iterator[Recurrence]:
    """Recurrent operators, which run all steps in one call; cells and layers that are called again on what they made; factors that
    multiply a state again and again."""
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
    for weight, chain in _multiplied(facts):
        if len(chain) >= SHORTEST:
            yield replace(_unrolled(facts, weight, chain), factors=True)


def _multiplied(facts: Facts) -> Iterator[tuple[str, list[Node]]]:
    """Products by the same factors at every step, with nothing but sums in between: h = λ ⊙ h + x, as state space models written as
    a loop have it. The parameter that the factors are made of, and the products.
    """
    dependence = facts.structure.dependence
    forms: dict[str, str] = {}
    chains: dict[str, list[Node]] = {}  # by the last product of each
    found: list[tuple[str, list[Node]]] = []
    for node in dependence.order:
        if node.name not in dependence.data or operator(node) != "mul" or not all(is_node(item) for item in node.args[:2]):
            continue
        fixed = [item for item in node.args[:2] if is_node(item) and item.name not in dependence.data]
        others = [item for item in node.args[:2] if is_node(item) and item is not (fixed[0] if fixed else None)]
        weight = next(_parameters(fixed[0], facts), "") if fixed else ""
        if not weight or len(others) != 1:
            continue
        form = _form(fixed[0], forms)
        before = next((name for name in _summed(others[0]) if name in chains and forms.get(f"={name}") == form), "")
        chain = chains.pop(before) if before else []
        if not before:
            found.append((weight, chain))
        chain.append(node)
        chains[node.name] = chain
        forms[f"={node.name}"] = form
    longest: dict[str, list[Node]] = {}
    for weight, chain in found:
        longest[weight] = max(longest.get(weight, []), chain, key=len)
    yield from longest.items()


def _parameters(node: Node, facts: Facts) -> Iterator[str]:
    """The parameters that factors are made of, first operands first: of a modulus and an angle the modulus."""
    waiting, seen = [node], {node.name}
    while waiting:
        node = waiting.pop()
        item = facts.traced.parameters.get(node.name)
        if item is not None and item.kind == "parameter":
            yield node.name
        fresh = [part for part in operands(node) if part.name not in seen]
        seen.update(part.name for part in fresh)
        waiting.extend(reversed(fresh))


def _form(node: Node, forms: dict[str, str]) -> str:
    """What computes a node that depends on no input: the same for two that are computed alike, one at each step."""
    if node.name not in forms:
        if node.op != "call_function":
            forms[node.name] = node.name
        else:
            given = ",".join(_form(item, forms) if is_node(item) else repr(item) for item in node.args)
            forms[node.name] = f"{len(forms)}" if (same := forms.get(f"{node.target}({given})")) is None else same
            forms[f"{node.target}({given})"] = forms[node.name]
    return forms[node.name]


def _summed(node: Node) -> Iterator[str]:
    """The terms of a sum, and of those that are sums again; the first few."""
    waiting, seen = [node], set[str]()
    while waiting and len(seen) < TERMS:
        term = strip(waiting.pop(0), PASSING | SELECTING - {"cat", "stack"})
        if term.name not in seen:
            seen.add(term.name)
            yield term.name
            waiting.extend(operands(term) if operator(term) in ("add", "sub") else ())


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
