"""INI404: gates of residual branches, computed from a condition, that do not start at zero."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.graph.dataflow import PASSING, SELECTING, is_node, operator, strip
from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import counted, finding, module_at, number, pattern_of, site_of_layer

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.fixes.edit import Fix
    from initlint.graph.layers import WeightLayer
    from initlint.graph.structure import Residual
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI404",
    name="open-adaptive-gate",
    severity=Severity.INFO,
    summary="A linear layer of the condition gates residual branches and starts at random instead of at zero.",
    fix="unsafe",
    explained_by=("overwritten-initialization",),
)

BLOCKS = 2


def check(facts: Facts) -> Iterator[Finding]:
    """Branches multiplied by a linear map of something else than their trunk."""
    found: dict[str, tuple[WeightLayer, float]] = {}
    for residual in facts.structure.residuals:
        gated = _gate(facts, residual)
        if gated is not None:
            found.setdefault(gated[0].weight, gated)
    open_gates = [item for item in found.values() if item[1] > 0]
    if len(open_gates) < BLOCKS:
        return
    modules = [module_at(layer, facts) for layer, _ in open_gates]
    size = sum(size for _, size in open_gates) / len(open_gates)
    yield finding(
        RULE,
        facts,
        at=site_of_layer(open_gates[0][0], facts),
        message=(
            f"{pattern_of(modules)} {'gates' if len(modules) == 1 else 'gate'} the branches of {counted(len(open_gates), 'block')} "
            f"by the condition and {'starts' if len(modules) == 1 else 'start'} at random: gates of size {number(size)} and either "
            "sign. Adaptive norms with gates at zero, so that every block starts as the identity, train faster and better."
        ),
        help="start weight and bias of this layer at zero: nn.init.zeros_(…)",
        modules=modules,
        evidence={"size": size, "blocks": float(len(open_gates))},
    )


def _gate(facts: Facts, residual: Residual) -> tuple[WeightLayer, float] | None:
    """The linear layer that gates a branch, with the root mean square of the gate."""
    dependence, nodes = facts.structure.dependence, facts.structure.nodes
    product = strip(nodes[residual.branch])
    if operator(product) != "mul" or not residual.layers:
        return None
    for gate in product.args[:2]:
        if not is_node(gate) or gate.name not in dependence.data or dependence.reaches(nodes[residual.fork], gate):
            continue
        layer = facts.structure.layers.get(_origin(gate).name)
        signal = facts.signals.get(gate.name)
        if layer is not None and layer.kind == "linear" and signal is not None and signal.second_moment is not None:
            return layer, math.sqrt(signal.second_moment) if math.isfinite(signal.second_moment) else 0.0
    return None


def _origin(node: Node) -> Node:
    """What a gate was cut out of."""
    return strip(node, PASSING | SELECTING)


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """Weight and bias of the gates at zero."""
    from initlint.fixes.starts import ZEROS
    from initlint.lint.cures import alike, layers_of, unsafe
    from initlint.lint.starting import started

    layers = alike(facts, layers_of(found, facts))
    wanted = {name: ZEROS for layer in layers for name in (layer.weight, *layer.others)}
    yield from unsafe("start the gates at zero", started(facts, wanted, together=False))
