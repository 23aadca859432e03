"""Layers between normalizations → cures that make the functions there nearly linear.

Weights between normalizations have no scale, so that none of them keeps gradients from growing: a layer of batch norm and
function φ multiplies E[g²] by E[φ'²]/Var φ: 1.47 for ReLU (Yang et al. 2019, arXiv:1902.08129), and more than one for every φ but a
linear one (Poincaré's inequality for a normal variable). Where φ is nearly linear the factor is nearly one: of rectifiers and their
smooth kin far above zero (ReLU at β = 1, 2: 1.12, 1.02), of bounded functions near it.

A norm within each sample does the same where samples have little in common, but takes no mean over samples away: what a bias far
above zero adds to all of them would be most of what is left. So there functions are kept near zero, where the smooth ones are
linear too; and, with nothing else to make gradients grow, the spread of the weights' singular values is what remains, which
orthogonal ones have not (Pennington, Schoenholz, Ganguli 2017, arXiv:1711.04735).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from initlint.fixes.starts import RECTIFIERS, SMOOTH, Start
from initlint.graph.dataflow import NORMALIZING, PASSING, SATURATING, operands, operator
from initlint.lint.cures import unsafe
from initlint.lint.starting import started

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.fixes.edit import Fix
    from initlint.graph.layers import WeightLayer
    from initlint.lint.facts import Facts

OPENING = frozenset({*RECTIFIERS, *SMOOTH, "leaky_relu"})
BIASES = ("1.0", "2.0", "3.0")  # of a signal of variance one: at 3 a thousandth of it is below zero
GAINS = ("0.5", "0.2")  # at two deviations tanh has 0.42 and 0.86 of its largest slope, sigmoid more
NEAR = 4  # nodes between a layer, its function and its normalization


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What moves and widens the signal that a layer's function reads: the bias and gain of the normalization between both, or the
    layer's own bias and weight where the normalization comes after the function."""

    function: str
    weight: str
    bias: str | None
    gain: str | None
    own: bool
    batch: bool


def linearized(facts: Facts, layers: Sequence[WeightLayer]) -> Iterator[Fix]:
    """Biases that open rectifiers, the smallest first, or gains that keep bounded functions where they are steep."""
    places = [place for layer in layers if (place := place_of(facts, layer)) is not None]
    if 2 * len(places) <= len(layers):  # the first and the last layer need no norm; the proof says whether the others do
        return
    if not all(place.batch for place in places):
        yield from _kept_small(facts, places)
        return
    biases = dict.fromkeys(place.bias for place in places if place.function in OPENING and place.bias is not None)
    for value in BIASES if len(biases) == len(places) else ():
        start = Start(function="constant_", arguments=(value,))
        said = f"start the biases before these functions at {value}, where they are nearly linear"
        yield from unsafe(said, started(facts, dict.fromkeys(biases, start), together=False))
    if all(place.function in SATURATING for place in places):
        yield from _kept_small(facts, places)


def _kept_small(facts: Facts, places: Sequence[Place]) -> Iterator[Fix]:
    """What scales the input of functions that are linear at zero; the weights before a norm within samples isometric."""
    gains = {place.gain: place for place in places if place.gain is not None}
    if len(gains) < len(places) or not all(place.function in SATURATING or place.function in SMOOTH for place in places):
        return
    isometric = {place.weight: Start(function="orthogonal_") for place in places if not place.batch}
    for value in GAINS:
        wanted = isometric | {
            name: Start(function="orthogonal_", arguments=(f"gain={value}",))
            if place.own
            else Start(function="constant_", arguments=(value,))
            for name, place in gains.items()
        }
        said = f"start what scales the input of these functions at {value}, where they are nearly linear"
        yield from unsafe(said, started(facts, wanted, together=False))


def place_of(facts: Facts, layer: WeightLayer) -> Place | None:
    """Where the input of a layer's function can be moved, if a normalization is right before or right behind that function."""
    norm, function = None, None
    node = facts.structure.nodes[layer.node]
    for _ in range(NEAR):
        users = [user for user in node.users if user.name in facts.structure.dependence.index]
        if len(users) != 1:
            break
        node = users[0]
        kind = operator(node)
        if kind in NORMALIZING and norm is None:
            norm = node
            first = function is None
        elif (kind in OPENING or kind in SATURATING) and function is None:
            function = kind
        elif kind not in PASSING | {"getitem"}:
            break
        if norm is not None and function is not None:
            gain, bias = _affine(facts, norm) if first else (layer.weight, _bias(facts, layer))
            batch = "batch_norm" in operator(norm)
            return Place(function=function, weight=layer.weight, bias=bias, gain=gain, own=not first, batch=batch)
    return None


def _affine(facts: Facts, norm: Node) -> tuple[str | None, str | None]:
    """Names of a normalization's gain and bias, as far as they are trained."""
    names = [item.name for item in operands(norm) if (p := facts.traced.parameters.get(item.name)) and p.trainable]
    return (names[0], names[1]) if len(names) > 1 else (None, None)


def _bias(facts: Facts, layer: WeightLayer) -> str | None:
    vectors = [name for name in layer.others if facts.parameter(name).trainable and len(facts.parameter(name).shape) == 1]
    return vectors[0] if len(vectors) == 1 else None
