"""Pair moments of tensors whose values are known: constants, tables, masks, measured weights."""

from __future__ import annotations

import itertools
import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from initlint.propagate.axes import Array, Axis, along, average_of_pairs, to_front
from initlint.propagate.moments import Dims, Moments, constant, point
from initlint.propagate.tape import Known

if TYPE_CHECKING:
    import torch

REMEMBERED = 1 << 14  # elements of a table up to which it is summarized once: every layer has the same rotary table, or mask
LARGEST = 1 << 22  # elements; a larger table is thinned by taking every n-th index of its longest dimension


def numbers(tensor: torch.Tensor) -> Array:
    """The values as a float64 array (a complex tensor as its real and imaginary parts along a last dimension)."""
    import torch

    if tensor.is_complex():
        tensor = torch.view_as_real(tensor.resolve_conj())
    return tensor.detach().to(torch.float64).numpy()


def known_moments(known: Known, like: Moments | None = None) -> Moments:
    """A known tensor as a random one: within a group of indices, which index it is counts as chance.

    The groups are those of `like` (broadcast from the right), so that a table meets a partitioned tensor on equal terms.
    """
    if known.tensor.numel() == 0:
        return constant(known.shape, 0.0)
    if known.tensor.is_complex():
        import torch

        parts = torch.view_as_real(known.tensor.resolve_conj())
        real, imaginary = (known_moments(Known(p.contiguous()), like) for p in parts.unbind(-1))
        from initlint.propagate.moments import align

        a, b = align(real, imaginary)
        return Moments(a.dims, a.mean, a.pair + b.pair, complex=True)
    values = numbers(known.tensor)
    if values.size == 1:
        return point(float(values.reshape(-1)[0])).with_(dims=((),) * values.ndim)
    first = values.flat[0]
    if np.all(values == first):
        return constant(values.shape, float(first))
    dims: list[tuple[Axis, ...]] = []
    for d, size in enumerate(values.shape):
        other = () if like is None or len(like.dims) < values.ndim - d else like.dims[d - values.ndim]
        if size == 1:
            dims.append(())
        elif other and math.prod([axis.size for axis in other]) == size:
            dims.append(other)
        else:
            dims.append((Axis(size),))
    if values.size > REMEMBERED:
        return from_array(values, tuple(dims))
    return _remembered(values.tobytes(), tuple(dims)).with_()


@lru_cache(maxsize=256)
def _remembered(values: bytes, dims: Dims) -> Moments:
    return from_array(np.frombuffer(values), dims)


def from_array(values: npt.NDArray[np.float64], dims: Dims, largest: int = LARGEST, *, draws: bool = False) -> Moments:
    """Pair moments of given values, averaged over the pairs of each pair state; with `draws`, also over dimension 0."""
    axes = [axis for dim in dims for axis in dim]
    values = np.asarray(values, dtype=np.float64).reshape([-1, *(axis.size for axis in axes)])
    if values.size > largest and not draws:
        return _thinned(values[0], dims, largest)
    finite = np.isfinite(values)
    if not finite.all():
        values = np.where(finite, values, 0.0)
    share = [_membership(axis) for axis in axes]
    mean = values
    for k, axis in enumerate(axes):
        mean = by_group(mean, share[k], k + 1) / axis.counts.reshape(-1, *(1,) * (len(axes) - k - 1))
    pair = np.empty([axis.states for axis in axes])
    for mask in itertools.product((False, True), repeat=len(axes)):
        left = values
        for k, every in enumerate(mask):
            if every:
                left = by_group(left, share[k], k + 1)
        right = left
        for k, every in enumerate(mask):
            groups = axes[k].groups
            if every and groups > 1:
                left, right = left.repeat(groups, axis=k + 1), right.take(np.tile(np.arange(groups), groups), axis=k + 1)
        product = (left * right).mean(0)
        for k, every in enumerate(mask):
            if not every:
                product = by_group(product, share[k], k)
        where = tuple(
            slice(axis.groups, None) if every else slice(0, axis.groups) for axis, every in zip(axes, mask, strict=True)
        )
        pair[where] = product  # sums over pairs; "different" still contains "same"
    for k, axis in enumerate(axes):
        average_of_pairs(to_front(pair, k), axis)
    result = Moments(dims, mean.mean(0), pair)
    result.zeros = float(np.mean(values == 0))
    return result


def by_group(values: Array, share: Array, k: int) -> Array:
    """Sums over the indices of each group along axis k."""
    if share.shape[1] == 1:
        return np.asarray(values.sum(k, keepdims=True))
    return along(share.T, values, k)


def _membership(axis: Axis) -> Array:
    member = np.zeros((axis.size, axis.groups))
    member[np.arange(axis.size), 0 if axis.labels is None else axis.labels] = 1.0
    return member


def _thinned(values: Array, dims: Dims, largest: int) -> Moments:
    longest = int(np.argmax(values.shape))
    every = min(-(-values.size // largest), values.shape[longest] // 2)
    axes = [axis for dim in dims for axis in dim]
    kept = np.take(values, np.arange(0, values.shape[longest], every), axis=longest)
    thin = [Axis(axis.size, None, axis.role) for axis in axes]
    sampled = from_array(kept, tuple((Axis(n),) if n > 1 else () for n in kept.shape))
    whole = Moments(tuple((axis,) for axis in thin), sampled.mean, sampled.pair, zeros=sampled.zeros)
    remaining = iter(thin)
    return whole.with_(dims=tuple(tuple(next(remaining) for _ in dim) for dim in dims))
