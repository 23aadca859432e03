"""Sparse maps of positions give what dense ones give, and long axes cost next to nothing."""

import tracemalloc

import numpy as np
import torch
from torch import nn

from initlint.graph.built import build_recorded
from initlint.graph.capture import capture
from initlint.propagate import propagate
from initlint.propagate.axes import Axis
from initlint.propagate.linear import mean_map, pair_map
from initlint.propagate.ops.maps import tap_matrices
from initlint.propagate.sparse import Sparse, total


def dense(matrix: Sparse) -> np.ndarray:
    """All entries, zeros too."""
    full = np.zeros(matrix.shape)
    full[matrix.rows, matrix.columns] = matrix.values
    return full


def test_pair_maps_of_sparse_and_dense_matrices_agree() -> None:
    """For a strided, padded window between grouped axes, and for its transpose."""
    window = total(tap_matrices(20, 10, 3, 2, 1, 1))
    source, target = Axis(20, np.arange(20) // 7), Axis(10, np.arange(10) // 4)
    assert np.allclose(pair_map(window, source, target), pair_map(dense(window), source, target))
    assert np.allclose(pair_map(window.T, target, source), pair_map(dense(window).T, target, source))
    assert np.allclose(mean_map(window, source, target), mean_map(dense(window), source, target))


def test_sixteen_thousand_samples_take_little_memory() -> None:
    """A convolution, a pool and their gradients over a second of sound stay below fifty megabytes."""

    def build() -> nn.Module:
        return nn.Sequential(nn.Conv1d(1, 8, 10, 5), nn.AvgPool1d(2), nn.Conv1d(8, 8, 3, 2, 1), nn.MaxPool1d(2))

    traced = capture(build_recorded(build), (torch.zeros(2, 1, 16000),))
    tracemalloc.start()
    result = propagate(traced)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert not result.coverage.unknown
    assert peak < 50e6
