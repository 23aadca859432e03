"""INI701: memory that nobody ever wrote, used as a weight."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, module_of, site_of_law

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
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


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """Ones for a factor, zeros for a term, a random start that suits its layer for a matrix."""
    from initlint.fixes.starts import ONES, SMALL, ZEROS
    from initlint.lint.cures import Files, layer_of, refilled, started, starts_of, unsafe, use_of

    files = Files(facts)
    names = [
        name
        for name, item in facts.traced.parameters.items()
        if unwritten_share(item.law) and item.alias_of is None and module_of(item) in found.modules and _at(item, facts, found)
    ]
    if not names:
        return
    use = use_of(facts, names[0])
    shape = facts.parameter(names[0]).shape
    if use == "factor" or (len(shape) < 2 and use == "term"):
        filled = "ones" if use == "factor" else "zeros"
        edits = [edit for name in names for edit in refilled(facts, facts.parameter(name), filled, files) or ()]
        yield from unsafe(f"make it of {filled}", tuple(dict.fromkeys(edits)))
        yield from unsafe(f"fill it with {filled}", started(facts, dict.fromkeys(names, ONES if filled == "ones" else ZEROS), files))
        return
    wanted = {name: starts_of(facts, layer)[0] if (layer := layer_of(facts, name)) is not None else SMALL for name in names}
    yield from unsafe(f"draw it: nn.init.{wanted[names[0]]}", started(facts, wanted, files))


def _at(parameter: Parameter, facts: Facts, found: Finding) -> bool:
    site = site_of_law(parameter, facts)
    return site is None or (site.path, site.line) == (found.span.path, found.span.line)
