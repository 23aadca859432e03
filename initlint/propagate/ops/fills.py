"""New tensors that take only their shape or type from another: zeros, ones, fills."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from initlint.propagate.moments import Moments, constant, constant_like
from initlint.propagate.ops.registry import TRANSFERS, CannotPredict, as_moments, scalar_of, transfer
from initlint.propagate.ops.view import expanded
from initlint.propagate.tape import Known, Tape


@transfer("new_zeros", "new_empty", "new_ones", "new_full")
def fresh(tape: Tape, x: Any, shape: Sequence[int], value: Any = None, *args: Any, **kwargs: Any) -> Known:
    """A new tensor that only takes its type from x."""
    raise CannotPredict("the value is in the name")


def _register_fresh() -> None:
    import torch

    for name, number in (("new_zeros", 0.0), ("new_empty", 0.0), ("new_ones", 1.0), ("new_full", None)):

        def run(tape: Tape, x: Any, shape: Sequence[int], value: Any = None, *args: Any, _number: float | None = number,
                **kwargs: Any) -> Any:  # fmt: skip
            filled = _number if _number is not None else scalar_of(value if value is not None else kwargs.get("fill_value"))
            if filled is None:
                raise CannotPredict("a random filling")
            if int(np.prod(list(shape))) > LARGEST_TABLE:
                return constant(list(shape), filled)
            return Known(torch.full(tuple(shape), filled, dtype=kwargs.get("dtype") or torch.float32))

        TRANSFERS[name] = run


LARGEST_TABLE = 1 << 22


@transfer("fill", "fill_", "full_like")
def fill(tape: Tape, x: Any, value: Any, *args: Any, **kwargs: Any) -> Any:
    number = scalar_of(value)
    if number is None:
        return expanded(tape, as_moments(value), list(x.shape))
    if not math.isfinite(number):  # a mask in the making: it has values, not moments
        import torch

        return Known(torch.full(tuple(x.shape), number))
    return _filled(x, number)


@transfer("zero", "zeros_like")
def zero(tape: Tape, x: Any, *args: Any, **kwargs: Any) -> Moments:
    return _filled(x, 0.0)


@transfer("ones_like")
def ones(tape: Tape, x: Any, *args: Any, **kwargs: Any) -> Moments:
    return _filled(x, 1.0)


def _filled(x: Any, number: float) -> Moments:
    return constant_like(x, number) if isinstance(x, Moments) else constant(list(x.shape), number)


_register_fresh()
