"""What two tensors have in common at any two of their places, where it is not known which place of one belongs to which of the other.

`covariance` needs both tensors in one shape. A module that is called on a map of regions, and again on windows of those regions
with their parts, makes tensors of two shapes whose bias and whose weights are the same. What these have in common does not
hang on places: it is the covariance, channel by channel, of averages over places,

    x̄ = average of x over all dimensions but its channels, of some dimensions over a range of indices

and averages go through everything that is linear over channels: Cov(W ū + b, W v̄ + b) = W² Cov(ū, v̄) + Cov b, the average of
W u over channels. Weights of an attention sum to one in each row, so that the average of what it returns is that of its values
(where all are read as often). A normalization by channels divides by what it does on average.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from initlint.propagate.axes import Array, Axis, state_of
from initlint.propagate.covariance import SUMS, normalized
from initlint.propagate.lineage import SLICES, VIEWS, Made, bare, is_leaf, roots_of, sliced, tensors_in
from initlint.propagate.meeting import plain, total
from initlint.propagate.moments import Moments, align

if TYPE_CHECKING:
    from initlint.propagate.tape import Tape

DEEPEST = 60
JOINED = {"cat", "concat", "concatenate"}
CONVOLUTIONS = {"conv1d", "conv2d", "conv3d"}
Range = tuple[int, int, int]  # a dimension and the first index, and the one behind the last


@dataclass(frozen=True, slots=True)
class Average:
    """A tensor averaged over all dimensions but `channels`, of some only over a range."""

    of: Moments
    channels: tuple[int, ...]
    ranges: tuple[Range, ...] = ()

    @property
    def key(self) -> object:
        return id(self.of), self.channels, self.ranges

    @property
    def made(self) -> Made:
        assert self.of.made is not None
        return self.of.made


def anywhere(tape: Tape, x: Moments, y: Moments, first: Sequence[Range] = (), second: Sequence[Range] = ()) -> Moments | None:
    """Cov(x_u, y_v) of two places anywhere, or within these ranges, by pair state of the channels; None where nothing is known."""
    channels = tuple([1 if z.made is not None and z.made.name in CONVOLUTIONS else len(z.shape) - 1 for z in (x, y)])
    if x.shape[channels[0]] != y.shape[channels[1]] or not roots_of(tape, x) & roots_of(tape, y):
        return None
    return _common(tape, Average(x, channels[:1], tuple(first)), Average(y, channels[1:], tuple(second)))


def by_pieces(tape: Tape, x: Moments, y: Moments) -> Moments | None:
    """Cov(x, y) of two tensors of one shape, of which one was put together from pieces along a dimension, by piece of both."""
    joint = next((z for z in (x, y) if z.made is not None and z.made.name in JOINED), None)
    if joint is None or x.shape != y.shape or joint.made is None:
        return None
    d = joint.dim(joint.made.args[1] if len(joint.made.args) > 1 else joint.made.kwargs.get("dim", 0))
    sizes = [piece.shape[d] for piece in tensors_in(joint.made.args[0])]
    last = len(x.shape) - 1
    if d == last or sum(sizes) != joint.shape[d] or len(x.dims[d]) != 1 or len(x.dims[last]) != 1:
        return None
    starts = np.cumsum([0, *sizes])
    axis = Axis(sum(sizes), np.repeat(np.arange(len(sizes)), sizes).astype(np.int64))
    found = {}
    for i in range(len(sizes)):
        for j in range(len(sizes)):
            ranges = [((d, int(starts[n]), int(starts[n + 1])),) for n in (i, j)]
            found[i, j] = anywhere(tape, x, y, *ranges)
    known = [c for c in found.values() if c is not None]
    if not known:
        return None
    like = align(*known)[0]
    blocks = {key: np.zeros(like.pair.shape) if c is None else align(c, like)[0].pair for key, c in found.items()}
    states = [blocks[i, i] for i in range(len(sizes))] + [blocks[i, j] for i in range(len(sizes)) for j in range(len(sizes))]
    if axis.labels is None:
        states = states[:2]
    dims = tuple((axis,) if n == d else like.dims[0] if n == last else () for n in range(len(x.dims)))
    return plain(dims, np.stack(states))


def _common(tape: Tape, a: Average, b: Average, depth: int = 0) -> Moments | None:
    """Cov(ā, b̄) by pair state of their channels."""
    a, scale = _bare(a)
    b, other = _bare(b)
    if a.of.made is None or b.of.made is None or depth > DEEPEST or not roots_of(tape, a.of) & roots_of(tape, b.of):
        return None
    key = (a.key, b.key)
    if key not in tape.anywhere:
        tape.anywhere[key] = None
        tape.met.append((a.of, b.of))
        tape.anywhere[key] = _found(tape, a, b, depth)
    found = tape.anywhere[key]
    return None if found is None else found.with_(pair=found.pair * (scale * other))


def _bare(a: Average) -> tuple[Average, float]:
    of, scale = bare(a.of)
    return (a, 1.0) if of.shape != a.of.shape else (replace(a, of=of), scale)


def _found(tape: Tape, a: Average, b: Average, depth: int) -> Moments | None:
    if a.of is b.of and a.channels == b.channels:
        return _alone(a, b)
    for x, y, turned in ((a, b, False), (b, a, True)):  # views and sums first: they hide what both come from
        terms = _terms(x)
        if terms is not None:
            found = [(_common(tape, *((y, t) if turned else (t, y)), depth + 1), f) for t, f in terms]
            return total([None if c is None else _shaped(c, x).with_(pair=_shaped(c, x).pair * f) for c, f in found])
    if a.made.name == b.made.name == "layer_norm" and a.channels == b.channels == (len(a.of.shape) - 1,):
        c = _common(tape, _before(a, 0), _before(b, 0), depth + 1)
        for x in (a, b):
            c = _normed(x, c)
        return c
    if a.made.name in SLICES and b.made.name in SLICES:
        return _of_channels(tape, a, b, depth)
    if _mapped(a) and _mapped(b) and a.made.args[1] is b.made.args[1]:
        return _twins(tape, a, b, depth)
    for x, y, turned in ((a, b, False), (b, a, True)):
        if x.made.name == "layer_norm" and x.channels == (len(x.of.shape) - 1,):
            before = _before(x, 0)
            return _normed(x, _common(tape, *((y, before) if turned else (before, y)), depth + 1))
        if _mapped(x) and not roots_of(tape, x.made.args[1]) & y.made.roots and isinstance(bias := _bias(x), Moments):
            shift = Average(bias, (0,))
            return _common(tape, *((y, shift) if turned else (shift, y)), depth + 1)
    return None


def _terms(x: Average) -> list[tuple[Average, float]] | None:
    """Averages whose sum x̄ is, with factors; None where it is no sum."""
    made = x.made
    if made.name in SUMS:
        factor = SUMS[made.name] * float(made.kwargs.get("alpha", 1.0))
        lead = len(x.of.shape)
        found = []
        for n, term in enumerate(made.args[:2]):
            if isinstance(term, Moments):
                moved = lead - len(term.shape)
                channels = tuple(d - moved for d in x.channels)
                if min(channels) < 0 or any(term.shape[d - moved] != x.of.shape[d] for d in x.channels):
                    return None
                ranges = tuple((d - moved, i, j) for d, i, j in x.ranges if d >= moved and term.shape[d - moved] > 1)
                found.append((Average(term, channels, ranges), factor if n else 1.0))
        return found
    if made.name in VIEWS and isinstance(made.args[0], Moments):
        before = _viewed(x)
        return None if before is None else [(before, 1.0)]
    if made.name in JOINED:
        return _joined(x)
    if made.name in SLICES and isinstance(made.args[0], Moments) and (found_slice := sliced(x.of)) is not None:
        base, d, indices, gone = found_slice
        channels = tuple(n + (gone and n >= d) for n in x.channels)
        if d in channels or (len(indices) > 1 and np.any(np.diff(indices) != 1)):
            return None
        start = int(indices[0])
        inner = next(((i, j) for n, i, j in x.ranges if n == d and not gone), (0, len(indices)))
        others = tuple((n + (gone and n >= d), i, j) for n, i, j in x.ranges if gone or n != d)
        return [(Average(base, channels, (*others, (d, start + inner[0], start + inner[1]))), 1.0)]
    return _attended(x)


def _attended(x: Average) -> list[tuple[Average, float]] | None:
    """The values of an attention, of which every row of the result is an average."""
    made = x.made
    if made.name == "scaled_dot_product_attention":
        value, channels = made.args[2], x.channels
    elif made.name in ("matmul", "bmm") and isinstance(made.args[1], Moments):
        weights, value, channels = made.args[0], made.args[1], x.channels
        if not isinstance(weights, Moments) or not _sums_to_one(weights) or len(x.of.shape) - 2 in channels:
            return None
    elif made.name == "einsum":
        inputs, _, out = str(made.args[0]).replace(" ", "").partition("->")
        operands, letters = tensors_in(made.args[1:]), inputs.split(",")
        if len(operands) != 2 or "." in inputs or not _sums_to_one(operands[0]) or letters[0][-1] in out:
            return None
        value = operands[1]
        if any(out[d] not in letters[1] for d in x.channels):
            return None
        channels = tuple(letters[1].index(out[d]) for d in x.channels)
    else:
        return None
    return [(Average(value, channels), 1.0)] if isinstance(value, Moments) else None


def _sums_to_one(p: Moments) -> bool:
    """Whether a tensor is a softmax along its last dimension."""
    while p.made is not None and p.made.name in ("dropout", "to", "clone", "contiguous"):
        p = bare(p.made.args[0])[0]
    if p.made is None or "softmax" not in p.made.name:
        return False
    d = p.made.args[1] if len(p.made.args) > 1 else p.made.kwargs.get("dim", 0)
    return p.dim(d) == len(p.shape) - 1


def _viewed(x: Average) -> Average | None:
    """The average of what a view shows; dimensions are told by the step from one index to the next in memory order."""
    made, base = x.made, x.made.args[0]
    if made.name in ("permute", "transpose", "t", "movedim", "swapaxes"):
        order = _order(made, len(base.shape))
        if order is None:
            return None
        return Average(base, tuple(order[d] for d in x.channels), tuple((order[d], i, j) for d, i, j in x.ranges))
    if made.name in ("expand", "expand_as", "repeat"):
        return None
    shape = x.of.shape
    if math.prod(shape) != math.prod(base.shape):
        return None
    channels: list[int] = []
    for d in x.channels:
        found = _dims_at(base.shape, math.prod(shape[d + 1 :]), shape[d])
        if found is None:
            break
        channels += found
    else:
        ranges = []
        for d, i, j in x.ranges:
            found = _dims_at(base.shape, math.prod(shape[d + 1 :]), shape[d])
            if found is None or len(found) != 1:
                return None if j - i < shape[d] else Average(base, tuple(channels))
            ranges.append((found[0], i, j))
        return Average(base, tuple(channels), tuple(ranges))
    first, last = x.channels[0], x.channels[-1]  # several dimensions made of one
    if x.channels != tuple(range(first, last + 1)):
        return None
    whole = _dims_at(base.shape, math.prod(shape[last + 1 :]), math.prod(shape[first : last + 1]))
    return None if whole is None or x.ranges else Average(base, tuple(whole))


def _dims_at(shape: Sequence[int], step: int, size: int) -> list[int] | None:
    """The dimensions whose indices together step through `size` steps of this length."""
    inner, found, count = 1, [], 1
    for d in range(len(shape) - 1, -1, -1):
        if inner >= step and shape[d] > 1 and count < size:
            if inner != step * count or size % (count * shape[d]):
                return None
            found.append(d)
            count *= shape[d]
        inner *= shape[d]
    return found[::-1] if count == size and found else None


def _order(made: Made, rank: int) -> list[int] | None:
    """Which dimension each dimension of a permutation was."""
    order = list(range(rank))
    args = made.args[1:]
    if made.name == "permute":
        given = args[0] if args and isinstance(args[0], list | tuple) else args
        return [int(d) % rank for d in given]
    if made.name in ("transpose", "swapaxes", "t"):
        i, j = (0, rank - 1) if made.name == "t" else (int(d) % rank for d in args[:2])
        order[i], order[j] = order[j], order[i]
        return order
    return None


def _joined(x: Average) -> list[tuple[Average, float]] | None:
    """Pieces along a dimension of places, by their shares of the range."""
    pieces = tensors_in(x.made.args[0])
    d = x.of.dim(x.made.args[1] if len(x.made.args) > 1 else x.made.kwargs.get("dim", 0))
    if d in x.channels or sum(p.shape[d] for p in pieces) != x.of.shape[d]:
        return None
    low, high = next(((i, j) for n, i, j in x.ranges if n == d), (0, x.of.shape[d]))
    others = tuple(r for r in x.ranges if r[0] != d)
    found, start = [], 0
    for piece in pieces:
        i, j = max(low, start) - start, min(high, start + piece.shape[d]) - start
        if j > i:
            ranges = others if j - i == piece.shape[d] else (*others, (d, i, j))
            found.append((Average(piece, x.channels, ranges), (j - i) / (high - low)))
        start += piece.shape[d]
    return found


def _alone(a: Average, b: Average) -> Moments | None:
    """Of one tensor, over two ranges."""
    x = a.of
    if list(a.channels) != sorted(a.channels):
        return None
    pair = x.centered()
    for d in reversed(range(len(x.dims))):
        if d in a.channels:
            continue
        first, second = (next(((i, j) for n, i, j in z.ranges if n == d), (0, x.shape[d])) for z in (a, b))
        start = x.position(d)
        for k in reversed(range(start, start + len(x.dims[d]))):
            axis = x.axes[k]
            weights = axis.pair_shares
            if (first, second) != ((0, x.shape[d]), (0, x.shape[d])):
                if len(x.dims[d]) != 1:
                    return None
                weights = _shares(axis, first, second)
            pair = np.tensordot(pair, weights, (k, 0))
    return plain(tuple(x.dims[d] for d in a.channels), pair)


def _shares(axis: Axis, first: tuple[int, int], second: tuple[int, int]) -> Array:
    """Share of each pair state among pairs of an index of one range and one of another."""
    labels = np.zeros(axis.size, dtype=np.int64) if axis.labels is None else axis.labels
    rows, columns = np.arange(*first), np.arange(*second)
    groups = axis.groups
    state = state_of(groups, labels[rows][:, None], labels[columns][None, :])
    state = np.where(rows[:, None] == columns[None, :], labels[rows][:, None], state)
    counts = np.bincount(state.reshape(-1), minlength=axis.states).astype(np.float64)
    return np.asarray(counts / counts.sum())


def _before(x: Average, n: int) -> Average:
    return replace(x, of=x.made.args[n])


def _normed(x: Average, c: Moments | None) -> Moments | None:
    """The covariance of a normalized tensor, from that of what is normalized: as `covariance` has it, by channels alone."""
    if c is None or x.of.q <= 0.0:
        return None
    flat = c.with_(dims=((),) * (len(x.of.shape) - 1) + c.dims)
    found = normalized(x.of, flat)
    if found is None:
        return None
    places = [k for k in range(len(found.axes)) if k < found.position(len(found.dims) - 1)]
    return plain(found.dims[-1:], found.pair[tuple([-1 if k in places else slice(None) for k in range(found.pair.ndim)])])


def _mapped(x: Average) -> bool:
    """Whether weights made a tensor's channels."""
    made = x.made
    if made.name == "linear":
        return x.channels == (len(x.of.shape) - 1,) and isinstance(made.args[1], Moments) and is_leaf(made.args[1])
    return made.name in CONVOLUTIONS and x.channels == (1,) and isinstance(made.args[1], Moments) and is_leaf(made.args[1])


def _bias(x: Average) -> Any:
    return (*x.made.args, None, None)[2]


def _twins(tape: Tape, a: Average, b: Average, depth: int) -> Moments | None:
    """Of two results of the same weights, from what their arguments have in common; a kernel is summed over its taps."""
    weight: Moments = a.made.args[1]
    if len(weight.dims) < 2 or np.any(weight.mean):
        return None
    before = [Average(x.made.args[0], (1,) if x.made.name in CONVOLUTIONS else (len(x.made.args[0].shape) - 1,), _kept(x)) for x in (a, b)]
    c = _common(tape, before[0], before[1], depth + 1)
    terms: list[Moments | None] = []
    inside = before[0].of.shape[before[0].channels[0]]
    means = before[0].of.m * before[1].of.m
    if (c is not None or means) and weight.shape[1] == inside:
        from initlint.propagate.ops.matrix import contract

        summed = weight.summed(weight.dim_axes(range(2, len(weight.dims))))
        axis = before[0].of.dims[before[0].channels[0]] if c is None else c.dims[0]
        level = plain((axis,), np.full([k.states for k in axis], means))
        out = contract(level if c is None else total([c, level]) or c, summed.with_(dims=summed.dims[:2]), "Y", "ZY", "Z")
        terms.append(plain(out.dims, out.pair))
    if isinstance(bias := _bias(a), Moments):
        terms.append(plain(bias.dims, bias.centered()))
    return total(terms)


def _kept(x: Average) -> tuple[Range, ...]:
    """The ranges of a linear layer's argument; those of an image are not followed through a kernel."""
    return x.ranges if x.made.name == "linear" else ()


def _of_channels(tape: Tape, a: Average, b: Average, depth: int) -> Moments | None:
    """Of the same part of the channels of two tensors."""
    from initlint.propagate.ops.gather import take_axis

    first, second = sliced(a.of), sliced(b.of)
    if first is None or second is None or first[3] or second[3] or not np.array_equal(first[2], second[2]):
        return None
    if a.channels != (first[1],) or b.channels != (second[1],):
        return None
    c = _common(tape, replace(a, of=first[0]), replace(b, of=second[0]), depth + 1)
    if c is None or len(c.dims[0]) != 1:
        return None
    found = take_axis(c, 0, first[2])
    return plain(found.dims, found.pair)


def _shaped(c: Moments, x: Average) -> Moments:
    """A covariance by the channels that x has: those of what it was made of may be one dimension, or several."""
    sizes = [x.of.shape[d] for d in x.channels]
    return c if list(c.shape) == sizes else c.reshaped(sizes)
