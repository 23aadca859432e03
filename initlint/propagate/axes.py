"""One axis of a tensor, up to exchange of its indices: what two positions on it can have to do with each other.

The signal domain keeps, for a tensor, the second moment of *pairs* of its elements. Along one axis a pair of indices
(i, j) is either the same index of group g or two different indices of groups g and g'. Indices of one group are
exchangeable, so these G + G² *pair states* are all there is to know; most axes have one group and two states, "same" and
"different". This is the structure of exchangeable arrays (Aldous 1981; Hoover 1979) and of crossed random effects.
"""

from __future__ import annotations

import math
from functools import cached_property, lru_cache, reduce
from typing import Literal
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

Role = Literal["batch", "position", "channel"]  # for reports; no formula depends on it

KEPT = 4096  # cells or pair states up to which the weights of an average over all axes are kept
GROUP_LIMIT = 8  # more groups than this along one axis cost more time than they add truth


@lru_cache(maxsize=64)
def state_rows(groups: int) -> tuple[Labels, Labels]:
    """The groups (g, g') that each pair state joins: first the G states "same", then the G² states "different"."""
    index = np.arange(groups)
    row = np.concatenate([index, np.repeat(index, groups)])
    column = np.concatenate([index, np.tile(index, groups)])
    return row, column


class Axis:
    """An axis of `size` indices, partitioned into groups of exchangeable indices; `labels` None means one group.

    Axes that are alike are one object, so that comparing them is cheap and what is computed of one is computed once.
    """

    size: int
    labels: Labels | None
    role: Role
    groups: int
    states: int
    cells: slice  # of the states, those "same"

    def __new__(cls, size: int, labels: Labels | None = None, role: Role = "position") -> Axis:  # noqa: PYI034 - Self needs 3.11
        if labels is not None and (size == 1 or not (labels != labels[0]).any()):
            labels = None
        key = (size, role, None if labels is None else labels.tobytes())
        known = _axes.get(key)
        if known is not None:
            return known
        axis = super().__new__(cls)
        axis.size, axis.labels, axis.role = size, labels, role
        axis.groups = 1 if labels is None else int(labels.max()) + 1
        axis.states = axis.groups + axis.groups * axis.groups
        axis.cells = slice(0, axis.groups)
        _axes[key] = axis
        return axis

    @cached_property
    def counts(self) -> Array:
        """Number of indices in each group, shape (groups,)."""
        if self.labels is None:
            return np.array([float(self.size)])
        return np.bincount(self.labels).astype(np.float64)

    @cached_property
    def pairs(self) -> Array:
        """Number of ordered index pairs (i, j) in each pair state, shape (states,); sums to size²."""
        counts = self.counts
        different = np.outer(counts, counts) - np.diag(counts)
        return np.concatenate([counts, different.ravel()])

    @cached_property
    def shares(self) -> Array:
        """Share of the indices in each group."""
        return np.asarray(self.counts / self.size)

    @cached_property
    def pair_shares(self) -> Array:
        """Share of the ordered index pairs in each pair state."""
        return np.asarray(self.pairs / float(self.size) ** 2)

    @cached_property
    def same_shares(self) -> Array:
        """Of each pair state "same", the share of the indices; of the others nothing."""
        return np.concatenate([self.shares, np.zeros(self.states - self.groups)])

    @cached_property
    def averages(self) -> tuple[Array, Array]:
        """(groups, states) each: E[x_i x̄] for i in each group from the pair moments E[x_i x_j], and E[x̄ x_j] for j in each."""
        groups = self.groups
        share = self.pairs[groups:].reshape(groups, groups) / self.counts[:, None] / self.size
        own = np.eye(groups)
        of_rows = np.concatenate([own / self.size, (own[:, :, None] * share).reshape(groups, -1)], axis=1)
        of_columns = np.concatenate([own / self.size, (own[:, None, :] * share.T).reshape(groups, -1)], axis=1)
        return of_rows, of_columns

    @property
    def rows(self) -> tuple[Labels, Labels]:
        return state_rows(self.groups)

    def same_partition(self, other: Axis) -> bool:
        """Both axes have the same size and groups."""
        if self is other or (self.labels is None and other.labels is None):
            return self.size == other.size
        if self.size != other.size or self.labels is None or other.labels is None:
            return False
        return bool(np.array_equal(self.labels, other.labels))

    def __repr__(self) -> str:
        return f"Axis({self.size})" if self.labels is None else f"Axis({self.size}: {self.counts.astype(int).tolist()})"


_axes: WeakValueDictionary[tuple[int, Role, bytes | None], Axis] = WeakValueDictionary()


def along(matrix: Array, values: Array, k: int) -> Array:
    """A matrix applied along dimension k."""
    shape = values.shape
    if k == len(shape) - 1:
        return np.asarray(values @ matrix.T)
    after = math.prod(shape[k + 1 :])
    return np.asarray((matrix @ values.reshape(-1, shape[k], after)).reshape(*shape[:k], len(matrix), *shape[k + 1 :]))


def weighed(values: Array, weights: Array, k: int, *, keep: bool = False) -> Array:
    """The sum along dimension k with these weights; the dimension is gone, or has size one where it is to `keep`."""
    shape = values.shape
    left = shape[:k] + (1,) * keep + shape[k + 1 :]
    if k == len(shape) - 1:
        return np.asarray(values @ weights).reshape(left)
    return np.asarray(weights @ values.reshape(-1, shape[k], math.prod(shape[k + 1 :]))).reshape(left)


def average_of_cells(axes: tuple[Axis, ...], by_cell: Array) -> float:
    """The average over elements of a quantity given by cell."""
    if by_cell.size <= KEPT:
        return float(by_cell.reshape(-1) @ _cell_shares(axes))
    for axis in reversed(axes):
        by_cell = by_cell @ axis.shares
    return float(by_cell)


def average_of_states(axes: tuple[Axis, ...], by_state: Array, over: frozenset[int]) -> float:
    """The average of a quantity given by pair state over all pairs of indices along the axes `over`, equal indices along the others."""
    if by_state.size <= KEPT:
        return float(by_state.reshape(-1) @ _state_shares(axes, over))
    for k in range(len(axes) - 1, -1, -1):
        by_state = by_state @ axes[k].pair_shares if k in over else by_state[..., axes[k].cells] @ axes[k].shares
    return float(by_state)


@lru_cache(maxsize=1024)
def _cell_shares(axes: tuple[Axis, ...]) -> Array:
    """Share of the elements in each cell, flat."""
    return np.asarray(reduce(np.multiply.outer, [axis.shares for axis in axes], np.ones(1))).reshape(-1)


@lru_cache(maxsize=1024)
def _state_shares(axes: tuple[Axis, ...], over: frozenset[int]) -> Array:
    """The weights of `average_of_states`, flat."""
    shares = [axis.pair_shares if k in over else axis.same_shares for k, axis in enumerate(axes)]
    return np.asarray(reduce(np.multiply.outer, shares, np.ones(1))).reshape(-1)


def to_front(values: Array, k: int) -> Array:
    """The same array with dimension k before all others."""
    return np.asarray(values.transpose(k, *range(k), *range(k + 1, values.ndim)))


def from_front(values: Array, k: int) -> Array:
    """The same array with its first dimension as dimension k."""
    return np.asarray(values.transpose(*range(1, k + 1), 0, *range(k + 1, values.ndim)))


def canonical(labels: Labels) -> Labels:
    """Labels renumbered 0, 1, … in the order of their values."""
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def common(a: Axis, b: Axis) -> Axis:
    """The coarsest axis whose groups refine those of both; `a` or `b` itself where that is already so. Samples where either are."""
    if a is b:
        return a
    finest = a if b.labels is None else b if a.labels is None else _common(a, b)
    if "batch" in (a.role, b.role) and finest.role != "batch":
        return Axis(finest.size, finest.labels, "batch")
    return finest


@lru_cache(maxsize=256)
def _common(a: Axis, b: Axis) -> Axis:
    assert a.labels is not None and b.labels is not None
    if np.array_equal(a.labels, b.labels):
        return a
    return Axis(a.size, canonical(a.labels * (int(b.labels.max()) + 1) + b.labels), a.role)


@lru_cache(maxsize=256)
def refinement(coarse: Axis, fine: Axis) -> Labels:
    """For each group of `fine`, the group of `coarse` that contains it."""
    if coarse.labels is None:
        return np.zeros(fine.groups, dtype=np.int64)
    assert fine.labels is not None, "an axis with groups cannot be refined by one without"
    first = np.zeros(fine.groups, dtype=np.int64)
    first[fine.labels] = coarse.labels
    return first


def state_of(groups: int, row: Labels, column: Labels) -> Labels:
    """Index of the state "different" for groups (row, column)."""
    return groups + row * groups + column


@lru_cache(maxsize=256)
def refine_map(coarse: Axis, fine: Axis) -> Labels:
    """For each pair state of `fine`, the pair state of `coarse` it belongs to."""
    inside = refinement(coarse, fine)
    row, column = fine.rows
    different = state_of(coarse.groups, inside[row], inside[column])
    different[: fine.groups] = inside
    return different


@lru_cache(maxsize=256)
def coarsen_matrix(fine: Axis, coarse: Axis) -> Array:
    """(states of coarse, states of fine): averages pair states weighted by how many pairs each has."""
    to = refine_map(coarse, fine)
    matrix = np.zeros((coarse.states, fine.states))
    matrix[to, np.arange(fine.states)] = fine.pairs
    total = coarse.pairs
    rows = total > 0
    matrix[rows] /= total[rows, None]
    inside = refinement(coarse, fine)
    for state in np.flatnonzero(~rows):  # an impossible state ("different" in a group of one): keep it finite
        row = int(coarse.rows[0][state])
        matrix[state, np.flatnonzero(inside == row)[0]] = 1.0
    return matrix


def average_of_pairs(sums: Array, axis: Axis) -> None:
    """In place: from sums over the pairs of each state along the first dimension, "different" still containing "same", averages."""
    sums[axis.groups + np.arange(axis.groups) * (axis.groups + 1)] -= sums[: axis.groups]
    count = axis.pairs
    possible = count > 0
    sums[possible] /= count[possible].reshape(-1, *(1,) * (sums.ndim - 1))
    sums[~possible] = sums[axis.rows[0][~possible]]
