"""INI507: the layer beside a low-rank adapter is trained as well."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.graph.model import Site
from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, module_of, site_made, step_at
from initlint.source.statements import freezings

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI507",
    name="trainable-adapter-base",
    severity=Severity.INFO,
    summary="The layer that a low-rank adapter stands beside is trainable, so the adapter saves nothing.",
    fix="unsafe",
)


def check(facts: Facts) -> Iterator[Finding]:
    """Adapters that start as an identity, beside a weight that requires a gradient."""
    for adapter in facts.structure.adapters:
        base, down, up = (facts.parameter(name) for name in (adapter.base, adapter.down, adapter.up))
        if not base.trainable or not (down.trainable and up.trainable) or down.law.is_zero == up.law.is_zero:
            continue
        vain = _in_vain(facts, module_of(base))
        yield finding(
            RULE,
            facts,
            at=site_made(base, facts) if vain is None else vain,
            severity=Severity.INFO if vain is None else Severity.WARNING,
            message=(
                f"`{base.name}` requires a gradient although the adapter `{module_of(down)}` stands beside it: the optimizer "
                "trains both, keeps its state for both, and the full matrix can learn all that the adapter could."
                + (
                    ""
                    if vain is None
                    else " On a module, the attribute `requires_grad` freezes nothing; its parameters have their own."
                )
            ),
            help=(
                f"freeze it: requires_grad_(False) on `{module_of(base)}` (or give the optimizer the adapters alone)"
                if vain is None
                else "call the method: requires_grad_(False)"
            ),
            modules=[module_of(base)],
            related=step_at(site_made(down, facts), "the adapter"),
        )


def _in_vain(facts: Facts, module: str) -> Site | None:
    """The line that sets `requires_grad` of a module, where a class that holds it was to freeze it."""
    kinds = {path: kind.rpartition(".")[2] for path, kind in facts.traced.module_types.items()}
    for path, tree in facts.sources():
        for item in freezings(tree):
            holder = module.removesuffix(item.name).removesuffix(".")
            if module in (item.name, f"{holder}.{item.name}") and kinds.get(holder) == item.owner:
                return Site(path=path, line=item.line, column=item.column, end_line=item.end_line, end_column=item.end_column)
    return None


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The base frozen: by the method in place of the attribute, where it is made, or where the adapter is told of it."""
    from initlint.fixes.insert import inserted
    from initlint.fixes.moves import frozen_by_call
    from initlint.lint.cures import layers_of, unsafe
    from initlint.lint.starting import Files

    files = Files(facts)
    code = files.code(found.span.path)
    if code is not None:
        yield from unsafe("freeze the layer by the method", frozen_by_call(code, found.span.line))
    for layer in layers_of(found, facts)[:1]:
        parameter = facts.parameter(layer.weight)
        place = files.owner(parameter)
        if place is None:
            return
        module, owner = place
        path = parameter.name[len(module) + 1 if module else 0 :].rpartition(".")[0]
        edit = inserted(owner, [path], lambda tensor, _: [f"{tensor}.requires_grad_(False)"]) if path else None
        yield from unsafe("freeze the layer beside the adapter", () if edit is None else (edit,))
