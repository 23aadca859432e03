"""INI717: weights that the model computes with and does not own: random plain tensors, and layers in plain lists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from initlint.graph.model import Site
from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import finding
from initlint.source.statements import plain_containers, plain_weights

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI717",
    name="unregistered-weight",
    severity=Severity.WARNING,
    summary="A random tensor is a plain attribute, or layers are in a plain list: they are not trained, not saved and not moved.",
    fix="unsafe",
)


def check(facts: Facts) -> Iterator[Finding]:
    """Plain tensors that constructors draw, and that the forward pass reads; plain containers of layers."""
    constants = {item.name: item for item in facts.traced.parameters.values() if item.kind == "constant"}
    if not constants:
        return
    kinds = facts.instances_by_class()
    if facts.traced.hidden:
        yield from _containers(facts, kinds)
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


def _containers(facts: Facts, kinds: Mapping[str, Sequence[str]]) -> Iterator[Finding]:
    for path, item in ((path, item) for path, tree in facts.sources() for item in plain_containers(tree)):
        names = [f"{module}.{item.name}" if module else item.name for module in kinds.get(item.owner, ())]
        hidden = [name for name in names if name in facts.traced.hidden]
        if not hidden:
            continue
        registering = "nn.ModuleList" if item.kind == "list" else "nn.ModuleDict"
        yield finding(
            RULE,
            facts,
            at=Site(path=path, line=item.line, column=item.column, end_line=item.end_line, end_column=item.end_column),
            message=(
                f"`{hidden[0]}` keeps layers in a plain {item.kind}: their {facts.traced.hidden[hidden[0]]} parameters are not the model's. "
                "No optimizer gets them from parameters(), apply() does not initialize them, state_dict() leaves them out, and to() does "
                "not move them."
            ),
            help=f"self.{item.name} = {registering}(…)",
            modules=[name.rpartition(".")[0] for name in hidden if "." in name],
        )


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The tensor made a parameter, the container one of modules."""
    from initlint.fixes.moves import contained, registered
    from initlint.lint.cures import unsafe
    from initlint.lint.starting import Files, merged

    code = Files(facts).code(found.span.path)
    if code is not None:
        yield from unsafe("make it a container of modules", merged(contained(code, found.span.line)))
        yield from unsafe("make it a parameter", merged(registered(code, found.span.line)))
