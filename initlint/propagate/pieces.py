"""The law of tensors one after the other: each piece keeps its own.

Entries of a concatenation of ReLUs are zero or positive, whatever its channels' moments are: a sum with it, or a ReLU of that sum,
is not what it would be for normal entries. The values are functions of one source with the correlations that give back the pair
moments (see `sums.correlations`).
"""

from __future__ import annotations

import numpy as np

from initlint.propagate.axes import Array, refinement
from initlint.propagate.moments import Moments
from initlint.propagate.pointwise import Profile, Source, grid, profile_of, values_of
from initlint.propagate.sums import correlations

JOINING = frozenset({"cat", "concat", "concatenate"})


def pieces_of(x: Moments) -> tuple[list[Moments], int] | None:
    """The pieces of a concatenation and the dimension along which they follow each other; None where x is none."""
    if x.made is None or x.made.name not in JOINING:
        return None
    values = x.made.args[0]
    d = x.made.args[1] if len(x.made.args) > 1 else x.made.kwargs.get("dim", 0)
    if not all(isinstance(value, Moments) for value in values) or not isinstance(d, int):
        return None
    d %= len(x.dims)
    if any(len(v.dims) != len(x.dims) or len(v.dims[d]) != 1 for v in (x, *values)) or sum(v.shape[d] for v in values) != x.shape[d]:
        return None
    return list(values), d


def law_of_pieces(x: Moments) -> Profile | None:
    """A concatenation as a function of a source of its own; None where it is as good as normal, or is none."""
    found = pieces_of(x)
    if found is None:
        return None
    pieces, d = found
    if all(values_of(piece) is None for piece in pieces):
        return None
    variance = np.maximum(x.cells - x.mean**2, 0.0)
    if not np.all(variance > 0):
        return None
    source = Source(x)
    z = grid(source.points)[0]
    result = np.empty((len(z), *x.mean.shape))
    k, starts = x.position(d), np.cumsum([0, *(piece.shape[d] for piece in pieces)])
    for group, index in enumerate(_firsts(x, d)):
        which = int(np.searchsorted(starts, index, side="right")) - 1
        values = _piece(pieces[which], x, d, index - int(starts[which]), z)
        if values is None:
            return None
        result[(slice(None),) * (k + 1) + (group,)] = values
    w = grid(source.points)[1].reshape(-1, *(1,) * x.mean.ndim)
    mean = (w * result).sum(0)
    deviation = np.sqrt((w * (result - mean) ** 2).sum(0))
    if not np.all(deviation > 0):
        return None
    result = x.mean + (result - mean) * (np.sqrt(variance) / deviation)
    source.correlation = correlations(source, result, x)
    return Profile(source, result)


def _firsts(x: Moments, d: int) -> list[int]:
    """An index of dimension d in each of its groups."""
    axis = x.dims[d][0]
    if axis.labels is None:
        return [0]
    return [int(np.argmax(axis.labels == group)) for group in range(axis.groups)]


def _piece(piece: Moments, x: Moments, d: int, index: int, z: Array) -> Array | None:
    """The values of a piece at one index of dimension d, on the grid z, by cell of the other axes of x."""
    values = profile_of(piece).values
    if values.shape[1:] != piece.mean.shape or len(piece.axes) != len(x.axes):
        return None
    k = piece.position(d)
    labels = piece.dims[d][0].labels
    values = np.take(values, 0 if labels is None else int(labels[index]), axis=k + 1)
    others = [(a, b) for n, (a, b) in enumerate(zip(piece.axes, x.axes, strict=True)) if n != k]
    for n, (coarse, fine) in enumerate(others):
        if coarse.size != fine.size or (fine.labels is None and coarse.labels is not None):
            return None
        if not coarse.same_partition(fine):
            values = np.take(values, refinement(coarse, fine), axis=n + 1)
    return _on_grid(values, z)


def on_piece(values: Array, x: Moments, piece: Moments, d: int, start: int) -> Array | None:
    """A function of the source of a concatenation, by cell, as one of the source of the piece at `start` of dimension d.

    An entry of the concatenation has the value of the piece's entry at the same z. None where the piece has no such source.
    """
    profile = profile_of(piece)
    if profile.values.shape[1:] != piece.mean.shape or len(piece.axes) != len(x.axes) or values.shape[1:] != x.mean.shape:
        return None
    for k, (coarse, fine) in enumerate(zip(piece.axes, x.axes, strict=True)):
        offset = start if k == x.position(d) else 0
        if fine.size != coarse.size and k != x.position(d):
            return None
        labels = np.zeros(fine.size, dtype=np.int64) if fine.labels is None else fine.labels
        first = [0] if coarse.labels is None else [int(np.argmax(coarse.labels == group)) for group in range(coarse.groups)]
        values = values.take(labels[[offset + place for place in first]], axis=k + 1)
    return _on_grid(values, grid(len(profile.values))[0])


def _on_grid(values: Array, z: Array) -> Array:
    """The same function on another grid."""
    own = grid(len(values))[0]
    if len(own) == len(z):
        return values
    at = np.empty((len(z), *values.shape[1:]))
    for cell in np.ndindex(*values.shape[1:]):
        column = (slice(None), *cell)
        at[column] = np.interp(z, own, values[column])
    return at
