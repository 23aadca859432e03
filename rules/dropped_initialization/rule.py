"""INI713: a statement that makes a new tensor, or names a function without calling it, where a start was meant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.graph.model import Site
from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import finding
from initlint.source.statements import dropped

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding
    from initlint.source.statements import Dropped

RULE = Rule(
    code="INI713",
    name="dropped-initialization",
    severity=Severity.WARNING,
    summary="An initialization whose result is dropped, or that is named and not called: the parameter keeps its old start.",
    fix="unsafe",
)


def check(facts: Facts) -> Iterator[Finding]:
    """Statements without effect in constructors and initializers of this model's classes, and in functions of its file."""
    paths = facts.instances_by_class()
    for path, item in ((path, item) for path, tree in facts.sources() for item in dropped(tree)):
        if item.owner not in paths if item.owner else path != facts.path:
            continue
        what, cure = _words(item)
        yield finding(
            RULE,
            facts,
            at=Site(path=path, line=item.line, column=item.column, end_line=item.end_line, end_column=item.end_column),
            message=f"`{item.text}` {what} Nothing is initialized by this line: the parameters keep the start they had.",
            help=cure,
            modules=[name for name in paths.get(item.owner, ())[:1] if name],
        )


def _words(item: Dropped) -> tuple[str, str]:
    """What is wrong, and the cure."""
    match item.kind:
        case "result":
            return "returns a new tensor, which is dropped.", f"write in place, under torch.no_grad(): `{item.name}_`"
        case "copy":
            return (
                "makes a tensor of the same shape, which is dropped.",
                "write in place: nn.init.zeros_(…), nn.init.normal_(…)",
            )
        case "uncalled":
            return "names a function and does not call it.", f"call it: `{item.text}(…)`"


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The same done in place, or the call made; before what starts single parameters, where it would write over that."""
    from initlint.fixes.effects import called_first, effective
    from initlint.lint.cures import unsafe
    from initlint.lint.starting import Files

    code = Files(facts).code(found.span.path)
    if code is not None:
        edits = effective(code, found.span)
        yield from unsafe("make it take effect", edits)
        yield from unsafe("make it take effect, before what is started otherwise", called_first(code, found.span, edits))
