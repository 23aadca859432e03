"""Slopes of functions of one Gaussian source: what a cotangent is multiplied by, and what two places of one share."""

from __future__ import annotations

import numpy as np

from initlint.propagate.axes import Array
from initlint.propagate.meeting import correlation, plain, series_on
from initlint.propagate.moments import Moments, align, outer_means
from initlint.propagate.pointwise import profile_of
from initlint.propagate.sources import REACH, Profile


def slopes(a: Moments, y: Moments) -> Profile | None:
    """dy/da on the grid of their source; None where y is no function of a alone."""
    if y.profile is None or y.made is None or sum(isinstance(v, Moments) for v in y.made.args) != 1:
        return None
    before = profile_of(a)
    if before.source is not y.profile.source:
        return None
    return Profile(before.source, slopes_on(before, y.profile.values))


def slopes_on(before: Profile, values: Array) -> Array:
    """The slope of a function of what `before` is, given by its values on the same grid."""
    step = 2 * REACH / before.source.points
    rise, run = (np.gradient(v, step, axis=0) for v in (values, before.values))
    return np.asarray(np.divide(rise, run, out=np.zeros_like(rise), where=np.abs(run) > 1e-12))


def through_function(a: Moments, slope: Profile, c: Moments) -> Moments | None:
    """E[f'(u)] Cov(g, ·)."""
    c, _ = align(c, a)
    series = series_on(slope, c.axes)
    return None if series is None else plain(c.dims, c.pair * outer_means(c.axes, series[0], np.ones_like(series[0])))


def through_functions(
    a: Moments, b: Moments, left: Profile, right: Profile, c: Moments | None, g: Moments
) -> Moments | None:
    """E[f'(u) f'(v)] Cov(g, h), by Mehler's series in the correlation of u and v."""
    g, a, b, *rest = align(g, a, b) if c is None else align(g, a, b, c)
    one, other = series_on(left, g.axes), series_on(right, g.axes)
    if one is None or other is None:
        return None
    rho = correlation(rest[0], a, b) if rest else np.zeros(g.pair.shape)
    factor = np.zeros(g.pair.shape)
    for k in range(len(one) - 1, -1, -1):
        factor = factor * rho + outer_means(g.axes, one[k], other[k])
    return plain(g.dims, factor * g.pair)
