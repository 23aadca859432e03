"""Which of several values an entry has: conditions, masks, gates, dropout."""

from __future__ import annotations

from typing import Any

import numpy as np

from initlint.propagate.moments import Moments, align, constant, outer_means
from initlint.propagate.ops import extremes  # noqa: F401 - registers clamps of two tensors before those of one
from initlint.propagate.ops.arithmetic import MASKED, add, added, mul, multiplied
from initlint.propagate.ops.functions import _register_unary, affine, binary_on_source, torch_function, unary
from initlint.propagate.ops.gather import flags_of, signs, worst
from initlint.propagate.ops.norm import channel_vector
from initlint.propagate.ops.registry import CannotPredict, as_moments, scalar_of, transfer
from initlint.propagate.ops.view import same, unbroadcast
from initlint.propagate.pointwise import (
    lineage,
    times,
)
from initlint.propagate.tape import Known, Tape


@transfer("glu")
def glu(tape: Tape, x: Any, dim: int = -1) -> Moments:
    from initlint.propagate.ops.view import chunk

    a, b = chunk(tape, x, 2, dim)
    return multiplied(tape, a, unary(tape, b, torch_function("sigmoid", (), {})))


@transfer("prelu", "_prelu_kernel")
def prelu(tape: Tape, x: Any, weight: Any) -> Moments:
    x = as_moments(x)
    if not isinstance(weight, Moments):
        slope = scalar_of(weight)
        return unary(tape, x, torch_function("leaky_relu", (as_moments(weight).m if slope is None else slope,), {}))
    # max(x, 0) + a min(x, 0): the gradient of a slope is that of a factor
    kept, bent = unary(tape, x, torch_function("relu", (), {})), unary(tape, x, torch_function("clamp_max", (0.0,), {}))
    if weight.shape and weight.shape[0] > 1:
        weight = channel_vector(tape, weight, len(x.shape))
    return add(tape, kept, mul(tape, bent, weight))


@transfer("atan2", "hypot")
def of_two(tape: Tape, x: Any, y: Any) -> Moments:
    raise CannotPredict("a function of two tensors")


def mixture(tape: Tape, share: Moments, x: Moments, y: Moments) -> Moments:
    """x where a random or known condition (0 or 1, independent of both) holds, else y."""
    c, a, b = align(share, x, y)
    other = np.maximum(1.0 - outer_means(c.axes, c.mean, np.ones_like(c.mean)) - outer_means(
        c.axes, np.ones_like(c.mean), c.mean) + c.pair, 0.0)  # fmt: skip
    mean = c.mean * a.mean + (1.0 - c.mean) * b.mean
    pair = c.pair * a.pair + other * b.pair
    if np.any(a.mean) and np.any(b.mean):
        first = outer_means(c.axes, c.mean, np.ones_like(c.mean)) - c.pair
        second = outer_means(c.axes, np.ones_like(c.mean), c.mean) - c.pair
        pair = pair + first * a.mean_products(b) + second * b.mean_products(a)
    part = share.m
    z = Moments(a.dims, mean, pair, method=worst([x, y]), flags=flags_of([x, y]))
    z.zeros = part * x.zeros + (1 - part) * y.zeros
    z.positive, z.negative = signs([x, y])
    keep, rest = Moments(c.dims, np.zeros_like(c.mean), c.pair), Moments(c.dims, np.zeros_like(c.mean), other)
    return tape.record([x, y], z, lambda g: [unbroadcast(times(g, keep), x), unbroadcast(times(g, rest), y)])


@transfer("where")
def where(tape: Tape, condition: Any, x: Any, y: Any) -> Any:
    from initlint.propagate.ops.attention import hide

    number = scalar_of(y)
    if isinstance(condition, Known) and number is not None and can_hide(x, number):
        return hide(tape, x, ~condition.tensor.bool(), number)
    number = scalar_of(x)
    if isinstance(condition, Known) and number is not None and can_hide(y, number):
        return hide(tape, y, condition.tensor.bool(), number)
    if isinstance(condition, Moments) and condition.profile is not None and all(
        lineage(v) == lineage(condition) if isinstance(v, Moments) else scalar_of(v) is not None for v in (x, y)
    ):
        return _where_on_source(tape, condition, x, y)
    if isinstance(condition, Moments) and integral(x) and integral(y) and any(isinstance(v, Known) for v in (x, y)):
        return drawn(condition, x, y)
    shape = np.broadcast_shapes(*(tuple(getattr(v, "shape", ())) for v in (condition, x, y)))
    if isinstance(condition, Moments) and (condition.is_zero or is_one(condition)):
        chosen = y if condition.is_zero else x
        if isinstance(chosen, Moments) and chosen.shape == shape:
            return same(tape, chosen)  # all experts in one group: nothing is left out
    likely = next((v for v in (x, y, condition) if isinstance(v, Moments) and v.shape == shape), None)
    a, b = as_moments(x, likely), as_moments(y, likely)
    share = as_moments(condition, likely)
    return mixture(tape, share, a, b)


def can_hide(x: Any, number: float) -> bool:
    """Whether a number may stand for entries of x that a known mask hides: one, or numbers that no softmax sees."""
    return isinstance(x, Moments) and (number <= MASKED or (x.valid is None and not x.complex))


def is_one(x: Moments) -> bool:
    """Whether every entry is one."""
    return bool(np.all(x.mean == 1.0) and np.all(x.cells == 1.0))


def integral(value: Any) -> bool:
    """An integer, or a known tensor of them."""
    import torch

    if isinstance(value, Known):
        return not value.tensor.dtype.is_floating_point and not value.tensor.is_complex() and value.tensor.dtype != torch.bool
    return isinstance(value, int)


def drawn(condition: Moments, x: Any, y: Any) -> Known:
    """Integers chosen by a random condition: one draw of them, as every integer path is."""
    import torch

    left, right = (v.tensor if isinstance(v, Known) else v for v in (x, y))
    return Known(torch.where(truths(condition), left, right))


def truths(condition: Moments) -> Any:
    """One draw of a random condition, as a tensor of booleans."""
    import torch

    from initlint.propagate.sampling import SEED, draw

    return torch.from_numpy(np.asarray(draw(condition, np.random.default_rng(SEED)) > 0.5))


def _where_on_source(tape: Tape, condition: Moments, x: Any, y: Any) -> Moments:
    import torch

    left, right = scalar_of(x), scalar_of(y)
    if left is None and right is None:
        chosen = binary_on_source(tape, condition, x, lambda c, a: torch.where(c != 0, a, 0.0))
        other = binary_on_source(tape, condition, y, lambda c, b: torch.where(c != 0, 0.0, b))
        assert chosen is not None and other is not None
        return added(tape, chosen, other)
    if left is not None and right is not None:
        return unary(tape, condition, lambda c: torch.where(c != 0, left, right))
    if right is not None:
        result = binary_on_source(tape, condition, x, lambda c, a: torch.where(c != 0, a, right))
    else:
        assert left is not None
        result = binary_on_source(tape, condition, y, lambda c, b: torch.where(c != 0, left, b))
    assert result is not None
    return result


@transfer("masked_fill")
def masked_fill(tape: Tape, x: Any, mask: Any, value: Any) -> Any:
    from initlint.propagate.ops.attention import hide

    number = scalar_of(value)
    if number is None:
        return where(tape, mask, value, x)
    if isinstance(mask, Known) and can_hide(x, number):
        return hide(tape, x, mask.tensor.bool(), number)
    if isinstance(mask, Moments) and mask.is_zero and isinstance(x, Moments):
        return same(tape, x)
    if isinstance(mask, Moments) and number <= MASKED and len(mask.shape) <= len(getattr(x, "shape", ())):
        return hide(tape, as_moments(x), truths(mask), number)  # entries beyond all numbers have no moments: which they are is drawn
    if isinstance(mask, Moments) and mask.profile is not None:
        return where(tape, mask, number, x)
    x = as_moments(x)
    return mixture(tape, as_moments(mask, x), constant([1] * len(x.shape), number), x)


SATURATED = 1.7580993408473766  # minus the value of a SELU far to the left, which alpha dropout writes (Klambauer et al. 2017)


@transfer("dropout", "native_dropout")
def dropout(tape: Tape, x: Any, p: float, train: bool = True) -> Any:
    """Multiplication by a mask of independent 0 and 1/(1−p)."""
    return masked(tape, as_moments(x), p, whole=0) if train and p > 0 else x


@transfer("feature_dropout")
def feature_dropout(tape: Tape, x: Any, p: float, train: bool = True) -> Any:
    """One draw for a whole channel."""
    return masked(tape, as_moments(x), p, whole=max(len(x.shape) - 2, 0)) if train and p > 0 else x


@transfer("alpha_dropout")
def alpha_dropout(tape: Tape, x: Any, p: float, train: bool = True) -> Any:
    """a (m x − α (1 − m)) + b, m of 0 and 1, with a and b that keep mean zero and variance one: a (m (x + α) − α (1 − p))."""
    return _saturated(tape, as_moments(x), p, 0) if train and 0 < p < 1 else x


@transfer("feature_alpha_dropout")
def feature_alpha_dropout(tape: Tape, x: Any, p: float, train: bool = True) -> Any:
    return _saturated(tape, as_moments(x), p, max(len(x.shape) - 2, 0)) if train and 0 < p < 1 else x


def _saturated(tape: Tape, x: Moments, p: float, whole: int) -> Moments:
    a = ((SATURATED**2 * p + 1.0) * (1.0 - p)) ** -0.5
    kept = masked(tape, affine(tape, x, 1.0, SATURATED), p, whole)
    y = affine(tape, kept, a * (1.0 - p), -a * SATURATED * (1.0 - p))
    y.zeros = 0.0
    return y


def masked(tape: Tape, x: Moments, p: float, whole: int) -> Moments:
    """Dropout with one draw an element, or, with `whole`, one draw for all of the last `whole` dimensions."""
    if p >= 1:
        return constant(x.shape, 0.0)
    keep = x.dims[: len(x.dims) - whole]
    mask_axes = [axis for dim in keep for axis in dim]
    pair = np.ones([axis.states for axis in mask_axes])
    pair[tuple(slice(0, axis.groups) for axis in mask_axes)] = 1.0
    same = np.ones([axis.states for axis in mask_axes], dtype=bool)
    for k, axis in enumerate(mask_axes):
        is_same = np.arange(axis.states) < axis.groups
        same &= is_same.reshape([-1 if n == k else 1 for n in range(len(mask_axes))])
    pair[same] = 1.0 / (1.0 - p)
    mask = Moments((*keep, *((),) * whole), np.ones([axis.groups for axis in mask_axes]), pair, zeros=p, positive=True)
    y = multiplied(tape, x, mask, kept=1.0 / (1.0 - p))
    y.thinned = x, 1.0 - p
    return y


_register_unary()
