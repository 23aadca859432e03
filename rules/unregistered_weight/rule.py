"""INI717: a random tensor that is used as a weight and is neither a parameter nor a buffer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.graph.model import Site
from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import finding
from initlint.source.statements import plain_weights

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI717",
    name="unregistered-weight",
    severity=Severity.WARNING,
    summary="A random tensor is set as a plain attribute: it is not trained, not saved and not moved with the model.",
    fix="unsafe",
)


def check(facts: Facts) -> Iterator[Finding]:
    """Plain tensors that constructors draw, and that the forward pass reads."""
    constants = {item.name: item for item in facts.traced.parameters.values() if item.kind == "constant"}
    if not constants:
        return
    kinds = facts.instances_by_class()
    for path, item in ((path, item) for path, tree in facts.sources() for item in plain_weights(tree)):
        names = [f"{module}.{item.name}" if module else item.name for module in kinds.get(item.owner, ())]
        used = [name for name in names if name in constants]
        if not used:
            continue
        shape = "x".join(str(size) for size in constants[used[0]].shape)
        yield finding(
            RULE,
            facts,
            at=Site(path=path, line=item.line, column=item.column, end_line=item.end_line, end_column=item.end_column),
            message=(
                f"`{used[0]}` ({shape}) is drawn at random and is a plain tensor, neither a parameter nor a buffer: "
                f"{'although it requires a gradient, no optimizer' if item.graded else 'no optimizer'} gets it from "
                "parameters(), state_dict() leaves it out, and a loaded model computes with another draw."
            ),
            help=f"self.{item.name} = nn.Parameter(…), or self.register_buffer('{item.name}', …) if it is to stay as it is",
            modules=[name.rpartition(".")[0] for name in used if "." in name],
        )


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The tensor made a parameter."""
    from initlint.fixes.moves import registered
    from initlint.lint.cures import unsafe
    from initlint.lint.starting import Files, merged

    code = Files(facts).code(found.span.path)
    if code is not None:
        yield from unsafe("make it a parameter", merged(registered(code, found.span.line)))
