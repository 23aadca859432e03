"""Operators that give what their way back needs beside their result: averages, reciprocal deviations, logarithms of sums.

The result is that of the operator without these (`norm`, `attention`, `functions`). What is saved is computed as the sum, variance
and root that it is, and only where somebody takes it: it is given as a function of nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from initlint.propagate.moments import Moments
from initlint.propagate.ops.arithmetic import add, mul
from initlint.propagate.ops.attention import attended
from initlint.propagate.ops.functions import affine, torch_function, unary
from initlint.propagate.ops.norm import batch_norm, group_norm, layer_norm, rms_norm, weight_norm
from initlint.propagate.ops.reduce import logsumexp, mean, var, vector_norm
from initlint.propagate.ops.registry import CannotPredict, as_moments, transfer
from initlint.propagate.ops.view import reshaped
from initlint.propagate.pointwise import Cotangent, spread, times
from initlint.propagate.tape import Tape

Later = Callable[[], Any]
NO_ROWS = 1e-30  # in place of ε = 0, so that a root of nothing has a slope


def reciprocal_root(tape: Tape, square: Moments, eps: float) -> Moments:
    """1/√(v + ε)."""
    return unary(tape, affine(tape, square, 1.0, max(eps, NO_ROWS)), torch_function("rsqrt", (), {}))


def statistics(tape: Tape, x: Moments, dims: Sequence[int], eps: float, keep: bool) -> list[Later]:
    """The average over some dimensions, and the reciprocal of the deviation over them."""
    return [
        partial(mean, tape, x, list(dims), keep),
        lambda: reciprocal_root(tape, var(tape, x, list(dims), 0, keep), eps),
    ]


@transfer("native_layer_norm")
def native_layer_norm(tape: Tape, x: Any, shape: Sequence[int], weight: Any = None, bias: Any = None, eps: float = 1e-5) -> list[Any]:
    x = as_moments(x)
    dims = range(len(x.dims) - len(shape), len(x.dims))
    return [layer_norm(tape, x, shape, weight, bias, eps), *map(partial, statistics(tape, x, dims, eps, True))]


@transfer("_fused_rms_norm")
def fused_rms_norm(tape: Tape, x: Any, shape: Sequence[int], weight: Any = None, eps: float | None = None) -> list[Any]:
    x = as_moments(x)
    dims = list(range(len(x.dims) - len(shape), len(x.dims)))
    small = 1.2e-7 if eps is None else eps
    y = rms_norm(tape, x, shape, weight, eps)

    def scale() -> Moments:
        found = reciprocal_root(tape, mean(tape, unary(tape, x, torch_function("square", (), {})), dims, True), small)

        def told(g: Cotangent) -> list[Cotangent]:
            """Where no kernel does it, y is x·r, and r is told Σ g x; what it sends back is in what y sends."""
            total = g.copied().total()
            into = None if total is None else times(total, spread(x))
            count = float(math.prod([x.shape[d] for d in dims]))
            return [Cotangent(spent=None if into is None else into.averaged(into.dim_axes(dims)).scaled(count))]

        tape.record_coherent([found], y, told)
        return found

    return [y, partial(scale)]


@transfer("native_group_norm")
def native_group_norm(
    tape: Tape, x: Any, weight: Any, bias: Any, batch: int, channels: int, size: int, groups: int, eps: float
) -> list[Any]:
    x = as_moments(x)

    def apart() -> Moments:
        return reshaped(tape, x, [batch, groups, math.prod(x.shape) // (batch * groups)])

    later = [lambda: mean(tape, apart(), [2]), lambda: reciprocal_root(tape, var(tape, apart(), [2], 0), eps)]
    return [group_norm(tape, x, groups, weight, bias, eps), *map(partial, later)]


@transfer("native_batch_norm", "_native_batch_norm_legit", "cudnn_batch_norm")
def native_batch_norm(tape: Tape, x: Any, weight: Any, bias: Any, *args: Any) -> list[Any]:
    """(stored average, stored variance,) train, momentum, ε."""
    stored, (train, momentum, eps) = args[:-3], args[-3:]
    if not train:
        raise CannotPredict("stored statistics of a batch norm that saves none")
    x = as_moments(x)
    dims = [d for d in range(len(x.shape)) if d != 1]
    y = batch_norm(tape, x, weight, bias, *(stored or (None, None)), train, momentum, eps)
    return [y, *map(partial, statistics(tape, x, dims, eps, False))]


@transfer("_native_batch_norm_legit_functional")
def functional_batch_norm(
    tape: Tape, x: Any, weight: Any, bias: Any, average: Any, variance: Any, train: bool, momentum: float, eps: float
) -> list[Any]:
    """The same, with the next stored average and variance."""
    x = as_moments(x)
    dims = [d for d in range(len(x.shape)) if d != 1]

    def moved(stored: Any, new: Later) -> Any:
        return add(tape, mul(tape, stored, 1.0 - momentum), mul(tape, new(), momentum))

    return [
        *native_batch_norm(tape, x, weight, bias, average, variance, train, momentum, eps),
        partial(moved, average, lambda: mean(tape, x, dims)),
        partial(moved, variance, lambda: var(tape, x, dims, 1)),
    ]


@transfer("_weight_norm_interface")
def weight_norm_interface(tape: Tape, v: Any, g: Any, dim: int = 0) -> list[Any]:
    v = as_moments(v)
    dims = [d for d in range(len(v.dims)) if d != v.dim(dim)]
    return [weight_norm(tape, v, g, dim), partial(vector_norm, tape, v, 2, dims, True)]


@transfer("_scaled_dot_product_flash_attention_for_cpu")
def flash_attention(
    tape: Tape, q: Any, k: Any, v: Any, p: float = 0.0, causal: bool = False, *, attn_mask: Any = None, scale: float | None = None
) -> list[Any]:
    """The logarithms of the sums of exponentials are those of its rows."""
    y, logits = attended(tape, q, k, v, attn_mask, p, causal, scale)
    return [y, partial(logsumexp, tape, logits, -1)]


@transfer("log_sigmoid_forward")
def log_sigmoid_forward(tape: Tape, x: Any) -> list[Any]:
    """On a CPU e^{−|x|} is kept."""
    import torch

    x = as_moments(x)
    return [
        unary(tape, x, torch_function("log_sigmoid", (), {})),
        partial(unary, tape, x, lambda t: torch.exp(-t.abs())),
    ]
