"""INI104: values of a model in half precision that are larger than its number format can hold."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.lint.finding import Severity
from initlint.lint.formats import format_of
from initlint.lint.paths import feeding_layer
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, module_at, number, site_of_cause

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI104",
    name="half-precision-overflow",
    severity=Severity.ERROR,
    summary="Activations in a 16- or 8-bit format that overflow before any training.",
    fix="unsafe",
    explained_by=("exploding-signal", "unscaled-residual"),
)

LARGE = 4.0  # deviations: of a tensor of any size some entries lie beyond


def check(facts: Facts) -> Iterator[Finding]:
    """The first node of the computation that its format cannot hold."""
    for node in facts.structure.dependence.order:
        known = format_of(getattr(node.meta.get("val"), "dtype", ""))
        signal = facts.signals.get(node.name)
        if known is None or signal is None or node.name not in facts.structure.dependence.data or not signal.second_moment:
            continue
        name, limits = known
        size = math.sqrt(signal.second_moment) if math.isfinite(signal.second_moment) else math.inf
        if size * LARGE <= limits.largest:
            continue
        layer = feeding_layer(facts, node)
        yield finding(
            RULE,
            facts,
            at=site_of_cause(facts, node, layer),
            message=(
                f"activations reach a size of {number(size)} here, and the largest number of {name} is "
                f"{number(limits.largest)}: entries are infinite in the first pass, and the loss is NaN."
            ),
            help="start the weights before this smaller, normalize, or compute this part in a wider format",
            modules=[] if layer is None else [module_at(layer, facts)],
            evidence={"size": size, "bound": limits.largest},
            rests_on=(node.name,),
        )
        return


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The layers up to here, started as suits what follows them."""
    from initlint.lint.cures import alike, layers_of, restarts

    yield from restarts(facts, alike(facts, layers_of(found, facts)))
