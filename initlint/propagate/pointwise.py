"""Element-wise functions of Gaussian tensors, and whole regions of them, by quadrature and Hermite series.

A tensor that comes out of a wide linear map is Gaussian: a `Source`. Everything computed from it element by element is a
function of one standard normal variable z and is carried as such, as values on a grid of z (`Profile`). So a hand-written
GELU, `x * sigmoid(x)` or `x + relu(x)` is one function of z however many nodes it takes, with all correlations exact.

    E[f]            Σ w_i f(z_i)                                      midpoint rule, spectral for smooth f
    E[f(u) f(v)]    Σ_k a_k(u) a_k(v) ρ^k,  a_k = E[f He_k]/√k!       Mehler's formula; ρ the correlation of u and v

The tail of the series beyond ORDER is replaced by one power of ρ that has the right value and slope at ρ = 1; the slope,
E[f'²], is what decides whether two inputs are told apart after many layers (Poole et al. 2016; Schoenholz et al. 2017).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from initlint.propagate.axes import Array
from initlint.propagate.moments import Moments, align

ORDER = 16  # Hermite coefficients kept
REACH = 8.0  # standard deviations covered by the grid; P(|z| > 8) = 1e-15
FINE, COARSE = 640, 160  # grid points for a few cells, and for many
MANY_CELLS = 4
OTHER = 0.3  # share of the variance above which a bias of another law makes the sum no normal one

_ids = itertools.count()


@lru_cache(maxsize=4)
def grid(points: int) -> tuple[Array, Array, Array]:
    """Nodes z_i between the kinks most functions have at 0, weights w_i, and the matrix that gives a_k from values."""
    step = 2 * REACH / points
    z = -REACH + step * (np.arange(points) + 0.5)
    w = np.exp(-(z**2) / 2)
    w /= w.sum()
    basis = np.empty((ORDER, points))
    basis[0], basis[1] = 1.0, z
    for k in range(2, ORDER):
        basis[k] = (z * basis[k - 1] - np.sqrt(k - 1) * basis[k - 2]) / np.sqrt(k)
    return np.asarray(z), np.asarray(w), np.asarray(basis * w)


def sample_of_sum(normal: Moments, other: Moments) -> Array | None:
    """Values at equal steps of probability of a centred normal entry plus one of another law, a good part of the whole."""
    if other.sample is None or np.any(normal.mean) or normal.profile is not None or normal.affine is not None:
        return None
    if other.q - other.m**2 < OTHER * normal.q:
        return None
    z, w, _ = grid(COARSE)
    ranks = (np.arange(COARSE) + 0.5) / COARSE
    values = np.interp(ranks, (np.arange(len(other.sample)) + 0.5) / len(other.sample), other.sample)
    total = (np.sqrt(normal.q) * z[:, None] + values[None, :]).reshape(-1)
    weight = np.repeat(w, COARSE) / COARSE
    order = np.argsort(total)
    reached = np.cumsum(weight[order]) - weight[order] / 2
    return np.asarray(np.interp((np.arange(4 * COARSE) + 0.5) / (4 * COARSE), reached, total[order]), dtype=np.float64)


class Source:
    """A tensor taken as jointly Gaussian: mean and deviation by cell, correlation by pair state."""

    __slots__ = ("correlation", "deviation", "dims", "key", "origin", "points")

    def __init__(self, moments: Moments) -> None:
        self.key = next(_ids)
        self.origin = moments
        self.dims = moments.dims
        variance = np.maximum(moments.cells - moments.mean**2, 0.0)
        # what rounding leaves of a deterministic tensor is not a spread
        variance = np.where(variance < 1e-13 * moments.cells, 0.0, variance)
        self.deviation = np.sqrt(variance)
        self.points = FINE if self.deviation.size <= MANY_CELLS else COARSE
        spread = scale_by_state(moments, self.deviation)
        with np.errstate(divide="ignore", invalid="ignore"):
            correlation = moments.centered() / spread
        self.correlation = np.clip(np.where(spread > 0, correlation, 0.0), -1.0, 1.0)


def scale_by_state(moments: Moments, by_cell: Array) -> Array:
    """by_cell(u)·by_cell(v) for every pair state."""
    from initlint.propagate.moments import outer_means

    return outer_means(moments.axes, by_cell, by_cell)


@dataclass(frozen=True, slots=True)
class Profile:
    """A tensor as a function of a source: `values[i, cell]` at the grid node z_i."""

    source: Source
    values: Array


def profile_of(x: Moments) -> Profile:
    """x as a function of its source; x becomes a source of its own where it is none."""
    if x.profile is None and x.affine is not None:
        base, factor, shift = x.affine
        before = profile_of(base)
        x.profile = Profile(before.source, factor * before.values + shift)
    if x.profile is None:
        source = Source(x)
        z = grid(source.points)[0].reshape(-1, *(1,) * x.mean.ndim)
        if x.sample is not None:
            import torch

            share = torch.special.ndtr(torch.from_numpy(z.reshape(-1).copy())).numpy()
            ranks = (np.arange(len(x.sample)) + 0.5) / len(x.sample)
            values = np.interp(share, ranks, x.sample).reshape(z.shape)
            x.profile = Profile(source, np.broadcast_to(values, (len(values), *x.mean.shape)))
        elif x.positive and np.all(x.mean > 0):
            # an average of squares and its like: log-normal with the same mean and variance, so that 1/x has moments
            width = np.log1p((source.deviation / x.mean) ** 2)
            x.profile = Profile(source, x.mean * np.exp(np.sqrt(width) * z - width / 2))
        elif x.negative and np.all(x.mean < 0):
            width = np.log1p((source.deviation / x.mean) ** 2)
            x.profile = Profile(source, x.mean * np.exp(width / 2 - np.sqrt(width) * z) / np.exp(width))
        else:
            x.profile = Profile(source, x.mean + source.deviation * z)
    return x.profile


def pair_of(dims_like: Moments | None, profile: Profile) -> Array:
    """E[f(u) f(v)] by pair state."""
    source = profile.source
    _, w, transform = grid(source.points)
    values = profile.values.reshape(source.points, -1)
    series = transform @ values
    total = w @ values**2
    rest = np.maximum(total - (series**2).sum(0), 0.0)
    axes = [axis for dim in source.dims for axis in dim]
    shape = source.correlation.shape
    rho = source.correlation.reshape(-1)
    groups = tuple(axis.groups for axis in axes)
    if values.shape[1] == 1:
        left = right = np.zeros(1, dtype=np.int64)
        coefficients = series**2
        tail = rest
    else:
        cells = np.arange(values.shape[1]).reshape(groups)
        left = cells[np.ix_(*(axis.rows[0] for axis in axes))].reshape(-1)
        right = cells[np.ix_(*(axis.rows[1] for axis in axes))].reshape(-1)
        coefficients = series[:, left] * series[:, right]
        tail = np.sqrt(rest[left] * rest[right])
    pair = np.zeros_like(rho)
    for k in range(ORDER - 1, -1, -1):
        pair = pair * rho + coefficients[k]
    if np.any(tail > 1e-12 * np.abs(coefficients).sum(0)):
        step = 2 * REACH / source.points
        slope = w @ (np.asarray(np.gradient(values, step, axis=0)) ** 2) - np.arange(ORDER) @ series**2
        power = np.clip(slope / np.maximum(rest, 1e-300), ORDER, 1e3)
        power = np.sqrt(power[left] * power[right])
        pair = pair + tail * np.maximum(rho, 0.0) ** power
    pair = pair.reshape(shape)
    same = tuple(slice(0, g) for g in groups)
    if np.all(source.correlation[same] > 0) or not groups:
        pair[same] = total.reshape(groups)
    else:  # cells without spread have correlation 0 by convention: their second moment is the square of their value
        pair[same] = np.where(source.deviation > 0, total.reshape(groups), (profile.values[0] ** 2).reshape(groups))
    return pair


def from_profile(profile: Profile, like: Moments, method: str) -> Moments:
    """The tensor with this profile."""
    _, w, _ = grid(profile.source.points)
    flat = profile.values.reshape(len(w), -1)
    mean = (w @ flat).reshape(profile.values.shape[1:])
    result = Moments(
        like.dims, mean, pair_of(like, profile), method=method, flags=like.flags, profile=profile, valid=like.valid
    )
    result.positive = bool(np.all(profile.values >= 0))
    result.negative = bool(np.all(profile.values <= 0))
    result.zeros = result.average((w @ (flat == 0)).reshape(mean.shape)) if np.any(flat == 0) else 0.0
    return result


def apply(function: Callable[[Array], Array], x: Moments, *, method: str = "quadrature") -> Moments:
    """f(x), element by element; x is taken as Gaussian unless it is itself a function of a Gaussian source."""
    before = profile_of(x)
    with np.errstate(all="ignore"):
        values = finite(function(before.values))
    return from_profile(Profile(before.source, values), x, method)


def combine(function: Callable[[Array, Array], Array], x: Moments, y: Moments) -> Moments | None:
    """f(x, y) where both are functions of one source; None where they are not."""
    if lineage(x) != lineage(y) or x.shape != y.shape:
        return None
    left, right = profile_of(x), profile_of(y)
    with np.errstate(all="ignore"):
        values = finite(function(left.values, right.values))
    return from_profile(Profile(left.source, values), x, "quadrature")


def lineage(x: Moments) -> int:
    """Equal for tensors that are functions of one source, element by element."""
    while x.profile is None and x.affine is not None:
        x = x.affine[0]
    return id(x) if x.profile is None else id(x.profile.source)


def finite(values: Array) -> Array:
    """Values outside a function's domain, where a Gaussian reaches but the real tensor does not, replaced by the centre's."""
    good = np.isfinite(values)
    if good.all():
        return values
    centre = values[len(values) // 2]
    return np.where(good, values, np.where(np.isfinite(centre), centre, 0.0))


def coarsened(x: Moments, axes: list[int]) -> Moments:
    """x with one group along some axes; what it is a function of is kept, its values averaged over the groups."""
    if all(x.axes[k].labels is None for k in axes):
        profile_of(x)
        return x
    before = profile_of(x)
    source = before.source
    base = Moments(source.dims, np.zeros_like(source.deviation), source.correlation * scale_by_state(x, source.deviation))
    values, coarse = before.values, x
    for k in axes:
        axis = x.axes[k]
        if axis.labels is None:
            continue
        values = np.expand_dims(np.tensordot(values, axis.counts / axis.size, (k + 1, 0)), k + 1)
        base, coarse = base.coarsened(k), coarse.coarsened(k)
    new = Source(base)
    if new.points != source.points:
        z_old, z_new = grid(source.points)[0], grid(new.points)[0]
        flat = values.reshape(len(z_old), -1)
        values = np.stack([np.interp(z_new, z_old, column) for column in flat.T], axis=1).reshape(-1, *values.shape[1:])
    coarse = coarse.with_()
    coarse.profile = Profile(new, values)
    return coarse


class Cotangent:
    """What flows back into one value: independent terms, and terms that are a known function of a source times a root.

    Terms with the same root and the same source are coherent, so their functions add before they are squared; that is
    what makes the gradient of `x * sigmoid(x)` right, whose two paths carry the same cotangent.
    """

    __slots__ = ("coherent", "plain", "spent")

    def __init__(self, plain: Moments | None = None, spent: Moments | None = None) -> None:
        self.plain = plain
        self.spent = spent  # to be reported, but already accounted for further back
        self.coherent: dict[tuple[int, int], tuple[Moments, Source, Array]] = {}

    def add_plain(self, term: Moments) -> None:
        if self.plain is None:
            self.plain = term
        elif not term.is_zero or term.pair.any():
            self.plain = plus(self.plain, term)

    def add_coherent(self, root: Moments, source: Source, coefficient: Array) -> None:
        key = (id(root), source.key)
        if key in self.coherent:
            _, _, before = self.coherent[key]
            coefficient = before + coefficient
        self.coherent[key] = (root, source, coefficient)

    def total(self) -> Moments | None:
        """Pair moments of the whole cotangent; coherent terms are folded in, so that later terms see one root."""
        for root, source, coefficient in self.coherent.values():
            pair = pair_of(None, Profile(source, coefficient))
            factor = Moments(source.dims, np.zeros(coefficient.shape[1:]), pair)
            self.add_plain(times(factor, root))
        self.coherent = {}
        return self.plain


def plus(x: Moments, y: Moments) -> Moments:
    """The sum of two independent zero-mean tensors."""
    x, y = align(x, y)
    return Moments(x.dims, x.mean, x.pair + y.pair)


def times(x: Moments, y: Moments) -> Moments:
    """The product of two independent tensors, as pair moments (means multiply too)."""
    x, y = align(x, y)
    gram = x.gram if y.gram is None else y.gram if x.gram is None else None
    return Moments(x.dims, x.mean * y.mean, x.pair * y.pair, gram=gram)
