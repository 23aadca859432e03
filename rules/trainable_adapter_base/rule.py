"""INI507: the layer beside a low-rank adapter is trained as well."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, module_of, site_made, step_at

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
        yield finding(
            RULE,
            facts,
            at=site_made(base, facts),
            message=(
                f"`{base.name}` requires a gradient although the adapter `{module_of(down)}` stands beside it: the optimizer "
                "trains both, keeps its state for both, and the full matrix can learn all that the adapter could."
            ),
            help=f"freeze it: requires_grad_(False) on `{module_of(base)}` (or give the optimizer the adapters alone)",
            modules=[module_of(base)],
            related=step_at(site_made(down, facts), "the adapter"),
        )


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The base frozen, where it is made or where the adapter is told of it."""
    from initlint.fixes.insert import inserted
    from initlint.lint.cures import layers_of, unsafe
    from initlint.lint.starting import Files

    files = Files(facts)
    for layer in layers_of(found, facts)[:1]:
        parameter = facts.parameter(layer.weight)
        place = files.owner(parameter)
        if place is None:
            return
        module, owner = place
        path = parameter.name[len(module) + 1 if module else 0 :].rpartition(".")[0]
        edit = inserted(owner, [path], lambda tensor, _: [f"{tensor}.requires_grad_(False)"]) if path else None
        yield from unsafe("freeze the layer beside the adapter", () if edit is None else (edit,))
