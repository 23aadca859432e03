"""Pooling: averages of windows are known linear maps; the largest entry follows the law of maxima (see `reduce`)."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from initlint.propagate.axes import Array, Axis
from initlint.propagate.linear import mapped
from initlint.propagate.moments import Moments
from initlint.propagate.near import apart_by, of_maxima, through_map
from initlint.propagate.ops.arithmetic import settled
from initlint.propagate.ops.gather import single
from initlint.propagate.ops.maps import along, each_of, matrix_of, separable, single_axis, tap_matrices
from initlint.propagate.ops.reduce import maximum_law, selected
from initlint.propagate.ops.registry import CannotPredict, as_moments, transfer
from initlint.propagate.ops.view import permuted, reshaped
from initlint.propagate.pointwise import Cotangent, Source, coarsened, profile_of
from initlint.propagate.sparse import Sparse, total
from initlint.propagate.sums import share_of_present
from initlint.propagate.tape import Known, Tape

DRAWN_SIDE, DRAWN_MAPS, SEED = 24, 64, 0x9001  # of the maps whose largest entries are looked for
DENSE = 1024  # beyond so many positions no matrix is written out


def _register_pools() -> None:
    for n in (1, 2, 3):

        def average(tape: Tape, x: Any, kernel: Any, stride: Any = (), padding: Any = 0, ceil_mode: bool = False,
                    include: bool = True, divisor: Any = None, *, n: int = n) -> Moments:  # fmt: skip
            import torch

            kernels, paddings = each_of(kernel, n), each_of(padding, n)
            strides = each_of(stride, n) if stride not in ((), [], None) else kernels

            def matrix(j: int, size: int) -> Array | Sparse:
                if size > DENSE and not ceil_mode:
                    out = (size + 2 * paddings[j] - kernels[j]) // strides[j] + 1
                    windows = total(tap_matrices(size, out, kernels[j], strides[j], paddings[j], 1))
                    return windows.rescaled(1.0 / (np.full(out, kernels[j]) if include else np.maximum(windows.sum(1), 1.0)))
                return matrix_of(
                    lambda e: torch.nn.functional.avg_pool1d(e[None], kernels[j], strides[j], paddings[j], ceil_mode, include)[0],
                    size,
                )

            return separable(tape, x, n, matrix)

        def adaptive(tape: Tape, x: Any, out: Any, *, n: int = n) -> Moments:
            import torch

            sizes = list(out) if isinstance(out, list | tuple) else [out] * n

            def matrix(j: int, size: int) -> Array:
                goal = size if sizes[j] is None else int(sizes[j])
                return matrix_of(lambda e: torch.nn.functional.adaptive_avg_pool1d(e[None], goal)[0], size)

            return separable(tape, x, n, matrix)

        def greatest(tape: Tape, x: Any, kernel: Any, stride: Any = (), padding: Any = 0, dilation: Any = 1,
                     ceil_mode: bool = False, *, n: int = n) -> Moments:  # fmt: skip
            kernels, paddings, dilations = each_of(kernel, n), each_of(padding, n), each_of(dilation, n)
            strides = each_of(stride, n) if stride not in ((), [], None) else kernels
            x = as_moments(x)
            taps = []
            for j in range(n):
                size = x.shape[len(x.shape) - n + j]
                span = size + 2 * paddings[j] - dilations[j] * (kernels[j] - 1) - 1
                out = (-(-span // strides[j]) if ceil_mode else span // strides[j]) + 1
                if ceil_mode and (out - 1) * strides[j] >= size + paddings[j]:
                    out -= 1
                taps.append(tap_matrices(size, out, kernels[j], strides[j], paddings[j], dilations[j]))
            return max_pooled(tape, x, taps)

        def adaptive_greatest(tape: Tape, x: Any, out: Any, *, n: int = n) -> list[Any]:
            sizes = list(out) if isinstance(out, list | tuple) else [out] * n
            x = as_moments(x)
            taps = []
            for j in range(n):
                size = x.shape[len(x.shape) - n + j]
                goal = size if sizes[j] is None else int(sizes[j])
                starts = np.arange(goal) * size // goal
                ends = -(-(np.arange(goal) + 1) * size // goal)
                width = int((ends - starts).max())
                matrices = []
                for t in range(width):
                    inside = starts + t < ends
                    matrices.append(Sparse((goal, size), np.arange(goal)[inside], (starts + t)[inside]))
                taps.append(tuple(matrices))
            return [max_pooled(tape, x, taps), None]

        transfer(f"avg_pool{n}d")(average)
        transfer(f"adaptive_avg_pool{n}d", *([f"_adaptive_avg_pool{n}d"] if n > 1 else []))(adaptive)
        transfer(f"max_pool{n}d")(greatest)
        transfer(f"max_pool{n}d_with_indices")(functools.partial(_with_indices, greatest, n))
        transfer(f"adaptive_max_pool{n}d")(adaptive_greatest)


@dataclass(frozen=True, slots=True)
class Winners:
    """Places of the largest entries of windows; `distinct` is the number of places for each window, less than one where windows overlap."""

    distinct: float


def _with_indices(function: Callable[..., Moments], n: int, tape: Tape, x: Any, *args: Any, **kwargs: Any) -> list[Any]:
    return [function(tape, x, *args, **kwargs), functools.partial(_winners, as_moments(x).shape[-n:], args, kwargs)]


def _winners(sides: Sequence[int], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Winners:
    """Of a draw of maps with independent entries."""
    import torch

    pool = (torch.nn.functional.max_pool1d, torch.nn.functional.max_pool2d, torch.nn.functional.max_pool3d)[len(sides) - 1]
    sizes = [min(side, DRAWN_SIDE) for side in sides]
    drawn = torch.randn([DRAWN_MAPS, *sizes], generator=torch.Generator().manual_seed(SEED))
    names = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
    options = {name: value for name, value in zip(names, args, strict=False) if not (name == "stride" and value in ((), [], None))}
    _, places = pool(drawn, **options, **kwargs, return_indices=True)
    rows = places.reshape(DRAWN_MAPS, -1)
    return Winners(sum(len(row.unique()) for row in rows) / rows.numel())


def max_pooled(tape: Tape, x: Moments, taps: Sequence[Sequence[Sparse]]) -> Moments:
    """The largest entry of each window. Borders count as having full windows."""
    n = len(taps)
    first = len(x.shape) - n
    for d in range(first, len(x.shape)):
        x = single_axis(tape, x, d)
    before = x
    x = coarsened(x, x.dim_axes(range(first, len(x.shape))))
    profile = profile_of(x)
    window = Moments(x.dims, np.zeros_like(x.mean), profile.source.correlation)
    if type(profile.source) is Source and profile.source.origin.shape == x.shape:
        window.near = profile.source.origin.near
    count = 1.0
    for j, matrices in enumerate(taps):
        windows = total(matrices)
        reach = windows.sum(1)
        count *= float(reach.mean())
        k = window.position(first + j)
        if window.dims[first + j]:
            average = windows.rescaled(1.0 / np.maximum(reach, 1.0))
            target = Axis(windows.shape[0], None, window.dims[first + j][0].role)
            window = through_map(window, mapped(window, k, average, target), first + j, average)
    y, chance = maximum_law(profile, window, count, 1.0)
    y.flags = before.flags
    y.near = of_maxima(window, count)
    into = float(np.prod([m[0].shape[1] for m in taps]))
    out = float(np.prod([m[0].shape[0] for m in taps]))

    def pull(g: Moments) -> list[Cotangent]:
        g = with_alike_places(g, first)
        dims = list(g.dims)
        pair = g.pair
        whole = g.summed(g.dim_axes(range(first, len(g.dims)))).pair
        for j in range(n):
            d = first + j
            size = taps[j][0].shape[1]
            if not dims[d] and size > 1:
                k = sum(len(dim) for dim in dims[:d])
                pair = np.repeat(np.expand_dims(pair, k), 2, axis=k)
            dims[d] = (Axis(size),) if size > 1 else ()
        axes = [axis for dim in dims for axis in dim]
        # each window sends its cotangent to one entry; two entries get that of two different windows, or nothing if they
        # share the window, which `inside` of `different` pairs of entries do
        spots = [k for k in range(len(axes)) if sum(len(dim) for dim in dims[:first]) <= k]
        same = np.ones((1,) * pair.ndim, dtype=bool)
        others = np.ones((1,) * pair.ndim, dtype=bool)
        for k in range(len(axes)):
            here = (np.arange(axes[k].states) < axes[k].groups).reshape([-1 if m == k else 1 for m in range(pair.ndim)])
            if k in spots:
                same = same & here
            else:
                others = others & here
        pair = with_shared_winners(g, pair, [k for k in range(len(axes)) if k in spots], taps, axes)
        inside = min((count - 1.0) / max(into - 1.0, 1.0), 1.0)
        pair = np.where(others & ~same, pair * (1.0 - inside), pair)
        routed = Moments(tuple(dims), np.zeros([axis.groups for axis in axes]), pair)
        return [selected(before, routed, chance, out / into, (routed.dim_axes(range(first, len(dims))), whole))]

    return tape.record([before], y, pull)


def with_shared_winners(
    g: Moments, pair: Array, spots: Sequence[int], taps: Sequence[Sequence[Sparse]], axes: Sequence[Axis]
) -> Array:
    """A cotangent g of windows, an entry's own square with what it gets as the largest of several windows at once.

    It is that of windows A and B with probability 1/|A ∪ B|, and lies in both with |A ∩ B|: Σ_B |A ∩ B|/|A ∪ B| times what the
    cotangents of A and B have in common. Windows at borders count as those in the middle.
    """
    shared = [_shared_with_middle(total(matrices)) for matrices in taps]
    held = [k for k in range(len(taps)) if taps[k][0].shape[1] > 1]
    if len(held) != len(spots):
        return pair
    own = [slice(0, axis.groups) for axis in axes]
    result = pair.copy()
    size = math.prod(max(counts) for counts in shared)
    along_dims = dict(zip([n - len(taps) for n in held], spots, strict=True)) if g.pair.shape == pair.shape else {}
    for chosen in itertools.product(*(range(len(counts)) for counts in shared)):
        common = math.prod(shared[k][n] for k, n in enumerate(chosen))
        apart = [int(np.argmax(shared[k]) != n) for k, n in enumerate(chosen)]
        if not any(apart) or not common:
            continue
        there = list(own)
        for k, spot in zip(held, spots, strict=True):
            there[spot] = slice(apart[k], apart[k] + 1)
        places = {d: abs(chosen[d] - int(np.argmax(shared[d]))) for d in along_dims}
        near = apart_by(g, along_dims, places)[tuple(own)] if along_dims else 0.0
        result[tuple(own)] += common / (2.0 * size - common) * (pair[tuple(there)] + near)
    return result


def _shared_with_middle(windows: Sparse) -> list[int]:
    """How many entries each window, of one dimension, has in common with the one in the middle; those with none left out."""
    inside = windows.columns[windows.rows == windows.shape[0] // 2]
    counts = np.bincount(windows.rows, np.isin(windows.columns, inside), windows.shape[0])
    return [int(n) for n in counts if n]


@transfer("max_unpool2d", "max_unpool3d")
def unpooled(tape: Tape, x: Any, places: Any, size: Sequence[int], *_more: Any) -> Moments:
    """Entries put back to where they were the largest, zero elsewhere. Places count as chance: each gets one with the same odds.

    Of several windows whose largest entry is the same, one is put there.
    """
    x = as_moments(x)
    n = len(size)
    first = len(x.shape) - n
    for d in range(first, len(x.shape)):
        x = single_axis(tape, x, d)
    before = x
    x = coarsened(x, x.dim_axes(range(first, len(x.shape))))
    share = float(np.prod(x.shape[first:])) / float(np.prod(size))
    if share > 1.0 or any(not x.dims[d] for d in range(first, len(x.shape))):
        raise CannotPredict("an unpooling of single places")
    distinct = places.distinct if isinstance(places, Winners) else 1.0
    share *= distinct
    dims = list(x.dims)
    for j, goal in enumerate(size):
        dims[first + j] = (Axis(int(goal), None, x.dims[first + j][0].role),)
    pair = x.pair * share**2  # two entries, even of two samples at one place, are there independently
    pair[tuple(slice(0, axis.groups) for axis in x.axes)] /= share
    y = Moments(tuple(dims), x.mean * share, pair, flags=before.flags)
    y.zeros = 1.0 - share * (1.0 - x.zeros)
    y.thinned, y.positive, y.negative = (x, share), x.positive, x.negative

    def pull(sent: Cotangent) -> list[Cotangent | None]:
        whole = share_of_present(settled(sent, y), y, x).total()
        if whole is None:
            return [None]
        g = with_alike_places(whole, first)
        if any(not g.dims[d] for d in range(first, len(g.dims))):
            raise CannotPredict("a cotangent of all places at once")
        places = tuple((Axis(x.shape[d], None, x.dims[d][0].role),) for d in range(first, len(x.shape)))
        back = Moments((*g.dims[:first], *places), g.mean, g.pair)
        return [Cotangent(with_shared_places(back, first, (1.0 / distinct - 1.0) / max(math.prod(x.shape[first:]) - 1, 1)))]

    return tape.record_coherent([before], y, pull)


def with_shared_places(g: Moments, first: int, chance: float) -> Moments:
    """g where two entries of a map had one place, and so one cotangent, with this chance."""
    if not chance:
        return g
    spots = set(g.dim_axes(range(first, len(g.dims))))
    here, beside = (np.ones((1,) * g.pair.ndim, dtype=bool) for _ in range(2))
    for k, axis in enumerate(g.axes):
        same = (np.arange(axis.states) < axis.groups).reshape([-1 if m == k else 1 for m in range(g.pair.ndim)])
        here, beside = here & same, beside & same if k not in spots else beside
    return g.with_(pair=np.where(beside & ~here, (1.0 - chance) * g.pair + chance * g.q, g.pair))


def with_alike_places(g: Moments, first: int) -> Moments:
    """g with one axis of one group in every dimension from `first` on."""
    for d in range(first, len(g.dims)):
        g = single(g, d)
        if g.dims[d]:
            g = g.coarsened(g.position(d))
    return g


@transfer("im2col")
def im2col(tape: Tape, x: Any, kernel: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Moments:
    """Patches as columns: along each dimension every tap of every window, a known map; then the taps go to the channels."""
    x = as_moments(x)
    windows = kernel, dilation, padding, stride
    if len(x.shape) == 3:
        whole = im2col(tape, reshaped(tape, x, [1, *x.shape]), *windows)
        return reshaped(tape, whole, whole.shape[1:])
    kernels, outs = each_of(kernel, 2), []
    for j in range(2):
        taps = every_tap(x.shape[2 + j], *(each_of(v, 2)[j] for v in windows))
        outs.append(taps.shape[0] // kernels[j])
        x = along(tape, x, 2 + j, taps)
    batch, channels = x.shape[:2]
    y = reshaped(tape, x, [batch, channels, kernels[0], outs[0], kernels[1], outs[1]])
    y = permuted(tape, y, [0, 1, 2, 4, 3, 5])
    return reshaped(tape, y, [batch, channels * kernels[0] * kernels[1], outs[0] * outs[1]])


def every_tap(size: int, kernel: int, dilation: int, padding: int, stride: int) -> Array:
    """(kernel · windows, size): one where a tap of a window reads an index."""
    out = (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    taps = np.zeros((kernel * out, size))
    for t in range(kernel):
        index = np.arange(out) * stride - padding + t * dilation
        inside = (index >= 0) & (index < size)
        taps[t * out + np.flatnonzero(inside), index[inside]] = 1.0
    return taps


@transfer("col2im")
def col2im(tape: Tape, x: Any, size: Any, kernel: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Moments:
    """The transposed map: patches are put where they came from, and added. Of the very patches of an image, every pixel is added
    as often as patches hold it: fold(unfold(x)) = divisor · x (the documentation of torch.nn.Fold)."""
    x, sizes, windows = as_moments(x), each_of(size, 2), (kernel, dilation, padding, stride)
    if len(x.shape) == 2:
        whole = col2im(tape, reshaped(tape, x, [1, *x.shape]), sizes, *windows)
        return reshaped(tape, whole, whole.shape[1:])
    kernels = each_of(kernel, 2)
    taps = [every_tap(sizes[j], *(each_of(v, 2)[j] for v in windows)) for j in range(2)]
    made = x.made
    if made is not None and made.name == "im2col" and made.args[0].shape[-2:] == tuple(sizes):
        if [each_of(v, 2) for v in made.args[1:]] == [each_of(v, 2) for v in windows]:
            return _put_back(tape, made.args[0], x, np.outer(*(t.sum(0) for t in taps)), windows)
    outs = [t.shape[0] // k for t, k in zip(taps, kernels, strict=True)]
    batch, channels = x.shape[0], x.shape[1] // (kernels[0] * kernels[1])
    y = reshaped(tape, x, [batch, channels, kernels[0], kernels[1], outs[0], outs[1]])
    y = permuted(tape, y, [0, 1, 2, 4, 3, 5])
    y = reshaped(tape, y, [batch, channels, kernels[0] * outs[0], kernels[1] * outs[1]])
    for j in range(2):
        y = along(tape, y, 2 + j, np.ascontiguousarray(taps[j].T))
    return y


def _put_back(tape: Tape, image: Moments, patches: Moments, often: Array, windows: tuple[Any, ...]) -> Moments:
    """An image times how often its pixels were read; its patches are only told of their cotangent."""
    import torch

    from initlint.propagate.ops.arithmetic import mul

    y = mul(tape, image, Known(torch.from_numpy(often)))
    shown = y.with_(affine=(y, 1.0, 0.0))

    def told(g: Cotangent) -> list[Cotangent]:
        total = g.copied().total()
        return [g, Cotangent(spent=None if total is None else im2col(Tape(), total, *windows))]

    return tape.record_coherent([y, patches], shown, told)


_register_pools()
