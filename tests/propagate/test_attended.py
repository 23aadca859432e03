"""What a softmax makes of the size of a query, a key or a value, against autograd on drawn rows of attention."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from initlint.propagate.attended import DRAWN, sums
from initlint.propagate.axes import Array

ROWS = 20_000
INTERPOLATED = 0.03  # of the logarithm between the variances at which the sums are drawn, an octave apart


def drawn(entries: int, variance: float, dimensions: int) -> dict[str, Array]:
    """By row, the squares of what is felt of the size of the query, keys, values, and what of the output's change is along it.

    Values are orthogonal and of length √N, so that what the cotangent says of them is white of variance N.
    """
    generator = torch.Generator().manual_seed(entries + dimensions)
    z = torch.randn(ROWS, entries, generator=generator, dtype=torch.float64)
    if dimensions:
        keys = torch.randn(ROWS, entries, dimensions, generator=generator, dtype=torch.float64)
        z = keys[..., 0] / keys.norm(dim=-1) * dimensions**0.5
    query, key, value = (torch.ones(ROWS, n, dtype=torch.float64, requires_grad=True) for n in (1, entries, entries))
    output = (z * variance**0.5 * query * key).softmax(-1) * value * entries**0.5
    cotangent = torch.randn(output.shape, generator=generator, dtype=torch.float64)
    felt = torch.autograd.grad((output * cotangent).sum(), (query, key, value), retain_graph=True)
    along = torch.autograd.grad((output * output.detach()).sum() / entries, (query, key, value))
    parts = {"query": felt[0], "key": felt[1], "key and value": felt[1] + felt[2]}
    parts |= {"along, of query": along[0], "along, of value": along[2], "along, of key and value": along[1] + along[2]}
    scale = {name: 1.0 if name.startswith("along") else entries for name in parts}
    return {name: (part**2).sum(1).numpy() / scale[name] for name, part in parts.items()}


@pytest.mark.parametrize(
    ("entries", "variance", "dimensions"), [(2, 1.0, 0), (16, 0.1, 0), (16, 1.3, 0), (64, 1.0, 32), (48, 2.0, 8)]
)
def test_what_is_felt_through_a_softmax_is_what_autograd_finds(entries: int, variance: float, dimensions: int) -> None:
    """Q, K, K + P + 2X and the parts along the output, for Gaussian logits and for cosines."""
    found = sums(np.array([float(entries)]), np.array([variance]), dimensions)
    predicted = {
        "query": variance * found.query, "key": variance * found.key,
        "key and value": variance * (found.key + 2.0 * found.both) + found.weights,
        "along, of query": found.own[1], "along, of value": found.valued[0], "along, of key and value": found.keyed[0],
    }  # fmt: skip
    for name, squares in drawn(entries, variance, dimensions).items():
        chance = squares.std() * (1.0 / ROWS + entries / DRAWN) ** 0.5
        assert abs(float(predicted[name].item()) - squares.mean()) < 5.0 * chance + INTERPOLATED * squares.mean(), name
