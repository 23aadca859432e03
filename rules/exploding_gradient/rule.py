"""INI201: gradients grow on the way back to the input."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.lint.backward import trends
from initlint.lint.doubt import between_draws, lowered
from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import counted, finding, module_at, number, pattern_of, places_of_layers

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI201",
    name="exploding-gradient",
    severity=Severity.ERROR,
    summary="Weight gradients grow from layer to layer on the way back to the input.",
    fix="unsafe",
    explained_by=("unscaled-residual", "exploding-signal"),
)

# First over last relative gradient, in decades. Calibrated on batch-normalized and on saturating plain nets: at 180 one of
# six rates still trains, at 1700 and above none does.
WARN_AT = 2.0
FAIL_AT = 3.0


def check(facts: Facts) -> Iterator[Finding]:
    """One finding per role of layers whose gradients explode."""
    for trend in trends(facts):
        if trend.decades < WARN_AT:
            continue
        fails = trend.decades >= FAIL_AT
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
                f"gradient grows {number(trend.per_layer)}x per layer on the way back through "
                f"{counted(len(trend.layers), 'layer')} of {pattern_of(modules)}: relative to its weight it is "
                f"{number(10**trend.decades)}x larger in the first than in the last{between_draws(trend.spread)}. "
                + (
                    "No one learning rate suits both ends, and training does not start."
                    if fails
                    else "Only a small range of learning rates trains, and a few more layers close it."
                )
            ),
            help="start the weights smaller if activations saturate; otherwise add residual connections",
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
    """Weights that do not saturate."""
    from initlint.lint.cures import layers_of, restarts

    yield from restarts(facts, layers_of(found, facts))
