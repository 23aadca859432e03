"""INI708: a method that initializes the weights, and that nobody calls."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.graph.model import Site
from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import finding
from initlint.source.initializers import initializers

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding
    from initlint.source.initializers import Initializer

RULE = Rule(
    code="INI708",
    name="uncalled-initializer",
    severity=Severity.WARNING,
    summary="A method initializes the weights, but nothing calls it: the model starts from the defaults of its layers.",
    fix="unsafe",
)


def check(facts: Facts) -> Iterator[Finding]:
    """Initializing methods of the classes of this model that their file names only once."""
    paths, sources = facts.instances_by_class(), dict(facts.sources())
    found = ((path, item) for path, tree in sources.items() for item in initializers(tree, sources.values()))
    for path, item in found:
        if item.called or not (item.alone or item.slip_of) or (item.owner not in paths if item.owner else path != facts.path):
            continue
        if facts.wrote(path, item.line, item.end_line) or not (item.owner or item.applied):
            continue
        # a class of a package calls the right name; this one may be written wrongly in another file as well
        certain = (item.name.startswith("_") and bool(item.owner)) or not item.alone
        name = f"{item.owner}.{item.name}" if item.owner else item.name
        yield finding(
            RULE,
            facts,
            at=Site(path=path, line=item.line, column=1),
            severity=Severity.WARNING if certain else Severity.INFO,
            message=(
                f"`{name}` initializes weights, but nothing in this file calls it"
                f"{'' if certain else ' (another file may)'}: "
                "the model starts from the defaults of its layers."
            ),
            help=f"write its name as {item.slip_of}"
            if item.slip_of
            else f"call it at the end of __init__: {_call(item)}",
            modules=[name for name in paths.get(item.owner, ())[:1] if name],
        )


def _call(item: Initializer) -> str:
    """The call that is missing."""
    if not item.owner:
        return f"self.apply({item.name})"
    return f"self.apply(self.{item.name})" if item.applied else f"self.{item.name}()"


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The name that is called; else the call, at the end of the constructor."""
    from initlint.lint.calling import called

    yield from called(facts, found.span.path, found.span.line)
