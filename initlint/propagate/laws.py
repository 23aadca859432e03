"""From the law of a weight or of an input to its moments."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from initlint.graph.model import InputLaw, Law, Parameter
from initlint.propagate.axes import Axis, canonical, state_of
from initlint.propagate.known import known_moments
from initlint.propagate.moments import Moments, iid
from initlint.propagate.rows import kernel_rows
from initlint.propagate.sizes import by_size, by_value
from initlint.propagate.tape import Known, Unknown

if TYPE_CHECKING:
    import torch

INTEGER_SEED = 1811
STEPS = 4  # values of a known vector up to which its entries are told apart


def law_moments(law: Law, shape: Sequence[int]) -> Moments:
    """Moments of a parameter drawn from this law; an uninitialized one counts as zero (a rule reports it)."""
    if law.family == "mixture" and law.parts:
        return _mixture(law, shape)
    if math.isnan(law.second_moment):
        return _weights(iid(shape, 0.0, 0.0))
    moments = iid(shape, law.mean, law.second_moment)
    if law.family == "constant":
        moments = iid(shape, law.mean, law.mean**2)
    if law.family == "identity":
        moments = _identity(shape, law.gain if law.gain is not None else 1.0)
    if law.pair is not None:
        pair = np.empty_like(moments.pair)
        wide = [d for d, n in enumerate(shape) if n > 1]
        for state in np.ndindex(pair.shape):
            bits = sum(1 << d for d, different in zip(wide, state, strict=True) if different)
            pair[state] = law.pair[bits]
        moments = moments.with_(pair=pair)
    result = _weights(moments)
    if law.family == "identity" and len(shape) > 1 and shape[0] == shape[1] > 1:
        result.eye = 1.0 if law.gain is None else law.gain
    return result


def _weights(x: Moments) -> Moments:
    return x.with_(dims=tuple(tuple(Axis(a.size, a.labels, "channel") for a in dim) for dim in x.dims))


def _identity(shape: Sequence[int], gain: float) -> Moments:
    """gain·(a permutation matrix): exchangeable, and with the same second-order statistics as gain·I."""
    moments = iid(shape, 0.0, 0.0)
    if len(shape) < 2 or min(shape[:2]) == 1:
        return iid(shape, gain / max(math.prod(shape), 1), gain**2 / max(math.prod(shape), 1))
    n = min(shape[0], shape[1])
    total = float(math.prod(shape))
    mean = gain * n / total
    pair = np.zeros_like(moments.pair)
    pair[(0,) * pair.ndim] = gain**2 * n / total
    both = [0] * pair.ndim
    both[0] = both[1] = 1
    pair[tuple(both)] = gain**2 * n * (n - 1) / (shape[0] * shape[1] * (shape[0] - 1) * (shape[1] - 1)) / math.prod(shape[2:])
    return moments.with_(mean=np.full_like(moments.mean, mean), pair=pair)


def _mixture(law: Law, shape: Sequence[int]) -> Moments:
    """A law that differs by region: groups along the one dimension that the regions cut, else the average over all."""
    cut = {
        d
        for region, _ in law.parts
        for d, (start, stop, step) in enumerate(region)
        if (start, stop, step) != (0, shape[d], 1) and shape[d] > 1
    }
    if len(cut) != 1:
        mean, second = law.mean, law.second_moment
        return _weights(iid(shape, 0.0 if math.isnan(mean) else mean, 0.0 if math.isnan(second) else second))
    d = cut.pop()
    labels = np.zeros(shape[d], dtype=np.int64)
    of: list[Law] = []
    for n, (region, part) in enumerate(law.parts):
        start, stop, step = region[d]
        labels[start:stop:step] = n
        of.append(part)
    used = np.unique(labels)
    parts = [law_moments(of[n], shape) for n in used]
    base = parts[0]
    k = base.position(d)
    axis = Axis(shape[d], canonical(labels), "channel")
    groups = axis.groups
    if groups == 1:
        return base
    means = np.concatenate([p.mean for p in parts], axis=k)
    pair = np.zeros([axis.states if n == k else s for n, s in enumerate(base.pair.shape)])
    front = np.moveaxis(pair, k, 0)
    for g, p in enumerate(parts):
        own = np.moveaxis(p.pair, k, 0)
        front[g] = own[0]
        for h, r in enumerate(parts):
            other = own[1] if g == h else np.full(own.shape[1:], float(p.mean.flat[0]) * float(r.mean.flat[0]))
            front[state_of(groups, np.array(g), np.array(h))] = other
    dims = (*base.dims[:d], (axis,), *base.dims[d + 1 :])
    result = Moments(dims, means, pair)
    result.zeros = float(sum(p.zeros * c for p, c in zip(parts, axis.counts, strict=True)) / axis.size)
    return result


def parameter_value(parameter: Parameter, places: Iterator[int] | None = None) -> Moments | Known | Unknown:
    """What a parameter or buffer is to the propagation: known values, moments of its law, or unknown.

    places  numbers the wide vectors of a model (see `sizes`)
    """
    if parameter.law.family == "unknown":
        return Unknown(f"the law of `{parameter.name}` is lost in {parameter.law.source}")
    if parameter.value is not None and (parameter.kind != "parameter" or not parameter.trainable):
        return Known(parameter.value.detach().clone())
    if parameter.value is not None and parameter.law.family == "exact":
        table = _weights(known_moments(Known(parameter.value.detach()), _steps(parameter.value)))
        if table.mean.size == 1 and (grouped := by_value(parameter.value.detach())) is not None:
            return _weights(grouped)
        if table.mean.size == 1 and not parameter.value.is_complex():
            table.sample = np.sort(parameter.value.detach().double().numpy().reshape(-1))[:: max(parameter.value.numel() // 4096, 1)]
        return table
    moments = law_moments(parameter.law, parameter.shape)
    moments.gram = kernel_rows(_kurtosis(parameter.law), parameter.shape)
    if parameter.law.quantiles and moments.mean.size == 1:
        quantiles = np.array(parameter.law.quantiles)
        if len(moments.axes) == 1 and parameter.law.pair is None:
            grouped = by_size(quantiles, parameter.shape[0], itertools.count() if places is None else places)
            if grouped is not None:
                return _weights(grouped)
        moments.sample = quantiles
    return moments.with_(complex=True) if "complex" in parameter.dtype else moments


def _kurtosis(law: Law) -> float:
    """E[w⁴]/E[w²]² of a centred law."""
    if law.quantiles:
        squares = np.square(law.quantiles)
        return float((squares**2).mean() / max(squares.mean() ** 2, 1e-300))
    return {"uniform": 1.8, "constant": 1.0}.get(law.family, 3.0)


def _steps(values: torch.Tensor) -> Moments | None:
    """The groups of a vector that takes few values, as the biases of gates do: which entry has which is known."""
    if values.ndim != 1 or values.is_complex():
        return None
    levels, labels = np.unique(values.detach().double().numpy(), return_inverse=True)
    if not 1 < len(levels) <= STEPS or len(levels) == len(values):
        return None
    zeros = np.zeros(len(levels))
    axis = Axis(len(values), labels.reshape(-1).astype(np.int64), "channel")
    return Moments(((axis,),), zeros, np.zeros(axis.states))


def input_value(law: InputLaw, index: int) -> Moments | Known:
    """A floating input as moments, an integer one as known values or one uniform draw."""
    import torch

    dtype = getattr(torch, law.dtype.removeprefix("torch."))
    if law.value is not None and not (dtype.is_floating_point or dtype.is_complex):
        return Known(law.value.detach().clone())
    if dtype.is_floating_point:
        moments = iid(law.shape, law.mean, law.mean**2 + law.std**2, batch=True)
        if law.correlation and len(law.shape) > 1:
            # same sample, other elements: a common correlation; other samples stay independent
            common = law.mean**2 + law.correlation * law.std**2
            pair = moments.pair.copy()
            if law.shape[0] > 1:
                pair[0] = np.where(pair[0] == moments.pair[(0,) * pair.ndim], pair[0], common)
            moments = moments.with_(pair=pair)
        return moments
    if dtype.is_complex:
        return iid(law.shape, 0.0, 1.0, batch=True).with_(complex=True)
    generator = torch.Generator().manual_seed(INTEGER_SEED + index)
    if dtype == torch.bool:
        return Known(torch.ones(law.shape, dtype=torch.bool))
    high = max(law.high, law.low + 1)
    values = torch.randint(law.low, high, law.shape, generator=generator, dtype=torch.int64).to(dtype)
    return Known(values, distinct=high - law.low)
