"""The larger or smaller of two tensors: of two that are about normal in closed form, dependent or not.

    max(x, y) = (s + |d|)/2,  min(x, y) = (s − |d|)/2,   s = x + y,  d = x − y

Where x and y are jointly Gaussian, also from entry to entry, so are s and d, and by Stein's lemma

    E[s_u |d_v|] = E[s] E|d| + Cov(s_u, d_v) E[sign d_v],    while E|d_u d_v| is Mehler's series (`pointwise`)

The first two moments are those of Clark (1961), "The greatest of a finite set of random variables"; the pairs are derived here.
Each side's cotangent is that of the result where the side was chosen. Two sums with common terms are chosen on disjoint sets, so
what both send back to a common term adds as if it were independent.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from initlint.propagate.moments import Moments, align, outer_means
from initlint.propagate.ops.functions import binary_on_source, on_table, torch_function, unary
from initlint.propagate.ops.gather import flags_of, worst
from initlint.propagate.ops.registry import CannotPredict, as_moments, scalar_of, transfer
from initlint.propagate.ops.view import unbroadcast
from initlint.propagate.pointwise import apply, pair_of, profile_of, root_of, times
from initlint.propagate.sources import Profile, grid
from initlint.propagate.tape import Known, Tape

LINEAR = 0.999  # correlation with its source above which a tensor counts as normal
NARROW = 0.05  # relative variance up to which a positive tensor counts as normal

EXTREMES = {"maximum", "minimum", "fmax", "fmin", "max", "min", "clamp", "clip", "clamp_min", "clamp_max"}


@transfer("maximum", "fmax")
def maximum(tape: Tape, x: Any, y: Any) -> Moments:
    return extreme(tape, x, y, 1.0)


@transfer("minimum", "fmin")
def minimum(tape: Tape, x: Any, y: Any) -> Moments:
    return extreme(tape, x, y, -1.0)


@transfer("clamp", "clip")
def clamp(tape: Tape, x: Any, min: Any = None, max: Any = None) -> Moments:
    if all(bound is None or scalar_of(bound) is not None for bound in (min, max)):
        bounds = tuple(None if bound is None else scalar_of(bound) for bound in (min, max))
        return unary(tape, as_moments(x), torch_function("clamp", bounds, {}))
    if min is not None:
        x = extreme(tape, x, min, 1.0)
    return x if max is None else extreme(tape, x, max, -1.0)


@transfer("clamp_min")
def clamp_min(tape: Tape, x: Any, min: Any) -> Moments:
    return clamp(tape, x, min)


@transfer("clamp_max")
def clamp_max(tape: Tape, x: Any, max: Any) -> Moments:
    return clamp(tape, x, None, max)


def extreme(tape: Tape, x: Any, y: Any, sign: float) -> Moments:
    """max(x, y) for sign 1, min(x, y) for sign −1."""
    name = "maximum" if sign > 0 else "minimum"
    for one, other in ((x, y), (y, x)):
        bound = scalar_of(other)
        if bound is not None and isinstance(one, Moments) and len(getattr(other, "shape", ())) <= len(one.shape):
            return unary(tape, one, torch_function("clamp", (bound, None) if sign > 0 else (None, bound), {}))
    if isinstance(x, Known) or isinstance(y, Known):
        wide = on_table(tape, x, y, torch_function(name, (), {}))
        if wide is not None:
            return wide
    x, y = (as_moments(x), as_moments(y, x)) if isinstance(x, Moments) else (as_moments(x, as_moments(y)), as_moments(y))
    together = binary_on_source(tape, x, y, torch_function(name, (), {}))
    if together is not None:
        return together
    if not (normal(x) and normal(y)):
        raise CannotPredict("the larger of two tensors that are not normal")
    return of_normal(tape, x, y, sign)


def of_normal(tape: Tape, x: Moments, y: Moments, sign: float) -> Moments:
    a, b = align(x, y)
    cross = shared_covariance(x, y, a)
    if cross is None:
        raise CannotPredict("the larger of two tensors that depend on each other")
    left, right = a.centered(), b.centered()
    mean = a.mean - b.mean
    gap = Moments(a.dims, mean, left + right - 2.0 * cross + outer_means(a.axes, mean, mean))
    source = profile_of(gap).source
    distance = apply(np.abs, gap)
    direction = apply(np.sign, gap).mean
    total = a.mean + b.mean
    one = np.ones_like(total)
    mixed = outer_means(a.axes, total, distance.mean) + (left - right) * outer_means(a.axes, one, direction)
    other = outer_means(a.axes, distance.mean, total) + (left - right) * outer_means(a.axes, direction, one)
    sums = left + right + 2.0 * cross + outer_means(a.axes, total, total)
    pair = (sums + distance.pair + sign * (mixed + other)) / 4.0
    z = Moments(a.dims, (total + sign * distance.mean) / 2.0, pair, method=worst([x, y]), flags=flags_of([x, y]))

    def pull(g: Moments) -> list[Moments]:
        gap_values = sign * profile_of(gap).values
        result = []
        for side, chosen in ((x, gap_values > 0.0), (y, gap_values < 0.0)):
            share = pair_of(a.dims, Profile(source, chosen.astype(np.float64)))
            result.append(unbroadcast(times(g, Moments(a.dims, np.zeros_like(z.mean), share)), side))
        return result

    return tape.record([x, y], z, pull)


def normal(x: Moments) -> bool:
    """Whether x is about normal, so that two such and their sums are taken as jointly so."""
    if x.complex or x.valid is not None or x.zeros > 0.0 or x.sample is not None:
        return False
    root = root_of(x)
    if root.profile is None:
        return not (root.positive or root.negative) or bool(np.all(root.cells - root.mean**2 <= NARROW * root.mean**2))
    z, w, _ = grid(root.profile.source.points)
    values = root.profile.values.reshape(len(z), -1)
    slope, power, mean = (w * z) @ values, w @ values**2, w @ values
    return bool(np.all(slope**2 >= LINEAR**2 * (power - mean**2) - 1e-12 * power))


def terms(x: Moments) -> dict[int, tuple[Moments, float]]:
    """The tensors of which x is a sum, with their factors, as far as it is known to be one."""
    found: dict[int, tuple[Moments, float]] = {}
    waiting = [(x, 1.0)]
    while waiting:
        term, factor = waiting.pop()
        if term.profile is None and term.affine is not None:
            waiting.append((term.affine[0], factor * term.affine[1]))
        elif term.parts:
            waiting += [(part, factor * share) for part, share in term.parts]
        else:
            _, before = found.get(id(term), (term, 0.0))
            found[id(term)] = (term, before + factor)
    return found


def shared_covariance(x: Moments, y: Moments, like: Moments) -> Any:
    """Cov(x_u, y_v) by the pair states of `like`, from the terms that both are sums of; None where those are broadcast."""
    left, right = terms(x), terms(y)
    result = np.zeros_like(like.pair)
    for key in left.keys() & right.keys():
        term, factor = left[key]
        if term.shape != like.shape:
            return None
        result = result + factor * right[key][1] * align(term, like)[0].centered()
    return result
