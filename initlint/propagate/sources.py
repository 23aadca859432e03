"""A `Source`: a tensor taken as jointly Gaussian, on whose standard normal variable z functions are integrated.

The grid: E[f] = Σ w_i f(z_i), the midpoint rule, spectral for smooth f; and a_k = E[f He_k]/√k!, the Hermite coefficients.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from initlint.propagate.axes import Array
from initlint.propagate.correlated import Correlated
from initlint.propagate.moments import Dims, Moments, outer_means, size_of

ORDER = 16  # Hermite coefficients kept
REACH = 8.0  # standard deviations covered by the grid; P(|z| > 8) = 1e-15
FINE, COARSE = 640, 160  # grid points for a few cells, and for many
MANY_CELLS = 4

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


class Source:
    """A tensor taken as jointly Gaussian: mean and deviation by cell, correlation by pair state."""

    __slots__ = ("_correlated", "correlation", "deviation", "dims", "key", "origin", "points", "views", "wander")

    def __init__(self, moments: Moments) -> None:
        self.take_number()
        self.origin, self.wander = moments, moments.wander
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
        self.views: dict[object, Source] = {}  # this source in other shapes (see `views`)
        self._correlated: Correlated | None = None

    @property
    def correlated(self) -> Correlated:
        """Its correlated pairs."""
        if self._correlated is None or self._correlated.correlation is not self.correlation:
            self._correlated = Correlated(self.correlation, [axis for dim in self.dims for axis in dim], ORDER)
        return self._correlated

    def take_number(self) -> None:
        """A key that no other source has."""
        self.key = next(_ids)


def scale_by_state(moments: Moments, by_cell: Array) -> Array:
    """by_cell(u)·by_cell(v) for every pair state."""
    return outer_means(moments.axes, by_cell, by_cell)


@dataclass(frozen=True, slots=True)
class Profile:
    """A tensor as a function of a source: `values[i, cell]` at the grid node z_i; linear ones are marked as normal."""

    source: Source
    values: Array
    normal: bool = False


def shape_of(dims: Dims) -> tuple[int, ...]:
    """The shape of a tensor with these dimensions."""
    return tuple(size_of(dim) for dim in dims)
