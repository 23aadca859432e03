"""Which entries of one tensor are copies of one another: a row spread over a matrix, every row copied from the first.

Laws say what pairs of entries share by the dimensions in which the two differ (`Law.pair`). Here that is carried over from a
tensor to its views, to what is computed from it by broadcasting, and found where rows were copied one by one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from initlint.graph.model import Law

if TYPE_CHECKING:
    import torch

Layout = tuple[tuple[int, int], ...]  # (size, stride) of every dimension

RANDOM = ("normal", "uniform", "truncated normal", "orthogonal", "measured")
MOST = 5  # dimensions


@dataclass(frozen=True, slots=True)
class Draw:
    """Where a stretch of entries was first drawn: entry i is entry `place` + i mod `period` of the draw `number`."""

    number: int
    place: int
    period: int

    def cut(self, start: int, stop: int) -> Draw | None:
        """Of the entries start … stop; None where they are no whole number of periods, nor within one."""
        if (start % self.period, (stop - start) % self.period) == (0, 0):
            return self
        if start // self.period == (stop - 1) // self.period:
            return Draw(self.number, self.place + start % self.period, stop - start)
        return None


def layout_of(tensor: torch.Tensor) -> Layout:
    """How a tensor lies in its storage."""
    return tuple(zip(map(int, tensor.shape), map(int, tensor.stride()), strict=True))


def seen(law: Law, whole: Layout, part: Layout) -> Law:
    """The law of a view, of a tensor that lies as `whole` does and has `law`: its pairs by the view's own dimensions."""
    if law.rank is not None and any(_moved(whole, *dim) is None for dim in part):
        law = replace(law, rank=None)  # rows and columns change places
    if law.pair is None:
        return spread(law, [d for d, (size, stride) in enumerate(part) if size > 1 and stride == 0], len(part))
    own = law.pair if len(law.pair) == 1 << len(whole) else None
    moves = [_moved(whole, size, stride) for size, stride in part]
    if own is None or None in moves or len(part) > MOST:
        return replace(law, pair=None)
    pair = []
    for mask in range(1 << len(part)):
        bits = 0
        for d, move in enumerate(moves):
            bits |= (move or 0) if mask >> d & 1 else 0
        pair.append(own[bits])
    return replace(law, pair=tuple(pair))


def _moved(whole: Layout, size: int, stride: int) -> int | None:
    """The dimension, as a bit, in which one goes along a dimension of a view; 0 for none, None for several."""
    if size <= 1 or stride == 0:
        return 0
    for d, (length, step) in enumerate(whole):
        if step and stride % step == 0 and (size - 1) * stride < length * step:
            return 1 << d
    return None


def spread(law: Law, along: Sequence[int], ndim: int) -> Law:
    """The law of a tensor whose entries are equal along some of its dimensions, independent otherwise."""
    if not along or law.family not in RANDOM or ndim > MOST or law.parts:
        return law
    bits = sum(1 << d for d in along)
    square = law.mean**2
    return replace(law, pair=tuple(square if mask & ~bits else law.second_moment for mask in range(1 << ndim)))


def broadcast(law: Law, target: Sequence[int], given: Iterable[torch.Tensor]) -> Law:
    """The law of what was computed element by element from `given`: equal along the dimensions that none of them has."""
    tensors = [t for t in given if t.numel() > 1]
    if law.pair is not None and len(law.pair) != 1 << len(target):
        law = _longer(law, len(target))
    if law.pair is not None or not tensors:
        return law
    count = len(target)
    return spread(law, [d for d in range(count) if target[d] > 1 and not any(_varies(t, d - count) for t in tensors)], count)


def _longer(law: Law, ndim: int) -> Law:
    """With as many dimensions in front as are missing, along which all is equal."""
    missing = ndim - (len(law.pair or ()).bit_length() - 1)
    if law.pair is None or missing < 0 or ndim > MOST:
        return replace(law, pair=None)
    return replace(law, pair=tuple(law.pair[mask >> missing] for mask in range(1 << ndim)))


def _varies(tensor: torch.Tensor, dim: int) -> bool:
    """Whether a tensor has different entries along a dimension, counted from the last one."""
    return tensor.dim() >= -dim and tensor.shape[dim] > 1 and tensor.stride(dim) != 0


def row_of(source: torch.Tensor, target: torch.Tensor) -> tuple[int, int] | None:
    """The stretch of a storage that is repeated, over and over, in a tensor that `source` was copied to; None for another order."""
    first = source
    while first.dim() and (first.stride(0) == 0 or first.shape[0] == 1):
        first = first[0]
    size = first.numel()
    if not first.is_contiguous() or not target.is_contiguous() or not size or target.numel() % size:
        return None
    if tuple(target.shape[target.dim() - first.dim() :]) != tuple(first.shape):
        return None
    start = int(first.storage_offset())
    return start, start + size


def rows_alike(law: Law, draws: Sequence[tuple[int, Draw | None]], shape: Sequence[int]) -> Law:
    """`law` of a contiguous tensor, with what its rows share where all of them are copies of one: (entries, draw) by stretch."""
    row = math.prod(shape[1:])
    first = draws[0][1]
    if len(shape) < 2 or first is None or first.period != row or shape[0] < 2:
        return replace(law, pair=None)
    same = all(draw == first and size % row == 0 for size, draw in draws)
    return spread(replace(law, pair=None), [0] if same else [], len(shape))


def equal_along(law: Law, dim: int) -> bool:
    """Whether entries that differ in one dimension only are copies of one another."""
    if law.pair is None or len(law.pair) <= 1 << dim or law.family == "constant":
        return False
    return math.isclose(law.pair[1 << dim], law.second_moment, rel_tol=1e-6) and law.second_moment > 0
