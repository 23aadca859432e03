"""Operators that move entries and compute nothing: where the rows of a table lie behind them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from initlint.graph.dataflow import is_node, operands, operator, shape_of
from initlint.graph.places import Along, Law, Places, ToldApart, Walk, agreed, lifted, numbers, same

if TYPE_CHECKING:
    from torch.fx import Node


def _viewed(walk: Walk, node: Node) -> Places:
    """By the number of entries that one step to the next row goes over, which no view changes."""
    before, after = shape_of(next(operands(node))), shape_of(node)
    found = set()
    for along in walk.of(node.args[0]):
        if 0 in after or not after:
            raise ToldApart
        behind = math.prod(before[along.dim + 1 :])
        if along.start or along.outer * along.count * along.inner != before[along.dim]:
            found.add(_moved(along, before, after))
            continue
        step = along.inner * behind
        place = next((d for d in range(len(after)) if _holds(after, d, step, along.count)), None)
        if place is None:
            raise ToldApart
        rest = math.prod(after[place + 1 :])
        inner = step // rest
        found.add(Along(place, along.count, 0, after[place] // (inner * along.count), inner))
    return frozenset(found)


def _moved(along: Along, before: Sequence[int], after: Sequence[int]) -> Along:
    """Where the rows are some of a dimension's entries: it ends where a dimension of the view ends, and begins where that does."""
    behind = math.prod(before[along.dim + 1 :])
    for d, size in enumerate(after):
        rest = math.prod(after[d + 1 :])
        if size * rest == before[along.dim] * behind and not along.inner * behind % rest and not along.start * behind % rest:
            return replace(along, dim=d, start=along.start * behind // rest, inner=along.inner * behind // rest)
    raise ToldApart


def _holds(shape: Sequence[int], dim: int, step: int, count: int) -> bool:
    """Whether a dimension holds all of `count` rows that are `step` entries from each other."""
    rest = math.prod(shape[dim + 1 :])
    return step % rest == 0 and shape[dim] % (step // rest * count) == 0


def _permuted(walk: Walk, node: Node) -> Places:
    ndim, name = len(shape_of(node)), operator(node)
    order = list(range(ndim))
    if name == "permute":
        order = [d % ndim for d in numbers(node.args[1])]
    else:
        first, second = (-2, -1) if name in ("t", "mT", "numpy_T") else (int(str(node.args[1])), int(str(node.args[2])))
        order[first], order[second] = order[second], order[first]
    return frozenset(along.at(order.index(along.dim)) for along in walk.of(node.args[0]))


def _expanded(walk: Walk, node: Node) -> Places:
    source, after = next(operands(node)), shape_of(node)
    before = (1,) * (len(after) - len(shape_of(source))) + shape_of(source)
    found = set()
    for along in lifted(walk, source, len(after)):
        times = after[along.dim] // before[along.dim]
        if times > 1 and before[along.dim] != along.outer * along.count * along.inner:
            raise ToldApart
        found.add(replace(along, outer=along.outer * times))
    return frozenset(found)


def _sliced(walk: Walk, node: Node) -> Places:
    source = next(operands(node))
    size = len(shape_of(source))
    dim = int(str(_argument(node, 1, 0))) % size
    length = shape_of(source)[dim]
    start, stop = _argument(node, 2, None), _argument(node, 3, None)
    bounds = slice(*(None if item is None else max(min(int(str(item)), length), -length) for item in (start, stop)))
    if _argument(node, 4, 1) != 1 and any(along.dim == dim for along in walk.of(source)):
        raise ToldApart
    first, last, _ = bounds.indices(length)
    return _cut(walk.of(source), dim, first, last, length)


def _argument(node: Node, position: int, default: object) -> object:
    return node.args[position] if len(node.args) > position else default


def _cut(places: Places, dim: int, first: int, last: int, length: int) -> Places:
    """Of the indices first … last of a dimension: all rows, or none."""
    found = set()
    for along in places:
        if along.dim != dim or (first, last) == (0, length):
            found.add(along)
            continue
        end = along.start + along.outer * along.count * along.inner
        if first <= along.start and end <= last:
            found.add(replace(along, start=along.start - first))
        elif first < end and along.start < last:
            raise ToldApart
    return frozenset(found)


def _selected(walk: Walk, node: Node) -> Places:
    source = next(operands(node))
    shape = shape_of(source)
    dim = int(str(node.args[1])) % len(shape)
    index = int(str(node.args[2])) % shape[dim]
    left = _cut(walk.of(source), dim, index, index + 1, shape[dim])
    return frozenset(along.at(along.dim - (along.dim > dim)) for along in left)


def _part(walk: Walk, node: Node) -> Places:
    """One of the tensors that an operator gives."""
    source, number = node.args[:2]
    places = walk.of(source)
    if not is_node(source) or not isinstance(number, int):
        raise ToldApart
    name = operator(source)
    if name not in _SPLITS:
        return places
    whole = shape_of(next(operands(source)))
    position = 1 if name == "unbind" else 2
    dim = int(str(source.args[position] if len(source.args) > position else source.kwargs.get("dim", 0))) % len(whole)
    if not any(along.dim == dim for along in places):
        return frozenset(along.at(along.dim - (name == "unbind" and along.dim > dim)) for along in places)
    if name == "unbind":
        raise ToldApart
    sizes = source.args[1]
    if isinstance(sizes, int):
        size = sizes if name == "split" else -(-whole[dim] // sizes)
        return _cut(places, dim, number * size, min((number + 1) * size, whole[dim]), whole[dim])
    start = sum(numbers(sizes)[:number])
    return _cut(places, dim, start, start + numbers(sizes)[number], whole[dim])


def _joined(walk: Walk, node: Node) -> Places:
    """Rows beside other entries; or beside what is the same for all rows."""
    items = list(operands(node))
    dim = int(str(node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0))) % len(shape_of(node))
    beside: set[Along] = set()
    across: set[Along] = set()
    offset = 0
    for item in items:
        for along in walk.of(item):
            if along.dim == dim:
                beside.add(replace(along, start=along.start + offset))
            else:
                across.add(along)
        offset += shape_of(item)[dim]
    if len(beside) > 1 or any(not along.plain for along in beside):
        raise ToldApart
    return agreed(walk, frozenset(across), node, items) | beside


def _stacked(walk: Walk, node: Node) -> Places:
    items = list(operands(node))
    dim = int(str(node.args[1] if len(node.args) > 1 else 0)) % len(shape_of(node))
    places = {walk.of(item) for item in items}
    if len(places) > 1:
        raise ToldApart
    return frozenset(along.at(along.dim + (along.dim >= dim)) for along in places.pop())


_SPLITS = frozenset("split split_with_sizes chunk unbind".split())
MOVING: tuple[tuple[str, Law], ...] = (
    ("view reshape flatten unflatten squeeze unsqueeze _unsafe_view view_as reshape_as", _viewed),
    ("permute transpose t mT numpy_T swapaxes swapdims", _permuted),
    ("expand expand_as repeat", _expanded),
    ("slice", _sliced),
    ("select", _selected),
    (" ".join(_SPLITS), same),
    ("getitem", _part),
    ("cat", _joined),
    ("stack", _stacked),
)
