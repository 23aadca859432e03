"""Logits with a known table added: slopes of ALiBi (Press et al. 2022), fixed distances, masks.

A softmax sees the table exactly. Taken as random, a slope that falls to −16 over the keys would be a normal variable of that
spread, and the weights those of the wrong law; so the table travels with the sum, up to the softmax (`ops.attention`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from initlint.propagate.axes import Array

if TYPE_CHECKING:
    from initlint.propagate.moments import Moments

MIDDLES = np.array([0.0, 0.1573, 0.3186, 0.4888, 0.6745, 0.8871, 1.1503, 1.5341])  # normal quantiles at 1/2, 9/16, … 15/16
NODES = np.concatenate([-MIDDLES[:0:-1], MIDDLES])
NODES = NODES / np.sqrt(np.mean(NODES**2))
LARGEST = 1 << 20  # entries of a table that are followed through a reshape


@dataclass(frozen=True, slots=True, eq=False)
class Shifted:
    """That a tensor is `rest` + (1 + `sway` ξ) `values`, with a standard normal ξ of its own for every row of a softmax.

    values  as many dimensions as the tensor, size one where it is broadcast; −inf where an entry is masked out
    rest    the random part, in the tensor's shape
    """

    values: Array
    rest: Moments
    sway: float = 0.0

    def scaled(self, factor: float, rest: Moments) -> Shifted | None:
        """factor · (rest + values); None where what is masked would not be that any more."""
        return Shifted(self.values * factor, rest, self.sway) if factor > 0 else None

    def hidden(self, mask: npt.NDArray[np.bool_]) -> Shifted:
        """The same with the entries where the mask holds masked out."""
        rank = max(self.values.ndim, mask.ndim)
        values = self.values.reshape((1,) * (rank - self.values.ndim) + self.values.shape)
        return Shifted(np.where(mask.reshape((1,) * (rank - mask.ndim) + mask.shape), -np.inf, values), self.rest, self.sway)

    def reshaped(self, before: Sequence[int], shape: Sequence[int]) -> Shifted | None:
        """The same in another shape; None where the table is too large for that."""
        if int(np.prod(before)) > LARGEST:
            return None
        return Shifted(np.broadcast_to(self.values, before).reshape(shape), self.rest.reshaped(shape), self.sway)


def with_table(rest: Moments, table: Array) -> Shifted:
    """rest + table, broadcast to the shape of rest."""
    return Shifted(table.reshape((1,) * (len(rest.shape) - table.ndim) + table.shape), rest)


def known_weights(shifted: Shifted, d: int, noise: float = 0.0) -> Array | None:
    """The softmax of the table alone along dimension d, size one where it is the same everywhere; None where it is flat or large.

    Along a first dimension for equally likely ξ. What stands out by a table that sways does so against a sum of exponentials of `rest`,
    whose variance in a row is `noise`: e^{noise/2} on average for each; and it has the same noise of its own.
    """
    values = shifted.values
    if values.shape[d] != shifted.rest.shape[d]:
        return None
    for n in range(values.ndim):
        if n != d and values.shape[n] > 1:
            first = values.take([0], axis=n)
            if np.array_equal(np.broadcast_to(first, values.shape), values):
                values = first
    seen = np.isfinite(values)
    if values.size > LARGEST or not seen.any(axis=d).all():
        return None
    if np.ptp(values[seen]) == 0:
        return None
    found = []
    level = np.where(seen, values, 0.0)
    spread, shift = np.sqrt((shifted.sway * level) ** 2 + noise), noise / 2.0
    for node in NODES if shifted.sway else np.zeros(1):
        moved = np.where(level != 0.0, level + node * spread - shift, 0.0) if shifted.sway else level
        swayed = np.where(seen, moved, -np.inf)
        weights = np.exp(swayed - swayed.max(axis=d, keepdims=True))
        found.append(weights / weights.sum(axis=d, keepdims=True))
    return np.stack(found)
