"""SIGNALS → the main path of a model: the way along which most of the signal travels, step by step.

From an output upwards, at every node the operand is followed that carries the most of what still depends on the input.
Growth and decay are then read along one line of nodes, whatever branches off it. Two logarithms (base 10, of root mean
squares) are kept per step: of the input-born part √(q − k_batch), and of its share √((q − k_batch)/q). They are those of the
typical draw, not of the mean over draws: in a deep narrow net E[q] is kept by a few large draws while most vanish (`lag`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from initlint.graph.dataflow import ATTENTION, REDUCING, operands, operator, shape_of, strip
from initlint.lint.doubt import PER_DECADE

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.graph.layers import WeightLayer
    from initlint.lint.facts import Facts
    from initlint.propagate.signals import Signal

TINY = 1e-300  # where a logarithm of a second moment is cut off
ROUNDING = 1e-14  # q − k_batch is a difference: below this share of q it is rounding
DROPOUTS = frozenset({"dropout", "native_dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout"})
STILL = 1e-6  # of what the input moves most: a factor that it moves less is a constant to the others
HALF_A_DECADE = 0.5
EXTREMES = frozenset(("max", "amax", "min", "amin"))
PIECES = (
    16  # an extreme of more elements is a pooling; of as many or fewer a function like others, which grows with depth: maxout
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One node of a path with the change since the step before it, in decades of root mean square.

    rms       of the whole value
    born      of the part that depends on the input
    share     of the input-born part in the whole
    level     decades of the whole value's root mean square, after the step
    variance  what the step adds to Var(ln q) over draws
    lag       decades by which the step's typical change lies below that of the mean over draws
    counted   the change belongs to depth: not to a pooling or averaging over many elements
    restored  a normalization here sets the scale anew
    """

    node: str
    rms: float
    born: float
    share: float
    level: float
    variance: float
    lag: float
    counted: bool
    restored: bool
    layer: WeightLayer | None


def born_of(signal: Signal) -> float | None:
    """The second moment that depends on the input; all of it where there is no batch."""
    born = signal.input_born
    if born is None or signal.second_moment is None:
        return signal.second_moment
    return max(born, ROUNDING * signal.second_moment)


def main_path(facts: Facts, output: str) -> tuple[Node, ...]:
    """Nodes from the input to `output`, following the operand with the largest input-born part upwards."""
    nodes, data = facts.structure.nodes, facts.structure.dependence.data
    path: list[Node] = []
    node: Node | None = nodes[output]
    while node is not None and node.name in data:
        path.append(node)
        node = _carrier(node, facts)
    return tuple(reversed(path))


def ways(facts: Facts) -> Iterator[tuple[Node, ...]]:
    """The main path to each output; and of every floating input that is on none of them, as the style of a generator or what a net is
    conditioned on, the one to where what depends on it alone first meets the others."""
    taken: set[Node] = set()
    for output in facts.traced.outputs:
        path = main_path(facts, output)
        taken.update(path[:1])
        yield path
    dependence = facts.structure.dependence
    given = dependence.bits(facts.traced.inputs)
    for name in facts.traced.inputs:
        own = 1 << dependence.index[name]
        node = facts.structure.nodes[name]
        if name not in facts.signals or node in taken:
            continue
        alone = (late for late in dependence.order if dependence.ancestors[late.name] & given == own)
        last = next((late for late in alone if any(dependence.ancestors[user.name] & given != own for user in late.users)), None)
        if last is not None:
            yield main_path(facts, last.name)


def _carrier(node: Node, facts: Facts) -> Node | None:
    """The operand of `node` that carries the signal: of attention the values, elsewhere the strongest."""
    data = facts.structure.dependence.data
    candidates = [operand for operand in operands(node) if operand.name in data]
    if not candidates:
        return None
    if operator(node) == "scaled_dot_product_attention" and len(candidates) > 2:
        return candidates[2]
    if node.name in facts.structure.generated:
        return facts.structure.nodes[facts.structure.generated[node.name].source]
    if operator(node) in ("matmul", "bmm", "einsum") and len(candidates) > 1:
        values = [item for item in candidates if operator(strip(item)) not in ATTENTION]
        candidates = values or candidates
    if operator(node) == "mul" and len(candidates) > 1:
        candidates = _deepest(_moving(candidates, facts), facts)
    return max(candidates, key=lambda item: _strength(facts.signals.get(item.name)))


def _moving(factors: list[Node], facts: Facts) -> list[Node]:
    """Factors that the input moves: 1 + γ, where next to nothing is left of γ, hands on none of it."""
    shares = [_share(facts.signals.get(item.name)) for item in factors]
    return [item for item, share in zip(factors, shares, strict=True) if share >= STILL * max(shares)]


def _share(signal: Signal | None) -> float:
    """Of the second moment, what depends on the input; 1 where nothing is known."""
    born = None if signal is None else born_of(signal)
    if signal is None or born is None or math.isnan(born) or not signal.second_moment:
        return 1.0
    return born / signal.second_moment


def _deepest(factors: list[Node], facts: Facts) -> list[Node]:
    """Of factors, what others were computed from; else those behind most layers: a net of filters multiplies its way by them."""
    dependence = facts.structure.dependence
    trunks = [item for item in factors if all(dependence.reaches(item, other) for other in factors if other is not item)]
    if trunks:
        return trunks
    layers = dependence.bits(facts.structure.layers)
    own = [1 << dependence.index[item.name] for item in factors]
    depth = [((dependence.ancestors[item.name] | bit) & layers).bit_count() for item, bit in zip(factors, own, strict=True)]
    return [item for item, layers_before in zip(factors, depth, strict=True) if layers_before == max(depth)]


def _strength(signal: Signal | None) -> float:
    born = None if signal is None else born_of(signal)
    return -1.0 if born is None or math.isnan(born) else born


@dataclass(frozen=True, slots=True, kw_only=True)
class _Level:
    """Decades of a node's typical root mean square, and of its input-born part; Var(ln q); decades below the mean."""

    rms: float
    born: float
    variance: float
    lag: float


def steps_of(facts: Facts, path: Iterable[Node]) -> tuple[Step, ...]:
    """The changes along a path, between nodes whose signals are known and not zero. What comes behind a tensor of exact zeros is no
    change of what came before it, and what a batch norm makes of a tensor that is the same for all samples is zero but for rounding."""
    steps: list[Step] = []
    before: _Level | None = None
    rounded = False  # nothing but rounding is left
    skipped = False  # an averaging node without a signal lies in between
    restored = False
    layer: WeightLayer | None = None
    for node in path:
        name = operator(node)
        skipped = skipped or name in ATTENTION or (name in REDUCING and not _is_maxout(node))
        restored = restored or node.name in facts.structure.norms
        layer = facts.structure.layers.get(node.name) or facts.structure.generated.get(node.name, layer)
        signal = facts.signals.get(node.name)
        rounded = rounded and node.name not in facts.structure.layers
        if signal is not None and restored and _is_rounding(signal, before):
            rounded = True  # until weights add something of their own
        if signal is not None and (signal.second_moment == 0.0 or rounded):
            before, skipped, restored, layer = None, False, False, None
        if rounded or signal is None or not signal.second_moment or signal.second_moment < 0:  # zero, but for rounding
            continue
        born = born_of(signal)
        if (
            signal.input_born is None and before is not None
        ):  # samples are hidden in another axis: what they share is what it was
            born = signal.second_moment * 10 ** (2 * (before.born - before.rms))
        if born is None or not all(map(math.isfinite, (born, signal.second_moment))):
            continue
        lag = signal.lag / PER_DECADE
        now = _Level(
            rms=math.log10(signal.second_moment) / 2 + lag,
            born=math.log10(max(born, TINY)) / 2 + lag,
            variance=signal.spread**2,
            lag=lag,
        )
        if before is not None:
            masked = name in DROPOUTS  # what a mask makes two samples differ by is not of the input
            steps.append(
                Step(
                    node=node.name,
                    rms=now.rms - before.rms,
                    born=now.rms - before.rms if masked else now.born - before.born,
                    share=0.0 if masked else (now.born - now.rms) - (before.born - before.rms),
                    level=now.rms,
                    variance=now.variance - before.variance,
                    lag=now.lag - before.lag,
                    counted=not skipped,
                    restored=restored,
                    layer=layer,
                )
            )
        before, skipped, restored, layer = now, False, False, None
    return tuple(steps)


def _is_rounding(signal: Signal, before: _Level | None) -> bool:
    """Whether a normalization has left next to nothing of a tensor that did not depend on the input."""
    second = signal.second_moment
    if before is None or second is None or not before.born - before.rms <= math.log10(ROUNDING) / 2 + HALF_A_DECADE:
        return False
    return second < 10 ** (2 * RESTORED_RMS)


def _is_maxout(node: Node) -> bool:
    """Whether a node takes the largest or the smallest of a few pieces."""
    before, after = (math.prod(shape_of(item)) for item in (next(operands(node)), node))
    return operator(node) in EXTREMES and before <= PIECES * after


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """All steps from one weight layer up to the next: the layer and what follows it. Decades of root mean square."""

    layer: WeightLayer
    rms: float
    born: float
    share: float


def segments_of(steps: Sequence[Step]) -> tuple[Segment, ...]:
    """Group the counted steps by the weight layer that they follow."""
    grouped: list[tuple[WeightLayer, list[Step]]] = []
    for step in steps:
        if step.layer is not None:
            grouped.append((step.layer, []))
        if grouped and step.counted:
            grouped[-1][1].append(step)
    return tuple(
        Segment(
            layer=layer,
            rms=sum(step.rms for step in members),
            born=sum(step.born for step in members),
            share=sum(step.share for step in members),
        )
        for layer, members in grouped
    )


def weights_along(facts: Facts, path: Iterable[Node]) -> Mapping[str, WeightLayer]:
    """The weights on a path, by parameter, each with the first layer that uses it."""
    found: dict[str, WeightLayer] = {}
    for node in path:
        layer = facts.structure.layers.get(node.name)
        if layer is not None:
            found.setdefault(layer.weight, layer)
    return found


# -- stretches between normalizations -----------------------------------------------------------------------------------

RESTORED_RMS = -1.0  # decades; below this the normalization's epsilon, not the signal, set the output


def stretches(steps: Sequence[Step]) -> tuple[tuple[Step, ...], ...]:
    """The steps cut after every normalization that really set the scale anew; the last stretch ends at the output."""
    parts: list[list[Step]] = [[]]
    for step in steps:
        if step.restored and step.level >= RESTORED_RMS:
            parts.append([])
        else:
            parts[-1].append(step)
    return tuple(tuple(part) for part in parts)


def since_restored(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps after the last normalization that really set the scale anew."""
    return stretches(steps)[-1]


def feeding_layer(facts: Facts, node: Node) -> WeightLayer | None:
    """The weight layer that sets the scale of a node: the closest one upwards on the strongest way, short of a
    normalization."""
    data = facts.structure.dependence.data
    current: Node | None = node
    while current is not None and current.name in data:
        layer = facts.structure.layers.get(current.name)
        if layer is not None:
            return layer
        if current.name in facts.structure.norms:
            return None
        current = _carrier(current, facts)
    return None
