"""STORAGE → its stretches: which elements have which law, and what a write to a view of it changes."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from initlint.graph.model import Law
from initlint.graph.repeats import Draw, Layout

if TYPE_CHECKING:
    import torch

MANY = 2048  # rows of which a view may have a part each; of more, only the average law is kept


@dataclass(slots=True)
class Stretch:
    """Elements [start, stop) of a storage have this law; `copied` names the storage they were copied from, if any.

    layout   of the tensor that the law was written to: what its `pair` is about
    draw     where these entries were first drawn, which tells copies of one draw from another draw
    """

    start: int
    stop: int
    law: Law
    copied: int | None = None
    layout: Layout = ()
    draw: Draw | None = None

    def cut(self, start: int, stop: int) -> Stretch:
        """The part of it within two bounds."""
        start, stop = max(self.start, start), min(self.stop, stop)
        draw = None if self.draw is None else self.draw.cut(start - self.start, stop - self.start)
        return Stretch(start, stop, self.law, self.copied, self.layout, draw)


def span_of(tensor: torch.Tensor) -> tuple[int, int] | None:
    """The stretch of storage elements a tensor covers, or None if it is not one contiguous stretch."""
    if not tensor.is_contiguous():
        # a permuted view of a full block covers it all the same
        reach = 1 + sum((n - 1) * s for n, s in zip(tensor.shape, tensor.stride(), strict=True)) if tensor.numel() else 0
        if reach != tensor.numel():
            return None
    start = int(tensor.storage_offset())
    return start, start + tensor.numel()


def spans_of(tensor: torch.Tensor) -> list[tuple[int, int]] | None:
    """The stretches of storage elements a view covers, in order: one, or one in each row. None where they are too many, or overlap."""
    whole = span_of(tensor)
    if whole is not None:
        return [whole]
    dims = [(int(n), int(s)) for n, s in zip(tensor.shape, tensor.stride(), strict=True) if n > 1]
    length = 1
    while dims and dims[-1][1] == length:
        length *= dims.pop()[0]
    if math.prod(n for n, _ in dims) > MANY or any(s < length for _, s in dims):
        return None
    starts = sorted(sum(place) for place in itertools.product(*(range(0, n * s, s) for n, s in dims)))
    if any(after - before < length for before, after in itertools.pairwise(starts)):
        return None
    offset = int(tensor.storage_offset())
    return [(offset + start, offset + start + length) for start in starts]


def overlaid(held: Sequence[Stretch], spans: Sequence[tuple[int, int]], written: Stretch) -> list[Stretch]:
    """What a storage holds once a tensor was written to these spans of it, whose elements one after the other are those of `written`."""
    kept: list[Stretch] = []
    starts = [start for start, _ in spans]
    for stretch in held:
        position = stretch.start
        for start, stop in spans[max(bisect_right(starts, stretch.start) - 1, 0) :]:
            if start >= stretch.stop:
                break
            if start > position:
                kept.append(stretch.cut(position, start))
            position = max(position, stop)
        if position < stretch.stop:
            kept.append(stretch.cut(position, stretch.stop))
    done = 0
    for start, stop in spans:
        part = written.cut(done, done + stop - start)
        part.start, part.stop = start, stop
        kept.append(part)
        done += stop - start
    return sorted(kept, key=lambda stretch: stretch.start)
