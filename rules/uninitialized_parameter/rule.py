"""INI701: memory that nobody ever wrote, used as a weight."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, module_of, site_of_law

if TYPE_CHECKING:
    from initlint.graph.model import Law, Parameter
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI701",
    name="uninitialized-parameter",
    severity=Severity.ERROR,
    summary="A parameter holds whatever was in memory: it was allocated and never written.",
    fix="unsafe",
)


def check(facts: Facts) -> Iterator[Finding]:
    """Parameters and buffers that the forward reads before anything is written to them."""
    for parameter in facts.traced.parameters.values():
        share = unwritten_share(parameter.law)
        if share == 0 or parameter.kind == "constant" or parameter.alias_of is not None:
            continue
        yield _finding(facts, parameter, share)


def unwritten_share(law: Law) -> float:
    """Share of the entries that were never written, in [0, 1]."""
    if law.family == "uninitialized":
        return 1.0
    return 0.0 if not law.parts else sum(unwritten_share(part) for _, part in law.parts) / len(law.parts)


def _finding(facts: Facts, parameter: Parameter, share: float) -> Finding:
    what = "" if share == 1.0 else "a part of "
    return finding(
        RULE,
        facts,
        at=site_of_law(parameter, facts),
        severity=Severity.ERROR if parameter.kind == "parameter" else Severity.WARNING,
        message=(
            f"{what}`{parameter.name}` is never initialized: it is allocated by torch.empty and nothing writes it before the "
            "forward pass reads it. It holds whatever was in memory, from zeros to NaN, and differs from run to run."
        ),
        help=f"write it after it is made, for example nn.init.normal_(self.{parameter.name.rpartition('.')[2]}, std=0.02)",
        modules=[module_of(parameter)],
        evidence={"share": share},
    )
