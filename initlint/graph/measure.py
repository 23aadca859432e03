"""The law of a tensor that is already there, from its values."""

from __future__ import annotations

import itertools

import torch

from initlint.graph.model import Law

SIGNIFICANT = 5.0  # standard errors an off-diagonal moment must differ from zero to count as structure
QUANTILES = 129
FEWEST, MOST = 16, 1 << 20  # entries of a vector whose quantiles are taken
LARGEST = 1 << 24  # elements looked at; of a larger tensor every n-th row


def law_of_values(tensor: torch.Tensor) -> Law:
    """First and second moments, and what pairs of entries share beyond chance.

    `pair` is kept only where some off-diagonal moment is significant: rows that are equal, columns with a mean, …
    """
    values = tensor.detach()
    if values.is_complex():
        # E[Re(x ȳ)] is the sum of that of both parts; entries of different parts, the last dimension, do not meet
        law = law_of_values(torch.view_as_real(values.resolve_conj()))
        pair = None if law.pair is None else tuple(2.0 * moment for moment in law.pair[: len(law.pair) // 2])
        return Law(family="measured" if law.family != "constant" or law.mean else "constant", mean=law.mean,
                   second_moment=2.0 * law.second_moment, pair=pair)  # fmt: skip
    if values.numel() == 0:
        return Law(family="constant", mean=0.0, second_moment=0.0)
    if values.numel() > LARGEST and values.dim() > 1:
        values = values[:: -(-values.numel() // LARGEST)]
    values = values.to(torch.float64)
    first = float(values.reshape(-1)[0])
    if bool((values == first).all()):
        return Law(family="constant", mean=first, second_moment=first * first)
    mean, second = float(values.mean()), float((values * values).mean())
    if values.dim() == 2 and min(values.shape) > 1 and _is_identity(values):
        gain = float(values.diagonal().mean())
        return Law(family="identity", mean=mean, second_moment=second, gain=gain)
    count = values.numel()
    if abs(mean) < SIGNIFICANT * (second / count) ** 0.5 and bool((values < 0).any()) and bool((values > 0).any()):
        mean = 0.0  # by chance; entries of one sign have a mean, however few they are
    pair = _pairs(values, mean, second)
    quantiles: tuple[float, ...] = ()
    if values.dim() == 1 and FEWEST <= count <= MOST:  # a vector: what a bias adds is not averaged away
        steps = (torch.arange(QUANTILES, dtype=torch.float64) + 0.5) / QUANTILES
        quantiles = tuple(torch.quantile(values, steps).tolist())
    return Law(family="measured", mean=mean, second_moment=second, pair=pair, quantiles=quantiles)


def _is_identity(values: torch.Tensor) -> bool:
    diagonal = values.diagonal()
    off = values.clone()
    off.diagonal().zero_()
    return bool((off == 0).all()) and bool((diagonal == diagonal[0]).all())


def _pairs(values: torch.Tensor, mean: float, second: float) -> tuple[float, ...] | None:
    """E[w_u w_v] by the set of dimensions in which u and v differ; None if entries look independent."""
    rank = values.dim()
    if rank == 0 or rank > 5:
        return None
    sizes = values.shape
    every: dict[int, float] = {}
    for mask in range(1 << rank):
        dims = [d for d in range(rank) if mask >> d & 1]
        sums = values.sum(dims) if dims else values
        every[mask] = float((sums * sums).sum())
    moments = [second]
    structured = False
    for mask in range(1, 1 << rank):
        total, number = 0.0, 1.0
        dims = [d for d in range(rank) if mask >> d & 1]
        for chosen in itertools.product((0, 1), repeat=len(dims)):
            part = sum(1 << d for d, take in zip(dims, chosen, strict=True) if take)
            total += (-1.0) ** (len(dims) - sum(chosen)) * every[part]
        for d in range(rank):
            number *= sizes[d] * (sizes[d] - 1) if mask >> d & 1 else sizes[d]
        if number == 0:
            moments.append(second)
            continue
        value = total / number
        noise = second / max(number, 1.0) ** 0.5 * 2**0.5
        if abs(value - mean * mean) > SIGNIFICANT * noise:
            structured = True
            moments.append(value)
        else:
            moments.append(mean * mean)
    return tuple(moments) if structured else None
