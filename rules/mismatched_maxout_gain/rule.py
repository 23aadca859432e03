"""INI306: maxout units whose weights do not have the variance that maxout needs.

The largest of K standard normals has second moment M_K, so that layers of K pieces keep the signal where fan_in·Var(w) = 1/M_K
(Tseran and Montúfar 2023, arXiv:2301.06956): 1 for two pieces, 0.78 for three, 0.64 for four, 0.56 for five.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from initlint.graph.dataflow import NORMALIZING, PASSING, is_node, operands, operator, shape_of
from initlint.lint.finding import Severity
from initlint.lint.paths import PIECES
from initlint.lint.rule import Rule
from initlint.lint.wording import counted, finding, module_at, number, pattern_of, places_of_layers

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.fixes.edit import Fix
    from initlint.graph.layers import WeightLayer
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI306",
    name="mismatched-maxout-gain",
    severity=Severity.INFO,
    summary="Layers of maxout units are drawn with a variance that makes the signal grow or shrink layer by layer.",
    fix="unsafe",
)

LAYERS = 2  # one layer is no law of depth
OFF = 1.1  # ratio of root mean squares per layer, as of mismatched-gain
VIEWS = frozenset("view reshape unflatten _unsafe_view".split())
FAMILIES = frozenset({"normal", "uniform", "truncated normal", "orthogonal"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Maxout:
    """Units that are the largest of some pieces; `layers` hold the weights of all pieces."""

    node: str
    pieces: int
    layers: tuple[WeightLayer, ...]

    def factor(self, facts: Facts) -> float:
        """What the second moment is multiplied by: M_K·fan_in·E[w²]."""
        gains = [layer.fan_in * facts.parameter(layer.weight).law.second_moment for layer in self.layers]
        return second_moment(self.pieces) * sum(gains) / len(gains)


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per number of pieces and factor."""
    groups: dict[tuple[int, str], list[_Maxout]] = {}
    for found in maxouts(facts):
        factor = math.sqrt(found.factor(facts))
        if not _is_normalized(facts, found) and not 1 / OFF < factor < OFF:
            groups.setdefault((found.pieces, f"{factor:.3g}"), []).append(found)
    for (pieces, _), members in groups.items():
        if len(members) < LAYERS:
            continue
        factor = math.sqrt(members[0].factor(facts))
        layers = [layer for member in members for layer in member.layers]
        at, others = places_of_layers(facts, [(layer, 1.0) for layer in layers])
        needed = 1 / second_moment(pieces)
        yield finding(
            RULE,
            facts,
            at=at,
            message=(
                f"{counted(len(members), 'layer')} of maxout units ({pattern_of(module_at(layer, facts) for layer in layers)}, {pieces} pieces) "
                f"multiply the signal by {number(factor)} each, {number(factor ** len(members))} in all: the largest of {pieces} pieces "
                f"needs fan_in·Var(w) = {needed:.3g}, and they are drawn with {needed * factor**2:.3g}."
            ),
            help=f"draw these weights with a standard deviation of sqrt({needed:.3g} / fan_in), fan_in the inputs of one piece",
            modules=[module_at(layer, facts) for layer in layers],
            evidence={"pieces": float(pieces), "factor": factor, "layers": float(len(members)), "needed": needed},
            related=others,
            rests_on=tuple(member.node for member in members),
        )


@cache
def second_moment(pieces: int) -> float:
    """E[(max of K standard normals)²], by the density K·φ(z)·Φ(z)^(K−1)."""
    step = 0.01
    points = [step * place for place in range(-1000, 1001)]
    return sum(
        z
        * z
        * pieces
        * math.exp(-z * z / 2)
        / math.sqrt(2 * math.pi)
        * (0.5 * math.erfc(-z / math.sqrt(2))) ** (pieces - 1)
        * step
        for z in points
    )


# -- structure ----------------------------------------------------------------------------------------------------------


def maxouts(facts: Facts) -> Iterator[_Maxout]:
    """Maxima over a dimension that splits the features of one layer, over stacked layers, or of two layers' outputs."""
    for node in facts.structure.dependence.order:
        name = operator(node)
        if node.name not in facts.structure.dependence.data or name not in ("amax", "max", "maximum"):
            continue
        binary = name == "maximum" or (name == "max" and len(list(operands(node))) == 2)
        found = _of_operands(facts, node) if binary else _over_dimension(facts, node)
        if found is not None and all(_is_drawn(facts, layer) for layer in found.layers):
            yield found


def _is_drawn(facts: Facts, layer: WeightLayer) -> bool:
    law = facts.parameter(layer.weight).law
    return law.family in FAMILIES and law.second_moment > 0 and abs(law.mean) * math.sqrt(layer.fan_in) < 0.01 * law.std


def _over_dimension(facts: Facts, node: Node) -> _Maxout | None:
    """`linear(x).view(…, units, pieces).amax(-1)`, `torch.stack([a(x), b(x)]).amax(0)`."""
    dims = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")
    given = [dims] if isinstance(dims, int) else list(dims) if isinstance(dims, list | tuple) else []
    before = node.args[0]
    if len(given) != 1 or not isinstance(given[0], int) or not is_node(before):
        return None
    shape = shape_of(before)
    dim = given[0] % len(shape) if shape else 0
    if not shape or not 2 <= shape[dim] <= PIECES:
        return None
    if operator(before) == "stack":
        place = before.args[1] if len(before.args) > 1 else before.kwargs.get("dim", 0)
        if not isinstance(place, int) or place % len(shape) != dim:
            return None
        return _of_parts(facts, node, list(operands(before)))
    if operator(before) not in VIEWS:
        return None
    inner = before.args[0]
    while is_node(inner) and operator(inner) in VIEWS | {"dropout", "contiguous", "clone"}:
        inner = inner.args[0]
    layer = facts.structure.layers.get(inner.name) if is_node(inner) else None
    if layer is None or layer.kind not in ("linear", "convolution"):
        return None
    old = shape_of(facts.structure.nodes[layer.node])
    features = len(old) - 1 if layer.kind == "linear" else 1
    after = len(old) - features - 1
    split = shape[features : len(shape) - after]
    kept = shape[:features] == old[:features] and shape[len(shape) - after :] == old[features + 1 :]
    if not kept or math.prod(split) != old[features] or not features <= dim < len(shape) - after or shape[dim] == old[features]:
        return None
    return _Maxout(node=node.name, pieces=shape[dim], layers=(layer,))


def _of_operands(facts: Facts, node: Node) -> _Maxout | None:
    """`torch.maximum(a(x), b(x))`, also of more than two, one inside the other."""
    users = [user for user in node.users if operator(user) == "maximum"]
    if users:
        return None  # told at the outermost
    parts: list[Node] = []
    stack = [node]
    while stack:
        inner = stack.pop()
        if operator(inner) == "maximum" or inner is node:
            stack += list(operands(inner))
        else:
            parts.append(inner)
    return _of_parts(facts, node, parts)


def _of_parts(facts: Facts, node: Node, parts: list[Node]) -> _Maxout | None:
    layers = [facts.structure.layers.get(part.name) for part in parts]
    found = [layer for layer in layers if layer is not None and layer.kind in ("linear", "convolution")]
    if not 2 <= len(parts) <= PIECES or len(found) != len(parts) or len({layer.weight for layer in found}) != len(parts):
        return None
    if len({layer.source for layer in found}) != 1 or len({layer.fan_in for layer in found}) != 1:
        return None
    return _Maxout(node=node.name, pieces=len(parts), layers=tuple(found))


def _is_normalized(facts: Facts, found: _Maxout) -> bool:
    """Whether a normalization sets the scale of the units anew before the next layer reads them."""
    stack, seen = list(facts.structure.nodes[found.node].users), set[str]()
    while stack:
        node = stack.pop()
        if node.name in facts.structure.norms or operator(node) in NORMALIZING:
            return True
        if node.name not in seen and operator(node) in PASSING | {"getitem", "mul", "max_pool2d", "avg_pool2d"}:
            seen.add(node.name)
            stack += list(node.users)
    return False


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """Weights of the variance that maxout needs: 2/(1 + a²) of Kaiming's is 1/M_K for a² = 2·M_K − 1, whatever the fan."""
    from initlint.fixes.starts import Start
    from initlint.lint.cures import alike, fan_of, layers_of, restarted

    pieces = round(found.evidence["pieces"])
    said = 'nonlinearity="linear"' if pieces == 2 else f"a={math.sqrt(2 * second_moment(pieces) - 1):.4g}"

    def starts(facts: Facts, layer: WeightLayer) -> tuple[Start, ...]:
        mode = ('mode="fan_out"',) if fan_of(facts, layer) == "fan_out" else ()
        arguments = (*mode, said) if pieces == 2 else (said, *mode)
        return (Start(function="kaiming_normal_", arguments=arguments),)

    yield from restarted(facts, alike(facts, layers_of(found, facts)), starts)
