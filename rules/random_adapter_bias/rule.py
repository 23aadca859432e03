"""INI508: an adapter with a zero second factor, whose bias is random and changes the model all the same."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, module_of, number, site_of_law

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.graph.adapters import Adapter
    from initlint.graph.model import Parameter
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI508",
    name="random-adapter-bias",
    severity=Severity.WARNING,
    summary="The second factor of a low-rank adapter is zero and its bias is not: the adapted model is not the original.",
    fix="unsafe",
    explained_by=("lora-not-identity",),
)

# Change of the layer's output relative to the output, root mean square: from a tenth on, as for random factors (lora-not-identity).
# An offset that is the same for all inputs is learned away faster than a random product, so this is never an error.
WARN_AT = 0.1


def check(facts: Facts) -> Iterator[Finding]:
    """Biases added behind the second factor."""
    for adapter in facts.structure.adapters:
        if adapter.scale == 0 or any(facts.parameter(gate).law.is_zero for gate in adapter.gates):
            continue
        output = _size_of_base(facts, adapter)
        for bias in biases_of(facts, adapter):
            change = abs(adapter.scale) * math.sqrt(bias.law.second_moment) / output if output else 0.0
            if not math.isfinite(change) or change < WARN_AT:
                continue
            yield finding(
                RULE,
                facts,
                at=site_of_law(bias, facts),
                message=(
                    f"the adapter of `{module_of(facts.parameter(adapter.base))}` adds {number(100 * change)} % to its output before "
                    f"any training: the bias `{bias.name}` is random (std {number(bias.law.std)}, scale {number(adapter.scale)}), "
                    "also where the factor before it is zero. The pretrained function is disturbed."
                ),
                help="make the second factor without a bias (bias=False), or start the bias at zero",
                modules=[module_of(bias)],
                evidence={"change": change, "scale": adapter.scale},
            )


def biases_of(facts: Facts, adapter: Adapter) -> Iterator[Parameter]:
    """The non-zero biases of an adapter's second factor."""
    for layer in facts.structure.layers.values():
        if layer.weight == adapter.up:
            yield from (bias for bias in map(facts.parameter, layer.others) if not bias.law.is_zero)


def _size_of_base(facts: Facts, adapter: Adapter) -> float:
    """Root mean square of what the adapted layer puts out; 0 where it is not predicted."""
    for layer in facts.structure.layers.values():
        signal = facts.signals.get(layer.node) if layer.weight == adapter.base else None
        if signal is not None and signal.second_moment:
            return math.sqrt(signal.second_moment)
    return 0.0


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The bias at zero."""
    from initlint.fixes.starts import ZEROS
    from initlint.lint.cures import unsafe
    from initlint.lint.starting import started

    names = {
        name
        for adapter in facts.structure.adapters
        for layer in facts.structure.layers.values()
        if layer.weight == adapter.up
        for name in layer.others
        if module_of(facts.parameter(name)) in found.modules and not facts.parameter(name).law.is_zero
    }
    if names:
        yield from unsafe("start the bias at zero", started(facts, dict.fromkeys(sorted(names), ZEROS), together=False))
