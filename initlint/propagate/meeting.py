"""What tensors with a covariance make when they meet: sums, products, and one tensor put after the other (see `covariance`)."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from initlint.propagate.covariance import bare, covariance, swapped
from initlint.propagate.moments import Moments, align, outer_means

if TYPE_CHECKING:
    from initlint.propagate.tape import Tape

BLOCKS = 8  # stretches of a long stack over which a covariance at one distance counts as the same


def both_ways(c: Moments) -> Moments:
    """Cov(x_u, y_v) + Cov(y_u, x_v): what a sum has beyond its terms."""
    return c.with_(pair=c.pair + swapped(c).pair)


def dependent_product(x: Moments, y: Moments, shared: Moments) -> Moments:
    """x·y of Gaussian tensors with Cov(x_u, y_v) = `shared` (Isserlis 1918), in raw moments M and means μ:

    E[x_u y_u x_v y_v] = M_xx M_yy + M_xy(u, u) M_xy(v, v) + M_xy(u, v) M_yx(u, v) − 2 μ_x(u) μ_y(u) μ_x(v) μ_y(v).
    """
    a, b, c = align(x, y, shared)
    own = c.pair[tuple(slice(0, axis.groups) for axis in c.axes)]
    means = a.mean * b.mean
    mean = means + own
    across = (a.mean_products(b) + c.pair) * (b.mean_products(a) + swapped(c).pair)
    plain = outer_means(a.axes, means, means)
    pair = a.pair * b.pair + outer_means(a.axes, mean, mean) + across - 2.0 * plain
    return Moments(a.dims, mean, pair)


def joined_covariances(tape: Tape, pieces: list[Moments], d: int, new: bool = False) -> dict[tuple[int, int], Moments]:
    """Covariances of tensors that are put one after the other along dimension d (or a new one there), averaged over it.

    Of a long stack those at distances of powers of two, once for each of some stretches; others are like the nearest.
    """
    count = len(pieces)
    found: dict[tuple[int, int], Moments] = {}
    if any(x.shape != pieces[0].shape for x in pieces) or not _related(pieces):
        return found
    long = count > 2 * BLOCKS
    for i, j in itertools.combinations(range(count), 2):
        apart = j - i if not long else 2 ** int(np.log2(j - i) + 0.5)
        apart = min(apart, count - 1)
        start = i if not long else min(i * BLOCKS // count * count // BLOCKS, count - 1 - apart)
        c = covariance(tape, pieces[start], pieces[start + apart])
        if c is not None:
            c = c.with_(dims=((),) * (len(pieces[0].dims) - len(c.dims)) + c.dims)
            c = c.with_(dims=(*c.dims[:d], (), *c.dims[d:])) if new else c.averaged(c.dim_axes([d]))
            found[i, j], found[j, i] = c, swapped(c)
    return found


def _related(pieces: list[Moments]) -> bool:
    """Whether two neighbours have an ancestor in common."""
    made = [bare(x)[0].made for x in pieces]
    return any(a is not None and b is not None and a.roots & b.roots for a, b in itertools.pairwise(made))
