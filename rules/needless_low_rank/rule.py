"""INI506: a low-rank adapter with as many weights as the layer it adapts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, module_of, site_made

if TYPE_CHECKING:
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI506",
    name="needless-low-rank",
    severity=Severity.INFO,
    summary="The factors of a low-rank adapter have no fewer weights than the matrix they are to save.",
)


def check(facts: Facts) -> Iterator[Finding]:
    """Adapters with r·(n + m) ≥ n·m."""
    for adapter in facts.structure.adapters:
        size, full = adapter.rank * (adapter.n + adapter.m), adapter.n * adapter.m
        if adapter.embedding or size < full:
            continue
        down = facts.parameter(adapter.down)
        yield finding(
            RULE,
            facts,
            at=site_made(down, facts),
            message=(
                f"the adapter of `{module_of(facts.parameter(adapter.base))}` has rank {adapter.rank} for a "
                f"{adapter.m}x{adapter.n} matrix: its factors have {size} weights where the matrix itself has {full}. It costs more "
                f"than training the layer and can say {'less' if adapter.rank < min(adapter.n, adapter.m) else 'no more'}."
            ),
            help=f"take a rank below {full // (adapter.n + adapter.m)}, or train the layer itself",
            modules=[module_of(down)],
            evidence={"rank": float(adapter.rank), "weights": float(size), "full": float(full)},
        )
