"""INI406: projections on the trunk of a residual net whose gain is far from one, so that every stage scales the trunk."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from initlint.graph.dataflow import operator, strip
from initlint.lint.doubt import PER_DECADE
from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import counted, finding, module_at, number, pattern_of, places_of_layers, site_of_node, step_at

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.fixes.starts import Start
    from initlint.graph.layers import WeightLayer
    from initlint.graph.structure import Residual
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI406",
    name="non-isometric-skip",
    severity=Severity.WARNING,
    summary="Projections on shortcuts scale the trunk of a residual net at every stage.",
    fix="unsafe",
)

# Decades of root mean square over all stages. Measured on stages of projection + silent branch (doc.md): at 260x and at 1/250 Adam
# loses accuracy and SGD starts at no usual rate; at 16x and 1/9 both train, the smaller ones slowly. Far beyond, at 4000x and at
# 1e-8, Adam still learns something.
WARN_AT = 2.0
STAGES = 2
OFF = 0.2  # decades; a projection that is so far from one takes part
CHOOSING = frozenset({"softmax", "_softmax", "sigmoid", "topk", "sort"})  # a layer before one of these routes tokens, and is no projection


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stage:
    """A sum whose trunk passes one weight layer, and the decades by which that scales it."""

    residual: Residual
    layer: WeightLayer
    decades: float


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per trunk that several projections scale the same way."""
    stages = list(_stages(facts))
    taken: set[str] = set()
    for stage in reversed(stages):  # from the last one of a trunk up
        if stage.residual.add in taken:
            continue
        chain = [item for item in stages if item is stage or _leads_to(facts, item, stage)]
        taken |= {item.residual.add for item in chain}
        total = sum(item.decades for item in chain)
        part = [item for item in chain if item.decades * total > 0]
        if abs(total) >= WARN_AT and len(part) >= STAGES:
            yield _finding(facts, part, total)


def _stages(facts: Facts) -> Iterator[_Stage]:
    structure = facts.structure
    norms, layers = structure.dependence.bits(structure.norms), structure.dependence.bits(structure.layers)
    adapters = {adapter.add for adapter in structure.adapters}
    for residual in structure.residuals:
        if residual.identity or residual.add in adapters:
            continue  # beside an adapter stands the layer that it adapts, and no shortcut
        fork, trunk = structure.nodes[residual.fork], structure.nodes[residual.trunk]
        between = structure.dependence.between(fork, trunk)
        found = structure.dependence.names(between & layers)
        if len(found) != 1 or between & norms:
            continue
        layer = structure.layers[found[0]]
        if any(operator(structure.nodes[name]) in CHOOSING for name in structure.dependence.names(between)):
            continue
        if layer.kind not in ("linear", "convolution") or strip(structure.nodes[layer.source]) is not strip(fork):
            continue
        decades = _scaled(facts, residual)
        if decades is not None and abs(decades) >= OFF:
            yield _Stage(residual=residual, layer=layer, decades=decades)


def _scaled(facts: Facts, residual: Residual) -> float | None:
    """Decades by which the stage scales its trunk. A small trunk that the branch fills up again has lost nothing."""
    before, trunk, after = (facts.signals.get(name) for name in (residual.fork, residual.trunk, residual.add))
    if before is None or trunk is None or after is None:
        return None
    squares = before.second_moment, trunk.second_moment, after.second_moment
    if not all(square and square > 0 and math.isfinite(square) for square in squares):
        return None
    start, kept, end = (math.log(square or 1.0) for square in squares)
    return (kept - start if kept > start else min(end - start, 0.0)) / PER_DECADE


def _leads_to(facts: Facts, early: _Stage, late: _Stage) -> bool:
    """Whether no normalization of the trunk lies between two stages."""
    structure = facts.structure
    first, last = structure.nodes[early.residual.add], structure.nodes[late.residual.fork]
    if not structure.dependence.reaches(first, last):
        return False
    between = structure.dependence.between(first, last) & structure.dependence.bits(structure.norms)
    return not any(not structure.in_branch(name) for name in structure.dependence.names(between))


def _finding(facts: Facts, chain: Sequence[_Stage], total: float) -> Finding:
    structure = facts.structure
    layers = [stage.layer for stage in chain]
    modules = [module_at(layer, facts) for layer in layers]
    last = chain[-1].residual.add
    normalized = bool(structure.dependence.descendants[last] & structure.dependence.bits(structure.norms))
    severity = Severity.INFO if normalized else Severity.WARNING
    rate = 10 ** (sum(stage.decades for stage in chain) / len(chain))
    at, others = places_of_layers(facts, [(stage.layer, stage.decades) for stage in chain])
    return finding(
        RULE,
        facts,
        at=at or site_of_node(last, facts),
        severity=severity,
        message=(
            f"{pattern_of(modules)} on the shortcut {'multiply' if len(layers) > 1 else 'multiplies'} the trunk by {number(rate)} at "
            f"each of {counted(len(layers), 'stage')}, by {number(10 ** max(min(total, 300), -300))} in all, and nothing normalizes it. "
            + (
                "A later normalization hides it; until then the branches weigh nothing beside the trunk, or everything."
                if normalized
                else "Adam loses accuracy, and SGD starts at no usual rate."
            )
        ),
        help=(
            "start projections on the shortcut with a gain of one (nn.init.kaiming_normal_(weight, nonlinearity='linear') or "
            "nn.init.orthogonal_), or normalize their output as ResNet does"
        ),
        modules=modules,
        evidence={"decades": total, "per_stage": rate, "stages": float(len(layers))},
        related=(*others, *step_at(site_of_node(last, facts), "the trunk after the last of these stages")),
        rests_on=(last,),
    )


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """Projections that keep the second moment, drawn as linear layers or orthogonal."""
    from initlint.fixes.starts import starts_for
    from initlint.lint.cures import alike, fan_of, layers_of, restarts
    from initlint.lint.starting import own_draw

    def starts(facts: Facts, layer: WeightLayer) -> Sequence[Start]:
        parameter = facts.parameter(layer.weight)
        uniform = own_draw(parameter, facts) is not None and parameter.law.family == "uniform"
        return tuple(starts_for("", uniform=uniform, fan=fan_of(facts, layer)))

    yield from restarts(facts, alike(facts, layers_of(found, facts)), starts)
