"""Operators without a formula: run the real one on tensors drawn with the wanted pair moments, and measure.

A tensor with exchangeable axes is a sum of independent effects, one for each subset S of the axes that index it (the
analysis of variance of a random tensor); the variance of each follows from the pair moments by inclusion and exclusion.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from initlint.propagate.axes import Array, Axis
from initlint.propagate.known import from_array
from initlint.propagate.moments import Moments
from initlint.propagate.ops.registry import CannotPredict
from initlint.propagate.pointwise import grid
from initlint.propagate.tape import Known, Tape

LARGEST = 1 << 23  # elements of all inputs of one sampled operator
DRAWS = 6
SEED = 20180611


def draw(x: Moments, generator: np.random.Generator) -> Array:
    """One tensor with x's shape whose pair moments are, in expectation, x's with groups averaged."""
    if x.profile is not None and x.mean.size == 1:
        source = x.profile.source
        standard = Moments(x.dims, np.zeros_like(x.mean), source.correlation)
        z = _effects(standard, generator)
        nodes, _, _ = grid(source.points)
        return np.interp(z, nodes, x.profile.values.reshape(len(nodes)))
    if x.positive and not x.zeros and np.all(x.mean > 0):
        # log-normal with the same moments: E[e^u e^v] = e^(Cov(u, v)) for u, v with E[e^u] = 1
        for k in range(len(x.axes)):
            x = x.coarsened(k)
        level = float(x.mean.flat[0])
        logs = Moments(x.dims, np.zeros_like(x.mean), np.log(np.maximum(x.pair, 1e-300) / level**2))
        return level * np.exp(_effects(logs, generator) - float(logs.cells.flat[0]) / 2)
    return _effects(x, generator)


def _effects(x: Moments, generator: np.random.Generator) -> Array:
    for k, axis in enumerate(x.axes):
        if axis.labels is not None:
            x = x.coarsened(k)
    sizes = [axis.size for axis in x.axes]
    mean = float(x.mean.flat[0])
    # index 0 "different", 1 "same"; differences along every axis leave the variance of each effect
    full = x.pair[(slice(None, None, -1),) * x.pair.ndim] - mean**2
    for k in range(full.ndim):
        low, high = np.split(full, 2, axis=k)
        full = np.concatenate([low, high - low], axis=k)
    value: Array = np.full(sizes, mean)
    for state in itertools.product((0, 1), repeat=len(sizes)):
        variance = float(full[state])
        if variance > 0:
            shape = [n if used else 1 for n, used in zip(sizes, state, strict=True)]
            noise: Array = generator.standard_normal(shape)
            for k, used in enumerate(state):
                # what entries share along an axis may be less than nothing, as that of centred ones: cov = −(2a − a²)·variance/n
                shared = float(full[tuple(0 if n == k else s for n, s in enumerate(state))]) if used else 0.0
                if shared < 0.0 and sizes[k] > 1:
                    part = 1.0 - np.sqrt(max(1.0 + shared * sizes[k] / variance, 0.0))
                    noise = noise - part * noise.mean(k, keepdims=True)
            value = value + np.sqrt(variance) * noise
    return value.reshape(x.shape)


def sampled(tape: Tape, function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any], seed: int) -> Any:
    """The outputs of a torch operator, measured over DRAWS draws of its inputs; the pullback is measured too.

    Raises:
        CannotPredict: the inputs are too large, or the operator refuses them.
    """
    import torch

    inputs: list[Moments] = []

    def collect(value: Any) -> None:
        if isinstance(value, Moments):
            inputs.append(value)
        elif isinstance(value, list | tuple):
            for item in value:
                collect(item)

    collect(list(args))
    collect(list(kwargs.values()))
    unique = list({id(x): x for x in inputs}.values())
    if sum(int(np.prod(x.shape)) for x in unique) > LARGEST:
        raise CannotPredict("tensors too large to sample")
    runs = []
    for n in range(DRAWS):
        generator = np.random.default_rng([SEED, seed, n])
        tensors = {id(x): torch.from_numpy(np.asarray(draw(x, generator))).float() for x in unique}

        def fill(value: Any, tensors: dict[int, Any] = tensors) -> Any:
            if isinstance(value, Moments):
                return tensors[id(value)]
            if isinstance(value, Known):
                return value.tensor
            if isinstance(value, list | tuple):
                return type(value)(fill(item) for item in value)
            return torch.device("cpu") if isinstance(value, torch.device) else value

        with torch.enable_grad(), torch.random.fork_rng():
            torch.manual_seed(SEED + n)
            for t in tensors.values():
                t.requires_grad_()
            try:
                result = function(*fill(list(args)), **{k: fill(v) for k, v in kwargs.items()})
            except Exception as error:  # whatever a foreign operator raises, the node is reported as unknown
                raise CannotPredict(f"{type(error).__name__}: {error}") from error
        runs.append((tensors, list(result) if isinstance(result, tuple | list) else [result]))
    outputs: list[Any] = []
    for position, first in enumerate(runs[0][1]):
        if not isinstance(first, torch.Tensor):
            outputs.append(first)
            continue
        if not first.is_floating_point():
            outputs.append(Known(first.detach()))
            continue
        values = [run[1][position].detach().numpy().astype(np.float64) for run in runs]
        y = _measured(values, unique)
        y.method, y.positive = "sampled", all(bool((v >= 0).all()) for v in values)
        if any(0 < x.zeros < 1 and not (x.profile is not None and x.mean.size == 1) for x in unique):
            y.zeros = 1.0 if y.is_zero else 0.0  # drawn as Gaussian, without the zeros they have
        y.positive = all(bool((v >= 0).all()) for v in values)

        def pull(g: Moments, position: int = position) -> list[Moments | None]:
            grads: list[list[Array]] = [[] for _ in unique]
            for n, (tensors, results) in enumerate(runs):
                output = results[position]
                if not output.requires_grad:
                    return [None] * len(unique)
                generator = np.random.default_rng([SEED, seed, n, 1])
                cotangent = torch.from_numpy(np.asarray(_effects(g, generator))).float()
                found = torch.autograd.grad(
                    output, [tensors[id(x)] for x in unique], cotangent, retain_graph=True, allow_unused=True
                )
                for slot, x, grad in zip(grads, unique, found, strict=True):
                    slot.append(np.zeros(x.shape) if grad is None else grad.numpy().astype(np.float64))
            return [_cotangent(_measured(values, [x])) for values, x in zip(grads, unique, strict=True)]

        outputs.append(tape.record(unique, y, pull))
    return outputs[0] if not isinstance(result, tuple | list) else outputs


def _measured(values: Sequence[Array], like: Sequence[Moments]) -> Moments:
    shape = values[0].shape
    roles = {d: dim[0].role for x in like for d, dim in enumerate(x.dims) if dim and len(x.shape) == len(shape)}
    dims = tuple(
        (Axis(n, None, roles.get(d, "channel" if d == len(shape) - 1 else "position")),) if n > 1 else ()
        for d, n in enumerate(shape)
    )
    each = [from_array(v, dims) for v in values]
    mean = np.mean([m.mean for m in each], axis=0)
    pair = np.mean([m.pair for m in each], axis=0)
    return Moments(each[0].dims, mean, pair, zeros=float(np.mean([m.zeros for m in each])))


def _cotangent(x: Moments) -> Moments:
    return Moments(x.dims, np.zeros_like(x.mean), x.pair)
