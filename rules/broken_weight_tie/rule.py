"""INI724: a weight tie that a later line undoes, without a word."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, is_own, step_at
from initlint.source.initializers import tree_of

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.graph.model import BrokenTie, Site
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI724",
    name="broken-weight-tie",
    severity=Severity.WARNING,
    summary="Two modules are given one parameter, and a later line gives one of them another: they are tied no more.",
    fix="unsafe",
)


def check(facts: Facts) -> Iterator[Finding]:
    """Ties whose source was replaced, and those undone in the function that made them.

    Whoever inherits a model with a tie and gives it another head means to have one of its own.
    """
    for tie in facts.traced.untied:
        if is_own(tie.tied, facts) and is_own(tie.broken, facts) and (tie.source_replaced or _in_one_function(tie)):
            yield _finding(facts, tie)


def _finding(facts: Facts, tie: BrokenTie) -> Finding:
    replaced, other = (tie.source, tie.name) if tie.source_replaced else (tie.name, tie.source)
    return finding(
        RULE,
        facts,
        at=tie.broken,
        message=(
            f"this line gives `{replaced}` a new parameter, after `{tie.name}` was tied to `{tie.source}` (line {tie.tied.line}): "
            f"`{other}` keeps the old one. The two start apart and are trained apart, with twice the weights, and a checkpoint of "
            "the tied model no longer says what both are."
        ),
        help=f"tie them behind this line, or write new values into the tied parameter (`{replaced}.data.copy_(…)`)",
        modules=[name.rpartition(".")[0] for name in (tie.name, tie.source)],
        related=step_at(tie.tied, "here the two are tied"),
    )


def _in_one_function(tie: BrokenTie) -> bool:
    return tie.tied.path == tie.broken.path and _function_at(tie.tied) == _function_at(tie.broken)


def _function_at(site: Site) -> int:
    """The line at which the innermost function around a place begins; 0 for none."""
    tree = tree_of(site.path)
    functions = [item for item in ast.walk(tree) if isinstance(item, ast.FunctionDef)] if tree is not None else []
    return max((item.lineno for item in functions if item.lineno <= site.line <= (item.end_lineno or item.lineno)), default=0)


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The tie made behind the line that undoes it: in its own block, else at the end of the constructor."""
    from initlint.fixes.moves import at_the_end, moved_behind
    from initlint.lint.cures import unsafe
    from initlint.lint.starting import Files, merged

    for place in found.related:
        code = Files(facts).code(place.span.path)
        if code is None:
            continue
        if place.span.path == found.span.path:
            yield from unsafe("tie them behind this line", merged(moved_behind(code, place.span.line, found.span.line)))
        yield from unsafe("tie them when all is made", merged(at_the_end(code, place.span.line)))
