"""TRACED GRAPH → its low-rank adapters: `base(x) + s·B(A(x))`, two linear maps in series beside a linear map of the same x.

Both forms are found: the sum of outputs, and the merged weight `F.linear(x, W + s·(B @ A))`. The inner width r must be
smaller than both outer ones, unless the base is frozen, and nothing non-linear may stand between A and B (Hu et al. 2021,
arXiv:2106.09685). What is added to a piece of a frozen layer's output is an adapter, too: q, k and v of one projection have factors
of their own. Names play no part.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from initlint.graph.dataflow import (
    PASSING,
    Dependence,
    contraction_of,
    is_node,
    operands,
    operator,
    shape_of,
    strip,
    unscaled,
)
from initlint.graph.layers import WeightLayer, parameters_of

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.graph.model import TracedModel


# The result holds some of the operand's elements, each once.
_CUTTING = frozenset(
    "slice select narrow chunk split split_with_sizes unsafe_split unsafe_chunk unbind tensor_split getitem".split()
)

_TRANSPOSING = frozenset("t transpose permute numpy_T mT movedim swapaxes swapdims".split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """One low-rank branch; node and parameter names.

    add              the sum that joins it to the base
    scale_node       the last multiplication by s, or `add` when there is none
    base, down, up   parameters W (m×n), A (r×n), B (m×r)
    scale            product of the constant factors
    gates            one-element parameters that multiply the branch
    n, m, rank       width in, width out, inner width
    embedding        x is a token: A is a table
    """

    add: str
    scale_node: str
    base: str
    down: str
    up: str
    scale: float
    gates: tuple[str, ...]
    n: int
    m: int
    rank: int
    embedding: bool = False

    def effective_alpha(self, second_moment_of_a: float) -> float:
        """s·r·σ_A·√(3n): alpha for the usual start, A uniform in ±1/√n and s = alpha/r. The first step of Adam moves an output by
        0.46·rate times it (docs/theory, adapters 2.1)."""
        return abs(self.scale) * self.rank * math.sqrt(second_moment_of_a * 3 * self.n)


def find_adapters(traced: TracedModel, dependence: Dependence, layers: Mapping[str, WeightLayer]) -> Iterator[Adapter]:
    """All adapters, in the order of their sums."""
    factors = frozenset(
        name for name, parameter in traced.parameters.items() if parameter.kind == "parameter" and _is_scalar(parameter.shape)
    )
    for node in dependence.order:
        if operator(node) != "add" or len(node.args) < 2:
            continue
        left, right = node.args[0], node.args[1]
        if not (is_node(left) and is_node(right)):
            continue
        alpha = node.kwargs.get("alpha", 1.0)
        for base, branch in ((left, right), (right, left)):
            step = alpha if branch is right and isinstance(alpha, (int, float)) else 1.0
            if node.name in dependence.data:
                parts = _parts(branch, factors, dependence)
                several = [
                    _beside(node, base, part, step * share, factors, layers, dependence, traced) for part, share in parts
                ]
            else:
                several = [_merged(node, base, branch, float(step), factors, traced)]
            found = [adapter for adapter in several if adapter is not None]
            yield from found
            if found:
                break


def _parts(branch: Node, factors: frozenset[str], dependence: Dependence) -> Sequence[tuple[Node, float]]:
    """The branches that are added to pieces of a base's output, beside zeros for the others, with what multiplies all; else the branch,
    as where a learned scale multiplies all of them."""
    outer = unscaled(branch, factors)
    fused = operator(outer.node) == "cat" and not outer.learned
    pieces = [item for item in operands(outer.node) if item.name in dependence.data] if fused else []
    return [(piece, outer.constant) for piece in pieces] or [(branch, 1.0)]


def _is_scalar(shape: tuple[int, ...]) -> bool:
    return all(size == 1 for size in shape)


def _beside(
    add: Node,
    base: Node,
    branch: Node,
    step: float,
    factors: frozenset[str],
    layers: Mapping[str, WeightLayer],
    dependence: Dependence,
    traced: TracedModel,
) -> Adapter | None:
    """The adapter whose output is added to the base's output."""
    outer = unscaled(branch, factors)
    if operator(outer.node) == "einsum":
        found = _contracted(add, base, branch, step, factors, layers, dependence, traced)
        if found is not None:
            return found
    up = layers.get(outer.node.name)
    if up is None or up.kind == "recurrent" or operator(outer.node) == "add":
        return None
    nodes = dependence.order
    inner = unscaled(nodes[dependence.index[up.source]], factors)
    down = layers.get(inner.node.name)
    if down is None or down.kind == "recurrent":
        return None
    source = strip(nodes[dependence.index[down.source]])
    original = _base_layer(base, source, factors, layers, dependence)
    whole = original is not None and shape_of(add) == shape_of(branch)
    if original is None and shape_of(base) == shape_of(branch):
        original = _base_layer(base, source, factors, layers, dependence, PASSING | _CUTTING)
    if original is None or original.node in (up.node, down.node):
        return None
    if not whole and traced.parameters[original.weight].trainable:  # pieces of a layer that is trained are many things
        return None
    rank = down.fan_out
    n = shape_of(source)[-1] if down.kind in ("linear", "product") else down.fan_in
    table = down.kind == "embedding"
    low = rank < up.fan_out if table else _is_adapter(original.weight, down.weight, up.weight, rank, min(n, up.fan_out), traced)
    if not low or (whole and original.fan_out != up.fan_out):
        return None
    return Adapter(
        add=add.name,
        scale_node=_last_factor(branch, add).name,
        base=original.weight,
        down=down.weight,
        up=up.weight,
        scale=step * outer.constant * inner.constant,
        gates=tuple(node.name for node in (*outer.learned, *inner.learned)),
        n=n,
        m=up.fan_out,
        rank=rank,
        embedding=table,
    )


def _is_adapter(base: str, down: str, up: str, rank: int, width: int, traced: TracedModel) -> bool:
    """A pair of a lower rank than the smaller `width` of its layer; beside a frozen layer, any pair that is trained."""
    parameters = traced.parameters
    return rank < width or (not parameters[base].trainable and (parameters[down].trainable or parameters[up].trainable))


def _contracted(
    add: Node,
    base: Node,
    branch: Node,
    step: float,
    factors: frozenset[str],
    layers: Mapping[str, WeightLayer],
    dependence: Dependence,
    traced: TracedModel,
) -> Adapter | None:
    """The adapter that is one einsum of x, A and B: "bi,ri,or->bo"."""
    outer = unscaled(branch, factors)
    contraction = contraction_of(outer.node)
    parts = list(operands(outer.node))
    data = [number for number, part in enumerate(parts) if part.name in dependence.data]
    if contraction is None or len(parts) != 3 or len(data) != 1:
        return None
    terms, result, sizes = list(contraction.terms), contraction.result, contraction.sizes
    x = terms.pop(data[0])
    source = strip(parts.pop(data[0]))
    inner = [unscaled(part, factors) for part in parts]
    original = _base_layer(base, source, factors, layers, dependence)
    for down, up in ((0, 1), (1, 0)):
        entering, between, leaving = (
            set(terms[down]) & set(x) - set(result),
            set(terms[down]) & set(terms[up]) - set(x) - set(result),
            set(terms[up]) & set(result) - set(x),
        )
        if not (len(entering) == len(between) == len(leaving) == 1 and {len(term) for term in terms} == {2}):
            continue
        n, rank, m = (sizes[letter] for letters in (entering, between, leaving) for letter in letters)
        pair = [part.node.name for part in inner]
        if original is None or not set(pair) <= set(traced.parameters) or original.fan_out != m:
            return None
        if not _is_adapter(original.weight, pair[0], pair[1], rank, min(n, m), traced):
            return None
        return Adapter(
            add=add.name,
            scale_node=_last_factor(branch, add).name,
            base=original.weight,
            down=pair[down],
            up=pair[up],
            scale=step * outer.constant * math.prod(part.constant for part in inner),
            gates=tuple(node.name for part in (outer, *inner) for node in part.learned),
            n=n,
            m=m,
            rank=rank,
        )
    return None


def _base_layer(
    node: Node,
    source: Node,
    factors: frozenset[str],
    layers: Mapping[str, WeightLayer],
    dependence: Dependence,
    through: frozenset[str] = PASSING,
) -> WeightLayer | None:
    """The weight layer of the same `source` that `node` is, looking through sums with other adapters."""
    for _ in range(16):  # more adapters than anyone stacks on one layer
        node = strip(unscaled(node, factors).node, through)
        layer = layers.get(node.name)
        if layer is not None:
            same = strip(dependence.order[dependence.index[layer.source]]) is source
            return layer if same else None
        if operator(node) != "add":
            return None
        node = next(operands(node))
    return None


def _last_factor(branch: Node, add: Node) -> Node:
    node = strip(branch)
    return node if operator(node) in ("mul", "div") else add


def _merged(add: Node, base: Node, branch: Node, step: float, factors: frozenset[str], traced: TracedModel) -> Adapter | None:
    """The adapter that is added to the base's weight before it is used: a product of two matrices, seen as the weight is laid out.
    Of a kernel, m and n are the product's own sizes."""
    original = strip(base)
    parameter = traced.parameters.get(original.name)
    if parameter is None or parameter.kind != "parameter" or len(parameter.shape) < 2 or shape_of(branch) != parameter.shape:
        return None
    outer = unscaled(branch, factors)
    if operator(outer.node) not in ("mm", "matmul"):
        return None
    sides = list(operands(outer.node))
    if len(sides) != 2 or any(len(shape_of(side)) != 2 for side in sides):
        return None
    (m, rank), (_, n) = shape_of(sides[0]), shape_of(sides[1])
    inner = [unscaled(side, factors) for side in sides]
    up, down = (next(parameters_of(side.node, traced), None) for side in inner)
    if up is None or down is None or not _is_adapter(original.name, down, up, rank, min(n, m), traced):
        return None
    if _is_transposed(branch, factors) != _is_right_operand(add):
        m, n, up, down = n, m, down, up
    return Adapter(
        add=add.name,
        scale_node=_last_factor(branch, add).name,
        base=original.name,
        down=down,
        up=up,
        scale=step * outer.constant * math.prod(side.constant for side in inner),
        gates=tuple(node.name for part in (outer, *inner) for node in part.learned),
        n=n,
        m=m,
        rank=rank,
    )


def _is_transposed(branch: Node, factors: frozenset[str]) -> bool:
    """Whether a matrix is the transpose of the product that it is made of."""
    odd = False
    while operator(branch) not in ("mm", "matmul"):
        odd ^= operator(branch) in _TRANSPOSING and len(shape_of(branch)) == 2
        branch = next(item for item in operands(branch) if strip(item).name not in factors)
    return odd


def _is_right_operand(weight: Node) -> bool:
    """Whether a weight is used as x @ W: its rows are inputs."""
    return any(operator(user) in ("mm", "matmul", "addmm") and list(operands(user))[-1] is weight for user in weight.users)
