"""Functions of Gaussians with an offset of every channel, divided by each channel's own deviation.

Behind a second convolution the mean of a channel differs from draw to draw, and so does its deviation after a function: a
batch norm of ReLU(z), z = √ρ u + √(1−ρ) e with u of the channel, is no function of z but

    ŷ = (f(z) − m(u)) / √(s²(u) + ε),     m = E[f | u],  s² = Var[f | u]

of which the law over all channels is a mixture, and which sends a cotangent c(ŷ) back with E[c(ŷ)²/(s²(u) + ε) | z].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from initlint.propagate.axes import Array, weighed
from initlint.propagate.moments import Moments, align
from initlint.propagate.pointwise import Cotangent, Profile, Source, grid, profile_of
from initlint.propagate.sums import correlations
from initlint.propagate.views import View

NOTED = 0.02  # correlation of a channel's entries below which its offset is none
POINTS = 80  # of the grids of u and e


@dataclass(frozen=True, slots=True)
class Channel:
    """One kind of channel.

    function   f on the grid of the source of x
    shared     ρ
    mean       m on the grid of u
    variance   s² on it
    """

    function: Array
    shared: float
    mean: Array
    variance: Array


@dataclass(frozen=True, slots=True)
class Offsets:
    """A normalization over `axes` of x whose channels have offsets of their own; `channels` by cell of the other axes."""

    x: Moments
    axes: Sequence[int]
    eps: float
    channels: dict[tuple[int, ...], Channel]

    def law(self, y: Moments) -> Profile | None:
        """The result y as a function of a source of its own."""
        if profile_of(self.x).normal or not np.all(y.cells > y.mean**2):
            return None
        source = Source(y)
        z = torch.special.ndtr(torch.from_numpy(grid(source.points)[0])).numpy()
        w = grid(source.points)[1]
        result = np.empty((len(z), *y.mean.shape))
        rest = [k for k in range(y.mean.ndim) if k not in self.axes]
        e, weight, _ = grid(POINTS)
        mass = np.outer(weight, weight).reshape(-1)
        for cell, channel in self.channels.items():
            at = mixed(channel.shared, e[:, None], e)
            values = self._divided(channel, np.interp(at, _grid_of(channel), channel.function), e[:, None]).reshape(-1)
            order = np.argsort(values)
            column = np.interp(z, np.cumsum(mass[order]) - mass[order] / 2, values[order])
            column = (column - w @ column) / np.sqrt(w @ column**2 - (w @ column) ** 2)
            place = _place(y.mean.ndim, rest, cell)
            deviation = np.sqrt(y.cells - y.mean**2)[place]
            shape = (-1, *(1,) * y.mean.ndim)
            every = (slice(None), *place)
            result[every] = y.mean[place] + column.reshape(shape) * deviation
        source.correlation = correlations(source, result, y)
        return Profile(source, result)

    def sent(self, g: Cotangent, law: Profile | None) -> Array:
        """√E[c²(v + ε)/(s² + ε) | z] of a cotangent with square one on average, on the grid of the source of x, by cell of x.

        `law` is that of the result: terms that are functions of its source meet the deviation they belong to.
        """
        profile = profile_of(self.x)
        result = np.ones_like(profile.values)
        rest = [k for k in range(self.x.mean.ndim) if k not in self.axes]
        z = grid(profile.source.points)[0]
        e, weight, _ = grid(POINTS)
        known = [] if law is None else [term for term in g.coherent.values() if term.source is law.source]
        plain = g.copied()
        plain.coherent = {key: term for key, term in plain.coherent.items() if not any(term is other for other in known)}
        total, whole = plain.total(), g.whole()
        levels = [None if m is None else self.levels(m) for m in (total, whole, *(term.root for term in known))]
        for cell, channel in self.channels.items():
            u = mixed(channel.shared, z[:, None], e)  # two normal variables with this correlation, either given the other
            level = float(weight @ channel.variance)
            gain = (level + self.eps) / (np.interp(u, e, channel.variance) + self.eps)
            other, every_term, *roots = (np.zeros(()) if by_cell is None else by_cell[cell] for by_cell in levels)
            square = other * (gain @ weight)
            if known and law is not None:
                y = self._divided(channel, np.interp(z, _grid_of(channel), channel.function)[:, None], u)
                first = [0 if k in self.axes else cell[rest.index(k)] for k in range(self.x.mean.ndim)]
                column: tuple[slice | int, ...] = (slice(None), *first)
                at = law.values[column]
                for term, root in zip(known, roots, strict=True):
                    function = term.values[column] ** 2
                    square = square + root * ((np.interp(y, at, function) * gain) @ weight)
            every, shape = (slice(None), *_place(self.x.mean.ndim, rest, cell)), (-1, *(1,) * self.x.mean.ndim)
            if every_term > 0.0:
                result[every] = (square / every_term).reshape(shape)
        return np.sqrt(np.maximum(result, 0.0))

    def levels(self, m: Moments) -> Array:
        """E[m²] by cell of the axes that are not normalized, each kind of channel by itself."""
        rest = [k for k in range(self.x.mean.ndim) if k not in self.axes]
        if tuple(map(len, m.dims)) != tuple(map(len, self.x.dims)):
            return np.full([self.x.axes[k].groups for k in rest], m.q)
        for k in rest:
            if not m.axes[k].same_partition(self.x.axes[k]):
                m = align(m, self.x)[0].coarsened(k, self.x.axes[k])
        cells = m.cells
        for k in sorted(self.axes, reverse=True):
            cells = weighed(cells, m.axes[k].shares, k)
        return np.asarray(cells)

    def _divided(self, channel: Channel, values: Array, u: Array) -> Array:
        e = grid(POINTS)[0]
        deviation = np.sqrt(np.interp(u, e, channel.variance) + self.eps)
        return np.asarray((values - np.interp(u, e, channel.mean)) / np.maximum(deviation, 1e-300))


def offsets_of(x: Moments, axes: Sequence[int], eps: float) -> Offsets | None:
    """What a normalization over `axes` has to know of a function whose entries there have something in common; else None."""
    if (x.profile is None and x.affine is None) or x.valid is not None or len(axes) == x.mean.ndim:
        return None
    profile = profile_of(x)
    source, values = profile.source, profile.values
    if isinstance(source, View) or values.shape[1:] != x.mean.shape or source.correlation.shape != x.pair.shape:
        return None
    shared = shared_within(x, source.correlation, axes)
    if shared.max() < NOTED:
        return None
    e, weight, _ = grid(POINTS)
    for k in sorted(axes, reverse=True):
        values = weighed(values, x.axes[k].shares, k + 1)
    channels = {}
    for cell in np.ndindex(*values.shape[1:]):
        column = (slice(None), *cell)
        function = np.asarray(values[column])
        own = float(shared[cell])
        given = np.interp(mixed(own, e[:, None], e), grid(len(function))[0], function)
        mean = given @ weight
        channels[cell] = Channel(function, own, mean, np.maximum(given**2 @ weight - mean**2, 0.0))
    return Offsets(x, axes, eps, channels)


def mixed(shared: float, u: Array, e: Array) -> Array:
    """√ρ u + √(1−ρ) e."""
    return np.asarray(np.sqrt(shared) * u + np.sqrt(1.0 - shared) * e)


def shared_within(x: Moments, correlation: Array, axes: Sequence[int]) -> Array:
    """The average correlation of two different entries that differ in `axes` alone, by cell of the other axes."""
    average = correlation
    for k in sorted(axes, reverse=True):
        average = weighed(average, x.axes[k].pair_shares, k)
    same = average[tuple([axis.cells for k, axis in enumerate(x.axes) if k not in axes])]
    count = float(np.prod([x.axes[k].size for k in axes]))
    return np.asarray(np.clip((count * same - 1.0) / max(count - 1.0, 1.0), 0.0, 1.0))


def _place(ndim: int, rest: Sequence[int], cell: tuple[int, ...]) -> tuple[slice, ...]:
    """The cells of one kind of channel."""
    chosen = dict(zip(rest, cell, strict=True))
    return tuple(slice(chosen[k], chosen[k] + 1) if k in chosen else slice(None) for k in range(ndim))


def _grid_of(channel: Channel) -> Array:
    return grid(len(channel.function))[0]
