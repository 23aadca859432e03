"""FACTS → cures for layers whose outputs a large constant multiplies, and whose weights do not make up for it.

sin(ω·(Wx + b)) with weights in ±√(6/n)/ω has the arguments that sin(Wx + b) has with weights in ±√(6/n); without the 1/ω its slopes
are ω times larger, and so are its gradients, in every layer (Sitzmann et al. 2020, arXiv:2006.09661, section 3.2).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from initlint.fixes.calls import draw_at
from initlint.fixes.expressions import draw_divided, factors_at
from initlint.graph.dataflow import operator
from initlint.lint.cures import unsafe
from initlint.lint.starting import own_draw
from initlint.lint.wording import site_of_node

if TYPE_CHECKING:
    from initlint.fixes.edit import Fix
    from initlint.graph.layers import WeightLayer
    from initlint.graph.model import Site
    from initlint.lint.facts import Facts
    from initlint.lint.starting import Files


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
