"""INI104: values of a model in half precision that are larger than its number format can hold, and exponentials that no format holds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

from initlint.graph.dataflow import operands, operator
from initlint.lint.doubt import PER_DECADE, between_draws, by_chance
from initlint.lint.finding import Severity
from initlint.lint.formats import Format, format_of
from initlint.lint.paths import feeding_layer
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, module_at, number, site_of_cause

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.fixes.edit import Fix
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI104",
    name="half-precision-overflow",
    severity=Severity.ERROR,
    summary="Activations in a 16- or 8-bit format, or exponentials in any, that overflow before any training.",
    fix="unsafe",
    explained_by=("unscaled-residual",),
)

LARGE = 4.0  # deviations: of a tensor of any size some entries lie beyond
SINGLE = "float32", Format(3.4028e38, 2.0**-149)
# Functions that grow as e to the power of so many times their operand, and whether they do so on both sides.
EXPONENTIAL = {
    "exp": (1.0, False),
    "expm1": (1.0, False),
    "exp2": (math.log(2.0), False),
    "cosh": (1.0, True),
    "sinh": (1.0, True),
}


def check(facts: Facts) -> Iterator[Finding]:
    """The first node of the computation that its format cannot hold, and the first exponential."""
    data = facts.structure.dependence.data
    exponential = (
        found for node in facts.structure.dependence.order if node.name in data and (found := _exponential(facts, node))
    )
    yield from islice(exponential, 1)
    for node in facts.structure.dependence.order:
        known = format_of(getattr(node.meta.get("val"), "dtype", ""))
        signal = facts.signals.get(node.name)
        if known is None or signal is None or node.name not in facts.structure.dependence.data or not signal.second_moment:
            continue
        name, limits = known
        typical = signal.second_moment * math.exp(signal.lag)
        size = math.sqrt(typical) if math.isfinite(typical) else math.inf
        if size * LARGE <= limits.largest:
            continue
        beyond, spread = math.log10(size * LARGE / limits.largest), signal.spread / PER_DECADE
        layer = feeding_layer(facts, node)
        yield finding(
            RULE,
            facts,
            at=site_of_cause(facts, node, layer),
            severity=Severity.WARNING if by_chance(beyond, spread) else Severity.ERROR,
            message=(
                f"activations reach a size of {number(size)} here, and the largest number of {name} is "
                f"{number(limits.largest)}{between_draws(spread, signal.lag / PER_DECADE)}: entries are infinite in the first pass, and the loss is NaN."
            ),
            help="start the weights before this smaller, normalize, or compute this part in a wider format",
            modules=[] if layer is None else [module_at(layer, facts)],
            evidence={"size": size, "bound": limits.largest, "decades": beyond, "spread_decades": spread},
            rests_on=(node.name,),
        )
        return


def _exponential(facts: Facts, node: Node) -> Finding | None:
    """An exponential of values so spread out that some of its entries are infinite. A mask's −∞ is none: the prediction of what it
    gives is finite."""
    if operator(node) not in EXPONENTIAL:
        return None
    rate, both = EXPONENTIAL[operator(node)]
    source = next(operands(node))
    before, after = facts.signals.get(source.name), facts.signals.get(node.name)
    kind, limits = format_of(getattr(node.meta.get("val"), "dtype", "")) or SINGLE
    if before is None or before.mean is None or before.second_moment is None or not math.isfinite(before.second_moment):
        return None
    spread = math.sqrt(max(before.second_moment - before.mean**2, 0.0))
    reach, bound = (abs(before.mean) if both else before.mean) + LARGE * spread, math.log(limits.largest) / rate
    predicted = None if after is None else after.second_moment
    if reach <= bound or (predicted is not None and predicted < limits.largest**2):
        return None
    layer = feeding_layer(facts, source)
    return finding(
        RULE,
        facts,
        at=site_of_cause(facts, source, layer),
        message=(
            f"{operator(node)} is given values with a mean of {number(before.mean)} and a standard deviation of {number(spread)}, and beyond "
            f"{number(bound)} it is infinite in {kind}: the loss is NaN in the first pass."
        ),
        help="start the weights before it smaller, or bound what it is given (tanh, clamp)",
        modules=[] if layer is None else [module_at(layer, facts)],
        evidence={"std": spread, "mean": before.mean, "bound": bound},
        rests_on=(source.name,),
    )


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The layers up to here, started as suits what follows them."""
    from initlint.lint.cures import alike, layers_of, restarts

    yield from restarts(facts, alike(facts, layers_of(found, facts)))
