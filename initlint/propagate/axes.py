"""One axis of a tensor, up to exchange of its indices: what two positions on it can have to do with each other.

The signal domain keeps, for a tensor, the second moment of *pairs* of its elements. Along one axis a pair of indices
(i, j) is either the same index of group g or two different indices of groups g and g'. Indices of one group are
exchangeable, so these G + G² *pair states* are all there is to know; most axes have one group and two states, "same" and
"different". This is the structure of exchangeable arrays (Aldous 1981; Hoover 1979) and of crossed random effects.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

Role = Literal["batch", "position", "channel"]  # for reports; no formula depends on it

GROUP_LIMIT = 8  # more groups than this along one axis cost more time than they add truth


@lru_cache(maxsize=64)
def state_rows(groups: int) -> tuple[Labels, Labels]:
    """The groups (g, g') that each pair state joins: first the G states "same", then the G² states "different"."""
    index = np.arange(groups)
    row = np.concatenate([index, np.repeat(index, groups)])
    column = np.concatenate([index, np.tile(index, groups)])
    return row, column


class Axis:
    """An axis of `size` indices, partitioned into groups of exchangeable indices; `labels` None means one group."""

    def __init__(self, size: int, labels: Labels | None = None, role: Role = "position") -> None:
        self.size = size
        self.role: Role = role
        if labels is not None and (size == 1 or not np.any(labels != labels[0])):
            labels = None
        self.labels = labels

    @cached_property
    def counts(self) -> Array:
        """Number of indices in each group, shape (groups,)."""
        if self.labels is None:
            return np.array([float(self.size)])
        return np.bincount(self.labels).astype(np.float64)

    @property
    def groups(self) -> int:
        return 1 if self.labels is None else len(self.counts)

    @property
    def states(self) -> int:
        groups = self.groups
        return groups + groups * groups

    @cached_property
    def pairs(self) -> Array:
        """Number of ordered index pairs (i, j) in each pair state, shape (states,); sums to size²."""
        counts = self.counts
        different = np.outer(counts, counts) - np.diag(counts)
        return np.concatenate([counts, different.ravel()])

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


def canonical(labels: Labels) -> Labels:
    """Labels renumbered 0, 1, … in the order of their values."""
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def common(a: Axis, b: Axis) -> Axis:
    """The coarsest axis whose groups refine those of both; `a` or `b` itself where that is already so."""
    if b.labels is None or a is b:
        return a
    if a.labels is None:
        return b
    if np.array_equal(a.labels, b.labels):
        return a
    return Axis(a.size, canonical(a.labels * (int(b.labels.max()) + 1) + b.labels), a.role)


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


def refine_map(coarse: Axis, fine: Axis) -> Labels:
    """For each pair state of `fine`, the pair state of `coarse` it belongs to."""
    inside = refinement(coarse, fine)
    row, column = fine.rows
    different = state_of(coarse.groups, inside[row], inside[column])
    different[: fine.groups] = inside
    return different


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
