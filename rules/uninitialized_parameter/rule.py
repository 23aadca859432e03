"""INI701: memory that nobody ever wrote, used as a weight."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.graph.model import Site
from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, module_of, site_of_law, step_at
from initlint.source.initializers import tree_of

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
        if share == 0 or parameter.kind == "constant" or parameter.alias_of is not None or 0 in parameter.shape:
            continue
        yield _finding(facts, parameter, share)


def unwritten_share(law: Law) -> float:
    """Share of the entries that were never written, in [0, 1]."""
    if law.family == "uninitialized":
        return 1.0
    return 0.0 if not law.parts else sum(unwritten_share(part) for _, part in law.parts) / len(law.parts)


def _finding(facts: Facts, parameter: Parameter, share: float) -> Finding:
    what = "" if share == 1.0 else "a part of "
    emptied = _emptied(facts, parameter)
    how = (
        "it is allocated by torch.empty and nothing writes it before the forward pass reads it"
        if emptied is None
        else f"what was computed here was lost when to_empty (line {emptied.line}) gave the model new memory, and nothing computes "
        "it again"
    )
    return finding(
        RULE,
        facts,
        at=site_of_law(parameter, facts),
        severity=Severity.ERROR if parameter.kind == "parameter" else Severity.WARNING,
        message=(
            f"{what}`{parameter.name}` is never initialized: {how}. It holds whatever was in memory, from zeros to NaN, and "
            "differs from run to run."
        ),
        help=f"write it after it is made, for example nn.init.normal_(self.{parameter.name.rpartition('.')[2]}, std=0.02)",
        modules=[module_of(parameter)],
        evidence={"share": share},
        related=step_at(emptied, "here the model is given new memory"),
    )


def _emptied(facts: Facts, parameter: Parameter) -> Site | None:
    """The call of to_empty in the target's file, for a tensor that was made of values and not of empty memory."""
    tree = tree_of(facts.path)
    made = parameter.made
    if tree is None or made is None or made.path != facts.path:
        return None
    calls = [item for item in ast.walk(tree) if isinstance(item, ast.Call) and isinstance(item.func, ast.Attribute)]
    names = {item.func.attr for item in calls if item.lineno == made.line and isinstance(item.func, ast.Attribute)}
    lines = [item.lineno for item in calls if isinstance(item.func, ast.Attribute) and item.func.attr == "to_empty"]
    return Site(path=facts.path, line=lines[0]) if lines and "empty" not in names else None


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The class's own start, where nobody calls it; ones for a factor, zeros for a term, a random start that suits its layer for a
    matrix; where to_empty took the values away, the model made on the device that it is to be on."""
    from initlint.fixes.moves import made_on_device
    from initlint.fixes.starts import ONES, SMALL, ZEROS
    from initlint.lint.calling import called, own_initializers
    from initlint.lint.cures import layer_of, refilled, starts_of, unsafe, use_of
    from initlint.lint.starting import Files, started

    files = Files(facts)
    for place in found.related:  # where the model is given new memory
        if (code := files.code(place.span.path)) is not None:
            yield from unsafe("make the model where its memory is to be", made_on_device(code, place.span.line))
    for path, line in own_initializers(facts, found.modules):
        yield from called(facts, path, line)
    names = [
        name
        for name, item in facts.traced.parameters.items()
        if unwritten_share(item.law)
        and item.alias_of is None
        and item.kind == "parameter"
        and module_of(item) in found.modules
        and _at(item, facts, found)
    ]
    if not names:
        return
    use = use_of(facts, names[0])
    shape = facts.parameter(names[0]).shape
    if use == "factor" or (len(shape) < 2 and use == "term"):
        filled = "ones" if use == "factor" else "zeros"
        edits = [edit for name in names for edit in refilled(facts, facts.parameter(name), filled, files) or ()]
        yield from unsafe(f"make it of {filled}", tuple(dict.fromkeys(edits)))
        yield from unsafe(
            f"fill it with {filled}", started(facts, dict.fromkeys(names, ONES if filled == "ones" else ZEROS), files)
        )
        return
    wanted = {name: starts_of(facts, layer)[0] if (layer := layer_of(facts, name)) is not None else SMALL for name in names}
    yield from unsafe(f"draw it: nn.init.{wanted[names[0]]}", started(facts, wanted, files))


def _at(parameter: Parameter, facts: Facts, found: Finding) -> bool:
    site = site_of_law(parameter, facts)
    return site is None or (site.path, site.line) == (found.span.path, found.span.line)
