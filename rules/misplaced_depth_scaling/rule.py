"""INI402: the 1/√depth start on a tensor that does not write the residual stream."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, module_of, number, pattern_of, site_of_last_write

if TYPE_CHECKING:
    from initlint.graph.model import Parameter
    from initlint.graph.structure import Residual
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI402",
    name="misplaced-depth-scaling",
    severity=Severity.WARNING,
    summary="A weight inside a residual branch has the depth-scaled start, and the one that writes the residual has not.",
    fix="unsafe",
)

SAME = 0.02  # relative; laws that are given by one formula agree far better
BLOCKS = 2


def check(facts: Facts) -> Iterator[Finding]:
    """Branches whose inner weight is smaller than usual by just the root of the number of sums, and whose last one is not."""
    residuals = [item for item in facts.structure.residuals if item.layers]
    if len(residuals) < 2 * BLOCKS:
        return
    deviations = _deviations(facts)
    if not deviations:
        return
    usual = Counter(round(math.log(value), 3) for value in deviations.values()).most_common(1)[0][0]
    scaled = {name for name, value in deviations.items() if _is_depth_scaled(math.exp(usual) / value, len(residuals))}
    wrong: list[Parameter] = []
    missed: list[Parameter] = []
    for residual in residuals:
        writers = _writers(facts, residual)
        inner = {facts.structure.layers[node].weight for node in residual.layers} - writers
        if inner & scaled and not writers & scaled and writers <= deviations.keys():
            wrong += [facts.parameter(name) for name in sorted(inner & scaled)]
            missed += [facts.parameter(name) for name in sorted(writers)]
    if len(wrong) < BLOCKS:
        return
    modules = [module_of(item) for item in wrong]
    yield finding(
        RULE,
        facts,
        at=site_of_last_write(wrong[0], facts),
        message=(
            f"{pattern_of(modules)} starts {number(math.exp(usual) / deviations[_name_of(facts, wrong[0])])}x smaller than the other "
            f"weights, the scale 1/sqrt(depth) of residual projections, but it does not write the residual stream: "
            f"{pattern_of([module_of(item) for item in missed])} does, and starts at the usual size."
        ),
        help=f"scale {pattern_of([module_of(item) for item in missed])} instead",
        modules=modules,
        evidence={"sums": float(len(residuals))},
    )


def _deviations(facts: Facts) -> Mapping[str, float]:
    """Standard deviation of the matrices that the user's own lines drew, by node name."""
    found = {}
    for name, item in facts.traced.parameters.items():
        explicit = bool(item.writes) and not item.writes[-1].default and len(item.shape) > 1
        if item.kind == "parameter" and explicit and math.isfinite(item.law.std) and item.law.std > 0:
            found[name] = item.law.std
    return found


def _is_depth_scaled(ratio: float, sums: int) -> bool:
    """Whether a ratio of deviations is √(number of sums), or of blocks with two sums each."""
    return any(abs(ratio / math.sqrt(depth) - 1) < SAME for depth in (sums, sums / 2, 2 * sums) if depth > 1)


def _writers(facts: Facts, residual: Residual) -> set[str]:
    """The weights of a branch after which no other weight of the branch comes."""
    dependence = facts.structure.dependence
    layers = {facts.structure.layers[node].weight: node for node in residual.layers}
    return {
        weight
        for weight, node in layers.items()
        if not any(dependence.descendants[node] >> dependence.index[other] & 1 for other in layers.values() if other != node)
    }


def _name_of(facts: Facts, parameter: Parameter) -> str:
    return next(name for name, item in facts.traced.parameters.items() if item is parameter)
