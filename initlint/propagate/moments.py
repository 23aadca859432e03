"""`Moments`: first moments of the elements and second moments of the pairs of elements of one random tensor.

    mean[g1, …, gn]   E[x] of an element in the groups g1 … gn of the axes
    pair[s1, …, sn]   E[x_u x_v] of two elements whose indices are, along axis k, in pair state s_k (see `axes`)

The expectation is over weights and inputs. Elements that are "same" along every axis give the second moment. A tensor's
dimension is a product of axes: `reshape` splits and regroups axes and loses nothing. All linear operators, products of
independent tensors and contractions are exact in this domain; what is approximate (a non-linear function of values that
are not quite Gaussian) is in `pointwise` and in the operators that say so.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from initlint.propagate.axes import (
    Array,
    Axis,
    Labels,
    along,
    average_of_cells,
    canonical,
    coarsen_matrix,
    common,
    refine_map,
    refinement,
    state_of,
    weighed,
)

if TYPE_CHECKING:
    from initlint.propagate.lineage import Made
    from initlint.propagate.near import Near
    from initlint.propagate.ops.filtering import Filtered
    from initlint.propagate.pointwise import Profile
    from initlint.propagate.shifted import Shifted

Dims = tuple[tuple[Axis, ...], ...]
NOTHING: Near = {}
CROSSED = 6  # pairs of a kind of row with a kind of column of a split axis that are told apart
TOGETHER = 6  # groups of two axes that become one up to which they are told apart
MOVED = 0.25  # share of its size by which a group may change when its border is moved, rather than averaged over


@dataclass(frozen=True, slots=True, eq=False)
class Gram:
    """That a tensor is a fresh random linear image of `base`: its inner products over `axes` are those of base, and fluctuate.

    Two tokens' E[y_s y_s'] over the weights is u_s·u_s', a sum over `freedom` features. Its average may be zero; its square
    is not, and another image of the same base has the same fluctuation. scale is how much of it is left after an operator.
    A row's own u_s·u_s fluctuates, too, with the relative variance `norm`: 2/n for n independent features. Both are inherited
    from layer to layer, so that a token made of four numbers has four degrees of freedom however wide it becomes. Where only
    this is known base is None; several bases where images of several tensors follow one another.
    """

    base: object
    axes: frozenset[int]
    freedom: float
    scale: float = 1.0
    norm: float = 0.0

    @property
    def law(self) -> Gram:
        """How it fluctuates, without what it is an image of."""
        return replace(self, base=None)

    def over(self, axes: frozenset[int]) -> Gram:
        """The same over other axes."""
        return Gram(self.base, axes, self.freedom, self.scale, self.norm)

    def moved(self, to: Callable[[int], int | None]) -> Gram | None:
        """The same with axes renumbered; None where one of them is lost."""
        new = [to(k) for k in self.axes]
        return None if None in new else self.over(frozenset([k for k in new if k is not None]))

    def repeated(self, k: int, count: int) -> Gram | None:
        """The same for rows that are repeated along new axes, `count` of them before axis k; None where features may be repeated."""
        if self.axes and k > min(self.axes):
            return None
        return self.over(frozenset(n + count for n in self.axes) | frozenset(range(k, k + count)))


class Moments:
    """Pair moments of a tensor; immutable by convention.

    dims      the axes of each dimension, major first; () for a dimension of size one
    zeros     share of exact zeros
    valid     share of entries that are not masked out, per cell, or None; the moments are those of the others
    both      share of pairs of which both are valid, by pair state, or None where only `valid` is known
    fill      the value that the masked entries have
    profile   the tensor as a function of one Gaussian source, or None (see `pointwise`)
    tails     (excess kurtosis, squared skewness) of an entry that is a sum of few terms, and as a source not quite normal
    wander    variance of the correlation of two entries from one construction to the next, by pair state, or None
    cosine    of how many dimensions, if it is a multiple of the cosines of the angles between vectors of one length each; or 0
    positive  no entry is ever negative, so that as a source it is log-normal rather than Gaussian
    negative  no entry is ever positive: minus a log-normal one
    centred   the tensor minus its average, by the dimensions averaged over, once that was computed
    parts     (term, factor) of which it is the sum, where the terms are independent
    affine    (base, a, b) where the tensor is a·base + b element by element, or None
    complex   the pair moments are Hermitian ones, of real and imaginary parts that are alike (see `ops.spectral`)
    real      of a complex tensor, the pair moments of its real part, where they are known not to be half of all
    imaginary  of a complex tensor, the mean of its imaginary part, where it is not zero
    sample    the sorted values, where they are known and only their places are not
    made      the call of the graph whose result it is, or None (see `lineage`)
    thinned   (base, share) where an entry is that of base with this probability, and zero else
    slice_of  (base, dimension, indices) where the tensor is base at these indices
    spectrum  axes that are frequencies of a real tensor's transform, so that those of k and −k are conjugate
    gram      what it is a random linear image of, or None
    broadcast_of what it was expanded from, or None
    turned    (base, order) of which it is a permutation of dimensions, or None
    filtered  the real tensors of whose transforms along one dimension it is the product, or None
    shifted   (known table, random part) of which it is the sum, or None (see `shifted`)
    averaged_of  (base, dimensions) where the tensor is the average of base over those dimensions, kept with size one
    """

    __slots__ = (
        "_level", "_shape", "affine", "averaged_of", "axes", "both", "broadcast_of", "centred", "complex", "cosine", "dims", "eye", "fill", "filtered", "flags", "gram", "imaginary", "made", "mean", "method", "near", "negative", "pair", "parts", "positive",
        "profile", "real", "sample", "shifted", "slice_of", "spectrum", "tails", "thinned", "turned", "valid", "wander",
        "zeros",
    )  # fmt: skip

    def __init__(
        self,
        dims: Dims,
        mean: Array,
        pair: Array,
        *,
        zeros: float = 0.0,
        method: str = "closed",
        flags: tuple[str, ...] = (),
        profile: Profile | None = None,
        valid: Array | None = None,
        both: Array | None = None,
        fill: float = 0.0,
        positive: bool = False,
        negative: bool = False,
        affine: tuple[Moments, float, float] | None = None,
        averaged_of: tuple[Moments, tuple[int, ...]] | None = None,
        gram: Gram | None = None,
        complex: bool = False,
    ) -> None:
        self.dims = dims
        self.axes: tuple[Axis, ...] = tuple(itertools.chain.from_iterable(dims))
        self.mean = mean
        self.pair = pair
        self.zeros = zeros
        self.method = method
        self.flags = flags
        self.profile = profile
        self.valid = valid
        self.both = both
        self.fill = fill
        self.positive = positive
        self.negative = negative
        self.parts: tuple[tuple[Moments, float], ...] = ()
        self.centred: dict[tuple[int, ...], Moments] | None = None
        self.affine = affine
        self.averaged_of = averaged_of
        self.gram = gram
        self.complex = complex
        self.near: Near = NOTHING
        self.sample: Array | None = None
        self.shifted: Shifted | None = None
        self.made: Made | None = None
        self.thinned: tuple[Moments, float] | None = None
        self.slice_of: tuple[Moments, int, Labels] | None = None
        self.spectrum: frozenset[int] = frozenset()
        self.broadcast_of: Moments | None = None
        self.turned: tuple[Moments, tuple[int, ...]] | None = None
        self.filtered: Filtered | None = None
        self.real: Array | None = None
        self.imaginary: Array | None = None
        self.cosine = 0
        self.eye = 0.0
        self.tails = (0.0, 0.0)
        self.wander: Array | None = None
        self._level: tuple[Array, float] | None = None  # pair moments, and the E[x²] found of them
        self._shape: tuple[int, ...] | None = None

    # -- what it is -------------------------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        if self._shape is None:
            self._shape = tuple([dim[0].size if len(dim) == 1 else size_of(dim) for dim in self.dims])
        return self._shape

    @property
    def cells(self) -> Array:
        """E[x²] by cell, shape (G1, …, Gn)."""
        return self.pair[tuple([axis.cells for axis in self.axes])]

    def average(self, by_cell: Array) -> float:
        """The average over elements of a quantity given by cell."""
        if by_cell.size == 1:
            return float(by_cell.item())
        return average_of_cells(self.axes, by_cell)

    @property
    def q(self) -> float:
        """E[x²], averaged over the elements."""
        if self._level is None or self._level[0] is not self.pair:
            self._level = self.pair, self.average(self.cells)
        return self._level[1]

    @property
    def m(self) -> float:
        """E[x], averaged over the elements."""
        return self.average(self.mean)

    @property
    def is_zero(self) -> bool:
        return not self.cells.any()

    def with_(self, **changes: object) -> Moments:
        """A copy with some fields replaced; what it is a function of is forgotten unless given."""
        copy = Moments(
            self.dims, self.mean, self.pair, zeros=self.zeros, method=self.method, flags=self.flags, valid=self.valid,
            both=self.both, fill=self.fill, positive=self.positive, negative=self.negative, gram=self.gram, complex=self.complex,
        )  # fmt: skip
        copy.cosine = self.cosine
        if self.near and "near" not in changes:
            copy.near = self.near if "dims" not in changes else self.near_along(changes["dims"])  # type: ignore[arg-type]
        for name, value in changes.items():
            setattr(copy, name, value)
        if "dims" in changes:
            copy.axes = tuple([axis for dim in copy.dims for axis in dim])
        if self.gram is not None and "gram" not in changes and copy.mean.ndim != self.mean.ndim:
            copy.gram = None
        if self.both is not None and "both" not in changes and copy.pair.shape != self.both.shape:
            copy.both = None
        return copy

    def near_along(self, dims: Dims) -> Near:
        """`near` for other dimensions, as far as the last ones are the same."""
        same = 0
        while same < min(len(dims), len(self.dims)) and len(dims[-1 - same]) == 1 and size_of(dims[-1 - same]) == self.shape[-1 - same]:
            same += 1
        return {d: e for d, e in self.near.items() if d >= -same}

    # -- regrouping axes --------------------------------------------------------------------------------------------

    def position(self, dim: int) -> int:
        """Index of the first axis of dimension `dim` in `axes`."""
        count = 0
        for axes in self.dims[:dim]:
            count += len(axes)
        return count

    def dim(self, dim: int) -> int:
        """`dim`, counted from the front."""
        return dim + len(self.dims) if dim < 0 else dim

    def split(self, k: int, outer: int) -> Moments:
        """Axis k as two axes of sizes (outer, size/outer). Groups that fit neither factor are averaged."""
        axis = self.axes[k]
        factors = factors_of(axis, outer)
        if factors is None:
            inner = axis.size // outer
            assert axis.labels is not None
            usual = straddled(axis.labels.reshape(outer, inner), axis.groups)
            if usual is not None:
                # a few indices of the outer axis straddle a border between groups: each goes where most of it is
                return self.with_whole(k, np.repeat(usual, inner)).split(k, outer)
            return self.coarsened(k).split(k, outer)
        first, second, group, states = factors
        pair = np.take(self.pair, states.ravel(), axis=k)
        pair = pair.reshape(*self.pair.shape[:k], *states.shape, *self.pair.shape[k + 1 :])
        shape = (*self.mean.shape[:k], first.groups, second.groups, *self.mean.shape[k + 1 :])
        mean = np.take(self.mean, group.ravel(), axis=k).reshape(shape)
        valid = None if self.valid is None else np.take(self.valid, group.ravel(), axis=k).reshape(shape)
        both = None if self.both is None else np.take(self.both, states.ravel(), axis=k).reshape(pair.shape)
        gram = self.gram
        if gram is not None:
            axes = {n + (n > k) for n in gram.axes} | ({k + 1} if k in gram.axes else set())
            gram = gram.over(frozenset(axes))
        return self.with_(dims=replaced(self.dims, k, (first, second)), mean=mean, pair=pair, valid=valid, both=both, gram=gram)

    def with_whole(self, k: int, labels: Labels) -> Moments:
        """Axis k with other labels for some of its indices, every group keeping its moments."""
        axis = self.axes[k]
        kept = np.unique(labels)
        rows, columns = np.repeat(kept, len(kept)), np.tile(kept, len(kept))
        states = np.concatenate([kept, state_of(axis.groups, rows, columns)])
        return self.with_(
            dims=replaced(self.dims, k, (Axis(axis.size, canonical(labels), axis.role),)),
            mean=np.take(self.mean, kept, axis=k),
            pair=np.take(self.pair, states, axis=k),
            valid=None if self.valid is None else np.take(self.valid, kept, axis=k),
        )

    def coarsened(self, k: int, to: Axis | None = None) -> Moments:
        """Axis k with all groups averaged into one, or into the groups of `to`."""
        axis = self.axes[k]
        to = Axis(axis.size, None, axis.role) if to is None else to
        if axis.same_partition(to):
            return self
        pair = along(coarsen_matrix(axis, to), self.pair, k)
        both = None if self.both is None else along(coarsen_matrix(axis, to), self.both, k)
        share = np.zeros((to.groups, axis.groups))
        share[refinement(to, axis), np.arange(axis.groups)] = axis.counts
        share /= to.counts[:, None]
        mean = along(share, self.mean, k)
        valid = None if self.valid is None else along(share, self.valid, k)
        return self.with_(dims=replaced(self.dims, k, (to,)), mean=mean, pair=pair, valid=valid, both=both)

    def refined(self, k: int, fine: Axis) -> Moments:
        """Axis k with the finer groups of `fine`; every fine group has the moments of the group it lies in."""
        axis = self.axes[k]
        if axis.same_partition(fine):
            return self
        inside = refinement(axis, fine)
        return self.with_(
            dims=replaced(self.dims, k, (fine,)),
            mean=np.take(self.mean, inside, axis=k),
            pair=np.take(self.pair, refine_map(axis, fine), axis=k),
            valid=None if self.valid is None else np.take(self.valid, inside, axis=k),
            both=None if self.both is None else np.take(self.both, refine_map(axis, fine), axis=k),
        )

    def merged(self, k: int) -> Moments:
        """Axes k and k+1 as one axis. Where they are few, its groups are blocks, those of the first, and phases: places in a block."""
        work = self if self.axes[k + 1].groups == self.axes[k + 1].size else self.coarsened(k + 1)
        for n in (k + 1, k):
            if work.axes[k].groups * work.axes[k + 1].groups > TOGETHER:
                work = work.coarsened(n)
        a, b = work.axes[k], work.axes[k + 1]
        axis, matrix = joined(a, b)

        def pairs(states: Array) -> Array:
            return along(matrix, states.reshape(*states.shape[:k], a.states * b.states, *states.shape[k + 2 :]), k)

        def cells(groups: Array) -> Array:
            return groups.reshape(*groups.shape[:k], axis.groups, *groups.shape[k + 2 :])

        dims: list[tuple[Axis, ...]] = []
        seen = 0
        for axes in work.dims:
            inside = [axis if n == k else own for n, own in enumerate(axes, seen) if n != k + 1]
            seen += len(axes)
            dims.append(tuple(inside))
        gram = self.gram
        if gram is not None:
            both = len({k, k + 1} & gram.axes)
            gram = None if both == 1 else gram.moved(lambda n: n - (n > k))
        return work.with_(
            dims=tuple(dims), mean=cells(work.mean), pair=pairs(work.pair), gram=gram,
            valid=None if work.valid is None else cells(work.valid), both=None if work.both is None else pairs(work.both),
        )  # fmt: skip

    def refactored(self, sizes: Sequence[int]) -> Moments:
        """The same elements in the same order, the axes split (or merged) so that their sizes are `sizes`."""
        work = self
        k = 0
        for size in sizes:
            while True:
                axis = work.axes[k]
                if axis.size == size:
                    break
                if axis.size % size == 0:
                    work = work.split(k, size)
                    break
                if work.axes[k + 1].size > 1 and size % axis.size == 0 and work.axes[k + 1].size % (size // axis.size) == 0:
                    rest = size // axis.size
                    if work.axes[k + 1].size != rest:
                        work = work.split(k + 1, rest)
                work = work.merged(k)
            k += 1
        return work

    def reshaped(self, shape: Sequence[int]) -> Moments:
        """The tensor viewed with another shape (row-major, as torch's `reshape`)."""
        if tuple(shape) == self.shape:
            return self
        work = self
        dims: list[tuple[Axis, ...]] = []
        k = 0
        for size in shape:
            need, start = size, k
            while need > 1:
                axis = work.axes[k]
                if need % axis.size == 0:
                    need //= axis.size
                elif axis.size % need == 0:
                    work = work.split(k, need)
                    need = 1
                else:
                    work = work.merged(k)
                    continue
                k += 1
            dims.append((*work.axes[start:k],))
        return work.with_(dims=tuple(dims))

    def permuted(self, order: Sequence[int]) -> Moments:
        """Dimensions in another order."""
        order = [self.dim(d) for d in order]
        if order == list(range(len(order))):
            return self
        axes = self.dim_axes(order)
        rank = len(order)
        return self.with_(
            near={order.index(d + rank) - rank: e for d, e in self.near.items()} if self.near else NOTHING,
            dims=tuple(self.dims[d] for d in order),
            mean=self.mean.transpose(axes),
            pair=self.pair.transpose(axes),
            valid=None if self.valid is None else self.valid.transpose(axes),
            both=None if self.both is None else self.both.transpose(axes),
            gram=None if self.gram is None else self.gram.moved(axes.index),
        )

    def expanded(self, shape: Sequence[int]) -> Moments:
        """Broadcast to `shape`: a new axis holds copies, so both its states have the same moments."""
        work = self.with_(dims=((),) * (len(shape) - len(self.dims)) + self.dims)
        for d, size in enumerate(shape):
            if size in (-1, 1) or work.dims[d]:
                continue
            k = work.position(d)
            work = work.with_(
                gram=None if work.gram is None else work.gram.moved(_opened_at(k)),
                dims=(*work.dims[:d], (Axis(size),), *work.dims[d + 1 :]),
                mean=np.expand_dims(work.mean, k),
                pair=np.repeat(np.expand_dims(work.pair, k), 2, axis=k),
                valid=None if work.valid is None else np.expand_dims(work.valid, k),
                )
        return work

    # -- sums over axes ---------------------------------------------------------------------------------------------

    def summed(self, axes: Iterable[int]) -> Moments:
        """The sum over whole axes (by index in `axes`), which disappear."""
        gone = sorted(axes, reverse=True)
        mean, pair = self.mean, self.pair
        for k in gone:
            axis = self.axes[k]
            mean = weighed(mean, axis.counts, k)
            pair = weighed(pair, axis.pairs, k)
        return Moments(
            without(self.dims, gone), np.asarray(mean), np.asarray(pair), method=self.method, flags=self.flags, positive=self.positive
        )

    def averaged(self, axes: Iterable[int]) -> Moments:
        """The mean over whole axes, which disappear."""
        gone = list(axes)
        return self.summed(gone).scaled(1.0 / math.prod([self.axes[k].size for k in gone]))

    def dim_axes(self, dims: Iterable[int]) -> list[int]:
        """Indices of the axes of some dimensions."""
        found: list[int] = []
        for d in dims:
            start = self.position(self.dim(d))
            found += range(start, start + len(self.dims[d]))
        return found

    # -- arithmetic -------------------------------------------------------------------------------------------------

    def scaled(self, factor: float) -> Moments:
        """factor · x."""
        parts = {} if not self.complex else {
            "real": None if self.real is None else self.real * (factor * factor),
            "imaginary": None if self.imaginary is None else self.imaginary * factor,
        }  # fmt: skip
        return self.with_(
            **parts,
            mean=self.mean * factor,
            pair=self.pair * (factor * factor),
            positive=(self.positive and factor > 0) or (self.negative and factor < 0),
            negative=(self.negative and factor > 0) or (self.positive and factor < 0),
            zeros=1.0 if factor == 0 else self.zeros,
        )

    def mean_products(self, other: Moments | None = None) -> Array:
        """E[x_u]·E[y_v] by pair state, for an aligned y (x itself by default)."""
        return outer_means(self.axes, self.mean, self.mean if other is None else other.mean)

    def centered(self) -> Array:
        """Cov(x_u, x_v) by pair state."""
        return self.pair - self.mean_products() if self.mean.any() else self.pair


@lru_cache(maxsize=256)
def joined(a: Axis, b: Axis) -> tuple[Axis, Array]:
    """Two axes as one with the groups of both, and what its pair moments are averages of: (its states, states of a · states of b)."""
    first, second = (np.zeros(x.size, dtype=np.int64) if x.labels is None else x.labels for x in (a, b))
    axis = Axis(a.size * b.size, (first[:, None] * b.groups + second).reshape(-1), b.role)
    (row1, column1), (row2, column2) = a.rows, b.rows
    row, column = row1[:, None] * b.groups + row2, column1[:, None] * b.groups + column2
    same = (np.arange(a.states) < a.groups)[:, None] & (np.arange(b.states) < b.groups)
    to = np.where(same, row, state_of(axis.groups, row, column)).reshape(-1)
    matrix = np.zeros((axis.states, a.states * b.states))
    matrix[to, np.arange(len(to))] = np.outer(a.pairs, b.pairs).reshape(-1)
    total = matrix.sum(1)
    matrix[total > 0] /= total[total > 0, None]
    for state in np.flatnonzero(total == 0):  # "different" in a group of one cannot happen; keep it finite
        matrix[state] = matrix[axis.rows[0][state]]
    return axis, matrix


@lru_cache(maxsize=512)
def factors_of(axis: Axis, outer: int) -> tuple[Axis, Axis, Labels, Labels] | None:
    """An axis as two: the axes, and of which group, and of which pair state, of `axis` theirs are; None where groups fit neither."""
    inner = axis.size // outer
    labels = None if axis.labels is None else axis.labels.reshape(outer, inner)
    if labels is not None:
        if np.all(labels == labels[:, :1]):
            first, second = Axis(outer, labels[:, 0], axis.role), Axis(inner, None, axis.role)
        elif np.all(labels == labels[:1]):
            first, second = Axis(outer, None, axis.role), Axis(inner, labels[0], axis.role)
        elif (crossed := crossing(labels)) is not None:
            first, second = (Axis(size, part, axis.role) for size, part in zip((outer, inner), crossed, strict=True))
        else:
            return None
    else:
        first, second = Axis(outer, None, axis.role), Axis(inner, None, axis.role)
    (row1, column1), (row2, column2) = first.rows, second.rows
    group = np.zeros((first.groups, second.groups), dtype=np.int64)
    if labels is not None:
        index1 = np.zeros(outer, dtype=np.int64) if first.labels is None else first.labels
        index2 = np.zeros(inner, dtype=np.int64) if second.labels is None else second.labels
        group[index1[:, None], index2[None, :]] = labels
    row, column = group[np.ix_(row1, row2)], group[np.ix_(column1, column2)]
    states = state_of(axis.groups, row, column)
    same = (np.arange(first.states) < first.groups)[:, None] & (np.arange(second.states) < second.groups)[None, :]
    return first, second, group, np.where(same, row, states)


def crossing(labels: Labels) -> tuple[Labels, Labels] | None:
    """Kinds of rows and kinds of columns of a table of labels, if they are few: windows at the borders of an image."""
    rows = np.unique(labels, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
    columns = np.unique(labels, axis=1, return_inverse=True)[1].reshape(-1).astype(np.int64)
    return (rows, columns) if (rows.max() + 1) * (columns.max() + 1) <= CROSSED else None


def straddled(labels: Labels, groups: int) -> Labels | None:
    """For rows of labels, the commonest label of each row, if that leaves every group about its size."""
    usual = np.array([np.bincount(row, minlength=groups).argmax() for row in labels], dtype=np.int64)
    before = np.bincount(labels.reshape(-1), minlength=groups).astype(np.float64)
    after = np.bincount(usual, minlength=groups) * labels.shape[1]
    return usual if bool(np.all(np.abs(after - before) <= MOVED * before)) else None


def _opened_at(k: int) -> Callable[[int], int]:
    """Where an axis moves when a new one is put before axis k."""
    return lambda n: n + (n >= k)


def size_of(dim: Iterable[Axis]) -> int:
    """Number of indices of a dimension made of these axes."""
    size = 1
    for axis in dim:
        size *= axis.size
    return size


def replaced(dims: Dims, k: int, by: tuple[Axis, ...]) -> Dims:
    """`dims` with axis number k replaced by `by`."""
    result: list[tuple[Axis, ...]] = []
    seen = 0
    for axes in dims:
        if seen <= k < seen + len(axes):
            here = k - seen
            axes = (*axes[:here], *by, *axes[here + 1 :])
            seen -= len(by) - 1
        seen += len(axes)
        result.append(axes)
        if by is not None and seen > k:
            result.extend(dims[len(result) :])
            break
    return tuple(result)


def without(dims: Dims, gone: Iterable[int]) -> Dims:
    """`dims` without some axes; a dimension that loses all has size one."""
    drop = set(gone)
    result: list[tuple[Axis, ...]] = []
    seen = 0
    for axes in dims:
        result.append(tuple(axis for n, axis in enumerate(axes, seen) if n not in drop))
        seen += len(axes)
    return tuple(result)


def outer_means(axes: Sequence[Axis], left: Array, right: Array) -> Array:
    """left[group of u] · right[group of v] for every pair state of (u, v)."""
    if not axes:
        return np.asarray(left * right)
    if left.size == 1 and right.size == 1:
        return np.full(tuple(axis.states for axis in axes), float(left.flat[0]) * float(right.flat[0]))
    result = np.empty([axis.states for axis in axes])
    for k in range(len(axes) - 1, -1, -1):  # the first axis last, of which whole blocks are copied
        if axes[k].labels is not None:
            row, column = axes[k].rows
            left, right = left.take(row, axis=k), right.take(column, axis=k)
    return np.multiply(left, right, out=result)


def point(value: float) -> Moments:
    """A tensor without dimensions that always has this value."""
    return Moments((), np.array(float(value)), np.array(float(value) * float(value)), zeros=1.0 if value == 0 else 0.0)


def iid(shape: Sequence[int], mean: float, second_moment: float, *, batch: bool = False) -> Moments:
    """Independent elements with one law; with `batch`, dimension 0 counts as samples."""
    dims = tuple(() if n == 1 else (Axis(n, None, "batch" if batch and d == 0 else "position"),) for d, n in enumerate(shape))
    axes = [axis for dim in dims for axis in dim]
    pair = np.full((2,) * len(axes), float(mean) * float(mean))
    pair[(0,) * len(axes)] = second_moment
    zeros = 1.0 if second_moment == 0 else 0.0
    return Moments(dims, np.full((1,) * len(axes), float(mean)), pair, zeros=zeros)


def constant(shape: Sequence[int], value: float) -> Moments:
    """Every element has this value."""
    return iid(shape, value, value * value)


def constant_like(x: Moments, value: float) -> Moments:
    """Every element has this value, in the shape of x: samples are samples."""
    dims = tuple(tuple(Axis(axis.size, None, axis.role) for axis in dim) for dim in x.dims)
    count = sum(map(len, dims))
    zeros = 1.0 if value == 0.0 else 0.0
    return Moments(dims, np.full((1,) * count, float(value)), np.full((2,) * count, float(value) ** 2), zeros=zeros)


def align(*tensors: Moments) -> tuple[Moments, ...]:
    """Broadcast tensors against each other and give them the same axes."""
    first = tensors[0]
    if all(other.dims == first.dims for other in tensors[1:]):
        return tensors
    rank = max(len(t.dims) for t in tensors)
    work = [t if len(t.dims) == rank else t.with_(dims=((),) * (rank - len(t.dims)) + t.dims) for t in tensors]
    dims: list[tuple[Axis, ...]] = []
    for d in range(rank):
        present = [t.dims[d] for t in work if t.dims[d]]
        if not present or all(axes == present[0] for axes in present[1:]):
            dims.append(present[0] if present else ())
            continue
        sizes = common_factors([[axis.size for axis in axes] for axes in present])
        work = [factored(t, d, sizes) for t in work]
        axes = [t.dims[d] for t in work if t.dims[d]]
        target = axes[0]
        for others in axes[1:]:
            target = tuple(common(a, b) for a, b in zip(target, others, strict=True))
        dims.append(target)
    return tuple(_conform(t, tuple(dims)) for t in work)


def _conform(tensor: Moments, dims: Dims) -> Moments:
    """The tensor with exactly these axes, broadcast where it has none."""
    if tensor.dims == dims:
        return tensor
    for d, target in enumerate(dims):
        k = tensor.position(d)
        if target and not tensor.dims[d]:
            gram = None if tensor.gram is None else tensor.gram.repeated(k, len(target))
            states = tuple(axis.states for axis in target)
            groups = tuple(axis.groups for axis in target)
            shape = tensor.pair.shape
            pair = tensor.pair.reshape(*shape[:k], *(1,) * len(target), *shape[k:])
            pair = np.broadcast_to(pair, (*shape[:k], *states, *shape[k:]))
            shape = tensor.mean.shape
            expanded = (*shape[:k], *groups, *shape[k:])
            mean = np.broadcast_to(tensor.mean.reshape(*shape[:k], *(1,) * len(target), *shape[k:]), expanded)
            valid, both = tensor.valid, tensor.both
            if valid is not None:
                valid = np.broadcast_to(valid.reshape(*shape[:k], *(1,) * len(target), *shape[k:]), expanded)
            if both is not None:
                both = both.reshape(*both.shape[:k], *(1,) * len(target), *both.shape[k:])
                both = np.broadcast_to(both, pair.shape)
            tensor = tensor.with_(
                dims=(*tensor.dims[:d], target, *tensor.dims[d + 1 :]), mean=mean, pair=pair, valid=valid, both=both, profile=None,
                gram=gram,
            )  # fmt: skip
            continue
    return _regrouped(tensor, dims)


def _regrouped(tensor: Moments, dims: Dims) -> Moments:
    """The tensor with axes of the same sizes, and groups as fine or finer: every one has the moments of the group it lies in."""
    if tensor.dims == dims:
        return tensor
    mean, pair, valid, both = tensor.mean, tensor.pair, tensor.valid, tensor.both
    for k, (axis, fine) in enumerate(zip(tensor.axes, [axis for dim in dims for axis in dim], strict=True)):
        if axis is fine or axis.same_partition(fine):
            continue
        inside, states = refinement(axis, fine), refine_map(axis, fine)
        mean, pair = mean.take(inside, axis=k), pair.take(states, axis=k)
        valid = None if valid is None else valid.take(inside, axis=k)
        both = None if both is None else both.take(states, axis=k)
    return tensor.with_(dims=dims, mean=mean, pair=pair, valid=valid, both=both)


def factored(tensor: Moments, d: int, sizes: Sequence[int]) -> Moments:
    """The tensor with dimension d made of axes of these sizes (unchanged when it has size one)."""
    axes = tensor.dims[d]
    if not axes or [axis.size for axis in axes] == list(sizes):
        return tensor
    before = [axis.size for dim in tensor.dims[:d] for axis in dim]
    after = [axis.size for dim in tensor.dims[d + 1 :] for axis in dim]
    flat = tensor.refactored([*before, *sizes, *after])
    start = len(before)
    new = flat.axes[start : start + len(sizes)]
    return flat.with_(dims=(*tensor.dims[:d], new, *tensor.dims[d + 1 :]))


def common_factors(lists: Sequence[Sequence[int]]) -> list[int]:
    """Sizes of the coarsest common refinement of several factorizations of one number; one axis if there is none."""
    if all(list(sizes) == list(lists[0]) for sizes in lists):
        return list(lists[0])
    total = math.prod(lists[0])
    cuts = {1, total}
    for sizes in lists:
        inner = 1
        for size in reversed(sizes):
            inner *= size
            cuts.add(inner)
    ordered = sorted(cuts)
    if any(b % a for a, b in itertools.pairwise(ordered)):
        return [total]
    return [b // a for a, b in itertools.pairwise(ordered)][::-1]


def relabelled(axis: Axis, labels: object) -> Axis:
    """An axis of the same size and role with other groups."""
    return Axis(axis.size, None if labels is None else canonical(np.asarray(labels)), axis.role)
