"""INI202: gradients shrink on the way back to the input."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.graph.dataflow import operator
from initlint.lint.backward import trends
from initlint.lint.doubt import between_draws, lowered
from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import counted, finding, module_at, number, pattern_of, places_of_layers, site_of_node

if TYPE_CHECKING:
    from initlint.fixes.edit import Edit, Fix
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI202",
    name="vanishing-gradient",
    severity=Severity.ERROR,
    summary="Weight gradients shrink from layer to layer on the way back to the input.",
    fix="unsafe",
    explained_by=("vanishing-signal", "saturated-activation", "dead-relu", "overflowing-exponential"),
)

# First over last relative gradient, in decades. Calibrated on plain nets: at 2e-3 Adam still trains and SGD does not; at
# 1e-6 and below neither reaches what the well-started net does.
WARN_AT = -3.0
FAIL_AT = -6.0


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per role of layers whose gradients vanish."""
    for trend in trends(facts):
        if trend.decades > WARN_AT:
            continue
        fails = trend.decades <= FAIL_AT
        severity = lowered(Severity.ERROR if fails else Severity.WARNING, trend.decades, trend.spread)
        if severity is None:
            continue
        modules = [module_at(layer, facts) for layer in trend.layers]
        at, others = places_of_layers(facts, [(layer, 1.0) for layer in trend.layers])
        yield finding(
            RULE,
            facts,
            at=at,
            severity=severity,
            message=(
                f"gradient shrinks {number(trend.per_layer)}x per layer on the way back through "
                f"{counted(len(trend.layers), 'layer')} of {pattern_of(modules)}: relative to its weight it is "
                f"{number(10**trend.decades)}x in the first what it is in the last{between_draws(trend.spread)}. "
                + (
                    "The first layers do not learn."
                    if fails
                    else "The first layers learn far slower than the last; SGD does not start at any usual rate."
                )
            ),
            help="look for what stops the gradient but not the signal (detach, clamping, rounding); otherwise start the weights larger, or add residual connections",
            modules=modules,
            evidence={
                "decades": trend.decades,
                "per_layer": trend.per_layer,
                "layers": float(len(modules)),
                "spread_decades": trend.spread,
            },
            related=others,
            rests_on=tuple(layer.node for layer in trend.layers),
        )


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The gradient let through where the code stops it; else weights that keep it."""
    from initlint.fixes.expressions import without_call
    from initlint.lint.cures import alike, connected, layers_of, restarts, unsafe
    from initlint.lint.starting import Files, merged

    files = Files(facts)
    stopped = [node.name for node in facts.structure.dependence.order if operator(node) == "detach"]
    edits: list[Edit] = []
    for name in stopped:
        site = site_of_node(name, facts)
        code = None if site is None else files.code(site.path)
        edits += [] if site is None or code is None else without_call(code, site.line, "detach")
    yield from unsafe("let the gradient through: no detach", merged(edits))
    layers = alike(facts, layers_of(found, facts))
    yield from restarts(facts, layers)
    yield from connected(facts, layers)
