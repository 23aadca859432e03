"""INI105: attention whose logits are all alike, so that it averages and its queries and keys hardly learn."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.graph.dataflow import operands, operator, shape_of
from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import counted, finding, number, site_of_module, site_of_node

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.fixes.edit import Fix
    from initlint.graph.layers import WeightLayer
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI105",
    name="uniform-attention",
    severity=Severity.INFO,
    summary="Logits of an attention start almost equal: it is an average, and queries and keys hardly learn.",
    fix="unsafe",
)

ALIKE = 1e-3  # standard deviation of the logits: gradients of queries and keys are smaller than those of the values by as much


def check(facts: Facts) -> Iterator[Finding]:
    """One finding for all attentions of a model, by the first."""
    found: list[tuple[Node, float]] = []
    for node in facts.structure.dependence.order:
        if operator(node) == "scaled_dot_product_attention" and node.name in facts.structure.dependence.data:
            deviation = _deviation(facts, node)
            if deviation is not None and 0 < deviation < ALIKE:
                found.append((node, deviation))
    if not found:
        return
    node, deviation = found[0]
    modules = [facts.traced.modules.get(item.name, "") for item, _ in found]
    yield finding(
        RULE,
        facts,
        at=site_of_module(modules[0], facts) or site_of_node(node.name, facts),
        message=(
            f"logits of {counted(len(found), 'attention')} start with a standard deviation of {number(deviation)}: softmax gives "
            "all keys the same weight, attention is an average, and gradients of queries and keys are smaller than those of the "
            "values by this factor."
        ),
        help="start queries and keys larger (std near 1/sqrt(width)), or check that the logits are scaled once only",
        modules=[name for name in modules if name],
        evidence={"std": deviation},
        rests_on=(node.name,),
    )


def _deviation(facts: Facts, node: Node) -> float | None:
    """Standard deviation of q·k times the scale, for independent entries."""
    query, key = list(operands(node))[:2]
    asked, offered = facts.signals.get(query.name), facts.signals.get(key.name)
    width = shape_of(query)[-1] if shape_of(query) else 0
    if asked is None or offered is None or not width or asked.second_moment is None or offered.second_moment is None:
        return None
    given = node.kwargs.get("scale")
    scale = float(given) if isinstance(given, int | float) else width**-0.5
    square = scale**2 * width * asked.second_moment * offered.second_moment
    return math.sqrt(square) if math.isfinite(square) else None


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """Queries and keys drawn at the usual size."""
    from initlint.lint.cures import linear_starts, restarts
    from initlint.lint.paths import feeding_layer

    layers: dict[str, WeightLayer] = {}
    for node in facts.structure.dependence.order:
        if operator(node) == "scaled_dot_product_attention" and facts.traced.modules.get(node.name) in found.modules:
            for side in list(operands(node))[:2]:
                layer = feeding_layer(facts, side)
                if layer is not None:
                    layers.setdefault(layer.weight, layer)
    yield from restarts(facts, tuple(layers.values()), linear_starts)
