"""A known linear map along one axis, as a map of pair states.

y_o = Σ_i A_oi x_i sends the pair moments of x to those of y linearly; averaged over the output pairs of each state this is
a small matrix. Pooling, interpolation, cumulative sums, and each tap of a convolution are such maps; the pullback is the
transposed map. Exact up to the averaging inside groups.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from initlint.propagate.axes import Array, Axis, Labels, along, canonical
from initlint.propagate.moments import Moments, replaced
from initlint.propagate.sparse import Sparse


@lru_cache(maxsize=256)
def members(axis: Axis) -> Array:
    """(size, groups): one where an index belongs to a group."""
    member = np.zeros((axis.size, axis.groups))
    member[np.arange(axis.size), 0 if axis.labels is None else axis.labels] = 1.0
    return member


def pair_map(matrix: Array | Sparse, source: Axis, target: Axis) -> Array:
    """(states of target, states of source): pair moments of A x from those of x; A is (target.size, source.size)."""
    inside, outside = members(source), members(target)
    g, h = source.groups, target.groups
    sums = matrix @ inside  # Σ_{i in g} A_oi
    squares = sums if isinstance(matrix, Sparse) and matrix.ones else (matrix**2) @ inside
    diagonal = np.arange(g) * (g + 1)
    result = np.zeros((target.states, source.states))
    # the same output index: o = o'
    counts = target.counts
    result[:h, :g] = (outside.T @ squares) / counts[:, None]
    both = (sums[:, :, None] * sums[:, None, :]).reshape(-1, g * g)
    both[:, diagonal] -= squares
    result[:h, g:] = (outside.T @ both) / counts[:, None]
    # different output indices: all pairs minus the equal ones
    totals = outside.T @ sums  # (h, g)
    shared = np.empty((h, h, g))
    reached = matrix.T @ outside  # Σ_{o in h} A_oi
    for k in range(g):
        block = reached[inside[:, k] > 0]
        shared[:, :, k] = block.T @ block
    everything = (totals[:, None, :, None] * totals[None, :, None, :]).reshape(h, h, g * g)
    everything[:, :, diagonal] -= shared
    number = np.outer(counts, counts) - np.diag(counts)
    own = np.arange(h)
    shared[own, own] -= result[:h, :g] * counts[:, None]
    everything[own, own] -= result[:h, g:] * counts[:, None]
    safe = np.maximum(number, 1.0)[:, :, None]
    result[h:, :g] = (shared / safe).reshape(h * h, g)
    result[h:, g:] = (everything / safe).reshape(h * h, g * g)
    for k in own[counts == 1]:  # "different" inside a group of one cannot happen; keep it finite
        result[h + k * h + k] = result[k]
    return result


def mean_map(matrix: Array | Sparse, source: Axis, target: Axis) -> Array:
    """(groups of target, groups of source): means of A x from those of x."""
    return np.asarray((members(target).T @ (matrix @ members(source))) / target.counts[:, None])


def mapped(x: Moments, k: int, matrix: Array | Sparse, target: Axis | None = None) -> Moments:
    """A x along axis k."""
    source = x.axes[k]
    if target is None:
        target = Axis(matrix.shape[0], like_rows(matrix, source), source.role)
    pair = along(pair_map(matrix, source, target), x.pair, k)
    mean = along(mean_map(matrix, source, target), x.mean, k)
    entries = matrix.values if isinstance(matrix, Sparse) else matrix
    zeros = 1.0 if x.is_zero else x.zeros if picks(matrix) else 0.0
    changes: dict[str, object] = {"positive": x.positive and bool((entries >= 0).all()), "zeros": zeros}
    changes["negative"] = x.negative and bool((entries >= 0).all())
    if target.size == 1:
        return x.with_(
            dims=replaced(x.dims, k, ()), mean=mean.take(0, axis=k), pair=pair.take(0, axis=k), valid=None, **changes
        )
    return x.with_(dims=replaced(x.dims, k, (target,)), mean=mean, pair=pair, valid=None, **changes)


def picks(matrix: Array | Sparse) -> bool:
    """Whether every output is one of the inputs."""
    every = np.ones((matrix.shape[1], 1))
    return bool(np.allclose(matrix @ every, 1.0) and np.allclose((matrix**2) @ every, 1.0))


def like_rows(matrix: Array | Sparse, source: Axis, limit: int = 3) -> Labels | None:
    """Groups of output indices that weigh the groups of the input alike; the most alike are joined beyond `limit`."""
    inside = members(source)
    features = np.concatenate([matrix @ inside, (matrix**2) @ inside], axis=1)
    return group_rows(features, limit)


def octaves(count: Array) -> Labels | None:
    """Groups of indices by a number that grows along the axis, as many terms of a sum: octaves, coarser for long axes."""
    count = np.maximum(np.asarray(count, dtype=np.float64), 1e-9)
    if np.allclose(count, count[0]):
        return None
    distinct = np.unique(np.round(count, 6))
    if len(distinct) <= 3:
        return np.unique(np.round(count, 6), return_inverse=True)[1].astype(np.int64)
    base = max(2.0, float(count.max() / max(count.min(), 1.0)) ** (1.0 / 7.0))
    octave = np.floor(np.log(np.maximum(count, 1.0) + 1e-9) / np.log(base)).astype(np.int64)
    return np.unique(octave, return_inverse=True)[1].astype(np.int64)


def group_rows(features: Array, limit: int) -> Labels | None:
    """Labels of equal rows, None if all are equal; the nearest classes (by weighted distance) are joined beyond `limit`."""
    rounded = np.round(features / (np.abs(features).max() or 1.0), 9)
    rows, labels = np.unique(rounded, axis=0, return_inverse=True)
    labels = labels.reshape(-1).astype(np.int64)
    if len(rows) == 1:
        return None
    weights = np.bincount(labels).astype(np.float64)
    of = np.arange(len(rows))
    alive = list(range(len(rows)))
    centres = rows.astype(np.float64).copy()
    if len(alive) > 12:  # far more classes than groups: sort by weight of the row and cut evenly
        order = np.argsort(features.sum(1), kind="stable")
        labels = np.empty(len(features), dtype=np.int64)
        labels[order] = np.arange(len(features)) * limit // len(features)
        return labels
    while len(alive) > limit:
        best: tuple[float, int, int] | None = None
        for n, a in enumerate(alive):
            for b in alive[:n]:
                cost = weights[a] * weights[b] / (weights[a] + weights[b]) * float(((centres[a] - centres[b]) ** 2).sum())
                if best is None or cost < best[0]:
                    best = (cost, a, b)
        assert best is not None
        _, a, b = best
        centres[b] = (weights[a] * centres[a] + weights[b] * centres[b]) / (weights[a] + weights[b])
        weights[b] += weights[a]
        of[of == a] = b
        alive.remove(a)
    return canonical(of[labels])
