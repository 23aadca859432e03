"""SIGNALS → how the size of weight gradients changes with depth, layer role by layer role.

Compared are relative gradients √E[g²]/√E[w²] of weights of one shape that play the same role (`layers.0.fc1`,
`layers.1.fc1`, …) or stand on the main path, in order of depth: a common scale says more about the loss than about the net,
and weights of different roles differ by design.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from initlint.graph.dataflow import operator
from initlint.graph.roles import role_of
from initlint.lint.doubt import PER_DECADE
from initlint.lint.paths import main_path, weights_along
from initlint.lint.wording import module_at

if TYPE_CHECKING:
    from initlint.graph.layers import WeightLayer
    from initlint.lint.facts import Facts

# Fewer layers give no trend, two layers of one net differ by their fans alone; but where each gradient is ten times the next
# layer's, three are enough. A SIREN of three hidden layers without the 1/omega in their bound (30x per layer) fits no pixel of an
# image: error 0.38 of a variance of 0.37, with it 0.09 (held-out, 64 units, Adam, two rates).
SHORTEST = 5
STEEP, FEW = 1.0, 3  # decades per layer, layers
SOFTMAX = frozenset({"softmax", "_softmax"})
TREND = 0.5  # share of the variance of log gradients that a straight line has to explain


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """Relative gradients along depth. `decades` = log10(first/last) along the fitted line: positive when they explode
    on the way back to the input; `spread` is their standard deviation from draw to draw.

    Of the gradient only the ways differ: |δ|² multiplies up on the way back as |x|² does on the way in, so the typical draw
    lags behind the mean by as much in all layers, and their ratio varies with both, which are nearly independent.
    """

    layers: tuple[WeightLayer, ...]
    decades: float
    spread: float
    joined: bool = False  # over stages of different shapes, one after the other: the sum of what each of them comes to

    @property
    def per_layer(self) -> float:
        """Factor of the gradient from one layer to the one before it."""
        return float(10 ** (self.decades / (len(self.layers) - 1)))


def only_scores(facts: Facts, layer: WeightLayer) -> bool:
    """Whether all that a layer puts out are queries or keys: it decides where an attention looks, and carries no signal on."""
    nodes, seen, found = [facts.structure.nodes[layer.node]], set(), False
    while nodes:
        node = nodes.pop()
        for user in node.users:
            name = operator(user)
            if name in SOFTMAX or (name == "scaled_dot_product_attention" and node in user.args[:2]):
                found = True
            elif user.name in facts.structure.layers or name == "scaled_dot_product_attention" or user.op == "output":
                return False
            elif user.name not in seen:
                seen.add(user.name)
                nodes.append(user)
    return found


def trends(facts: Facts) -> Iterator[Trend]:
    """The trend of every role with enough layers, and of the main path of every output; of few layers, where it is steep.

    Last come those of paths through stages of different shapes.
    """
    seen: set[tuple[str, ...]] = set()
    stages: dict[str, list[Trend]] = {}
    for group, layers in _series(facts):
        measured = [(layer, value) for layer in layers if (value := relative_gradient(layer, facts)) is not None]
        key = tuple(layer.weight for layer, _ in measured)
        values = [value for _, value in measured]
        if key not in seen and (len(values) >= SHORTEST or _steep(values)):
            seen.add(key)
            decades = _fitted(values) if len(values) >= SHORTEST else values[0] - values[-1]
            ends = [facts.signals[measured[n][0].node].spread ** 2 for n in (0, -1)]
            trend = Trend(
                layers=tuple(layer for layer, _ in measured),
                decades=decades,
                spread=math.sqrt(2.0 * max(ends[1] - ends[0], 0.0)) / PER_DECADE,
            )
            stages.setdefault(group, []).append(trend)
            yield trend
    order = facts.structure.dependence.index
    for output in facts.traced.outputs:
        parts = sorted(stages.get(output, ()), key=lambda trend: order[trend.layers[0].node])
        if len(parts) > 1 and all(order[a.layers[-1].node] < order[b.layers[0].node] for a, b in itertools.pairwise(parts)):
            yield Trend(
                layers=tuple(layer for part in parts for layer in part.layers),
                decades=sum(part.decades for part in parts),
                spread=math.hypot(*(part.spread for part in parts)),
                joined=True,
            )


def _series(facts: Facts) -> Iterator[tuple[str, Sequence[WeightLayer]]]:
    """Layers to compare, with the role or the output whose path they are of: all of one shape.

    A gradient grows with the number of positions a weight is used at and, behind a normalization, with 1/std of the weight;
    both differ between the stages of a convolutional net, whatever its depth.
    """
    groups: dict[tuple[str, str, tuple[int, ...]], dict[str, WeightLayer]] = {}
    for output in facts.traced.outputs:
        for layer in weights_along(facts, main_path(facts, output)).values():
            _add(groups, output, layer, facts)
    for layer in facts.structure.layers.values():
        _add(groups, role_of(module_at(layer, facts)), layer, facts)
    yield from ((group, list(members.values())) for (group, _, _), members in groups.items())


def _add(
    groups: dict[tuple[str, str, tuple[int, ...]], dict[str, WeightLayer]], group: str, layer: WeightLayer, facts: Facts
) -> None:
    if layer.kind != "embedding":
        key = group, layer.kind, facts.parameter(layer.weight).shape
        groups.setdefault(key, {}).setdefault(layer.weight, layer)


def relative_gradient(layer: WeightLayer, facts: Facts) -> float | None:
    """log10 of √E[g²]/√E[w²] of a layer's weight; None where either is zero or unknown."""
    parameter = facts.parameter(layer.weight)
    signal = facts.signals.get(layer.weight)
    if signal is None or not parameter.trainable or not signal.grad_second_moment:
        return None
    square = parameter.law.second_moment
    if not square or not all(map(math.isfinite, (square, signal.grad_second_moment))):
        return None
    return (math.log10(signal.grad_second_moment) - math.log10(square)) / 2


def _steep(values: Sequence[float]) -> bool:
    """Whether every gradient of a few is ten times the one of the layer after it."""
    return len(values) >= FEW and all(before - after >= STEEP for before, after in itertools.pairwise(values))


def _fitted(values: Sequence[float]) -> float:
    """Decades from last to first: by least squares over the inner layers, or by the ends, whichever says less.

    The first and the last layer are left out of the fit: they often have a start of their own. Layers that alternate, as those of
    blocks whose last one starts small, are no trend: the line has to explain most of what they differ by.
    """
    inner = values[1:-1]
    centre = (len(inner) - 1) / 2
    mean = sum(inner) / len(inner)
    spread = sum((number - centre) ** 2 for number in range(len(inner)))
    slope = sum((number - centre) * (value - mean) for number, value in enumerate(inner)) / spread
    varied = sum((value - mean) ** 2 for value in inner)
    if slope**2 * spread < TREND * varied:
        return 0.0
    fitted = -slope * (len(values) - 1)
    ends = max(1, len(inner) // 4)
    direct = sum(inner[:ends]) / ends - sum(inner[-ends:]) / ends
    if fitted * direct <= 0:
        return 0.0
    return math.copysign(min(abs(fitted), abs(direct) * (len(values) - 1) / max(len(inner) - ends, 1)), fitted)
