"""TRACED GRAPH → its attentions: which rows of which weight make query, key and value.

An attention is the library's operator, or softmax(q kᵀ) v written by hand. Rows are followed by running the views in between
on the numbers of the rows: so a packed projection is taken apart however it is split, chunked, unbound or interleaved.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from initlint.graph.dataflow import PASSING, PRODUCTS, SELECTING, is_node, operands, operator, shape_of

if TYPE_CHECKING:
    from torch.fx import Node

    from initlint.graph.structure import Structure
    from initlint.lint.facts import Facts

LARGEST = 1 << 22  # elements of a tensor of row numbers; in a larger one rows are not followed
SCORES = PASSING | frozenset("add sub mul div masked_fill where clamp expand slice select getitem tanh".split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Output rows of a layer (its node), as runs [start, stop)."""

    layer: str
    runs: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """One attention: the node of its output, its operands, and the rows each is made of where they could be followed.

    scale     what the products of query and key are multiplied by, where the operator says it; None for its default 1/√d
    width     size of one head's query
    heads     number of them
    """

    node: str
    operands: tuple[str, str, str]
    query: Rows | None
    key: Rows | None
    value: Rows | None
    width: int
    heads: int
    scale: float | None


def attentions_of(facts: Facts) -> tuple[Attention, ...]:
    """All attentions, in order of execution."""
    structure = facts.structure
    found = []
    for node in structure.dependence.order:
        sides = _sides(node, structure)
        if sides is None:
            continue
        query, key, value = sides
        rows = [_Rows(structure).of(side) for side in sides]
        shape = shape_of(query)
        scale = node.kwargs.get("scale")
        found.append(
            Attention(
                node=node.name,
                operands=(query.name, key.name, value.name),
                query=rows[0],
                key=rows[1],
                value=rows[2],
                width=shape[-1] if shape else 0,
                heads=shape[-3] if len(shape) > 3 else 1,
                scale=float(scale) if isinstance(scale, (int, float)) else None,
            )
        )
    return tuple(found)


def _sides(node: Node, structure: Structure) -> tuple[Node, Node, Node] | None:
    """(query, key, value) when the node is the product that ends an attention."""
    data = structure.dependence.data
    name = operator(node)
    if name == "scaled_dot_product_attention":
        first = [item for item in node.args[:3] if is_node(item)]
        return (first[0], first[1], first[2]) if len(first) == 3 else None
    if name not in PRODUCTS:
        return None
    sides = [item for item in operands(node) if item.name in data]
    if len(sides) != 2:
        return None
    for weights, value in (sides, reversed(sides)):
        soft = _up(weights, frozenset({"softmax", "_softmax"}))
        if soft is not None:
            scores = _up(next(operands(soft)), PRODUCTS)
            factors = [] if scores is None else [item for item in operands(scores) if item.name in data]
            if len(factors) == 2:
                return factors[0], factors[1], value
    return None


def _up(node: Node, wanted: frozenset[str]) -> Node | None:
    """The nearest node of these operators upwards, through what scales, masks and reshapes scores."""
    for _ in range(40):
        name = operator(node)
        if name in wanted:
            return node
        if name not in SCORES:
            return None
        items = list(operands(node))
        if name == "where" and len(items) > 1:
            items = items[1:]
        if not items:
            return None
        node = max(items, key=lambda item: math.prod(shape_of(item) or (0,)))
    return None


class _Rows:
    """Follows row numbers from a layer to a node."""

    def __init__(self, structure: Structure) -> None:
        self.structure = structure

    def of(self, node: Node) -> Rows | None:
        found = self._numbers(node, 0)
        if found is None:
            return None
        layer, numbers = found
        rows = sorted({int(item) for item in numbers.unique().tolist()})
        runs: list[tuple[int, int]] = []
        for row in rows:
            if runs and runs[-1][1] == row:
                runs[-1] = (runs[-1][0], row + 1)
            else:
                runs.append((row, row + 1))
        return Rows(layer=layer, runs=tuple(runs))

    def numbers(self, node: Node) -> torch.Tensor | None:
        """The number of its layer's output row that every element comes from."""
        found = self._numbers(node, 0)
        return found[1] if found is not None and isinstance(found[1], torch.Tensor) else None

    def _numbers(self, node: Node, depth: int) -> tuple[str, Any] | None:
        """(layer, the number of the layer's output row that every element of `node` comes from)."""
        structure = self.structure
        if depth > 80 or math.prod(shape_of(node)) > LARGEST:
            return None
        layer = structure.layers.get(node.name)
        if layer is not None:
            if layer.kind not in ("linear", "product", "convolution"):
                return None
            shape = shape_of(node)
            at = 1 if layer.kind == "convolution" else len(shape) - 1
            size = [1] * len(shape)
            size[at] = shape[at]
            return node.name, torch.arange(shape[at]).reshape(size).expand(shape).contiguous()
        if node.op != "call_function":
            return None
        name = operator(node)
        sources = [item for item in operands(node) if item.name in structure.dependence.data]
        found = None
        for source in sources:
            found = self._numbers(source, depth + 1)
            if found is not None:
                break
        if found is None:
            return None
        if name in PASSING | SELECTING and "dropout" not in name and name not in ("to", "_to_copy", "type_as"):
            return self._moved(node, source, found)
        result = found[1]
        if isinstance(result, torch.Tensor) and tuple(result.shape) != shape_of(node):
            return None
        return found  # elementwise, or a normalization: rows stay where they are

    def _moved(self, node: Node, source: Node, found: tuple[str, Any]) -> tuple[str, Any] | None:
        layer, numbers = found

        def filled(argument: Any) -> Any:
            if is_node(argument):
                if argument is source:
                    return numbers
                other = self._numbers(argument, 60)
                if other is None or other[0] != layer:
                    raise _Mixed
                return other[1]
            return [filled(item) for item in argument] if isinstance(argument, (list, tuple)) else argument

        try:
            return layer, node.target(*(filled(item) for item in node.args), **node.kwargs)  # type: ignore[operator]
        except Exception:  # noqa: BLE001 - a view of something else as well: its rows are not followed
            return None


class _Mixed(Exception):
    """Two layers meet."""


def row_numbers(node: Node, key: str) -> Any | None:
    """Of views of the matrix that placeholder `key` holds: the number of its row that every element comes from."""
    chain: list[Node] = []
    while node.name != key:
        if operator(node) not in PASSING | SELECTING or len(node.all_input_nodes) != 1:
            return None
        chain.append(node)
        node = node.all_input_nodes[0]
    shape = shape_of(node)
    if len(shape) != 2:
        return None
    value: Any = torch.arange(shape[0])[:, None].expand(shape)
    for item in reversed(chain):
        if operator(item) in ("to", "_to_copy", "dropout", "native_dropout"):
            continue
        arguments = [value if is_node(argument) else argument for argument in item.args]
        try:
            value = item.target(*arguments, **item.kwargs)  # type: ignore[operator]
        except Exception:  # noqa: BLE001 - a view that a matrix of numbers cannot take
            return None
    return value if isinstance(value, torch.Tensor) else None


def feature_along(structure: Structure, node: Node, axis: int) -> bool:
    """Whether elements that differ along this dimension come from different output rows of a layer."""
    found = _Rows(structure).numbers(node)
    if found is None:
        return False
    numbers = found.movedim(axis, 0)
    return numbers.shape[0] > 1 and bool((numbers[0] != numbers[1]).all())
