"""INI712: an initializer that the constructor calls and that writes to nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.graph.model import Site
from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import counted, finding, step_at
from initlint.source.initializers import tree_of
from initlint.source.statements import starts

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI712",
    name="idle-initializer",
    severity=Severity.WARNING,
    summary="The constructor calls an initializer that writes to no parameter: it runs too early, or matches no layer.",
    fix="unsafe",
)


def check(facts: Facts) -> Iterator[Finding]:
    """Calls that stand directly in the constructor of a class of this model, and below which no parameter was written."""
    paths = facts.modules_by_class()
    for path, item in ((path, item) for path, tree in facts.sources() for item in starts(tree)):
        called = item.initializer
        heir, later = item.owner, item.later
        if item.owner not in paths:  # the constructor of a base: it runs before the modules of whoever inherits it exist
            heir, later = next(((name, count) for name, count in item.heirs if name in paths and count), ("", 0))
        if heir not in paths or facts.wrote(path, called.line, called.end_line):
            continue
        name = f"{called.owner}.{called.name}" if called.owner else called.name
        early = later > 0
        where = "of this class" if heir == item.owner else f"of `{heir}`"
        after = "below this line, after it has run" if heir == item.owner else "after super().__init__(), which has run it"
        yield finding(
            RULE,
            facts,
            at=Site(path=path, line=item.line, column=item.column, end_line=item.end_line, end_column=item.end_column),
            message=(
                f"`{name}` is called here and writes to no parameter: "
                + (
                    f"{counted(later, 'module')} {where} {'is' if later == 1 else 'are'} made {after}. "
                    if early
                    else "none of the layers passes its tests. "
                )
                + "The model starts from the defaults of its layers."
            ),
            help=f"call it at the end of {'' if heir == item.owner else f'{heir}.'}__init__, when all layers exist"
            if early
            else "test for the classes that the model has",
            modules=[name for name in paths[heir][:1] if name],
            related=step_at(Site(path=path, line=called.line), "the initializer that finds nothing"),
        )


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The call at the end of the constructor, or of those of its heirs; the class that the model has, in the place of the one it
    has not."""
    from initlint.fixes.applied import at_the_end_of_heirs
    from initlint.fixes.moves import at_the_end, class_tested, instance_tested
    from initlint.lint.cures import unsafe
    from initlint.lint.starting import Files, merged

    code = Files(facts).code(found.span.path)
    if code is None:
        return
    yield from unsafe("call it when all layers exist", merged(at_the_end(code, found.span.line)))
    tree = tree_of(found.span.path)
    for item in () if tree is None else starts(tree):
        if item.line == found.span.line:
            heirs = [name for name, later in item.heirs if later]
            said = "call it when all layers of the heirs exist"
            yield from unsafe(said, merged(at_the_end_of_heirs(code, item.line, heirs)))
    held = {name.rpartition(".")[0] for name in (p.name for p in facts.traced.parameters.values() if len(p.shape) > 1)}
    kinds = sorted({facts.traced.module_types.get(path, "").rpartition(".")[2] for path in held} - {""})
    for place in found.related:
        yield from unsafe("test for heirs of the class, too", merged(instance_tested(code, place.span.line)))
        yield from unsafe("test for a class that the model has", merged(class_tested(code, place.span.line, kinds)))
