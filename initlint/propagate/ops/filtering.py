"""Convolutions by Fourier transforms: irfft(rfft(x) · rfft(k)) is a circular convolution, and is propagated as one.

Entry by entry in the spectrum, the phases that make a causal filter causal are lost. In time nothing is: for independent x and k

    E[y_t y_t'] = Σ_ss' E[k_{t−s} k_{t'−s'}] E[x_s x_s'],        a two-dimensional circular convolution of pair moments,

done by a transform itself, for every pair state of the other axes. The cotangent of x is the correlation of that of y with k.
Signals shorter than the transform are padded with zeros, which is why the first and the second half of y differ.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from initlint.propagate.axes import Array, Axis, Labels, canonical, state_of
from initlint.propagate.linear import members
from initlint.propagate.moments import Moments, align, replaced
from initlint.propagate.ops.gather import single
from initlint.propagate.ops.view import unbroadcast
from initlint.propagate.pointwise import Cotangent
from initlint.propagate.tape import Tape, pull_back

LARGEST = 1 << 22  # pairs of times, over all pair states of the other axes
LEVELS = 4  # groups of times among those of the signal


@dataclass(frozen=True, slots=True)
class Filtered:
    """That a tensor is scale · the transform of a real tensor, or of two times each other, along dimension `d` (from the right).

    spectra   the tensors between those and this one, whose gradients are reported
    """

    factors: tuple[Moments, ...]
    d: int
    size: int
    scale: float
    spectra: tuple[Moments, ...]

    def scaled(self, factor: float, y: Moments) -> Filtered:
        """What is known of y, a multiple of this."""
        return replace(self, scale=self.scale * factor, spectra=(*self.spectra, y))

    def times(self, other: Filtered, z: Moments) -> Filtered | None:
        """What is known of the product z of two different signals' transforms."""
        one = len(self.factors) == len(other.factors) == 1 and self.factors[0] is not other.factors[0]
        if not one or (self.d, self.size) != (other.d, other.size):
            return None
        return Filtered((*self.factors, *other.factors), self.d, self.size, self.scale * other.scale, (*self.spectra, *other.spectra, z))


def transformed(x: Moments, d: int, size: int, scale: float, spectrum: Moments) -> Filtered | None:
    """What is known of rfft(x, n=size, dim=d)."""
    if x.complex or x.shape[d] > size:
        return None
    return Filtered((x,), d - len(x.dims), size, scale, (spectrum,))


def convolution(tape: Tape, known: Filtered, plain: Moments, mark: int, scale: float) -> Moments | None:
    """The convolution that the inverse transform `plain` of a product is; None where it is too large to be followed in time.

    plain   the result from the spectrum alone, by the tape's entry number `mark`, which says how gradients go to the spectra
    scale   of the inverse transform, one for that which undoes the other
    """
    x, k = known.factors
    size, scale = known.size, scale * known.scale
    a, b = align(_padded(x, known.d, size), _padded(k, known.d, size))
    n = a.position(len(a.dims) + known.d)
    if size * size * int(np.prod([axis.states for m, axis in enumerate(a.axes) if m != n])) > LARGEST or a.shape != plain.shape:
        return None
    left, right = _transform(a, n), _transform(b, n)
    pair = np.fft.irfft2(left * right, (size, size)) * scale**2
    length = min(x.shape[known.d], size)
    labels = _levels(pair, a, n, length if length < size else 0)
    mean = np.fft.irfft(np.fft.rfft(_at_times(a.mean, a, n)) * np.fft.rfft(_at_times(b.mean, b, n)), size) * scale
    y = _grouped(a, n, pair, mean, Axis(size, labels, a.axes[n].role))
    y.method, y.flags = plain.method, plain.flags
    wanted = {id(t) for t in known.spectra}
    between = [entry for entry in tape.entries[: mark + 1] if id(entry.output) in wanted] + [tape.entries[mark]]
    del tape.entries[mark:]

    def pull(g: Moments) -> list[Cotangent | None]:
        found = pull_back(Tape(entries=between), [(plain, g)])
        terms: list[Cotangent | None] = [Cotangent(spent=found[id(t)]) if id(t) in found else None for t in known.spectra]
        for target, other in ((x, b), (k, a)):
            here, there = align(_padded(g, known.d, size), other)
            m = here.position(len(here.dims) + known.d)
            back = np.fft.irfft2(_transform(here, m) * np.conj(_transform(there, m)), (size, size)) * scale**2
            long = target.shape[known.d]
            axis = single(target, len(target.dims) + known.d).axes[target.position(len(target.dims) + known.d)]
            back = back[..., :long, :long]
            terms.append(Cotangent(unbroadcast(_grouped(here, m, back, None, axis), target)))
        return terms

    return tape.record([*known.spectra, x, k], y, pull)


def _padded(x: Moments, d: int, size: int) -> Moments:
    """x with zeros after its last entry along dimension d (from the right), which gets exactly one axis."""
    x = single(x, len(x.dims) + d)
    k = x.position(len(x.dims) + d)
    axis = x.axes[k]
    if axis.size == size:
        return x
    groups = axis.groups
    labels = np.concatenate([np.zeros(axis.size, dtype=np.int64) if axis.labels is None else axis.labels, np.full(size - axis.size, groups)])
    wide = Axis(size, labels, axis.role)
    row, column = wide.rows
    inside = (row < groups) & (column < groups)
    row, column = np.minimum(row, groups - 1), np.minimum(column, groups - 1)
    states = np.where(np.arange(wide.states) < wide.groups, row, state_of(groups, row, column))
    shape = [-1 if n == k else 1 for n in range(x.pair.ndim)]
    pair = np.take(x.pair, states, axis=k) * inside.reshape(shape)
    mean = np.concatenate([x.mean, np.zeros_like(x.mean.take([0], axis=k))], axis=k)
    return Moments(replaced(x.dims, k, (wide,)), mean, pair)


def _labels(axis: Axis) -> Labels:
    return np.zeros(axis.size, dtype=np.int64) if axis.labels is None else axis.labels


def _transform(x: Moments, k: int) -> Array:
    """The two-dimensional transform of the pair moments of all times along axis k, which goes last, twice."""
    axis = x.axes[k]
    labels = _labels(axis)
    states = state_of(axis.groups, labels[:, None], labels[None, :])
    np.fill_diagonal(states, labels)
    return np.asarray(np.fft.rfft2(np.moveaxis(x.pair, k, -1)[..., states]))


def _at_times(by_cell: Array, x: Moments, k: int) -> Array:
    return np.asarray(np.moveaxis(by_cell, k, -1)[..., _labels(x.axes[k])])


def _levels(pair: Array, x: Moments, k: int, length: int) -> Labels | None:
    """Groups of times by half octaves of their second moment; those after the signal's last are a group of their own."""
    profile = np.diagonal(pair, axis1=-2, axis2=-1)[tuple(slice(0, axis.groups) for n, axis in enumerate(x.axes) if n != k)]
    profile = np.maximum(profile.reshape(-1, profile.shape[-1]).mean(0), 0.0)
    inside = slice(0, length or len(profile))
    level = np.full(len(profile), LEVELS, dtype=np.int64)
    with np.errstate(divide="ignore"):
        below = np.round(2.0 * np.log2(profile[inside].max() / np.maximum(profile[inside], 1e-300)))
    level[inside] = np.clip(below, 0, LEVELS - 1)
    return None if np.all(level == level[0]) else canonical(level)


def _grouped(x: Moments, k: int, pair: Array, mean: Array | None, axis: Axis) -> Moments:
    """Moments with the other axes of x from those of all pairs of times, which are the last two axes of `pair`."""
    member = members(axis)
    sums = np.swapaxes(pair @ member, -1, -2) @ member  # [..., h, g]; the transform is symmetric in the two times
    own = np.diagonal(pair, axis1=-2, axis2=-1) @ member
    sums = np.swapaxes(sums, -1, -2).copy()
    index = np.arange(axis.groups)
    sums[..., index, index] -= own
    count = axis.pairs[axis.groups :].reshape(axis.groups, axis.groups)
    same = own / axis.counts
    apart = sums / np.maximum(count, 1.0)
    lonely = index[axis.counts == 1]  # "different" inside a group of one cannot happen; keep it finite
    apart[..., lonely, lonely] = same[..., lonely]
    states = np.concatenate([same, apart.reshape(*apart.shape[:-2], -1)], axis=-1)
    if mean is None:
        means = np.zeros([axis.groups if n == k else a.groups for n, a in enumerate(x.axes)])
    else:
        means = np.moveaxis(mean @ member / axis.counts, -1, k)
    return Moments(replaced(x.dims, k, (axis,)), means, np.moveaxis(states, -1, k))
