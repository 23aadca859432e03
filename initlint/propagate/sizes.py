"""Vectors whose entries differ widely, in groups by size: decays, time steps, rates, slopes.

exp(Δ A) and Δ B u of a selective state space are made of one step size Δ = softplus(… + bias), and biases from log-uniform
steps lie e⁴ apart: a slow channel decays little and takes little in, at every step. As tensors with one law for all channels
both would be independent. Which entry is large is known (rates 1 … 16) or does not matter (independent entries can be thought
of in any order), so the axis gets groups by size, and what depends on size is a matter of the groups. Within them the values
hardly differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from initlint.propagate.axes import Array, Axis, Labels, canonical
from initlint.propagate.known import from_array
from initlint.propagate.moments import Moments

if TYPE_CHECKING:
    import torch

WIDE = 0.5  # standard deviation beyond which functions are far from linear over the values
SIZES = 4  # groups


def by_size(quantiles: Array, size: int, places: Iterator[int]) -> Moments | None:
    """Independent entries of one law, in groups of about equal numbers; None where the law is narrow.

    Vectors over one axis must not be ordered alike: by their places they take another digit of the index for the group.
    """
    if quantiles.std() <= WIDE:
        return None
    index = np.arange(size)
    labels = (index * SIZES // size, index % SIZES, index // SIZES % SIZES)[next(places) % 3]
    values = np.empty(size)
    steps = (np.arange(len(quantiles)) + 0.5) / len(quantiles)
    values[np.argsort(labels, kind="stable")] = np.interp((index + 0.5) / size, steps, quantiles)
    return from_array(values, ((Axis(size, canonical(labels)),),))


def by_value(tensor: torch.Tensor) -> Moments | None:
    """A known tensor that varies widely, and along one dimension only, its range cut into equal parts; None for any other."""
    if tensor.is_complex() or tensor.numel() < 2:
        return None
    values = tensor.double().numpy()
    varied = [d for d in range(values.ndim) if np.ptp(values, axis=d).max() > 1e-9 * np.abs(values).max()]
    if len(varied) != 1 or values.std() <= WIDE:
        return None
    along = np.moveaxis(values, varied[0], 0).reshape(values.shape[varied[0]], -1)[:, 0]
    low, high = along.min(), along.max()
    groups: Labels = canonical(np.minimum((along - low) * (SIZES / (high - low)), SIZES - 1).astype(np.int64))
    dims = tuple(((Axis(n, groups if d == varied[0] else None),) if n > 1 else ()) for d, n in enumerate(values.shape))
    return from_array(values, dims)
