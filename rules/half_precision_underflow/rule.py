"""INI109: values of a model in half precision so small that its number format rounds them to zero."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.lint.finding import Severity
from initlint.lint.formats import format_of
from initlint.lint.paths import feeding_layer
from initlint.lint.rule import Rule
from initlint.lint.wording import (
    finding,
    law_in_words,
    module_at,
    module_of,
    number,
    site_of_cause,
    site_of_law,
)

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI109",
    name="half-precision-underflow",
    severity=Severity.ERROR,
    summary="Weights or activations in a 16- or 8-bit format that all round to zero before any training.",
    fix="unsafe",
    explained_by=("vanishing-signal",),
)

SMALL = 4.0  # deviations: of a tensor of any size few entries lie beyond
# Deviations that half of the entries of a normal law stay below: from here on most of a weight is lost.
MEDIAN = 0.6745


def check(facts: Facts) -> Iterator[Finding]:
    """Parameters that their format rounds to zero; where there is none, the first activation it cannot hold."""
    found = list(_parameters(facts))
    yield from found or _activations(facts)


def _parameters(facts: Facts) -> Iterator[Finding]:
    for parameter in facts.traced.parameters.values():
        known = format_of(parameter.dtype)
        if known is None or parameter.kind != "parameter" or parameter.alias_of is not None:
            continue
        name, limits = known
        law = parameter.law
        size = math.sqrt(law.second_moment) if law.second_moment > 0 and math.isfinite(law.second_moment) else 0.0
        if not size or size * MEDIAN >= limits.vanishes:
            continue
        lost = size * SMALL < limits.vanishes
        matrix = len(parameter.shape) > 1
        yield finding(
            RULE,
            facts,
            at=site_of_law(parameter, facts),
            # A vector at zero (a bias, the scale of a branch) is a usual start; a matrix at zero has lost its randomness.
            severity=Severity.WARNING if lost and matrix else Severity.INFO,
            message=(
                f"`{parameter.name}` starts from {law_in_words(law)} in {name}, where everything up to {number(limits.vanishes)} "
                f"rounds to zero: {'all of it is zero' if lost else 'most of its entries are zero'}"
                + (", and its layer starts without what was to tell its units apart." if lost and matrix else ".")
            ),
            help="start it larger, or keep it in float32 and cast it where it is used",
            modules=[module_of(parameter)],
            evidence={"size": size, "bound": limits.vanishes},
        )


def _activations(facts: Facts) -> Iterator[Finding]:
    for node in facts.structure.dependence.order:
        known = format_of(getattr(node.meta.get("val"), "dtype", ""))
        signal = facts.signals.get(node.name)
        if known is None or signal is None or node.name not in facts.structure.dependence.data or signal.second_moment is None:
            continue
        name, limits = known
        gone = signal.second_moment <= 0 and "refuted" in signal.flags  # predicted not to be zero, and zero in real draws
        if not gone and not 0 < signal.second_moment < (limits.vanishes / SMALL) ** 2:
            continue
        size = math.sqrt(max(signal.second_moment, 0.0))
        layer = feeding_layer(facts, node)
        yield finding(
            RULE,
            facts,
            at=site_of_cause(facts, node, layer),
            message=(
                f"activations have a size {f'of {number(size)}' if size else 'below that'} here, and everything up to "
                f"{number(limits.vanishes)} is zero in {name}: all entries round to zero, and no gradient comes back."
            ),
            help="start the weights before this larger, or compute this part in bfloat16 or float32",
            modules=[] if layer is None else [module_at(layer, facts)],
            evidence={"size": size, "bound": limits.vanishes},
            rests_on=(node.name,),
        )
        return


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The layers up to here, started as suits what follows them."""
    from initlint.lint.cures import alike, layers_of, restarts

    yield from restarts(facts, alike(facts, layers_of(found, facts)))
