"""Transformers by depth and nets by width: GPT-2, DeepNorm, T-Fixup, μP.

    Radford et al. 2019                all weights N(0, .02²), writers .02/√(2N), N blocks
    Wang et al. 2022 (DeepNet)         x ← norm(α x + F(x)); value, output and feed-forward xavier × β
    Huang, Pérez, Ba, Volkovs 2020     no normalization; the same matrices × .67 N^(−1/4), of a decoder × (9N)^(−1/4)
    Yang, Hu et al. 2022 (μP)          hidden Var ∝ 1/fan_in with Adam's rate/m, output Var ∝ 1/fan_in², m = width/base

Query and key keep xavier with gain 1 in DeepNorm and T-Fixup. N is read from the graph: the blocks of the trunk that a weight
belongs to; a trunk that attends to another one is a decoder.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from initlint.graph.dataflow import operator, shape_of
from initlint.schemes.plan import Change, DoesNotApply, Place, normal, uniform, zeros
from initlint.schemes.residual import residual_of
from initlint.schemes.variance import Said, forward_gain, weights_of, with_std, xavier_std, zero_biases

if TYPE_CHECKING:
    from initlint.schemes.anatomy import Anatomy, Part, Weight
    from initlint.schemes.branches import Trunk


def gpt2(anatomy: Anatomy, *, std: float = 0.02, positions: float = 0.01) -> Said:
    """N(0, .02²) everywhere, the writers of residual branches divided by √(number of branches), biases zero.

    std        of weights and token tables
    positions  of learned position tables
    """
    _transformer(anatomy)
    for trunk in anatomy.trunks:
        if trunk.post_norm:
            raise DoesNotApply("the trunk is normalized after every sum, which undoes the scaling; see `deepnorm`")
    writers = anatomy.writers()
    for weight in weights_of(anatomy):
        found = writers.get(weight.node)
        depth = 1 if found is None else found[0].depth
        why = f"std {std:g}" if found is None else f"writes a branch: {std:g}/√{depth}"
        yield from with_std(weight, lambda weight, part: std, normal, why, 1 / math.sqrt(depth))
    for table in anatomy.tables:
        own = positions if table.kind == "position" else std
        yield from table_changes(anatomy, table, own, f"{table.kind}, std {own:g}")
    yield from zero_biases(anatomy)


def deepnorm(anatomy: Anatomy) -> Said:
    """Post-norm transformers: value, output and feed-forward weights xavier × β, with the trunk × α in `forward`."""
    residual_of(anatomy)
    for trunk in anatomy.trunks:
        if not trunk.post_norm:
            raise DoesNotApply(
                "the trunk is not normalized after its sums: DeepNorm is for x ← norm(α x + F(x)); for normalized branches see `gpt2`"
            )
    encoders, decoders = _sides(anatomy)
    sizes: dict[int, tuple[float, float]] = {}
    for index, trunk in enumerate(anatomy.trunks):
        n = sum(item.blocks for item in encoders) or 1
        if not decoders or not encoders:
            n = trunk.blocks
            sizes[index] = ((2 * n) ** 0.25, (8 * n) ** -0.25)
        elif trunk.crosses:
            sizes[index] = ((3 * trunk.blocks) ** 0.25, (12 * trunk.blocks) ** -0.25)
        else:
            m = sum(item.blocks for item in decoders)
            sizes[index] = (0.81 * (n**4 * m) ** (1 / 16), 0.87 * (n**4 * m) ** (-1 / 16))
    yield from _by_role(anatomy, {index: beta for index, (_, beta) in sizes.items()}, "β")
    yield from zero_biases(anatomy)
    for index, trunk in enumerate(anatomy.trunks):
        alpha = sizes[index][0]
        found = {branch.scale for branch in trunk.branches}
        if any(abs(scale / alpha - 1) > 0.02 for scale in found):
            said = ", ".join(f"{scale:g}" for scale in sorted(found))
            yield f"forward multiplies the trunk by {said}; DeepNorm wants x = norm({alpha:.4g} * x + F(x)) for {trunk.blocks} blocks"


def t_fixup(anatomy: Anatomy) -> Said:
    """Transformers without normalization: xavier; value, output and feed-forward weights shrunk with depth, embeddings too."""
    _transformer(anatomy)
    for branch in anatomy.branches:
        if branch.norms or branch.normed:
            raise DoesNotApply("the branches or the trunk are normalized: T-Fixup replaces that; see `gpt2` and `deepnorm`")
    factors = {
        index: (9 * trunk.blocks) ** -0.25 if trunk.crosses else 0.67 * trunk.blocks**-0.25
        for index, trunk in enumerate(anatomy.trunks)
    }
    yield from _by_role(anatomy, factors, "T-Fixup")
    for table in anatomy.tables:
        blocks = _trunk_after(anatomy, table).blocks
        factor = (9 * blocks) ** -0.25
        std = table.shape[-1] ** -0.5 * factor
        yield from table_changes(anatomy, table, std, f"{table.kind}: 1/√{table.shape[-1]} × (9·{blocks})^(−1/4)")
    yield from zero_biases(anatomy)


def _transformer(anatomy: Anatomy) -> None:
    residual_of(anatomy)
    if not any(trunk.attends for trunk in anatomy.trunks):
        raise DoesNotApply(
            "no attention was found in a residual branch: the scheme is for transformers; see `fixup`, `stable-resnet`"
        )


def _sides(anatomy: Anatomy) -> tuple[list[Trunk], list[Trunk]]:
    """(encoders, decoders)."""
    return [t for t in anatomy.trunks if not t.crosses], [t for t in anatomy.trunks if t.crosses]


def _trunk_after(anatomy: Anatomy, table: Weight) -> Trunk:
    """The first trunk that a table's rows go into."""
    dependence, nodes = anatomy.facts.structure.dependence, anatomy.facts.structure.nodes
    for trunk in anatomy.trunks:
        if dependence.reaches(nodes[table.node], nodes[trunk.branches[0].add]):
            return trunk
    return anatomy.trunks[0]


def _by_role(anatomy: Anatomy, factors: Mapping[int, float], name: str) -> Iterator[Change]:
    """Xavier for all; value rows and what is not attention's input in a trunk times the trunk's factor."""
    trunk_of: dict[str, int] = {}
    valued: dict[str, int] = {}
    for index, trunk in enumerate(anatomy.trunks):
        for branch in trunk.branches:
            trunk_of.update(dict.fromkeys(branch.layers, index))
            for attention in anatomy.attentions:
                if attention.value and branch.region >> anatomy.facts.structure.dependence.index[attention.node] & 1:
                    valued[attention.value.layer] = index
    for weight in weights_of(anatomy):
        index = trunk_of.get(weight.node, valued.get(weight.node, -1))

        def std(weight: Weight, part: Part, index: int = index) -> float:
            own = 1.0
            if index >= 0 and part.role not in ("query", "key"):
                own = factors[valued.get(weight.node, index) if part.role == "value" else index]
            return xavier_std(weight, part, own)

        scaled = index >= 0 and any(part.role not in ("query", "key") for part in weight.parts)
        why = f"xavier × {factors[index]:.4g} ({name})" if scaled else "xavier"
        if len(weight.parts) > 1 and scaled:
            why += ", query and key × 1"
        yield from with_std(weight, std, uniform, why)


def table_changes(anatomy: Anatomy, table: Weight, std: float, why: str) -> Iterator[Change]:
    """A table of embeddings; the row of a padding token stays zero."""
    yield Change(place=Place(parameter=table.name), draw=normal(std), why=why, std=std)
    node = anatomy.facts.structure.nodes[table.node]
    if operator(node) == "embedding":
        padding = node.args[2] if len(node.args) > 2 else node.kwargs.get("padding_idx", -1)
        if isinstance(padding, int) and padding >= 0:
            yield Change(place=Place(parameter=table.name, rows=(padding, padding + 1)), draw=zeros(), why="padding row: zero")


# -- width ---------------------------------------------------------------------------------------------------------------


def mup(anatomy: Anatomy, *, base_width: int = 0, base: object = None, zero_readout: bool = False) -> Said:
    """Maximal update parametrization: hidden weights, readout and their learning rates follow the width, from a base.

    base_width    width of the small model that the learning rate was tuned on
    base          or that model itself (or shapes by name), which tells the dimensions that grow one by one
    zero_readout  readout and query zero, as the authors recommend
    """
    weights_of(anatomy)
    ratio = _ratios(anatomy, base_width, base)
    for weight in anatomy.weights:
        grown_out, grown_in = ratio(weight)
        hidden, readout = grown_in != 1 and grown_out != 1, grown_in != 1 and grown_out == 1
        gain = 1.0 if weight.last else forward_gain(weight.before)
        if readout:
            words, factor, rate = f"readout, Var ∝ 1/fan_in², m = {grown_in:g}", 1 / math.sqrt(grown_in), 1 / grown_in
        elif hidden:
            words, factor, rate = f"hidden, Var = {gain:.3g}/fan_in, m = {grown_in:g}", 1.0, 1 / grown_in
        else:
            words, factor, rate = f"input, Var = {gain:.3g}/fan_in", 1.0, 1.0
        for change in _mup_weight(weight, gain, words, factor, zero=zero_readout and readout, query=zero_readout):
            yield Change(place=change.place, draw=change.draw, why=change.why, std=change.std, rate=rate)
    yield from zero_biases(anatomy)
    yield "the rates are factors for Adam; with SGD the rate of input weights and biases is × m, that of hidden weights × 1"
    if any(name in anatomy.left and "embedding" in anatomy.left[name] for name in anatomy.left):
        yield "the readout is an embedding: keep its law and multiply the logits by 1/m in `forward`"
    for attention in anatomy.attentions:
        if attention.scale is None or abs(attention.scale - 1 / math.sqrt(attention.width)) < 1e-6:
            yield f"attention divides by √{attention.width}; μP divides by the head's size itself: scale = √d_base/d in `forward`"
            break


def _mup_weight(weight: Weight, gain: float, why: str, factor: float, *, zero: bool, query: bool) -> Iterator[Change]:
    def std(weight: Weight, part: Part) -> float:
        return 0.0 if zero or (query and part.role == "query") else math.sqrt(gain / weight.fan_in)

    yield from with_std(weight, std, normal, why, factor)


def _ratios(anatomy: Anatomy, base_width: int, base: object) -> Callable[[Weight], tuple[float, float]]:
    """(growth of the outputs, of the inputs) of a weight against the base model."""
    if base is not None:
        shapes = _shapes(base)

        def against(weight: Weight) -> tuple[float, float]:
            here, there = anatomy.shapes[weight.name], shapes.get(weight.name)
            if there is None or len(there) != len(here):
                raise DoesNotApply(f"the base model has no {weight.name} of as many dimensions")
            first, second = (here[0] / there[0], here[1] / there[1]) if len(here) > 1 else (1.0, 1.0)
            return (second, first) if weight.place.transposed else (first, second)

        return against
    if base_width <= 0:
        raise DoesNotApply(
            "μP scales from a base: give `base_width` (width the learning rate was tuned at), or `base`, that model"
        )
    m = width_of(anatomy) / base_width

    def by_place(weight: Weight) -> tuple[float, float]:
        return (1.0 if weight.last else m), (1.0 if weight.first else m)

    return by_place


def width_of(anatomy: Anatomy) -> int:
    """Channels of the trunk; without one, outputs of the first layer."""
    if anatomy.trunks:
        shape = shape_of(anatomy.facts.structure.nodes[anatomy.trunks[0].branches[0].add])
        return shape[1] if len(shape) > 3 else shape[-1]
    return anatomy.weights[0].shape[0]


def _shapes(base: object) -> Mapping[str, tuple[int, ...]]:
    from torch import nn

    model = base() if callable(base) and not isinstance(base, nn.Module) else base
    if isinstance(model, nn.Module):
        return {name: tuple(item.shape) for name, item in model.named_parameters()}
    if isinstance(model, Mapping):
        return {str(name): tuple(shape) for name, shape in model.items()}
    raise DoesNotApply("`base` is a module, a callable that builds one, or shapes by name")
