"""Operators without a formula: run the real one on tensors drawn with the wanted pair moments, and measure.

A tensor with exchangeable axes is a sum of independent effects, one for each set S of axes whose indices it tells apart (the
analysis of variance of a random tensor). Along one axis, with pair moments S_g of the same index and D_gg' of different ones,

    x_i = m_g(i) + (e_i − average of e over the group),    Var e_i = S_g − D_gg,    Cov(m_g, m_g') = D_gg' + [g = g'](S_g − D_gg)/n_g

has exactly these moments, negative ones included; along several axes the effects are the products of these two parts.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from initlint.propagate.axes import Array, Axis, state_of
from initlint.propagate.known import from_array
from initlint.propagate.linear import members
from initlint.propagate.moments import Dims, Moments
from initlint.propagate.ops.registry import CannotPredict
from initlint.propagate.pointwise import grid, profile_of
from initlint.propagate.tape import Known, Tape

LARGEST = 1 << 23  # elements of all inputs of one sampled operator
DRAWS = 6
ENTRIES = 32  # that show a sign: 32 of either are of one with a chance of 2⁻³¹
SEED = 20180611
ROUNDING = 1e-12  # of the largest covariance


def signs_of(values: Sequence[npt.NDArray[Any]]) -> tuple[bool, bool]:
    """Whether no drawn entry is negative, whether none is positive; neither is known of entries so few that it may be chance."""
    if any(np.iscomplexobj(v) for v in values) or sum(v.size for v in values) < ENTRIES:
        return False, False
    return all(bool((v >= 0).all()) for v in values), all(bool((v <= 0).all()) for v in values)


def draw(x: Moments, generator: np.random.Generator) -> npt.NDArray[Any]:
    """One tensor with x's shape and pair moments: a function of a Gaussian where x is one, log-normal where it has one sign."""
    if x.complex:
        half = x.with_(pair=x.pair / 2, mean=np.zeros_like(x.mean), complex=False)
        parts = draw(half, generator) + 1j * draw(half, generator)
        return np.asarray(by_index(x, x.mean) + parts)
    if x.sample is not None:
        profile_of(x)
    if x.profile is not None and all(a.same_partition(b) for a, b in zip(x.axes, _axes(x.profile.source.dims), strict=True)):
        source = x.profile.source
        z = gaussian(Moments(x.dims, np.zeros_like(x.mean), source.correlation), generator)
        nodes = grid(source.points)[0]
        values = x.profile.values.reshape(len(nodes), -1)
        if values.shape[1] == 1:
            return np.asarray(np.interp(z, nodes, values[:, 0]))
        cell = by_index(x, np.arange(values.shape[1], dtype=np.float64).reshape(x.profile.values.shape[1:]))
        result = np.empty_like(z)
        for k, column in enumerate(values.T):
            result[cell == k] = np.interp(z[cell == k], nodes, column)
        return result
    if not x.zeros and ((x.positive and np.all(x.mean > 0)) or (x.negative and np.all(x.mean < 0))):
        # log-normal with the same moments: E[e^u e^v] = e^(Cov(u, v)) for u, v with E[e^u] = 1
        logs = Moments(x.dims, np.zeros_like(x.mean), np.log(np.maximum(x.pair, 1e-300) / x.mean_products()))
        return np.asarray(by_index(x, x.mean) * np.exp(gaussian(logs, generator) - by_index(x, logs.cells) / 2))
    return gaussian(x, generator)


def _axes(dims: Dims) -> list[Axis]:
    return [axis for dim in dims for axis in dim]


def by_index(x: Moments, by_cell: Array) -> Array:
    """A quantity given by cell at every element of x, or along some axes by index."""
    for k, axis in enumerate(x.axes):
        if axis.labels is not None:
            by_cell = np.take(by_cell, axis.labels, axis=k)
        elif by_cell.shape[k] != axis.size:
            by_cell = np.repeat(by_cell, axis.size, axis=k)
    return by_cell.reshape(x.shape)


def gaussian(x: Moments, generator: np.random.Generator) -> Array:
    """One Gaussian tensor with x's pair moments; where they are those of no tensor, with the nearest ones."""
    axes, count = x.axes, len(x.axes)
    centered = x.centered()
    value = by_index(x, x.mean).reshape([axis.size for axis in axes])
    simple = _variances(x, centered)
    least = ROUNDING * float(np.abs(centered).max())  # an effect that is but rounding must not use up random numbers
    for apart in itertools.product((False, True), repeat=count):
        if simple is not None:  # independent effects without centring: half of the work
            variance = float(simple[tuple(map(int, apart))])
            if variance > least:
                sizes = [axis.size if a else 1 for axis, a in zip(axes, apart, strict=True)]
                value = value + np.sqrt(variance) * generator.standard_normal(sizes)
            continue
        effect = centered
        for k, axis in enumerate(axes):
            effect = _own(axis, effect, k) if apart[k] else _common(axis, effect, k)
        own = [k for k in range(count) if apart[k]]
        shared = [k for k in range(count) if not apart[k]]
        if np.abs(effect).max() <= least:
            continue
        # rows and columns of the covariance between the groups of the shared axes, for each cell of the others
        split = effect.reshape([n for k, axis in enumerate(axes) for n in ((axis.groups,) if apart[k] else (axis.groups,) * 2)])
        place = np.cumsum([0] + [1 if a else 2 for a in apart])
        order = [*(place[k] for k in own), *(place[k] for k in shared), *(place[k] + 1 for k in shared)]
        groups = [axes[k].groups for k in shared]
        size = int(np.prod(groups))
        roots = _root(split.transpose(order).reshape(*(axes[k].groups for k in own), size, size))
        noise = generator.standard_normal((*(axes[k].size for k in own), size))
        noise = _times(noise, roots, [axes[k] for k in own])
        for n, k in enumerate(own):
            noise = noise - _group_means(axes[k], noise, n)
        noise = noise.reshape(*(axes[k].size for k in own), *groups)
        noise = noise.transpose(np.argsort([*own, *shared]))
        for k in shared:
            labels = axes[k].labels
            if labels is not None:
                noise = np.take(noise, labels, axis=k)
        value = value + noise
    return value.reshape(x.shape)


def in_order(x: Moments, k: int, excess: Sequence[Array], count: int, generator: np.random.Generator) -> Array:
    """Draws, along a first dimension, of a Gaussian tensor whose neighbours along axis k are more alike than other indices.

    excess[n] is what the covariance of two indices n + 1 apart has beyond that of their pair state, by pair state of the other
    axes, with one group each.
    """
    for n, axis in enumerate(x.axes):
        if n != k and axis.groups > 1:
            x = x.coarsened(n)
    axis = x.axes[k]
    labels = np.zeros(axis.size, dtype=np.int64) if axis.labels is None else axis.labels
    states = state_of(axis.groups, labels[:, None], labels[None, :])
    states[np.arange(axis.size), np.arange(axis.size)] = labels
    effects = _effects(np.moveaxis(x.centered(), k, 0))
    more = [_effects(e[None])[0] for e in excess]
    sizes = [a.size for n, a in enumerate(x.axes) if n != k]
    value = np.zeros((count, *sizes, axis.size))
    for apart in itertools.product((0, 1), repeat=len(sizes)):
        where: tuple[Any, ...] = (slice(None), *apart)
        covariance = effects[where][states]
        for n, e in enumerate(more, 1):
            index = np.arange(axis.size - n)
            covariance[index, index + n] += e[apart]
            covariance[index + n, index] += e[apart]
        if np.abs(covariance).max() > ROUNDING * np.abs(effects).max():
            told = [size if own else 1 for size, own in zip(sizes, apart, strict=True)]
            noise = generator.standard_normal((count, *told, axis.size))
            value = value + noise @ _root(covariance).T
    value = np.moveaxis(value, -1, k + 1) + by_index(x, x.mean).reshape([a.size for a in x.axes])
    return value.reshape(count, *x.shape)


def _effects(pair: Array) -> Array:
    """Along every axis but the first, what all indices share and what they have beyond it."""
    for k in range(1, pair.ndim):
        same, different = np.split(pair, 2, axis=k)
        pair = np.concatenate([different, same - different], axis=k)
    return pair


def _variances(x: Moments, centered: Array) -> Array | None:
    """The variance of each effect, by whether it tells the indices of an axis apart; None if there are groups or one is negative."""
    if any(axis.groups > 1 for axis in x.axes):
        return None
    result = centered[(slice(None, None, -1),) * centered.ndim]  # index 0 "different", 1 "same"
    for k in range(result.ndim):
        low, high = np.split(result, 2, axis=k)
        result = np.concatenate([low, high - low], axis=k)
    return result if np.all(result >= -ROUNDING * np.abs(centered).max()) else None


def _own(axis: Axis, pair: Array, k: int) -> Array:
    """S_g − D_gg along axis k."""
    g = axis.groups
    return np.asarray(pair.take(np.arange(g), axis=k) - pair.take(g + np.arange(g) * (g + 1), axis=k))


def _common(axis: Axis, pair: Array, k: int) -> Array:
    """Cov(m_g, m_g') along axis k, flat."""
    g = axis.groups
    result = np.moveaxis(pair.take(np.arange(g, axis.states), axis=k), k, 0).copy()
    own = np.moveaxis(_own(axis, pair, k), k, 0)
    result[np.arange(g) * (g + 1)] += own / axis.counts.reshape(-1, *(1,) * (own.ndim - 1))
    return np.moveaxis(result, 0, k)


def _root(covariance: Array) -> Array:
    if covariance.shape[-1] == 1:
        return np.asarray(np.sqrt(np.maximum(covariance, 0.0)))
    levels, vectors = np.linalg.eigh((covariance + np.swapaxes(covariance, -1, -2)) / 2)
    # the symmetric root: of equal levels any vectors may come, and what is drawn must not depend on the last digit
    return np.asarray((vectors * np.sqrt(np.maximum(levels, 0.0))[..., None, :]) @ np.swapaxes(vectors, -1, -2))


def _times(noise: Array, roots: Array, axes: Sequence[Axis]) -> Array:
    """Every vector of noise times the root of its cell."""
    if all(axis.groups == 1 for axis in axes):
        root = roots.reshape(roots.shape[-2:])
        return np.asarray(noise * root[0, 0] if root.size == 1 else noise @ root.T)
    if roots.shape[-1] == 1:
        factor = roots[..., 0, 0]
        for n, axis in enumerate(axes):
            factor = np.repeat(factor, axis.size, axis=n) if axis.labels is None else np.take(factor, axis.labels, axis=n)
        return np.asarray(noise * factor[..., None])
    result = np.empty_like(noise)
    for cell in np.ndindex(roots.shape[:-2]):
        where = np.ix_(*(np.flatnonzero(members(axis)[:, g]) for axis, g in zip(axes, cell, strict=True)))
        result[where] = noise[where] @ roots[cell].T
    return result


def _group_means(axis: Axis, noise: Array, n: int) -> Array:
    if axis.labels is None:
        return np.asarray(noise.mean(n, keepdims=True))
    share = members(axis)
    means = np.moveaxis(np.tensordot(share / axis.counts, noise, (0, n)), 0, n)
    return np.asarray(np.take(means, axis.labels, axis=n))


def sampled(
    tape: Tape, function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any], seed: int, *, draws: int = DRAWS,
    outputs: Sequence[Dims] = (), gradients: dict[int, Dims] | None = None, ends: Collection[int] = (),
    look: Callable[[Moments | None, Sequence[npt.NDArray[Any]]], None] = lambda of, drawn: None,
) -> Any:  # fmt: skip
    """The outputs of a torch operator, measured over some draws of its inputs; the pullback is measured too.

    outputs    axes of the results, where the caller knows which of their positions differ
    gradients  axes of the cotangents of some inputs, by id
    ends       ids of inputs at which gradients end, so that of their cotangents only second moments matter
    look       called with what was drawn: with None and the draws of each result, later with an input and the draws of its cotangent

    Raises:
        CannotPredict: the inputs are too large, or the operator refuses them.
    """
    import torch

    unique = list({id(x): x for x in _moments_in((*args, *kwargs.values()))}.values())
    if sum(int(np.prod(x.shape)) for x in unique) > LARGEST:
        raise CannotPredict("tensors too large to sample")
    runs = []
    for n in range(draws):
        generator = np.random.default_rng([SEED, seed, n])
        tensors = {id(x): _single(draw(x, generator)) for x in unique}

        def fill(value: Any, tensors: dict[int, Any] = tensors) -> Any:
            if isinstance(value, Moments):
                return tensors[id(value)]
            if isinstance(value, Known):
                return value.tensor
            if isinstance(value, list | tuple):
                return type(value)(fill(item) for item in value)
            return torch.device("cpu") if isinstance(value, torch.device) else value

        with torch.enable_grad(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED + n)
            for t in tensors.values():
                t.requires_grad_()
            try:
                result = function(*fill(list(args)), **{k: fill(v) for k, v in kwargs.items()})
            except Exception as error:  # whatever a foreign operator raises, the node is reported as unknown
                raise CannotPredict(f"{type(error).__name__}: {error}") from error
        runs.append((tensors, list(result) if isinstance(result, tuple | list) else [result]))
    results: list[Any] = []
    for position, first in enumerate(runs[0][1]):
        if not isinstance(first, torch.Tensor):
            results.append(first)
            continue
        if not (first.is_floating_point() or first.is_complex()):
            results.append(Known(first.detach()))
            continue
        values = [run[1][position].detach().numpy() for run in runs]
        look(None, values)
        y = measured(values, outputs[position] if outputs else _dims_like(values[0].shape, unique))
        y.method = "sampled"
        y.positive, y.negative = signs_of(values)
        if any(0 < x.zeros < 1 and not (x.profile is not None and x.mean.size == 1) for x in unique):
            y.zeros = 1.0 if y.is_zero else 0.0  # drawn as Gaussian, without the zeros they have

        def pull(g: Moments, position: int = position) -> list[Moments | None]:
            grads: list[list[npt.NDArray[Any]]] = [[] for _ in unique]
            for n, (tensors, found) in enumerate(runs):
                output = found[position]
                if not output.requires_grad:
                    return [None] * len(unique)
                generator = np.random.default_rng([SEED, seed, n, 1 + position])
                back = torch.autograd.grad(
                    output, [tensors[id(x)] for x in unique], _single(draw(g, generator)), retain_graph=True, allow_unused=True
                )
                for slot, x, grad in zip(grads, unique, back, strict=True):
                    slot.append(np.zeros(x.shape) if grad is None else grad.numpy())
            for x, values in zip(unique, grads, strict=True):
                look(x, values)
            return [
                _plain(values, x) if id(x) in ends else _cotangent(measured(values, (gradients or {}).get(id(x)) or x.dims))
                for values, x in zip(grads, unique, strict=True)
            ]

        results.append(tape.record(unique, y, pull))
    return results[0] if not isinstance(result, tuple | list) else results


def _moments_in(value: Any) -> Iterator[Moments]:
    if isinstance(value, Moments):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _moments_in(item)


def _single(values: npt.NDArray[Any]) -> Any:
    """As a tensor of single precision."""
    import torch

    tensor = torch.from_numpy(np.asarray(values))
    return tensor.to(torch.complex64 if tensor.is_complex() else torch.float32)


def _dims_like(shape: Sequence[int], like: Sequence[Moments]) -> Dims:
    """Axes for a result of this shape: those of an input where it has a dimension of the same size at the same place."""
    dims: list[tuple[Axis, ...]] = []
    for d, n in enumerate(shape):
        same = [x.dims[d] for x in like if len(x.shape) == len(shape)]
        role = next((dim[0].role for dim in same if dim), "channel" if d == len(shape) - 1 else "position")
        fitting = next((dim for dim in same if dim and int(np.prod([axis.size for axis in dim])) == n), (Axis(n, None, role),))
        dims.append(fitting if n > 1 else ())
    return tuple(dims)


def measured(values: Sequence[npt.NDArray[Any]], dims: Dims) -> Moments:
    """Pair moments over several draws of a tensor."""
    if np.iscomplexobj(values[0]):
        real, imaginary = (measured([part(v) for v in values], dims) for part in (np.real, np.imag))
        return Moments(dims, real.mean, real.pair + imaginary.pair, zeros=min(real.zeros, imaginary.zeros), complex=True)
    each = [from_array(np.asarray(v, dtype=np.float64), dims) for v in values]
    mean = np.mean([m.mean for m in each], axis=0)
    pair = np.mean([m.pair for m in each], axis=0)
    return Moments(each[0].dims, mean, pair, zeros=float(np.mean([m.zeros for m in each])))


def _plain(values: Sequence[npt.NDArray[Any]], like: Moments) -> Moments:
    """A cotangent with independent entries of the second moment that was found."""
    second = float(np.mean([np.mean(np.square(np.abs(v), dtype=np.float64)) for v in values]))
    pair = np.zeros_like(like.pair)
    pair[tuple(slice(0, axis.groups) for axis in like.axes)] = second
    return Moments(like.dims, np.zeros_like(like.mean), pair, complex=like.complex)


def _cotangent(x: Moments) -> Moments:
    return Moments(x.dims, np.zeros_like(x.mean), x.pair, complex=x.complex)
