"""Convolutions and transposed convolutions.

A convolution is a sum over taps t of W_t A_t x with A_t the known map that moves positions, so

    E[y_o y_o'] = Σ_{t,t'} E[W_t W_t'] (A_t ⊗ A_t') E[x x']

With fresh zero-mean weights only t = t' counts and K_y(p, p') = fan_in · E[w²] · mean_t K_x(p+t, p'+t) (Xiao et al. 2018).
A position near the border misses taps; such positions form groups of their own, so that zero padding is exact until there
are more kinds of positions than groups.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from initlint.propagate.axes import Array, Axis, along
from initlint.propagate.linear import group_rows, mean_map, members, pair_map
from initlint.propagate.moments import Moments
from initlint.propagate.near import met_in_sum, through_taps
from initlint.propagate.ops.arithmetic import added
from initlint.propagate.ops.copied import stays, through_identity
from initlint.propagate.ops.depthwise import Passage, entering, leaving
from initlint.propagate.ops.gather import flags_of, single
from initlint.propagate.ops.maps import each_of, in_phases, tap_matrices, transposed_taps
from initlint.propagate.ops.matrix import contract
from initlint.propagate.ops.norm import channel_vector
from initlint.propagate.ops.registry import as_moments, transfer
from initlint.propagate.ops.regressed import tell_weight
from initlint.propagate.ops.view import permuted, reshaped
from initlint.propagate.rows import image_of_patches, image_of_rows, shifted_rows
from initlint.propagate.sparse import Sparse, total
from initlint.propagate.tape import Tape

GROUPS = {1: 5, 2: 3, 3: 2}  # kinds of positions kept along each dimension, by number of dimensions


class TapMap:
    """Pair maps of one spatial dimension: summed over equal taps, and over different ones; forward and transposed."""

    def __init__(self, taps: Sequence[Sparse], source: Axis, limit: int) -> None:
        key = (id(taps[0]), len(taps), taps[0].shape, source, limit)
        if key not in _targets:
            if len(_targets) > 2000:
                _targets.clear()
            inside = members(source)
            seen = [t @ inside for t in taps]
            # positions are alike if they read as many of each group, and one of the same group with the tap in the middle
            features = np.concatenate([np.sum(seen, axis=0), seen[len(seen) // 2]], axis=1)
            _targets[key] = Axis(taps[0].shape[0], group_rows(features, limit), source.role), taps
        self.source = source
        self.target = _targets[key][0]
        self.taps = taps
        self.kernel = len(taps)

    def forward(self, target: Axis | None = None) -> tuple[Array, Array]:
        return self._maps(self.taps, self.source, self.target if target is None else target)

    def backward(self, source: Axis) -> tuple[Array, Array]:
        """Maps of a cotangent on output positions (groups of `source`) to input positions."""
        return self._maps([t.T for t in self.taps], source, self.source)

    @staticmethod
    def _maps(taps: Sequence[Sparse], source: Axis, target: Axis) -> tuple[Array, Array]:
        key = (id(taps[0]), len(taps), taps[0].shape, source, target)
        if key not in _cache:
            if len(_cache) > 2000:
                _cache.clear()
            equal = np.sum([pair_map(t, source, target) for t in taps], axis=0)
            every = pair_map(total(taps), source, target)
            _cache[key] = (equal, every - equal, taps)
        equal, other, _ = _cache[key]
        return equal, other


_cache: dict[Any, tuple[Array, Array, Sequence[Sparse]]] = {}
_targets: dict[Any, tuple[Axis, Sequence[Sparse]]] = {}


def moved(pair: Array, k: int, maps: tuple[Array, Array], taps: bool) -> Array:
    """Apply a tap map to axis k; with `taps`, append an axis for the tap's pair state (equal, different)."""
    equal = along(maps[0], pair, k)
    if not taps:
        return equal
    other = along(maps[1], pair, k)
    return np.stack([equal, other], axis=-1)


def convolved(
    tape: Tape, x: Moments, weight: Moments, bias: Any, groups: int, taps: Sequence[Sequence[Sparse]], transposed: bool
) -> Moments:
    """Any convolution with these taps; weight is (out, in/groups, …), or (in, out/groups, …) when transposed."""
    spatial = len(taps)
    kernel = [len(t) for t in taps]
    if groups == 1 and not transposed and stays(weight, taps):
        y = through_identity(tape, x, weight, lambda t, u, w: convolved(t, u, w, None, groups, taps, transposed))
        return y if bias is None else added(tape, y, channel_vector(tape, bias, spatial + 2))
    whole = x
    for d in range(2, 2 + spatial):
        x = in_phases(tape, x, d)
    if transposed:
        c_in, per = weight.shape[0], weight.shape[1]
        grouped = reshaped(tape, weight, [groups, c_in // groups, per, *kernel])
        order = [0, 2, 1, *range(3, 3 + spatial)]
        w = permuted(tape, grouped, order)
        c_out = per * groups
    else:
        c_out, per = weight.shape[0], weight.shape[1]
        w = reshaped(tape, weight, [groups, c_out // groups, per, *kernel])
    batch = x.shape[0]
    passage = Passage(kernel=weight, taps=taps) if groups == x.shape[1] > 1 else None
    if passage is not None:
        x = entering(tape, x, passage)
    z = reshaped(tape, x, [batch, groups, x.shape[1] // groups, *x.shape[2:]])
    alone = math.prod(kernel) == 1 and all(t[0].shape == (n, n) for t, n in zip(taps, x.shape[2:], strict=True))
    base = whole if alone and not np.any(weight.mean) else None
    y = _convolved(tape, z, w, taps, base)
    y = reshaped(tape, y, [batch, c_out, *y.shape[3:]])
    if not transposed and (groups == 1 or (base is not None and groups < x.shape[1])):
        y.gram = image_of_patches(x, y, math.prod(kernel), groups, base)
    if bias is not None:
        own = y
        y = added(tape, y, channel_vector(tape, bias, spatial + 2))
        y.gram = shifted_rows(own, y)
    if groups == 1 and not np.any(weight.mean):
        tell_weight(tape, y, x, weight, 1, math.prod(kernel))
    return y if passage is None else leaving(tape, y, x, passage)


def _convolved(tape: Tape, x: Moments, w: Moments, taps: Sequence[Sequence[Sparse]], base: Moments | None = None) -> Moments:
    """x (batch, group, in, positions …), w (group, out, in, taps …) → (batch, group, out, positions …).

    base  what the result is an image of, position by position, if it is
    """
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
    if x.near and not any(with_taps):
        y.near = through_taps(x, taps, False)

    def pull(g: Moments) -> list[Moments]:
        for d in range(3, 3 + spatial):
            g = single(g, d)
        back, back_dims = spread(g, backward=True)
        gx = _contract(g, w, back, back_dims, with_taps, out_letter="i", in_letter="o")
        gx.mean = np.zeros([axis.groups for axis in gx.axes])
        if g.near and not any(with_taps):
            gx.near = through_taps(g, taps, True)
        return [gx, _weight_gradient(g, x, w, maps, spread, base)]

    return tape.record([x, w], y, pull)


def _different(w: Moments, k: int) -> Array:
    return np.take(w.pair, np.arange(w.axes[k].groups, w.axes[k].states), axis=k)


def _contract(
    x: Moments, w: Moments, pair: Array, positions: Sequence[tuple[Axis, ...]], with_taps: Sequence[bool], *,
    out_letter: str, in_letter: str,
) -> Moments:  # fmt: skip
    """Contract channels and taps of spread x with w."""
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
    flat = w.mean
    for d in range(len(w.dims) - 1, 2, -1):
        if w.dims[d]:
            flat = np.asarray(flat.take(0, axis=w.position(d)))
    space = "pqr"[: len(dims)]
    left = Moments(x.dims, mean, np.zeros([axis.states for axis in x.axes]))
    right = Moments(w.dims[:3], flat, np.zeros([a.states for dim in w.dims[:3] for a in dim]))
    return contract(left, right, "bgi" + space, "goi", "bgo" + space).mean


def _weight_gradient(
    g: Moments, x: Moments, w: Moments, maps: dict[int, TapMap], spread: Callable[..., tuple[Array, list[tuple[Axis, ...]]]],
    base: Moments | None,
) -> Moments:  # fmt: skip
    """Σ over samples and positions of g(o, p) x(i, p + t), by pair state of the taps."""
    pair, dims = spread(x, False, True)
    space, taps = "pqr"[: len(dims)], "stu"[: len(dims)]
    tap_dims = [w.dims[3 + j] for j in range(len(dims))]
    x_dims = (*x.dims[:3], *dims, *(t for t in tap_dims if t))
    names = "bgi" + space + "".join(t for t, dim in zip(taps, tap_dims, strict=True) if dim)
    moved_x = Moments(x_dims, np.zeros([a.groups for dim in x_dims for a in dim]), pair)
    if base is not None:
        rows = frozenset(moved_x.dim_axes([0, *range(3, 3 + len(dims))]))
        moved_x.gram = image_of_rows(moved_x, rows, float(x.shape[2]), base)
    if g.near and x.near and (more := met_in_sum(g, x.with_(near=through_taps(x, [t.taps for t in maps.values()], False)))):
        place = [slice(None)] * g.pair.ndim
        for k in g.dim_axes(range(3, len(g.dims))):
            place[k] = g.axes[k].cells
        g = g.with_(pair=g.pair.copy())
        g.pair[tuple(place)] *= 1.0 + more
    out = "goi" + "".join(t for t, dim in zip(taps, tap_dims, strict=True) if dim)
    result = contract(g, moved_x, "bgo" + space, names, out)
    inside = iter(result.dims[3:])
    return result.with_(dims=(*result.dims[:3], *(next(inside) if dim else () for dim in tap_dims)))


def _convolution(
    tape: Tape, x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Moments:
    x, weight = as_moments(x), as_moments(weight)
    n = len(weight.shape) - 2
    if len(x.shape) == n + 1:
        y = _convolution(tape, reshaped(tape, x, [1, *x.shape]), weight, bias, stride, padding, dilation, groups)
        return reshaped(tape, y, y.shape[1:])
    strides, dilations, kernel = each_of(stride, n), each_of(dilation, n), weight.shape[2:]
    taps = []
    for j in range(n):
        reach = dilations[j] * (kernel[j] - 1)
        size = x.shape[2 + j]
        if padding == "same":
            low, total = reach // 2, reach
        elif padding == "valid":
            low, total = 0, 0
        else:
            low = each_of(padding, n)[j]
            total = 2 * low
        out = (size + total - reach - 1) // strides[j] + 1
        taps.append(tap_matrices(size, out, kernel[j], strides[j], low, dilations[j]))
    return convolved(tape, x, weight, bias, groups, taps, transposed=False)


@transfer("conv1d", "conv2d", "conv3d")
def conv(
    tape: Tape, x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Moments:
    return _convolution(tape, x, weight, bias, stride, padding, dilation, groups)


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
    strides, paddings, dilations = each_of(stride, n), each_of(padding, n), each_of(dilation, n)
    extra, kernel = each_of(output_padding, n), weight.shape[2:]
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
