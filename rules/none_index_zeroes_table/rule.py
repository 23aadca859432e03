"""INI715: `weight[padding_idx]` with no padding_idx, which is not a row but the whole table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, innermost, module_of

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI715",
    name="none-index-zeroes-table",
    severity=Severity.WARNING,
    summary="One row was meant to be filled; the index is None, which selects the whole tensor.",
    fix="unsafe",
)


def check(facts: Facts) -> Iterator[Finding]:
    """Constants written through a view with one more dimension of size one in front, which is what an index of None gives."""
    for parameter in facts.traced.parameters.values():
        if parameter.kind != "parameter" or parameter.alias_of is not None or len(parameter.shape) < 2 or not parameter.writes:
            continue
        write = parameter.writes[-1]
        drawn = any(other.law.family in ("normal", "uniform", "truncated normal") for other in parameter.writes[:-1])
        if write.default or not drawn or write.law.family != "constant" or write.shape != (1, *parameter.shape):
            continue
        yield finding(
            RULE,
            facts,
            at=innermost((write.site, *reversed(write.stack)), facts),
            message=(
                f"all {parameter.shape[0]} rows of `{parameter.name}` are {'zeroed' if write.law.is_zero else 'filled'} here: the "
                "index is None (no padding_idx was given), and weight[None] is the whole table. Every token starts as the same "
                "vector."
            ),
            help="do it only where there is a row: if padding_idx is not None",
            modules=[module_of(parameter)],
            evidence={"rows": float(parameter.shape[0])},
        )


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """Only where there is a row."""
    from initlint.fixes.moves import only_with_index
    from initlint.lint.cures import draw_of_finding, unsafe
    from initlint.lint.starting import Files, merged

    place = draw_of_finding(found, Files(facts))
    if place is not None:
        yield from unsafe("do it only where there is a row", merged(only_with_index(*place)))
