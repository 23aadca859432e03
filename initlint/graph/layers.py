"""TRACED GRAPH → its weight layers: which linear operator uses which parameter, with which fans."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from initlint.graph.dataflow import (
    ATTENTION,
    CONVOLUTIONS,
    PASSING,
    PRODUCTS,
    RECURRENT,
    SELECTING,
    Dependence,
    contraction_of,
    is_node,
    operands,
    operator,
    shape_of,
    strip,
)

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.graph.model import TracedModel

Kind = Literal["linear", "convolution", "product", "embedding", "recurrent"]

TRAINED = frozenset({"parameter"})
STORED = frozenset({"parameter", "buffer"})


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightLayer:
    """A linear operator on data, with a weight made of parameters; node and parameter names.

    weight   the largest parameter that the weight operand is made of (itself, in most cases)
    weights  all parameters of two or more dimensions in it (a recurrent layer, W + s·BA)
    others   one-dimensional parameters among its operands: biases
    source   the operand that depends on the input
    fan_in   inputs of one output element; for an embedding 1
    fan_out  output elements per position
    """

    node: str
    kind: Kind
    weight: str
    weights: tuple[str, ...]
    others: tuple[str, ...]
    source: str
    fan_in: int
    fan_out: int
    module: str


def groups_of(node: Node) -> int:
    """Into how many groups a convolution's channels are divided; 1 of every other operator."""
    if operator(node) not in CONVOLUTIONS:
        return 1
    place = 8 if operator(node) == "convolution" else 6  # both layouts of torch have it here, transposed or not
    given = node.args[place] if len(node.args) > place else node.kwargs.get("groups", 1)
    return given if isinstance(given, int) else 1


def find_layers(traced: TracedModel, dependence: Dependence, kinds: frozenset[str] = TRAINED) -> Mapping[str, WeightLayer]:
    """All weight layers by node name, in order of execution, of weights of these kinds."""
    layers: dict[str, WeightLayer] = {}
    for node in dependence.order:
        kind = _kind(operator(node))
        if kind is not None and node.name in dependence.data:
            layer = _layer(node, kind, traced, dependence, kinds)
            if layer is not None:
                layers[node.name] = layer
    return layers


def find_generated(dependence: Dependence, layers: Mapping[str, WeightLayer]) -> Mapping[str, WeightLayer]:
    """Linear operators whose weight is what another layer puts out, as of a hypernetwork: `weight` is that layer's.

    `linear` and convolutions say which operand is the weight. A product of two tensors is one where its second is a layer's output
    as it is, and its first depends on an input that this one does not see; scores and averages of attention are none.
    """
    inputs = dependence.bits(node.name for node in dependence.order if node.op == "placeholder") & dependence.data_bits
    found: dict[str, WeightLayer] = {}
    for node in dependence.order:
        kind = _kind(operator(node))
        if node.name in layers or kind not in ("linear", "convolution", "product"):
            continue
        given = [item for item in node.args if is_node(item)]
        given = given[1:] if operator(node) in ("addmm", "baddbmm") else given
        if len(given) < 2 or not {item.name for item in given[:2]} <= dependence.data:
            continue
        source, weight = given[:2]
        if kind == "product" and (_attends(node, source) or not _seen(source, dependence) & ~_seen(weight, dependence) & inputs):
            continue
        maker = layers.get(strip(weight, PASSING | SELECTING).name)
        shape = shape_of(weight)
        if maker is None or maker.kind == "embedding" or len(shape) < 2:
            continue
        fan_in, fan_out = _fans(node, kind, shape, shape_of(source)) if kind != "product" else shape[-2:]
        found[node.name] = replace(maker, node=node.name, kind=kind, source=source.name, fan_in=fan_in, fan_out=fan_out)
    return found


def _seen(node: Node, dependence: Dependence) -> int:
    """What a node is computed from, with itself, as bits."""
    return dependence.ancestors[node.name] | 1 << dependence.index[node.name]


def _attends(product: Node, first: Node) -> bool:
    """Whether a product makes the scores of an attention, or averages with them."""
    if operator(strip(first)) in ATTENTION:
        return True
    while len(product.users) == 1:
        product = next(iter(product.users))
        if operator(product) in ATTENTION:
            return True
        if operator(product) not in PASSING | {"mul", "div", "add", "masked_fill", "where"}:
            break
    return False


def _kind(name: str) -> Kind | None:
    if name == "linear":
        return "linear"
    if name in CONVOLUTIONS:
        return "convolution"
    if name in PRODUCTS:
        return "product"
    if name in ("embedding", "embedding_bag"):
        return "embedding"
    return "recurrent" if name in RECURRENT else None


def _layer(node: Node, kind: Kind, traced: TracedModel, dependence: Dependence, kinds: frozenset[str]) -> WeightLayer | None:
    data = [operand for operand in operands(node) if operand.name in dependence.data]
    fixed = [operand for operand in operands(node) if operand.name not in dependence.data]
    if not data:
        return None
    matrices: list[str] = []
    vectors: list[str] = []
    weight_shape: tuple[int, ...] = ()
    for operand in fixed:
        shape = shape_of(operand)
        names = list(parameters_of(operand, traced, kinds))
        if len(shape) >= 2:
            if names and math.prod(shape) > math.prod(weight_shape or (0,)):
                weight_shape = shape
            matrices += [name for name in names if len(traced.parameters[name].shape) >= 2]
        else:
            vectors += names
    if not matrices:
        return None
    fan_in, fan_out = _fans(node, kind, weight_shape, shape_of(data[0]))
    if operator(node) == "einsum" and len(matrices) > 1:
        fan_in, fan_out = _fans_among(node, weight_shape, data[0]) or (fan_in, fan_out)
    return WeightLayer(
        node=node.name,
        kind=kind,
        weight=max(matrices, key=lambda name: math.prod(traced.parameters[name].shape)),
        weights=tuple(dict.fromkeys(matrices)),
        others=tuple(dict.fromkeys(vectors)),
        source=data[0].name,
        fan_in=fan_in,
        fan_out=fan_out,
        module=traced.modules.get(node.name, ""),
    )


def _fans(node: Node, kind: Kind, weight: tuple[int, ...], data: tuple[int, ...]) -> tuple[int, int]:
    """(fan_in, fan_out) as the operator uses the weight, whatever its layout says."""
    match kind:
        case "linear":
            return weight[-1], weight[0]
        case "convolution" if "transpose" in operator(node):
            return weight[0], weight[1] * math.prod(weight[2:])
        case "convolution":
            return math.prod(weight[1:]), weight[0]
        case "embedding":
            return 1, weight[-1]
        case "recurrent":
            return weight[-1], weight[0]
    output = shape_of(node)
    elements = math.prod(weight)
    outputs = output[-1] if output else 1
    if len(weight) == 2 and outputs and elements % outputs == 0:
        return elements // outputs, outputs
    return (data[-1] if data else 1), outputs


def _fans_among(einsum: Node, weight: tuple[int, ...], data: Node) -> tuple[int, int] | None:
    """(fan_in, fan_out) of one of several weights in an einsum: it sums over what it has in common with the data, or over what it
    has alone in common with another weight."""
    contraction = contraction_of(einsum)
    if contraction is None:
        return None
    terms = dict(zip(operands(einsum), contraction.terms, strict=True))
    own = next((term for part, term in terms.items() if part is not data and shape_of(part) == weight), "")
    given = set(terms[data]) - set(contraction.result)
    inputs = set(own) & given or set(own) - set(contraction.result)
    outputs = set(own) - inputs - set(terms[data])
    return math.prod(contraction.sizes[letter] for letter in inputs), math.prod(contraction.sizes[letter] for letter in outputs)


def parameters_of(operand: Node, traced: TracedModel, kinds: frozenset[str] = TRAINED) -> Iterator[str]:
    """The parameters that a node independent of the data is made of; buffers where they are asked for."""
    seen = {operand.name}
    stack = [operand]
    while stack:
        node = stack.pop()
        parameter = traced.parameters.get(node.name)
        if parameter is not None and parameter.kind in kinds:
            yield node.name
        for source in node.all_input_nodes:
            if source.name not in seen:
                seen.add(source.name)
                stack.append(source)
