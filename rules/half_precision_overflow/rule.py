"""INI104: values of a model in half precision that its number format cannot hold."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.lint.finding import Severity
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
    summary="Activations in a 16- or 8-bit format that overflow, or all round to zero, before any training.",
    fix="unsafe",
    explained_by=("exploding-signal", "unscaled-residual"),
)

# (largest, smallest positive) number of each format: IEEE 754 half precision, and the 8-bit formats of Micikevicius et al. 2022.
RANGES = {
    "torch.float16": (65504.0, 2.0**-24),
    "torch.float8_e4m3fn": (448.0, 2.0**-9),
    "torch.float8_e5m2": (57344.0, 2.0**-16),
}
LARGE = 4.0  # deviations: of a tensor of any size some entries lie beyond


def check(facts: Facts) -> Iterator[Finding]:
    """The first node of each output's computation that its format cannot hold."""
    for node in facts.structure.dependence.order:
        bounds = RANGES.get(str(getattr(node.meta.get("val"), "dtype", "")))
        signal = facts.signals.get(node.name)
        if bounds is None or signal is None or node.name not in facts.structure.dependence.data or not signal.second_moment:
            continue
        size = math.sqrt(signal.second_moment) if math.isfinite(signal.second_moment) else math.inf
        if size * LARGE > bounds[0]:
            yield _finding(facts, node, size, bounds[0], overflow=True)
            return
        if size * LARGE < bounds[1]:
            yield _finding(facts, node, size, bounds[1], overflow=False)
            return


def _finding(facts: Facts, node: Node, size: float, bound: float, *, overflow: bool) -> Finding:
    layer = feeding_layer(facts, node)
    kind = str(node.meta["val"].dtype).removeprefix("torch.")
    return finding(
        RULE,
        facts,
        at=site_of_cause(facts, node, layer),
        message=(
            f"activations reach a size of {number(size)} here, and the "
            + (
                f"largest number of {kind} is {number(bound)}: entries are infinite in the first pass, and the loss is NaN."
                if overflow
                else f"smallest of {kind} is {number(bound)}: all entries round to zero, and no gradient comes back."
            )
        ),
        help="start the weights before this smaller, normalize, or compute this part in bfloat16 or float32"
        if overflow
        else "start the weights before this larger, or compute this part in bfloat16 or float32",
        modules=[] if layer is None else [module_at(layer, facts)],
        evidence={"size": size, "bound": bound},
        rests_on=(node.name,),
    )


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The layers up to here, started as suits what follows them."""
    from initlint.lint.cures import alike, layers_of, restarts

    yield from restarts(facts, alike(facts, layers_of(found, facts)))
