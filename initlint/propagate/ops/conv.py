"""Convolutions, transposed convolutions, pooling and interpolation.

A convolution is a sum over taps t of W_t A_t x with A_t the known map that moves positions, so

    E[y_o y_o'] = Σ_{t,t'} E[W_t W_t'] (A_t ⊗ A_t') E[x x']

With fresh zero-mean weights only t = t' counts and K_y(p, p') = fan_in · E[w²] · mean_t K_x(p+t, p'+t) (Xiao et al. 2018).
A position near the border misses taps; such positions form groups of their own, so that zero padding is exact until there
are more kinds of positions than groups. Pooling and interpolation are known maps, applied one dimension at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from initlint.propagate.axes import Array, Axis
from initlint.propagate.linear import group_rows, mapped, mean_map, members, pair_map
from initlint.propagate.moments import Moments, outer_means
from initlint.propagate.ops.arithmetic import added
from initlint.propagate.ops.gather import flags_of, single
from initlint.propagate.ops.norm import channel_vector
from initlint.propagate.ops.reduce import maximum_law, selected
from initlint.propagate.ops.registry import CannotPredict, as_moments, transfer
from initlint.propagate.ops.view import reshaped
from initlint.propagate.pointwise import Cotangent, coarsened, profile_of
from initlint.propagate.sparse import Sparse, total
from initlint.propagate.tape import Tape

DENSE = 1024  # beyond so many positions no matrix is written out
GROUPS = {1: 5, 2: 3, 3: 2}  # kinds of positions kept along each dimension, by number of dimensions


@lru_cache(maxsize=256)
def tap_matrices(size: int, out: int, kernel: int, stride: int, padding: int, dilation: int) -> tuple[Sparse, ...]:
    """A_t: (out, size), one where output o reads input o·stride − padding + t·dilation."""
    result = []
    for t in range(kernel):
        index = np.arange(out) * stride - padding + t * dilation
        inside = (index >= 0) & (index < size)
        result.append(Sparse((out, size), np.arange(out)[inside], index[inside]))
    return tuple(result)


class TapMap:
    """Pair maps of one spatial dimension: summed over equal taps, and over different ones; forward and transposed."""

    def __init__(self, taps: Sequence[Sparse], source: Axis, limit: int) -> None:
        inside = members(source)
        features = np.sum([t @ inside for t in taps], axis=0)
        self.source = source
        self.target = Axis(taps[0].shape[0], group_rows(features, limit), source.role)
        self.taps = taps
        self.kernel = len(taps)

    def forward(self, target: Axis | None = None) -> tuple[Array, Array]:
        return self._maps(self.taps, self.source, self.target if target is None else target)

    def backward(self, source: Axis) -> tuple[Array, Array]:
        """Maps of a cotangent on output positions (groups of `source`) to input positions."""
        return self._maps([t.T for t in self.taps], source, self.source)

    @staticmethod
    def _maps(taps: Sequence[Sparse], source: Axis, target: Axis) -> tuple[Array, Array]:
        key = (id(taps[0]), len(taps), taps[0].shape, _key(source), _key(target))
        if key not in _cache:
            if len(_cache) > 2000:
                _cache.clear()
            equal = np.sum([pair_map(t, source, target) for t in taps], axis=0)
            every = pair_map(total(taps), source, target)
            _cache[key] = (equal, every - equal, taps)
        equal, other, _ = _cache[key]
        return equal, other


_cache: dict[Any, tuple[Array, Array, Sequence[Sparse]]] = {}


def _key(axis: Axis) -> tuple[int, bytes]:
    return axis.size, b"" if axis.labels is None else axis.labels.tobytes()


def moved(pair: Array, k: int, maps: tuple[Array, Array], taps: bool) -> Array:
    """Apply a tap map to axis k; with `taps`, append an axis for the tap's pair state (equal, different)."""
    equal = np.moveaxis(np.tensordot(maps[0], pair, (1, k)), 0, k)
    if not taps:
        return equal
    other = np.moveaxis(np.tensordot(maps[1], pair, (1, k)), 0, k)
    return np.stack([equal, other], axis=-1)


def convolved(
    tape: Tape, x: Moments, weight: Moments, bias: Any, groups: int, taps: Sequence[Sequence[Sparse]], transposed: bool
) -> Moments:
    """Any convolution with these taps; weight is (out, in/groups, …), or (in, out/groups, …) when transposed."""
    spatial = len(taps)
    kernel = [len(t) for t in taps]
    for d in range(2, 2 + spatial):
        x = single_axis(tape, x, d)
    if transposed:
        c_in, per = weight.shape[0], weight.shape[1]
        grouped = reshaped(tape, weight, [groups, c_in // groups, per, *kernel])
        order = [0, 2, 1, *range(3, 3 + spatial)]
        from initlint.propagate.ops.view import permuted

        w = permuted(tape, grouped, order)
        c_out = per * groups
    else:
        c_out, per = weight.shape[0], weight.shape[1]
        w = reshaped(tape, weight, [groups, c_out // groups, per, *kernel])
    batch = x.shape[0]
    z = reshaped(tape, x, [batch, groups, x.shape[1] // groups, *x.shape[2:]])
    y = _convolved(tape, z, w, taps)
    y = reshaped(tape, y, [batch, c_out, *y.shape[3:]])
    return y if bias is None else added(tape, y, channel_vector(tape, bias, spatial + 2))


def single_axis(tape: Tape, x: Moments, d: int) -> Moments:
    """x with dimension d made of one axis, on the tape."""
    if len(x.dims[d]) <= 1:
        return x
    return tape.record([x], single(x, d), lambda g: [g])


def _convolved(tape: Tape, x: Moments, w: Moments, taps: Sequence[Sequence[Sparse]]) -> Moments:
    """x (batch, group, in, positions …), w (group, out, in, taps …) → (batch, group, out, positions …)."""
    spatial = len(taps)
    for d in range(3, 3 + spatial):
        for k in w.dim_axes([d]):
            w = w.coarsened(k)
    maps: dict[int, TapMap] = {}
    limit = GROUPS[spatial]
    for j, matrices in enumerate(taps):
        d = 3 + j
        source = x.dims[d][0] if x.dims[d] else Axis(1)
        maps[j] = TapMap(matrices, source, limit)
    with_taps = [len(t) > 1 and bool(np.any(_different(w, w.position(3 + j)))) for j, t in enumerate(taps)]

    def spread(tensor: Moments, backward: bool, averaged: bool = False) -> tuple[Array, list[tuple[Axis, ...]]]:
        """Positions moved by the taps; tap axes at the end where different taps matter."""
        pair = tensor.pair
        dims: list[tuple[Axis, ...]] = []
        for j in range(spatial):
            d = 3 + j
            k = tensor.position(d)
            here = tensor.dims[d]
            if not here:
                pair = np.expand_dims(pair, k)
                pair = np.repeat(pair, 2, axis=k)
            axis = here[0] if here else Axis(1)
            forward_maps = maps[j].backward(axis) if backward else maps[j].forward()
            if averaged:
                n = maps[j].kernel
                forward_maps = (forward_maps[0] / n, forward_maps[1] / max(n * (n - 1), 1))
            target = maps[j].source if backward else maps[j].target
            pair = moved(pair, k, forward_maps, with_taps[j] or (averaged and len(taps[j]) > 1))
            if target.size == 1:
                pair = np.asarray(pair.take(0, axis=k))
                dims.append(())
            else:
                dims.append((target,))
            tensor = tensor.with_(dims=(*tensor.dims[:d], dims[-1], *tensor.dims[d + 1 :]))
        return pair, dims

    pair, dims = spread(x, backward=False)
    y = _contract(x, w, pair, dims, with_taps, out_letter="o", in_letter="i")
    if np.any(x.mean) and np.any(w.mean):
        y.mean = _mean(x, w, maps, dims)
    else:
        y.mean = np.zeros([axis.groups for axis in y.axes])
    y.flags = flags_of([x, w])
    y.zeros = 1.0 if y.is_zero else 0.0

    def pull(g: Moments) -> list[Moments]:
        for d in range(3, 3 + spatial):
            g = single(g, d)
        back, back_dims = spread(g, backward=True)
        gx = _contract(g, w, back, back_dims, with_taps, out_letter="i", in_letter="o")
        gx.mean = np.zeros([axis.groups for axis in gx.axes])
        return [gx, _weight_gradient(g, x, w, maps, spread)]

    return tape.record([x, w], y, pull)


def _different(w: Moments, k: int) -> Array:
    return np.take(w.pair, np.arange(w.axes[k].groups, w.axes[k].states), axis=k)


def _contract(
    x: Moments, w: Moments, pair: Array, positions: Sequence[tuple[Axis, ...]], with_taps: Sequence[bool], *,
    out_letter: str, in_letter: str,
) -> Moments:  # fmt: skip
    """Contract channels and taps of spread x with w."""
    from initlint.propagate.ops.matrix import contract

    spatial = len(positions)
    space = "pqr"[:spatial]
    tap_letters = "stu"[:spatial]
    # w with tap axes only where different taps matter; elsewhere its moment at one tap
    w_dims: list[tuple[Axis, ...]] = list(w.dims[:3])
    w_pair, w_names = w.pair, ["g", "o", "i"]
    for j in range(spatial - 1, -1, -1):
        dim = w.dims[3 + j]
        if dim and not with_taps[j]:
            w_pair = np.asarray(w_pair.take(0, axis=w.position(3 + j)))
    for j in range(spatial):
        if with_taps[j]:
            w_dims.append(w.dims[3 + j])
            w_names.append(tap_letters[j])
    x_dims = [*x.dims[:3], *positions]
    names = ["b", "g", in_letter, *space]
    for j in range(spatial):
        if with_taps[j]:
            # the tap sums are in the map already: an axis whose pair weights are one
            x_dims.append((w.dims[3 + j][0],))
            names.append(tap_letters[j])
    x_axes = [axis for dim in x_dims for axis in dim]
    spread_x = Moments(tuple(x_dims), np.zeros([axis.groups for axis in x_axes]), pair)
    for j in range(spatial):
        if with_taps[j]:
            axis = w.dims[3 + j][0]
            k = spread_x.position(names.index(tap_letters[j]))
            spread_x.pair = spread_x.pair / axis.pairs.reshape([-1 if n == k else 1 for n in range(spread_x.pair.ndim)])
    w_axes = [axis for dim in w_dims for axis in dim]
    spread_w = Moments(tuple(w_dims), np.zeros([axis.groups for axis in w_axes]), w_pair)
    return contract(spread_x, spread_w, "".join(names), "".join(w_names), "bg" + out_letter + space)


def _mean(x: Moments, w: Moments, maps: dict[int, TapMap], dims: Sequence[tuple[Axis, ...]]) -> Array:
    mean = x.mean
    for j, tap_map in maps.items():
        k = x.position(3 + j)
        table = mean_map(total(tap_map.taps), tap_map.source, tap_map.target)
        if not x.dims[3 + j]:
            mean = np.expand_dims(mean, k)
        mean = np.moveaxis(np.tensordot(table, mean, (1, k)), 0, k)
        if not dims[j]:
            mean = np.asarray(mean.take(0, axis=k))
        x = x.with_(dims=(*x.dims[:3], *dims[: j + 1], *x.dims[4 + j :]))
    from initlint.propagate.ops.matrix import contract

    flat = w.mean
    for d in range(len(w.dims) - 1, 2, -1):
        if w.dims[d]:
            flat = np.asarray(flat.take(0, axis=w.position(d)))
    space = "pqr"[: len(dims)]
    left = Moments(x.dims, mean, np.zeros([axis.states for axis in x.axes]))
    right = Moments(w.dims[:3], flat, np.zeros([a.states for dim in w.dims[:3] for a in dim]))
    return contract(left, right, "bgi" + space, "goi", "bgo" + space).mean


def _weight_gradient(
    g: Moments, x: Moments, w: Moments, maps: dict[int, TapMap], spread: Callable[..., tuple[Array, list[tuple[Axis, ...]]]]
) -> Moments:
    """Σ over samples and positions of g(o, p) x(i, p + t), by pair state of the taps."""
    from initlint.propagate.ops.matrix import contract

    pair, dims = spread(x, False, True)
    space, taps = "pqr"[: len(dims)], "stu"[: len(dims)]
    tap_dims = [w.dims[3 + j] for j in range(len(dims))]
    x_dims = (*x.dims[:3], *dims, *(t for t in tap_dims if t))
    names = "bgi" + space + "".join(t for t, dim in zip(taps, tap_dims, strict=True) if dim)
    moved_x = Moments(x_dims, np.zeros([a.groups for dim in x_dims for a in dim]), pair)
    out = "goi" + "".join(t for t, dim in zip(taps, tap_dims, strict=True) if dim)
    result = contract(g, moved_x, "bgo" + space, names, out)
    inside = iter(result.dims[3:])
    return result.with_(dims=(*result.dims[:3], *(next(inside) if dim else () for dim in tap_dims)))


def _each(value: Any, n: int) -> list[int]:
    values = list(value) if isinstance(value, list | tuple) else [value]
    return [int(values[j % len(values)]) for j in range(n)]


def _convolution(
    tape: Tape, x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Moments:
    x, weight = as_moments(x), as_moments(weight)
    n = len(weight.shape) - 2
    if len(x.shape) == n + 1:
        y = _convolution(tape, reshaped(tape, x, [1, *x.shape]), weight, bias, stride, padding, dilation, groups)
        return reshaped(tape, y, y.shape[1:])
    strides, dilations, kernel = _each(stride, n), _each(dilation, n), weight.shape[2:]
    taps = []
    for j in range(n):
        reach = dilations[j] * (kernel[j] - 1)
        size = x.shape[2 + j]
        if padding == "same":
            low, total = reach // 2, reach
        elif padding == "valid":
            low, total = 0, 0
        else:
            low = _each(padding, n)[j]
            total = 2 * low
        out = (size + total - reach - 1) // strides[j] + 1
        taps.append(tap_matrices(size, out, kernel[j], strides[j], low, dilations[j]))
    return convolved(tape, x, weight, bias, groups, taps, transposed=False)


@transfer("conv1d", "conv2d", "conv3d")
def conv(
    tape: Tape, x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Moments:
    return _convolution(tape, x, weight, bias, stride, padding, dilation, groups)


@lru_cache(maxsize=256)
def transposed_taps(size: int, out: int, kernel: int, stride: int, padding: int, dilation: int) -> tuple[Sparse, ...]:
    """A_t: (out, size), one where input i reaches output i·stride − padding + t·dilation."""
    return tuple(m.T for m in tap_matrices(out, size, kernel, stride, padding, dilation))


@transfer("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def conv_transpose(
    tape: Tape, x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
    groups: int = 1, dilation: Any = 1,
) -> Moments:  # fmt: skip
    x, weight = as_moments(x), as_moments(weight)
    n = len(weight.shape) - 2
    if len(x.shape) == n + 1:
        y = conv_transpose(tape, reshaped(tape, x, [1, *x.shape]), weight, bias, stride, padding, output_padding, groups, dilation)
        return reshaped(tape, y, y.shape[1:])
    strides, paddings, dilations = _each(stride, n), _each(padding, n), _each(dilation, n)
    extra, kernel = _each(output_padding, n), weight.shape[2:]
    taps = []
    for j in range(n):
        size = x.shape[2 + j]
        out = (size - 1) * strides[j] - 2 * paddings[j] + dilations[j] * (kernel[j] - 1) + extra[j] + 1
        taps.append(transposed_taps(size, out, kernel[j], strides[j], paddings[j], dilations[j]))
    return convolved(tape, x, weight, bias, groups, taps, transposed=True)


@transfer("convolution", "_convolution", "convolution_overrideable")
def convolution(
    tape: Tape, x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, transposed: bool,
    output_padding: Any, groups: int, *args: Any,
) -> Moments:  # fmt: skip
    if transposed:
        return conv_transpose(tape, x, weight, bias, stride, padding, output_padding, groups, dilation)
    return _convolution(tape, x, weight, bias, stride, padding, dilation, groups)


# -- pooling and interpolation ------------------------------------------------------------------------------------------


def along(tape: Tape, x: Moments, d: int, matrix: Array | Sparse) -> Moments:
    """A known linear map along dimension d."""
    x = single_axis(tape, x, d)
    if not x.dims[d]:
        from initlint.propagate.ops.functions import affine
        from initlint.propagate.ops.view import expanded

        y = affine(tape, x, float((matrix @ np.ones((1, 1))).mean()), 0.0)
        return expanded(tape, y, [matrix.shape[0] if n == d else -1 for n in range(len(x.shape))])
    k = x.position(d)
    y = mapped(x, k, matrix)
    return returning(tape, x, y, d, matrix)


def returning(tape: Tape, x: Moments, y: Moments, d: int, matrix: Array | Sparse) -> Moments:
    """y = A x along dimension d of x, with its way back: the transposed map."""
    like = x.dims[d][0]

    def pull(g: Moments) -> list[Moments]:
        g = single(g, d)
        here = g.position(d)
        if not g.dims[d]:
            g = g.with_(
                dims=(*g.dims[:d], (Axis(1),), *g.dims[d + 1 :]),
                mean=np.expand_dims(g.mean, here),
                pair=np.repeat(np.expand_dims(g.pair, here), 2, axis=here),
            )
        return [mapped(g, here, matrix.T, like)]

    return tape.record([x], y, pull)


def matrix_of(function: Callable[[Any], Any], size: int) -> Array:
    """The matrix of a linear operator along one dimension, found by applying it to unit vectors."""
    import torch

    return np.ascontiguousarray(function(torch.eye(size, dtype=torch.float64)).numpy().T)


def _pool_like(tape: Tape, x: Any, n: int, per_dim: Callable[[int, int], Array | Sparse]) -> Moments:
    """Apply a separable linear operator over the last n dimensions; per_dim(j, size) is its matrix."""
    x = as_moments(x)
    first = len(x.shape) - n
    for j in range(n):
        x = along(tape, x, first + j, per_dim(j, x.shape[first + j]))
    return x


def _register_pools() -> None:
    import functools

    for n in (1, 2, 3):

        def average(tape: Tape, x: Any, kernel: Any, stride: Any = (), padding: Any = 0, ceil_mode: bool = False,
                    include: bool = True, divisor: Any = None, *, n: int = n) -> Moments:  # fmt: skip
            import torch

            kernels, paddings = _each(kernel, n), _each(padding, n)
            strides = _each(stride, n) if stride not in ((), [], None) else kernels

            def matrix(j: int, size: int) -> Array | Sparse:
                if size > DENSE and not ceil_mode:
                    out = (size + 2 * paddings[j] - kernels[j]) // strides[j] + 1
                    windows = total(tap_matrices(size, out, kernels[j], strides[j], paddings[j], 1))
                    return windows.rescaled(1.0 / (np.full(out, kernels[j]) if include else np.maximum(windows.sum(1), 1.0)))
                return matrix_of(
                    lambda e: torch.nn.functional.avg_pool1d(e[None], kernels[j], strides[j], paddings[j], ceil_mode, include)[0],
                    size,
                )

            return _pool_like(tape, x, n, matrix)

        def adaptive(tape: Tape, x: Any, out: Any, *, n: int = n) -> Moments:
            import torch

            sizes = list(out) if isinstance(out, list | tuple) else [out] * n

            def matrix(j: int, size: int) -> Array:
                goal = size if sizes[j] is None else int(sizes[j])
                return matrix_of(lambda e: torch.nn.functional.adaptive_avg_pool1d(e[None], goal)[0], size)

            return _pool_like(tape, x, n, matrix)

        def greatest(tape: Tape, x: Any, kernel: Any, stride: Any = (), padding: Any = 0, dilation: Any = 1,
                     ceil_mode: bool = False, *, n: int = n) -> Moments:  # fmt: skip
            kernels, paddings, dilations = _each(kernel, n), _each(padding, n), _each(dilation, n)
            strides = _each(stride, n) if stride not in ((), [], None) else kernels
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
        transfer(f"adaptive_avg_pool{n}d", f"_adaptive_avg_pool{n}d")(adaptive)
        transfer(f"max_pool{n}d")(greatest)
        transfer(f"max_pool{n}d_with_indices")(functools.partial(_with_indices, greatest))
        transfer(f"adaptive_max_pool{n}d")(adaptive_greatest)


def _with_indices(function: Callable[..., Moments], tape: Tape, *args: Any, **kwargs: Any) -> list[Any]:
    return [function(tape, *args, **kwargs), None]


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
    count = 1.0
    for j, matrices in enumerate(taps):
        windows = total(matrices)
        reach = windows.sum(1)
        count *= float(reach.mean())
        k = window.position(first + j)
        if window.dims[first + j]:
            average = windows.rescaled(1.0 / np.maximum(reach, 1.0))
            target = Axis(windows.shape[0], None, window.dims[first + j][0].role)
            window = mapped(window, k, average, target)
    y, chance = maximum_law(profile, window, count, 1.0)
    y.flags = before.flags
    into = float(np.prod([m[0].shape[1] for m in taps]))
    out = float(np.prod([m[0].shape[0] for m in taps]))

    def pull(g: Moments) -> list[Cotangent]:
        for d in range(first, len(g.dims)):
            g = single(g, d)
            if g.dims[d]:
                g = g.coarsened(g.position(d))
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
        inside = min((count - 1.0) / max(into - 1.0, 1.0), 1.0)
        pair = np.where(others & ~same, pair * (1.0 - inside), pair)
        routed = Moments(tuple(dims), np.zeros([axis.groups for axis in axes]), pair)
        return [selected(before, routed, chance, out / into, (routed.dim_axes(range(first, len(dims))), whole))]

    return tape.record([before], y, pull)


@transfer("im2col")
def im2col(tape: Tape, x: Any, kernel: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Moments:
    """Patches as columns: along each dimension every tap of every window, a known map; then the taps go to the channels."""
    from initlint.propagate.ops.view import permuted

    x = as_moments(x)
    kernels, dilations, paddings, strides = (_each(v, 2) for v in (kernel, dilation, padding, stride))
    if len(x.shape) == 3:
        whole = im2col(tape, reshaped(tape, x, [1, *x.shape]), kernels, dilations, paddings, strides)
        return reshaped(tape, whole, whole.shape[1:])
    outs: list[int] = []
    for j in range(2):
        size = x.shape[2 + j]
        outs.append((size + 2 * paddings[j] - dilations[j] * (kernels[j] - 1) - 1) // strides[j] + 1)
        taps = np.zeros((kernels[j] * outs[j], size))
        for t in range(kernels[j]):
            index = np.arange(outs[j]) * strides[j] - paddings[j] + t * dilations[j]
            inside = (index >= 0) & (index < size)
            taps[t * outs[j] + np.flatnonzero(inside), index[inside]] = 1.0
        x = along(tape, x, 2 + j, taps)
    batch, channels = x.shape[:2]
    y = reshaped(tape, x, [batch, channels, kernels[0], outs[0], kernels[1], outs[1]])
    y = permuted(tape, y, [0, 1, 2, 4, 3, 5])
    return reshaped(tape, y, [batch, channels * kernels[0] * kernels[1], outs[0] * outs[1]])


@transfer("upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d", "upsample_linear1d", "upsample_bilinear2d",
          "upsample_trilinear3d", "upsample_bicubic2d", "_upsample_bicubic2d_aa", "_upsample_bilinear2d_aa",
          "_upsample_nearest_exact1d", "_upsample_nearest_exact2d")  # fmt: skip
def upsample(tape: Tape, x: Any, *args: Any, **kwargs: Any) -> Moments:
    raise CannotPredict("the mode is in the name")


def interpolated(tape: Tape, name: str, x: Any, size: Any, factors: Any, corners: bool) -> Moments:
    """Interpolation, dimension by dimension, with the matrix of the real operator."""
    import torch

    x = as_moments(x)
    n = int(name.rstrip("_a")[-2])
    first = len(x.shape) - n
    goal = list(size) if size is not None else [int(x.shape[first + j] * factors[j]) for j in range(n)]
    if "nearest" in name and all(g % s == 0 for g, s in zip(goal, x.shape[first:], strict=True)):
        return _repeated(tape, x, goal)
    mode = "nearest" if "nearest" in name else "cubic" if "bicubic" in name else "linear"
    smooth = name.endswith("_aa")

    def matrix(j: int, size: int) -> Array:
        def run(unit: Any) -> Any:
            image = unit[:, None, :, None]
            if mode == "nearest":
                return torch.nn.functional.interpolate(image, size=(goal[j], 1), mode="nearest")[:, 0, :, 0]
            kind = "bicubic" if mode == "cubic" else "bilinear"
            return torch.nn.functional.interpolate(
                image, size=(goal[j], 1), mode=kind, align_corners=corners and size > 1, antialias=smooth
            )[:, 0, :, 0]

        return matrix_of(run, size)

    return _pool_like(tape, x, n, matrix)


def _repeated(tape: Tape, x: Moments, goal: Sequence[int]) -> Moments:
    from initlint.propagate.ops.view import repeat_interleave

    first = len(x.shape) - len(goal)
    for j, size in enumerate(goal):
        times = size // x.shape[first + j]
        if times > 1:
            x = repeat_interleave(tape, x, times, first + j)
    return x


def _register_interpolation() -> None:
    from initlint.propagate.ops.registry import TRANSFERS

    for name in [n for n in TRANSFERS if "upsample" in n]:

        def run(tape: Tape, x: Any, size: Any = None, *args: Any, _name: str = name, **kwargs: Any) -> Moments:
            rest = list(args)
            corners = bool(rest.pop(0)) if "nearest" not in _name and rest else bool(kwargs.get("align_corners", False))
            factors = rest[0] if rest and isinstance(rest[0], list | tuple) else kwargs.get("scale_factors")
            if factors is None and rest and size is None:
                factors = [f for f in rest if f is not None]
            return interpolated(tape, _name, x, size, factors, corners)

        TRANSFERS[name] = run


_register_pools()
_register_interpolation()

__all__ = ["conv", "conv_transpose", "outer_means"]
