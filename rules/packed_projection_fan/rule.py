"""INI718: xavier initialization of queries, keys and values in one matrix, which counts the outputs of all three."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.graph.dataflow import ATTENTION, PRODUCTS, operator
from initlint.lint.finding import Severity
from initlint.lint.rule import Rule
from initlint.lint.wording import finding, module_of, number, site_of_call

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.graph.layers import WeightLayer
    from initlint.lint.facts import Facts
    from initlint.lint.finding import Finding

RULE = Rule(
    code="INI718",
    name="packed-projection-fan",
    severity=Severity.INFO,
    summary="Xavier initialization of a packed projection counts the outputs of all its parts.",
    fix="unsafe",
)


def check(facts: Facts) -> Iterator[Finding]:
    """Square projections packed into one matrix before an attention, last drawn whole by a xavier function."""
    for layer in facts.structure.layers.values():
        parts = layer.fan_out // max(layer.fan_in, 1)
        if layer.kind != "linear" or parts not in (2, 3) or layer.fan_out != parts * layer.fan_in:
            continue
        parameter = facts.parameter(layer.weight)
        write = parameter.writes[-1] if parameter.writes else None
        site = None if write is None else site_of_call(write, facts)
        if write is None or site is None or write.default or not write.op.startswith("nn.init.xavier"):
            continue
        if write.shape != parameter.shape or not _is_attended(facts, layer):
            continue
        ratio = math.sqrt(2 / (1 + parts))
        yield finding(
            RULE,
            facts,
            at=site,
            message=(
                f"`{parameter.name}` {list(parameter.shape)} packs {parts} projections of {layer.fan_in} outputs: xavier counts "
                f"{layer.fan_out} outputs, so the standard deviation is {number(ratio)} of what {parts} separate matrices get."
            ),
            help=f"initialize the parts one by one: for w in weight.chunk({parts}): nn.init.xavier_uniform_(w)",
            modules=[module_of(parameter)],
            evidence={"parts": float(parts), "ratio": ratio},
        )


def _is_attended(facts: Facts, layer: WeightLayer) -> bool:
    """Whether an attention reads what a layer returns with no other layer between, in products where it is written by hand."""
    dependence = facts.structure.dependence
    projection = facts.structure.nodes[layer.node]
    layers = dependence.bits(facts.structure.layers)
    products = dependence.bits(node.name for node in dependence.order if operator(node) in PRODUCTS)
    for attention in dependence.order:
        if operator(attention) in ATTENTION and dependence.reaches(projection, attention):
            between = dependence.between(projection, attention)
            if not between & layers and ("softmax" not in operator(attention) or between & products):
                return True
    return False


def fixes(found: Finding, facts: Facts) -> Iterator[Fix]:
    """The same draw for every part."""
    from initlint.fixes.moves import for_each_part
    from initlint.lint.cures import draw_of_finding, parameters_drawn_at, unsafe
    from initlint.lint.starting import Files, merged

    place = draw_of_finding(found, Files(facts))
    parts = int(found.evidence["parts"])
    shapes = [facts.parameter(name).shape for name in parameters_drawn_at(facts, found.span)]
    if place is not None and all(len(shape) == 2 and shape[0] == parts * shape[1] for shape in shapes):
        yield from unsafe("draw the parts one by one", merged(for_each_part(*place, parts)))
