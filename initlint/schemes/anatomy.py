"""TRACED GRAPH → what a scheme asks about a model: weights with their fans, functions and roles, branches, trunks, depth.

Everything is read from the dataflow (`graph.structure`), nothing from names. A *weight* is one parameter used by one linear
operator, seen as (out, in / groups, *kernel). A *branch* is what one residual sum adds; its *writers* are the weights whose
output reaches the sum. A *trunk* is a chain of residual sums, each continuing the one before up to elementwise functions,
normalizations and shortcuts. Depth is the number of branches of a trunk, blocks the number of its attention–feed-forward pairs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from initlint.graph.dataflow import CONVOLUTIONS, PASSING, SELECTING, is_node, operands, operator, shape_of, strip
from initlint.schemes.activation import Activation, function_before
from initlint.schemes.branches import Branch, Trunk, branches_of, trunks_of
from initlint.schemes.plan import Place
from initlint.schemes.roles import Attention, Rows, attentions_of, row_numbers

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.graph.layers import WeightLayer
    from initlint.graph.model import Law
    from initlint.lint.facts import Facts

Kind = Literal["linear", "convolution", "transposed convolution", "embedding", "recurrent", "position"]
Role = Literal["", "query", "key", "value", "gate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Output rows [start, stop) of a weight that play one role."""

    role: Role
    start: int
    stop: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """One parameter as one linear operator uses it.

    node      of the operator
    place     the whole parameter, as (out, in / groups, *kernel)
    shape     in that order
    stack     number of matrices where the parameter is a stack of them, else 0
    fan_in    products in one output element; of a transposed convolution on average
    fan_out   output elements that one input element reaches, strides not counted
    biases    vectors that the operator adds
    before    the function whose value it reads; `after` the one that its output goes through next
    parts     rows by role; one part without a role where there are none
    first     no other weight lies before it; `last` none after it, and it is no branch's writer
    source    the operand it reads
    """

    node: str
    kind: Kind
    place: Place
    shape: tuple[int, ...]
    stack: int
    groups: int
    stride: int
    fan_in: float
    fan_out: float
    biases: tuple[str, ...]
    before: Activation
    after: Activation | None
    parts: tuple[Part, ...]
    first: bool
    last: bool
    source: str

    @property
    def name(self) -> str:
        """The parameter's qualified name."""
        return self.place.parameter

    @property
    def kernel(self) -> tuple[int, ...]:
        """Sizes of a convolution's kernel; () of a matrix."""
        return self.shape[2:]


@dataclass(frozen=True, slots=True, kw_only=True)
class Anatomy:
    """All of it, in order of execution.

    weights     of linear, convolutional and recurrent operators, each parameter once
    tables      embeddings and learned positions
    attentions  with the rows that make query, key and value
    trunks      chains of branches; `branches` those in one
    left        parameters of weight layers that no scheme can set, with the reason
    laws        what every parameter holds now, by qualified name; `shapes` and `dtypes` likewise
    """

    facts: Facts
    weights: tuple[Weight, ...]
    tables: tuple[Weight, ...]
    attentions: tuple[Attention, ...]
    trunks: tuple[Trunk, ...]
    left: Mapping[str, str]
    laws: Mapping[str, Law]
    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, str]

    @property
    def branches(self) -> tuple[Branch, ...]:
        """Of all trunks."""
        return tuple(branch for trunk in self.trunks for branch in trunk.branches)

    def by_node(self) -> dict[str, Weight]:
        """Weights by the node of the operator that uses them."""
        return {weight.node: weight for weight in self.weights}

    def writers(self) -> dict[str, tuple[Trunk, Branch]]:
        """Branches by the node of the weight that writes their output."""
        return {node: (trunk, branch) for trunk in self.trunks for branch in trunk.branches for node in branch.writers}


def anatomy_of(facts: Facts) -> Anatomy:
    """Read a traced model."""
    return _Reader(facts).read()


class _Reader:
    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.structure = facts.structure
        self.dependence = facts.structure.dependence
        self.nodes = facts.structure.nodes
        self.parameters = facts.traced.parameters
        self.left: dict[str, str] = {}
        adapters = {name for item in self.structure.adapters for name in (item.down, item.up)}
        self.adapters = {self.canonical(name) for name in adapters}
        self.branches = branches_of(facts)
        self.attentions = attentions_of(facts)
        self.ends = (
            frozenset(self.structure.layers)
            | self.structure.norms
            | {branch.add for branch in self.branches}
            | {item.node for item in self.attentions}
        )
        self.layer_bits = self.dependence.bits(self.structure.layers)
        self.writers = {node for branch in self.branches for node in branch.writers}
        self.after: dict[str, Activation] = {}

    def canonical(self, key: str) -> str:
        parameter = self.parameters[key]
        return parameter.alias_of or parameter.name

    def read(self) -> Anatomy:
        self._functions()
        weights: dict[str, Weight] = {}
        tables: dict[str, Weight] = {}
        for layer in self.structure.layers.values():
            for weight in self._weights_of(layer):
                target = tables if weight.kind == "embedding" else weights
                target.setdefault(f"{weight.name}{weight.place.view}", weight)
        for weight in self._positions():
            tables.setdefault(weight.name, weight)
        shared = {weight.name for weight in tables.values()}
        for name in [key for key, weight in weights.items() if weight.name in shared]:
            self.left[weights.pop(name).name] = "shared with an embedding, whose law it keeps"
        owned = {self.canonical(key): parameter for key, parameter in self.parameters.items()}
        return Anatomy(
            facts=self.facts,
            weights=tuple(weights.values()),
            tables=tuple(tables.values()),
            attentions=self.attentions,
            trunks=trunks_of(self.facts, self.branches),
            left=self.left,
            laws={name: parameter.law for name, parameter in owned.items()},
            shapes={name: parameter.shape for name, parameter in owned.items()},
            dtypes={name: parameter.dtype for name, parameter in owned.items()},
        )

    def _functions(self) -> None:
        """For every node that something begins with, the function of it that is read next."""
        reads = [layer.source for layer in self.structure.layers.values()]
        reads += [branch.branch for branch in self.branches] + [branch.add for branch in self.branches]
        reads += [next(operands(self.nodes[name])).name for name in self.structure.norms if list(operands(self.nodes[name]))]
        reads += list(self.facts.traced.outputs)
        for name in reads:
            found = self._before(self.nodes[name])
            for base in found.bases:
                self.after.setdefault(base.name, found)

    def _before(self, node: Node) -> Activation:
        return function_before(node, self.ends, self.dependence, self.parameters)

    def _weights_of(self, layer: WeightLayer) -> Iterator[Weight]:
        node = self.nodes[layer.node]
        if layer.kind == "recurrent":
            yield from self._recurrent(layer)
            return
        operand = self._matrix_operand(node, layer.weight)
        name = self.canonical(layer.weight)
        reason = self._why_left(name, operand)
        if reason:
            self.left[name] = reason
            return
        assert operand is not None
        shape, place, stack = self._layout(node, layer, operand, name)
        groups, stride = _groups_and_stride(node)
        taps = math.prod(shape[2:])
        rows, columns = shape[0], shape[1]
        kind: Kind = "linear"
        fan_in, fan_out = float(columns * taps), float(rows // groups * taps)
        if layer.kind == "embedding":
            kind, fan_in, fan_out = "embedding", 1.0, float(columns)
        elif layer.kind == "convolution":
            kind = "convolution"
            if "transpose" in operator(node):
                kind = "transposed convolution"
                fan_in, fan_out = shape[1] * taps / stride, float(rows * taps)
        elif not shape[0]:  # an einsum of unknown layout: fans only
            fan_in, fan_out = float(layer.fan_in), float(layer.fan_out)
        yield self._weight(layer, kind, place, shape, stack, groups, stride, fan_in, fan_out)

    def _weight(
        self, layer: WeightLayer, kind: Kind, place: Place, shape: tuple[int, ...], stack: int, groups: int, stride: int,
        fan_in: float, fan_out: float,
    ) -> Weight:  # fmt: skip
        before, after = self.dependence.ancestors[layer.node], self.dependence.descendants[layer.node]
        return Weight(
            node=layer.node,
            kind=kind,
            place=place,
            shape=shape,
            stack=stack,
            groups=groups,
            stride=stride,
            fan_in=fan_in,
            fan_out=fan_out,
            biases=tuple(dict.fromkeys(self.canonical(key) for key in layer.others)),
            before=self._before(self.nodes[layer.source]),
            after=self._after(layer.node),
            parts=self._parts(layer.node, shape[0]),
            first=not before & self.layer_bits,
            last=not after & self.layer_bits and layer.node not in self.writers,
            source=layer.source,
        )

    def _after(self, name: str) -> Activation | None:
        """The function of a layer's output, or of the normalization that reads it."""
        found = self.after.get(name)
        if found is not None and found.is_identity:
            for user in self.nodes[found.end.name].users:
                if user.name in self.structure.norms and user.name in self.after:
                    return self.after[user.name]
        return found

    def _why_left(self, name: str, operand: Node | None) -> str:
        parameter = next(item for item in self.parameters.values() if item.name == name)
        if name in self.adapters:
            return "part of an adapter"
        if parameter.kind != "parameter":
            return "not a parameter"
        if not parameter.trainable:
            return "frozen"
        return "" if operand is not None else "the weight is computed from it, not it itself"

    def _matrix_operand(self, node: Node, key: str) -> Node | None:
        """The operand that is the parameter itself, up to transposition."""
        for operand in operands(node):
            if operand.name not in self.dependence.data and (_bare(operand).name == key or self._cut(operand, key)):
                return operand
        return None

    def _cut(self, operand: Node, key: str) -> tuple[int, int] | None:
        """(start, stop) of the rows of a matrix that an operand is, in their order; None where it is anything else."""
        numbers = row_numbers(operand, key)
        if numbers is None or tuple(numbers.shape) != shape_of(operand) or numbers.dim() != 2:
            return None
        rows = numbers[:, 0]
        start, stop = int(rows[0]), int(rows[-1]) + 1
        whole = stop - start == len(rows) and numbers.shape[1] == self.parameters[key].shape[1]
        return (start, stop) if whole and bool((rows == torch.arange(start, stop)).all()) else None

    def _layout(self, node: Node, layer: WeightLayer, operand: Node, name: str) -> tuple[tuple[int, ...], Place, int]:
        """(shape as (out, in / groups, *kernel), place, stack); a layout that is not known has shape (0, 0)."""
        stored = self.parameters[layer.weight].shape
        shape: tuple[int, ...]
        if _bare(operand).name != layer.weight:
            rows = self._cut(operand, layer.weight)
            assert rows is not None
            return (rows[1] - rows[0], stored[1]), Place(parameter=name, rows=rows), 0
        turned = _turned(operand)
        if layer.kind == "product":
            left = next(operands(node))
            is_left = left is operand
            if operator(node) in ("addmm", "baddbmm"):
                is_left = len(list(operands(node))) > 1 and list(operands(node))[1] is operand
            elif operator(node) not in ("mm", "matmul", "bmm"):
                return (0, 0), Place(parameter=name), 0
            turned = turned != (not is_left)
            if len(stored) == 3:
                shape = stored[1:] if not turned else stored[:0:-1]
                return shape, Place(parameter=name, transposed=turned), stored[0]
        elif "transpose" in operator(node):
            groups = _groups_and_stride(node)[0]
            if groups > 1:
                return (stored[1], stored[0] // groups, *stored[2:]), Place(parameter=name), -1
            turned = True
        if len(stored) < 2:
            return (0, 0), Place(parameter=name), 0
        shape = (stored[1], stored[0], *stored[2:]) if turned else stored
        return shape, Place(parameter=name, transposed=turned), 0

    def _parts(self, node: str, rows: int) -> tuple[Part, ...]:
        parts: list[Part] = []
        for attention in self.attentions:
            for role in ("query", "key", "value"):
                found: Rows | None = getattr(attention, role)
                if found is not None and found.layer == node:
                    parts += [Part(role=role, start=a, stop=b) for a, b in found.runs]
        parts = sorted(set(parts), key=lambda part: part.start)
        if len(parts) == 1 or not parts:
            return (Part(role=parts[0].role if parts else "", start=0, stop=rows),)
        whole: list[Part] = []
        reached = 0
        for part in parts:
            if part.start < reached:  # rows with two roles
                return (Part(role="", start=0, stop=rows),)
            if part.start > reached:
                whole.append(Part(role="", start=reached, stop=part.start))
            whole.append(part)
            reached = part.stop
        if reached < rows:
            whole.append(Part(role="", start=reached, stop=rows))
        return tuple(whole)

    def _recurrent(self, layer: WeightLayer) -> Iterator[Weight]:
        """Matrices of a recurrent operator, gates as parts."""
        gates = {"lstm": 4, "gru": 3}.get(operator(self.nodes[layer.node]), 1)
        for key in layer.weights:
            stored, name = self.parameters[key].shape, self.canonical(key)
            reason = self._why_left(name, self.nodes.get(key))
            if reason or stored[0] % gates:
                self.left[name] = reason or "a projection of a recurrent layer"
                continue
            size = stored[0] // gates
            weight = self._weight(layer, "recurrent", Place(parameter=name), stored, 0, 1, 1, float(stored[1]), float(size))
            yield _with_gates(weight, gates, size)

    def _positions(self) -> Iterator[Weight]:
        """Learned tables that are added to the data without being looked up by it."""
        for node in self.dependence.order:
            if operator(node) != "add" or node.name not in self.dependence.data:
                continue
            for operand in operands(node):
                if operand.name in self.dependence.data or len(shape_of(operand)) < 2:
                    continue
                parameter = self.parameters.get(_table(operand).name)
                if parameter is not None and parameter.kind == "parameter":
                    if len([size for size in parameter.shape if size > 1]) < 2 or not parameter.trainable:
                        continue
                    shape = tuple(size for size in parameter.shape if size > 1)
                    yield Weight(
                        node=node.name, kind="position", place=Place(parameter=parameter.alias_of or parameter.name), shape=shape, stack=0, groups=1,
                        stride=1, fan_in=1.0, fan_out=float(shape[-1]), biases=(), before=self._before(node), after=None,
                        parts=(Part(role="", start=0, stop=shape[0]),), first=True, last=False, source=node.name,
                    )  # fmt: skip


def _with_gates(weight: Weight, gates: int, size: int) -> Weight:
    from dataclasses import replace

    parts = tuple(Part(role="gate", start=n * size, stop=(n + 1) * size) for n in range(gates))
    return replace(weight, parts=parts)


def _bare(node: Node) -> Node:
    """The parameter behind views that keep it a matrix."""
    return strip(node, frozenset("t transpose numpy_T mT permute to _to_copy alias detach contiguous".split()))


def _table(node: Node) -> Node:
    """What a node hands on rows of, through views and lookups that no input decides."""
    while operator(node) in PASSING | SELECTING | {"embedding"} and list(operands(node)):
        node = next(operands(node))
    return node


def _turned(node: Node) -> bool:
    """Whether an odd number of transpositions lies between a matrix and its parameter."""
    turned = False
    while operator(node) in ("t", "transpose", "numpy_T", "mT", "permute", "to", "_to_copy", "alias", "detach", "contiguous"):
        turned = turned != (operator(node) in ("t", "transpose", "numpy_T", "mT", "permute"))
        node = next(operands(node))
    return turned


def _groups_and_stride(node: Node) -> tuple[int, int]:
    """Groups of a convolution and the product of its strides; (1, 1) of anything else."""
    name = operator(node)
    if name not in CONVOLUTIONS:
        return 1, 1
    values = dict(zip(_ARGUMENTS[name], node.args, strict=False)) | dict(node.kwargs)
    spatial = len(shape_of(node)) - 2
    stride = values.get("stride") or 1
    strides = list(stride) if isinstance(stride, (list, tuple)) else [stride] * spatial
    if len(strides) == 1:
        strides *= spatial
    groups = values.get("groups", 1)
    numbers = [item for item in strides if isinstance(item, int) and not is_node(item)]
    return (groups if isinstance(groups, int) else 1), math.prod(numbers)


_PLAIN = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
_TRANSPOSED = ("input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation")
_ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    **{f"conv{n}d": _PLAIN for n in (1, 2, 3)},
    **{f"conv_transpose{n}d": _TRANSPOSED for n in (1, 2, 3)},
    "convolution": ("input", "weight", "bias", "stride", "padding", "dilation", "transposed", "output_padding", "groups"),
}
