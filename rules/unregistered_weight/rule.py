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
    from initlint.graph.model import Parameter, Write
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
    told: set[str] = set()
    for path, item in ((path, item) for path, tree in facts.sources() for item in plain_weights(tree)):
        names = [f"{module}.{item.name}" if module else item.name for module in kinds.get(item.owner, ())]
        used = [name for name in names if name in constants]
        if not used:
            continue
        told.update(used)
        shape = _shape(constants[used[0]])
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


    for name, constant in constants.items():
        made = next((write for write in constant.writes if write.site is not None), None)
        if constant.trainable and made is not None and name not in told:
            yield _result(facts, constant, made)


def _result(facts: Facts, item: Parameter, made: Write) -> Finding:
    """What an operator made of a parameter, in its place."""
    return finding(
        RULE,
        facts,
        at=made.site,
        message=(
            f"`{item.name}` ({_shape(item)}) requires a gradient and is no parameter: it is what `{made.op}` made here, a tensor of its own. No "
            "optimizer gets it from parameters(), so that it is never trained, and state_dict() leaves it out."
        ),
        help="make it an nn.Parameter last, after all that computes its start: self.name = nn.Parameter(…)",
        modules=[item.name.rpartition(".")[0]] if "." in item.name else [],
    )


def _shape(item: Parameter) -> str:
    return "x".join(map(str, item.shape))


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
