"""INI503: an adapter with two zero factors, or with its only zero frozen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, module_of, site_of_law, site_of_node, span_of, step_at

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.graph.adapters import Adapter
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI503",
    name="lora-cannot-learn",
    severity=Severity.ERROR,
    summary="Both factors of a low-rank adapter are zero (or the zero one is frozen): it never receives a gradient.",
    fix="unsafe",
)


def check(facts: Facts) -> Iterator[Finding]:
    """Adapters none of whose factors a gradient can ever reach."""
    dead = set(facts.liveness.dead)
    for adapter in facts.structure.adapters:
        factors = [facts.parameter(name) for name in (adapter.down, adapter.up)]
        if not any(parameter.trainable for parameter in factors):
            continue
        if adapter.scale == 0:
            yield _finding(facts, adapter, "its scale is zero")
        elif all(name in dead for name, item in zip((adapter.down, adapter.up), factors, strict=True) if item.trainable):
            zero = [name for name in (adapter.down, adapter.up, *adapter.gates) if facts.parameter(name).law.is_zero]
            names = " and ".join(f"`{facts.parameter(name).name}`" for name in zero)
            frozen = [name for name in zero if not facts.parameter(name).trainable]
            yield _finding(facts, adapter, f"{names} {'are' if len(zero) > 1 else 'is'} zero{' and frozen' if frozen else ''}")


def _finding(facts: Facts, adapter: Adapter, why: str) -> Finding:
    down, up = facts.parameter(adapter.down), facts.parameter(adapter.up)
    if adapter.scale == 0:
        at = site_of_node(adapter.scale_node, facts)
    else:
        zeros = [factor for factor in ((up, down) if adapter.embedding else (down, up)) if factor.law.is_zero]
        at = site_of_law(zeros[0] if zeros else facts.parameter(adapter.gates[0]), facts)
    kept = down if adapter.embedding else up  # the factor that is to be zero
    other = site_of_law(kept, facts)
    related = (
        step_at(other, f"`{kept.name}` is zero as well")
        if at is not None and other is not None and kept.law.is_zero and span_of(other) != span_of(at)
        else ()
    )
    return finding(
        RULE,
        facts,
        at=at,
        message=(
            f"the adapter of `{module_of(facts.parameter(adapter.base))}` cannot learn: {why}, so that every gradient of its "
            "factors is exactly zero for ever. Fine-tuning leaves the model as it is."
        ),
        help=(
            "draw B at random (nn.init.normal_(B)) and keep only A, the table, at zero"
            if adapter.embedding
            else "draw A at random (nn.init.kaiming_uniform_(A, a=math.sqrt(5))) and keep only B at zero"
        ),
        modules=[module_of(down), module_of(up)],
        evidence={"scale": adapter.scale, "rank": float(adapter.rank)},
        related=related,
    )


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The first factor drawn (of an embedding the second), the zero one trained, a gate at one, the usual scale: whichever stands in the way."""
    from initlint.fixes.starts import ONES, Start, lora_start
    from initlint.lint.cures import refilled, rescaled, thawed, unsafe
    from initlint.lint.starting import Files, started

    files = Files(facts)
    adapters = [item for item in facts.structure.adapters if module_of(facts.parameter(item.down)) in found.modules]
    zero = [(item, facts.parameter(item.down), facts.parameter(item.up)) for item in adapters if item.scale]
    drawn = {item.down: lora_start(down.shape, item.n) for item, down, _ in zero if down.law.is_zero and not item.embedding}
    if drawn:
        yield from unsafe("draw the first factor at random", started(facts, drawn, files, together=False))
    read = {item.up: Start(function="normal_") for item, down, up in zero if item.embedding and down.law.is_zero and up.law.is_zero}
    yield from unsafe("draw the second factor at random", started(facts, read, files, together=False))
    frozen = [up for _, _, up in zero if up.law.is_zero and not up.trainable]
    yield from unsafe("train the zero factor", [edit for up in frozen for edit in thawed(up, files)])
    gates = dict.fromkeys((gate for item, _, _ in zero for gate in item.gates if facts.parameter(gate).law.is_zero), ONES)
    for gate in gates:
        yield from unsafe("start the gate at one", refilled(facts, facts.parameter(gate), "ones", files))
    yield from unsafe("start the gate at one", started(facts, gates, files, together=False))
    silent = [item for item in adapters if item.scale == 0]
    if silent:
        yield from rescaled(facts, silent[0], files)
    both = {
        item.down: lora_start(facts.parameter(item.down).shape, item.n)
        for item in adapters
        if not item.embedding and facts.parameter(item.down).law.is_zero and facts.parameter(item.up).law.is_zero
    }
    for fix in rescaled(facts, adapters[0], files) if both else ():
        edits = started(facts, both, files, together=False)
        yield from unsafe(f"draw the first factor at random, and {fix.message}", None if edits is None else (*fix.edits, *edits))
