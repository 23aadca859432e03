"""INI704: `normal_(w, 0.02)`, which is a mean of 0.02 with a standard deviation of one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, module_of, number, site_of_call

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.graph.model import Write
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI704",
    name="std-passed-as-mean",
    severity=Severity.WARNING,
    summary="The one number given to normal_ or trunc_normal_ is its mean; the standard deviation stays one.",
    fix="unsafe",
)

LARGEST = 0.5  # a mean above it is hardly a standard deviation that somebody meant


def check(facts: Facts) -> Iterator[Finding]:
    """Weights whose last draw has the default deviation and a small mean of its own."""
    for parameter in facts.traced.parameters.values():
        if parameter.kind != "parameter" or parameter.alias_of is not None or len(parameter.shape) < 2:
            continue
        write = next((write for write in reversed(parameter.writes) if not write.default), None)
        mean = None if write is None else _swapped(write)
        site = None if write is None or mean is None else site_of_call(write, facts)
        if write is None or site is None or mean is None:
            continue
        yield finding(
            RULE,
            facts,
            at=site,
            message=(
                f"`{parameter.name}` is drawn from N({number(mean)}, 1): the only number given is the mean. A standard deviation "
                f"of {number(mean)} was probably meant; this one is {number(1 / mean)}x larger, and every entry is shifted."
            ),
            help=f"name the argument: {write.op.rpartition('.')[2]}(…, mean=0.0, std={number(mean)})",
            modules=[module_of(parameter)],
            evidence={"mean": mean, "std": 1.0},
        )


def _swapped(write: Write) -> float | None:
    """The mean of a normal draw, cut or not, if it is small and positive and the deviation exactly the default."""
    if not write.op.endswith("normal_") or write.law.family not in ("normal", "truncated normal"):
        return None
    mean, std = write.law.mean, write.law.std
    if write.law.family == "truncated normal":  # its law has the moments of what the bounds leave
        mean, std = (float(write.options.get(name, math.nan)) for name in ("mean", "std"))
    return mean if 0.0 < mean <= LARGEST and math.isclose(std, 1.0, rel_tol=1e-6) else None


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The number given under its name."""
    from initlint.fixes.calls import renamed_argument
    from initlint.lint.cures import draw_of_finding, unsafe
    from initlint.lint.starting import Files

    place = draw_of_finding(found, Files(facts))
    if place is None:
        return
    code, draw = place
    mean = draw.argument("mean", 0)
    if mean is not None:
        yield from unsafe("give the number as the standard deviation", [renamed_argument(code, mean, "std")])
