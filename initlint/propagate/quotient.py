"""A Gaussian tensor divided by its own deviation, where so few directions of it fluctuate that the deviation does, too.

Entries that are exchangeable along every axis have a covariance with few eigenvalues: along an axis of n entries one direction
is their average, n − 1 are differences. Let A_k be the power of a Gaussian x in the m_k directions of eigenvalue λ_k, a λ_k χ²
of m_k degrees of freedom, and S = Σ A + nε. With E[e^{−tS}] = e^{−nεt} Π (1 + 2λ_j t)^{−m_j/2} every moment is one integral:

    E[A_k/S]      = ∫ E[A_k e^{−tS}] dt                  the power of x/√(v̂+ε) in these directions, over n
    E[1/S], E[A_k/S²], E[A_k A_j/S³]                     what the pullback (g − x (x·g)/S)/√(v̂+ε) needs

of the quotient of a quadratic form by another (Magnus 1986). Two rows x and x' that covary by κ_k in these directions have

    E[x_k x'_k/√(S S')] = ∫∫ E[x_k x'_k e^{−tS − t'S'}] dt dt'/(π √(t t')),     E[e^{…}] = Π ((1 + 2λt)(1 + 2λt') − 4κ²tt')^{−m/2}.

A mean μ of all entries is a fixed length δ = nμ² along their average, whose power has a non-central law: (1 + 2λt)^{−1/2}
e^{−δt/(1 + 2λt)} in place of (1 + 2λt)^{−1/2} (Johnson & Kotz 1970). A strong direction that stands alone, as what all tokens of a
sample share when there are four samples, is less of the whole than its variance says: a ratio is concave.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from initlint.propagate.axes import Array, Axis, along, weighed
from initlint.propagate.moments import Moments

POINTS = 200  # of the integral over log t
LEAST_OF_TWO, MOST_OF_TWO, STEP = -18.0, 24.0, 0.5  # of the integrals for two rows
FIXED = 24.0  # degrees of freedom of a length above which those of two rows are not told from fixed ones: what is lost is 1/24
SHARED = 1e-6  # second moment between two rows, of the largest in one, that is nothing
LOWEST, HIGHEST = -12.0, 60.0  # range of log t, in units of 1/E[S]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotient:
    """Moments of the quotient by S of a Gaussian with these eigenvalues; directions along the first dimension.

    fixed     how much of the first value is the square of a mean
    kept      n E[A_k/S]/(m_k λ_k)          what the second moment of a direction is multiplied by
    inverse   n E[1/S]
    once      n E[A_k/S²]/m_k
    twice     n E[A_k A_j/S³]/m_k
    """

    values: Array
    counts: Array
    eps: float
    fixed: float
    kept: Array
    inverse: float
    once: Array
    twice: Array


def quotient(values: Array, counts: Array, eps: float, unlike: Array, fixed: float = 0.0) -> Quotient:
    """For second moments of directions, the number of directions that each has, and ε.

    fixed     how much of the first, which is one direction, is the square of a mean
    unlike    (mean of squares)/(mean)² − 1 of directions that have one eigenvalue on average only: they are taken to have two,
              one of them zero where these two must differ most
    """
    n = counts.sum()
    whole = float(values @ counts)
    top = min(HIGHEST, np.log(whole / (n * eps)) + 4.0) if eps > 0 else HIGHEST
    logs = np.linspace(LOWEST, top, POINTS)
    t = np.exp(logs) / whole
    upper = np.minimum(1.0 / (1.0 + unlike), 0.5)
    share = np.stack([upper, 1.0 - upper], axis=1)
    apart = np.sqrt(unlike)[:, None] * np.array([1.0, -1.0]) * np.sqrt(share[:, ::-1] / share)
    length = np.zeros((len(values), 1, 1))
    length[0] = min(fixed, values[0])
    own = np.maximum((values[:, None] - length[:, 0]) * (1.0 + apart), 0.0)[:, :, None]
    shrink = 1.0 / (1.0 + 2.0 * own * t)
    decay = np.exp(np.einsum("k,ks,kst->t", counts, share, 0.5 * np.log(shrink) - length * t * shrink) - n * eps * t)
    weight = n * decay * t * (logs[1] - logs[0])
    once = np.einsum("ks,kst->kt", share, own * shrink + length * shrink**2)
    pairs = np.einsum("kt,jt,t->kj", once, once, weight * t**2 / 2.0) * counts
    return Quotient(
        values=values,
        counts=counts,
        eps=eps,
        fixed=float(length[0, 0, 0]),
        kept=np.where(values > 0, (once @ weight) / np.where(values > 0, values, 1.0), weight.sum()),
        inverse=float(weight.sum()),
        once=once @ (weight * t),
        twice=pairs + np.diag(np.einsum("ks,kst,t->k", share, (own * shrink) ** 2 + 2.0 * own * length * shrink**3, weight * t**2)),
    )


def quotient_of(x: Moments, mean: Array, pair: Array, axes: Sequence[int], eps: float) -> Quotient:
    """For a tensor with these moments, divided by its root mean square over some axes.

    Directions of one eigenvalue are less alike than that where groups differ. That the covariance itself fluctuates, being one
    of few features, is left out: one layer's gradient gains by it, but not that of a tower.
    """
    values = np.maximum(eigenvalues(x, pair, axes), 0.0)
    values[values < 1e-12 * values.max()] = 0.0
    counts = directions([x.axes[k] for k in axes])
    unlike = np.zeros_like(values)
    if any(x.axes[k].labels is not None for k in axes):
        for k in np.flatnonzero(values):
            squares = squared(x, weighted(x, pair, np.eye(len(values))[k], axes), axes)
            unlike[k] = max(squares / (counts[k] * values[k] ** 2) - 1.0, 0.0)
    return quotient(values, counts, eps, unlike, float(counts.sum()) * square_of_mean(x, mean, axes))


def of_two(few: Quotient, cross: Array) -> Array:
    """n E[x_k x'_k/√(S S')]/E[x_k x'_k] by direction, for two rows with these second moments between them; one where there are none."""
    n = few.counts.sum()
    logs = np.arange(LEAST_OF_TWO, MOST_OF_TWO, STEP)
    t = np.exp(logs) / float(few.values @ few.counts)
    length = np.zeros_like(few.values)
    length[0] = few.fixed
    own = np.maximum(few.values - length, 0.0)[:, None, None]
    shared = np.clip(cross - length, -own[:, 0, 0], own[:, 0, 0])[:, None, None]
    first, second = 1.0 + 2.0 * own * t[:, None], 1.0 + 2.0 * own * t[None]
    whole = first * second - 4.0 * shared**2 * (t[:, None] * t[None])
    root = np.sqrt(length)[:, None, None]
    left, right = root * (second - 2.0 * shared * t[None]) / whole, root * (first - 2.0 * shared * t[:, None]) / whole
    decay = -0.5 * np.tensordot(few.counts, np.log(whole), 1) - (root * (t[:, None] * left + t[None] * right)).sum(0)
    decay = decay - n * few.eps * (t[:, None] + t[None])
    weight = np.exp(decay) * np.sqrt(t[:, None] * t[None]) * (STEP**2 * n / np.pi)
    met = ((shared / whole + left * right) * weight).sum((1, 2))
    return np.where(cross != 0.0, met / np.where(cross != 0.0, cross, 1.0), 1.0)


def between_rows(few: Quotient, x: Moments, pair: Array, axes: Sequence[int], plain: Array) -> Array:
    """Pair moments of entries of different rows, each row divided by its length over `axes`: `plain` where rows have nothing in common."""
    squares = few.values**2
    squares[0] -= few.fixed**2
    if (few.values @ few.counts) ** 2 > FIXED * float(squares @ few.counts):
        return plain
    values = spectrum(x, pair, axes)
    result = np.array(np.broadcast_to(plain, pair.shape))
    others = [k for k in range(len(x.axes)) if k not in axes]
    for states in np.ndindex(*(x.axes[k].states for k in others)):
        if all(state < x.axes[k].groups for k, state in zip(others, states, strict=True)):
            continue
        here: list[slice] = [slice(None)] * len(x.axes)
        for k, state in zip(others, states, strict=True):
            here[k] = slice(state, state + 1)
        cross = values[tuple(here)].reshape(-1)
        if np.any(np.abs(cross) > SHARED * few.values.max()):
            ratio = np.maximum(of_two(few, cross), 0.0)
            result[tuple(here)] = weighted(x, pair[tuple(here)], np.sqrt(ratio), axes)
    return result


def square_of_mean(x: Moments, mean: Array, axes: Sequence[int]) -> float:
    """The square of the average over some axes of what is known to be there, averaged over the cells of the others."""
    if not mean.any():
        return 0.0
    for k in axes:
        mean = weighed(mean, x.axes[k].shares, k, keep=True)
    square = mean**2
    for k in reversed(range(len(x.axes))):
        square = square[..., 0] if k in axes else np.tensordot(square, x.axes[k].shares, (k, 0))
    return float(square)


def squared(x: Moments, pair: Array, axes: Sequence[int]) -> float:
    """tr Σ² of the covariance `pair` along some axes, averaged over the cells of the others."""
    total = pair**2
    for k in reversed(range(len(x.axes))):
        axis = x.axes[k]
        if k in axes:
            total = np.tensordot(total, axis.pairs, (k, 0))
        else:
            total = np.tensordot(total.take(range(axis.groups), axis=k), axis.counts / axis.size, (k, 0))
    return float(total)


# -- directions -----------------------------------------------------------------------------------------------------------


def directions(axes: Sequence[Axis]) -> Array:
    """Numbers of directions: for every axis first the average, then the differences; flat."""
    counts = np.ones(1)
    for axis in axes:
        counts = np.outer(counts, [1.0, axis.size - 1.0]).reshape(-1)
    return counts


def spectrum(x: Moments, pair: Array, axes: Sequence[int]) -> Array:
    """Eigenvalues of the covariance `pair` along some axes, as if these had one group each: in place of their pair states."""
    for k in axes:
        axis = x.axes[k]
        own = np.tensordot(axis.counts / axis.size, pair.take(range(axis.groups), axis=k), (0, k))
        mean = np.tensordot(axis.pairs / axis.size, pair, (0, k))
        pair = np.stack([mean, (axis.size * own - mean) / max(axis.size - 1.0, 1.0)], axis=k)
    return pair


def eigenvalues(x: Moments, pair: Array, axes: Sequence[int]) -> Array:
    """The same averaged over the cells of the other axes; flat."""
    values = spectrum(x, pair, axes)
    for k in reversed([k for k in range(len(x.axes)) if k not in axes]):
        axis = x.axes[k]
        values = np.tensordot(values.take(range(axis.groups), axis=k), axis.counts / axis.size, (k, 0))
    return np.asarray(values).reshape(-1)


def by_states(x: Moments, values: Array, axes: Sequence[int]) -> Array:
    """The covariance with this spectrum, by pair state of x."""
    for k in axes:
        axis = x.axes[k]
        mean, rest = np.moveaxis(values, k, 0)
        apart = (mean - rest) / axis.size
        same = np.arange(axis.states) < axis.groups
        values = np.moveaxis(np.stack([apart + rest, apart])[np.where(same, 0, 1)], 0, k)
    return values


def weighted(x: Moments, pair: Array, factors: Array, axes: Sequence[int], sides: Sequence[int] = (0, 1)) -> Array:
    """The pair moments after each direction of the first, the second or both entries was multiplied by its factor, groups kept.

    Σ_k f_k P_k, written with averages over sets of axes (Möbius inversion over the sets that are averaged).
    """
    terms = factors.reshape([2] * len(axes))
    for d in range(len(axes)):  # [average, difference] → [factor of the average over this axis, of the entry itself]
        mean, rest = np.moveaxis(terms, d, 0)
        terms = np.moveaxis(np.stack([mean - rest, rest]), 0, d)
    for side in sides:
        parts: dict[tuple[int, ...], Array] = {(): pair}  # by index, one axis after the other
        for k in axes:
            parts = {
                (*index, whole): part if whole else averaged_over(x.axes[k], k, part, side)
                for index, part in parts.items()
                for whole in (0, 1)
            }
        pair = sum((terms[index] * part for index, part in parts.items()), np.zeros_like(pair))
    return pair


def averaged_over(axis: Axis, k: int, pair: Array, side: int) -> Array:
    """The pair moments when the first (0) or second (1) of the two entries is averaged over axis k."""
    return along(axis.averages[1 - side], pair, k).take(axis.rows[1 - side], axis=k)


def sent_back(few: Quotient, g: Moments, pair: Array, axes: Sequence[int], along: Array) -> Array:
    """The pullback E[(g − x (x·g)/S)(g − x (x·g)/S)ᵀ n/S] for pair moments `pair` of g with the axes of g.

    along    E[(Σ g x̂)²]/n² by pair state of the other axes, with what is known of how g depends on x: the two terms with x·g
             are taken by as much larger than for an independent g
    """
    counts = few.counts / few.counts.sum()
    values = spectrum(g, pair, axes)
    front = np.moveaxis(values, axes, range(len(axes)))
    apart = front.reshape(len(counts), -1)
    for k in axes:
        along = along.take([0], axis=k)
    expected = (few.values * few.kept * counts) @ apart / few.counts.sum()
    shape = [1 if k in axes else n for k, n in enumerate(values.shape)]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(expected > 0, along.reshape(-1) / expected, 1.0).reshape(shape)
    both = np.moveaxis((few.twice @ apart).reshape(front.shape), range(len(axes)), axes)
    crossed = weighted(g, pair, few.once, axes, (0,)) + weighted(g, pair, few.once, axes, (1,))
    return few.inverse * pair + ratio * (by_states(g, both, axes) - crossed)
