"""Residual branches that start small or at zero: Fixup, SkipInit and ReZero, Stable ResNet.

    Zhang, Dauphin, Ma 2019        writers and classifier zero, the other branch layers He × L^(−1/(2m−2))
    De, Smith 2020; Bachlechner et al. 2020   x + α F(x), α = 0
    Hayou et al. 2020              branches × λ_l with Σ λ² bounded: 1/√L, or 1/(√l ln(l + 1))

L counts branches, m the weight layers of one in series. Exactly one factor of a branch may be zero: with two, neither learns.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from initlint.graph.dataflow import is_node, operands, operator
from initlint.schemes.plan import Change, DoesNotApply, Place, constant, normal, zeros
from initlint.schemes.variance import Said, forward_gain, one_of, weights_of, with_std, zero_biases

if TYPE_CHECKING:
    from initlint.schemes.anatomy import Anatomy, Part, Weight
    from initlint.schemes.branches import Branch


def fixup(anatomy: Anatomy) -> Said:
    """Residual nets without normalization: writers and classifier zero, branches He × L^(−1/(2m−2))."""
    branches = residual_of(anatomy)
    for branch in branches:
        if branch.norms or branch.normed:
            raise DoesNotApply(
                f"the branches are normalized ({branch.norms[0] if branch.norms else branch.add}): Fixup replaces that"
            )
        if branch.attends:
            raise DoesNotApply("the branches attend; for transformers without normalization it is the scheme `t-fixup`")
    writers = anatomy.writers()
    depth = len(branches)
    inside = {node: branch for branch in branches for node in branch.layers}
    for weight in weights_of(anatomy):
        if weight.node in writers:
            yield Change(place=weight.place, draw=zeros(), why="last layer of a branch: zero", std=0.0)
        elif weight.last:
            yield Change(place=weight.place, draw=zeros(), why="classifier: zero", std=0.0)
        else:
            layers = inside[weight.node].depth if weight.node in inside else 1
            factor = depth ** (-1 / (2 * layers - 2)) if layers > 1 else 1.0
            yield from he(weight, "He" if layers == 1 else f"He × {depth}^(−1/{2 * layers - 2}) = {factor:.4g}", factor)
    for branch in branches:
        for gate in branch.gates:
            yield Change(place=gate_of(anatomy, gate), draw=constant(1.0), why="scale of a branch: one", std=1.0)
    scalars = list(_scalar_biases(anatomy))
    yield from scalars
    yield from zero_biases(anatomy)
    if not all(branch.gates for branch in branches) or not scalars:
        yield (
            "Fixup also gives every branch a learned scale (1) and a scalar bias (0) before every convolution and activation: "
            "`nn.Parameter(torch.ones(1))`, `nn.Parameter(torch.zeros(1))` in the block"
        )


def _scalar_biases(anatomy: Anatomy) -> Iterator[Change]:
    parameters = anatomy.facts.traced.parameters
    for node in anatomy.facts.structure.dependence.order:
        if operator(node) == "add" and node.name in anatomy.facts.structure.dependence.data:
            for operand in operands(node):
                parameter = parameters.get(operand.name)
                if parameter is not None and parameter.kind == "parameter" and math.prod(parameter.shape) == 1:
                    place = Place(parameter=parameter.alias_of or parameter.name)
                    yield Change(place=place, draw=zeros(), why="scalar bias: zero", std=0.0)


def skipinit(anatomy: Anatomy, *, value: str = "zero") -> Said:
    """Learned scales of branches (or the gains of normalizations that end them) zero: every block starts as the identity.

    value  "zero", or "depth" for 1/√L
    """
    one_of("value", value, ("zero", "depth"))
    residual_of(anatomy)
    by_node = anatomy.by_node()
    chosen: list[tuple[Branch, tuple[Place, ...], int]] = []
    for trunk in anatomy.trunks:
        for branch in trunk.branches:
            places = scales_of(anatomy, branch)
            if not places:
                names = ", ".join(by_node[node].name for node in branch.writers if node in by_node)
                raise DoesNotApply(
                    f"the branch that {names or branch.add} writes has no scale to set: neither a learned factor nor a "
                    "normalization with a gain ends it. Add `nn.Parameter(torch.zeros(1))`, or see `fixup`, `zero`, `stable-resnet`"
                )
            chosen.append((branch, places, trunk.depth))
    for branch, places, depth in chosen:
        start = 0.0 if value == "zero" else 1 / math.sqrt(depth)
        yield Change(place=places[0], draw=constant(start), why="scale of a branch", std=start)
        yield from (Change(place=place, draw=constant(1.0), why="further scale of a branch: one") for place in places[1:])
        if branch.closing:
            shift = affine_of(anatomy, branch.closing)[1]
            if shift is not None:
                yield Change(place=shift, draw=zeros(), why="shift of a branch's last normalization: zero", std=0.0)
        writers = [by_node[node] for node in branch.writers if node in by_node]
        if writers and all(anatomy.laws[weight.name].is_zero for weight in writers):
            for weight in writers:
                yield from he(weight, "not zero, as its scale is")


def stable_resnet(anatomy: Anatomy, *, schedule: str = "uniform") -> Said:
    """He weights with every branch scaled by λ, Σ λ² bounded: 1/√L each, or decreasing with depth.

    schedule  "uniform": λ = 1/√L; "decreasing": λ_l = 1/(√l ln(l + 1)), l from 1
    """
    one_of("schedule", schedule, ("uniform", "decreasing"))
    residual_of(anatomy)
    factor: dict[str, float] = {}
    for trunk in anatomy.trunks:
        for number, branch in enumerate(trunk.branches, 1):
            uniform = schedule == "uniform"
            scale = 1 / math.sqrt(trunk.depth) if uniform else 1 / (math.sqrt(number) * math.log(number + 1))
            why = f"branch × 1/√{trunk.depth}" if uniform else f"branch {number} × 1/(√{number} ln {number + 1})"
            places = scales_of(anatomy, branch)
            for place in places[:1]:
                yield Change(place=place, draw=constant(scale), why=why, std=scale)
            yield from (Change(place=place, draw=constant(1.0), why="further scale of a branch: one") for place in places[1:])
            if not places:
                factor.update(dict.fromkeys(branch.writers, scale))
    for weight in weights_of(anatomy):
        scale = factor.get(weight.node, 1.0)
        yield from he(weight, "He" if scale == 1.0 else f"He × {scale:.4g}, it writes a branch", scale)
    yield from zero_biases(anatomy)


# -- what other families use, too ------------------------------------------------------------------------------------------


def residual_of(anatomy: Anatomy) -> tuple[Branch, ...]:
    """All branches.

    Raises:
        DoesNotApply: there are none.
    """
    if not anatomy.branches:
        raise DoesNotApply("the model has no residual branch: no sum x + F(x) with weights in F was found in its graph")
    return anatomy.branches


def he(weight: Weight, why: str, factor: float = 1.0) -> Iterator[Change]:
    """Var = factor²/(E[φ²]·fan_in)."""
    gain = forward_gain(weight.before)

    def std(weight: Weight, part: Part) -> float:
        return math.sqrt(gain / weight.fan_in)

    yield from with_std(weight, std, normal, why, factor)


def gate_of(anatomy: Anatomy, key: str) -> Place:
    """The place of a parameter by its placeholder."""
    parameter = anatomy.facts.traced.parameters[key]
    return Place(parameter=parameter.alias_of or parameter.name)


def scales_of(anatomy: Anatomy, branch: Branch) -> tuple[Place, ...]:
    """Parameters that multiply the whole output of a branch: learned factors, else the gain of its last normalization."""
    if branch.gates:
        return tuple(gate_of(anatomy, gate) for gate in branch.gates)
    gain = affine_of(anatomy, branch.closing)[0] if branch.closing else None
    return () if gain is None else (gain,)


_AFFINE = {"layer_norm": 2, "native_layer_norm": 2, "group_norm": 2, "rms_norm": 2, "batch_norm": 1, "instance_norm": 1}


def affine_of(anatomy: Anatomy, norm: str) -> tuple[Place | None, Place | None]:
    """(gain, shift) of a normalization that the library computes; None for what it does not have."""
    node = anatomy.facts.structure.nodes[norm]
    first = _AFFINE.get(operator(node))
    places: list[Place | None] = []
    for position, key in ((first, "weight"), (None if first is None else first + 1, "bias")):
        value = node.args[position] if position is not None and len(node.args) > position else node.kwargs.get(key)
        known = is_node(value) and anatomy.facts.traced.parameters.get(value.name)
        is_shift = key == "bias" and operator(node) == "rms_norm"
        places.append(gate_of(anatomy, value.name) if known and is_node(value) and not is_shift else None)
    return places[0], places[1]
