"""How values move through a graph of ATen operators: names of operators, operands, what only hands a value on.

Structure is read from the dataflow, so everything here works on operators and never on module classes. Nodes are
`torch.fx.Node`s; no function needs torch itself, which keeps rules importable without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, TypeGuard

if TYPE_CHECKING:
    from torch.fx import Graph, Node

    from initlint.graph.model import TracedModel


# The result holds the operand's elements, each once and unchanged (dropout: up to its mask).
PASSING = frozenset(
    "view reshape permute transpose t numpy_T mT movedim swapaxes swapdims contiguous clone alias to _to_copy type_as "
    "unsqueeze squeeze flatten unflatten view_as reshape_as _unsafe_view lift_fresh_copy lift_fresh dropout "
    "feature_dropout native_dropout alpha_dropout feature_alpha_dropout identity pixel_shuffle roll flip".split()
)
# The result holds some of the operand's elements, or repeats them.
SELECTING = frozenset(
    "slice select index narrow chunk split split_with_sizes unbind tensor_split getitem expand expand_as repeat tile "
    "repeat_interleave gather index_select unfold pad constant_pad_nd reflection_pad2d cat stack".split()
)
# Averages or sums over elements: they change the scale by the number of elements, not by depth.
REDUCING = frozenset(
    "mean sum avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d max_pool1d "
    "max_pool2d max_pool3d adaptive_max_pool2d amax amin max min logsumexp cumsum index_add scatter_add scatter_reduce "
    "segment_reduce linalg_vector_norm norm prod embedding_bag upsample_bilinear2d upsample_nearest2d interpolate "
    "max_pool2d_with_indices std var".split()
)
NORMALIZING = frozenset(
    "layer_norm native_layer_norm group_norm native_group_norm batch_norm native_batch_norm _native_batch_norm_legit "
    "instance_norm rms_norm cudnn_batch_norm".split()
)
CONVOLUTIONS = frozenset("conv1d conv2d conv3d convolution conv_transpose1d conv_transpose2d conv_transpose3d".split())
PRODUCTS = frozenset("mm matmul bmm einsum addmm baddbmm bilinear tensordot dot mv".split())
RECURRENT = frozenset("lstm gru rnn_tanh rnn_relu".split())
ATTENTION = frozenset("scaled_dot_product_attention softmax _softmax".split())
# Bounded functions whose slope falls to zero on both sides, with the largest slope squared.
SATURATING: Mapping[str, float] = {
    "tanh": 1.0,
    "sigmoid": 1 / 16,
    "hardtanh": 1.0,
    "hardsigmoid": 1 / 36,
    "erf": 1.2732,
}
# Functions that are exactly zero, with zero slope, on the negative side.
RECTIFYING = frozenset("relu relu6 threshold".split())


def operator(node: Node) -> str:
    """The plain name of the node's operator: "add" for `aten.add_.Tensor`; the node's kind where it calls nothing."""
    return node.op if node.op != "call_function" else _plain(node.target)


@lru_cache(maxsize=4096)
def _plain(target: object) -> str:
    text = str(target)
    if text.startswith("<built-in function "):
        return text.removeprefix("<built-in function ").removesuffix(">")
    parts = text.split(".")
    name = parts[1] if len(parts) > 1 else parts[0]
    return name if name.startswith("__") else name.removesuffix("_")


def is_node(value: object) -> TypeGuard[Node]:
    """Whether an argument is another node of the graph."""
    return hasattr(type(value), "all_input_nodes")  # of the type: the property itself makes a list


def operands(node: Node) -> Iterator[Node]:
    """The nodes among the arguments, in order, lists flattened."""
    yield from _nodes_in((*node.args, *node.kwargs.values()))


def _nodes_in(values: Iterable[object]) -> Iterator[Node]:
    for value in values:
        if is_node(value):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _nodes_in(value)


def shape_of(node: Node) -> tuple[int, ...]:
    """Sizes of the node's (first) tensor; () when it has none."""
    value = node.meta.get("val")
    if isinstance(value, (list, tuple)):
        value = value[0] if value else None
    try:
        return tuple(int(size) for size in value.shape) if value is not None else ()
    except (AttributeError, TypeError, ValueError):  # scalars and symbolic sizes have no fixed shape
        return ()


def strip(node: Node, through: frozenset[str] = PASSING) -> Node:
    """The node whose value `node` hands on, reached by going up through operators of `through`."""
    while operator(node) in through:
        first = next(operands(node), None)
        if first is None:
            return node
        node = first
    return node


@dataclass(frozen=True, slots=True)
class Contraction:
    """An einsum: the letters of its operands and of its result, and the size of each letter; dots have none."""

    terms: tuple[str, ...]
    result: str
    sizes: Mapping[str, int]


def contraction_of(einsum: Node) -> Contraction | None:
    """What an einsum sums over; None where the equation does not tell the result."""
    text = einsum.args[0] if einsum.args else None
    left, arrow, result = text.replace(" ", "").partition("->") if isinstance(text, str) else ("", "", "")
    terms, parts = tuple(left.split(",")), tuple(operands(einsum))
    if not arrow or len(terms) != len(parts):
        return None
    sizes: dict[str, int] = {}
    for term, part in zip(terms, parts, strict=True):
        before, _, after = term.partition("...")
        shape = shape_of(part)
        sizes |= dict(zip(before, shape, strict=False)) | dict(zip(reversed(after), reversed(shape), strict=False))
    return Contraction(terms, result, sizes)


@dataclass(frozen=True, slots=True)
class Scaled:
    """A node without its constant factors: value = node × constant × the one-element `learned` parameters."""

    node: Node
    constant: float
    learned: tuple[Node, ...]


def unscaled(node: Node, is_factor: frozenset[str]) -> Scaled:
    """Strip views, dropout and multiplications by numbers or by the parameters named in `is_factor`."""
    constant = 1.0
    learned: list[Node] = []
    while True:
        node = strip(node)
        name = operator(node)
        if name not in ("mul", "div", "neg"):
            return Scaled(node, constant, tuple(learned))
        if name == "neg":
            constant, node = -constant, next(operands(node))
            continue
        left, right = node.args[0], node.args[1]
        if is_node(left) and isinstance(right, (int, float)):
            constant = constant / right if name == "div" and right else constant * right
            node = left
        elif is_node(left) and is_node(right) and strip(right).name in is_factor:
            learned.append(strip(right))
            node = left
        elif name == "mul" and is_node(left) and is_node(right) and strip(left).name in is_factor:
            learned.append(strip(left))
            node = right
        else:
            return Scaled(node, constant, tuple(learned))


@dataclass(frozen=True, slots=True)
class Dependence:
    """What each node is computed from. Sets of nodes are integers whose bit i stands for the i-th node of `order`.

    order        all nodes in order of execution
    index        the position of a node in `order`, by name
    data         nodes that depend on an input of the model, by name, and as bits
    ancestors    nodes that a node is computed from, without itself
    descendants  nodes that are computed from a node, without itself
    """

    order: tuple[Node, ...]
    index: Mapping[str, int]
    data: frozenset[str]
    data_bits: int
    ancestors: Mapping[str, int]
    descendants: Mapping[str, int]

    def reaches(self, early: Node, late: Node) -> bool:
        """Whether `late` is computed from `early`; a node reaches itself."""
        return early is late or bool(self.ancestors[late.name] >> self.index[early.name] & 1)

    def between(self, early: Node, late: Node) -> int:
        """The nodes on paths from `early` (left out) to `late` (kept), as bits."""
        return self.descendants[early.name] & (self.ancestors[late.name] | 1 << self.index[late.name])

    def bits(self, names: Iterable[str]) -> int:
        """The set of these nodes."""
        return sum(1 << self.index[name] for name in set(names))

    def names(self, bits: int) -> tuple[str, ...]:
        """The nodes of a set, in order of execution."""
        found = []
        while bits:
            low = bits & -bits
            found.append(self.order[low.bit_length() - 1].name)
            bits ^= low
        return tuple(found)


def dependence_of(traced: TracedModel) -> Dependence:
    """One pass down and one pass up the graph."""
    order = tuple(graph_of(traced).nodes)
    index = {node.name: number for number, node in enumerate(order)}
    ancestors: dict[str, int] = {}
    descendants = dict.fromkeys(index, 0)
    data: set[str] = set()
    for node in order:
        bits = 0
        for source in node.all_input_nodes:
            bits |= ancestors[source.name] | 1 << index[source.name]
            if source.name in data:
                data.add(node.name)
        ancestors[node.name] = bits
        if node.name in traced.inputs:
            data.add(node.name)
    for node in reversed(order):
        bits = descendants[node.name] | 1 << index[node.name]
        for source in node.all_input_nodes:
            descendants[source.name] |= bits
    return Dependence(
        order=order,
        index=index,
        data=frozenset(data),
        data_bits=sum(1 << index[name] for name in data),
        ancestors=ancestors,
        descendants=descendants,
    )


def graph_of(traced: TracedModel) -> Graph:
    """The graph of the traced program."""
    graph: Graph = traced.program.graph
    return graph
