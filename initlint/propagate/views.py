"""A source seen in another shape: with other dimensions of size one, and with new axes along which a known tensor varies.

x[..., None] against a known grid is many functions of one entry: f_k(z) for every index k of the new axis. They are carried
as the values of each f_k on the grid of z, so that everything computed from them element by element stays exact, and two of
one entry keep their dependence:

    E[f_k(u) f_l(v)] = Σ_n a_n(f_k) a_n(f_l) ρ^n,    and E[f_k(z) f_l(z)] for one entry (ρ = 1), whatever the functions

Radial basis functions, splines, Fourier features of known frequency, embeddings of a time step, soft binning are of this
kind. Moments are averaged over the new axis (sums over k before products, so that a long axis costs no more than its length).

A cotangent of such a tensor goes back to its entry as Σ_k g_k f_k'(z): it keeps the shape it has until it is totalled, so that
several paths from one spline to one entry add before they are squared (`View.target`, `View.index`).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from initlint.propagate.axes import Array, Axis, Labels, average_of_pairs
from initlint.propagate.linear import members
from initlint.propagate.sources import ORDER, REACH, Profile, Source, grid, shape_of

if TYPE_CHECKING:
    from initlint.propagate.moments import Dims, Moments

LARGEST = 1 << 19  # values of all functions of one tensor on the grid; a longer axis is not followed

# by dimension, the axes of a view: the number of an axis of the base, or minus the size of a new axis
Layout = tuple[tuple[int, ...], ...]
# for every new axis of a tensor: which of the new axes of another it is (None: gone, one index was selected), at which indices
Index = tuple[tuple["int | None", "tuple[int, ...] | None"], ...]


def layout_of(source: Source) -> Layout:
    """The axes of a source by dimension."""
    if isinstance(source, View):
        return source.layout
    numbers = itertools.count()
    return tuple(tuple(next(numbers) for _ in dim) for dim in source.dims)


def base_of(source: Source) -> Source:
    """The source that a view is of."""
    return source.base if isinstance(source, View) else source


class View(Source):
    """`base` with the axes of `layout`, in the order in which base has them.

    target, index   where a cotangent of this shape belongs, if not here: to the tensor with source `target`, whose new axes
                    are those of `index` here; it is summed over its other new axes
    """

    __slots__ = ("base", "index", "layout", "target")

    def __init__(self, base: Source, layout: Layout, target: Source | None = None, index: Index = ()) -> None:
        self.take_number()
        self.base, self.layout, self.target, self.index = base, layout, target, index
        self.origin = base.origin if target is None else base.origin.with_()
        axes = [axis for dim in base.dims for axis in dim]
        self.dims = tuple(tuple(axes[n] if n >= 0 else Axis(-n) for n in dim) for dim in layout)
        self.points = base.points
        new = tuple(k for k, n in enumerate(n for dim in layout for n in dim) if n < 0)
        self.deviation = np.expand_dims(base.deviation, new)
        correlation = np.expand_dims(base.correlation, new)
        for k in new:
            correlation = np.repeat(correlation, 2, axis=k)
        self.correlation = correlation
        self.views, self.wander = {}, None


def view(source: Source, layout: Layout, target: Source | None = None, index: Index = ()) -> Source:
    """The one view of the base of `source` with these properties."""
    base = base_of(source)
    if target is None and layout == layout_of(base):
        return base
    key = (layout, None if target is None else target.key, index)
    if key not in base.views:
        base.views[key] = View(base, layout, target, index)
    return base.views[key]


def joint_layout(first: Layout, second: Layout) -> Layout | None:
    """The layout of a function of two tensors broadcast against each other; None where an entry of one meets several of the other."""
    rank = max(len(first), len(second))
    both = [((),) * (rank - len(layout)) + layout for layout in (first, second)]
    joint = tuple(a or b for a, b in zip(*both, strict=True))
    fits = all(a == b or not a or not b for a, b in zip(*both, strict=True))
    numbers = [n for dim in joint for n in dim if n >= 0]
    return joint if fits and numbers == sorted(set(numbers)) else None


def joint(x: Profile, y: Profile) -> tuple[Profile, Profile] | None:
    """Two functions of one source, broadcast against each other; None where they are no such functions."""
    if base_of(x.source) is not base_of(y.source):
        return None
    layout = joint_layout(layout_of(x.source), layout_of(y.source))
    return None if layout is None else (in_view(x, layout), in_view(y, layout))


def in_view(x: Profile, layout: Layout) -> Profile:
    """The same function, the same for all indices of the axes that `layout` adds."""
    own = layout_of(x.source)
    if layout == own:
        return x
    source = view(x.source, layout)
    return Profile(source, np.broadcast_to(in_layout(x.values, own, layout), (len(x.values), *cells_of(source))))


def new_axes(layout: Layout) -> list[int]:
    """Numbers of the new axes, among all axes of a view."""
    return [k for k, n in enumerate(n for dim in layout for n in dim) if n < 0]


def cells_of(source: Source) -> tuple[int, ...]:
    """How many values a function of the source has, by axis: one for every group of the base's axes, and for every index of new ones."""
    numbers = (n for dim in layout_of(source) for n in dim)
    return tuple(-n if n < 0 else size for n, size in zip(numbers, source.deviation.shape, strict=True))


def may_widen(x: Moments, shape: tuple[int, ...]) -> bool:
    """Whether a known tensor of this shape makes several functions of each entry of x."""
    if x.valid is not None or x.complex or not np.any(x.cells > x.mean**2):
        return False
    own = x.shape
    if len(shape) < len(own):
        shape = (1,) * (len(own) - len(shape)) + shape
    new = any(n > 1 and (k < len(shape) - len(own) or own[k - len(shape)] == 1) for k, n in enumerate(shape))
    return new or (x.profile is not None and isinstance(x.profile.source, View))


def widened(x: Profile, table: Array) -> tuple[Profile, Array] | None:
    """x broadcast against a known tensor, and that tensor by axes; None where it differs along axes of x's base."""
    own = layout_of(x.source)
    rank = max(len(own), table.ndim)
    own = ((),) * (rank - len(own)) + own
    table = table.reshape((1,) * (rank - table.ndim) + table.shape)
    layout: list[tuple[int, ...]] = []
    shape = [1]
    for d, axes in enumerate(own):
        size = int(table.shape[d])
        if size > 1 and any(n >= 0 for n in axes):
            first = table.take([0], axis=d)
            if not np.all(table == first):
                return None
            table, size = first, 1
        if not axes and size > 1:
            axes = (-size,)
        if len(axes) > 1 and size > 1:
            return None
        layout.append(axes)
        shape += [1] * len(axes) if size == 1 else [size]
    source = view(x.source, tuple(layout))
    if len(x.values) * np.prod(cells_of(source)) > LARGEST or source is base_of(source):
        return None
    return in_view(x, tuple(layout)), table.reshape(shape)


def sliced(x: Profile, d: int, indices: Labels) -> Profile | None:
    """x at some indices of a new axis; None where dimension d is no such axis."""
    layout = layout_of(x.source)
    if len(layout[d]) != 1 or layout[d][0] >= 0:
        return None
    k = 1 + sum(map(len, layout[:d]))
    values = x.values.take(indices, axis=k)
    left = (-len(indices),) if len(indices) > 1 else ()
    return Profile(view(x.source, (*layout[:d], left, *layout[d + 1 :])), values if left else values.squeeze(k))


def sliced_at(source: Source, d: int, indices: Labels) -> Index:
    """The new axes of the slice of a tensor with `source`."""
    result: list[tuple[int | None, tuple[int, ...] | None]] = []
    count = 0
    for n, dim in enumerate(layout_of(source)):
        if new_axes((dim,)):
            gone = n == d and len(indices) == 1
            result.append((None if gone else count, tuple(int(i) for i in indices) if n == d else None))
            count += not gone
    return tuple(result)


def reshaped(x: Profile, shape: Sequence[int]) -> Profile | None:
    """x with dimensions of size one put in or left out; None where more is changed."""
    layout = layout_of(x.source)
    before = [size for size, axes in zip(shape_of(x.source.dims), layout, strict=True) if axes]
    if before != [n for n in shape if n != 1]:
        return None
    kept = iter([axes for axes in layout if axes])
    return Profile(view(x.source, tuple(() if n == 1 else next(kept) for n in shape)), x.values)


def place_of(source: Source) -> Source:
    """The source of the tensor to which a cotangent with this source belongs."""
    return source.target if isinstance(source, View) and source.target is not None else source


def as_seen(values: Array, own: Source, by: Source) -> Array:
    """Values of a tensor with source `own`, to be multiplied with those of a cotangent that belongs to it and has source `by`."""
    if own is by or not isinstance(by, View):
        return values
    here, there = new_axes(layout_of(own)), new_axes(by.layout)
    gone = []
    for k, (to, indices) in zip(here, by.index, strict=True):
        if indices is not None:
            values = values.take(indices, axis=k + 1)
        if to is None:
            gone.append(k + 1)
    kept = {to for to, _ in by.index}
    return np.expand_dims(values.squeeze(tuple(gone)), tuple(k + 1 for n, k in enumerate(there) if n not in kept))


def in_layout(values: Array, own: Layout, wide: Layout) -> Array:
    """Values of a tensor with layout `own`, to be broadcast against those of one with layout `wide`."""
    lead = len(wide) - len(own)
    k = 1
    for d, axes in enumerate(wide):
        if axes and not (d >= lead and own[d - lead]):
            values = np.expand_dims(values, tuple(range(k, k + len(axes))))
        k += len(axes)
    return values


def unchanged(source: Source) -> Index:
    """That the new axes of another tensor are those of this one."""
    return tuple((n, None) for n in range(len(new_axes(layout_of(source)))))


def broadcast_from(target: Source, of: Source) -> Index:
    """Which new axes of `of` are those of `target`, which was broadcast to it."""
    return tuple(
        (sum(len(new_axes((dim,))) for dim in layout_of(of)[: d - len(layout_of(target)) + len(layout_of(of))]), None)
        for d, dim in enumerate(layout_of(target)) if new_axes((dim,))
    )  # fmt: skip


def onto(source: Source, of: Source, target: Source, index: Index) -> Source:
    """The source of a cotangent with `source`, which belongs to a tensor with source `of`, sent back to one with `target`.

    index    for every new axis of target, which one of `of` it is, at which indices
    """
    if of is target:
        return source
    before = source.index if isinstance(source, View) and source.target is not None else unchanged(of)
    into: list[tuple[int | None, tuple[int, ...] | None]] = []
    for number, indices in index:
        to, inner = (None, None) if number is None else before[number]
        into.append((to, indices if inner is None else inner if indices is None else tuple(indices[n] for n in inner)))
    return view(source, layout_of(source), target, tuple(into))


def arrived(source: View, g: Moments) -> Moments:
    """The cotangent of `target` from one with the shape of `source`."""
    from initlint.propagate.ops.gather import place

    if source.target is None:
        return g
    kept = {to for to, _ in source.index}
    g = g.summed(k for n, k in enumerate(new_axes(source.layout)) if n not in kept)
    dims, indices = source.target.dims, iter(source.index)
    into = {d: next(indices)[1] for d, dim in enumerate(layout_of(source.target)) if new_axes((dim,))}
    g = g.reshaped([size if into.get(d) is None else len(into[d] or ()) for d, size in enumerate(shape_of(dims))])
    for d, chosen in into.items():
        if chosen is not None:
            g = place(g, d, dims[d][0].size, np.array(chosen, dtype=np.int64), dims[d][0])
    return g


def matched(source: Source, like: Moments) -> Dims:
    """The dimensions of `source`, its new axes grouped like those of a tensor of this shape."""
    if not isinstance(source, View):
        return source.dims
    dims = []
    for numbers, axes, other in zip(source.layout, source.dims, like.dims, strict=True):
        new = len(numbers) == 1 and numbers[0] < 0 and len(other) == 1 and other[0].size == axes[0].size
        dims.append(other if new else axes)
    return tuple(dims)


def averaged(source: View, values: Array, axes: Sequence[Axis]) -> Array:
    """A quantity given by index of the new axes, by their groups."""
    for k, n in enumerate(n for dim in source.layout for n in dim):
        if n < 0:
            member = members(axes[k]) / axes[k].counts
            wide = np.broadcast_to(values, (*values.shape[:k], -n, *values.shape[k + 1 :]))
            values = np.moveaxis(np.tensordot(wide, member, (k, 0)), -1, k)
    return values


def pair_of_view(source: View, values: Array, axes: Sequence[Axis]) -> Array:
    """E[f_k(u) f_l(v)] by pair state of `axes`, whose groups along new axes the functions are averaged over."""
    _, w, transform = grid(source.points)
    numbers = [n for dim in source.layout for n in dim]
    new = [k for k, n in enumerate(numbers) if n < 0]
    old = [k for k, n in enumerate(numbers) if n >= 0]
    full = cells_of(source)
    values = np.broadcast_to(values, (len(w), *full)).transpose(0, *(k + 1 for k in old), *(k + 1 for k in new))
    sizes = [full[k] for k in new]
    values = values.reshape(len(w), -1, *sizes)
    series = np.tensordot(transform, values, 1)
    rest = np.maximum(np.tensordot(w, values**2, 1) - (series**2).sum(0), 0.0)
    slope = np.asarray(np.gradient(values, 2 * REACH / source.points, axis=0)) ** 2
    power = np.tensordot(w, slope, 1) - np.tensordot(np.arange(ORDER, dtype=np.float64), series**2, 1)
    inside = tuple(range(1, rest.ndim))
    power = np.clip(power.sum(inside) / np.maximum(rest.sum(inside), 1e-300), ORDER, 1e3)
    rows = np.concatenate([series, np.sqrt(w).reshape(-1, *(1,) * (values.ndim - 1)) * values])

    cells = np.arange(values.shape[1]).reshape(source.base.deviation.shape)
    base_axes = [axis for dim in source.base.dims for axis in dim]
    left = cells[np.ix_(*(axis.rows[0] for axis in base_axes))].reshape(-1)
    right = cells[np.ix_(*(axis.rows[1] for axis in base_axes))].reshape(-1)
    couples, of = np.unique(left * len(power) + right, return_inverse=True)
    series_pairs, exact = _products(rows, couples // len(power), couples % len(power), [axes[k] for k in new])

    rho = source.base.correlation.reshape(-1, *(1,) * len(new))
    of = of.reshape(-1)
    pair = np.zeros((len(of), *exact.shape[1:]))
    for k in range(ORDER - 1, -1, -1):
        pair = pair * rho + series_pairs[k][of]
    steep = np.sqrt(power[left] * power[right]).reshape(rho.shape)
    pair = pair + (exact - series_pairs.sum(0))[of] * np.maximum(rho, 0.0) ** steep
    shape = source.base.correlation.shape
    pair = pair.reshape((*shape, *exact.shape[1:]))
    same = tuple(slice(0, axis.groups) for axis in base_axes)
    pair[same] = exact[of].reshape((*shape, *exact.shape[1:]))[same]
    order = [*old, *new]
    return np.array(pair.transpose([order.index(k) for k in range(len(order))]))


def _products(rows: Array, left: Labels, right: Labels, new: Sequence[Axis]) -> tuple[Array, Array]:
    """Averages over pairs of functions of f·f', by pair state of the new axes: for each coefficient, and summed over the grid."""
    states = tuple(axis.states for axis in new)
    series, exact = np.empty((ORDER, len(left), *states)), np.empty((len(left), *states))
    for mask in itertools.product((False, True), repeat=len(new)):
        work = rows
        for k, every in enumerate(mask):
            if every:
                work = np.moveaxis(np.tensordot(work, members(new[k]), (k + 2, 0)), -1, k + 2)
        first, second = work[:, left], work[:, right]
        for k, (axis, every) in enumerate(zip(new, mask, strict=True)):
            if every and axis.groups > 1:
                groups = np.arange(axis.groups)
                first = first.take(np.repeat(groups, axis.groups), axis=k + 2)
                second = second.take(np.tile(groups, axis.groups), axis=k + 2)
        product = first * second
        for k, every in enumerate(mask):
            if not every:
                product = np.moveaxis(np.tensordot(product, members(new[k]), (k + 2, 0)), -1, k + 2)
        where = tuple(slice(a.groups, None) if every else slice(0, a.groups) for a, every in zip(new, mask, strict=True))
        wide = (slice(None), slice(None), *where)
        series[wide] = product[:ORDER]
        exact[wide[1:]] = product[ORDER:].sum(0)
    for result in (series, exact):
        for k, axis in enumerate(new):
            average_of_pairs(np.moveaxis(result, result.ndim - len(new) + k, 0), axis)
    return series, exact
