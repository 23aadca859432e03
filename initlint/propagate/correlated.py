"""Where entries of a Gaussian tensor are not independent: the correlated pairs of its cells, each pair and its mirror image once.

Mehler's series needs a_k(u) a_k(v) ρ^k for every pair state, for every function of one source; what depends on the source alone
(which pairs are correlated, the powers of their correlations) is found once and kept with the source.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from initlint.propagate.axes import Array, Axis, Labels, state_of

SMALL = 1 << 12  # pairs up to which powers of the correlation are kept; more are summed by Horner's rule, so many at a time
FOLDED = 1 << 9  # pairs from which on mirror images are worth finding
STRONG = 0.1  # correlation below which the tail of a series, ρ^16 and higher, is nothing


class Correlated:
    """near: flat indices of the correlated pair states; left, right: their cells; rho: correlations; of mirror images one each.

    fold     which of the pairs every one of `near` is like, or None where each stands for itself
    strong   the pairs whose correlation is not small, and those correlations
    spread   whether every cell has a spread
    """

    __slots__ = ("correlation", "fold", "left", "near", "order", "powers", "rho", "right", "spread", "strong", "strong_rho")

    def __init__(self, correlation: Array, axes: Sequence[Axis], order: int) -> None:
        self.correlation, self.order = correlation, order
        self.spread = not axes or bool((correlation[tuple([axis.cells for axis in axes])] > 0).all())
        rho = correlation.reshape(-1)
        near = np.flatnonzero(rho)
        self.near, self.fold = near, None
        if all(axis.labels is None for axis in axes):
            self.left = self.right = np.zeros(len(near), dtype=np.int64)
        else:
            left, right, mirror = _meeting(tuple(axes))
            left, right = left[near], right[near]
            kept = left <= right
            if len(near) >= FOLDED and not kept.all():
                own = rho[near]
                if (np.abs(rho[mirror[near]] - own) <= 1e-12 * np.abs(own)).all():
                    chosen = near[kept]
                    place = np.zeros(rho.size, dtype=np.int64)
                    place[chosen] = np.arange(len(chosen))
                    self.fold = place[np.where(kept, near, mirror[near])]
                    near, left, right = chosen, left[kept], right[kept]
            self.left, self.right = left, right
        self.rho = rho[near]
        self.strong = np.flatnonzero(self.rho > STRONG)
        self.strong_rho = self.rho[self.strong]
        self.powers: Array | None = None
        if len(near) <= SMALL:
            self.powers = np.empty((order, len(self.rho)))
            self.powers[0] = 1.0
            for k in range(1, order):
                np.multiply(self.powers[k - 1], self.rho, out=self.powers[k])

    def summed(self, series: Array) -> Array:
        """Σ_k a_k(u) a_k(v) ρ^k for each of the pairs; series holds a_k by cell."""
        if self.powers is not None and series.shape[1] == 1:
            return np.asarray(series[:, 0] ** 2 @ self.powers)
        if self.powers is not None:
            terms = series.take(self.left, axis=1)
            terms *= series.take(self.right, axis=1)
            terms *= self.powers
            return np.asarray(terms.sum(0))
        result = np.empty_like(self.rho)
        for start in range(0, len(result), SMALL):
            part = slice(start, start + SMALL)
            terms = series.take(self.left[part], axis=1)
            terms *= series.take(self.right[part], axis=1)
            rho, value = self.rho[part], terms[-1]
            for k in range(self.order - 2, -1, -1):
                value *= rho
                value += terms[k]
            result[part] = value
        return result

    def unfolded(self, values: Array) -> Array:
        """Values by pair, for each of `near`."""
        return values if self.fold is None else values.take(self.fold)


@lru_cache(maxsize=64)
def _meeting(axes: tuple[Axis, ...]) -> tuple[Labels, Labels, Labels]:
    """For all pair states of these axes, flat: the first cell and the second one, and the state that is the mirror image."""
    cells = np.arange(np.prod([axis.groups for axis in axes], dtype=np.int64)).reshape([axis.groups for axis in axes])
    states = np.arange(np.prod([axis.states for axis in axes], dtype=np.int64)).reshape([axis.states for axis in axes])
    left, right = (by_states(cells, [axis.rows[side] for axis in axes]).reshape(-1) for side in (0, 1))
    return left, right, by_states(states, [_mirrored(axis) for axis in axes]).reshape(-1)


def by_states(values: npt.NDArray[Any], indices: Sequence[Labels]) -> npt.NDArray[Any]:
    """values at all combinations of indices along its axes."""
    for k in range(len(indices) - 1, -1, -1):  # the first axis last, of which whole blocks are copied
        values = values.take(indices[k], axis=k)
    return values


def _mirrored(axis: Axis) -> Labels:
    """For every pair state (g, g') the state (g', g)."""
    row, column = axis.rows
    states = state_of(axis.groups, column, row)
    states[: axis.groups] = np.arange(axis.groups)
    return states
