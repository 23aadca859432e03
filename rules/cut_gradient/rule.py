"""INI206: trainable parameters whose gradient is cut off in the forward pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from initlint.graph.cuts import cuts, is_own_cut
from initlint.graph.dataflow import operator
from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import counted, finding, module_of, pattern_of, site_of_node

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.fixes.edit import Fix
    from initlint.graph.model import Parameter, Site
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI206",
    name="cut-gradient",
    severity=Severity.WARNING,
    summary="Trainable parameters that the forward pass reads detached only, or under no_grad: no gradient ever reaches them.",
    fix="unsafe",
    explained_by=("zero-gradient",),
)


def check(facts: Facts) -> Iterator[Finding]:
    """One finding a line; none where nothing at all gets a gradient, as in a model that is only run."""
    found = cuts(facts.traced, facts.structure.dependence)
    cut = {name for names in found.values() for name in names}
    trained = [name for name, item in facts.traced.parameters.items() if item.kind == "parameter" and item.trainable]
    if not found or not set(trained) - cut:
        return
    places: dict[tuple[str, int, bool], tuple[Site | None, Node, list[Parameter]]] = {}
    for end, names in found.items():
        node = facts.structure.nodes[end]
        seen = next((user.name for user in (node, *node.users) if user.name in facts.traced.sites), end)  # a stretch has no line itself
        site = site_of_node(seen, facts)
        for name in names:
            key = (site.path, site.line, is_own_cut(node, name)) if site else ("", 0, is_own_cut(node, name))
            places.setdefault(key, (site, node, []))[2].append(facts.parameter(name))
    for (_, _, own), (site, node, parameters) in places.items():
        if any(len(parameter.shape) > 1 for parameter in parameters):
            yield _own(facts, site, parameters) if own else _computed(facts, site, node, parameters)


def _own(facts: Facts, site: Site | None, parameters: Sequence[Parameter]) -> Finding:
    one = len(parameters) == 1
    return finding(
        RULE,
        facts,
        at=site,
        message=(
            f"{pattern_of(parameter.name for parameter in parameters)} {'is' if one else 'are'} read detached here (`.data` or `.detach()`), and "
            f"nowhere else: no gradient comes back, and {'it stays' if one else f'all {len(parameters)} stay'} as drawn, whatever is trained."
        ),
        help="read the parameter itself; if it is to stay as it is, say so by requires_grad_(False)",
        modules=list(dict.fromkeys(map(module_of, parameters))),
        evidence={"parameters": float(len(parameters))},
    )


def _computed(facts: Facts, site: Site | None, node: Node, parameters: Sequence[Parameter]) -> Finding:
    modules = list(dict.fromkeys(map(module_of, parameters)))
    how = "detached" if operator(node) == "detach" else "computed under `no_grad`"
    return finding(
        RULE,
        facts,
        at=site,
        severity=Severity.INFO,  # a teacher or a fixed encoder, as a rule
        message=(
            f"this is {how}: no gradient comes back to {counted(len(parameters), 'parameter')} of {pattern_of(modules)} that "
            f"{'requires one. It stays as it starts' if len(parameters) == 1 else 'require one. They stay as they start'}."
        ),
        help="if they are to be trained, leave the gradient in; if not, requires_grad_(False) says so",
        modules=modules,
        evidence={"parameters": float(len(parameters))},
    )


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """A parameter read as itself."""
    from initlint.fixes.expressions import without_attribute, without_call
    from initlint.lint.cures import unsafe
    from initlint.lint.starting import Files

    code = Files(facts).code(found.span.path)
    if code is not None and found.severity is not Severity.INFO:
        edits = (*without_attribute(code, found.span.line, "data"), *without_call(code, found.span.line, "detach"))
        yield from unsafe("read the parameter itself", edits if len(edits) == 1 else ())
