"""Overlapping windows along a dimension: which pairs of entries are one entry, other ones of a window, or of two windows."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from initlint.propagate.axes import Axis
from initlint.propagate.ops.windows import windows_of


def state(axis: Axis, i: int, j: int) -> int:
    """The pair state of two indices."""
    labels = np.zeros(axis.size, dtype=np.int64) if axis.labels is None else axis.labels
    return int(labels[i] if i == j else axis.groups + labels[i] * axis.groups + labels[j])


@pytest.mark.parametrize(
    "labels", [(0, 0, 0, 0, 0, 0), (1, 0, 0, 0, 0, 1), (0, 0, 1, 1, 0, 0)], ids=["alike", "borders", "a middle"]
)
@pytest.mark.parametrize(("step", "size"), [(1, 3), (2, 3), (1, 2), (2, 2)])
def test_pairs_of_entries_of_windows_are_counted(labels: tuple[int, ...], step: int, size: int) -> None:
    """Shares of the pair states of the axis, by pair state of windows and of places in them, are those of an enumeration."""
    axis = Axis(6, np.array(labels))
    count = (axis.size - size) // step + 1
    (windows, places), shares, cells, taken = windows_of(axis, count, size, step)
    expected = np.zeros((windows.states, places.states, axis.states))
    for w, v, t, u in itertools.product(range(count), range(count), range(size), range(size)):
        expected[state(windows, w, v), state(places, t, u), state(axis, w * step + t, v * step + u)] += 1.0
    number = expected.sum(-1, keepdims=True)
    found = shares.reshape(expected.shape)
    assert np.allclose(np.where(number > 0, found * number, 0.0), expected)
    assert np.allclose(
        cells.reshape(windows.groups, places.groups, -1), found[: windows.groups, : places.groups, : axis.groups]
    )
    assert (taken.columns.reshape(count, size) == np.arange(count)[:, None] * step + np.arange(size)).all()
