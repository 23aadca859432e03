"""Normalizations: layer, RMS, group, instance and batch norm, and vectors scaled to unit length.

Each subtracts an average over some axes and divides by the deviation over them, which a wide layer hardly lets fluctuate:

    x̂ = (x − x̄) / √(v + ε),     v = E[x²] − E[x̄²] within the axes, so q_out = γ² v/(v+ε) + β²
    g_in = γ² E[1/(v̂+ε)] · (g − ḡ − x̂ (g·x̂)/n),   v̂ ~ v χ²_dof/dof

g·x̂ is taken with what is known of their dependence: behind a ReLU, g carries the step function of x̂. dof =
(tr Σ)²/tr Σ² of the centred covariance over the axes: n − 1 for independent entries (Ba et al. 2016; for batch norm Yang et
al. 2019, De & Smith 2020). Batch norm divides by the variance *within* a channel, which after a ReLU is not q.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from initlint.propagate.axes import Array, weighed
from initlint.propagate.moments import Moments, align, outer_means
from initlint.propagate.offsets import Offsets, offsets_of
from initlint.propagate.ops.arithmetic import add, mul, times_signal
from initlint.propagate.ops.norm_back import (
    along_itself,
    functions_of,
    less,
    shifted_power,
    still_alike,
    summed,
    take_along,
    unevenly,
)
from initlint.propagate.ops.reduce import marginals, project
from initlint.propagate.ops.registry import as_moments, scalar_of, transfer
from initlint.propagate.ops.view import reshaped
from initlint.propagate.pointwise import Cotangent, Profile, note_law, profile_of, root_of
from initlint.propagate.quotient import Quotient, between_rows, quotient_of, sent_back, weighted
from initlint.propagate.rows import freedom_of_rows, normalized_rows
from initlint.propagate.sources import grid
from initlint.propagate.tape import CoherentPull, Tape

LEAST_FREEDOM = 0.5  # E[1/χ²] diverges at two degrees of freedom; with ε it does not, and few batches are that small
HELD = 1e-4  # variance over ε below which the fluctuation of a deviation is nothing to that of their sum
FEW = 64.0  # degrees of freedom below which the directions are told apart: what they add is of the order of 3/FEW


def _same(x: Moments, k: int) -> slice:
    return slice(0, x.axes[k].groups)


def within(x: Moments, mean: Array, pair: Array, axes: Sequence[int]) -> tuple[Array, Array]:
    """Average over `axes` of the second moment `pair` has, by cell of the other axes, and its degrees of freedom.

    These are 2/f = Var/E² of the average square. Of Gaussian entries Cov(x², y²) = 2 E[xy]² − 2 (E[x] E[y])² (Isserlis 1918).
    """
    trace, squares = _trace(x, pair, axes), pair**2
    if mean.any():
        squares = squares - outer_means(x.axes, mean, mean) ** 2
    for k in sorted(axes, reverse=True):
        squares = weighed(squares, x.axes[k].pairs, k)
    squares = squares[tuple([axis.cells for k, axis in enumerate(x.axes) if k not in axes])]
    count = float(math.prod([x.axes[k].size for k in axes]))
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = np.where(squares > 0, trace**2 / squares, 1.0)
    return trace / count, freedom


def _trace(x: Moments, pair: Array, axes: Sequence[int]) -> Array:
    """The sum over `axes` of the second moment `pair` has, by cell of the other axes."""
    for k in sorted(axes, reverse=True):
        axis = x.axes[k]
        pair = weighed(pair[(slice(None),) * k + (axis.cells,)], axis.counts, k)
    return pair[tuple([axis.cells for k, axis in enumerate(x.axes) if k not in axes])]


def by_state(x: Moments, axes: Sequence[int], by_cell: Array) -> Array:
    """r(u)·r(v) by pair state, for a quantity r given by cell of the axes not in `axes`."""
    rest = [axis for k, axis in enumerate(x.axes) if k not in axes]
    product = outer_means(rest, by_cell, by_cell)
    return np.asarray(product).reshape([1 if k in axes else axis.states for k, axis in enumerate(x.axes)])


def standardized(tape: Tape, x: Moments, dims: Sequence[int], eps: float, centre: bool) -> Moments:
    """x divided by its deviation (or, without `centre`, its root mean square) over some dimensions."""
    axes = x.dim_axes(dims)
    if x.affine is None and x.valid is None:
        note_law(x)
    if centre:
        mean, pair = project(x, axes, -1.0)
    else:
        mean, pair = x.mean, x.pair
    plain = within(x, mean, pair, axes)
    variance = np.maximum(plain[0], 0.0)
    if centre:
        level = _trace(x, x.pair, axes) / float(math.prod([x.axes[k].size for k in axes]))
        variance = np.where(variance < 1e-14 * level, 0.0, variance)
    scale = 1.0 / np.sqrt(variance + eps) if eps > 0 else np.where(variance > 0, 1.0 / np.sqrt(np.maximum(variance, 1e-300)), 0.0)
    share = variance / (variance + eps) if eps > 0 else np.ones_like(variance)
    few = few_directions(x, mean, pair, axes, eps, plain)
    y = rescaled(tape, x, dims, mean, pair, scale, share, centre, few, plain[1], offsets_of(x, axes, eps) if centre else None)
    if centre:
        tape.normalized[id(x)] = frozenset(dims), float(np.mean(share))
        tape.kept.append(x)
    if eps > 0 and not np.any(variance):
        y.zeros = 1.0
    return y


def few_directions(
    x: Moments, mean: Array, pair: Array, axes: Sequence[int], eps: float, plain: tuple[Array, Array] | None = None
) -> Quotient | None:
    """How a Gaussian tensor is divided by its deviation over `axes`, where few directions fluctuate; moments of what is divided.

    plain  `within` of it, where that is known
    """
    law = root_of(x).profile
    if not axes or (law is not None and not law.normal) or x.sample is not None or x.positive or x.negative or x.valid is not None:
        return None
    variance, each = within(x, mean, pair, axes) if plain is None else plain
    if not np.any(variance > HELD * eps) or freedom_of_rows(x, axes, each) is not each:
        return None
    return quotient_of(x, mean, pair, axes, eps) if each.mean() <= FEW else None


def rescaled(
    tape: Tape, x: Moments, dims: Sequence[int], mean: Array, pair: Array, scale: Array, share: Array, centre: bool,
    few: Quotient | None = None, directions: Array | None = None, offsets: Offsets | None = None,
) -> Moments:  # fmt: skip
    """x (or x centred, with these moments) times `scale` = f(v̂), by cell of the other axes.

    `share` is −2 d log f/d log v: one for 1/√v, less where ε holds the scale. The pullback has the fluctuation of v̂ and
    loses the direction of x itself. `few` has the law of both where the directions of x are told apart; `directions` says how many
    there are, where that is known; `offsets` has the law where what is divided has offsets of its own.
    """
    axes = x.dim_axes(dims)
    directions = within(x, mean, pair, axes)[1] if directions is None else directions
    freedom = freedom_of_rows(x, axes, directions)
    factor = by_state(x, axes, scale)
    shape = [1 if k in axes else axis.groups for k, axis in enumerate(x.axes)]
    rows = same_rows(x, axes)
    pair, level = (pair, 1.0) if few is None else by_directions(few, x, pair, axes, share, rows)
    y = x.with_(mean=mean * scale.reshape(shape), pair=pair * factor, zeros=0.0, valid=None, positive=False, negative=False)
    y.gram, y.tails, y.wander = normalized_rows(x, axes), x.tails, x.wander
    known = as_function(x, mean, scale.reshape(shape), centre) if offsets is None and few is None else None
    wobble = np.where(freedom > 1.0 + 1e-6, 1.0 + share * (freedom / np.maximum(freedom - 2.0, LEAST_FREEDOM) - 1.0), 1.0)
    apart = np.where(freedom > 1.0 + 1e-6, inverse_deviation(freedom), 1.0)  # E[1/√v̂], of which two rows have one each
    # (g − x̂a)(g' − x̂'a') with a = g·x̂/n: within a row two of four terms cancel one; between rows gx̂'a' meets g' only in x̂' itself
    lost = by_state(x, axes, np.sqrt(np.where(directions > 1.0 + 1e-6, share * (2.0 - share), share)))
    lost = np.where(rows, lost, -by_state(x, axes, share))
    back = factor * np.where(rows, by_state(x, axes, np.sqrt(np.maximum(wobble, 0.0))), by_state(x, axes, 1.0 + share * (apart - 1.0)))
    kept = np.where(rows, 1.0, 1.0 - 2.0 * by_state(x, axes, np.sqrt(share / np.maximum(directions, 2.0))))
    if known is not None and x.valid is None:
        y.profile = Profile(profile_of(x).source, known)
    if offsets is not None:
        y.profile = offsets.law(y)

    def pull(g: Cotangent) -> list[Cotangent | None]:
        alike = [] if known is None or y.profile is None else functions_of(y.profile.source, g)
        uneven = None if y.profile is None or offsets is None else offsets.sent(g, y.profile)
        power, crossed = times_signal(g, y).total(), shifted_power(alike, known)
        total = g.total()
        if total is None or power is None:
            return [None]
        power, fine, _ = align(power, total, Moments(y.dims, np.zeros(y.mean.shape), np.zeros(y.pair.shape)))
        inside = fine.dim_axes(dims)
        pair = project(fine, inside, -1.0)[1] if centre else fine.pair
        pair = pair * _fit(kept, x, fine)
        coarse = None if known is None else along_itself(power, x, axes)
        if coarse is not None and known is not None:
            plain = fine.with_(pair=pair * _fit(back, x, fine))
            result = still_alike(alike, plain, total) if alike else Cotangent(plain)
            even = along_itself(total, x, axes) if centre else None
            take_along(result, x, known, lost * back, coarse, None if crossed is None else along_itself(crossed, x, axes), even)
            return [result]
        along = summed(power, fine, inside)
        sent = less(fine, pair, along * _fit(lost * y.pair, x, fine)) * _fit(back, x, fine)
        told = few if few is None or len(inside) == len(axes) else _finer(few, x, fine, inside, centre)
        if told is not None:
            single = less(fine, sent_back(told, fine, pair, inside, along), np.zeros(1)) * _fit(factor * level, x, fine)
            sent = np.where(_fit(rows, x, fine) > 0, single, sent)
        result = Cotangent(fine.with_(pair=sent))
        if uneven is not None and tuple(map(len, fine.dims)) == tuple(map(len, x.dims)):
            result = unevenly(fine.with_(pair=sent), profile_of(x).source, uneven, inside)
        return [result]

    return tape.record_coherent([x], y, _overheard(tape, x, y, float(np.sqrt(np.mean(scale**2))), dims, pull))


def by_directions(few: Quotient, x: Moments, pair: Array, axes: Sequence[int], share: Array, rows: Array) -> tuple[Array, float]:
    """The pair moments that, divided by the average square and ε, are those of the quotient; and these two together."""
    told = share[share > HELD / (1.0 + HELD)]  # cells of zeros, of which nothing is left, have no law
    level = float(few.values @ few.counts / few.counts.sum()) * (1.0 + float(np.mean((1.0 - told) / told)))
    apart = between_rows(few, x, pair, axes, pair / level) * level
    return np.where(rows, weighted(x, pair, np.sqrt(few.kept * level), axes), apart), level


def _finer(few: Quotient, x: Moments, fine: Moments, inside: Sequence[int], centre: bool) -> Quotient | None:
    """The law of few directions for a cotangent that tells more of them apart."""
    wide = align(x, fine)[0]
    return few_directions(wide, *(project(wide, inside, -1.0) if centre else (wide.mean, wide.pair)), inside, few.eps)


def _overheard(tape: Tape, x: Moments, y: Moments, scale: float, dims: Sequence[int], pull: CoherentPull) -> CoherentPull:
    """The pullback of a normalization between depthwise convolutions (see `depthwise`); what it left is remembered as such."""
    tape.lengths[id(y)] = math.prod(x.shape[d] for d in dims)
    tape.kept.append(y)

    def overheard(g: Cotangent) -> Sequence[Cotangent | None]:
        pieces = x.made.args[0] if x.made is not None and x.made.name == "cat" else ()  # kernels of several sizes
        for value in (x, *pieces):
            if (hear := tape.hearing.get(id(value))) is not None and value.q > 0.0:
                hear(y, g, scale if value is x else math.sqrt(y.q / value.q), dims)
        gain = math.sqrt(tape.swelling.get(id(y), 1.0))
        return [None if c is None else c.scaled(gain) for c in pull(g)]

    return overheard


def same_rows(x: Moments, axes: Sequence[int]) -> Array:
    """Which pairs of entries are divided by the same deviation, by pair state."""
    rows = np.ones((1,) * x.pair.ndim, dtype=bool)
    for k in set(range(len(x.axes))) - set(axes):
        rows = rows & (np.arange(x.axes[k].states) < x.axes[k].groups).reshape([-1 if n == k else 1 for n in range(x.pair.ndim)])
    return rows


def as_function(x: Moments, mean: Array, scale: Array, centre: bool) -> Array | None:
    """(x − x̄)·scale on the grid of the source that x is a function of; None where x is none."""
    if x.profile is None and x.affine is None:
        return None
    values = profile_of(x).values
    if values.shape[1:] != x.mean.shape:
        return None
    return np.asarray(values * scale - ((x.mean - mean) * scale if centre else 0.0))


def inverse_deviation(freedom: Array) -> Array:
    """E[√(f/χ²_f)] = √(f/2) Γ((f−1)/2)/Γ(f/2); f no smaller than where E[f/χ²_f] is taken to end."""
    half = np.maximum(freedom, 2.0 + LEAST_FREEDOM) / 2
    ratio = [math.exp(math.lgamma(f - 0.5) - math.lgamma(f)) for f in half.reshape(-1).tolist()]
    return np.asarray(np.array(ratio).reshape(half.shape) * np.sqrt(half))


def _fit(factor: Array, x: Moments, fine: Moments) -> Array:
    """A factor by pair state of x, by pair state of a finer tensor."""
    if fine.dims == x.dims:
        return factor
    full = np.broadcast_to(factor, x.pair.shape)
    like = Moments(x.dims, np.zeros(x.mean.shape), full)
    return align(fine, like)[1].pair


def rms_normalized(tape: Tape, x: Moments, dims: Sequence[int], eps: float) -> Moments:
    """x / √(mean x² + ε) over some dimensions."""
    return standardized(tape, x, dims, eps, centre=False)


def scaled_and_shifted(tape: Tape, x: Moments, weight: Any, bias: Any) -> Moments:
    """γ x + β."""
    y = x if weight is None else mul(tape, x, as_moments(weight, x))
    return y if bias is None else add(tape, y, as_moments(bias, x))


def by_channel(tape: Tape, x: Moments, weight: Any, bias: Any) -> Moments:
    """The same for a gain and a shift of every channel; what has no sum over a channel goes past them."""
    rank = len(x.shape)
    weight = channel_vector(tape, weight, rank)
    y = scaled_and_shifted(tape, x, weight, channel_vector(tape, bias, rank))
    if y is x:
        return y
    gain = 1.0 if weight is None else as_moments(weight).m
    z = y.with_(affine=(y, 1.0, 0.0))
    z.profile = y.profile

    def pull(g: Cotangent) -> list[Cotangent | None]:
        tape.swelling[id(x)] = swelling(tape, g)
        past = {key: term for key, term in g.coherent.items() if id(term.root) in tape.balanced}
        if not past:
            return [g, None]
        rest, straight = Cotangent(g.plain), Cotangent()
        rest.coherent = {key: term for key, term in g.coherent.items() if key not in past}
        straight.coherent = past
        return [rest, straight.scaled(gain)]

    return tape.record_coherent([y, x], z, pull)


def swelling(tape: Tape, g: Cotangent) -> float:
    """What bending makes of the power of a cotangent, through the functions that it came through."""
    before = after = 0.0
    if all(id(term.root) not in tape.bending for term in g.coherent.values()):
        return 1.0
    for term in g.coherent.values():
        w = grid(term.source.points)[1]
        power = term.root.q * (term.values.reshape(len(w), -1) ** 2).mean(1)
        bent = tape.bending.get(id(term.root))
        before += float(w @ power)
        after += float(w @ power if bent is None or len(bent) != len(w) else (w * bent) @ power)
    return after / before if before > 0.0 and after > 0.0 else 1.0


@transfer("layer_norm")
def layer_norm(
    tape: Tape, x: Any, shape: Sequence[int], weight: Any = None, bias: Any = None, eps: float = 1e-5, *args: Any
) -> Moments:
    x = as_moments(x)
    dims = list(range(len(x.dims) - len(shape), len(x.dims)))
    return scaled_and_shifted(tape, standardized(tape, x, dims, eps, centre=True), weight, bias)


@transfer("rms_norm")
def rms_norm(tape: Tape, x: Any, shape: Sequence[int], weight: Any = None, eps: float | None = None) -> Moments:
    x = as_moments(x)
    dims = list(range(len(x.dims) - len(shape), len(x.dims)))
    return scaled_and_shifted(tape, rms_normalized(tape, x, dims, 1.2e-7 if eps is None else eps), weight, None)


def per_channel(value: Any, rank: int) -> Any:
    """A vector over channels, shaped to broadcast against (batch, channel, positions …)."""
    if value is None:
        return None
    value = as_moments(value)
    return value.with_(dims=(value.dims[0], *((),) * (rank - 2)))


def channel_vector(tape: Tape, value: Any, rank: int) -> Any:
    """As `per_channel`, on the tape."""
    if value is None:
        return None
    value = as_moments(value)
    return reshaped(tape, value, [value.shape[0], *(1,) * (rank - 2)])


@transfer("group_norm")
def group_norm(
    tape: Tape, x: Any, groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5, *args: Any
) -> Moments:
    x = as_moments(x)
    batch, channels, *rest = x.shape
    apart = reshaped(tape, x, [batch, groups, channels // groups, *rest])
    y = standardized(tape, apart, list(range(2, len(apart.dims))), eps, centre=True)
    return by_channel(tape, reshaped(tape, y, x.shape), weight, bias)


@transfer("instance_norm")
def instance_norm(
    tape: Tape, x: Any, weight: Any, bias: Any, mean: Any, var: Any, use_input: bool, momentum: float, eps: float, *args: Any
) -> Moments:
    x = as_moments(x)
    rank = len(x.shape)
    if not use_input:
        return _fixed(tape, x, weight, bias, mean, var, eps)
    return by_channel(tape, standardized(tape, x, list(range(2, rank)), eps, centre=True), weight, bias)


def _fixed(tape: Tape, x: Moments, weight: Any, bias: Any, mean: Any, var: Any, eps: float) -> Moments:
    """Normalization by stored statistics: an affine map."""
    from initlint.propagate.ops.functions import affine

    level, spread = scalar_of(mean), scalar_of(var)
    shift = 0.0 if level is None else level
    y = affine(tape, x, 1.0, -shift)
    y = affine(tape, y, ((1.0 if spread is None else spread) + eps) ** -0.5, 0.0)
    rank = len(x.shape)
    return scaled_and_shifted(tape, y, channel_vector(tape, weight, rank), channel_vector(tape, bias, rank))


@transfer("batch_norm")
def batch_norm(
    tape: Tape, x: Any, weight: Any, bias: Any, mean: Any, var: Any, train: bool, momentum: float, eps: float, *args: Any
) -> Moments:
    x = as_moments(x)
    rank = len(x.shape)
    if not train:
        return _fixed(tape, x, weight, bias, mean, var, eps)
    return by_channel(tape, standardized(tape, x, [d for d in range(rank) if d != 1], eps, centre=True), weight, bias)


@transfer("_weight_norm")
def weight_norm(tape: Tape, v: Any, g: Any, dim: int = 0) -> Moments:
    """g v/‖v‖, each slice along `dim` of unit length before g."""
    from initlint.propagate.ops.functions import affine

    v = as_moments(v)
    dims = [d for d in range(len(v.dims)) if d != v.dim(dim)]
    count = float(math.prod([v.shape[d] for d in dims]))
    unit = affine(tape, rms_normalized(tape, v, dims, 1e-30), count**-0.5, 0.0)
    return mul(tape, unit, as_moments(g))


__all__ = ["layer_norm", "marginals", "rms_normalized", "standardized"]
