"""Matrices of which nearly all entries are zero: what one tap of a convolution, a pool or a look-up does along an axis.

Only what the pair maps of `linear` ask for is here: products with thin dense matrices, transposes, squares, sums. A row of
sixteen thousand samples costs as many numbers, not their square.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from initlint.propagate.axes import Array, Labels


class Sparse:
    """Entries `values` at (rows, columns), no place twice; the rest is zero."""

    def __init__(self, shape: tuple[int, int], rows: Labels, columns: Labels, values: Array | None = None) -> None:
        self.shape = shape
        self.rows = rows
        self.columns = columns
        self.ones = values is None
        self.values = np.ones(len(rows)) if values is None else values

    def __matmul__(self, dense: Array) -> Array:
        """The product with a dense matrix of few columns."""
        result = np.empty((self.shape[0], dense.shape[1]))
        for k in range(dense.shape[1]):
            taken = dense[:, k].take(self.columns)
            result[:, k] = np.bincount(self.rows, taken if self.ones else self.values * taken, self.shape[0])[: self.shape[0]]
        return result

    def __rmatmul__(self, dense: Array) -> Array:
        """The product of a dense matrix of few rows with this one."""
        return np.asarray((self.T @ np.asarray(dense).T).T)

    __array_ufunc__ = None  # numpy leaves `dense @ sparse` to __rmatmul__

    @cached_property
    def T(self) -> Sparse:  # noqa: N802 - as numpy calls it
        """The transposed matrix, the same one every time."""
        other = Sparse((self.shape[1], self.shape[0]), self.columns, self.rows, None if self.ones else self.values)
        other.__dict__["T"] = self
        return other

    def __pow__(self, power: int) -> Sparse:
        return self if self.ones else Sparse(self.shape, self.rows, self.columns, self.values**power)

    def sum(self, axis: int) -> Array:
        """Sums of the rows (axis 1) or columns (axis 0)."""
        index, size = (self.rows, self.shape[0]) if axis else (self.columns, self.shape[1])
        return np.asarray(np.bincount(index, self.values, minlength=size), dtype=np.float64)

    def rescaled(self, factor: Array) -> Sparse:
        """Every row times a number."""
        return Sparse(self.shape, self.rows, self.columns, self.values * factor[self.rows])


def total(parts: Sequence[Sparse]) -> Sparse:
    """The sum of matrices that share no place."""
    return Sparse(
        parts[0].shape,
        np.concatenate([p.rows for p in parts]),
        np.concatenate([p.columns for p in parts]),
        None if all(p.ones for p in parts) else np.concatenate([p.values for p in parts]),
    )
