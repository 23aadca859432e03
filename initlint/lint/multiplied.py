"""FACTS → cures for layers whose outputs something multiplies, and whose weights do not make up for it: a large constant, or what is
computed from the input, too.

sin(ω·(Wx + b)) with weights in ±√(6/n)/ω has the arguments that sin(Wx + b) has with weights in ±√(6/n); without the 1/ω its slopes
are ω times larger, and so are its gradients, in every layer (Sitzmann et al. 2020, arXiv:2006.09661, section 3.2).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import libcst as cst

from initlint.fixes.calls import calls_named, draw_at
from initlint.fixes.expressions import draw_divided, factors_at
from initlint.graph.dataflow import SATURATING, operands, operator
from initlint.lint.cures import follows, own_draw_after_made, scaled_start, starts_of, unsafe
from initlint.lint.starting import own_draw
from initlint.lint.wording import site_of_node

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.fixes.starts import Start
    from initlint.graph.layers import WeightLayer
    from initlint.graph.model import Site
    from initlint.lint.facts import Facts
    from initlint.lint.starting import Files

WAVES = frozenset({"sin", "cos"})
BOUNDED = frozenset({*SATURATING, *WAVES})
SLIGHT = 0.1  # a factor so near to zero is a gate that is shut, one so near to one needs no answer


def divided(facts: Facts, layers: Sequence[WeightLayer], files: Files) -> Iterator[Fix]:
    """The one draw that starts all of these layers which a constant multiplies, divided by that constant."""
    places: dict[Site, tuple[float, str]] = {}
    for layer in layers:
        write, found = own_draw(facts.parameter(layer.weight), facts), multiplied_by(facts, layer)
        if found is not None and write is not None and write.site is not None:
            places.setdefault(write.site, found)
    if len(places) != 1:
        return
    ((site, (value, node)),) = places.items()
    at = site_of_node(node, facts)
    code, other = files.code(site.path), None if at is None else files.code(at.path)
    draw = None if code is None else draw_at(code, site)
    if code is None or draw is None or at is None or other is None:
        return
    for divisor in dict.fromkeys(factors_at(other, at.line, value)):
        for edits in draw_divided(code, draw, divisor):
            yield from unsafe(f"draw weights smaller by {divisor}, which multiplies what they give", edits)


def starts_before(facts: Facts, layer: WeightLayer) -> Sequence[Start]:
    """The starts that suit a layer; first, where a constant ω multiplies what it gives to a sine, the one whose arguments have variance
    one all the same: 2/(n·ω²), since E[sin²] is a half."""
    found, usual = multiplied_by(facts, layer), starts_of(facts, layer)
    if found is None or not follows(facts, layer, among=WAVES)[0]:
        return usual
    start = scaled_start(facts, layer, 2.0)
    return (replace(start, arguments=tuple(f"{item} / {found[0]:g}" for item in start.arguments)), *usual)


def multiplied_by(facts: Facts, layer: WeightLayer) -> tuple[float, str] | None:
    """The constant above one that a layer's output is multiplied by, and the node where it is."""
    for user in facts.structure.nodes[layer.node].users:
        for given in user.args if operator(user) == "mul" else ():
            parameter = facts.traced.parameters.get(getattr(given, "name", ""))
            if isinstance(given, int | float):
                value = float(given)
            elif parameter is not None and parameter.law.family == "constant" and not parameter.trainable:
                value = parameter.law.mean
            else:
                continue
            if value > 1:
                return value, user.name
    return None


def starts_behind(facts: Facts, layer: WeightLayer) -> Sequence[Start]:
    """The starts that suit a layer; first the one whose product with what its output is multiplied by keeps its input's size."""
    factor = _factor(facts, layer)
    usual = starts_of(facts, layer)
    return usual if factor is None else (scaled_start(facts, layer, 1 / factor), *usual)


def _factor(facts: Facts, layer: WeightLayer) -> float | None:
    """The second moment, below one, of what depends on the input and multiplies a layer's output as it is."""
    data = facts.structure.dependence.data
    users = [user for user in facts.structure.nodes[layer.node].users if operator(user) == "mul"]
    others = [item for user in users for item in operands(user) if item.name in data and item.name != layer.node]
    signal = facts.signals.get(others[0].name) if len(others) == 1 else None
    moment = None if signal is None else signal.second_moment
    return moment if moment and SLIGHT < moment < 1 - SLIGHT else None


def is_bounded(facts: Facts, layer: WeightLayer) -> bool:
    """Whether a layer gives values of one and more to a bounded function: what this gives does not grow with the weights."""
    signal = facts.signals.get(layer.node)
    large = signal is not None and signal.second_moment is not None and signal.second_moment >= 1
    return large and bool(follows(facts, layer, among=BOUNDED)[0])


RANDOM = ("randn", "rand")


def undivided(facts: Facts, layers: Sequence[WeightLayer], files: Files) -> Iterator[Fix]:
    """`torch.randn(…)` → `torch.randn(…) / rate` for weights that are multiplied before they are used, by an argument of their
    constructor among others: a multiplier of learning rates that weights do not make up for (Karras et al. 2018, arXiv:1812.04948)."""
    scaled = {
        layer.weight: facts.parameter(layer.weight).made
        for layer in layers
        if any(operator(user) == "mul" for user in facts.structure.nodes[layer.weight].users)
        and not own_draw_after_made(facts.parameter(layer.weight), facts)
    }
    sites = {(made.path, made.line) for made in scaled.values() if made is not None}
    for path, line in sites if len(sites) == 1 else ():
        code = files.code(path)
        statement, function = (None, None) if code is None else (code.statement_at(line), code.function_at(line))
        if code is None or statement is None or function is None:
            continue
        drawn = list(calls_named(code, RANDOM, statement))
        numbers = [item for item in function.params.params if isinstance(item.default, cst.Float)]
        for item in numbers if len(drawn) == 1 and not isinstance(code.parents[drawn[0]], cst.BinaryOperation) else ():
            name = item.name.value
            edit = code.replaced(drawn[0], f"{code.text(drawn[0])} / {name}")
            yield from unsafe(f"draw weights larger by {name}, which they are multiplied by", [edit])
