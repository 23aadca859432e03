"""INI106: long skip connections of a U-Net that make its decoder grow with their number.

A skip of coefficient κ adds κ²·q to what comes up from below: M of them leave Σκ² where one signal was (Huang, Zhou, Yan, Lin 2023,
arXiv:2310.13545).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from initlint.graph.dataflow import strip
from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import counted, finding, number, site_of_node, step_at

if TYPE_CHECKING:
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI106",
    name="growing-long-skips",
    severity=Severity.INFO,
    summary="Unscaled long skip connections make the signal of a U-Net's decoder grow with their number.",
)

SKIPS = 4  # fewer make no law
TOLD_AT = 0.3  # decades of root mean square that the skips add: 2x, what four unscaled sums of equal parts and more give


@dataclass(frozen=True, slots=True, kw_only=True)
class _Join:
    """Where an early tensor meets a late one: positions in the order of execution, and the names of join, early and late."""

    start: int
    end: int
    node: str
    early: str
    late: str


def check(facts: Facts) -> Iterator[Finding]:
    """One finding for the deepest nest of joins, the outermost first."""
    nest = nested(facts)
    grown = [(join, growth) for join in nest if (growth := _growth(facts, join)) is not None]
    total = sum(growth for _, growth in grown)
    if len(grown) < SKIPS or total < TOLD_AT or _normalized_between(facts, nest):
        return
    worst = max(grown, key=lambda item: (item[1], -item[0].end))[0]
    sites = {(at.path, at.line): at for join, _ in grown if (at := site_of_node(join.node, facts)) is not None}
    at = site_of_node(worst.node, facts)
    yield finding(
        RULE,
        facts,
        at=at,
        message=(
            f"{counted(len(grown), 'long skip connection')} without a scale make the signal of the decoder {number(10**total)}x larger "
            "than it would be without them, and each one more adds to that: gradients grow by as much on the way back, and training "
            "gets less stable with depth."
        ),
        help="multiply the i-th skip, counted from outside, by 0.7**i, all of them by 1/sqrt(2), or normalize where they join",
        modules=[name for join, _ in grown if (name := facts.traced.modules.get(join.node))],
        evidence={"decades": total, "skips": float(len(grown))},
        related=[
            step
            for key, site in sorted(sites.items())
            if at is None or key != (at.path, at.line)
            for step in step_at(site, "this skip takes part")
        ],
        rests_on=(nest[0].node,),
    )


def nested(facts: Facts) -> Sequence[_Join]:
    """The longest series of joins each of which lies inside the one before, with weights on the way up, in between, and down.

    A tensor that joins more than once, as in a DenseNet, is no long skip.
    """
    dependence, layers = facts.structure.dependence, facts.structure.dependence.bits(facts.structure.layers)
    nodes = facts.structure.nodes
    pairs = [(skip.node, skip.early, skip.late) for skip in facts.structure.skips]
    pairs += [(item.add, item.trunk, item.branch) for item in facts.structure.residuals if item.identity]
    uses = Counter(strip(nodes[early]).name for _, early, _ in pairs)
    joins = sorted(
        (
            _Join(
                start=dependence.index[strip(nodes[early]).name],
                end=dependence.index[node],
                node=node,
                early=early,
                late=late,
            )
            for node, early, late in pairs
            if uses[strip(nodes[early]).name] == 1
        ),
        key=lambda join: (-join.start, join.end),
    )

    def within(inner: _Join, outer: _Join) -> bool:
        """Weights between the two starts and between the two ends."""
        if not (outer.start < inner.start and inner.end < outer.end):
            return False
        down = dependence.between(strip(nodes[outer.early]), strip(nodes[inner.early]))
        up = dependence.between(nodes[inner.node], nodes[outer.node])
        return bool(down & layers and up & layers)

    best: list[tuple[_Join, ...]] = []  # for each join the longest series that begins with it; inner ones come first
    for join in joins:
        inner = max((series for series in best if within(series[0], join)), key=len, default=())
        best.append((join, *inner))
    return max(best, key=len, default=())


def _growth(facts: Facts, join: _Join) -> float | None:
    """Decades of root mean square from what comes up to the join."""
    before, after = facts.signals.get(join.late), facts.signals.get(join.node)
    if before is None or after is None or not before.second_moment or not after.second_moment:
        return None
    ratio = after.second_moment / before.second_moment
    return math.log10(ratio) / 2 if ratio > 0 and math.isfinite(ratio) else None


def _normalized_between(facts: Facts, nest: Sequence[_Join]) -> bool:
    """Whether a normalization of the decoder sets its scale anew between the innermost join and the outermost, or after it."""
    dependence, nodes = facts.structure.dependence, facts.structure.nodes
    inner = nodes[nest[-1].node]
    branches = 0
    for residual in facts.structure.residuals:
        if residual.add not in {join.node for join in nest}:
            branches |= dependence.between(nodes[residual.fork], nodes[residual.branch])
    return bool(dependence.descendants[inner.name] & dependence.bits(facts.structure.norms) & ~branches)
